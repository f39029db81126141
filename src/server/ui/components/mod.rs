//! The parts that pages are made of.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "Leptos calls components by their name in a view and hands their properties over whole"
)]

pub mod chart;
pub mod code;
pub mod events;
pub mod facts;
pub mod field;
pub mod filters;
pub mod hydration;
pub mod icon;
pub mod lifetime;
pub mod notice;
pub mod openapi;
pub mod paging;
pub mod reason;
pub mod scopes;
pub mod sessions;
pub mod status;
