//! `hallpass selftest` against proxies that are set up well and badly: contract, section 1.

use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use hallpass::server::http::accept;
use tokio::net::TcpListener;

use crate::support::{Answer, Call, TestApp};

/// A proxy in front of an API, and what is wrong with it.
#[derive(Clone)]
struct Proxy {
    hallpass: Router,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The API behind it does not repeat the headers that it gets, but on one path.
    Mute,
    /// Asks nobody.
    Open,
    /// Asks only for GET.
    OpenPost,
    /// Asks only for the path as it is configured.
    OpenAlias,
    /// Sends people to a login page.
    Redirects,
    /// Answers 403 where it must be 401.
    Forbids,
    /// Takes what the client says about itself along.
    Forged,
    /// Takes other spellings along.
    Spellings,
    /// Takes the token along.
    Leaks,
    /// Judges the last of several credentials only.
    LastOnly,
    /// Lets the client say what is required.
    Requirements,
}

/// What the proxy takes over from Hallpass, but for what is spelt otherwise.
fn is_identity(name: &str) -> bool {
    name.starts_with("x-auth-")
}

async fn serve(proxy: State<Proxy>, request: Request) -> Response {
    let State(Proxy { hallpass, fault }) = proxy;
    let path = request.uri().path().to_owned();
    let headers = request.headers();
    let unasked = match fault {
        Fault::Open => true,
        Fault::OpenPost => request.method() == "POST",
        Fault::OpenAlias => path != "/api/users",
        _ => false,
    };
    if unasked {
        return behind(fault, &path, headers);
    }
    let answer = ask(&hallpass, fault, headers).await;
    if answer.status == 200 {
        return behind(fault, &path, &passed_on(fault, headers, &answer));
    }
    match fault {
        Fault::Redirects => Redirect::to("/login").into_response(),
        Fault::Forbids => StatusCode::FORBIDDEN.into_response(),
        _ => StatusCode::from_u16(answer.status).unwrap().into_response(),
    }
}

async fn ask(hallpass: &Router, fault: Fault, headers: &HeaderMap) -> Answer {
    let credentials: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
    let judged = if fault == Fault::LastOnly { credentials.len().saturating_sub(1) } else { 0 };
    let query = match headers.get("x-check-scope") {
        Some(scope) if fault == Fault::Requirements => format!("?scope={}", scope.to_str().unwrap()),
        _ => String::new(),
    };
    let call = Call::get(&format!("/check{query}"));
    let call = credentials[judged..].iter().fold(call, |call, value| call.header("authorization", value.as_bytes()));
    call.send(hallpass).await
}

/// The headers that the API gets.
fn passed_on(fault: Fault, client: &HeaderMap, answer: &Answer) -> HeaderMap {
    let mut headers = client.clone();
    if fault != Fault::Leaks {
        headers.remove(header::AUTHORIZATION);
    }
    for name in client.keys() {
        let other = name.as_str().replace(['_', '.'], "-");
        let alias = is_identity(&other) && other != name.as_str();
        if (is_identity(name.as_str()) && fault != Fault::Forged) || (alias && fault != Fault::Spellings) {
            headers.remove(name);
        }
    }
    for (name, value) in answer.headers.iter().filter(|(name, _)| is_identity(name.as_str())) {
        headers.append(name.clone(), value.clone());
    }
    headers
}

/// The API.
fn behind(fault: Fault, path: &str, headers: &HeaderMap) -> Response {
    let echoes = fault != Fault::Mute || path == "/echo";
    if echoes { format!("{headers:?}").into_response() } else { "users".into_response() }
}

/// Starts a proxy and gives the address that it protects.
async fn proxy(app: &TestApp, fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(serve).with_state(Proxy { hallpass: app.router(), fault });
    tokio::spawn(accept::serve(listener, router, std::future::pending()));
    format!("http://{address}/api/users")
}

