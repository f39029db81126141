//! Answers, read to their end.

use std::fmt;

use axum::body::to_bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

/// An answer of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Reads a response.
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap_or_else(|_| "(not text)".to_owned());
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A header's value, empty where there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it redirects to.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert!(self.headers.contains_key("location"), "no redirect: {self}");
        self.header("location")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Makes sure of the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Makes sure that it is a problem of this status (RFC 9457) and gives it.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self}");
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {self}");
        }
        problem
    }

    /// The fields that a problem complains about.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {self}"));
        assert!(errors.iter().all(|error| error["message"].as_str().is_some_and(|text| !text.is_empty())), "{self}");
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything but what differs from request to request.
    pub fn without_request_id(mut self) -> Self {
        self.headers.remove("x-request-id");
        self
    }

    /// Status, headers and body, but for what is drawn anew for each answer.
    pub fn without_chance(&self) -> String {
        let policy = self.header("content-security-policy");
        let nonce = policy.split_once("'nonce-").and_then(|(_, rest)| rest.split_once('\'')).map(|(nonce, _)| nonce);
        let drawn = [Some(self.header("x-request-id")), nonce].into_iter().flatten().filter(|drawn| !drawn.is_empty());
        drawn.fold(self.to_string(), |text, drawn| text.replace(drawn, ""))
    }

    /// The text between two others, the first time that they occur.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.body.split_once(before).unwrap_or_else(|| panic!("no {before:?}: {self}")).1;
        rest.split_once(after).unwrap_or_else(|| panic!("no {after:?}: {self}")).0
    }

    /// What a page says, without its marks.
    pub fn words(&self) -> String {
        // What is left out leaves a mark.
        let body = self.body.replace("<!--<() />-->", "");
        let main = body.split_once("<main").map_or(body.as_str(), |(_, main)| main);
        let text: Vec<_> =
            main.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
        text.join("").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The title of a page.
    #[track_caller]
    pub fn title(&self) -> &str {
        self.between("<title>", "</title>")
    }

    /// The tag of the field with a name.
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        let named = format!(" name=\"{name}\"");
        let mut tags = self.body.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag);
        tags.find(|tag| tag.contains(&named)).unwrap_or_else(|| panic!("no field {name}: {self}"))
    }

    /// The first address on a page that begins like this.
    #[track_caller]
    pub fn link(&self, begin: &str) -> String {
        format!("{begin}{}", self.between(&format!("href=\"{begin}"), "\"").replace("&amp;", "&"))
    }

    /// The one-use key of the form on a page.
    #[track_caller]
    pub fn form_key(&self) -> String {
        self.between("name=\"form_key\" value=\"", "\"").to_owned()
    }
}

/// Status, sorted headers and body, as a person would note them.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        let line = |(name, value): (_, &axum::http::HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut headers: Vec<_> = self.headers.iter().map(line).collect();
        headers.sort();
        for header in headers {
            writeln!(f, "{header}")?;
        }
        if self.body.is_empty() { Ok(()) } else { write!(f, "\n{}", self.body) }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
