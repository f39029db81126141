//! "Whose token is this?"

use leptos::prelude::*;
use leptos_meta::Title;

use super::heading;
use crate::domain::time::Timestamp;
use crate::server::service::admin::{Identified, OwnedView};
use crate::server::ui::components::facts::{Fact, when_or};
use crate::server::ui::components::status::{State, secret_state};

pub(super) const PATH: &str = "/admin/identify";
const TITLE: &str = "Whose token is this?";

/// The page that takes a text and says whose tokens it names. The text is not shown again.
#[component]
pub fn IdentifyPage(
    /// What was found; nothing was asked yet if absent.
    found: Option<Vec<Identified>>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let title = found.as_deref().map_or_else(|| TITLE.to_owned(), |found| format!("{}: {TITLE}", in_short(found)));
    let answer = found.map(|found| answer(&found, now));
    view! {
        <Title text=title/>
        {heading(TITLE, PATH)}
        <div class="form-width mt-6 flex flex-col gap-8">
            {answer}
            <form method="post" action=PATH class="flex flex-col gap-4">
                <div>
                    <label class="font-semibold" for="text">
                        "What you have"
                    </label>
                    <p id="text-hint" class="text-sm text-muted">
                        "A token, a part of a log, or an id. It is looked at once, and neither kept nor logged."
                    </p>
                </div>
                <textarea
                    id="text"
                    name="text"
                    class="textarea font-mono"
                    rows="4"
                    required=true
                    spellcheck="false"
                    autocomplete="off"
                    aria-describedby="text-hint"
                ></textarea>
                <div>
                    <button type="submit" class="btn btn-primary">
                        "Find out"
                    </button>
                </div>
            </form>
        </div>
    }
    .into_any()
}

fn in_short(found: &[Identified]) -> String {
    match found {
        [] => "No token found".to_owned(),
        [Identified { owned: OwnedView { token, owner }, .. }] => format!("{} of {}", token.name, owner.username),
        several => format!("{} tokens found", several.len()),
    }
}

fn answer(found: &[Identified], now: Timestamp) -> AnyView {
    if found.is_empty() {
        return view! {
            <p role="status" class="rounded-box bg-base-200 px-4 py-3">
                "That names no token of this installation. A part of one is enough, as long as the first 16 characters behind "
                "its prefix are there."
            </p>
        }
        .into_any();
    }
    let sections: Vec<_> = found.iter().map(|identified| section(identified, now)).collect();
    view! { <div role="status" class="flex flex-col gap-8">{sections}</div> }.into_any()
}

fn section(identified: &Identified, now: Timestamp) -> AnyView {
    let Identified { owned: OwnedView { token, owner }, secret } = identified;
    let href = format!("/admin/tokens/{}", token.id);
    let revoke = token.revoked_at.is_none().then(|| {
        view! { <a class="btn btn-error btn-outline" href=format!("{href}/revoke")>"Revoke …"</a> }
    });
    let secret = secret.as_ref().map(|secret| {
        let words = format!("{} · {}", secret.id, secret_state(secret.state));
        view! { <Fact term="Secret">{words}</Fact> }
    });
    let from = token.last_used_ip.clone().map(|ip| format!(" from {ip}"));
    let (state, used) = (token.state, when_or(token.last_used_at, now, "never"));
    let (owner_href, owner_name) = (format!("/admin/users/{}", owner.id), owner.username.clone());
    view! {
        <section>
            <div class="mb-3 flex flex-wrap items-center justify-between gap-4">
                <h2>
                    <a class="token-name" href=href>
                        {token.name.clone()}
                    </a>
                </h2>
                {revoke}
            </div>
            <dl class="border-t border-base-300">
                <Fact term="Owner">
                    <a class="link" href=owner_href>
                        {owner_name}
                    </a>
                </Fact>
                <Fact term="State"><State state/></Fact>
                {secret}
                <Fact term="Last used">{used} {from}</Fact>
            </dl>
        </section>
    }
    .into_any()
}
