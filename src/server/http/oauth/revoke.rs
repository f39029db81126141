//! `POST /oauth/revoke` (RFC 7009). Possession of the token is all that it takes: a browser that is made to send
//! somebody else's request cannot know one.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::super::Web;
use super::error::OAuthError;
use super::forbid_keeping;
use super::form::Form;
use crate::domain::audit::Origin;

/// Revokes a token. The answer is the same whether or not there was something to revoke; the hint about its type
/// (section 2.1) is not needed, because the token itself says what it is.
pub(super) async fn revoke(
    State(web): State<Web>,
    Extension(origin): Extension<Origin>,
    form: Form,
) -> Result<Response, OAuthError> {
    // What comes from a file often ends with its line, and must not pass for somebody else's token.
    let token = form.require("token", "Please give the token.")?.trim_end_matches(['\r', '\n']);
    // A failed revocation is never reported as done, whatever failed.
    web.revocation.revoke(token, &origin).await.map_err(|_| OAuthError::Unavailable)?;
    // Counted whatever it was: else the answer would tell. What was good is revoked all the same.
    if let Some(Err(excess)) = origin.ip.map(|ip| web.failures.count(ip)) {
        return Err(OAuthError::TooManyRefused { wait: excess.wait });
    }
    let mut response = StatusCode::OK.into_response();
    forbid_keeping(response.headers_mut());
    Ok(response)
}
