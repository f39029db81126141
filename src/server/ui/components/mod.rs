//! The parts that pages are made of.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "Leptos calls components by their name in a view and hands their properties over whole"
)]

pub mod code;
pub mod facts;
pub mod field;
pub mod hydration;
pub mod icon;
pub mod lifetime;
pub mod notice;
pub mod openapi;
pub mod scopes;
pub mod status;
