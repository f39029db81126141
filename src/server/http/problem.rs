//! Problem details (RFC 9457): every error of the API, each with a page that explains it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::Web;
use crate::domain::error::{FieldError, FieldErrors};
use crate::server::config::PublicUrl;

/// Seconds after which a refusal for our own trouble may be tried again.
pub(super) const RETRY_AFTER: &str = "5";

macro_rules! slugs {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal, $status:ident, $title:literal, $text:literal;)+) => {
        /// The kinds of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Slug { $($(#[$doc])* $variant),+ }

        impl Slug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The last part of the problem's `type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $slug),+ }
            }

            /// The status that it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// In a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means and what to do.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

slugs! {
    Malformed = "malformed", BAD_REQUEST, "The request cannot be read",
        "The request is not what this address takes. Please check its form against the API documentation.";
    SeveralCredentials = "several-credentials", BAD_REQUEST, "More than one credential",
        "The request carries a session cookie and an Authorization header. Please send one of them.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "A credential is needed",
        "The request carries no credential. Please send a token, or log in with a browser.";
    InvalidToken = "invalid-token", UNAUTHORIZED, "The token is not good",
        "The credential is malformed, unknown, expired, revoked or suspended. Its owner can see which in the list of tokens.";
    Forbidden = "forbidden", FORBIDDEN, "This is not allowed",
        "The credential is good but may not be used here. Tokens never manage tokens: please log in with a browser.";
    CrossSite = "cross-site", FORBIDDEN, "The request comes from another site",
        "Changes are accepted only from the pages of this site. Please open the page here and try again.";
    InsufficientScope = "insufficient-scope", FORBIDDEN, "The token does not suffice",
        "The token is good but lacks a scope, role or attribute that this place requires.";
    AddressRefused = "address-refused", FORBIDDEN, "Not from this address",
        "The token is restricted to networks that do not contain this address.";
    Misconfigured = "misconfigured", FORBIDDEN, "The proxy is misconfigured",
        "The proxy in front of this service asks for something that cannot be. Its operator finds more in the log.";
    LoginNotFresh = "login-not-fresh", FORBIDDEN, "Please log in again",
        "This needs a recent login. Please log in again at the given address and repeat the request.";
    NotFound = "not-found", NOT_FOUND, "Not found",
        "There is nothing at this address, or it is not yours.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Not with this method",
        "This address exists but does not take this method.";
    Conflict = "conflict", CONFLICT, "The state does not allow it",
        "The token was changed or revoked meanwhile, or a limit was reached. Please look at it again.";
    VersionMismatch = "version-mismatch", PRECONDITION_FAILED, "The token was changed meanwhile",
        "The If-Match header names another version of the token. Please read it again and repeat the change.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The request is too large",
        "A body may have at most 64 KiB.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Not this kind of content",
        "Please send a JSON body with the content type application/json.";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Some values cannot be accepted",
        "One or more fields have a value that cannot be accepted. The field errors say which, and what would be right.";
    TooManyFailures = "too-many-failures", TOO_MANY_REQUESTS, "Too many refused credentials",
        "Too many credentials from this address were refused. A good credential still passes; please look at what sends the others.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here",
        "The server failed. Please try again, and give the request id to your administrator if it happens again.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Not right now",
        "The server cannot answer at the moment. If you wanted to change something, please look whether it was done, and try again shortly.";
}

/// A problem as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody<'a> {
    /// The address of a page about this kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// In a few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: &'a str,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
    /// Where to log in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
}

/// A field that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldProblem {
    /// The field, as the request names it.
    field: String,
    /// What is wrong and what would be right.
    message: String,
}

/// The kinds of problems as they are sent when there is nothing more to say: refusals of `/check` are written once, not
/// once for each request.
#[derive(Debug)]
pub struct Problems(Vec<Bytes>);

impl Problems {
    /// For a server at this address.
    #[must_use]
    pub fn new(public_url: &PublicUrl) -> Self {
        Self(Slug::ALL.iter().map(|slug| Problem::new(*slug).to_json(public_url)).collect())
    }

    fn json(&self, slug: Slug) -> Bytes {
        // The list is in the order of the variants.
        self.0.get(slug as usize).cloned().unwrap_or_default()
    }
}

/// A problem to be sent.
#[derive(Debug)]
pub(super) struct Problem {
    slug: Slug,
    detail: Option<String>,
    errors: Vec<FieldProblem>,
    login_url: Option<String>,
}

impl Problem {
    /// Of a kind.
    pub const fn new(slug: Slug) -> Self {
        Self { slug, detail: None, errors: Vec::new(), login_url: None }
    }

    /// With what happened this time.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Values that cannot be accepted.
    pub fn invalid(errors: &FieldErrors) -> Self {
        let field = |error: &FieldError| FieldProblem { field: error.field.to_owned(), message: error.message.clone() };
        Self { errors: errors.iter().map(field).collect(), ..Self::new(Slug::Invalid) }
    }

    /// With a field that is wrong.
    pub fn field(mut self, field: &str, message: &str) -> Self {
        self.errors.push(FieldProblem { field: field.to_owned(), message: message.to_owned() });
        self
    }

    /// With the address of a fresh login.
    pub fn login_url(mut self, url: String) -> Self {
        self.login_url = Some(url);
        self
    }

    /// What is wrong with the fields of a form.
    pub fn about(&self, fields: &[&'static str]) -> FieldErrors {
        let mut errors = FieldErrors::default();
        for error in &self.errors {
            if let Some(field) = fields.iter().find(|field| **field == error.field) {
                errors.push(field, error.message.clone());
            }
        }
        errors
    }

    fn to_json(&self, public_url: &PublicUrl) -> Bytes {
        let slug = self.slug;
        let body = ProblemBody {
            kind: public_url.join(&format!("/problems/{}", slug.as_str())),
            title: slug.title(),
            status: slug.status().as_u16(),
            detail: self.detail.as_deref().unwrap_or(slug.text()),
            errors: &self.errors,
            login_url: self.login_url.as_deref(),
        };
        serde_json::to_vec(&body).unwrap_or_default().into()
    }

    /// As `application/problem+json`.
    pub fn respond(self, web: &Web) -> Response {
        let slug = self.slug;
        let says_nothing_of_its_own = self.detail.is_none() && self.errors.is_empty() && self.login_url.is_none();
        let json = if says_nothing_of_its_own { web.problems.json(slug) } else { self.to_json(&web.public_url) };
        let mut response = (slug.status(), json).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if slug == Slug::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_beforehand_is_what_would_be_written_now() {
        let public_url = PublicUrl::parse("https://tokens.example.org").unwrap();
        let problems = Problems::new(&public_url);
        for slug in Slug::ALL {
            assert_eq!(problems.json(*slug), Problem::new(*slug).to_json(&public_url), "{slug:?}");
        }
    }
}
