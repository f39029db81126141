//! The rules for scanners in docs/leaks.md find tokens, and nothing else.

use hallpass::domain::entropy::Entropy as _;
use hallpass::domain::secret::{PlainToken, Prefix, TokenText};
use hallpass::server::ambient::SystemEntropy;
use regex::Regex;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/leaks.md"));

/// A block of the page, by the name of the scanner in front of it.
fn block(scanner: &str, kind: &str) -> &'static str {
    let rest = PAGE.split_once(&format!("**{scanner}**")).unwrap_or_else(|| panic!("no {scanner}")).1;
    let rest = rest.split_once(&format!("```{kind}\n")).unwrap().1;
    rest.split_once("```").unwrap().0
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before}: {text}")).1;
    rest.split_once(after).unwrap().0
}

/// The rule of a configuration of Gitleaks: its pattern, and the words that a file must have to be looked at.
fn gitleaks(configuration: &str) -> (String, Vec<String>) {
    let configuration: toml::Table = configuration.parse().unwrap();
    let rule = &configuration["rules"][0];
    let keywords = rule["keywords"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
    (rule["regex"].as_str().unwrap().to_owned(), keywords.collect())
}

/// Every pattern of the page, with the words without which some scanners do not use it.
fn rules() -> Vec<(&'static str, String, Vec<String>)> {
    let of_gitlab: toml::Table = block("GitLab pipeline secret detection", "toml").parse().unwrap();
    let of_gitlab = of_gitlab["secrets"]["passthrough"][0]["value"].as_str().unwrap();
    let (gitleaks_pattern, gitleaks_words) = gitleaks(block("Gitleaks", "toml"));
    let (gitlab_pattern, gitlab_words) = gitleaks(of_gitlab);
    let trufflehog = block("TruffleHog", "yaml");
    let word = between(trufflehog, "keywords:\n      - ", "\n").to_owned();
    let plain = between(PAGE, "```\nhpat_", "\n```");
    vec![
        ("form", format!("hpat_{plain}"), Vec::new()),
        ("Gitleaks", gitleaks_pattern, gitleaks_words),
        ("TruffleHog", between(trufflehog, "token: '", "'").to_owned(), vec![word]),
        ("GitHub", between(PAGE, "| Secret format | `", "` |").to_owned(), Vec::new()),
        ("GitLab", gitlab_pattern, gitlab_words),
        ("detect-secrets", between(block("detect-secrets", "python"), "re.compile(r\"", "\")").to_owned(), Vec::new()),
    ]
}

fn fresh(prefix: &str) -> String {
    let prefix: Prefix = prefix.parse().unwrap();
    PlainToken::generate(&prefix, |bytes| SystemEntropy.fill(bytes)).reveal().to_owned()
}

#[test]
fn every_rule_finds_a_token_wherever_it_stands_and_all_of_it() {
    for (scanner, pattern, keywords) in rules() {
        let rule = Regex::new(&pattern).unwrap();
        for _ in 0..100 {
            let token = fresh("hpat");
            for text in [
                token.clone(),
                format!("export TOKEN={token}"),
                format!("{{\"token\":\"{token}\"}}"),
                format!("curl -u x:{token}@api.example.org"),
                format!("https://ci/?t={token}&x=1"),
                format!("# {token}\n"),
            ] {
                let found: Vec<_> = rule.find_iter(&text).map(|found| found.as_str()).collect();
                assert_eq!(found, [token.as_str()], "{scanner}: {text}");
                assert!(keywords.iter().any(|word| text.contains(word)) || keywords.is_empty(), "{scanner}: {text}");
            }
        }
    }
}

#[test]
fn no_rule_finds_what_is_no_token() {
    let (token, other) = (fresh("hpat"), fresh("corp"));
    let changed = |at: usize, with: &str| format!("{}{with}{}", &token[..at], &token[at + 1..]);
    for (scanner, pattern, _) in rules() {
        let rule = Regex::new(&pattern).unwrap();
        for text in [
            String::new(),
            "hpat_".to_owned(),
            other.clone(),
            token[..70].to_owned(),
            token[1..].to_owned(),
            token.to_uppercase().replacen("HPAT", "Hpat", 1),
            changed(4, "-"),
            changed(21, "x"),
            changed(10, "_"),
            changed(10, "-"),
            changed(40, "."),
            changed(70, "é"),
            changed(22, " "),
            format!("{}{}", &token[..20], &token[21..]),
            format!("hpat_{}", "a".repeat(66)),
        ] {
            assert!(!rule.is_match(&text), "{scanner}: {text}");
        }
    }
}

#[test]
fn a_rule_for_another_prefix_is_made_as_the_page_says() {
    let other = fresh("corp");
    for (scanner, pattern, keywords) in rules() {
        let renamed = Regex::new(&pattern.replace("hpat", "corp")).unwrap();
        assert_eq!(renamed.find(&other).map(|found| found.as_str()), Some(other.as_str()), "{scanner}");
        assert!(keywords.iter().all(|word| other.contains(&word.replace("hpat", "corp"))), "{scanner}");
        let both = Regex::new(&pattern.replace("hpat", "(?:hpat|corp)")).unwrap();
        assert!(both.is_match(&other) && both.is_match(&fresh("hpat")), "{scanner}");
    }
}

#[test]
fn the_test_string_is_found_and_has_the_right_checksum() {
    let test = between(PAGE, "| Test string | `", "` |");
    assert!(TokenText::parse(test, &[Prefix::default()]).is_ok());
    assert_eq!(between(PAGE, "assert has_checksum(\"", "\")"), test, "the page has one example");
    for (scanner, pattern, _) in rules() {
        assert_eq!(Regex::new(&pattern).unwrap().find(test).map(|found| found.as_str()), Some(test), "{scanner}");
    }
}
