//! The tests about the tests: rules are held by named tests of raw octets that say which sentence they are about.

use std::path::Path;

/// Whoever uses real programs shows that it works, not that a rule holds.
const BY_TOOLS: [&str; 5] =
    ["net_snmp.rs", "net_snmp_v3.rs", "python_clients.rs", "integrations.rs", "trap_receiver.rs"];

fn cites(text: &str) -> bool {
    let section = |rest: &str| rest.chars().next().is_some_and(|first| first.is_ascii_digit());
    text.contains("rfc_") || ["RFC ", "§"].iter().any(|mark| text.split(mark).skip(1).any(section))
}

/// The tests of a file, from their attribute to their end.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    source.split("\n#[test]\n").skip(1).map(|rest| rest.split_once("\n}\n").map_or(rest, |(test, _)| test))
}

#[test]
fn at_least_a_hundred_rules_are_tests_of_raw_octets_that_cite_their_section() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snmp");
    let (mut citing, mut all) = (0, 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".rs") || BY_TOOLS.contains(&name.as_str()) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        // A file about one section says so once, at its head.
        let header: String = source.lines().take_while(|line| line.starts_with("//!")).collect();
        let whole = header.contains('§');
        for test in tests(&source) {
            citing += usize::from(whole || cites(test));
            all += 1;
        }
    }
    println!("{citing} of {all}");
    assert!(citing >= 100, "{citing} of {all}");
}
