//! The API, from its `OpenAPI` document, as plain HTML.

use leptos::prelude::*;
use leptos_meta::Title;
use serde_json::Value;

use crate::server::ui::components::openapi::{Answer, Field, Operation, Shape, operations, text};

/// The page of the API.
#[component]
pub fn ApiDocsPage(
    /// An `OpenAPI` 3.1 document.
    document: Value,
) -> impl IntoView {
    let info = &document["info"];
    let groups = by_tag(operations(&document));
    let contents: Vec<_> = groups
        .iter()
        .map(|(tag, _)| view! { <li><a class="link inline-block py-2" href=format!("#{}", anchor(tag))>{tag.clone()}</a></li> })
        .collect();
    let sections: Vec<_> = groups.into_iter().map(|(tag, operations)| section(&tag, operations)).collect();
    view! {
        <Title text="API"/>
        <div class="flex max-w-column flex-col gap-3">
            <h1>{text(info, "title")}</h1>
            <p class="text-sm text-muted">
                "Version " {text(info, "version")} " · "
                <a class="link" href="/api/v1/openapi.json">"OpenAPI document"</a>
            </p>
            <p class="whitespace-pre-line">{text(info, "description")}</p>
            <nav aria-label="On this page">
                <ul class="flex flex-wrap gap-x-6">{contents}</ul>
            </nav>
        </div>
        {sections}
    }
    .into_any()
}

/// Operations by their tag, tags in the order of their first operation.
fn by_tag(operations: Vec<Operation>) -> Vec<(String, Vec<Operation>)> {
    let mut groups: Vec<(String, Vec<Operation>)> = Vec::new();
    for operation in operations {
        match groups.iter_mut().find(|(tag, _)| *tag == operation.tag) {
            Some((_, group)) => group.push(operation),
            None => groups.push((operation.tag.clone(), vec![operation])),
        }
    }
    groups
}

/// A name as an id.
fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn section(tag: &str, operations: Vec<Operation>) -> AnyView {
    let operations: Vec<_> = operations.into_iter().map(operation).collect();
    view! {
        <section id=anchor(tag) class="mt-12">
            <h2 class="mb-3">{tag.to_owned()}</h2>
            <div class="border-t border-base-300">{operations}</div>
        </section>
    }
    .into_any()
}

fn operation(operation: Operation) -> AnyView {
    let answers: Vec<_> = operation.answers.into_iter().map(answer).collect();
    view! {
        <details class="border-b border-base-300">
            <summary class="flex min-h-12 flex-wrap items-center gap-x-4 py-2">
                <span class="w-14 font-mono text-sm font-semibold text-primary">{operation.method}</span>
                <span class="prose-code">{operation.path}</span>
                <span class="text-muted">{operation.summary}</span>
            </summary>
            <div class="flex flex-col gap-6 pt-2 pb-8 sm:ps-18">
                {(!operation.description.is_empty()).then(|| view! {
                    <p class="max-w-column whitespace-pre-line">{operation.description}</p>
                })}
                {fields("Parameters", operation.parameters)}
                {operation.body.map(|body| shape("Request", body))}
                <div class="flex flex-col gap-4">{answers}</div>
            </div>
        </details>
    }
    .into_any()
}

fn answer(answer: Answer) -> AnyView {
    let title = format!("{} {}", answer.status, answer.description);
    match answer.body {
        Some(body) => shape(&title, body),
        None => view! { <h3>{title}</h3> }.into_any(),
    }
}

fn shape(title: &str, shape: Shape) -> AnyView {
    fields(&format!("{title}: {}", shape.kind), shape.fields)
}

fn fields(title: &str, fields: Vec<Field>) -> AnyView {
    if fields.is_empty() && title == "Parameters" {
        return ().into_any();
    }
    let none = fields.is_empty();
    let rows: Vec<_> = fields.into_iter().map(field).collect();
    view! {
        <div>
            <h3>{title.to_owned()}</h3>
            {(!none).then(|| view! {
                <table class="rows fields" role="table">
                    <thead role="rowgroup">
                        <tr role="row">
                            <th role="columnheader" scope="col">"Name"</th>
                            <th role="columnheader" scope="col">"Type"</th>
                            <th role="columnheader" scope="col">"Meaning"</th>
                        </tr>
                    </thead>
                    <tbody role="rowgroup">{rows}</tbody>
                </table>
            })}
        </div>
    }
    .into_any()
}

fn field(field: Field) -> AnyView {
    view! {
        <tr role="row">
            <td role="cell">
                <span class="prose-code">{field.name}</span>
                {field.required.then(|| view! { <span class="text-sm text-muted">" (required)"</span> })}
            </td>
            <td role="cell" data-label="Type"><span>{field.kind}</span></td>
            <td role="cell" data-label="Meaning"><span>{field.description}</span></td>
        </tr>
    }
    .into_any()
}
