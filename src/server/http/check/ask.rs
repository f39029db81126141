//! What a place requires, in the words of its proxy: query parameters, or for Envoy, which cannot add any, headers.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::HeaderMap;
use quick_cache::sync::Cache;
use url::form_urlencoded;

use crate::domain::requirement::Requirement;

/// Most different questions that are remembered: each place of a proxy asks one, over and over.
const REMEMBERED: usize = 256;
/// Longer ones are read anew each time.
const REMEMBERED_LEN: usize = 512;
/// What all headers of Envoy's form begin with.
const HEADER_PREFIX: &str = "x-check-";

/// One question: what is required, and for whom the answer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server::http) struct Ask {
    /// What the credential must meet.
    pub requirement: Requirement,
    /// Which audience the JWT shall be for, if not the usual one.
    pub audience: Option<String>,
}

/// Why a question cannot be answered: the operator's mistake, not the client's.
pub(in crate::server::http) type Mistake = String;

impl Ask {
    /// Adds one requirement. Whatever is unknown or empty is a mistake: ignoring it would let requests pass that should
    /// not.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), Mistake> {
        let outcome = match name {
            "scope" => self.requirement.require_scopes(value),
            "role" => self.requirement.require_role(value),
            "attribute" => self.requirement.require_attribute(value),
            "audience" => return self.ask_audience(value),
            _ => return Err("there is an unknown parameter".to_owned()),
        };
        outcome.map_err(|error| error.to_string())
    }

    fn ask_audience(&mut self, value: &str) -> Result<(), Mistake> {
        match self.audience.replace(value.to_owned()) {
            None if !value.is_empty() => Ok(()),
            None => Err("the audience is empty".to_owned()),
            Some(_) => Err("there is more than one audience".to_owned()),
        }
    }

    fn from_query(query: &str) -> Result<Self, Mistake> {
        let mut ask = Self::default();
        form_urlencoded::parse(query.as_bytes()).try_for_each(|(name, value)| ask.add(&name, &value))?;
        Ok(ask)
    }

    /// From the `X-Check-*` headers. Each may stand once: a second one could be the client's.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Mistake> {
        let mut ask = Self::default();
        for name in headers.keys() {
            let Some(requirement) = name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
            let mut values = headers.get_all(name).iter();
            let (Some(value), None) = (values.next(), values.next()) else {
                return Err(format!("the header {name} is repeated"));
            };
            let value = value.to_str().map_err(|_| format!("the header {name} is not plain text"))?;
            ask.add(requirement, value.trim())?;
        }
        Ok(ask)
    }
}

/// Questions of proxies that were read before.
pub struct Asks {
    nothing: Arc<Ask>,
    read: Cache<Box<str>, Arc<Ask>>,
}

impl std::fmt::Debug for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asks").finish_non_exhaustive()
    }
}

impl Default for Asks {
    fn default() -> Self {
        Self::new()
    }
}

impl Asks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { nothing: Arc::default(), read: Cache::new(REMEMBERED) }
    }

    /// The question of a query.
    pub(super) fn of_query(&self, query: Option<&str>) -> Result<Arc<Ask>, Mistake> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Arc::clone(&self.nothing)) };
        if let Some(ask) = self.read.get(query) {
            return Ok(ask);
        }
        let ask = Arc::new(Ask::from_query(query)?);
        if query.len() <= REMEMBERED_LEN {
            self.read.insert(Cow::Borrowed(query).into(), Arc::clone(&ask));
        }
        Ok(ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_requirement_is_refused_and_never_ignored() {
        let asks = Asks::new();
        for bad in [
            "scop=a",
            "scope=",
            "scope=+",
            "role=",
            "attribute=",
            "attribute=:x",
            "audience=",
            "x",
            "audience=a&audience=a",
        ] {
            assert!(asks.of_query(Some(bad)).is_err(), "{bad}");
        }
        for good in ["", "scope=a+b&scope=c", "role=a&role=b&attribute=x:y&attribute=x", "audience=hallpass", "&&"] {
            assert!(asks.of_query(Some(good)).is_ok(), "{good}");
            assert_eq!(asks.of_query(Some(good)), Ask::from_query(good).map(Arc::new), "{good}, remembered");
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn headers_say_the_same_as_a_query() {
        let asked = headers(&[
            ("x-check-scope", "a b"),
            ("x-check-role", "staff"),
            ("x-check-attribute", "x:y"),
            ("x-check-audience", "billing"),
            ("x-other", "1"),
        ]);
        let query = Ask::from_query("scope=a+b&role=staff&attribute=x:y&audience=billing");
        assert_eq!(Ask::from_headers(&asked), query);
    }

    #[test]
    fn a_header_that_is_repeated_empty_or_unknown_is_refused() {
        let table: [&[(&'static str, &str)]; 5] = [
            &[("x-check-role", "a"), ("x-check-role", "b")],
            &[("x-check-scope", "a"), ("x-check-scope", "a")],
            &[("x-check-scope", "")],
            &[("x-check-role", " ")],
            &[("x-check-scopes", "a")],
        ];
        for pairs in table {
            assert!(Ask::from_headers(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }
}
