//! Logging in: the mark, one sentence, one button per provider.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::server::ui::components::icon::Mark;

/// One way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderButton {
    /// The provider as people know it.
    pub label: String,
    /// Where its login begins.
    pub href: String,
}

/// Why a login did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginProblem {
    /// What happened.
    pub title: String,
    /// What to try.
    pub advice: String,
    /// What an administrator needs to find it in the log.
    pub request_id: String,
}

/// Why somebody has to log in who wanted something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginReason {
    /// A form came after its session had ended.
    SessionEnded,
    /// A login did not work.
    Failed(LoginProblem),
}

/// The login page.
#[component]
pub fn LoginPage(
    /// The ways to log in.
    providers: Vec<ProviderButton>,
    /// What went wrong before.
    why: Option<LoginReason>,
) -> impl IntoView {
    let buttons: Vec<_> = providers
        .into_iter()
        .map(|ProviderButton { label, href }| {
            // Leaves this site: a plain link, never a client-side one.
            view! { <a class="btn btn-primary btn-block" rel="external" href=href>{format!("Log in with {label}")}</a> }
        })
        .collect();
    view! {
        <Title text="Log in"/>
        <div class="mx-auto flex max-w-96 flex-col gap-8 py-8 sm:py-24">
            <div class="flex flex-col gap-4">
                <Mark class="-ms-2 size-16 text-primary"/>
                <h1>"Log in to Hallpass"</h1>
                <p class="text-muted">"Make and manage the tokens that your scripts and programs use."</p>
            </div>
            {why.map(reason_view)}
            <div class="flex flex-col gap-3">{buttons}</div>
        </div>
    }
    .into_any()
}

fn reason_view(why: LoginReason) -> AnyView {
    match why {
        LoginReason::Failed(problem) => problem_view(problem),
        LoginReason::SessionEnded => view! {
            <p role="alert" class="rounded-box border border-error bg-error-tint px-4 py-3">
                "Your session had ended, so nothing was saved. After the login you are back where you were; please look "
                "whether everything is there."
            </p>
        }
        .into_any(),
    }
}

fn problem_view(problem: LoginProblem) -> AnyView {
    view! {
        <div role="alert" class="flex flex-col gap-1 rounded-box border border-error bg-error-tint px-4 py-3">
            <h2 class="text-base">{problem.title}</h2>
            <p>{problem.advice}</p>
            <p class="text-sm text-muted">
                "Request id: " <span class="prose-code">{problem.request_id}</span>
            </p>
        </div>
    }
    .into_any()
}
