//! Every statement is understood by the engines that it is for.

use sqlx::{Executor as _, SqlStr};

use super::*;
use crate::server::store::inventory::sql as inventory;
use crate::server::store::tokens::sql;
use crate::server::store::{audit, census, changes, notices, rewinds, sessions, settings, signing_keys, usage, users};
use crate::server::store::{people, pool};

const OF_BOTH: &[&str] = &[
    PING,
    settings::LOOKUP_SETTING,
    settings::ADD_SETTING,
    settings::PUT_SETTING,
    settings::LIST_RIGHTS,
    signing_keys::LIST_SIGNING_KEYS,
    signing_keys::ADD_SIGNING_KEY,
    signing_keys::RAISE_TTL,
    signing_keys::WITHDRAW_SIGNING_KEY,
    users::LOOKUP_USER,
    users::FIND_USER_BY_IDENTITY,
    users::ADD_USER,
    users::REFRESH_USER,
    sessions::ADD_SESSION,
    sessions::LOOKUP_SESSION,
    sessions::FIND_SESSION,
    sessions::TOUCH_SESSION,
    sessions::END_SESSION,
    sessions::DELETE_OLD_SESSIONS,
    audit::FIND_HEAD,
    audit::ADD_EVENT,
    audit::ADD_PERSONAL,
    audit::LIST_HISTORY,
    audit::LIST_EVENTS,
    notices::ADD_NOTICE,
    notices::FIND_NOTICE,
    notices::LIST_NOTICES,
    notices::DELETE_NOTICE,
    usage::MARK_TOKEN_USED,
    users::FIND_OWNER,
    usage::MARK_SECRET_USED,
    usage::BACKFILL_HMAC,
    usage::LATCH_EXPIRY,
    usage::FIND_TOKEN_OF_SECRET,
    usage::FIND_OVERDUE,
    sql::LOOKUP_CHECK,
    sql::LIST_TOKENS,
    sql::LOOKUP_TOKEN,
    sql::COUNT_ACTIVE,
    sql::ADD_TOKEN,
    sql::ADD_SECRET,
    sql::FIND_FORM_KEY,
    sql::ADD_FORM_KEY,
    sql::DELETE_OLD_FORM_KEYS,
    sql::EDIT_TOKEN,
    sql::ADVANCE_TOKEN,
    sql::END_SECRETS,
    sql::REVOKE_TOKEN,
    census::COUNT_TOKENS,
    census::COUNT_USERS,
    census::COUNT_ACTIONS,
];

const OF_SQLITE: &[&str] = &[sqlite::OUTSIDE_VERSION, sqlite::EMPTY_JOURNAL, users::LIST_USERNAMES_OF_SQLITE];

const OF_POSTGRES: &[&str] = &[
    sql::LOOKUP_CHECKS,
    sql::LOOKUP_CHECKS_WITH_WRITE,
    users::LIST_USERNAMES_OF_POSTGRES,
    users::FIND_USER_SOUNDLY,
    users::FIND_USER_SOUNDLY_WITH_WRITE,
    usage::MARK_TOKENS_USED,
    usage::MARK_SECRETS_USED,
    pool::IS_OF_USE,
    schema::HAS_SCHEMA,
    schema::LIST_SCHEMA,
    schema::FIND_MIGRATING,
    postgres::FIND_CHANGE_HEAD,
    postgres::NUMBER_CHANGE,
    postgres::EXAMINE,
    postgres::EXAMINE_WITH_WRITE,
    postgres::LIST_STANDINGS,
    postgres::STORE_END,
    audit::upkeep::TAKE_TIME,
    postgres::FORGET_REPLICA,
    changes::LIST_CHANGES,
    changes::RENEW,
    changes::LEAVE,
    changes::DELETE_OLD_CHANGES,
    rewinds::NOTE_REWIND,
    rewinds::LIST_REWINDS,
    rewinds::PASS_REWINDS,
    rewinds::TAKE_REWINDS,
    rewinds::LIST_KNOWN,
    changes::DELETE_OLD_MARKS,
    postgres::CONFIRM,
    postgres::END_OLD_WAITS,
    usage::DATABASE_TIME,
];

