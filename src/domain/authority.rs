//! Who may do what: the one answer for pages, forms and the API. Nothing is allowed that is not named here.

/// How somebody was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A browser session.
    Session,
    /// An access token of a login provider.
    AccessToken,
    /// One of our own tokens.
    Token,
}

/// Whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// How they were recognised.
    pub credential: Credential,
    /// Whether they hold a role that administrates.
    pub is_admin: bool,
}

/// What a place asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To be a person: for what is one's own.
    Person,
    /// To be a person in a browser.
    Browser,
    /// To be an administrator.
    Administrator,
    /// To be a token: it may look at itself and end itself.
    Token,
}

/// Why somebody is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nobody knows who it is.
    Unknown,
    /// It is known, and not allowed.
    Forbidden,
    /// They are not even told that there is something.
    Hidden,
}

/// Whether whoever asks may do what a place is for.
///
/// A token never acts for its owner beyond what APIs let it do: a stolen one can neither make itself last nor see what
/// else there is. What is done to others needs a browser session, which ends with the browser.
///
/// # Errors
/// When they may not.
pub const fn permit(actor: Option<Actor>, need: Need) -> Result<(), Refused> {
    let Some(actor) = actor else { return Err(Refused::Unknown) };
    match (need, actor.credential) {
        (Need::Token, Credential::Token)
        | (Need::Person, Credential::Session | Credential::AccessToken)
        | (Need::Browser, Credential::Session) => Ok(()),
        (Need::Administrator, Credential::Session) if actor.is_admin => Ok(()),
        (Need::Administrator, Credential::Session | Credential::AccessToken) => Err(Refused::Hidden),
        _ => Err(Refused::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_allowed() {
        use Credential::{AccessToken, Session, Token};
        use Need::{Administrator, Browser, Person};
        let (allowed, forbidden, hidden) = (Ok(()), Err(Refused::Forbidden), Err(Refused::Hidden));
        for (credential, is_admin, need, answer) in [
            (Session, false, Person, allowed),
            (Session, false, Browser, allowed),
            (Session, false, Administrator, hidden),
            (Session, false, Need::Token, forbidden),
            (Session, true, Person, allowed),
            (Session, true, Browser, allowed),
            (Session, true, Administrator, allowed),
            (Session, true, Need::Token, forbidden),
            (AccessToken, false, Person, allowed),
            (AccessToken, true, Person, allowed),
            (AccessToken, true, Browser, forbidden),
            (AccessToken, true, Administrator, hidden),
            (AccessToken, true, Need::Token, forbidden),
            (Token, false, Person, forbidden),
            (Token, true, Person, forbidden),
            (Token, true, Browser, forbidden),
            (Token, true, Administrator, forbidden),
            (Token, false, Need::Token, allowed),
        ] {
            let actor = Actor { credential, is_admin };
            assert_eq!(permit(Some(actor), need), answer, "{credential:?}, administrator: {is_admin}, {need:?}");
        }
        for need in [Person, Browser, Administrator, Need::Token] {
            assert_eq!(permit(None, need), Err(Refused::Unknown));
        }
    }
}
