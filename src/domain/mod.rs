//! The rules: what a token is, when it is good, what a scope grants and what may change into what.
//!
//! Everything here is a pure function or a plain value. Time and randomness are handed in, nothing is read or
//! written, and the module builds for the server and for the browser alike.

pub mod audit;
pub mod authority;
pub mod entropy;
pub mod error;
pub mod id;
pub mod identity_headers;
pub mod lease;
pub mod lifetime;
pub mod net;
pub mod paste;
pub mod reason;
pub mod requirement;
pub mod scope;
pub mod secret;
pub mod signing;
pub mod text;
pub mod time;
pub mod token;
pub mod user;
pub mod verdict;
pub mod view;
