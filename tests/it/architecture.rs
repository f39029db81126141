//! Who may use whom: the table of the architecture, checked against the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a module may use of the crate. What only wires (`server::{mod, start, cli}`, `main`, `lib`) may use everything.
/// `config`, `keys`, `telemetry` and `ambient` are what the others stand on.
const MAY_USE: [(&str, &[&str]); 15] = [
    ("domain", &["domain"]),
    ("islands", &["islands", "domain"]),
    ("server::ambient", &["domain"]),
    ("server::config", &["server::config", "domain"]),
    ("server::keys", &["domain"]),
    ("server::telemetry", &[]),
    ("server::trials", &["domain"]),
    ("server::selftest", &["server::selftest", "domain"]),
    ("server::store", &["server::store", "domain", "server::keys"]),
    ("server::identity", &["server::identity", "domain", "server::config", "server::store", "server::keys"]),
    (
        "server::credential",
        &["server::credential", "domain", "server::identity", "server::store", "server::keys", "server::config"],
    ),
    (
        "server::service",
        &[
            "server::service",
            "domain",
            "server::credential",
            "server::identity",
            "server::store",
            "server::keys",
            "server::config",
            "server::telemetry",
        ],
    ),
    ("server::demo", &["server::demo", "domain"]),
    (
        "server::http",
        &[
            "server::http",
            "domain",
            "server::service",
            "server::credential",
            "server::identity",
            "server::ui::app",
            "server::ui::pages",
            "server::config",
            "server::keys",
            "server::telemetry",
        ],
    ),
    ("server::ui", &["server::ui", "domain", "islands", "server::service"]),
];

/// Longest file, in lines.
const LINES_MAX: usize = 400;

struct Source {
    /// From the root of the repository.
    file: String,
    /// `server::http::api::tokens`
    module: Vec<String>,
    /// Without comments and without the tests at the end.
    code: String,
    lines: usize,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    visit(&root().join("src"), &mut sources);
    assert!(sources.len() > 80, "the sources were not found");
    sources
}

fn visit(folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(&path));
        }
    }
}

fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let inside = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<_> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<_> = before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let file = path.strip_prefix(root()).unwrap().display().to_string();
    Source { file, module, code: code.join("\n"), lines: text.lines().count(), text }
}

/// The paths into the crate that a source mentions, from its root.
fn used_paths(source: &Source) -> BTreeSet<String> {
    let from_root = source.code.split("crate::").skip(1).flat_map(|rest| expand(rest, &[]));
    let from_parents = source.code.split("use super::").skip(1).flat_map(|rest| {
        let ups = 1 + rest.split("super::").take_while(|part| part.is_empty()).count();
        let rest = rest.trim_start_matches("super::");
        let base = &source.module[..source.module.len().saturating_sub(ups)];
        expand(rest, base)
    });
    from_root.chain(from_parents).collect()
}

/// The first segments of a path, and of each path in braces behind it.
fn expand(rest: &str, base: &[String]) -> Vec<String> {
    let end = rest.find(';').unwrap_or(rest.len());
    let rest = &rest[..end];
    let (head, group) = match rest.split_once('{') {
        Some((head, group)) if is_path(head) => (head, group.split(',').collect()),
        _ => ("", vec![rest]),
    };
    let whole = |tail: &str| {
        let path = format!("{head}{}", tail.trim());
        let end = path.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(path.len());
        let segments = path[..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned);
        base.iter().cloned().chain(segments).collect::<Vec<_>>().join("::")
    };
    group.into_iter().map(whole).filter(|path| !path.is_empty()).collect()
}

fn is_path(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
}

fn lies_in(path: &str, module: &str) -> bool {
    path == module || path.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
}

fn is_in(source: &Source, module: &str) -> bool {
    lies_in(&source.module.join("::"), module)
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for source in &sources() {
        let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| is_in(source, module)) else { continue };
        for path in used_paths(source) {
            let ours = ["domain", "islands", "server"].iter().any(|root| lies_in(&path, root));
            if ours && !allowed.iter().any(|module| lies_in(&path, module)) {
                wrong.push(format!("{} uses {path}", source.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table_or_only_wires() {
    let wiring = ["main", "lib", "server", "server::error", "server::open", "server::start"];
    for source in sources() {
        let module = source.module.join("::");
        let wires = wiring.contains(&module.as_str()) || is_in(&source, "server::cli");
        let known = wires || MAY_USE.iter().any(|(known, _)| is_in(&source, known));
        assert!(known, "{} has no place in the table", source.file);
    }
}

/// The files that a rule is broken in.
fn files(broken: impl Fn(&Source) -> bool) -> Vec<String> {
    sources().into_iter().filter(broken).map(|source| source.file).collect()
}

/// Whether a source names a crate, and not one whose name ends alike.
fn names(source: &Source, name: &str) -> bool {
    let path = format!("{name}::");
    let word_before = |at: usize| source.code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'));
    source.code.match_indices(&path).any(|(at, _)| !word_before(at))
}

#[track_caller]
fn assert_only_in(name: &str, modules: &[&str]) {
    let wrong = files(|source| names(source, name) && !modules.iter().any(|module| is_in(source, module)));
    assert!(wrong.is_empty(), "{name} is used in {wrong:?}");
}

#[test]
fn sql_lives_in_the_store_and_nowhere_else() {
    assert_only_in("sqlx", &["server::store"]);
    let statement = |text: &str| ["SELECT ", "INSERT INTO", "DELETE FROM"].iter().any(|word| text.contains(word));
    let wrong = files(|source| statement(&source.code) && !is_in(source, "server::store"));
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn axum_is_known_only_at_the_edge() {
    assert_only_in("axum", &["server::http", "server::demo", "server::start"]);
}

#[test]
fn grpc_is_known_only_to_its_adapter() {
    for name in ["tonic", "tonic_health", "envoy_types"] {
        assert_only_in(name, &["server::http::grpc"]);
    }
}

#[test]
fn the_rules_ask_for_no_time_no_chance_and_no_files() {
    for name in ["tokio", "std::fs", "std::env", "rand", "leptos", "http", "SystemTime", "Instant"] {
        let wrong = files(|source| is_in(source, "domain") && source.code.contains(&format!("{name}::")));
        assert!(wrong.is_empty(), "{name} is used in {wrong:?}");
    }
}

#[test]
fn conditional_compilation_stays_at_the_root() {
    let mut wrong = Vec::new();
    // Whether mistakes can be made is a question of the build, too.
    let exceptions = ["src/lib.rs", "src/domain/lease/flaw.rs"];
    for source in sources().iter().filter(|source| !exceptions.contains(&source.file.as_str())) {
        let code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let conditional = code.filter(|line| ["#[cfg", "#![cfg", "cfg!("].iter().any(|cfg| line.contains(cfg)));
        wrong.extend(
            conditional.filter(|line| line.trim() != "#[cfg(test)]").map(|line| format!("{}: {line}", source.file)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_file_is_longer_than_a_reader_s_patience() {
    let long: Vec<_> = sources().into_iter().filter(|source| source.lines > LINES_MAX).collect();
    let long: Vec<_> = long.iter().map(|source| format!("{}: {} lines", source.file, source.lines)).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn leptos_toml_says_what_cargo_toml_says() {
    let section = |file: &str| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        text.parse::<toml::Table>().unwrap()["package"]["metadata"]["leptos"].as_table().unwrap().clone()
    };
    let (deployed, cargo) = (section("Leptos.toml"), section("Cargo.toml"));
    assert!(!deployed.is_empty());
    for (key, value) in &deployed {
        assert_eq!(cargo.get(key), Some(value), "{key}");
    }
}