fn of_both_in_parts() -> Vec<&'static str> {
    let by_age = inventory::BY_AGE.map(|walk| walk.statements()).concat();
    [
        &by_age[..],
        inventory::STATEMENTS,
        inventory::SEARCHES,
        people::STATEMENTS,
        audit::read::STATEMENTS,
        audit::upkeep::STATEMENTS,
        audit::walk::STATEMENTS,
    ]
    .concat()
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_sqlite() {
    let store = Store::on_sqlite().await;
    let Engine::Sqlite(engine) = &store.db.engine else { unreachable!() };
    let others = [inventory::STATEMENTS_OF_SQLITE, audit::read::STATEMENTS_OF_SQLITE].concat();
    for statement in OF_BOTH.iter().chain(OF_SQLITE).copied().chain(of_both_in_parts()).chain(others) {
        let prepared = (&engine.write).prepare(SqlStr::from_static(statement)).await;
        assert!(prepared.is_ok(), "{statement}: {:?}", prepared.err());
    }
}

#[tokio::test]
async fn every_statement_can_be_prepared_on_postgres() {
    let store = Store::on_postgres().await;
    let Engine::Postgres(engine) = &store.db.engine else { unreachable!() };
    let others = [inventory::STATEMENTS_OF_POSTGRES, audit::read::STATEMENTS_OF_POSTGRES].concat();
    for statement in OF_BOTH.iter().chain(OF_POSTGRES).copied().chain(of_both_in_parts()).chain(others) {
        let prepared = (&engine.pool).prepare(SqlStr::from_static(statement)).await;
        assert!(prepared.is_ok(), "{statement}: {:?}", prepared.err());
    }
}

/// What is rare among a million tokens must be found without reading them all. SQLite decides how before it has seen any.
#[tokio::test]
async fn no_search_of_the_panel_reads_all_tokens() {
    let store = Store::on_sqlite().await;
    let Engine::Sqlite(engine) = &store.db.engine else { unreachable!() };
    for statement in inventory::SEARCHES {
        let explained = SqlStr::from_static(format!("EXPLAIN QUERY PLAN {statement}").leak());
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&engine.write).await.unwrap();
        let mut scanned = steps.iter().filter_map(|(.., step)| step.strip_prefix("SCAN ")?.split(' ').next());
        // An index holds just those.
        let is_of_those = [inventory::FIND_REVOKED, inventory::FIND_NOTICED].contains(statement);
        assert!(scanned.all(|table| table == "u" || is_of_those), "{statement}: {steps:?}");
    }
}

/// A walk begins in the middle of its index, and sorts nothing before it knows what fits.
#[tokio::test]
async fn every_walk_through_tokens_follows_the_index_of_those_it_is_for() {
    let store = Store::on_sqlite().await;
    let Engine::Sqlite(engine) = &store.db.engine else { unreachable!() };
    let indexes = [
        "tokens_by_age (created_at<?)",
        "tokens_by_owner (owner_id=? AND created_at<?)",
        "tokens_revoked (created_at<?)",
        "tokens_unrevoked (created_at<?)",
    ];
    for (walk, index) in inventory::BY_AGE.iter().zip(indexes) {
        for statement in walk.statements() {
            let explained = SqlStr::from_static(format!("EXPLAIN QUERY PLAN {statement}").leak());
            let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&engine.write).await.unwrap();
            let mut of_tokens = steps.iter().filter(|(.., step)| step.starts_with("SEARCH tokens USING"));
            let (.., step) = of_tokens.next().unwrap_or_else(|| panic!("{statement}: {steps:?}"));
            assert!(step.ends_with(index) && of_tokens.next().is_none(), "{statement}: {steps:?}");
        }
    }
}

