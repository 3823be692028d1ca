//! `config/rais.toml` is the documentation of every key: what it shows and what the reader knows must be the same.

use super::keys_asked_for;
use crate::config::fault::Collector;
use crate::config::reader::parse_document;
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

const DOCUMENTATION: &str = include_str!("../../../config/rais.toml");

/// The documentation with every `#key = …` and `#[table]` brought to life. Prose has a space after the `#`.
fn everything() -> String {
    let live = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
        _ => line.to_owned(),
    };
    DOCUMENTATION.lines().map(live).collect::<Vec<_>>().join("\n")
}

fn collect(table: &DeTable, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        collect_value(value.get_ref(), &path, keys);
        keys.insert(path);
    }
}

fn collect_value(value: &DeValue, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        DeValue::Table(table) => collect(table, path, keys),
        DeValue::Array(array) => array.iter().for_each(|element| collect_value(element.get_ref(), path, keys)),
        _ => {}
    }
}

#[test]
fn the_documentation_shows_every_key_that_is_understood_and_no_other() {
    let everything = everything();
    let faults = Collector::new("rais.toml", &everything);
    let document = parse_document(&everything, &faults);
    faults.finish(Ok(())).expect("the documentation with every key brought to life is TOML");
    let mut shown = BTreeSet::new();
    collect(&document, "", &mut shown);
    let known = keys_asked_for(&everything);
    let undocumented: Vec<_> = known.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&known).collect();
    assert!(undocumented.is_empty(), "not in config/rais.toml: {undocumented:?}");
    assert!(unknown.is_empty(), "in config/rais.toml, but not understood: {unknown:?}");
}

#[test]
fn every_key_of_the_documentation_has_prose_right_above_it() {
    let lines: Vec<&str> = DOCUMENTATION.lines().collect();
    for (number, pair) in lines.windows(2).enumerate() {
        let key = |line: &str| line.trim_start_matches('#').split_once(" = ").map(|(key, _)| key.to_owned());
        let is_key = |line: &str| {
            !line.starts_with("# ") && key(line).is_some_and(|k| k.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        };
        // A key stands below its prose, below another key that the same prose is for, or opens its table.
        let covered = pair[0].starts_with("# ") || pair[0].contains('[') || is_key(pair[0]);
        assert!(!is_key(pair[1]) || covered, "line {}: {}", number + 2, pair[1]);
    }
}
