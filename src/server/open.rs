//! Opening the database with its key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::entropy::{self, Entropy};
use crate::domain::id::ReplicaId;
use crate::domain::lease::Terms;

use super::config::{Config, DatabasePlace};
use super::keys::{self, KeyError, Keys, SecretKey};
use super::store::{Db, DbOptions, Meters, Place, PostgresPlace, SoleServer, Watcher};
use super::{Ambient, StartError, trials};

/// The setting that remembers which secret key the installation has.
const KEY_CHECK: &str = "secret_key_check";
/// The setting that marks the database of a demo.
const DEMO_MARK: &str = "demo";

/// How often a server tries to be the only one, and the pause between two tries.
const CLAIMS: u32 = 25;
const CLAIM_AGAIN: Duration = Duration::from_millis(20);

/// A look at a file is good for this long.
const ALONE: Terms = Terms::new(Duration::from_millis(250), 0);
/// Replicas hold leases of this length. Oscillators differ by less than a thousandth, and clocks that are being slewed
/// by as much again; so there is room to spare.
pub(super) const TOGETHER: Terms = Terms::new(Duration::from_secs(1), 10);

/// How long a server that starts puts up with a database that is slow. Servers often start when it has most to do.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// The same for a command: somebody is waiting.
pub(super) const COMMAND_PATIENCE: Duration = Duration::from_secs(3);

/// Longest pause before another try, in which those go on who had to wait for this one.
const PAUSE: Duration = Duration::from_millis(1_500);

/// Takes a step of the start of a server, and takes it again as long as the database is only too slow for it.
pub(super) async fn patiently<T>(
    ambient: &Ambient,
    step: impl AsyncFn() -> Result<T, StartError>,
) -> Result<T, StartError> {
    patiently_for(START_PATIENCE, ambient, step).await
}

/// The same with another patience.
pub(super) async fn patiently_for<T>(
    patience: Duration,
    ambient: &Ambient,
    step: impl AsyncFn() -> Result<T, StartError>,
) -> Result<T, StartError> {
    let begun = ambient.steady.moment();
    loop {
        match step().await {
            Err(error) if error.is_late() && ambient.steady.moment().since(begun) < patience => {
                tracing::warn!(%error, "the database is slow, and is asked again");
                tokio::time::sleep(PAUSE.min(patience / 10)).await;
            }
            done => return done,
        }
    }
}

/// How long memory may be believed.
pub(super) fn terms(place: &DatabasePlace) -> Terms {
    let terms = match place {
        DatabasePlace::Sqlite(_) => ALONE,
        DatabasePlace::Postgres { .. } => TOGETHER,
    };
    trials::terms(terms)
}

/// Takes a SQLite file for this process alone. Somebody at the command line may just be asking who has it.
pub(super) async fn claim(place: &DatabasePlace) -> Result<Option<SoleServer>, StartError> {
    let DatabasePlace::Sqlite(database) = place else { return Ok(None) };
    let shown = || database.display().to_string();
    for _ in 0..CLAIMS {
        if let Some(sole) = SoleServer::claim(database).map_err(|error| StartError::Lock(shown(), error))? {
            return Ok(Some(sole));
        }
        tokio::time::sleep(CLAIM_AGAIN).await;
    }
    Err(StartError::NotAlone(shown()))
}

/// What it takes to open a database.
pub(super) struct Opening<'a> {
    pub config: &'a Config,
    /// Whether the database must be that of a demo, or must not be; whoever only looks after one takes it as it is.
    pub demo: Option<bool>,
    pub ambient: &'a Ambient,
    pub replica: ReplicaId,
}

impl<'a> Opening<'a> {
    /// For a command beside the servers.
    pub fn beside(config: &'a Config, ambient: &'a Ambient) -> Self {
        let replica = ReplicaId::from_random(entropy::bytes(&*ambient.entropy));
        Opening { config, demo: None, ambient, replica }
    }

    /// Opens the database with its key. A new SQLite file gets a new key; everything else must have its own.
    pub async fn open(&self, meters: Meters, watcher: Arc<dyn Watcher>) -> Result<(Db, Keys), StartError> {
        let Opening { config, demo, ambient, replica } = *self;
        let key = match &config.database.place {
            DatabasePlace::Sqlite(path) => {
                let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
                secret_key(&config.secret_key_file, is_new, &*ambient.entropy)?
            }
            DatabasePlace::Postgres { .. } => SecretKey::read(&config.secret_key_file)?,
        };
        let keys = key.derive()?;
        let name = keys::hex(&replica.as_uuid().as_bytes()[..4]);
        let postgres;
        let place = match &config.database.place {
            DatabasePlace::Sqlite(path) => Place::Sqlite(path),
            DatabasePlace::Postgres { url, listen_url, require_sync } => {
                postgres = PostgresPlace {
                    url: url.clone(),
                    direct_url: listen_url.clone(),
                    require_sync: *require_sync,
                    terms: terms(&config.database.place),
                    clock: ambient.steady.clone(),
                };
                Place::Postgres(&postgres)
            }
        };
        let connections = config.database.max_connections;
        let entropy = ambient.entropy.clone();
        let db = Db::open(DbOptions { place, connections, entropy, replica: &name, meters, watcher }).await?;
        require_key(&db, &keys).await?;
        if let Some(demo) = demo {
            require_kind(&db, demo).await?;
        }
        Ok((db, keys))
    }
}

async fn require_key(db: &Db, keys: &Keys) -> Result<(), StartError> {
    if db.agree_on(KEY_CHECK, keys.check_value()).await? == keys.check_value() {
        Ok(())
    } else {
        Err(StartError::KeyMismatch)
    }
}

fn secret_key(path: &Path, is_new: bool, entropy: &dyn Entropy) -> Result<SecretKey, StartError> {
    if path.exists() {
        return Ok(SecretKey::read(path)?);
    }
    if !is_new {
        return Err(StartError::KeyMissing(path.display().to_string()));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| KeyError::Io { path: path.display().to_string(), error })?;
    }
    Ok(SecretKey::create(path, entropy)?)
}

/// A demo lets everybody in, so its database must never become a real one, nor the other way round.
async fn require_kind(db: &Db, demo: bool) -> Result<(), StartError> {
    let is_demo = db.agree_on(DEMO_MARK, if demo { "true" } else { "false" }).await? == "true";
    match (is_demo, demo) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(StartError::Demo(
            "database.url: this is the database of a demo, in which anybody could log in. Please use another file",
        )),
        (false, true) => Err(StartError::Demo(
            "database.url: this is not the database of a demo. Please use another file, or start without --demo",
        )),
    }
}
