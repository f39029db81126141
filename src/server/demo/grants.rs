//! What has been handed out: authorization codes and access tokens, in memory, and not too many of them.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::entropy::{Entropy, bytes};
use crate::domain::time::Timestamp;

use super::users::DemoUser;

/// How long a code may wait for its exchange (RFC 6749, section 4.1.2, recommends ten minutes at most).
pub const CODE_LIFETIME: Duration = Duration::from_mins(1);
/// How long an access token, and the ID token beside it, is good.
pub const TOKEN_LIFETIME: Duration = Duration::from_mins(10);
const CAPACITY: usize = 1_000;

/// What a user agreed to by pressing a button.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: &'static DemoUser,
    pub nonce: Option<String>,
    /// The PKCE code challenge, method S256 (RFC 7636, section 4.2).
    pub challenge: String,
    pub at: Timestamp,
}

struct Code {
    login: Login,
    ends_at: Timestamp,
    spent: bool,
}

struct AccessToken {
    user: &'static DemoUser,
    code: String,
    ends_at: Timestamp,
}

/// Codes and access tokens; beyond a thousand of a kind the oldest goes.
#[derive(Default)]
pub struct Grants {
    codes: VecDeque<(String, Code)>,
    tokens: VecDeque<(String, AccessToken)>,
}

impl Grants {
    /// A code for this login.
    pub fn issue_code(&mut self, login: Login, entropy: &dyn Entropy) -> String {
        let ends_at = login.at.plus(CODE_LIFETIME);
        add(&mut self.codes, Code { login, ends_at, spent: false }, entropy)
    }

    /// The login behind a code, once. A second attempt ends the access tokens of the first (RFC 6749, section 4.1.2).
    pub fn redeem(&mut self, code: &str, now: Timestamp) -> Option<Login> {
        let found = find(&mut self.codes, code)?;
        if found.spent {
            self.tokens.retain(|(_, token)| token.code != code);
            return None;
        }
        found.spent = true;
        (now < found.ends_at).then(|| found.login.clone())
    }

    /// An opaque access token for the user whose code that was.
    pub fn issue_token(
        &mut self,
        user: &'static DemoUser,
        code: &str,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> String {
        let token = AccessToken { user, code: code.to_owned(), ends_at: now.plus(TOKEN_LIFETIME) };
        add(&mut self.tokens, token, entropy)
    }

    /// Whose access token this is, while it is good.
    pub fn user(&mut self, token: &str, now: Timestamp) -> Option<&'static DemoUser> {
        find(&mut self.tokens, token).filter(|found| now < found.ends_at).map(|found| found.user)
    }
}

fn add<V>(entries: &mut VecDeque<(String, V)>, value: V, entropy: &dyn Entropy) -> String {
    let name = URL_SAFE_NO_PAD.encode(bytes::<32>(entropy));
    if entries.len() >= CAPACITY {
        entries.pop_front();
    }
    entries.push_back((name.clone(), value));
    name
}

fn find<'a, V>(entries: &'a mut VecDeque<(String, V)>, name: &str) -> Option<&'a mut V> {
    entries.iter_mut().find(|(found, _)| found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Counter;
    use super::super::users::USERS;
    use super::*;

    fn login() -> Login {
        Login { user: &USERS[0], nonce: None, challenge: String::new(), at: Timestamp::from_seconds(0) }
    }

    #[test]
    fn a_code_ends_with_its_sixtieth_second() {
        for (seconds, good) in [(59, true), (60, false)] {
            let (mut grants, entropy) = (Grants::default(), Counter::default());
            let code = grants.issue_code(login(), &entropy);
            assert_eq!(grants.redeem(&code, Timestamp::from_seconds(seconds)).is_some(), good);
        }
    }

    #[test]
    fn a_code_used_twice_ends_the_access_token_of_its_first_use() {
        let (mut grants, entropy, now) = (Grants::default(), Counter::default(), Timestamp::from_seconds(1));
        let code = grants.issue_code(login(), &entropy);
        let user = grants.redeem(&code, now).unwrap().user;
        let token = grants.issue_token(user, &code, now, &entropy);
        assert_eq!(grants.user(&token, now), Some(user));
        assert!(grants.redeem(&code, now).is_none());
        assert_eq!(grants.user(&token, now), None);
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let (mut grants, entropy, now) = (Grants::default(), Counter::default(), Timestamp::from_seconds(1));
        let first = grants.issue_code(login(), &entropy);
        let second = grants.issue_code(login(), &entropy);
        for _ in 1..CAPACITY {
            grants.issue_code(login(), &entropy);
        }
        assert!(grants.redeem(&first, now).is_none());
        assert!(grants.redeem(&second, now).is_some());
    }
}
