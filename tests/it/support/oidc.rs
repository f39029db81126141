//! The login provider: that of the demo, on a port of its own, with a key that the test has.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hallpass::domain::entropy::Entropy;
use hallpass::domain::time::Clock;
use hallpass::server::demo::{self, DemoSettings};
use hallpass::server::http::accept;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::signer::claims_of;
use super::{Answer, Call, Signer};

/// The client that the provider knows.
pub const CLIENT_ID: &str = "hallpass-tests";

/// A running provider.
pub struct OidcProvider {
    /// Its address.
    pub issuer: String,
    /// A key that it publishes besides its own.
    pub signer: Arc<Signer>,
    front: Arc<Front>,
    router: Router,
    server: JoinHandle<()>,
}

/// What stands before the demo's provider.
struct Front {
    signer: Arc<Signer>,
    keys: Mutex<Vec<Value>>,
    key_requests: AtomicUsize,
    is_down: AtomicBool,
    rewrite: Mutex<Option<Rewrite>>,
}

/// What is done to the claims of ID tokens.
type Rewrite = Box<dyn Fn(&mut Value) + Send + Sync>;

impl OidcProvider {
    /// Starts it. Our own server calls it over the network; the test's browsers take the short way.
    pub async fn start(public_url: &str, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self::start_as("main", public_url, clock, entropy).await
    }

    /// Starts one that is configured under another name.
    pub async fn start_as(name: &str, public_url: &str, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let router = demo::router(DemoSettings {
            issuer: issuer.clone(),
            client_id: CLIENT_ID.to_owned(),
            redirect_uri: format!("{public_url}/auth/{name}/callback"),
            post_logout_redirect_uri: format!("{public_url}/login"),
            clock,
            entropy,
        });
        let signer = Arc::new(Signer::es256("test-key"));
        let front = Arc::new(Front {
            signer: signer.clone(),
            keys: Mutex::new(vec![signer.jwk()]),
            key_requests: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            rewrite: Mutex::new(None),
        });
        let router = router.unwrap().layer(middleware::from_fn_with_state(front.clone(), stand_before));
        let server = tokio::spawn(accept::serve(listener, router.clone(), std::future::pending()));
        Self { issuer, signer, front, router, server }
    }

    /// Stops answering.
    pub fn stop(&self) {
        self.server.abort();
    }

    /// Answers nothing useful, or answers again.
    pub fn set_down(&self, is_down: bool) {
        self.front.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Publishes these keys besides its own.
    pub fn publish(&self, keys: &[Value]) {
        *self.front.keys.lock().unwrap() = keys.to_vec();
    }

    /// Gives ID tokens with other claims from now on, which its other key signs.
    pub fn rewrite_id_tokens(&self, rewrite: impl Fn(&mut Value) + Send + Sync + 'static) {
        *self.front.rewrite.lock().unwrap() = Some(Box::new(rewrite));
    }

    /// How often its keys were asked for.
    pub fn key_requests(&self) -> usize {
        self.front.key_requests.load(Ordering::SeqCst)
    }

    /// The provider as a browser needs it.
    pub fn router(&self) -> Router {
        self.router.clone()
    }
}

async fn stand_before(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    let wants_keys = request.uri().path() == "/jwks";
    front.key_requests.fetch_add(usize::from(wants_keys), Ordering::SeqCst);
    if front.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    match path.as_str() {
        "/jwks" => changed(response, |jwks| front.add_keys(jwks)).await,
        "/token" if response.status() == StatusCode::OK => changed(response, |answer| front.rewrite(answer)).await,
        _ => response,
    }
}

/// The same answer with another body.
async fn changed(response: Response, change: impl FnOnce(&mut Value)) -> Response {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let mut body = serde_json::from_slice(&body).unwrap();
    change(&mut body);
    axum::Json(body).into_response()
}

impl Front {
    fn add_keys(&self, jwks: &mut Value) {
        jwks["keys"].as_array_mut().unwrap().extend(self.keys.lock().unwrap().iter().cloned());
    }

    fn rewrite(&self, answer: &mut Value) {
        let Some(rewrite) = &*self.rewrite.lock().unwrap() else { return };
        let mut claims = claims_of(answer["id_token"].as_str().unwrap());
        rewrite(&mut claims);
        answer["id_token"] = self.signer.sign_with(&self.signer.header_of("JWT"), &claims).into();
    }
}

/// Presses a user's button on the page at `authorize_url` and gives the address that the browser is sent back to.
pub async fn choose(router: &Router, user: &str, authorize_url: &str) -> String {
    let query = url::Url::parse(authorize_url).unwrap().query().unwrap().to_owned();
    let page: Answer = Call::get(&format!("/authorize?{query}")).send(router).await.expect(200);
    assert!(page.body.contains(&format!("value=\"{user}\"")), "{page}");
    let fields = format!("{query}&user={user}");
    let answer = Call::new("POST", "/authorize").body("application/x-www-form-urlencoded", fields).send(router).await;
    answer.expect(303).location().to_owned()
}
