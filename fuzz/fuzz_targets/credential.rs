//! Whatever a client puts where a credential belongs: `/check` answers, never with a panic, never with a fault of its
//! own, and never with a yes, because nobody here has a token.

#![no_main]

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hallpass::server::http::{Front, front};
use hallpass::server::{Ambient, App, config};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Nobody listens at the provider: a JWT that names it comes as far as a JWT can without keys.
const CONFIG: &str = r#"
public_url = "http://localhost:3000"
check.identity_header = "x-api-key"
check.basic_username = true
check.failure_limit = "off"
tokens.accepted_prefixes = ["old"]

[[oidc]]
name = "main"
issuer = "http://127.0.0.1:9"
client_id = "hallpass"
check_audiences = ["api"]
legacy_access_tokens = true

[[scopes]]
name = "read:users"
"#;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Arbitrary, Debug)]
enum Credential<'a> {
    /// The whole header.
    Raw(&'a [u8]),
    Bearer(&'a [u8]),
    Basic(&'a [u8]),
    /// A token with the right checksum.
    Token { is_old: bool, body: [u8; 59] },
    /// A JWT with the right form.
    Jwt { head: &'a [u8], claims: &'a [u8], signature: &'a [u8] },
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    form: u8,
    authorization: Vec<Credential<'a>>,
    own_header: Option<&'a [u8]>,
    forwarded_for: Option<&'a [u8]>,
}

impl Credential<'_> {
    fn header(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.to_vec(),
            Self::Bearer(bytes) => [b"Bearer ", *bytes].concat(),
            Self::Basic(bytes) => format!("Basic {}", STANDARD.encode(bytes)).into_bytes(),
            Self::Token { is_old, body } => format!("Bearer {}", token(*is_old, body)).into_bytes(),
            Self::Jwt { head, claims, signature } => {
                let parts = [head, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
                format!("Bearer {}", parts.join(".")).into_bytes()
            }
        }
    }
}

fn token(is_old: bool, body: &[u8; 59]) -> String {
    let digits: String = body.iter().map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect();
    let prefix = if is_old { "old" } else { "hpat" };
    let covered = format!("{prefix}_{}_{}", &digits[..16], &digits[16..]);
    let (mut crc, mut check) = (crc32fast::hash(covered.as_bytes()) as usize, [b'0'; 6]);
    for place in check.iter_mut().rev() {
        *place = DIGITS[crc % DIGITS.len()];
        crc /= DIGITS.len();
    }
    covered + std::str::from_utf8(&check).unwrap()
}

struct Server {
    runtime: Runtime,
    front: Front,
    _app: App,
    _folder: TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hallpass.toml");
    std::fs::write(&file, CONFIG).unwrap();
    let config = config::read(Some(&file), Vec::new(), false).unwrap().config;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = config.public_url.clone().unwrap();
    let app = runtime.block_on(App::build(&config, &url, false, Ambient::system())).unwrap();
    let front = front(&app.web);
    Server { runtime, front, _app: app, _folder: folder }
});

fn request(input: &Input<'_>) -> Option<Request> {
    let path = ["/check", "/check/nginx", "/check/envoy/x"][usize::from(input.form) % 3];
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    let headers = request.headers_mut();
    for credential in input.authorization.iter().take(3) {
        headers.append("authorization", HeaderValue::from_bytes(&credential.header()).ok()?);
    }
    for (name, value) in [("x-api-key", input.own_header), ("x-forwarded-for", input.forwarded_for)] {
        if let Some(value) = value {
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    Some(request)
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    let Some(request) = request(&input) else { return Corpus::Reject };
    let is_jwt = |credential: &Credential<'_>| !matches!(credential, Credential::Token { .. });
    let answer = SERVER.runtime.block_on(SERVER.front.clone().oneshot(request)).unwrap();
    match answer.status() {
        StatusCode::UNAUTHORIZED => {}
        // Whether a JWT of the provider is good nobody can say: its keys cannot be fetched.
        StatusCode::SERVICE_UNAVAILABLE if input.authorization.iter().any(is_jwt) || input.own_header.is_some() => {}
        StatusCode::FORBIDDEN if answer.headers().get("x-check-status").is_some_and(|status| status == "503") => {}
        status => panic!("{status}"),
    }
    Corpus::Keep
});
