//! Configuration: contract, sections 2 and 10.

use std::path::{Path, PathBuf};

use hallpass::server::config::load::{Problem, Sources};
use hallpass::server::config::{self, Checked, Config, DatabasePlace, Purpose};
use secrecy::ExposeSecret as _;

use crate::support::{days, minutes};

/// The shortest configuration that is good.
const MINIMAL: &str = r#"
public_url = "https://tokens.example.org"

[[oidc]]
name = "main"
issuer = "https://id.example.org"
client_id = "hallpass"

[[scopes]]
name = "read:users"
"#;

fn check(text: &str, env: &[(&str, &str)]) -> Result<Checked, Vec<Problem>> {
    check_at(Path::new("/etc/hallpass/hallpass.toml"), text, env)
}

fn check_at(file: &Path, text: &str, env: &[(&str, &str)]) -> Result<Checked, Vec<Problem>> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    config::check(&Sources { file: Some((file.to_path_buf(), text.to_owned())), env, preset: None }, Purpose::Serve)
}

#[track_caller]
fn good(text: &str, env: &[(&str, &str)]) -> Config {
    let checked = check(text, env).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(checked.warnings, [""; 0]);
    checked.config
}

#[track_caller]
fn sqlite_file(config: &Config) -> &Path {
    match &config.database.place {
        DatabasePlace::Sqlite(path) => path,
        DatabasePlace::Postgres { .. } => panic!("this is PostgreSQL"),
    }
}

/// The keys that are wrong, sorted.
#[track_caller]
fn wrong_keys(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let problems = check(text, env).expect_err(text);
    assert!(problems.iter().all(|problem| !problem.reason.is_empty()));
    let mut keys: Vec<_> = problems.into_iter().map(|problem| problem.key).collect();
    keys.sort();
    keys
}

/// The minimal configuration with these lines before everything else.
fn with(lines: &str) -> String {
    format!("{lines}\n{MINIMAL}")
}

/// The minimal configuration with these lines behind everything else.
fn and(lines: &str) -> String {
    format!("{MINIMAL}\n{lines}")
}

/// The minimal configuration with these lines about its provider.
fn oidc(lines: &str) -> String {
    MINIMAL.replace("name = \"main\"", &format!("name = \"main\"\n{lines}"))
}

#[test]
fn the_example_is_good() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("hallpass.example.toml");
    let text = std::fs::read_to_string(&file).expect("hallpass.example.toml");
    check_at(&file, &text, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
}

