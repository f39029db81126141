//! From a file and the environment to [`RawConfig`], listing everything that is wrong and not only the first.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::value::{Dict, Tag, Value};

use super::raw::RawConfig;

const ENV_PREFIX: &str = "HALLPASS_";

/// One thing that is wrong, with its key and, where it is known, its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what would be right.
    pub reason: String,
    /// The line in the file.
    pub line: Option<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// Where configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file and its text.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// What `--demo` presets.
    pub preset: Option<Dict>,
}

/// What was read, before it is judged.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub raw: RawConfig,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Whether the file is no TOML at all, so that nothing else can be said about it.
    pub unreadable: bool,
    /// Variables that look like ours and are not.
    pub warnings: Vec<String>,
    /// Folder that relative paths of the file start from.
    pub base: PathBuf,
    /// Keys that were set by the environment; their relative paths start from the working directory.
    pub from_env: Vec<String>,
    lines: Lines,
}

impl Loaded {
    /// The line of a key in the file.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        self.lines.find(key)
    }
}

/// Merges the sources, later ones over earlier ones: preset, file, environment.
#[must_use]
pub fn load(sources: &Sources) -> Loaded {
    let mut problems = Vec::new();
    let (mut dict, lines) = match &sources.file {
        Some((_, text)) => parse_file(text, &mut problems),
        None => (Dict::new(), Lines::default()),
    };
    let unreadable = !problems.is_empty();
    if let Some(preset) = &sources.preset {
        dict = underlay(dict, preset);
    }
    let mut env = apply_env(&mut dict, &sources.env);
    let raw = extract(dict, &mut env, &lines, &mut problems);
    let folder = sources.file.as_ref().and_then(|(path, _)| path.parent()).map(Path::to_path_buf);
    Loaded {
        raw,
        problems,
        unreadable,
        warnings: env
            .unknown
            .iter()
            .map(|name| format!("{name} is not a setting of Hallpass and is ignored"))
            .collect(),
        base: folder.unwrap_or_default(),
        from_env: env.set.into_keys().collect(),
        lines,
    }
}

fn parse_file(text: &str, problems: &mut Vec<Problem>) -> (Dict, Lines) {
    let lines = Lines::of(text);
    match toml::from_str::<Dict>(text) {
        Ok(dict) => (dict, lines),
        Err(error) => {
            let line = error.span().map(|span| line_at(text, span.start));
            problems.push(Problem { key: String::new(), reason: error.message().to_owned(), line });
            (Dict::new(), lines)
        }
    }
}

/// `upper` with what only `lower` has.
fn underlay(mut upper: Dict, lower: &Dict) -> Dict {
    for (key, value) in lower {
        match (upper.get_mut(key), value) {
            (Some(Value::Dict(_, above)), Value::Dict(_, below)) => *above = underlay(std::mem::take(above), below),
            (Some(_), _) => {}
            (None, value) => drop(upper.insert(key.clone(), value.clone())),
        }
    }
    upper
}

/// What the environment set, and the variables that turned out not to be ours.
#[derive(Default)]
struct EnvLayer {
    set: BTreeMap<String, EnvValue>,
    unknown: Vec<String>,
}

/// The text of a variable, and whether it is in the configuration as something else than text.
struct EnvValue {
    text: String,
    typed: bool,
}

fn variable_name(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

fn apply_env(dict: &mut Dict, variables: &[(String, String)]) -> EnvLayer {
    let mut layer = EnvLayer::default();
    for (path, name, text) in in_order(variables) {
        let value = env_value(text);
        let typed = !matches!(value, Value::String(..));
        if put(dict, &path, value) {
            layer.set.insert(path.join("."), EnvValue { text: text.to_owned(), typed });
        } else {
            layer.unknown.push(name.to_owned());
        }
    }
    layer
}

/// Our variables with their paths: what is whole before its parts, and items by their numbers. An environment has no order
/// of its own, and whatever comes before its place in a list is there is lost.
fn in_order(variables: &[(String, String)]) -> Vec<(Vec<String>, &str, &str)> {
    let ours = variables.iter().filter_map(|(name, text)| {
        let path = name.strip_prefix(ENV_PREFIX)?.split("__").map(str::to_lowercase).collect();
        Some((path, name.as_str(), text.as_str()))
    });
    let mut ours: Vec<(Vec<String>, _, _)> = ours.collect();
    ours.sort_by_cached_key(|(path, ..)| {
        path.iter().map(|part| (part.parse::<u64>().ok(), part.clone())).collect::<Vec<_>>()
    });
    ours
}

/// Lists and tables as JSON text, booleans and numbers as such, everything else as text.
fn env_value(text: &str) -> Value {
    let looks_structured = text.starts_with('[') || text.starts_with('{');
    match serde_json::from_str::<Value>(text) {
        Ok(value) if looks_structured || matches!(value, Value::Bool(..) | Value::Num(..)) => value,
        _ => Value::from(text),
    }
}

/// Sets a value at a path, growing arrays by at most one; false where the path cannot be.
fn put(dict: &mut Dict, path: &[String], value: Value) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        dict.insert(first.clone(), value);
        return true;
    }
    let is_index = rest[0].bytes().all(|byte| byte.is_ascii_digit()) && !rest[0].is_empty();
    let empty = if is_index { Value::Array(Tag::Default, Vec::new()) } else { Value::Dict(Tag::Default, Dict::new()) };
    match dict.entry(first.clone()).or_insert(empty) {
        Value::Dict(_, inner) => put(inner, rest, value),
        Value::Array(_, items) => put_item(items, rest, value),
        _ => false,
    }
}

