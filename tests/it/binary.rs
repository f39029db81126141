//! The program itself: contract, sections 1, 2 and 10.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::support::program::{
    CONFIG, FREE_PORTS, Server, command, folder_with, free_address, refused, run, run_with, wait,
};

#[tokio::test]
async fn a_demo_starts_in_an_empty_folder_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::demo(folder.path());
    assert_eq!(server.status("/healthz").await, 200);
    // It may not be at once, on a busy machine.
    while server.status("/readyz").await != 200 {}
    let login = server.get("/login").await;
    assert_eq!(login.status().as_u16(), 200);
    assert!(login.text().await.unwrap().contains("Log in with demo"));
    assert_eq!(server.status("/pkg/hallpass.css").await, 200, "the site is not inside the binary");
    assert_eq!(server.status("/check").await, 401);
    assert_eq!(server.stop().0, 0);
}

#[tokio::test]
async fn a_login_at_the_demo_leads_to_a_token_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::demo(folder.path());
    let location = |answer: &reqwest::Response| answer.headers()["location"].to_str().unwrap().to_owned();
    let cookies = |answer: &reqwest::Response| {
        let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned());
        lines.map(|line| line.split(';').next().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    let begin = server.get("/auth/demo/login").await;
    let (authorize, pending) = (location(&begin), cookies(&begin));
    let (endpoint, query) = authorize.split_once('?').unwrap();
    let form = server.client.post(endpoint).header("content-type", "application/x-www-form-urlencoded");
    let chosen = form.body(format!("{query}&user=alice")).send().await.unwrap();
    let back = location(&chosen);
    let callback = &back[back.find("/auth/").unwrap()..];
    let done = server.client.get(format!("{}{callback}", server.url)).header("cookie", pending).send().await.unwrap();
    assert_eq!(done.status().as_u16(), 303);
    let request = server.client.post(format!("{}/api/v1/tokens", server.url)).header("cookie", cookies(&done));
    let request = request.header("sec-fetch-site", "same-origin").header("content-type", "application/json");
    let created = request.body(r#"{"name": "t", "scopes": ["write:reports"]}"#).send().await.unwrap();
    assert_eq!(created.status().as_u16(), 201);
    let created: serde_json::Value = serde_json::from_str(&created.text().await.unwrap()).unwrap();
    let bearer = format!("Bearer {}", created["secret"].as_str().unwrap());
    let check = |server: &Server| {
        server.client.get(format!("{}/check?scope=write:reports", server.url)).header("authorization", &bearer).send()
    };
    assert_eq!(check(&server).await.unwrap().status().as_u16(), 200);
    assert_eq!(server.stop().0, 0);
    let again = Server::demo(folder.path());
    assert_eq!(check(&again).await.unwrap().status().as_u16(), 200, "the token does not survive a restart");
}

#[tokio::test]
async fn operators_look_after_a_demo_too() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::demo(folder.path());
    let config = "secret_key_file = \"data/demo/secret.key\"\n[database]\nurl = \"sqlite://data/demo/hallpass.db\"\n";
    std::fs::write(folder.path().join("other.toml"), config).unwrap();
    for which in [&["--demo"][..], &["--config", "other.toml"]] {
        for command in [["token", "list"], ["user", "list"], ["audit", "verify"], ["keys", "list"]] {
            let (code, said, complaint) = run(&folder, &[&command, which].concat());
            assert_eq!(code, 0, "{command:?} {which:?}: {said}{complaint}");
        }
    }
    assert_eq!(run(&folder, &["token", "list"]).0, 2, "there is nothing where nobody said");
}

#[tokio::test]
async fn database_and_key_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::demo(folder.path());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("data/demo")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(names.contains(&"hallpass.db".to_owned()) && names.contains(&"secret.key".to_owned()), "{names:?}");
}

#[tokio::test]
async fn an_open_connection_does_not_keep_it_from_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::demo(folder.path());
    let address = server.url.trim_start_matches("http://").to_owned();
    let _silent = std::net::TcpStream::connect(&address).unwrap();
    assert_eq!(server.status("/healthz").await, 200);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn what_says_that_it_is_ready_can_be_told_to_stop() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        assert!(Server::demo(folder.path()).listens_to_signals(), "SIGTERM would kill it");
    }
}

#[tokio::test]
async fn logs_can_be_json_and_name_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["serve", "--demo", "--log-format", "json"], &FREE_PORTS);
    let id = server.get("/login").await.headers()["x-request-id"].to_str().unwrap().to_owned();
    let (_, logs) = server.stop();
    let lines: Vec<serde_json::Value> = logs.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().any(|line| line.to_string().contains(&id)), "{logs}");
}

