//! The one time that a token is shown. Nothing of it survives leaving the page.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::domain::view::TokenView;
use crate::islands::CopyButton;
use crate::server::ui::components::code::CodeBlock;
use crate::server::ui::components::icon::Icon;

/// The page after a token was created or regenerated.
#[component]
pub fn ShownOncePage(
    /// The token.
    token: TokenView,
    /// The token in the clear. It goes into the text of the page and nowhere else, no island's properties among it.
    secret: String,
    /// Our own address.
    public_url: String,
    /// Whether it replaces an earlier secret.
    regenerated: bool,
) -> impl IntoView {
    let title = if regenerated { "Your regenerated token" } else { "Your new token" };
    let lead = if regenerated {
        format!("{} has a new secret. The old one has stopped working: please replace it where it is used.", token.name)
    } else {
        format!("{} is ready.", token.name)
    };
    let curl = format!("curl -H \"Authorization: Bearer {secret}\" {public_url}/check");
    let on = format!("/tokens/{}", token.id);
    view! {
        <Title text=title/>
        <div class="form-width flex flex-col gap-8">
            <div class="flex flex-col gap-2">
                <h1>{title}</h1>
                <p>{lead}</p>
            </div>
            {secret_field(secret)}
            <section class="flex flex-col gap-3">
                <h2>"Try it"</h2>
                <p class="text-muted">"Answers 200 when the token is good."</p>
                <CodeBlock what="command" code=curl/>
            </section>
            <section class="flex flex-col gap-3">
                <h2>"Where to keep it"</h2>
                <ul class="list-disc ps-5">
                    <li>"For yourself: in your password manager."</li>
                    <li>"For a server or a pipeline: in its secret store, such as the masked variables of your CI."</li>
                    <li>"Never in a repository, a chat, a ticket or a web address. Whoever has it can act in your name."</li>
                </ul>
            </section>
            <div>
                <a class="btn btn-primary" href=on>
                    "I have stored it"
                </a>
            </div>
        </div>
    }
    .into_any()
}

fn secret_field(secret: String) -> AnyView {
    view! {
        <section class="flex flex-col gap-3 rounded-box border border-primary p-4 sm:p-6" data-copyable="">
            <p id="secret-hint" class="flex gap-2 font-medium">
                <span class="lead-icon text-warning">{Icon::Warning.view()}</span>
                "Copy it now. We keep no copy, so it cannot be shown again."
            </p>
            <label class="sr-only" for="secret">
                "Token"
            </label>
            <textarea
                id="secret"
                class="textarea secret"
                rows="2"
                readonly=true
                spellcheck="false"
                autocomplete="off"
                aria-describedby="secret-hint"
                data-copy=""
            >
                {secret}
            </textarea>
            <CopyButton>"Copy token"</CopyButton>
        </section>
    }
    .into_any()
}