fn put_item(items: &mut Vec<Value>, path: &[String], value: Value) -> bool {
    let Some(index) = path[0].parse::<usize>().ok().filter(|index| *index <= items.len()) else { return false };
    if index == items.len() {
        items.push(Value::Dict(Tag::Default, Dict::new()));
    }
    if path.len() == 1 {
        items[index] = value;
        return true;
    }
    match &mut items[index] {
        Value::Dict(_, inner) => put(inner, &path[1..], value),
        _ => false,
    }
}

/// Reads the keys. What cannot be read is noted, taken out, and reading starts again, so that every problem is found.
fn extract(mut dict: Dict, env: &mut EnvLayer, lines: &Lines, problems: &mut Vec<Problem>) -> RawConfig {
    loop {
        let error = match Value::Dict(Tag::Default, dict.clone()).deserialize::<RawConfig>() {
            Ok(raw) => return raw,
            Err(error) => error,
        };
        let path = error.path.clone();
        let unknown = matches!(error.kind, Kind::UnknownField(..));
        let key = path.join(".");
        if let Some(text) = env.as_text(&key).filter(|_| !unknown) {
            put(&mut dict, &path, Value::from(text));
            continue;
        }
        if !(unknown && env.disown(&key)) {
            problems.push(Problem { reason: explain(&error.kind), line: lines.find(&key), key });
        }
        if !remove(&mut dict, &path) {
            return RawConfig::default();
        }
    }
}

impl EnvLayer {
    /// The text of a variable that was taken for a number or a list, once.
    fn as_text(&mut self, key: &str) -> Option<String> {
        let value = self.set.get_mut(key).filter(|value| value.typed)?;
        value.typed = false;
        Some(value.text.clone())
    }

    /// Orchestrators inject variables of their own: what nobody but the environment set is a warning, not an error.
    fn disown(&mut self, key: &str) -> bool {
        let below = format!("{key}.");
        let foreign = |name: &String| name == key || name.starts_with(&below);
        let names: Vec<_> = self.set.keys().filter(|name| foreign(name)).cloned().collect();
        for name in &names {
            self.set.remove(name);
            self.unknown.push(variable_name(name));
        }
        !names.is_empty()
    }
}

fn explain(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(_, []) => "unknown key".to_owned(),
        Kind::UnknownField(_, known) => format!("unknown key; here are possible: {}", known.join(", ")),
        Kind::InvalidType(found, wanted) => format!("found {found}, expected {}", plain(wanted)),
        other => other.to_string(),
    }
}

/// Names of Rust types in words.
fn plain(wanted: &impl fmt::Display) -> String {
    let text = wanted.to_string();
    match text.as_str() {
        "u32" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if text.starts_with("struct ") => "a table".to_owned(),
        _ => text,
    }
}

fn remove(dict: &mut Dict, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => dict.remove(last).is_some(),
        [first, rest @ ..] => dict.get_mut(first).is_some_and(|value| remove_in(value, rest)),
    }
}

fn remove_in(value: &mut Value, path: &[String]) -> bool {
    match value {
        Value::Dict(_, inner) => remove(inner, path),
        Value::Array(_, items) => {
            let Some(index) = path[0].parse::<usize>().ok().filter(|index| *index < items.len()) else { return false };
            if path.len() == 1 {
                items.remove(index);
                return true;
            }
            remove_in(&mut items[index], &path[1..])
        }
        _ => false,
    }
}

/// On which line each key of the file stands.
#[derive(Debug, Default)]
struct Lines(BTreeMap<String, usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let mut lines = Self::default();
        if let Ok(table) = toml::de::DeTable::parse(text) {
            lines.note_table(text, "", table.get_ref());
        }
        lines
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.0.get(key).copied()
    }

    fn note_table(&mut self, text: &str, prefix: &str, table: &toml::de::DeTable<'_>) {
        for (key, value) in table {
            let path =
                if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            self.0.insert(path.clone(), line_at(text, key.span().start));
            self.note_value(text, &path, value.get_ref());
        }
    }

    fn note_value(&mut self, text: &str, path: &str, value: &toml::de::DeValue<'_>) {
        match value {
            toml::de::DeValue::Table(table) => self.note_table(text, path, table),
            toml::de::DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}.{index}");
                    self.0.insert(path.clone(), line_at(text, item.span().start));
                    self.note_value(text, &path, item.get_ref());
                }
            }
            _ => {}
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
