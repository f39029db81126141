//! Bringing the islands of a page to life.

use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::*;

/// Loads the islands' code once the page is drawn, since the page works without, and hands each island its element, the
/// outer ones first. What leptos leaves at `leptos-children` gives an inner island the context of the one around it.
const BRING_TO_LIFE: &str = include_str!("hydration.js");

/// Fetches the islands' code early and runs it once the page is drawn. Takes the place of leptos's `HydrationScripts`,
/// which writes the nonce of the page into `crossorigin` too.
#[component]
pub fn IslandScripts(
    /// Where the site's files are.
    options: LeptosOptions,
) -> impl IntoView {
    // Only islands come to life: what is around them leaves no data for the browser in the page.
    if let Some(context) = Owner::current_shared_context() {
        context.set_is_hydrating(false);
    }
    let base = format!("/{}/{}", options.site_pkg_dir, options.output_name);
    let (script, wasm) = (format!("{base}.js"), format!("{base}.wasm"));
    let start = format!("{BRING_TO_LIFE}({script:?}, {wasm:?});");
    view! {
        <link rel="modulepreload" href=script/>
        // A preload is used only if it was asked for as `fetch` asks: with CORS.
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="anonymous"/>
        <script type="module" nonce=use_nonce()>
            {start}
        </script>
    }
    .into_any()
}
