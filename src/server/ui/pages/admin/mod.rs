//! What administrators see. Dense, and nothing moves.

pub mod audit;
pub mod bulk;
pub mod identify;
pub mod overview;
pub mod token;
pub mod tokens;
pub mod user;
pub mod users;

use leptos::prelude::*;

/// The places of the panel.
const PLACES: &[(&str, &str)] = &[
    ("/admin", "Overview"),
    ("/admin/tokens", "Tokens"),
    ("/admin/users", "Users"),
    ("/admin/audit", "Audit log"),
    ("/admin/identify", "Whose token?"),
];

/// The heading of a page, with the places of the panel above it.
fn heading(title: &str, here: &str) -> AnyView {
    let places: Vec<_> = PLACES
        .iter()
        .map(|(href, label)| {
            view! {
                <a class="place" href=*href aria-current=(*href == here).then_some("page")>
                    {*label}
                </a>
            }
        })
        .collect();
    view! {
        <nav aria-label="Administration" class="panel-places">{places}</nav>
        <h1>{title.to_owned()}</h1>
    }
    .into_any()
}

/// A number of things, such as `1 token` and `12,000 tokens`.
fn counted(count: usize, one: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if count == 1 { format!("1 {one}") } else { format!("{grouped} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        for (count, words) in [
            (0, "0 tokens"),
            (1, "1 token"),
            (999, "999 tokens"),
            (1_000, "1,000 tokens"),
            (1_234_567, "1,234,567 tokens"),
        ] {
            assert_eq!(counted(count, "token"), words);
        }
    }
}
