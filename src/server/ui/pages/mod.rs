//! One file per page. Pages are pure: data in, view out.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "Leptos calls components by their name in a view and hands their properties over whole"
)]

pub mod activity;
pub mod admin;
pub mod api_docs;
pub mod edit_token;
pub mod error;
pub mod help;
pub mod login;
pub mod new_token;
pub mod problem;
pub mod regenerate;
pub mod report;
pub mod revoke;
pub mod shown_once;
pub mod token;
pub mod tokens;

pub use activity::ActivityPage;
pub use api_docs::ApiDocsPage;
pub use edit_token::{EditTokenForm, EditTokenPage};
pub use error::ErrorPage;
pub use help::HelpPage;
pub use login::{LoginPage, LoginProblem, LoginReason, ProviderButton};
pub use new_token::{NewTokenForm, NewTokenPage};
pub use problem::ProblemPage;
pub use regenerate::RegeneratePage;
pub use report::ReportPage;
pub use revoke::RevokePage;
pub use shown_once::ShownOncePage;
pub use token::{HistoryEntry, TokenPage};
pub use tokens::{ListFilter, TokensPage};

pub use super::components::lifetime::LifetimeChoice;
pub use super::components::notice::FormProblem;
pub use super::components::paging::address;
pub use super::components::reason::ReasonForm;
