//! The form of requests, and what must not get through by it.

use super::{ANY, FORM, INTROSPECT, REVOKE, TOKEN, app, assert_error, assert_inactive, assert_not_kept, basic, post};
use crate::support::{Call, TestApp, form};

/// With good client authentication, which only introspection looks at.
fn with_client(call: Call) -> Call {
    call.header("authorization", basic(&format!("{}:{}", ANY.0, ANY.1)))
}

async fn app_with_token() -> (TestApp, String) {
    let app = app().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    (app, token)
}

#[tokio::test]
async fn only_post_is_taken() {
    let (app, token) = app_with_token().await;
    for path in [INTROSPECT, REVOKE, TOKEN] {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let call = with_client(Call::new(method, &format!("{path}?token={token}")));
            let answer = app.send(call.body(FORM, form(&[("token", &token)]))).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method} {path}: {answer}");
            if method != "HEAD" {
                assert_error(&answer, 405, "invalid_request");
            }
        }
    }
    app.check("", &token).await.expect(200);
}

#[tokio::test]
async fn what_is_no_good_form_is_refused_and_changes_nothing() {
    let (app, token) = app_with_token().await;
    let twice = format!("token={token}&token={token}");
    let bodies = [
        ("application/json", format!("{{\"token\":\"{token}\"}}")),
        ("text/plain", form(&[("token", &token)])),
        (
            "multipart/form-data; boundary=x",
            format!("--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--x--"),
        ),
        ("application/x-www-form-urlencoded-not", form(&[("token", &token)])),
        ("", form(&[("token", &token)])),
        (FORM, String::new()),
        (FORM, "token=".to_owned()),
        (FORM, "Token=x".to_owned()),
        (FORM, twice),
        (FORM, format!("token=x&token={token}")),
        (FORM, format!("token={token}&token=")),
        (FORM, format!("token={token}&client_ip=1.1.1.1&client_ip=2.2.2.2")),
        (FORM, format!("token={token}&x=1&x=1")),
    ];
    for path in [INTROSPECT, REVOKE, TOKEN] {
        for (kind, body) in &bodies {
            let answer = app.send(with_client(Call::new("POST", path).body(kind, body.as_bytes()))).await;
            assert_error(&answer, 400, "invalid_request");
        }
    }
    app.check("", &token).await.expect(200);
}

#[tokio::test]
async fn a_form_may_be_written_in_every_way_that_forms_can_be() {
    let (app, token) = app_with_token().await;
    let encoded = token.replace('_', "%5F");
    for (kind, body) in [
        (FORM, format!("token={encoded}")),
        ("Application/X-WWW-Form-Urlencoded ; charset=UTF-8", format!("token={token}")),
        (FORM, format!("&&token_type_hint=&token={token}&")),
    ] {
        let answer = app.send(with_client(Call::new("POST", INTROSPECT).body(kind, body))).await;
        assert_eq!(answer.json()["active"], true, "{answer}");
    }
}

#[tokio::test]
async fn a_token_in_the_address_is_not_looked_at() {
    let (app, token) = app_with_token().await;
    for path in [INTROSPECT, REVOKE] {
        let call = Call::new("POST", &format!("{path}?token={token}")).body(FORM, "");
        assert_error(&app.send(with_client(call)).await, 400, "invalid_request");
    }
    let other = Call::new("POST", &format!("{INTROSPECT}?token={token}")).body(FORM, "token=x");
    assert_inactive(&app.send(with_client(other)).await);
    let secret_in_address = post(&format!("{INTROSPECT}?client_id=any-api&client_secret=s3cret"), &[("token", &token)]);
    assert_error(&app.send(secret_in_address).await, 401, "invalid_client");
    let secret_in_body = [("token", token.as_str()), ("client_id", "any-api"), ("client_secret", "s3cret")];
    assert_error(&app.send(post(INTROSPECT, &secret_in_body)).await, 401, "invalid_client");
    app.check("", &token).await.expect(200);
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let (app, token) = app_with_token().await;
    for path in [INTROSPECT, REVOKE, TOKEN] {
        let huge = format!("token={token}&x={}", "y".repeat(64 * 1024));
        assert_error(&app.send(with_client(Call::new("POST", path).body(FORM, huge))).await, 413, "invalid_request");
    }
    let many = (0..6_000).fold(format!("token={token}"), |form, n| form + &format!("&p{n}=1"));
    let answer = app.send(with_client(Call::new("POST", INTROSPECT).body(FORM, many))).await;
    assert_eq!(answer.json()["active"], true);
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_ask_or_revoke_with_its_cookies() {
    let (app, token) = app_with_token().await;
    let alice = app.browser_of("alice").await;
    for path in [INTROSPECT, REVOKE, TOKEN] {
        for site in ["cross-site", "same-site", "none"] {
            let answer = alice.send(with_client(post(path, &[("token", &token)])).header("sec-fetch-site", site)).await;
            answer.problem(403);
        }
    }
    app.check("", &token).await.expect(200);
    // Without cookies there is nobody whose rights could be borrowed: the token alone speaks.
    let answer = app.send(post(REVOKE, &[("token", &token)]).header("sec-fetch-site", "cross-site")).await;
    assert_not_kept(&answer.expect(200));
    app.check("", &token).await.expect(401);
}

#[tokio::test]
async fn no_answer_invites_scripts_of_other_sites() {
    let (app, token) = app_with_token().await;
    for call in [post(INTROSPECT, &[("token", &token)]), post(REVOKE, &[("token", "x")])] {
        let answer = app.send(with_client(call).header("origin", "https://evil.example")).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer}");
        assert!(!answer.headers.contains_key("set-cookie"), "{answer}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer}");
    }
}

#[tokio::test]
async fn no_error_repeats_what_was_sent() {
    let (app, token) = app_with_token().await;
    for path in [INTROSPECT, REVOKE] {
        for body in [format!("token={token}&token={token}"), format!("tokn={token}")] {
            let answer = app.send(with_client(Call::new("POST", path).body(FORM, body))).await.expect(400);
            assert!(!answer.to_string().contains(&token), "{answer}");
        }
    }
}
