//! The checks, one after the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, header};
use secrecy::ExposeSecret;
use url::Url;

use super::probe::{Ask, Probe, ProbeError, Seen};
use super::{Finding, Mark, Target};
// What Hallpass says about who is asking; a client must not be able to say it.
use crate::domain::identity_headers::NAMES as IDENTITY;

/// Other spellings, which some servers behind a proxy take for the same names.
const ALIASES: [&str; 6] =
    ["x_auth_subject", "x_auth_user", "x_auth_roles", "x_auth_scopes", "x.auth.user", "x-auth_user"];
/// What a proxy's own configuration says to Hallpass.
const REQUIREMENT: &str = "x-check-scope";
/// Shows whether an answer repeats the headers of its request.
const CANARY: &str = "x-hallpass-selftest";

/// Makes the checks.
pub(super) struct Tester<'a> {
    pub probe: Probe,
    pub target: &'a Target,
    /// A well-formed token that nobody has.
    pub unknown: &'a str,
    /// Random text of this run.
    pub nonce: String,
}

impl Tester<'_> {
    /// Everything that must not pass. False if anybody may pass, so that nothing else needs to be asked.
    pub async fn refusals(&self, note: &mut impl FnMut(Finding)) -> Result<bool, ProbeError> {
        let nobody = self.probe.send(self.get()).await?;
        note(refused("without a credential", &nobody, false));
        if nobody.passed() {
            // Whatever else is sent there is carried out: a POST could do harm.
            return Ok(false);
        }
        for method in [Method::HEAD, Method::POST] {
            let what = format!("{method} without a credential");
            note(refused(&what, &self.probe.send(self.get().method(method)).await?, false));
        }
        let claimed = self.claiming(self.get(), &IDENTITY)?;
        note(refused("identity headers without a credential", &self.probe.send(claimed).await?, false));
        let basic = format!("Basic {}", STANDARD.encode(format!("selftest:{}", self.unknown)));
        for (what, ask) in [
            ("a credential that is no token", self.get().bearer("nonsense")?),
            ("a token that nobody has", self.get().bearer(self.unknown)?),
            ("the same as a password", self.get().header("authorization", &basic)?),
        ] {
            note(refused(what, &self.probe.send(ask).await?, true));
        }
        let doubled = self.probe.send(Ask::get(with_doubled_slashes(&self.target.url))).await?;
        note(not_passed("the path with doubled slashes, without a credential", &doubled));
        Ok(true)
    }

    /// Everything that needs a good token.
    pub async fn passing(&self, note: &mut impl FnMut(Finding)) -> Result<(), ProbeError> {
        let Some(token) = self.target.token.as_ref().map(ExposeSecret::expose_secret) else {
            note(unchecked(
                "a good token passes, two credentials do not, forged headers do not arrive",
                "please give a token that is good there, in HALLPASS_TOKEN or on standard input",
            ));
            return Ok(());
        };
        let good = self.probe.send(self.get().bearer(token)?).await?;
        note(passed(&good));
        if !good.passed() {
            note(unchecked("what a good token shows", "the token has to pass first"));
            return Ok(());
        }
        for (what, first, second) in [
            ("a good and a bad credential together", token, self.unknown),
            ("a bad and a good credential together", self.unknown, token),
        ] {
            let ask = self.get().bearer(first)?.bearer(second)?;
            note(not_passed(what, &self.probe.send(ask).await?));
        }
        let asking = self.get().bearer(token)?.header(REQUIREMENT, &format!("selftest:{}", self.nonce))?;
        note(unmoved(&self.probe.send(asking).await?));
        self.echoes(token, note).await
    }

    /// What arrives behind the proxy, as far as an answer repeats it.
    async fn echoes(&self, token: &str, note: &mut impl FnMut(Finding)) -> Result<(), ProbeError> {
        let canary = Ask::get(self.target.echo.clone()).bearer(token)?.header(CANARY, &self.nonce)?;
        let plain = self.probe.send(canary.clone()).await?;
        if !(plain.passed() && plain.body.contains(&self.nonce)) {
            note(unchecked(
                "forged identity headers do not arrive",
                "the answer does not repeat the headers of its request. Put something that does behind the same proxy \
                 and give its path as --echo-path, or look for X-Auth-User and its other spellings yourself",
            ));
            return Ok(());
        }
        note(finding(!plain.body.contains(token), "the token stays in front of the proxy", "replaced", "it arrives"));
        for (what, names) in [("forged identity headers", &IDENTITY[..]), ("their other spellings", &ALIASES[..])] {
            let seen = self.probe.send(self.claiming(canary.clone(), names)?).await?;
            note(self.arrived(what, names, &seen));
        }
        Ok(())
    }

    fn get(&self) -> Ask {
        Ask::get(self.target.url.clone())
    }

    /// Adds each of the headers with a value of its own.
    fn claiming(&self, ask: Ask, names: &[&'static str]) -> Result<Ask, ProbeError> {
        names.iter().try_fold(ask, |ask, name| ask.header(name, &self.forged(name)))
    }

    fn forged(&self, name: &str) -> String {
        format!("forged-{}-{name}.", self.nonce)
    }

    fn arrived(&self, what: &str, names: &[&str], seen: &Seen) -> Finding {
        match seen.status {
            200..=299 => {}
            400..=499 => return Finding::new(Mark::Passed, what, &format!("refused altogether ({})", seen.status)),
            other => return unchecked(what, &format!("the answer is {other}")),
        }
        let arrived: Vec<_> = names.iter().copied().filter(|name| seen.body.contains(&self.forged(name))).collect();
        let seen = format!("the API would believe the client's {}", arrived.join(", "));
        finding(arrived.is_empty(), what, "they do not arrive", &seen)
    }
}

