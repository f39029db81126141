//! What replicas owe besides: readiness, strictness, doing things together.

use std::time::Duration;

use hallpass::server::telemetry;
use sqlx::migrate::Migrate as _;

use super::stage::with_a_wire;
use super::trial::revoke_once;
use crate::support::cluster;
use crate::support::connection::Connection;
use crate::support::program::{free_address, run_with};
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::wire::{Mode, Wire, target};

const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until a server says what is expected of its readiness.
pub async fn readiness(replicas: &Replicas, index: usize, expected: u16) -> String {
    let told = async {
        loop {
            let answer = replicas.servers[index].get("/readyz").await;
            if answer.status().as_u16() == expected {
                return answer.text().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("readiness does not become what is expected")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_is_not_ready_and_says_why() {
    let (stage, wire) = with_a_wire().await;
    readiness(&stage.replicas, 2, 200).await;
    wire.set(Mode::Reset);
    assert_eq!(readiness(&stage.replicas, 2, 503).await, "the database cannot be used\n");
    assert_eq!(readiness(&stage.replicas, 0, 200).await, "ready\n");
    wire.set(Mode::Whole);
    readiness(&stage.replicas, 2, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_standby_nothing_is_changed_where_one_is_required() {
    let mut replicas = Replicas::start(1).await;
    let tokens = replicas.tokens(1).await;
    let way = replicas.database.clone();
    replicas.add_with(&way, &[("HALLPASS_DATABASE__REQUIRE_SYNC", "true")]);
    readiness(&replicas, 1, 503).await;
    assert_eq!(revoke_once(&replicas.servers[1].url, &tokens[0]).await, Some(503));
    assert_eq!(replicas.check(0, &tokens[0]).await, 200, "it was refused, so nothing may have changed");
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_server_asks_the_database_for_each_check_and_keeps_nobody_waiting() {
    let mut replicas = Replicas::start(0).await;
    let way = replicas.database.clone();
    replicas.add_with(&way, &[("HALLPASS_CHECK__MODE", "strict")]);
    let tokens = replicas.tokens(2).await;
    readiness(&replicas, 0, 200).await;
    assert_eq!(replicas.check(0, &tokens[0]).await, 200);
    // By hand, so that nobody tells the server.
    let sql = "UPDATE tokens SET revoked_at = 1800000000000000 WHERE id = ";
    replicas.execute(&format!("{sql} '{}'", tokens[0].id)).await;
    assert_eq!(replicas.check(0, &tokens[0]).await, 401);
    assert_eq!(replicas.column("SELECT count(*)::TEXT FROM replicas").await, ["0"], "it holds no lease");
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[1]).await, Some(204));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_by_hand_counts_on_every_replica() {
    let replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(1).await;
    for index in [0, 1] {
        assert_eq!(replicas.check(index, &tokens[0]).await, 200);
    }
    replicas.execute("UPDATE users SET disabled_at = 1800000000000000").await;
    for index in [0, 1] {
        let refused = async { while replicas.check(index, &tokens[0]).await == 200 {} };
        tokio::time::timeout(Duration::from_secs(2), refused).await.expect("it is never noticed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stops_in_order_keeps_nobody_waiting() {
    let mut replicas = Replicas::start(2).await;
    let (code, _) = replicas.servers.pop().unwrap().stop();
    assert_eq!(code, 0);
    assert_eq!(replicas.column("SELECT count(*)::TEXT FROM replicas").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_at_the_command_line_holds_on_every_replica_when_the_command_is_over() {
    let replicas = Replicas::start(2).await;
    for token in replicas.tokens(10).await {
        for index in [0, 1] {
            assert_eq!(replicas.check(index, &token).await, 200);
        }
        let (code, said, complaints) = replicas.run(&["token", "revoke", &token.id.to_string()]);
        for index in [0, 1] {
            assert_eq!(replicas.check(index, &token).await, 401, "the command was over too early");
        }
        assert_eq!((code, said.trim(), complaints.as_str()), (0, "The token is revoked.", ""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_disabled_at_the_command_line_is_out_on_every_replica_when_the_command_is_over() {
    let replicas = Replicas::start(2).await;
    let token = replicas.tokens(1).await.pop().unwrap();
    let user = replicas.column("SELECT id::TEXT FROM users").await.pop().unwrap();
    for (verb, status) in [("disable", 401), ("enable", 200)] {
        let (code, _, complaints) = replicas.run(&["user", verb, &user]);
        assert_eq!(code, 0, "{complaints}");
        for index in [0, 1] {
            assert_eq!(replicas.check(index, &token).await, status, "after {verb}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_does_not_start_without_its_key_and_names_no_password() {
    let replicas = Replicas::start(0).await;
    let database = replicas.database.replace("hallpass@", "hallpass:s3cret@").replace("127.0.0.1", "localhost");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hallpass.toml"), crate::support::program::CONFIG).unwrap();
    let env = [("HALLPASS_DATABASE__URL", database.as_str())];
    let (code, said, complaints) = run_with(folder.path(), &["serve"], &env);
    assert_eq!(code, 2);
    assert!(complaints.contains("secret_key_file"), "{complaints}");
    assert!(!format!("{said}{complaints}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_puts_up_with_a_slow_database() {
    let mut replicas = Replicas::start(1).await;
    let way = replicas.database.clone();
    // Longer than anybody waits for a single answer, and for a lock.
    let mut shell = replicas.connection().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE settings IN ACCESS EXCLUSIVE MODE").execute(&mut shell).await.unwrap();
    let begun = telemetry::now();
    let held = tokio::spawn(async move { sqlx::raw_sql("SELECT pg_sleep(2.5); COMMIT").execute(&mut shell).await });
    replicas.add(&way);
    assert!(begun.elapsed() > Duration::from_secs(2), "nothing was in its way");
    held.await.unwrap().unwrap();
    readiness(&replicas, 1, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_together_on_an_empty_database_share_one_schema_and_one_set_of_keys() {
    let replicas = Replicas::start(0).await;
    let way = &replicas.database;
    let servers = std::thread::scope(|scope| {
        let started: Vec<_> = (0..3).map(|_| scope.spawn(|| replicas.start_one(way, &[]))).collect();
        started.into_iter().map(|each| each.join().unwrap()).collect::<Vec<_>>()
    });
    let mut published = Vec::new();
    for server in &servers {
        published.push(server.get("/.well-known/jwks.json").await.text().await.unwrap());
    }
    published.dedup();
    assert_eq!(published.len(), 1, "{published:?}");
    assert_eq!(replicas.column("SELECT count(*)::TEXT FROM signing_keys").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_writes_the_last_uses_that_it_knows_of() {
    let mut replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(50).await;
    for token in &tokens {
        assert_eq!(replicas.check(0, token).await, 200);
        assert_eq!(replicas.check(1, token).await, 200);
    }
    while let Some(server) = replicas.servers.pop() {
        assert_eq!(server.stop().0, 0);
    }
    let used = "SELECT count(*)::TEXT FROM tokens t JOIN secrets s ON s.token_id = t.id
        WHERE t.last_used_at IS NOT NULL AND t.last_used_ip = '127.0.0.1' AND s.last_used_at = t.last_used_at";
    assert_eq!(replicas.column(used).await, ["50"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_in_constant_use_is_written_once_a_minute_also_where_the_database_is_asked_for_each_check() {
    let mut replicas = Replicas::start(0).await;
    let way = replicas.database.clone();
    let (mut tokens, mut versions) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        replicas.add_with(&way, &[("HALLPASS_CHECK__MODE", "strict")]);
        if tokens.is_empty() {
            tokens = replicas.tokens(1).await;
        }
        for _ in 0..10 {
            assert_eq!(replicas.check(0, &tokens[0]).await, 200);
        }
        // It writes what it has to write.
        assert_eq!(replicas.servers.pop().unwrap().stop().0, 0);
        let sql = "SELECT t.xmin || ' ' || s.xmin || ' ' || t.last_used_at FROM tokens t, secrets s";
        versions.extend(replicas.column(sql).await);
    }
    assert_eq!(versions[0], versions[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_a_login_at_every_replica_until_it_ends_at_one() {
    let replicas = Replicas::start(2).await;
    let login = replicas.log_in(&replicas.tokens(1).await[0]).await;
    let page = async |index: usize| {
        let server = &replicas.servers[index];
        let request = server.client.get(format!("{}/tokens", server.url)).header("cookie", &login.cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((page(0).await, page(1).await), (200, 200));
    let ended = replicas.servers[0].client.post(format!("{}/auth/logout", replicas.servers[0].url));
    let ended = ended.header("cookie", &login.cookie).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(ended.status().as_u16(), 303);
    assert_ne!(page(0).await, 200);
    assert_ne!(page(1).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_works_with_the_schema_after_its_own_and_not_with_a_later_one() {
    let mut replicas = Replicas::start(2).await;
    let tokens = replicas.tokens(2).await;
    let ahead = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT max(version) + 1, 'later', TRUE, '', 0 FROM _sqlx_migrations";
    // Somebody has begun to upgrade: those that run go on, and one that is put back starts.
    replicas.execute(ahead).await;
    let way = replicas.database.clone();
    replicas.add(&way);
    for index in 0..3 {
        assert_eq!(replicas.check(index, &tokens[0]).await, 200);
    }
    assert_eq!(revoke_once(&replicas.servers[2].url, &tokens[0]).await, Some(204));
    for index in 0..3 {
        assert_eq!(replicas.check(index, &tokens[0]).await, 401);
    }
    replicas.execute(ahead).await;
    let (code, _, complaint) = replicas.run(&["serve"]);
    assert_eq!(code, 2);
    assert!(complaint.contains("newer version of Hallpass"), "{complaint}");
    // Nor do those go on that were forgotten.
    for index in 0..3 {
        readiness(&replicas, index, 503).await;
        assert_eq!(replicas.check(index, &tokens[1]).await, 503);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_while_somebody_changes_something_writes_what_it_counted() {
    let mut replicas = Replicas::start(1).await;
    let tokens = replicas.tokens(2).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    for token in [&tokens[0], &tokens[1], &Token::new()] {
        replicas.check(0, token).await;
    }
    let mut connection = replicas.connection().await;
    sqlx::raw_sql("BEGIN; SELECT seq FROM change_head FOR UPDATE").execute(&mut connection).await.unwrap();
    let mut beside = replicas.connection().await;
    let let_go = async {
        while !sqlx::query("SELECT id FROM replicas").fetch_all(&mut beside).await.unwrap().is_empty() {}
        // From then on it writes. Longer than one try, and with time left for another.
        tokio::time::sleep(Duration::from_millis(900)).await;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
    };
    let server = replicas.servers.pop().unwrap();
    let stopped = tokio::task::spawn_blocking(move || server.stop().0);
    assert_eq!(tokio::join!(stopped, let_go).0.unwrap(), 0);
    let events =
        "SELECT action FROM audit_events WHERE action IN ('token.used_after_end', 'check.refused') ORDER BY action";
    assert_eq!(replicas.column(events).await, ["check.refused", "token.used_after_end"]);
    assert_eq!(replicas.column("SELECT count(*)::TEXT FROM tokens WHERE last_used_at IS NOT NULL").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_stopped_while_it_migrates_keeps_no_command_waiting() {
    let mut replicas = Replicas::start(1).await;
    let token = replicas.tokens(1).await.pop().unwrap();
    let mut held = replicas.connection().await;
    held.lock().await.unwrap();
    let begun = telemetry::now();
    let (code, _, complaint) = replicas.run(&["token", "revoke", &token.id.to_string()]);
    assert_eq!(code, 0, "{complaint}");
    let way = replicas.database.clone();
    replicas.add(&way);
    // From here on there is something to do.
    replicas.execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let (code, _, complaint) = replicas.run(&["keys", "list"]);
    assert!(code == 2 && complaint.contains("another server is doing that"), "{code}: {complaint}");
    assert!(begun.elapsed() < PATIENCE * 2, "{:?}", begun.elapsed());
}

/// A value that a server's metrics tell of.
async fn metric(replicas: &Replicas, listen: &str, name: &str) -> f64 {
    let told = replicas.servers[0].client.get(format!("http://{listen}/metrics")).send().await.unwrap();
    let told = told.text().await.unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {told}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_of_leases_of_how_long_changes_take_and_of_who_is_cut_off() {
    let mut replicas = Replicas::start(0).await;
    let wire = Wire::to(target(&replicas.database)).await;
    let (listen, way) = (free_address(), wire.lead(&replicas.database));
    replicas.add_with(&way, &[("HALLPASS_METRICS_LISTEN", &listen)]);
    let tokens = replicas.tokens(1).await;
    readiness(&replicas, 0, 200).await;
    assert_eq!(revoke_once(&replicas.servers[0].url, &tokens[0]).await, Some(204));
    let value = async |name| metric(&replicas, &listen, name).await;
    assert!((value("hallpass_revocation_propagation_seconds_count").await - 1.0).abs() < 0.5);
    assert!(value("hallpass_replica_lag").await >= 0.0);
    let becomes = async |lease: f64, is_stale: bool| {
        let told = async {
            while (value("hallpass_lease").await - lease).abs() > 0.5
                || (value("hallpass_replica_staleness_seconds").await > 1.0) != is_stale
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("the metrics do not tell of it");
    };
    becomes(1.0, false).await;
    wire.set(Mode::Reset);
    becomes(0.0, true).await;
    wire.set(Mode::Whole);
    becomes(1.0, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_verified_where_the_url_says_so() {
    let secure = cluster::new_database_with_tls().await;
    let start = |url: &str| {
        let replicas = Replicas::start_through(secure.url.clone(), &[]);
        replicas.run_on(url, &["keys", "list"])
    };
    let with = |mode: &str, root: &str| format!("{}?sslmode={mode}&sslrootcert={root}", secure.url);
    let (code, _, complaint) = start(&with("verify-full", &secure.certificate));
    assert_eq!(code, 0, "{complaint}");
    let sessions = "SELECT count(*)::TEXT FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    let seen = Replicas::start_through(with("verify-full", &secure.certificate), &[]).column(sessions).await;
    assert_eq!(seen, ["1"]);
    // It was made by somebody else.
    let (code, _, complaint) = start(&with("verify-full", &secure.stranger));
    assert_eq!(code, 2, "{complaint}");
    assert!(complaint.contains("certificate"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_come_over_tls_where_their_url_says_so() {
    let secure = cluster::new_database_with_tls().await;
    let mut replicas = Replicas::start_through(secure.url.clone(), &[]);
    let listen = format!("{}?sslmode=verify-full&sslrootcert={}", secure.url, secure.certificate);
    let way = format!("{}?sslmode=disable", secure.url);
    replicas.add_with(&way, &[("HALLPASS_DATABASE__LISTEN_URL", &listen)]);
    readiness(&replicas, 0, 200).await;
    let listening = "SELECT s.ssl::TEXT FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE a.datname = current_database() AND a.query LIKE 'LISTEN%'";
    // It is ready without that, which comes a moment later.
    while replicas.column(listening).await.is_empty() {}
    assert_eq!(replicas.column(listening).await, ["true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_has_to_show_a_certificate_shows_that_of_the_url() {
    let secure = cluster::new_database_with_tls().await;
    let replicas = Replicas::start_through(secure.url.clone(), &[]);
    let list_keys = |shown: &str| {
        let tls = format!("sslmode=verify-full&sslrootcert={}", secure.certificate);
        replicas.run_on(&format!("{}?{tls}{shown}", secure.certified), &["keys", "list"])
    };
    let shows = |name: &str| format!("&sslcert={0}/{name}.crt&sslkey={0}/{name}.key", secure.folder);
    let (code, _, complaint) = list_keys(&shows("client"));
    assert_eq!(code, 0, "{complaint}");
    // The same name, by somebody else.
    for shown in [String::new(), shows("impostor")] {
        let (code, _, complaint) = list_keys(&shown);
        assert_eq!(code, 2, "{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_that_come_together_share_a_question() {
    let mut replicas = Replicas::start(0).await;
    let listen = free_address();
    let wire = Wire::to(target(&replicas.database)).await;
    let way = wire.lead(&replicas.database);
    replicas.add_with(&way, &[("HALLPASS_CHECK__MODE", "strict"), ("HALLPASS_METRICS_LISTEN", &listen)]);
    let tokens = replicas.tokens(60).await;
    // So long that those who ask meanwhile come together.
    wire.set(Mode::Slow(Duration::from_millis(20)));
    let client = replicas.servers[0].client.clone();
    let queries = async || {
        let metrics = client.get(format!("http://{listen}/metrics")).send().await.unwrap().text().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix("hallpass_store_queries_total ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let before = queries().await;
    let mut checks = tokio::task::JoinSet::new();
    for token in tokens {
        let mut connection = Connection::open(&replicas.servers[0].url).await;
        checks.spawn(async move {
            for _ in 0..20 {
                assert_eq!(connection.ask("GET", "/check", token.secret.reveal()).await, 200);
            }
        });
    }
    checks.join_all().await;
    let asked = queries().await - before;
    assert!(asked < 600, "{asked} questions for 1,200 checks");
}
