//! The login provider: that of the demo, on a port of its own.

use std::sync::Arc;

use axum::Router;
use hallpass::domain::entropy::Entropy;
use hallpass::domain::time::Clock;
use hallpass::server::demo::{self, DemoSettings};
use hallpass::server::http::accept;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Answer, Call};

/// The client that the provider knows.
pub const CLIENT_ID: &str = "hallpass-tests";

/// A running provider.
pub struct OidcProvider {
    /// Its address.
    pub issuer: String,
    router: Router,
    server: JoinHandle<()>,
}

impl OidcProvider {
    /// Starts it. Our own server calls it over the network; the test's browsers take the short way.
    pub async fn start(public_url: &str, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let router = demo::router(DemoSettings {
            issuer: issuer.clone(),
            client_id: CLIENT_ID.to_owned(),
            redirect_uri: format!("{public_url}/auth/main/callback"),
            post_logout_redirect_uri: format!("{public_url}/login"),
            clock,
            entropy,
        });
        let router = router.unwrap();
        let server = tokio::spawn(accept::serve(listener, router.clone(), std::future::pending()));
        Self { issuer, router, server }
    }

    /// Stops answering.
    pub fn stop(&self) {
        self.server.abort();
    }

    /// The provider as a browser needs it.
    pub fn router(&self) -> Router {
        self.router.clone()
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