fn finding(good: bool, what: &str, if_good: &str, if_not: &str) -> Finding {
    if good { Finding::new(Mark::Passed, what, if_good) } else { Finding::new(Mark::Failed, what, if_not) }
}

fn unchecked(what: &str, how: &str) -> Finding {
    Finding::new(Mark::Unchecked, what, &format!("not checked: {how}"))
}

/// A request that must be refused with 401, or with 429 where it presents a credential.
fn refused(what: &str, seen: &Seen, presented: bool) -> Finding {
    let status = seen.status;
    let explanation = match status {
        401 => "refused (401)".to_owned(),
        429 if presented => "refused (429)".to_owned(),
        200..=299 => format!("passes ({status}): this address is not protected"),
        300..=399 => {
            let to = seen.header(header::LOCATION);
            format!("redirected ({status}) to {to}: programs need a 401, not a login page")
        }
        403 => "refused with 403 where it must be 401, or clients cannot know that a token would help".to_owned(),
        429 => "429: too many requests, please try again later".to_owned(),
        500..=599 => format!("{status}: the proxy cannot ask Hallpass, or not in the way that it should"),
        _ => format!("{status} instead of 401: is the address right, and is the proxy asking before anything else?"),
    };
    let good = status == 401 || (status == 429 && presented);
    finding(good, what, &explanation, &explanation)
}

/// A request that may be refused in any way.
fn not_passed(what: &str, seen: &Seen) -> Finding {
    let status = seen.status;
    finding(!seen.passed(), what, &format!("does not pass ({status})"), &format!("passes ({status})"))
}

fn passed(seen: &Seen) -> Finding {
    let status = seen.status;
    let explanation = match status {
        401 => "refused (401): it is not good, or does not reach Hallpass".to_owned(),
        403 => "refused (403): it lacks what this place requires".to_owned(),
        _ => format!("{status}: please choose an address that answers a good token with 200"),
    };
    finding(seen.passed(), "a good token", &format!("passes ({status})"), &explanation)
}

fn unmoved(seen: &Seen) -> Finding {
    let heard =
        format!("{}: X-Check-Scope of the client reaches Hallpass, so that clients can ask for less", seen.status);
    finding(seen.passed(), "requirements of the client", "not heard", &heard)
}

/// Every slash of the path twice: what one of two programs merges, the other may not.
fn with_doubled_slashes(url: &Url) -> Url {
    let mut doubled = url.clone();
    doubled.set_path(&url.path().replace('/', "//"));
    doubled
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn seen(status: u16) -> Seen {
        Seen { status, headers: HeaderMap::new(), body: String::new() }
    }

    #[test]
    fn only_401_is_a_refusal_that_clients_understand() {
        for status in [200, 204, 301, 302, 307, 400, 403, 404, 405, 429, 500, 502, 503] {
            assert_eq!(refused("x", &seen(status), false).mark, Mark::Failed, "{status}");
        }
        for (status, presented) in [(401, false), (401, true), (429, true)] {
            assert_eq!(refused("x", &seen(status), presented).mark, Mark::Passed, "{status}");
        }
    }

    #[test]
    fn slashes_are_doubled_in_the_path_only() {
        let url = "https://api.example.org/a/b?c=/d".parse().unwrap();
        assert_eq!(with_doubled_slashes(&url).as_str(), "https://api.example.org//a//b?c=/d");
    }
}
