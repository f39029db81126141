//! What people see: Leptos components, rendered on the server.

pub mod actions;
pub mod app;
pub mod components;
pub mod layout;
pub mod pages;
