//! Integration tests: the whole server in one process, with a clock and a chance of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says that something is wrong by failing"
)]

mod support;

mod audit;
mod check;
mod csrf;
mod sessions;
mod tokens_api;
