//! The little that runs in the browser. Islands add comfort only: every page and every form works without them, and
//! what needs them to be of use stays hidden until they live.
//!
//! None of them takes properties: those would be written into the page (a secret among them) and bring a JSON parser
//! to the browser. They read the elements around them instead.

#![expect(
    clippy::must_use_candidate,
    reason = "Leptos calls components by their name in a view and hands their properties over whole"
)]

pub mod copy;
pub mod dom;
pub mod filter;
pub mod summary;
pub mod theme;
pub mod words;

pub use copy::CopyButton;
pub use filter::ScopeFilter;
pub use summary::LiveSummary;
pub use theme::ThemeSwitch;