#[tokio::test]
async fn metrics_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let env = [FREE_PORTS[0], FREE_PORTS[1], ("HALLPASS_METRICS_LISTEN", address.as_str())];
    let server = Server::start(folder.path(), &["serve", "--demo"], &env);
    let text = server.client.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("hallpass_argon2_total 0"), "{text}");
    assert_eq!(server.status("/metrics").await, 404);
}

#[tokio::test]
async fn grpc_has_a_listener_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let env = [&FREE_PORTS[..], &[("HALLPASS_GRPC_LISTEN", &address)]].concat();
    let server = Server::start(folder.path(), &["serve", "--demo"], &env);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.connect().await.unwrap());
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    assert_eq!(server.stop().0, 0, "an open connection keeps it from stopping");
}

#[tokio::test]
async fn a_demo_and_a_real_installation_never_share_a_database() {
    let folder = folder_with(&format!(
        "database.url = \"sqlite://data/demo/hallpass.db\"\nsecret_key_file = \"data/demo/secret.key\"\n{CONFIG}"
    ));
    let empty = tempfile::tempdir().unwrap();
    Server::demo(empty.path()).stop();
    std::fs::rename(empty.path().join("data"), folder.path().join("data")).unwrap();
    assert!(refused(folder.path(), &["serve"], &[]).contains("demo"));
    let real = folder_with(CONFIG);
    assert_eq!(run(&real, &["migrate"]).0, 0);
    std::fs::remove_file(real.path().join("hallpass.toml")).unwrap();
    let env = [
        &FREE_PORTS[..],
        &[("HALLPASS_DATABASE__URL", "sqlite://data/hallpass.db"), ("HALLPASS_SECRET_KEY_FILE", "data/secret.key")],
    ];
    assert!(refused(real.path(), &["serve", "--demo"], &env.concat()).contains("demo"));
}

