//! The store alone, on either engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass::domain::lease::Terms;
use hallpass::server::ambient::{SystemEntropy, SystemSteadyClock};
use hallpass::server::store::{Db, DbOptions, Meters, NoWatcher, Place, PostgresPlace};

/// A database in a file.
pub async fn sqlite(path: &Path) -> Db {
    open(Place::Sqlite(path)).await
}

/// A database of a PostgreSQL server.
pub async fn postgres(url: &str) -> Db {
    let place = PostgresPlace {
        url: url.into(),
        direct_url: None,
        require_sync: false,
        terms: Terms::new(Duration::from_millis(100), 10),
        clock: Arc::new(SystemSteadyClock),
    };
    open(Place::Postgres(&place)).await
}

async fn open(place: Place<'_>) -> Db {
    let (meters, watcher, entropy) = (Meters::none(), Arc::new(NoWatcher), Arc::new(SystemEntropy));
    Db::open(DbOptions { place, connections: 4, entropy, replica: "test", meters, watcher }).await.unwrap()
}
