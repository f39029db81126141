//! The document around every page: head, header, footer.

#![expect(
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    reason = "Leptos calls components by their name in a view and hands their properties over whole"
)]

use leptos::config::LeptosOptions;
use leptos::prelude::*;
use leptos_meta::{MetaTags, Title};

use super::components::hydration::IslandScripts;
use super::components::icon::{Icon, Mark};
use crate::domain::view::MeView;
use crate::islands::ThemeSwitch;

/// The whole HTML document. Pages set their title with [`Title`]; " · Hallpass" is added here.
#[component]
pub fn Shell(
    /// Where the site's files are.
    options: LeptosOptions,
    /// The body.
    children: Children,
) -> impl IntoView {
    let stylesheet = format!("/{}/{}.css", options.site_pkg_dir, options.output_name);
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="robots" content="noindex"/>
                <link rel="icon" type="image/svg+xml" href="/favicon.svg"/>
                <script src="/theme.js"></script>
                <link rel="stylesheet" href=stylesheet/>
                <IslandScripts options/>
                <MetaTags/>
            </head>
            <body class="flex min-h-dvh flex-col">
                <Title formatter=document_title/>
                {children()}
            </body>
        </html>
    }
    .into_any()
}

/// The page that shows nothing but its own business.
const BARE: &str = "/login";

/// A page's title with the site's name. It holds names that people chose, and leptos writes it into the page as it is.
fn document_title(title: String) -> String {
    if title.is_empty() { "Hallpass".to_owned() } else { format!("{} · Hallpass", html_escape::encode_text(&title)) }
}

/// Header, main part and footer of a page; the login page goes without header and footer.
#[component]
pub fn Frame(
    /// Who is logged in.
    me: Option<MeView>,
    /// The path of the page, to mark its place in the navigation.
    #[prop(optional, into)]
    path: String,
    /// The page.
    children: Children,
) -> impl IntoView {
    let bare = path == BARE;
    let above = (!bare).then(|| {
        view! {
            <a class="skip link" href="#main">
                "Skip to content"
            </a>
            <Header me path/>
        }
    });
    view! {
        {above}
        <main id="main" tabindex="-1" class="mx-auto w-full max-w-wide flex-1 px-4 py-8 sm:py-12">
            {children()}
        </main>
        {(!bare).then(|| view! { <Footer/> })}
    }
    .into_any()
}

/// The mark, the places to go, and the account.
#[component]
pub fn Header(
    /// Who is logged in.
    me: Option<MeView>,
    /// The path of the page, to mark its place in the navigation.
    #[prop(optional, into)]
    path: String,
) -> impl IntoView {
    let logged_in = me.is_some();
    let is_admin = me.as_ref().is_some_and(|me| me.is_admin);
    view! {
        <header class="border-b border-base-300">
            <div class="mx-auto flex h-14 max-w-wide items-center gap-2 px-4 sm:gap-6">
                <a class="flex min-h-10 items-center gap-2 font-semibold" href="/">
                    <Mark/>
                    <span class="max-sm:sr-only">"Hallpass"</span>
                </a>
                <nav aria-label="Main" class="flex flex-1">
                    {logged_in.then(|| place("/tokens", "Tokens", &path))}
                    {logged_in.then(|| place("/activity", "Activity", &path))}
                    {is_admin.then(|| place("/admin", "Admin", &path))}
                    <span class=logged_in.then_some("max-sm:hidden")>{place("/help", "Help", &path)}</span>
                </nav>
                {me.map_or_else(login_link, |me| view! { <AccountMenu me/> }.into_any())}
            </div>
        </header>
    }
    .into_any()
}

fn place(href: &'static str, label: &'static str, path: &str) -> AnyView {
    let here = path == href || path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'));
    view! {
        <a class="place" href=href aria-current=here.then_some("page")>
            {label}
        </a>
    }
    .into_any()
}

fn login_link() -> AnyView {
    view! { <a class="place" href="/login">"Log in"</a> }.into_any()
}

/// Name, address, theme and the way out. A popover: it opens, closes and takes the focus without a script.
#[component]
fn AccountMenu(me: MeView) -> impl IntoView {
    view! {
        <button type="button" class="place min-w-0 gap-1" popovertarget="account">
            <span class="sr-only">"Account of "</span>
            <span class="max-w-40 truncate">{me.username.clone()}</span>
            {Icon::Down.view()}
        </button>
        <div id="account" popover="auto" class="menu-popover">
            <div class="flex flex-col gap-4 p-4">
                <div class="min-w-0">
                    <p class="truncate font-semibold">{me.username}</p>
                    {me.email.map(|email| view! { <p class="truncate text-sm text-muted">{email}</p> })}
                </div>
                <ThemeSwitch/>
                <form method="post" action="/auth/logout">
                    <button type="submit" class="btn btn-plain btn-block">
                        "Log out"
                    </button>
                </form>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Footer() -> impl IntoView {
    view! {
        <footer class="border-t border-base-300">
            <div class="mx-auto flex max-w-wide flex-wrap items-center gap-x-6 px-4 py-3 text-sm text-muted">
                <span class="flex-1">"Hallpass"</span>
                <a class="place" href="/help">
                    "Help"
                </a>
                <a class="place" href="/report">
                    "Report a leak"
                </a>
                <a class="place" href="/api/docs">
                    "API"
                </a>
            </div>
        </footer>
    }
    .into_any()
}
