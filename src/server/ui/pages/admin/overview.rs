//! What the panel opens with.

use leptos::prelude::*;
use leptos_meta::Title;

use super::{counted, heading};
use crate::domain::time::Timestamp;
use crate::server::service::log::EventView;
use crate::server::service::overview::{Day, Figures};
use crate::server::ui::components::chart::{Bars, bars};
use crate::server::ui::components::events::{Reader, events as event_list};

const PATH: &str = "/admin";

/// The page of the overview.
#[component]
pub fn OverviewPage(
    /// What was counted last.
    figures: Option<Figures>,
    /// What happened last.
    events: Vec<EventView>,
    /// The present.
    now: Timestamp,
) -> impl IntoView {
    let counted = figures.map_or_else(not_yet, |figures| numbers(&figures, now));
    view! {
        <Title text="Administration"/>
        {heading("Administration", PATH)}
        <div class="mt-6 flex flex-col gap-10">
            {counted}
            <section>
                <h2 class="mb-3">"What happened last"</h2>
                {event_list(&events, Reader::Administrator, now)}
                <p class="mt-3">
                    <a class="link" href="/admin/audit">
                        "The whole audit log"
                    </a>
                </p>
            </section>
        </div>
    }
    .into_any()
}

fn not_yet() -> AnyView {
    view! { <p class="text-muted">"The server has just started and is still counting. Please look again in a moment."</p> }
        .into_any()
}

fn numbers(figures: &Figures, now: Timestamp) -> AnyView {
    let at = figures.at;
    view! {
        <section>
            <h2 class="sr-only">"In numbers"</h2>
            <div class="grid grid-cols-2 gap-x-6 gap-y-6 sm:grid-cols-3 lg:grid-cols-6">
                {number(figures.census.active, ["active token", "active tokens"], "/admin/tokens?state=active")}
                {number(figures.census.expiring, ["expires within 7 days", "expire within 7 days"], "/admin/tokens?state=active&expires_within=7d&sort=unused")}
                {number(figures.census.unused, ["unused for 90 days"; 2], "/admin/tokens?state=active&unused_since=90d&sort=unused")}
                {number(figures.census.suspended, ["suspended"; 2], "/admin/tokens?state=suspended")}
                {number(figures.users, ["user", "users"], "/admin/users")}
                {number(figures.disabled, ["disabled user", "disabled users"], "/admin/users?state=disabled")}
            </div>
            <div class="charts">
                {chart("Tokens made", "/admin/audit?action=token.created", figures, |day| day.created)}
                {chart("Tokens revoked", "/admin/audit?action=token.revoked", figures, |day| day.revoked)}
                {chart("Logins", "/admin/audit?action=user.logged_in", figures, |day| day.logins)}
                {chart("Logins refused", "/admin/audit?action=user.login_refused", figures, |day| day.logins_refused)}
                {chart("Checks refused", "/admin/audit?action=check.refused", figures, |day| day.checks_refused)}
            </div>
            <p class="mt-4 text-sm text-muted">
                "Counted " <time datetime=at.rfc3339() title=at.exact()>
                    {how_long_ago(at, now)}
                </time> "."
            </p>
        </section>
    }
    .into_any()
}

/// To the second: numbers of this very minute may be from before something that an administrator has just done.
fn how_long_ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at).as_secs() {
        1 => "1 second ago".to_owned(),
        seconds @ 2..60 => format!("{seconds} seconds ago"),
        _ => at.relative_to(now),
    }
}

fn number(value: i64, [one, many]: [&'static str; 2], href: &'static str) -> AnyView {
    let words = if value == 1 { one } else { many };
    view! {
        <a href=href class="figure">
            <span class="text-xl font-semibold">{grouped(value)}</span>
            <span class="text-sm text-muted">{words}</span>
        </a>
    }
    .into_any()
}

fn grouped(value: i64) -> String {
    let words = counted(usize::try_from(value).unwrap_or(0), "x");
    words.split(' ').next().unwrap_or_default().to_owned()
}

fn chart(title: &'static str, href: &'static str, figures: &Figures, count: impl Fn(&Day) -> i64) -> AnyView {
    let values: Vec<_> = figures.days.iter().map(&count).collect();
    let total: i64 = values.iter().sum();
    let total = if total == 0 { "none".to_owned() } else { grouped(total) };
    let words = format!("{total} in {} days", values.len());
    let (first, last) = match (figures.days.first(), figures.days.last()) {
        (Some(first), Some(last)) => (first.begins.short_date(), last.begins.short_date()),
        _ => return ().into_any(),
    };
    let label = format!("{title}: {words}, at most {} on a day", values.iter().max().copied().unwrap_or(0));
    view! {
        <div>
            <div class="flex flex-wrap items-baseline justify-between gap-x-4">
                <h3>
                    <a class="link" href=href>
                        {title}
                    </a>
                </h3>
                <span class="text-sm text-muted">{words}</span>
            </div>
            {bars(&Bars { label, values })}
            <div class="flex justify-between text-sm text-muted">
                <span>{first}</span>
                <span>{last}</span>
            </div>
        </div>
    }
    .into_any()
}
