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
        run(store, "ALTER TABLE audit_events DROP CONSTRAINT events_begin_with_one".to_owned()).await.unwrap();
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

/// One of so many events.
fn some(dice: &mut ChaCha8Rng, events: i64) -> i64 {
    1 + i64::from(dice.next_u32()) % events
}

/// One thing to do to a log.
struct Deed {
    statements: Vec<String>,
    /// The first event that it touches. What is wrong shows there, or in the next one, which follows another one now.
    first: i64,
}

impl Deed {
    fn at(first: i64, statement: String) -> Self {
        Self { statements: vec![statement], first }
    }

    /// Two events trade places, with their values.
    fn swap(one: i64, other: i64) -> Self {
        let places = format!("CASE seq WHEN {one} THEN -{other} ELSE -{one} END");
        let trade = |table: &str| {
            format!("UPDATE {table} SET seq = {places} WHERE seq IN ({one}, {other}) AND {one} <> {other}")
        };
        Self::through_negatives(trade, one.min(other))
    }

    /// A copy of an event comes before one; all that follow move on.
    fn insert(one: i64, other: i64) -> Self {
        let mut deed =
            Self::through_negatives(|table: &str| format!("UPDATE {table} SET seq = -seq - 1 WHERE seq >= {one}"), one);
        deed.statements.push(copying(if other < one { other } else { other + 1 }, one));
        deed
    }

    /// Numbers are unique at every moment.
    fn through_negatives(there: impl Fn(&str) -> String, first: i64) -> Self {
        let statements = GUARDED.map(|table| [there(table), format!("UPDATE {table} SET seq = -seq WHERE seq < 0")]);
        Self { statements: statements.concat(), first }
    }

    /// Whether anything came of it.
    async fn run(&self, store: &Store) -> bool {
        let mut touched = 0;
        for statement in &self.statements {
            match run(store, statement.clone()).await {
                Ok(rows) => touched += rows,
                Err(_) => return false,
            }
        }
        touched > 0
    }
}

/// Puts a copy of an event where there is none.
fn copying(event: i64, to: i64) -> String {
    format!(
        "INSERT INTO audit_events (seq, id, {texts}, time, prev_hash, hash)
        SELECT {to}, (SELECT id FROM users LIMIT 1), {texts}, time, prev_hash, hash FROM audit_events WHERE seq = {event}",
        texts = TEXTS.join(", ")
    )
}

/// Something to do to a log of so many events; it may turn out to do nothing, or to be impossible.
fn deed(dice: &mut ChaCha8Rng, events: i64) -> Deed {
    let (one, other) = (some(dice, events), some(dice, events));
    let change = |what: String| Deed::at(one, format!("UPDATE audit_events SET {what}"));
    match below(dice, 19) {
        0 => Deed::at(one, format!("DELETE FROM audit_events WHERE seq = {one}")),
        1 => Deed::at(one, format!("DELETE FROM audit_events WHERE seq > {}", one - 1)),
        2 => Deed::at(1, format!("DELETE FROM audit_events WHERE seq < {}", one + 1)),
        3 => change(format!("seq = seq + 100 WHERE seq = {one}")),
        4 => change(format!("time = time + {} WHERE seq = {one}", 1 + below(dice, 9))),
        5 => Deed::at(one, format!("UPDATE audit_personal SET value = value || 'x' WHERE seq = {one}")),
        // What is missing could still be erased further on; what is too much cannot.
        6 => Deed::at(
            other,
            format!("UPDATE audit_personal SET seq = {other} WHERE seq = {one} AND seq <> {other} AND field = 'ip'"),
        ),
        7 => Deed::at(one, format!("DELETE FROM audit_personal WHERE seq = {one} AND field = 'actor_name'")),
        8 => change(format!(
            "hash = (SELECT o.prev_hash FROM audit_events o WHERE o.seq = {other}) WHERE seq = {one} AND seq <> {other} - 1"
        )),
        9 => change(format!(
            "prev_hash = (SELECT o.hash FROM audit_events o WHERE o.seq = {other}) WHERE seq = {one} AND seq <> {other} + 1"
        )),
        10 => Deed::swap(one, other),
        11 => Deed::insert(one, other),
        12 => Deed::at(1 - one, copying(other, 1 - one)),
        _ => {
            let column = TEXTS[below(dice, TEXTS.len())];
            let another = format!("(SELECT o.{column} FROM audit_events o WHERE o.seq = {other})");
            let value = VALUES[below(dice, VALUES.len())].replace("{column}", column).replace("{another}", &another);
            change(format!("{column} = {value} WHERE seq = {one} AND {column} IS DISTINCT FROM {value}"))
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
        let deed = deed(&mut dice, events);
        if deed.run(&store).await {
            let found = verify(checkpoint).await;
            let Deed { first, statements } = deed;
            let is_found = found.as_ref().is_err_and(|broken| (first..=first + 1).contains(&broken.seq));
            assert!(is_found, "at event {first}, {found:?}: {statements:?}");
            done += 1;
        }
        put_back(&store).await;
    }
    assert!(verify(checkpoint).await.is_ok());
}
