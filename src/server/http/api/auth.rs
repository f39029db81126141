//! Who may use the API: a browser session, an access token of a login provider, and for `/api/v1/self` a token.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;

use super::super::check::Refusal;
use super::super::problem::{Problem, Slug};
use super::super::session::{self, Visitor};
use super::super::{Web, check, cookies};
use crate::domain::audit::Origin;
use crate::domain::authority::{Actor, Credential, Need, Refused, permit};
use crate::domain::verdict::{Denial, Grant, Invalid, Method};
use crate::domain::view::MeView;
use crate::server::credential::Presented;
use crate::server::service::Caller;
use crate::server::service::authority::Administrator;
use crate::server::service::check::Sender;

/// Somebody who may manage tokens.
pub(in crate::server::http) struct ApiCaller(pub Person);

/// A person, however they were recognised.
pub(in crate::server::http) struct Person {
    /// For the service.
    pub caller: Caller,
    /// Whether they administrate. Never with an access token: what is done for others needs a session.
    pub is_admin: bool,
    credential: Credential,
}

impl Person {
    /// What is shown of them.
    pub fn me(&self) -> MeView {
        session::me(&self.caller.user, self.is_admin)
    }

    fn actor(&self) -> Actor {
        Actor { credential: self.credential, is_admin: self.is_admin }
    }

    /// Where to log in again so that it counts as fresh, and come back.
    pub fn fresh_login_path(&self, return_to: &str) -> String {
        session::fresh_login_path(&self.caller.user.provider, return_to)
    }
}

impl From<Visitor> for Person {
    fn from(visitor: Visitor) -> Self {
        Self { is_admin: visitor.is_admin, caller: visitor.caller, credential: Credential::Session }
    }
}

impl FromRequestParts<Web> for ApiCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        match permitted(parts, web, Need::Person).await? {
            Who::Person(person) => Ok(Self(*person)),
            Who::Token(_) => Err(turned_away(Refused::Forbidden, web)),
        }
    }
}

/// An administrator.
pub(in crate::server::http) struct ApiAdmin(pub Administrator);

impl FromRequestParts<Web> for ApiAdmin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        match permitted(parts, web, Need::Administrator).await? {
            Who::Person(person) => {
                let actor = person.actor();
                let admitted = Administrator::admit(person.caller, actor);
                admitted.map(Self).map_err(|refused| turned_away(refused, web))
            }
            Who::Token(_) => Err(turned_away(Refused::Forbidden, web)),
        }
    }
}

/// A token that speaks for itself.
pub(in crate::server::http) struct TokenCaller {
    /// What the token is.
    pub grant: Grant,
    /// Where the request comes from.
    pub origin: Origin,
}

impl FromRequestParts<Web> for TokenCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        if !has_credential(parts, web) {
            return Err(Refusal::of(&Denial::NoCredential).respond(web));
        }
        match permitted(parts, web, Need::Token).await? {
            Who::Token(grant) => Ok(Self { grant, origin: origin(parts) }),
            Who::Person(_) => Err(turned_away(Refused::Forbidden, web)),
        }
    }
}

/// For whom a request speaks.
enum Who {
    Person(Box<Person>),
    Token(Grant),
}

/// Whoever asks, if they may do what a place is for.
async fn permitted(parts: &Parts, web: &Web, need: Need) -> Result<Who, Response> {
    let who = who(parts, web).await?;
    let actor = match &who {
        Who::Person(person) => person.actor(),
        Who::Token(_) => Actor { credential: Credential::Token, is_admin: false },
    };
    permit(Some(actor), need).map_err(|refused| turned_away(refused, web))?;
    Ok(who)
}

fn turned_away(refused: Refused, web: &Web) -> Response {
    match refused {
        Refused::Unknown => Refusal::of(&Denial::NoCredential).respond(web),
        Refused::Forbidden => Problem::new(Slug::Forbidden).respond(web),
        Refused::Hidden => Problem::new(Slug::NotFound).respond(web),
    }
}

async fn who(parts: &Parts, web: &Web) -> Result<Who, Response> {
    one_credential(parts, web).map_err(|problem| problem.respond(web))?;
    if !has_credential(parts, web) {
        let visitor = session::api_visitor(parts, web).await?;
        let person = visitor.map(|visitor| Who::Person(Box::new(visitor.into())));
        return person.ok_or_else(|| Refusal::of(&Denial::NoCredential).respond(web));
    }
    let found = check::find(&parts.headers, &web.check, |text| web.validator.owner_of(text).is_some());
    let from = origin(parts);
    let sender = Sender { ip: from.ip, origin: &|| from.clone() };
    let outcome = match found.presented() {
        Presented::One(text) if web.validator.owner_of(text).is_some_and(|kind| kind != Method::Pat) => {
            person(text, parts, web).await
        }
        // A token may look at itself and end itself from everywhere: whoever finds a leaked one is rarely where it may
        // be used.
        presented => web.validator.identify(presented, sender).await.map(|pass| Who::Token(pass.grant().clone())),
    };
    outcome.map_err(|denial| Refusal::of(&denial).respond(web))
}

/// Only as a Bearer: what a browser keeps and sends by itself, such as Basic, would let other sites speak for people.
async fn person(credential: &str, parts: &Parts, web: &Web) -> Result<Who, Denial> {
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = authorization.and_then(|value| value.trim().split(' ').next()).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denial::Invalid(Invalid::Untrusted));
    }
    let caller = web.bearers.caller(credential, origin(parts)).await?;
    Ok(Who::Person(Box::new(Person { caller, is_admin: false, credential: Credential::AccessToken })))
}

fn origin(parts: &Parts) -> Origin {
    parts.extensions.get::<Origin>().cloned().unwrap_or_default()
}

/// A request with a session and a credential leaves open for whom it speaks.
fn one_credential(parts: &Parts, web: &Web) -> Result<(), Problem> {
    let session = cookies::get(&parts.headers, cookies::session_name(web.public_url.is_https()));
    if session.is_some() && has_credential(parts, web) { Err(Problem::new(Slug::SeveralCredentials)) } else { Ok(()) }
}

fn has_credential(parts: &Parts, web: &Web) -> bool {
    let own = web.check.identity_header.as_ref();
    parts.headers.contains_key(header::AUTHORIZATION) || own.is_some_and(|name| parts.headers.contains_key(name))
}
