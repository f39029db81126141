//! What there is to be asked, as the sources say.

use std::collections::BTreeSet;
use std::path::Path;

/// What a router can be told a method by.
const METHODS: [&str; 9] = ["get", "post", "put", "patch", "delete", "head", "options", "trace", "any"];
/// Ways to give a route that are not read here.
const OTHER_WAYS: [&str; 7] =
    [".route_service(", ".nest(", ".nest_service(", "MethodFilter", "_service(get", " on(", ".connect("];

/// Every route, server function and remote procedure.
pub fn everything() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for folder in ["src/server/http", "src/server/ui"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    let mut found = BTreeSet::new();
    // Files are for everybody, and have a test of their own.
    for source in sources.iter().filter(|source| !source.contains("fn at_the_root(")) {
        let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for way in OTHER_WAYS {
            assert!(!code.contains(way), "{way} gives routes that this test does not see");
        }
        found.extend(routes(&code));
        found.extend(checks(&code));
        found.extend(procedures(&code));
        let functions = code.split("endpoint = \"").skip(1);
        found.extend(functions.map(|function| format!("POST /ui/{}", function.split('"').next().unwrap())));
    }
    found
}

/// What a router is given.
fn routes(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for route in code.split(".route(").skip(1) {
        let (path, handlers) = route[..end_of_call(route)].split_once(',').unwrap();
        let path = match path.trim() {
            "JWKS" => "/.well-known/jwks.json",
            "METADATA" => "/.well-known/oauth-authorization-server",
            path => path.trim_matches('"'),
        };
        for method in METHODS {
            if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert!(found.iter().any(|found| found.ends_with(path)), "{path} has no method that this test knows");
    }
    found
}

/// `/check` stands before the router: the paths that its forms are recognised by.
fn checks(code: &str) -> BTreeSet<String> {
    let Some((_, rest)) = code.split_once("strip_prefix(\"/check\")?") else { return BTreeSet::new() };
    let body = rest.split("\n    }\n").next().unwrap();
    let texts = body.split('"').skip(1).step_by(2);
    texts.map(|text| format!("ANY /check{text}")).collect()
}

/// The methods of services that answer to gRPC.
fn procedures(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for service in code.split("#[tonic::async_trait]\nimpl ").skip(1) {
        let (name, rest) = service.split_once(" for ").unwrap();
        let name = name.rsplit("::").next().unwrap();
        let methods = rest.split("\n}\n").next().unwrap().split("    async fn ").skip(1);
        found.extend(methods.map(|method| format!("RPC {name}/{}", method.split('(').next().unwrap())));
    }
    found
}

/// The end of the arguments that a text begins with.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    text.len()
}

fn collect(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(std::fs::read_to_string(path).unwrap());
        }
    }
}
