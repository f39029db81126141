//! Parameters that lists have in common.

use super::super::problem::{Problem, Slug};
use crate::domain::id::UserId;
use crate::domain::lifetime::parse_duration;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenState, state_names};

/// Items of a list when nobody says how many.
const LIMIT_DEFAULT: usize = 50;
/// Most items of a list.
const LIMIT_MAX: usize = 200;

pub(super) fn wrong(field: &str, message: &str) -> Problem {
    Problem::new(Slug::Invalid).field(field, message)
}

/// What is left of a parameter that may be empty.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// How many items are wanted.
pub(super) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let limit = text.map_or(Ok(LIMIT_DEFAULT), str::parse);
    let limit = limit.ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| wrong("limit", "Please give a number from 1 to 200."))
}

/// The state of a token.
pub(super) fn state(text: Option<&str>) -> Result<Option<TokenState>, Problem> {
    let names: Vec<_> = state_names().into_iter().collect();
    let state = given(text).map(str::parse::<TokenState>).transpose();
    state.map_err(|_| wrong("state", &format!("Please give one of: {}.", names.join(", "))))
}

/// The place where an earlier list stopped.
pub(super) fn cursor<T>(text: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let place =
        given(text).map(|text| read(text).ok_or_else(|| wrong("cursor", "Please give a next_cursor as it was.")));
    place.transpose()
}

/// The id of a user.
pub(in crate::server::http) fn user_id(text: &str) -> Result<Option<UserId>, Problem> {
    let id = given(Some(text)).map(str::parse::<UserId>).transpose();
    id.map_err(|_| wrong("user", "Please give the id of a user."))
}

/// The end of a span that begins now.
pub(super) fn within(field: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let span = given(text).map(parse_duration).transpose();
    let span = span.map_err(|_| wrong(field, "Please give a span such as \"7d\"."))?;
    Ok(span.map(|span| now.plus(span)))
}

/// A moment: RFC 3339, a date, or a span such as `90d` that lies between it and now.
pub(in crate::server::http) fn moment(
    field: &str,
    text: Option<&str>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    let read = |text: &str| {
        let ago = || parse_duration(text).ok().map(|span| now.minus(span));
        let date = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
        Timestamp::parse_rfc3339(text).or_else(date).or_else(ago)
    };
    let message = "Please give a time such as \"2026-01-31T12:00:00Z\", a date, or a span such as \"90d\".";
    given(text).map(|text| read(text).ok_or_else(|| wrong(field, message))).transpose()
}
