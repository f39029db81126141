//! How to make, use and rotate tokens, and what to do when one leaked. Every example carries our own address.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::server::ui::components::code::CodeBlock;

/// The help page.
#[component]
pub fn HelpPage(
    /// Our own address.
    public_url: String,
    /// What tokens begin with, such as `hpat`.
    header_prefix: String,
    /// Whether the reader is logged in.
    logged_in: bool,
) -> impl IntoView {
    let token = format!("{header_prefix}_…");
    view! {
        <Title text="Help"/>
        <article class="form-width flex flex-col gap-10">
            <div class="flex flex-col gap-3">
                <h1>"Help"</h1>
                <p>
                    "A token lets a script or a program work with our APIs in your name, without your password. "
                    "It can do what its scopes say and what you may do yourself, never more."
                </p>
                {contents()}
            </div>
            {make(&public_url, logged_in)}
            {usage(&public_url, &token)}
            {rotate()}
            {leaked(&public_url)}
            {troubles()}
        </article>
    }
    .into_any()
}

fn contents() -> AnyView {
    let links = [
        ("#make", "Make a token"),
        ("#use", "Use it"),
        ("#rotate", "Replace it in time"),
        ("#leaked", "When a token leaked"),
        ("#refused", "When a request is refused"),
    ];
    let items = links.map(|(href, label)| view! { <li><a class="link inline-block py-2" href=href>{label}</a></li> });
    view! { <nav aria-label="On this page"><ul class="flex flex-wrap gap-x-6">{items.to_vec()}</ul></nav> }.into_any()
}

fn make(public_url: &str, logged_in: bool) -> AnyView {
    let href = if logged_in { "/tokens/new" } else { "/login?return_to=/tokens/new" };
    view! {
        <section id="make" class="flex flex-col gap-3">
            <h2>"Make a token"</h2>
            <ol class="flex list-decimal flex-col gap-2 ps-5">
                <li>
                    "Open "
                    <a class="link" href=href>{format!("{public_url}/tokens/new")}</a>
                    " and log in."
                </li>
                <li>"Give it a name that you will recognise in a year. One token for each purpose: then each can be ended alone."</li>
                <li>"Choose as few scopes and as short a lifetime as the work allows."</li>
                <li>"Copy the token when it is shown. It is shown once."</li>
            </ol>
        </section>
    }
    .into_any()
}

fn usage(public_url: &str, token: &str) -> AnyView {
    let curl = format!("curl -H \"Authorization: Bearer {token}\" {public_url}/check");
    let basic = format!("curl -u \"me:{token}\" {public_url}/check");
    let python = format!(
        "import os, requests\n\nanswer = requests.get(\n    \"{public_url}/check\",\n    headers={{\"Authorization\": f\"Bearer {{os.environ['API_TOKEN']}}\"}},\n)\nanswer.raise_for_status()"
    );
    let ci = format!(
        "check:\n  script:\n    # API_TOKEN is a masked, protected variable of the project\n    - 'curl --fail -H \"Authorization: Bearer $API_TOKEN\" {public_url}/check'"
    );
    view! {
        <section id="use" class="flex flex-col gap-6">
            <div class="flex flex-col gap-3">
                <h2>"Use it"</h2>
                <p>
                    "Send it with each request, in the "
                    <span class="prose-code">"Authorization"</span>
                    " header. The examples ask this site whether the token is good; put the address of your API in its place."
                </p>
            </div>
            {example("On the command line", "command", curl)}
            {example("Where only a user name and a password are asked for", "Basic command", basic)}
            {example("In Python", "Python example", python)}
            {example("In a pipeline", "pipeline example", ci)}
        </section>
    }
    .into_any()
}

fn example(title: &'static str, what: &'static str, code: String) -> AnyView {
    view! {
        <div class="flex flex-col gap-2">
            <h3>{title}</h3>
            <CodeBlock what code/>
        </div>
    }
    .into_any()
}

fn rotate() -> AnyView {
    view! {
        <section id="rotate" class="flex flex-col gap-3">
            <h2>"Replace it in time"</h2>
            <p>
                "Tokens expire. The list shows when, in amber during the last 14 days. "
                "Open the token and choose Regenerate: it keeps its name and scopes and gets a new secret and a new lifetime. "
                "The old secret stops working at once, so have the place ready where the new one goes."
            </p>
        </section>
    }
    .into_any()
}

fn leaked(public_url: &str) -> AnyView {
    view! {
        <section id="leaked" class="flex flex-col gap-3">
            <h2>"When a token leaked"</h2>
            <ol class="flex list-decimal flex-col gap-2 ps-5">
                <li>
                    "Open "
                    <a class="link" href="/tokens">{format!("{public_url}/tokens")}</a>
                    ", open the token and revoke it. From that moment it is refused everywhere."
                </li>
                <li>"Look at its last use: when it was, and from where."</li>
                <li>"Tell your administrator what it could do, and since when it was exposed."</li>
                <li>"Make a new token for the work. Deleting the file, message or commit is not enough."</li>
            </ol>
        </section>
    }
    .into_any()
}

fn troubles() -> AnyView {
    let table = [
        ("401", "The token is not good: mistyped, expired, revoked or suspended. Its page in the list says which."),
        (
            "403",
            "The token is good but lacks a scope, or you lack a role. The WWW-Authenticate header names what is missing.",
        ),
        ("503", "The check cannot be made just now. Try again after a moment; the token is not the reason."),
    ];
    let rows = table.map(|(status, meaning)| {
        view! {
            <div class="grid gap-x-6 border-b border-base-300 py-3 sm:grid-cols-[4rem_1fr]">
                <dt class="font-mono">{status}</dt>
                <dd>{meaning}</dd>
            </div>
        }
    });
    view! {
        <section id="refused" class="flex flex-col gap-3">
            <h2>"When a request is refused"</h2>
            <dl class="border-t border-base-300">{rows.to_vec()}</dl>
        </section>
    }
    .into_any()
}