/// The log has millions of events, and everybody may ask for their own.
#[tokio::test]
async fn no_question_to_the_log_reads_all_of_it_on_sqlite() {
    let store = Store::on_sqlite().await;
    let Engine::Sqlite(engine) = &store.db.engine else { unreachable!() };
    for statement in [audit::read::STATEMENTS, audit::walk::STATEMENTS].concat() {
        let explained = SqlStr::from_static(format!("EXPLAIN QUERY PLAN {statement}").leak());
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&engine.write).await.unwrap();
        let steps: Vec<_> = steps.into_iter().map(|(.., step)| step).collect();
        let reads_all = |step: &&String| ["SCAN a", "SCAN e", "SCAN audit_"].iter().any(|scan| step.starts_with(scan));
        let by_index = |step: &&String| step.contains("INDEX") || step.contains("PRIMARY KEY");
        let scans: Vec<_> = steps.iter().filter(reads_all).filter(|step| !by_index(step)).collect();
        assert!(scans.is_empty() && !steps.is_empty(), "{statement}: {steps:?}");
        if statement.contains("audit_of_users") {
            let mut of_user = steps.iter().filter(|step| step.contains("USING PRIMARY KEY (user_id=?"));
            assert!(of_user.next().is_some(), "{steps:?}");
        }
    }
}

/// The same. A small table is read whole whatever indexes it has, so that is made to look expensive.
#[tokio::test]
async fn no_question_to_the_log_reads_all_of_it_on_postgres() {
    let store = Store::on_postgres().await;
    let Engine::Postgres(engine) = &store.db.engine else { unreachable!() };
    let mut connection = engine.pool.acquire().await.unwrap();
    let run = async |connection: &mut sqlx::PgConnection, sql: String| {
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
        rows.iter().map(|row| sqlx::Row::try_get::<String, _>(row, 0).unwrap()).collect::<Vec<_>>()
    };
    run(&mut connection, "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan".to_owned()).await;
    for statement in [audit::read::STATEMENTS, audit::walk::STATEMENTS].concat() {
        let values = (1..=9).filter(|number| statement.contains(&format!("${number}"))).map(|_| "NULL");
        let values = values.collect::<Vec<_>>().join(", ");
        let values = if values.is_empty() { values } else { format!("({values})") };
        run(&mut connection, format!("PREPARE asked AS {statement}")).await;
        let plan = run(&mut connection, format!("EXPLAIN EXECUTE asked{values}")).await.join("\n");
        run(&mut connection, "DEALLOCATE asked".to_owned()).await;
        assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{statement}: {plan}");
        if statement.contains("audit_of_users") {
            assert!(plan.contains("Index Cond: ((user_id = $"), "{plan}");
        }
    }
}

/// Somebody may have changed a million rows by hand, and every replica looks several times in a second.
#[tokio::test]
async fn whoever_looks_for_changes_reads_no_more_of_them_than_are_told() {
    let store = Store::on_postgres().await;
    let Engine::Postgres(engine) = &store.db.engine else { unreachable!() };
    let mut connection = engine.pool.acquire().await.unwrap();
    let run = async |connection: &mut sqlx::PgConnection, sql: String| {
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
        rows.iter().filter_map(|row| sqlx::Row::try_get::<String, _>(row, 0).ok()).collect::<Vec<_>>()
    };
    let many = "UPDATE change_head SET seq = seq + 1;
        INSERT INTO changes SELECT seq, 'owner', gen_random_uuid() FROM change_head, generate_series(1, 50000)";
    run(&mut connection, many.to_owned()).await;
    run(&mut connection, format!("PREPARE asked AS {}", changes::LIST_CHANGES)).await;
    for prepare in ["SELECT 1", "SET plan_cache_mode = force_generic_plan", "ANALYZE"] {
        run(&mut connection, prepare.to_owned()).await;
        let explain = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) EXECUTE asked(0, gen_random_uuid(), 1001)";
        let plan = run(&mut connection, explain.to_owned()).await;
        assert!(!plan.iter().any(|step| step.contains("rows=50000")), "{prepare}: {}", plan.join("\n"));
        assert!(plan.iter().any(|step| step.contains("Limit (actual rows=1001")), "{prepare}: {}", plan.join("\n"));
    }
}
