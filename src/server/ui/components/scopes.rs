//! Scopes: as tags, and as choices grouped by what they are about.

use std::collections::BTreeMap;

use leptos::prelude::*;

use crate::domain::scope::{Catalogue, ScopeEntry, ScopeName};
use crate::domain::view::TokenView;

/// Why the owner may not use a scope any more.
#[must_use]
pub fn loss(name: &ScopeName, catalogue: &Catalogue) -> String {
    match catalogue.get(name) {
        None => "it is no longer offered".to_owned(),
        Some(entry) => {
            let roles: Vec<&str> = entry.roles.iter().map(String::as_str).collect();
            format!("it needs the role {}", roles.join(" or "))
        }
    }
}

/// The name of a scope as a tag, struck through when it is lost.
#[must_use]
pub fn tag(name: &ScopeName, usable: bool) -> AnyView {
    let name = name.to_string();
    if usable {
        view! { <span class="tag">{name}</span> }.into_any()
    } else {
        view! {
            <span class="tag tag-off">
                <s>{name}</s>
                <span class="sr-only">" (lost)"</span>
            </span>
        }
        .into_any()
    }
}

/// The scopes of a token as tags, with a line for each that its owner may not use any more.
#[must_use]
pub fn tags(token: &TokenView, catalogue: &Catalogue) -> AnyView {
    let usable = |name: &ScopeName| token.effective_scopes.contains(name.as_str());
    let tags: Vec<_> = token.scopes.iter().map(|name| tag(name, usable(name))).collect();
    let losses: Vec<_> = token
        .scopes
        .iter()
        .filter(|name| !usable(name))
        .map(|name| {
            let reason = format!("You may not use {name}: {}.", loss(name, catalogue));
            view! { <p class="mt-1 text-sm text-muted">{reason}</p> }
        })
        .collect();
    view! {
        <div class="flex flex-wrap gap-1">{tags}</div>
        {losses}
    }
    .into_any()
}

/// One scope to choose.
#[must_use]
pub fn choice(entry: &ScopeEntry, checked: bool) -> AnyView {
    let name = entry.name.to_string();
    let description = entry.description.clone();
    view! {
        <label class="scope-choice" data-scope="">
            <input type="checkbox" class="checkbox mt-0.5" name="scope" value=name.clone() checked=checked/>
            <span class="grid min-w-0 flex-1 gap-x-6 sm:grid-cols-[14rem_1fr]">
                <span class="prose-code">{name}</span>
                <span class="text-muted">{description}</span>
            </span>
        </label>
    }
    .into_any()
}

/// Scopes by what they are about; within a group reading comes before writing, and both before the rest.
#[must_use]
pub fn grouped(entries: Vec<ScopeEntry>) -> Vec<(String, Vec<ScopeEntry>)> {
    let mut groups = BTreeMap::<String, Vec<ScopeEntry>>::new();
    for entry in entries {
        groups.entry(entry.name.resource().to_owned()).or_default().push(entry);
    }
    for group in groups.values_mut() {
        group.sort_by(|a, b| (rank(&a.name), &a.name).cmp(&(rank(&b.name), &b.name)));
    }
    groups.into_iter().collect()
}

fn rank(name: &ScopeName) -> u8 {
    match name.as_str().split_once(':') {
        Some(("read", _)) => 0,
        Some(("write", _)) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> ScopeEntry {
        ScopeEntry { name: ScopeName::parse(name).unwrap(), description: String::new(), roles: [].into() }
    }

    #[test]
    fn scopes_are_grouped_by_resource_and_read_comes_first() {
        let names = ["admin:users", "delete:users", "read:users", "write:users", "read:reports"];
        let groups = grouped(names.into_iter().map(entry).collect());
        let shape: Vec<String> = groups
            .iter()
            .map(|(resource, entries)| {
                let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
                format!("{resource} = {}", names.join(" "))
            })
            .collect();
        assert_eq!(shape, ["reports = read:reports", "users = read:users write:users admin:users delete:users"]);
    }
}
