//! How clients prove who they are, and what that costs.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{ANY, INTROSPECT, OTHER, app, assert_error, assert_inactive, basic, introspect, post};
use crate::support::{Answer, TestApp, unknown_token};

async fn ask_as(app: &TestApp, authorization: &str) -> Answer {
    app.send(post(INTROSPECT, &[("token", &unknown_token())]).header("authorization", authorization)).await
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_error(answer, 401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"hallpass\"", "{answer}");
}

fn slow_proofs(app: &TestApp) -> u64 {
    app.metric("hallpass_argon2_total")
}

#[tokio::test]
async fn only_a_known_client_with_its_own_secret_is_answered() {
    let app = app().await;
    assert_refused(&app.send(post(INTROSPECT, &[("token", "x")])).await);
    let good = basic("any-api:s3cret");
    for refused in [
        basic("any-api:"),
        basic("any-api:s3cre"),
        basic("any-api:s3crett"),
        basic("any-api: s3cret"),
        basic("any-api:S3CRET"),
        basic("any-api:s3cret\n"),
        basic("any-api"),
        basic("Any-api:s3cret"),
        basic("other-api:s3cret"),
        basic(":s3cret"),
        basic("any-api:a+b/c%=="),
        format!("any-api:{}", super::PROOF),
        basic(&format!("any-api:{}", super::PROOF)),
        good.replace("Basic", "Bearer"),
        good.replace("Basic ", "Basic"),
        "Basic".to_owned(),
        "Basic ?".to_owned(),
        "\u{e9}".to_owned(),
    ] {
        assert_refused(&ask_as(&app, &refused).await);
    }
    assert_inactive(&ask_as(&app, &good).await);
    let twice = post(INTROSPECT, &[("token", "x")]).header("authorization", &good).header("authorization", &good);
    assert_refused(&app.send(twice).await);
}

#[tokio::test]
async fn every_refusal_is_the_same() {
    let app = app().await;
    assert_inactive(&ask_as(&app, &basic("any-api:s3cret")).await);
    let none = app.send(post(INTROSPECT, &[("token", "x")])).await.without_request_id();
    for pair in ["any-api:wrong", "unknown:wrong", "https%3A%2F%2Fother.example.org:wrong"] {
        assert_eq!(ask_as(&app, &basic(pair)).await.without_request_id(), none, "{pair}");
    }
}

#[tokio::test]
async fn id_and_secret_may_be_encoded_or_not() {
    let app = app().await;
    // A colon in an id has to be encoded; the rest of a pair that stands as it is, not.
    assert_eq!(OTHER, ("https://other.example.org", "a+b/c%=="));
    for pair in ["https%3A%2F%2Fother.example.org:a%2Bb%2Fc%25%3D%3D", "any-api:s3cret", "any%2Dapi:s3%63ret"] {
        assert_inactive(&ask_as(&app, &basic(pair)).await);
    }
}

#[tokio::test]
async fn a_client_costs_one_slow_proof_and_no_more() {
    let app = app().await;
    let before = slow_proofs(&app);
    for _ in 0..5 {
        assert_inactive(&ask_as(&app, &basic("any-api:s3cret")).await);
        assert_inactive(&ask_as(&app, &basic("any%2Dapi:s3cret")).await);
    }
    assert_eq!(slow_proofs(&app), before + 1);
    for wrong in ["any-api:wrong", "any-api:wr+ng%25", "unknown:s3cret"] {
        assert_refused(&ask_as(&app, &basic(wrong)).await);
    }
    assert_eq!(slow_proofs(&app), before + 1, "a wrong secret is told from the known one without a slow proof");
}

#[tokio::test]
async fn an_unknown_client_costs_nothing_also_before_any_proof() {
    let app = app().await;
    let before = slow_proofs(&app);
    for pair in ["unknown:s3cret", "any%2dAPI:s3cret", ":"] {
        assert_refused(&ask_as(&app, &basic(pair)).await);
    }
    assert_eq!(slow_proofs(&app), before);
}

#[tokio::test]
async fn many_at_once_share_the_first_proof() {
    let app = Arc::new(app().await);
    let before = slow_proofs(&app);
    let mut running = JoinSet::new();
    for _ in 0..20 {
        let app = app.clone();
        running.spawn(async move { introspect(&app, &unknown_token()).await });
    }
    for answer in running.join_all().await {
        assert_inactive(&answer);
    }
    assert_eq!(slow_proofs(&app), before + 1);
}

#[tokio::test]
async fn more_wrong_secrets_than_may_wait_are_not_answered_now() {
    let app = Arc::new(app().await);
    let mut running = JoinSet::new();
    for n in 0..60 {
        let app = app.clone();
        running.spawn(async move { ask_as(&app, &basic(&format!("any-api:wrong{n}"))).await });
    }
    let answers = running.join_all().await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_inactive(&ask_as(&app, &basic("any-api:s3cret")).await);
}

#[tokio::test]
async fn the_proof_of_one_client_is_not_that_of_another() {
    let app = app().await;
    assert_inactive(&ask_as(&app, &basic("any-api:s3cret")).await);
    assert_refused(&ask_as(&app, &basic("https%3A%2F%2Fother.example.org:s3cret")).await);
    assert_eq!(ANY.1, "s3cret");
}

#[tokio::test]
async fn without_clients_nobody_may_ask() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    assert_refused(&introspect(&app, &token).await);
}
