//! Requests to providers: bounded in time and size, never following redirects.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use thiserror::Error;

/// Longest answer, in bytes.
const BODY_MAX: usize = 1024 * 1024;

/// A request that brought nothing usable.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No answer.
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    /// Too long an answer.
    #[error("the answer is longer than {BODY_MAX} bytes")]
    TooLong,
    /// An answer that cannot be handed on.
    #[error("the answer cannot be read")]
    Unreadable,
}

/// The client for requests to providers.
#[derive(Clone, Debug)]
pub struct Fetch(reqwest::Client);

impl Fetch {
    /// A client that waits no longer than `patience` for a whole answer.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(patience: Duration) -> Result<Self, FetchError> {
        // A redirect could lead the request, and the secret in it, anywhere.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(patience);
        Ok(Self(client.build()?))
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        response.body(body).map_err(|_| FetchError::Unreadable)
    }
}

impl<'c> AsyncHttpClient<'c> for Fetch {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}
