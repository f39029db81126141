//! Hallpass: self-hosted personal access tokens for any API.
//!
//! [`domain`] holds the rules, [`islands`] the little that runs in browsers, `server` everything else.

#![recursion_limit = "256"]

pub mod domain;
pub mod islands;
#[cfg(feature = "ssr")]
pub mod server;

/// Brings the islands of a page to life.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
