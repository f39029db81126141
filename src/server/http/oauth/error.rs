//! Errors in the form of RFC 6749, section 5.2.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::problem::RETRY_AFTER;
use super::json;

/// Why a request is not answered as it hoped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OAuthError {
    /// The request is not what this address takes; says why.
    InvalidRequest(&'static str),
    /// The client did not prove who it is.
    InvalidClient,
    /// None of the scopes can be had.
    InvalidScope,
    /// There is nobody of that name to issue something for (RFC 8693, section 2.2.2).
    InvalidTarget,
    /// Tokens are exchanged here and nothing else.
    UnsupportedGrantType,
    /// The body is too large.
    TooLarge,
    /// Too many credentials from this address were refused.
    TooManyRefused {
        /// Seconds until one more is looked at as usual.
        wait: u64,
    },
    /// Not with this method.
    MethodNotAllowed,
    /// Nobody can say or do it now.
    Unavailable,
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest(_) | Self::InvalidScope | Self::InvalidTarget | Self::UnsupportedGrantType => {
                StatusCode::BAD_REQUEST
            }
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRefused { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn body(self) -> Body {
        let (error, error_description) = match self {
            Self::InvalidRequest(why) => ("invalid_request", why),
            Self::InvalidClient => {
                ("invalid_client", "Please authenticate with Basic, as a client that is known here.")
            }
            Self::InvalidScope => ("invalid_scope", "The token has none of these scopes."),
            Self::InvalidTarget => ("invalid_target", "This audience or resource is not known here."),
            Self::UnsupportedGrantType => ("unsupported_grant_type", "Only a token exchange is possible here."),
            Self::TooLarge => ("invalid_request", "A form may have at most 64 KiB."),
            Self::TooManyRefused { .. } => ("invalid_request", "Too many tokens came from this address."),
            Self::MethodNotAllowed => ("invalid_request", "Please use POST."),
            Self::Unavailable => ("temporarily_unavailable", "This cannot be answered now. Please try again shortly."),
        };
        Body { error, error_description }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let mut response = json(self.status(), &self.body());
        let from_static = HeaderValue::from_static;
        let header = match self {
            Self::InvalidClient => Some((header::WWW_AUTHENTICATE, from_static("Basic realm=\"hallpass\""))),
            Self::Unavailable => Some((header::RETRY_AFTER, from_static(RETRY_AFTER))),
            Self::TooManyRefused { wait } => Some((header::RETRY_AFTER, wait.into())),
            _ => None,
        };
        response.headers_mut().extend(header);
        response
    }
}