#[test]
fn the_example_holds_under_every_key_the_default() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("hallpass.example.toml");
    let text = std::fs::read_to_string(file).expect("hallpass.example.toml");
    for key in [
        "listen",
        "metrics_listen",
        "grpc_listen",
        "secret_key_file",
        "trusted_proxies",
        "url",
        "max_connections",
        "client_secret",
        "roles_claim",
        "attribute_claims",
        "email_trusted",
        "required_roles",
        "required_claims",
        "role_prefix",
        "check_audiences",
        "api_audiences",
        "api_clients",
        "access_token_scopes",
        "legacy_access_tokens",
        "providers",
        "prefix",
        "accepted_prefixes",
        "default_lifetime",
        "max_lifetime",
        "allow_never",
        "max_active_per_user",
        "idle_suspend",
        "owner_max_login_age",
        "fresh_login",
        "identity_header",
        "basic_username",
        "issuer",
        "audience",
        "audiences",
        "ttl",
        "algorithm",
        "secret_hash",
        "secret_hash_file",
        "audiences",
        "sends_client_ip",
        "idle",
        "absolute",
    ] {
        let mentioned = text.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} = ")));
        assert!(mentioned, "{key} is not in the example");
    }
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = good(MINIMAL, &[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9464");
    assert!(config.grpc_listen.is_none());
    assert_eq!(config.secret_key_file, PathBuf::from("/etc/hallpass/data/secret.key"));
    assert_eq!(sqlite_file(&config), Path::new("/etc/hallpass/data/hallpass.db"));
    assert_eq!(config.database.max_connections, 10);
    assert!(config.trusted_proxies.is_empty() && config.demo_listen.is_none());
    let oidc = &config.oidc[0];
    assert_eq!((oidc.scopes.join(" "), oidc.roles_claim.as_str()), ("openid profile email".to_owned(), "groups"));
    assert!(oidc.client_secret.is_none() && !oidc.email_trusted && oidc.required_roles.is_empty());
    let access = &oidc.access_tokens;
    assert!(!access.any() && access.api_clients.is_empty() && !access.only_claimed_scopes && !access.legacy);
    assert_eq!(config.admin.roles.iter().collect::<Vec<_>>(), ["hallpass-admin"]);
    let tokens = &config.tokens;
    assert_eq!((tokens.prefix.as_str(), tokens.accepted.len(), tokens.max_active_per_user), ("hpat", 1, 50));
    assert_eq!((tokens.policy.lifetime.default, tokens.policy.lifetime.max), (days(90), days(365)));
    assert!(!tokens.policy.lifetime.allow_never && tokens.policy.idle_suspend.is_none());
    assert_eq!(tokens.policy.owner_max_login_age, Some(days(90)));
    assert_eq!(tokens.fresh_login, Some(minutes(15)));
    assert!(config.check.identity_header.is_none() && !config.check.basic_username);
    let jwt = &config.jwt;
    assert_eq!(jwt.issuer(config.public_url.as_ref().unwrap()), "https://tokens.example.org");
    assert_eq!((jwt.audiences.default.as_str(), jwt.audiences.others.len()), ("hallpass", 0));
    assert_eq!((jwt.ttl.as_secs(), jwt.algorithm.as_str()), (60, "ES256"));
    assert!(config.introspection_clients.is_empty());
    assert_eq!((config.session.idle.as_secs(), config.session.absolute.as_secs()), (3_600, 43_200));
}

#[test]
fn each_wrong_value_is_named_by_its_key() {
    let table = [
        (MINIMAL.replace("https://tokens.example.org", "http://tokens.example.org"), "public_url"),
        (MINIMAL.replace("https://tokens.example.org", "https://tokens.example.org/path"), "public_url"),
        (MINIMAL.replace("https://tokens.example.org", "https://u@tokens.example.org"), "public_url"),
        (MINIMAL.replace("https://tokens.example.org", "tokens.example.org"), "public_url"),
        (MINIMAL.replace("https://tokens.example.org", "ftp://tokens.example.org"), "public_url"),
        (MINIMAL.replace("public_url = \"https://tokens.example.org\"", ""), "public_url"),
        (MINIMAL.replace("https://id.example.org", "http://id.example.org"), "oidc.0.issuer"),
        (MINIMAL.replace("https://id.example.org", "https://tokens.example.org"), "oidc.0.issuer"),
        (MINIMAL.replace("https://id.example.org", ""), "oidc.0.issuer"),
        (and("[jwt]\nissuer = \"https://id.example.org/\""), "oidc.0.issuer"),
        (and("[jwt]\nissuer = \"http://tokens.example.org\""), "jwt.issuer"),
        (and("[jwt]\naudience = \"\""), "jwt.audience"),
        (and("[jwt]\naudiences = [\"a\", \"a\"]"), "jwt.audiences.1"),
        (and("[jwt]\nttl = \"16m\""), "jwt.ttl"),
        (and("[jwt]\nalgorithm = \"none\""), "jwt.algorithm"),
        (MINIMAL.replace("name = \"main\"", "name = \"Main\""), "oidc.0.name"),
        (MINIMAL.replace("name = \"main\"", "name = \"a/b\""), "oidc.0.name"),
        (MINIMAL.replace("name = \"main\"", ""), "oidc.0.name"),
        (MINIMAL.replace("client_id = \"hallpass\"", ""), "oidc.0.client_id"),
        (oidc("check_audiences = [\"a\", \"hallpass\"]"), "oidc.0.check_audiences.1"),
        (oidc("check_audiences = [\"\"]"), "oidc.0.check_audiences.0"),
        (oidc("check_audiences = \"a\""), "oidc.0.check_audiences"),
        (oidc("api_audiences = [\"hallpass\"]\napi_clients = [\"cli\"]"), "oidc.0.api_audiences.0"),
        (oidc("api_audiences = [\"a\"]"), "oidc.0.api_clients"),
        (oidc("api_audiences = [\"a\"]\napi_clients = [\"\"]"), "oidc.0.api_clients.0"),
        (oidc("access_token_scopes = \"some\""), "oidc.0.access_token_scopes"),
        (oidc("legacy_access_tokens = \"yes\""), "oidc.0.legacy_access_tokens"),
        (MINIMAL.replace("read:users", "hallpass:x"), "scopes.0.name"),
        (MINIMAL.replace("read:users", "a,b"), "scopes.0.name"),
        (MINIMAL.replace("read:users", "a%b"), "scopes.0.name"),
        (MINIMAL.replace("read:users", "a b"), "scopes.0.name"),
        (MINIMAL.replace("read:users", &"x".repeat(65)), "scopes.0.name"),
        (MINIMAL.replace("read:users", ""), "scopes.0.name"),
        (and("[[scopes]]\nname = \"read:users\""), "scopes.1.name"),
        (and("[tokens]\ndefault_lifetime = \"400d\""), "tokens.default_lifetime"),
        (and("[tokens]\nidle_suspend = \"0d\""), "tokens.idle_suspend"),
        (and("[tokens]\nfresh_login = \"now\""), "tokens.fresh_login"),
        (and("[tokens]\nmax_active_per_user = 0"), "tokens.max_active_per_user"),
        (and("[tokens]\nmax_active_per_user = -1"), "tokens.max_active_per_user"),
        (and("[tokens]\nprefix = \"x\""), "tokens.prefix"),
        (and("[tokens]\nprefix = \"9pat\""), "tokens.prefix"),
        (and("[tokens]\naccepted_prefixes = [\"ok\", \"TOO_BAD\"]"), "tokens.accepted_prefixes.1"),
        (and("[tokens]\nallow_never = \"yes\""), "tokens.allow_never"),
        (and("[check]\nidentity_header = \"a b\""), "check.identity_header"),
        (and("[check]\nidentity_header = \"Cookie\""), "check.identity_header"),
        (and("[check]\nidentity_header = \"X-Auth-User\""), "check.identity_header"),
        (and("[session]\nidle = \"soon\""), "session.idle"),
        (and("[admin]\nproviders = [\"nobody\"]"), "admin.providers.0"),
        (and("[database]\nurl = \"mysql://x\""), "database.url"),
        (and("[database]\nmax_connections = 0"), "database.max_connections"),
        (and("[unknown]\nx = 1"), "unknown"),
        (and("[tokens]\nlifetime = 1"), "tokens.lifetime"),
        (with("listen = \"3000\""), "listen"),
        (with("listen = 3000"), "listen"),
        (with("metrics_listen = \"nowhere\""), "metrics_listen"),
        (with("grpc_listen = \"3002\""), "grpc_listen"),
        (with("trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]"), "trusted_proxies.1"),
        (with("trusted_proxies = [\"0.0.0.0/0\"]"), "trusted_proxies.0"),
        (with("trusted_proxies = [\"::/0\"]"), "trusted_proxies.0"),
        (with("trusted_proxies = \"10.0.0.0/8\""), "trusted_proxies"),
    ];
    for (text, key) in table {
        assert_eq!(wrong_keys(&text, &[]), [key], "{text}");
    }
}

#[test]
fn a_name_may_not_repeat_and_several_providers_need_to_be_told_apart() {
    let second = "[[oidc]]\nname = \"main\"\nissuer = \"https://other.example.org\"\nclient_id = \"x\"";
    assert_eq!(wrong_keys(&and(second), &[]), ["admin.providers", "oidc.1.name"]);
    let text = format!("{}\n[admin]\nproviders = [\"main\"]", and(&second.replace("\"main\"", "\"other\"")));
    good(&text, &[]);
}

#[test]
fn access_tokens_are_taken_as_the_provider_s_entry_says() {
    let lines = "check_audiences = [\"a\", \"b\"]\napi_audiences = [\"a\"]\napi_clients = [\"cli\"]\n\
                 access_token_scopes = \"claim\"\nlegacy_access_tokens = true";
    let access = &good(&oidc(lines), &[]).oidc[0].access_tokens;
    assert!(access.check_audiences.iter().eq(["a", "b"]) && access.api_audiences.iter().eq(["a"]));
    assert!(access.api_clients.iter().eq(["cli"]) && access.only_claimed_scopes && access.legacy);
}

#[test]
fn only_one_entry_of_an_issuer_takes_access_tokens() {
    let second = |lines: &str| {
        let table = format!("[[oidc]]\nname = \"b\"\nissuer = \"https://id.example.org\"\nclient_id = \"x\"\n{lines}");
        format!("{}\n{table}\n[admin]\nproviders = [\"main\"]", oidc("check_audiences = [\"a\"]"))
    };
    good(&second(""), &[]);
    assert_eq!(wrong_keys(&second("check_audiences = [\"b\"]"), &[]), ["oidc.1.issuer"]);
}

#[test]
fn every_problem_is_listed_at_once_with_its_line() {
    let text = "lisen = 1\npublic_url = \"x\"\nlisten = \"y\"\n[tokens]\nprefix = \"UPPER\"\nprefxi = \"a\"\nidle_suspend = \"1w\"\n\
                [[oidc]]\nissuer = \"x\"\nscopes = [\"email\"]\n";
    let problems = check(text, &[]).unwrap_err();
    let mut found: Vec<_> = problems.iter().map(|problem| (problem.key.as_str(), problem.line)).collect();
    found.sort_unstable();
    let line = Some;
    assert_eq!(
        found,
        [
            ("lisen", line(1)),
            ("listen", line(3)),
            ("oidc.0.client_id", None),
            ("oidc.0.issuer", line(9)),
            ("oidc.0.name", None),
            ("oidc.0.scopes", line(10)),
            ("public_url", line(2)),
            ("scopes", None),
            ("tokens.idle_suspend", line(7)),
            ("tokens.prefix", line(5)),
            ("tokens.prefxi", line(6)),
        ]
    );
}

#[test]
fn a_problem_is_not_followed_by_another_that_it_only_causes() {
    let problems = check(&and("[tokens]\nmax_lifetime = \"1w\""), &[]).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["tokens.max_lifetime"]);
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let problems = check("public_url = \"x\"\nlisten = = 3\n", &[]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.line == Some(2)), "{problems:?}");
}

