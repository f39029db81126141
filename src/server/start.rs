//! Listening, serving, stopping.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{AccessTokensConfig, Config, DEMO_PROVIDER, OidcConfig, PublicUrl};
use super::demo::{self, DemoSettings, DemoUser, USERS};
use super::http::grpc::Grpc;
use super::http::{self, accept};
use super::{Ambient, App, StartError};

/// The client that the demo provider knows.
const DEMO_CLIENT: &str = "hallpass-demo";

/// Everything that is done before the end is done in this time: who manages services kills after ten seconds.
const STOP: Duration = Duration::from_millis(9_500);

/// SIGXFSZ, on Linux.
const FILE_TOO_LARGE: i32 = 25;

/// Serves until the process is told to stop.
///
/// # Errors
/// When it cannot start.
pub async fn serve(mut config: Config, demo: bool, ambient: Ambient) -> Result<(), StartError> {
    // Before anything else: whoever sees us ready may tell us to stop.
    let told_to_stop = told_to_stop();
    // A file that may not grow any more is an error of whoever writes, not the end of the process.
    let _files_may_be_full = signal(SignalKind::from_raw(FILE_TOO_LARGE)).ok();
    let web = bind("listen", config.listen).await?;
    let metrics = bind_if("metrics_listen", config.metrics_listen).await?;
    let grpc = bind_if("grpc_listen", config.grpc_listen).await?;
    let demo_provider = bind_if("demo.listen", config.demo_listen).await?;
    let public_url = config.public_url.clone().map_or_else(|| local_url(&web), Ok)?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let mut demo_issuer = None;
    if let Some(listener) = demo_provider {
        let (provider, router) = demo_login(&listener, &public_url, &ambient)?;
        demo_issuer = Some(provider.issuer.clone());
        config.oidc.push(provider);
        tasks.spawn(accept::serve(listener, router, stop.clone().cancelled_owned()));
    }
    let app = App::build(&config, &public_url, demo, ambient).await?;
    if let Some(listener) = metrics {
        let router = http::metrics_router(&app.web);
        tasks.spawn(accept::serve(listener, router, stop.clone().cancelled_owned()));
    }
    tasks.spawn(accept::serve(web, http::front(&app.web), stop.clone().cancelled_owned()));
    let grpc_address = grpc.as_ref().map(local_address).transpose()?;
    if let Some(listener) = grpc {
        tasks.spawn(accept::serve_http2(listener, Grpc::new(&app.web), stop.clone().cancelled_owned()));
    }
    announce(&public_url, demo_issuer.as_deref(), grpc_address);
    told_to_stop.await;
    tracing::info!("stopping");
    stop.cancel();
    tasks.close();
    let finished = async {
        tasks.wait().await;
        app.close().await;
    };
    if tokio::time::timeout(STOP, finished).await.is_err() {
        tracing::warn!("the database takes too long; what was not written yet is lost");
    }
    Ok(())
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { key, address, error })
}

async fn bind_if(key: &'static str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    match address {
        Some(address) => bind(key, address).await.map(Some),
        None => Ok(None),
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|error| StartError::Listen { key: "listen", address: unknown, error })
}

fn local_url(listener: &TcpListener) -> Result<PublicUrl, StartError> {
    let port = local_address(listener)?.port();
    PublicUrl::parse(&format!("http://localhost:{port}"))
        .map_err(|_| StartError::Demo("public_url: please say where browsers find the demo"))
}

/// The demo's provider, and its entry in the configuration.
fn demo_login(
    listener: &TcpListener,
    public_url: &PublicUrl,
    ambient: &Ambient,
) -> Result<(OidcConfig, axum::Router), StartError> {
    let issuer = format!("http://{}", local_address(listener)?);
    let router = demo::router(DemoSettings {
        issuer: issuer.clone(),
        client_id: DEMO_CLIENT.to_owned(),
        redirect_uri: public_url.join(&format!("/auth/{DEMO_PROVIDER}/callback")),
        post_logout_redirect_uri: public_url.join("/login"),
        clock: ambient.clock.clone(),
        entropy: ambient.entropy.clone(),
    })?;
    let provider = OidcConfig {
        name: DEMO_PROVIDER.to_owned(),
        issuer,
        client_id: DEMO_CLIENT.to_owned(),
        client_secret: None,
        scopes: ["openid", "profile", "email", "groups"].map(str::to_owned).to_vec(),
        roles_claim: "groups".to_owned(),
        attribute_claims: vec!["department".to_owned()],
        email_trusted: false,
        required_roles: std::collections::BTreeSet::new(),
        required_claims: Vec::new(),
        role_prefix: String::new(),
        access_tokens: AccessTokensConfig::default(),
    };
    Ok((provider, router))
}

/// Says on standard output where to go.
fn announce(public_url: &PublicUrl, demo_issuer: Option<&str>, grpc: Option<SocketAddr>) {
    let ready = || format!("Hallpass is ready at {public_url}\n");
    let mut text = demo_issuer.map_or_else(ready, |issuer| demo_welcome(public_url, issuer));
    if let Some(address) = grpc {
        text.extend(["Envoy's ext_authz over gRPC is at ", &address.to_string(), "\n"]);
    }
    let mut out = std::io::stdout().lock();
    // Nobody reading is no reason to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn demo_welcome(public_url: &PublicUrl, issuer: &str) -> String {
    let roles = |user: &DemoUser| if user.roles.is_empty() { "none".to_owned() } else { user.roles.join(", ") };
    let users: Vec<_> = USERS.iter().map(|user| format!("  {:6} roles: {}", user.name, roles(user))).collect();
    format!(
        "Hallpass is ready at {public_url}

This is a demo: anybody who can reach it can log in as any of its users. Its login provider is {issuer}

{}

Log in, create a token, and try it:

  curl -i -H 'Authorization: Bearer hpat_…' '{public_url}/check?scope=read:users'

",
        users.join("\n")
    )
}

/// Listens for the signals from the moment of the call, not only from the first poll.
fn told_to_stop() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        let [Ok(mut terminate), Ok(mut interrupt)] = signals else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
