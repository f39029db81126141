//! What administrators do with everybody's tokens and users, and what nobody else can: contract, sections 7, 8 and 10.

mod bulk;
mod decisions;
mod identify;
mod leaks;
mod log;
mod matrix;
mod overview;
mod panel;
mod tokens;
mod users;

use serde_json::Value;

use crate::support::{Answer, Browser, TestApp};

/// A browser in which an administrator is logged in.
async fn administrator(app: &TestApp) -> Browser {
    app.browser_of("admin").await
}

/// The items of a list.
#[track_caller]
fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["items"].as_array().unwrap().clone()
}

/// A field of each item of a list.
#[track_caller]
fn all(answer: &Answer, field: &str) -> Vec<String> {
    items(answer).iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}