#[test]
fn a_demo_is_only_reachable_from_here() {
    let folder = tempfile::tempdir().unwrap();
    for (index, key) in ["listen", "demo.listen", "metrics_listen", "grpc_listen"].into_iter().enumerate() {
        let mut env = [&FREE_PORTS[..], &[("HALLPASS_GRPC_LISTEN", "")]].concat();
        env[index].1 = "0.0.0.0:0";
        assert!(refused(folder.path(), &["serve", "--demo"], &env).contains(key));
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn the_secret_key_is_the_one_of_the_database_or_nothing_starts() {
    let folder = folder_with(CONFIG);
    assert_eq!(run(&folder, &["migrate"]).0, 0);
    assert_eq!(run(&folder, &["migrate"]).0, 0);
    let file = folder.path().join("data/secret.key");
    let key = std::fs::read(&file).unwrap();
    for (content, what) in
        [(STANDARD.encode([7; 32]), "another"), ("nonsense".to_owned(), "no"), (String::new(), "an empty")]
    {
        std::fs::write(&file, content).unwrap();
        for command in ["serve", "migrate"] {
            assert!(refused(folder.path(), &[command], &[]).contains("secret_key"), "{what} key");
        }
    }
    std::fs::remove_file(&file).unwrap();
    assert!(refused(folder.path(), &["serve"], &[]).contains("secret_key"));
    assert!(!file.exists(), "a new key was made for an old database");
    std::fs::write(&file, key).unwrap();
    assert_eq!(run(&folder, &["migrate"]).0, 0);
}

/// What `keys list` says, one row per key: algorithm and state.
fn keys(folder: &TempDir) -> Vec<(String, String)> {
    let (code, stdout, stderr) = run(folder, &["keys", "list"]);
    assert_eq!(code, 0, "{stderr}");
    let rows = stdout.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.map(|row| (row[1].to_owned(), row[2].to_owned())).collect()
}

#[tokio::test]
async fn keys_are_listed_and_rotated_beside_a_running_server() {
    let folder = folder_with(CONFIG);
    assert!(refused(folder.path(), &["keys", "list"], &[]).contains("database"));
    assert!(!folder.path().join("data").exists(), "looking at a database made it");
    let server = Server::start(folder.path(), &["serve"], &[]);
    let key = |state: &str| ("ES256".to_owned(), state.to_owned());
    assert_eq!(keys(&folder), [key("signing")]);
    let mut rotations: Vec<_> =
        (0..2).map(|_| command(folder.path(), &["keys", "rotate"], &[]).spawn().unwrap()).collect();
    assert!(rotations.iter_mut().all(|child| wait(child) == Some(0)));
    assert_eq!(keys(&folder), [key("signing"), key("next")]);
    drop(server);
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    for url in ["sqlite:///proc/nowhere/hallpass.db", "sqlite://a-folder", "sqlite://a-text", "sqlite://a-text/below"] {
        let folder = folder_with(&format!("database.url = \"{url}\"\n{CONFIG}"));
        std::fs::create_dir(folder.path().join("a-folder")).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/secret.key"), STANDARD.encode([7; 32])).unwrap();
        std::fs::write(folder.path().join("a-text"), "this is not a database, whatever it is called".repeat(100))
            .unwrap();
        let said = refused(folder.path(), &["serve"], &[]);
        assert!(said.contains("database"), "{url}: {said}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    for (index, key) in ["listen", "demo.listen", "metrics_listen", "grpc_listen"].into_iter().enumerate() {
        let mut env = [&FREE_PORTS[..], &[("HALLPASS_GRPC_LISTEN", "")]].concat();
        env[index].1 = &address;
        let said = refused(folder.path(), &["serve", "--demo"], &env);
        assert!(said.contains(&format!("{key}: ")) && said.contains(&address), "{said}");
    }
}

#[test]
fn everything_wrong_with_a_configuration_is_said_at_once() {
    let wrong = r#"public_url = "http://tokens.example.org"
lisen = "127.0.0.1:3000"
listen = "3000"

[tokens]
default_lifetime = "2y"
prefix = "UPPER"

[[scopes]]
name = "a,b"
"#;
    let folder = folder_with(wrong);
    let (code, _, stderr) = run(&folder, &["config", "check"]);
    assert_eq!(code, 1, "{stderr}");
    let expected = [
        ("public_url", 1),
        ("lisen", 2),
        ("listen", 3),
        ("tokens.default_lifetime", 6),
        ("tokens.prefix", 7),
        ("scopes.0.name", 10),
    ];
    for (key, line) in expected {
        let found = stderr
            .lines()
            .find(|text| text.starts_with(&format!("{key}: ")))
            .unwrap_or_else(|| panic!("{key}: {stderr}"));
        assert!(found.contains(&format!("line {line}")), "{found}");
    }
    assert!(stderr.contains("oidc: "), "{stderr}");
    for command in ["serve", "migrate"] {
        assert_eq!(refused(folder.path(), &[command], &[]).lines().count(), stderr.lines().count());
    }
}

#[test]
fn a_good_configuration_is_good_also_from_elsewhere() {
    let folder = folder_with(CONFIG);
    assert_eq!(run(&folder, &["config", "check"]).0, 0);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.toml");
    assert_eq!(run(&elsewhere, &["config", "check", "--config", file.to_str().unwrap()]).0, 0);
    assert_eq!(run(&elsewhere, &["migrate", "--config", file.to_str().unwrap()]).0, 0);
    assert!(folder.path().join("data/hallpass.db").exists(), "relative paths start from the file's folder");
    assert_eq!(run(&elsewhere, &["config", "check", "--config", "missing.toml"]).0, 1);
    assert_eq!(run(&elsewhere, &["serve", "--config", "missing.toml"]).0, 2);
    assert_eq!(run(&elsewhere, &["serve"]).0, 2, "without any configuration");
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let folder = folder_with(CONFIG);
    let env = [
        ("HALLPASS_PORT", "tcp://10.0.0.1:80"),
        ("HALLPASS_SERVICE_HOST", "10.0.0.1"),
        ("HALLPASS_TOKENS__COLOUR", "red"),
    ];
    let (code, _, stderr) = run_with(folder.path(), &["config", "check"], &env);
    assert_eq!(code, 0, "{stderr}");
    for (name, _) in env {
        assert!(stderr.contains(name), "{stderr}");
    }
}

#[test]
fn the_schema_is_json_and_names_every_section() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(&folder, &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    for section in ["public_url", "database", "oidc", "admin", "tokens", "scopes", "check", "session"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_wrong_command_line_is_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["fly"],
        &["serve", "--fast"],
        &["serve", "--log-format", "xml"],
        &["config"],
        &["serve", "--config"],
    ] {
        assert_eq!(run(&folder, arguments).0, 2, "{arguments:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        assert_eq!(run(&folder, &arguments).0, 0);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