#[test]
fn the_environment_goes_over_the_file() {
    let config = good(
        &with("listen = \"127.0.0.1:1\""),
        &[
            ("HALLPASS_LISTEN", "127.0.0.1:2"),
            ("HALLPASS_METRICS_LISTEN", ""),
            ("HALLPASS_GRPC_LISTEN", "127.0.0.1:3"),
            ("HALLPASS_TRUSTED_PROXIES", r#"["10.0.0.0/8", "192.0.2.0/24"]"#),
            ("HALLPASS_DATABASE__MAX_CONNECTIONS", "3"),
            ("HALLPASS_TOKENS__ALLOW_NEVER", "true"),
            ("HALLPASS_TOKENS__MAX_LIFETIME", "400d"),
            ("HALLPASS_OIDC__0__CLIENT_SECRET", "s3cret"),
            ("HALLPASS_OIDC__0__ATTRIBUTE_CLAIMS", r#"["a.b", "c"]"#),
            ("HALLPASS_OIDC__0__REQUIRED_CLAIMS", r#"{"hd": "example.org"}"#),
            ("HALLPASS_SCOPES__0__DESCRIPTION", "read them"),
            ("HALLPASS_SCOPES__1__NAME", "write:users"),
            ("UNRELATED", "x"),
        ],
    );
    assert_eq!(config.listen.port(), 2);
    assert!(config.metrics_listen.is_none());
    assert_eq!(config.grpc_listen.unwrap().port(), 3);
    assert_eq!((config.trusted_proxies.len(), config.database.max_connections), (2, 3));
    assert_eq!(config.tokens.policy.lifetime.max, days(400));
    let oidc = &config.oidc[0];
    assert_eq!(oidc.client_secret.as_ref().unwrap().expose_secret(), "s3cret");
    assert_eq!(oidc.attribute_claims, ["a.b", "c"]);
    assert_eq!(oidc.required_claims, [("hd".to_owned(), "example.org".to_owned())]);
    assert_eq!(oidc.issuer, "https://id.example.org");
    let roles = std::collections::BTreeSet::new();
    let descriptions: Vec<_> = config.catalogue.grantable(&roles).map(|entry| entry.description.as_str()).collect();
    assert_eq!(descriptions, ["read them", ""]);
}

#[test]
fn everything_can_come_from_the_environment() {
    let env = [
        ("HALLPASS_PUBLIC_URL", "https://tokens.example.org"),
        ("HALLPASS_OIDC", r#"[{"name": "main", "issuer": "https://id.example.org", "client_id": "hallpass"}]"#),
        ("HALLPASS_SCOPES", r#"[{"name": "a"}, {"name": "b", "roles": ["r"]}]"#),
        ("HALLPASS_DATABASE__URL", "sqlite://data/x.db"),
    ];
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let checked = config::check(&Sources { file: None, env, preset: None }, Purpose::Serve).unwrap();
    assert_eq!(sqlite_file(&checked.config), Path::new("data/x.db"));
    assert_eq!(checked.config.oidc.len(), 1);
}

#[test]
fn the_order_of_the_environment_does_not_matter() {
    let scopes: Vec<_> =
        (0..12).map(|index| (format!("HALLPASS_SCOPES__{index}__NAME"), format!("s{index}"))).collect();
    let mut env: Vec<_> = scopes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.extend([
        ("HALLPASS_SCOPES", r#"[{"name": "first", "description": "from the list"}]"#),
        ("HALLPASS_SCOPES__1__ROLES", r#"["r"]"#),
        ("HALLPASS_OIDC__1__REQUIRED_ROLES", r#"["staff"]"#),
        ("HALLPASS_OIDC__1__ISSUER", "https://other.example.org"),
        ("HALLPASS_OIDC__1__CLIENT_ID", "hallpass"),
        ("HALLPASS_OIDC__1__NAME", "other"),
        ("HALLPASS_ADMIN__PROVIDERS", r#"["main"]"#),
    ]);
    for turned in 0..env.len() {
        env.rotate_left(1);
        let config = good(MINIMAL, &env);
        let of = |roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            config.catalogue.grantable(&roles).map(|entry| entry.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((of(&["r"]).len(), of(&[]).len()), (12, 11), "turned by {turned}");
        assert!(!of(&[]).contains(&"s1".to_owned()));
        assert!(config.oidc[1].required_roles.contains("staff"));
    }
    env.reverse();
    assert_eq!(good(MINIMAL, &env).oidc.len(), 2);
}

#[test]
fn whoever_looks_after_an_installation_needs_no_logins_and_no_scopes() {
    let text = "[database]\nurl = \"sqlite://data/x.db\"\n";
    let sources = Sources { file: Some(("hallpass.toml".into(), text.to_owned())), env: Vec::new(), preset: None };
    let checked = config::check(&sources, Purpose::Operate).unwrap();
    assert_eq!(sqlite_file(&checked.config), Path::new("data/x.db"));
    let problems = config::check(&sources, Purpose::Serve).unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["public_url", "oidc", "scopes"]);
}

#[test]
fn text_that_looks_like_something_else_stays_text_where_text_is_wanted() {
    for text in ["12345", "true", "1e5", "[brackets]", "{braces", "\"quoted\"", "0123", "-1", "a=b"] {
        let config = good(MINIMAL, &[("HALLPASS_OIDC__0__CLIENT_SECRET", text), ("HALLPASS_OIDC__0__CLIENT_ID", text)]);
        assert_eq!(config.oidc[0].client_secret.as_ref().unwrap().expose_secret(), text);
        assert_eq!(config.oidc[0].client_id, text);
    }
}

#[test]
fn a_secret_that_reads_null_is_a_secret() {
    let config = good(MINIMAL, &[("HALLPASS_OIDC__0__CLIENT_SECRET", "null")]);
    assert_eq!(config.oidc[0].client_secret.as_ref().unwrap().expose_secret(), "null");
}

#[test]
fn a_variable_of_the_wrong_type_is_an_error_and_an_unknown_one_a_warning() {
    assert_eq!(wrong_keys(MINIMAL, &[("HALLPASS_TOKENS__ALLOW_NEVER", "perhaps")]), ["tokens.allow_never"]);
    assert_eq!(wrong_keys(MINIMAL, &[("HALLPASS_DATABASE__MAX_CONNECTIONS", "many")]), ["database.max_connections"]);
    assert_eq!(wrong_keys(MINIMAL, &[("HALLPASS_TRUSTED_PROXIES", "10.0.0.0/8")]), ["trusted_proxies"]);
    let unknown = [("HALLPASS_PORT_3000_TCP", "x"), ("HALLPASS_TOKENS__COLOUR", "red"), ("HALLPASS_OIDC__0__X", "1")];
    let warnings = check(MINIMAL, &unknown).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (name, _) in unknown {
        assert!(warnings.iter().any(|warning| warning.contains(name)), "{warnings:?}");
    }
}

#[test]
fn no_message_repeats_a_secret() {
    let text = and("[tokens]\nprefix = 1");
    let problems = check(&text.replace("client_id", "client_secret = [\"hunter2\"]\nclient_id"), &[]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    let config = good(MINIMAL, &[("HALLPASS_OIDC__0__CLIENT_SECRET", "hunter2")]);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.toml");
    std::fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let text = |line: &str| MINIMAL.replace("client_id", &format!("{line}\nclient_id"));
    let config = check_at(&file, &text("client_secret_file = \"secret\""), &[]).unwrap().config;
    assert_eq!(config.oidc[0].client_secret.as_ref().unwrap().expose_secret(), "from a file");
    let absolute = folder.path().join("secret").display().to_string();
    let config = check(MINIMAL, &[("HALLPASS_OIDC__0__CLIENT_SECRET_FILE", &absolute)]).unwrap().config;
    assert_eq!(config.oidc[0].client_secret.as_ref().unwrap().expose_secret(), "from a file");
    for line in [
        "client_secret_file = \"missing\"",
        "client_secret_file = \"empty\"",
        "client_secret_file = \"secret\"\nclient_secret = \"x\"",
    ] {
        let problems = check_at(&file, &text(line), &[]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, "oidc.0.client_secret_file");
    }
}

/// A proof as `hallpass hash-secret` makes it.
const PROOF: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$ELjwsGFIGiB29u0+J08SjSIe8gNEIU2IxADZ98zjvjM";

fn client(lines: &str) -> String {
    and(&format!("[[introspection_clients]]\n{lines}"))
}

#[test]
fn an_introspection_client_knows_as_much_as_is_said() {
    let config = good(&client(&format!("id = \"billing-api\"\nsecret_hash = \"{PROOF}\"")), &[]);
    let [one] = &config.introspection_clients[..] else { panic!("{config:?}") };
    assert_eq!((one.id.as_str(), one.secret_hash.expose_secret()), ("billing-api", PROOF));
    assert!(one.audiences.is_empty() && one.scopes.is_empty() && !one.sends_client_ip);
    let more = format!(
        "id = \"a\"\nsecret_hash = \"{PROOF}\"\naudiences = [\"x\"]\nscopes = [\"b\", \"a\"]\nsends_client_ip = true"
    );
    let config = good(&client(&more), &[]);
    let one = &config.introspection_clients[0];
    assert_eq!((one.audiences.len(), one.scopes.to_string(), one.sends_client_ip), (1, "a b".to_owned(), true));
    assert!(!format!("{config:?}").contains(PROOF), "the proof is printed");
}

#[test]
fn what_is_wrong_with_an_introspection_client_is_named() {
    let id = "id = \"a\"";
    let proof = format!("secret_hash = \"{PROOF}\"");
    let cheap = proof.replace("m=19456", "m=8");
    let other = proof.replace("argon2id", "argon2i");
    let table = [
        (proof.clone(), "id"),
        (format!("id = \"a b\"\n{proof}"), "id"),
        (id.to_owned(), "secret_hash"),
        (format!("{id}\nsecret_hash = \"\""), "secret_hash"),
        (format!("{id}\nsecret_hash = \"s3cret\""), "secret_hash"),
        (format!("{id}\n{cheap}"), "secret_hash"),
        (format!("{id}\n{other}"), "secret_hash"),
        (format!("{id}\nsecret = \"s3cret\""), "secret"),
        (format!("{id}\nsecret_hash_file = \"missing\""), "secret_hash_file"),
        (format!("{id}\n{proof}\nsecret_hash_file = \"x\""), "secret_hash_file"),
        (format!("{id}\n{proof}\nscopes = [\"a b\"]"), "scopes"),
        (format!("{id}\n{proof}\naudiences = [\"x\", \"\"]"), "audiences.1"),
    ];
    for (lines, key) in table {
        let problems = check(&client(&lines), &[]).expect_err(&lines);
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.clone()).collect();
        let expected = [format!("introspection_clients.0.{key}")];
        // A key that is unknown is also one that is missing.
        assert_eq!(keys[..1], expected, "{lines}");
        assert!(keys.len() == 1 || key == "secret", "{lines}: {keys:?}");
        assert!(!problems.iter().any(|problem| problem.reason.contains("s3cret")), "{lines}: {problems:?}");
    }
    let twice = format!("{}\n[[introspection_clients]]\n{id}\n{proof}", client(&format!("{id}\n{proof}")));
    assert_eq!(wrong_keys(&twice, &[]), ["introspection_clients.1.id"]);
}

#[test]
fn the_proof_of_a_client_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.toml");
    std::fs::write(folder.path().join("proof"), format!("{PROOF}\n")).unwrap();
    std::fs::write(folder.path().join("plain"), "s3cret\n").unwrap();
    let text = |name: &str| client(&format!("id = \"a\"\nsecret_hash_file = \"{name}\""));
    let config = check_at(&file, &text("proof"), &[]).unwrap().config;
    assert_eq!(config.introspection_clients[0].secret_hash.expose_secret(), PROOF);
    let problems = check_at(&file, &text("plain"), &[]).unwrap_err();
    assert_eq!(problems[0].key, "introspection_clients.0.secret_hash_file");
    assert!(!problems[0].reason.contains("s3cret"), "{problems:?}");
}

#[test]
fn relative_paths_start_from_the_folder_of_the_file_and_those_of_the_environment_from_where_we_are() {
    let text = with("secret_key_file = \"keys/main\"\ndatabase.url = \"sqlite://db/main\"");
    let config = good(&text, &[]);
    assert_eq!(config.secret_key_file, PathBuf::from("/etc/hallpass/keys/main"));
    assert_eq!(sqlite_file(&config), Path::new("/etc/hallpass/db/main"));
    let absolute = good(&text.replace("keys/main", "/run/key").replace("db/main", "/var/db"), &[]);
    assert_eq!(sqlite_file(&absolute), Path::new("/var/db"));
    assert_eq!(absolute.secret_key_file, PathBuf::from("/run/key"));
    let env = [("HALLPASS_SECRET_KEY_FILE", "keys/env"), ("HALLPASS_DATABASE__URL", "sqlite://db/env")];
    let config = good(&text, &env);
    assert_eq!(sqlite_file(&config), Path::new("db/env"));
    assert_eq!(config.secret_key_file, PathBuf::from("keys/env"));
}

#[test]
fn http_is_possible_for_loopback_hosts_only() {
    for (url, possible) in [
        ("http://localhost:3000", true),
        ("http://127.0.0.1:3000", true),
        ("http://[::1]:3000", true),
        ("http://app.localhost", true),
        ("http://localhost.example.org", false),
        ("http://10.0.0.1", false),
        ("http://127.0.0.1.example.org", false),
        ("https://localhost", true),
    ] {
        let text = MINIMAL.replace("https://tokens.example.org", url);
        assert_eq!(check(&text, &[]).is_ok(), possible, "{url}");
        let text = MINIMAL.replace("https://id.example.org", url);
        assert_eq!(check(&text, &[]).is_ok(), possible, "{url}");
    }
}

#[test]
fn a_url_of_postgresql_is_taken_as_it_is_and_never_printed() {
    let url = "postgres://hallpass:s3cret@db.example.org/hallpass?sslmode=verify-full";
    let config = good(&with(&format!("database.url = \"{url}\"\ndatabase.listen_url = \"{url}\"")), &[]);
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    let DatabasePlace::Postgres { url: read, listen_url, require_sync: false } = config.database.place else {
        panic!("this is SQLite")
    };
    assert_eq!(read.expose_secret(), url);
    assert_eq!(listen_url.unwrap().expose_secret(), url);
}

#[test]
fn a_database_of_another_kind_and_a_listener_without_postgresql_are_wrong() {
    let problems = |text: &str| {
        let problems = check(&with(text), &[]).unwrap_err();
        problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
    };
    for url in ["mysql://a:s3cret@db/x", "sqlite://", "data/hallpass.db", ""] {
        assert_eq!(problems(&format!("database.url = \"{url}\"")), ["database.url"], "{url}");
    }
    assert_eq!(problems("database.listen_url = \"postgres://db/x\""), ["database.listen_url"]);
    let both = "database.url = \"postgres://db/x\"\ndatabase.listen_url = \"sqlite://x\"";
    assert_eq!(problems(both), ["database.listen_url"]);
}
