//! Somebody with a SQL prompt edits the audit log, in every way that comes to mind.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::*;
use crate::domain::audit::Checkpoint;

const TRIALS: usize = 500;
const TEXTS: [&str; 13] = [
    "action",
    "actor_type",
    "actor_id",
    "on_behalf_of",
    "object_type",
    "object_id",
    "result",
    "reason",
    "request_id",
    "replica",
    "version",
    "changes",
    "personal",
];
/// Values and expressions for any of them; some read as others do.
const VALUES: [&str; 9] = ["NULL", "''", "'x'", "'[]'", "'{}'", "'null'", "'refused'", "{column} || ' '", "{another}"];
const GUARDED: [&str; 2] = ["audit_events", "audit_personal"];

async fn run(store: &Store, sql: String) -> Result<u64, StoreError> {
    query(sql.leak()).execute(store.db.writer()).await
}

/// Lets everything be done, and keeps what there is.
async fn lay_open(store: &Store) {
    if store.db.is_shared() {
        for table in GUARDED {
            run(store, format!("ALTER TABLE {table} DISABLE TRIGGER ALL")).await.unwrap();
        }
    } else {
        run(store, "PRAGMA foreign_keys = OFF".to_owned()).await.unwrap();
        let guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'";
        for (name,) in query(guards).fetch_all::<(String,)>(store.db.reader()).await.unwrap() {
            run(store, format!("DROP TRIGGER {name}")).await.unwrap();
        }
    }
    for table in GUARDED {
        run(store, format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
}

async fn put_back(store: &Store) {
    for table in GUARDED.iter().rev() {
        run(store, format!("DELETE FROM {table}")).await.unwrap();
    }
    for table in GUARDED {
        run(store, format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
    }
}

/// A few events with everything that events have. How many.
async fn write_some(store: &Store) -> i64 {
    let (key, _) = store.token().await;
    let origin = Origin {
        request_id: Some("0123456789abcdef".to_owned()),
        ip: "192.0.2.1".parse().ok(),
        user_agent: Some("curl/8".to_owned()),
        ..Origin::default()
    };
    for number in 0..6 {
        let draft =
            Draft::new(Action::TokenEdited, Party::user(key.owner, "alice"), Party::token(key.id, "t"), &origin);
        let draft = draft.about(key.owner).on_behalf_of(key.owner);
        let draft =
            draft.changed("scopes", Some(format!("a{number}")), None).reworded("name", None, Some("new".to_owned()));
        store.db.record(&draft, LATER).await.unwrap();
        store.db.record(&event(Action::KeyRotated).refused("nothing"), LATER).await.unwrap();
    }
    let (events,): (i64,) = query("SELECT max(seq) FROM audit_events").fetch_one(store.db.reader()).await.unwrap();
    events
}

/// A number below another one.
fn below(dice: &mut ChaCha8Rng, end: usize) -> usize {
    dice.next_u32() as usize % end
}

/// One thing to do to a log of so many events; it may turn out to do nothing, or to be impossible.
fn deed(dice: &mut ChaCha8Rng, events: usize) -> String {
    let (one, other) = (1 + below(dice, events), 1 + below(dice, events));
    match below(dice, 16) {
        0 => format!("DELETE FROM audit_events WHERE seq = {one}"),
        1 => format!("DELETE FROM audit_events WHERE seq > {}", one - 1),
        2 => format!("DELETE FROM audit_events WHERE seq < {}", one + 1),
        3 => format!("UPDATE audit_events SET seq = seq + 100 WHERE seq = {one}"),
        4 => format!("UPDATE audit_events SET time = time + {} WHERE seq = {one}", 1 + below(dice, 9)),
        5 => format!("UPDATE audit_personal SET value = value || 'x' WHERE seq = {one}"),
        6 => format!("UPDATE audit_personal SET seq = {other} WHERE seq = {one} AND field = 'ip'"),
        7 => format!("DELETE FROM audit_personal WHERE seq = {one} AND field = 'actor_name'"),
        8 => format!(
            "UPDATE audit_events SET hash = (SELECT o.prev_hash FROM audit_events o WHERE o.seq = {other}) WHERE seq = {one} AND seq <> {other} - 1"
        ),
        9 => format!(
            "UPDATE audit_events SET prev_hash = (SELECT o.hash FROM audit_events o WHERE o.seq = {other})
            WHERE seq = {one} AND seq <> {other} + 1"
        ),
        _ => {
            let column = TEXTS[below(dice, TEXTS.len())];
            let another = format!("(SELECT o.{column} FROM audit_events o WHERE o.seq = {other})");
            let value = VALUES[below(dice, VALUES.len())].replace("{column}", column).replace("{another}", &another);
            format!(
                "UPDATE audit_events SET {column} = {value} WHERE seq = {one} AND {column} IS DISTINCT FROM {value}"
            )
        }
    }
}

pub async fn whatever_is_done_to_the_log_is_found(store: Store) {
    let events = write_some(&store).await;
    let (checkpoint, _) = store.db.next_checkpoint(LATER).await.unwrap().unwrap();
    let verify = async |checkpoint: Checkpoint| store.db.verify_log([checkpoint], |_| {}).await.unwrap();
    lay_open(&store).await;
    assert_eq!(verify(checkpoint).await.unwrap().events, events);
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mut done = 0;
    while done < TRIALS {
        let deed = deed(&mut dice, usize::try_from(events).unwrap());
        if run(&store, deed.clone()).await.unwrap_or(0) == 0 {
            continue;
        }
        assert!(verify(checkpoint).await.is_err(), "nobody notices: {deed}");
        put_back(&store).await;
        done += 1;
    }
    assert!(verify(checkpoint).await.is_ok());
}
