//! The harness: a server with files of its own, browsers that use it, and answers that are easy to look at.

mod ambient;
mod answer;
mod app;
mod browser;
pub mod cluster;
pub mod connection;
mod database;
mod forge;
pub mod installation;
mod logs;
pub mod oidc;
pub mod program;
pub mod replicas;
pub mod report;
mod request;
mod scanner;
mod signer;
pub mod store;
pub mod tokens;
pub mod whole;
pub mod wire;

pub use ambient::{TestClock, TestEntropy, days, hours, minutes, seconds};
pub use answer::Answer;
pub use app::{HEADER, TestApp};
pub use browser::Browser;
pub use database::Database;
pub use forge::{token_of, unknown_token, with_wrong_checksum, with_wrong_secret};
pub use logs::Logs;
pub use oidc::{CLIENT_ID, OidcProvider};
pub use request::{Call, form};
pub use scanner::Scanner;
pub use signer::{Signer, claims_of, encode, hs256};

/// The pages for people who are logged in; `{id}` stands for a token's.
pub const TOKEN_PAGES: [&str; 6] =
    ["/tokens", "/tokens/new", "/tokens/{id}", "/tokens/{id}/edit", "/tokens/{id}/regenerate", "/tokens/{id}/revoke"];
