//! Integration tests: the whole server in one process, with a clock and a chance of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says that something is wrong by failing"
)]

mod support;

mod access_tokens;
mod access_tokens_api;
mod administration;
mod architecture;
mod audit;
mod binary;
mod check;
mod checkpoints;
mod command_line;
mod config;
mod connections;
mod csrf;
mod grpc;
mod hammer;
mod hash_secret;
mod headers;
mod live;
mod login;
mod oauth;
mod operator;
mod portal;
mod replicas;
mod scanner_rules;
mod secrets_leak;
mod selftest;
mod sessions;
mod signing;
mod slow_clients;
mod tokens_api;
mod triggers;
mod unwritable;
