//! The API, from its `OpenAPI` document, as plain HTML.

use leptos::prelude::*;
use leptos_meta::Title;
use serde_json::Value;

use crate::server::ui::components::icon::Icon;
use crate::server::ui::components::openapi::{Answer, Field, Operation, Shape, operations, tag_description, text};

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
        .map(|(tag, _)| view! { <li><a class="link inline-block py-2 first-letter:uppercase" href=format!("#{}", anchor(tag))>{tag.clone()}</a></li> })
        .collect();
    let section = |(tag, operations): (String, _)| section(&tag, &tag_description(&document, &tag), operations);
    let sections: Vec<_> = groups.into_iter().map(section).collect();
    view! {
        <Title text="API"/>
        <div class="flex max-w-column flex-col gap-3">
            <h1>{text(info, "title")}</h1>
            <p class="text-sm text-muted">
                "Version " {text(info, "version")} " · "
                <a class="link" href="/api/v1/openapi.json">"OpenAPI document"</a>
            </p>
            {paragraphs(&text(info, "description"))}
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

/// Text of the document: a blank line ends a paragraph, any other is only a break in the source.
fn paragraphs(text: &str) -> Vec<AnyView> {
    let filled = text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    filled.map(|paragraph| view! { <p class="max-w-column">{prose(paragraph)}</p> }.into_any()).collect()
}

/// Text of the document in which code stands between backticks.
fn prose(text: &str) -> Vec<AnyView> {
    let part = |(index, part): (usize, &str)| {
        let part = part.to_owned();
        if index % 2 == 0 { part.into_any() } else { view! { <code class="prose-code">{part}</code> }.into_any() }
    };
    // An empty text would be drawn as a space.
    text.split('`').enumerate().filter(|(_, part)| !part.is_empty()).map(part).collect()
}

fn section(tag: &str, description: &str, operations: Vec<Operation>) -> AnyView {
    let operations: Vec<_> = operations.into_iter().map(operation).collect();
    view! {
        <section id=anchor(tag) class="mt-12 flex flex-col gap-3">
            <h2 class="first-letter:uppercase">{tag.to_owned()}</h2>
            {paragraphs(description)}
            <div class="border-t border-base-300">{operations}</div>
        </section>
    }
    .into_any()
}

fn operation(operation: Operation) -> AnyView {
    let answers: Vec<_> = operation.answers.into_iter().map(answer).collect();
    view! {
        <details class="border-b border-base-300">
            <summary class="operation">
                <span class="font-mono text-sm font-semibold text-primary">{operation.method}</span>
                <span class="prose-code">{breakable(&operation.path)}</span>
                <span class="operation-summary">{operation.summary}</span>
                <span class="operation-mark">{Icon::Down.view()}</span>
            </summary>
            <div class="flex flex-col gap-6 pt-2 pb-8 md:ps-18">
                {paragraphs(&operation.description)}
                {fields("Parameters", operation.parameters)}
                {operation.body.map(|body| shape("Request", body))}
                <div class="flex flex-col gap-4">{answers}</div>
            </div>
        </details>
    }
    .into_any()
}

/// A path that is broken, where it must be, after a slash.
fn breakable(path: &str) -> Vec<AnyView> {
    path.split_inclusive('/').map(|part| view! { {part.to_owned()} <wbr/> }.into_any()).collect()
}

fn answer(answer: Answer) -> AnyView {
    let title = format!("{} {}", answer.status, answer.description);
    match answer.body {
        Some(mut body) => {
            // Nobody has to give what an answer holds.
            body.fields.iter_mut().for_each(|field| field.required = false);
            shape(title.trim(), body)
        }
        None => view! { <p>{prose(&title)}</p> }.into_any(),
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
            <h3>{prose(title)}</h3>
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
            <td role="cell">{field.kind}</td>
            <td role="cell">{prose(&field.description)}</td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(views: Vec<AnyView>) -> String {
        Owner::new().with(|| views.into_iter().map(RenderHtml::to_html).collect())
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        assert_eq!(html(prose("`a<b` or <b>c")), "<code class=\"prose-code\">a&lt;b</code> or &lt;b&gt;c");
    }

    #[test]
    fn only_a_blank_line_ends_a_paragraph() {
        assert_eq!(html(paragraphs("one\ntwo\n\nthree")).matches("<p ").count(), 2);
        assert!(paragraphs("").is_empty());
    }
}
