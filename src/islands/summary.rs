//! The form for a new token, said in words while it is filled in.

use leptos::prelude::*;

use super::{dom, words};
use crate::domain::time::Timestamp;

/// Keeps `#expiry-sentence` and `#summary` true to what is chosen in the form around them. Shows nothing of its own.
#[island]
pub fn LiveSummary() -> impl IntoView {
    Effect::new(move |_| {
        describe();
        // Listening once at the window covers every field, also those that the browser fills in by itself.
        window_event_listener(leptos::ev::change, |_| describe());
        window_event_listener(leptos::ev::pageshow, |_| describe());
    });
    view! { <span hidden=true></span> }
}

fn describe() {
    let Some(now) = now() else { return };
    let (sentence, until) = match chosen_expiry(now) {
        Ok(expiry) => (words::expiry_sentence(expiry, now), words::until(expiry)),
        Err(advice) => (advice.to_owned(), String::new()),
    };
    dom::say("#expiry-sentence", &sentence);
    let scopes: Vec<String> =
        dom::all("input[name=scope]:checked").iter().filter_map(|scope| scope.get_attribute("value")).collect();
    dom::say("#summary", &words::summary(scopes.iter().map(String::as_str), &until));
    if let Some(panel) = dom::first("#summary-panel") {
        dom::show(&panel, true);
    }
}

/// The expiry that is chosen, `None` being never; what to do while there is none.
fn chosen_expiry(now: Timestamp) -> Result<Option<Timestamp>, &'static str> {
    let radio = dom::input("input[name=lifetime]:checked").ok_or("Please choose a lifetime.")?;
    match radio.value().as_str() {
        "never" => Ok(None),
        "date" => match chosen_date().ok_or("Please choose a date.")? {
            at if at > now => Ok(Some(at)),
            _ => Err("Please choose a date in the future."),
        },
        _ => Ok(radio.get_attribute("data-at").and_then(|at| instant(&at))),
    }
}

fn chosen_date() -> Option<Timestamp> {
    Timestamp::parse_end_of_date(&dom::input("input[name=date]")?.value())
}

fn now() -> Option<Timestamp> {
    instant(&dom::first("[data-now]")?.get_attribute("data-now")?)
}

/// Seconds since the epoch, as the server writes them into the page.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_seconds)
}
