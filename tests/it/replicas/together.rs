//! What belongs to all replicas: logins that are begun at one and end at another, keys, limits, last uses.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::server::ambient::{SystemClock, SystemEntropy};
use serde_json::Value;

use super::duties::readiness;
use crate::support::program::CONFIG;
use crate::support::replicas::Replicas;
use crate::support::tokens::Token;
use crate::support::{CLIENT_ID, OidcProvider, oidc};

const PUBLIC_URL: &str = "http://localhost:3000";

/// A request to one of the replicas, as a browser sends it that keeps cookies.
async fn send(replicas: &Replicas, index: usize, (method, path): (&str, &str), cookie: &str) -> reqwest::Response {
    let server = &replicas.servers[index];
    let request = server.client.request(method.parse().unwrap(), format!("{}{path}", server.url));
    request.header("cookie", cookie).header("sec-fetch-site", "same-origin").send().await.unwrap()
}

fn cookie(answer: &reqwest::Response) -> String {
    let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    lines.map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn location(answer: &reqwest::Response) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_begun_at_one_replica_is_finished_at_the_next_and_ended_at_the_third() {
    let provider = OidcProvider::start(PUBLIC_URL, Arc::new(SystemClock), Arc::new(SystemEntropy)).await;
    let config = CONFIG.replace("https://id.example.org", &provider.issuer);
    let config = config.replace("client_id = \"hallpass\"", &format!("client_id = \"{CLIENT_ID}\""));
    let mut replicas = Replicas::start(0).await;
    replicas.configure(&config);
    let way = replicas.database.clone();
    for _ in 0..3 {
        replicas.add_with(&way, &[("HALLPASS_PUBLIC_URL", PUBLIC_URL)]);
    }
    let begun = send(&replicas, 0, ("GET", "/auth/main/login?return_to=%2Ftokens%2Fnew"), "").await;
    let back = oidc::choose(&provider.router(), "alice", &location(&begun)).await;
    let back = back.strip_prefix(PUBLIC_URL).unwrap();
    let done = send(&replicas, 1, ("GET", back), &cookie(&begun)).await;
    assert_eq!((done.status().as_u16(), location(&done).as_str()), (303, "/tokens/new"));
    let session = cookie(&done);
    let again = send(&replicas, 2, ("GET", back), &cookie(&begun)).await;
    let is_refused = again.status().is_client_error() && !cookie(&again).contains("hallpass=");
    assert!(is_refused, "the answer was used already: {again:?}");
    for index in 0..3 {
        assert_eq!(send(&replicas, index, ("GET", "/api/v1/me"), &session).await.status(), 200);
    }
    assert_eq!(send(&replicas, 2, ("POST", "/auth/logout"), &session).await.status(), 303);
    for index in 0..3 {
        assert_eq!(send(&replicas, index, ("GET", "/api/v1/me"), &session).await.status(), 401);
    }
}

/// The names of the keys that a replica publishes.
async fn published(replicas: &Replicas, index: usize) -> Vec<String> {
    let keys = replicas.servers[index].get("/.well-known/jwks.json").await.text().await.unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let mut names: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

/// The name of the key that a replica signs with.
async fn signed_with(replicas: &Replicas, index: usize, token: &Token) -> String {
    let server = &replicas.servers[index];
    let checked = server.client.get(format!("{}/check", server.url)).bearer_auth(token.secret.reveal()).send().await;
    let jwt = checked.unwrap().headers()["authorization"].to_str().unwrap().to_owned();
    let header = URL_SAFE_NO_PAD.decode(jwt.strip_prefix("Bearer ").unwrap().split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_made_at_the_command_line_is_soon_published_by_every_replica_and_signs_nothing_yet() {
    let replicas = Replicas::start(3).await;
    let token = replicas.tokens(1).await.pop().unwrap();
    let before = published(&replicas, 0).await;
    assert_eq!(before.len(), 1);
    let (code, _, complaints) = replicas.run(&["keys", "rotate"]);
    assert_eq!(code, 0, "{complaints}");
    let both = async {
        for index in 0..3 {
            while published(&replicas, index).await.len() < 2 {}
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("it is never published");
    let after = published(&replicas, 0).await;
    for index in 0..3 {
        assert_eq!(published(&replicas, index).await, after, "replica {index}");
        assert_eq!(signed_with(&replicas, index, &token).await, before[0], "others may not know the new one yet");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_made_everywhere_at_once_are_no_more_than_the_limit() {
    let mut replicas = Replicas::start(0).await;
    let way = replicas.database.clone();
    for _ in 0..2 {
        replicas.add_with(&way, &[("HALLPASS_TOKENS__MAX_ACTIVE_PER_USER", "5")]);
        readiness(&replicas, replicas.servers.len() - 1, 200).await;
    }
    let login = replicas.log_in(&replicas.tokens(1).await[0]).await;
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..20 {
        let server = &replicas.servers[index % 2];
        let call = server.client.post(format!("{}/api/v1/tokens", server.url)).header("cookie", &login.cookie);
        let call = call.header("sec-fetch-site", "same-origin").header("content-type", "application/json");
        let call = call.body(format!(r#"{{"name": "token {index}", "scopes": ["read:users"]}}"#));
        calls.spawn(async move {
            loop {
                // Whoever waits for too long for its turn is told so, and asks again.
                let status = call.try_clone().unwrap().send().await.unwrap().status().as_u16();
                if status != 503 {
                    return status;
                }
            }
        });
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|status| [201, 409].contains(status)), "{answers:?}");
    let active = "SELECT count(*)::TEXT FROM tokens WHERE revoked_at IS NULL";
    assert_eq!(replicas.column(active).await, ["5"], "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_stop_together_lose_no_last_use() {
    let mut replicas = Replicas::start(3).await;
    let tokens = replicas.tokens(60).await;
    for (index, token) in tokens.iter().enumerate() {
        for turn in 0..2 {
            assert_eq!(replicas.check((index + turn) % 3, token).await, 200);
        }
    }
    let stopping: Vec<_> =
        replicas.servers.drain(..).map(|server| tokio::task::spawn_blocking(|| server.stop().0)).collect();
    for code in stopping {
        assert_eq!(code.await.unwrap(), 0);
    }
    let used = "SELECT count(*)::TEXT FROM tokens t JOIN secrets s ON s.token_id = t.id
        WHERE t.last_used_at IS NOT NULL AND t.last_used_ip = '127.0.0.1' AND s.last_used_at = t.last_used_at";
    assert_eq!(replicas.column(used).await, ["60"]);
}
