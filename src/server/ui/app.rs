//! The document around a page.

use std::sync::Arc;

use leptos::config::LeptosOptions;
use leptos::prelude::*;
use leptos_meta::provide_meta_context;

use super::layout::{Frame, Shell};
use crate::domain::view::MeView;

/// The site options of a binary that stands alone.
const SITE: &str = include_str!("../../../Leptos.toml");

/// What makes the main part of a page.
pub type View = Arc<dyn Fn() -> AnyView + Send + Sync>;

/// A whole page.
#[component]
pub fn Document(
    /// Who is logged in.
    me: Option<MeView>,
    /// The path of the page, to mark its place in the navigation.
    path: String,
    /// The main part.
    view: View,
) -> impl IntoView {
    provide_meta_context();
    view! {
        <Shell options=options()>
            <Frame me=me path=path>
                {view()}
            </Frame>
        </Shell>
    }
}

/// Where the site's files are: from `Leptos.toml`, which is part of the binary.
fn options() -> LeptosOptions {
    #[derive(serde::Deserialize)]
    struct File {
        package: Package,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        leptos: Keys,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Keys {
        output_name: String,
        site_pkg_dir: String,
    }
    static OPTIONS: std::sync::OnceLock<LeptosOptions> = std::sync::OnceLock::new();
    let read = || {
        let keys = toml::from_str::<File>(SITE).map(|file| file.package.metadata.leptos);
        let keys = keys.unwrap_or(Keys { output_name: "hallpass".to_owned(), site_pkg_dir: "pkg".to_owned() });
        LeptosOptions::builder().output_name(keys.output_name).site_pkg_dir(keys.site_pkg_dir).build()
    };
    OPTIONS.get_or_init(read).clone()
}
