//! Reading an `OpenAPI` 3.1 document: only what the page shows of it.

use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `GET`
    pub method: String,
    /// `/api/v1/tokens/{id}`
    pub path: String,
    /// The group it belongs to.
    pub tag: String,
    /// One line.
    pub summary: String,
    /// More lines.
    pub description: String,
    /// Parameters in path and query.
    pub parameters: Vec<Field>,
    /// The fields of its body.
    pub body: Option<Shape>,
    /// Its answers.
    pub answers: Vec<Answer>,
}

/// One answer of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `200`
    pub status: String,
    /// When it is given.
    pub description: String,
    /// What it carries.
    pub body: Option<Shape>,
}

/// What a body is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its type in words, with the name of its schema where it has one.
    pub kind: String,
    /// Its fields, where it is an object or a list of objects.
    pub fields: Vec<Field>,
}

/// A parameter, or a field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type in words.
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub description: String,
}

/// All operations, in the order of the document.
#[must_use]
pub fn operations(document: &Value) -> Vec<Operation> {
    let Some(paths) = document["paths"].as_object() else { return Vec::new() };
    let of_path = |(path, item): (&String, &Value)| {
        let item = item.clone();
        let path = path.clone();
        METHODS
            .into_iter()
            .filter_map(move |method| {
                item.get(method).map(|operation| read_operation(document, method, &path, &item, operation))
            })
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// What is said about a group of operations.
#[must_use]
pub fn tag_description(document: &Value, tag: &str) -> String {
    list(&document["tags"])
        .find(|found| found["name"] == tag)
        .map(|found| text(found, "description"))
        .unwrap_or_default()
}

/// A text of the document; empty where there is none.
#[must_use]
pub fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn read_operation(document: &Value, method: &str, path: &str, item: &Value, operation: &Value) -> Operation {
    let parameters = list(&item["parameters"]).chain(list(&operation["parameters"]));
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        tag: operation["tags"][0].as_str().unwrap_or("Operations").to_owned(),
        summary: text(operation, "summary"),
        description: text(operation, "description"),
        parameters: parameters.map(|parameter| read_parameter(document, parameter)).collect(),
        body: content(document, resolve(document, &operation["requestBody"])),
        answers: answers(document, &operation["responses"]),
    }
}

fn read_parameter(document: &Value, parameter: &Value) -> Field {
    let parameter = resolve(document, parameter);
    Field {
        name: text(parameter, "name"),
        kind: kind(document, &parameter["schema"]),
        required: parameter["required"].as_bool().unwrap_or_default(),
        description: text(parameter, "description"),
    }
}

fn answers(document: &Value, responses: &Value) -> Vec<Answer> {
    let Some(responses) = responses.as_object() else { return Vec::new() };
    let read = |(status, answer): (&String, &Value)| {
        let answer = resolve(document, answer);
        Answer { status: status.clone(), description: text(answer, "description"), body: content(document, answer) }
    };
    responses.iter().map(read).collect()
}

/// The first media type's schema, if it has one.
fn content(document: &Value, holder: &Value) -> Option<Shape> {
    let media = holder["content"].as_object()?.values().next()?;
    let schema = media.get("schema")?;
    let inner = if schema["items"].is_object() { &schema["items"] } else { schema };
    Some(Shape { kind: kind(document, schema), fields: fields(document, resolve(document, inner)) })
}

fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let parts = list(&schema["allOf"]).flat_map(|part| fields(document, resolve(document, part)));
    let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, property)| Field {
        name: name.clone(),
        kind: kind(document, property),
        required: required.contains(&name.as_str()),
        description: described(property),
    });
    parts.chain(own).collect()
}

/// What a property means; where it may be null, that stands beside its other alternative.
fn described(property: &Value) -> String {
    let alternatives = list(&property["oneOf"]);
    let mut said = std::iter::once(property).chain(alternatives).map(|schema| text(schema, "description"));
    said.find(|said| !said.is_empty()).unwrap_or_default()
}

/// A type in words: `list of text`, `Token`, `whole number or null`. Objects go by their name.
fn kind(document: &Value, schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let alternatives = &resolve(document, schema)["oneOf"];
        return if alternatives.is_array() {
            any_of(document, alternatives)
        } else {
            name.rsplit('/').next().unwrap_or(name).to_owned()
        };
    }
    if let Some(alternatives) = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema.get(key)) {
        return any_of(document, alternatives);
    }
    let names: Vec<String> = match &schema["type"] {
        Value::String(name) => vec![named(document, schema, name)],
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(|name| named(document, schema, name)).collect()
        }
        _ => vec!["any value".to_owned()],
    };
    names.join(" or ")
}

fn any_of(document: &Value, alternatives: &Value) -> String {
    list(alternatives).map(|schema| kind(document, schema)).collect::<Vec<_>>().join(" or ")
}

fn named(document: &Value, schema: &Value, name: &str) -> String {
    match (name, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(document, &schema["items"])),
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", Some("uuid")) => "UUID".to_owned(),
        ("string", _) if schema["enum"].is_array() => list(&schema["enum"])
            .filter_map(Value::as_str)
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>()
            .join(", "),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("boolean", _) => "true or false".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Follows a local reference, once: what is read here is never a chain.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_and_lists_are_said_in_words() {
        let document = json!({
            "paths": { "/tokens": { "get": {
                "tags": ["Tokens"],
                "responses": { "200": { "description": "ok", "content": { "application/json": {
                    "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Token" } } } } } }
            } } },
            "components": { "schemas": { "Token": { "type": "object", "required": ["id"], "properties": {
                "id": { "type": "string", "format": "uuid" },
                "description": { "type": ["string", "null"] },
                "ends": { "oneOf": [
                    { "$ref": "#/components/schemas/Span", "description": "When." }, { "type": "null" } ] }
            } }, "Span": { "oneOf": [{ "type": "string" }, { "type": "integer" }] } } }
        });
        let operations = operations(&document);
        let body = operations[0].answers[0].body.as_ref().unwrap();
        assert_eq!(body.kind, "list of Token");
        let words: Vec<String> =
            body.fields.iter().map(|field| format!("{} {} {}", field.name, field.kind, field.required)).collect();
        assert_eq!(
            words,
            ["description text or null false", "ends text or whole number or null false", "id UUID true"]
        );
        assert_eq!(body.fields[1].description, "When.");
    }

    #[test]
    fn an_answer_without_a_schema_has_nothing_to_show() {
        let document = json!({
            "tags": [{ "name": "Tokens", "description": "All of them." }],
            "paths": { "/tokens": { "get": { "responses": {
                "401": { "description": "no", "content": { "application/problem+json": {} } }
            } } } }
        });
        assert_eq!(operations(&document)[0].answers[0].body, None);
        assert_eq!(tag_description(&document, "Tokens"), "All of them.");
        assert_eq!(tag_description(&document, "Others"), "");
    }
}