/// Runs the command with these arguments and this on its standard input, and gives its exit status and what it says.
async fn run(arguments: &[&str], env: &[(&str, &str)], input: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.arg("selftest").args(arguments).env_clear().envs(env.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // It may have ended before it reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

/// The lines that begin with a mark.
fn marked(said: &str, mark: char) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix(mark)).map(str::trim).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proper_deployment_passes_every_check() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let url = proxy(&app, Fault::None).await;
    for (env, input) in
        [(&[("HALLPASS_TOKEN", token.as_str())][..], ""), (&[], token.as_str()), (&[], &format!("{token}\n"))]
    {
        let (code, said) = run(&["--url", &url], env, input).await;
        assert_eq!((code, marked(&said, '✗'), marked(&said, '–')), (0, vec![], vec![]), "{said}");
        assert!(marked(&said, '✓').len() >= 12, "{said}");
        assert!(!said.contains(&token), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_checked_is_not_called_good() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let url = proxy(&app, Fault::Mute).await;
    let (code, said) = run(&["--url", &url], &[], "").await;
    assert_eq!((code, marked(&said, '✗').len(), marked(&said, '–').len()), (0, 0, 1), "{said}");
    assert!(said.contains("HALLPASS_TOKEN") && !said.contains("Everything"), "{said}");
    let (code, said) = run(&["--url", &url], &[], &token).await;
    assert_eq!((code, marked(&said, '✗').len(), marked(&said, '–').len()), (0, 0, 1), "{said}");
    assert!(said.contains("--echo-path") && !said.contains("Everything"), "{said}");
    let (code, said) = run(&["--url", &url, "--echo-path", "/echo"], &[], &token).await;
    assert_eq!((code, marked(&said, '✗').len(), marked(&said, '–').len()), (0, 0, 0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_found_and_named() {
    let app = TestApp::new().await;
    let token = app.token_of_alice(&["read:users"]).await.secret;
    let table = [
        (Fault::Open, "not protected"),
        (Fault::OpenPost, "POST without a credential"),
        (Fault::OpenAlias, "doubled slashes"),
        (Fault::Redirects, "redirected (303) to /login"),
        (Fault::Forbids, "refused with 403 where it must be 401"),
        (Fault::Forged, "x-auth-user"),
        (Fault::Spellings, "x_auth_user"),
        (Fault::Leaks, "the token stays in front of the proxy"),
        (Fault::LastOnly, "a bad and a good credential together"),
        (Fault::Requirements, "X-Check-Scope"),
    ];
    for (fault, named) in table {
        let url = proxy(&app, fault).await;
        let (code, said) = run(&["--url", &url], &[], &token).await;
        assert_eq!(code, 1, "{fault:?}: {said}");
        assert!(marked(&said, '✗').iter().any(|line| line.contains(named)), "{fault:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_address_gets_no_request_that_could_change_something() {
    let app = TestApp::new().await;
    let url = proxy(&app, Fault::Open).await;
    let (_, said) = run(&["--url", &url], &[], "").await;
    assert_eq!((marked(&said, '✗').len(), marked(&said, '✓').len()), (1, 0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_is_found_out() {
    let app = TestApp::new().await;
    let alice = app.browser_of("alice").await;
    let token = alice.create_token("t", &["read:users"]).await;
    alice.revoke(&token.id).await;
    let url = proxy(&app, Fault::None).await;
    let (code, said) = run(&["--url", &url], &[], &token.secret).await;
    assert_eq!((code, marked(&said, '✗').len()), (1, 1), "{said}");
    assert!(said.contains("✗ a good token: refused (401)"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_an_answer_fails_and_a_wrong_command_line_is_2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (code, said) = run(&["--url", &url], &[], "").await;
    assert_eq!((code, marked(&said, '✗').len()), (1, 1), "{said}");
    for arguments in
        [&[][..], &["--url", "x"], &["--url", &url, "--echo-path", "echo"], &["--url", &url, "--token", "hpat_x"]]
    {
        assert_eq!(run(arguments, &[], "").await.0, 2, "{arguments:?}");
    }
    assert_eq!(run(&["--url", &url], &[("HALLPASS_TOKEN", "two words")], "").await.0, 2);
}
