//! `docs/requirements.md` says where each requirement is built and what fails if it is not: every file and test it names is
//! there, and every requirement that code cites has its row. Whether the tests test that, only a reader can say.

use std::collections::{BTreeMap, BTreeSet};

/// The page.
pub const PAGE: &str = "docs/requirements.md";

/// What is wrong with the page, given it and all Rust files, by name.
pub fn faults_of(sources: &BTreeMap<String, String>) -> Vec<String> {
    let Some(page) = sources.get(PAGE) else { return vec![String::from("it is missing")] };
    let rust = || sources.iter().filter(|(name, _)| name.as_str() != PAGE);
    let tests: BTreeSet<&str> = rust().flat_map(|(_, text)| tests_of(text)).collect();
    let there = |path: &str| {
        rust().any(|(name, _)| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let (mut faults, mut rows) = (Vec::new(), BTreeSet::new());
    for line in page.lines().filter(|line| line.starts_with("| G-") || line.starts_with("| S-")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, places, names] = cells.as_slice() else {
            faults.push(format!("not four cells: {line}"));
            continue;
        };
        rows.insert(*id);
        for cell in [places, names] {
            if !cell.contains('`') {
                faults.push(format!("{id}: a cell names nothing"));
            }
            for name in cell.split('`').skip(1).step_by(2) {
                if !(if name.contains('/') { there(name) } else { tests.contains(name) }) {
                    faults.push(format!("{id}: there is no {name}"));
                }
            }
        }
    }
    let cited: BTreeSet<&str> = rust().flat_map(|(_, text)| ids_of(text)).collect();
    faults.extend(cited.difference(&rows).map(|id| format!("{id} is cited in code and has no row")));
    faults
}

/// The names of the tests in a file.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    text.split("test]\n").skip(1).filter_map(|after| {
        let name = after.split("fn ").nth(1)?;
        name.split('(').next()
    })
}

/// The requirements that a file cites: `G-12`, `S-1`.
fn ids_of(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'));
    words.filter(|word| {
        let number = word.strip_prefix("G-").or_else(|| word.strip_prefix("S-"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_what_is_there_and_what_is_cited_has_a_row() {
        let code = "//! What G-1 asks.\n#[test]\n#[ignore]\nfn it_holds() {}\n#[tokio::test]\nasync fn it_lasts() {}\n";
        let good = "| G-1 | so | `src/core/a.rs`, `src/core` | `it_holds`, `it_lasts` |\n";
        for (page, faults) in [
            (good, 0),
            (&good.replace("it_lasts", "it_breaks"), 1),
            (&good.replace("src/core/a.rs", "src/core/b.rs"), 1),
            (&good.replace("`src/core`", "`src/cor`"), 1),
            (&good.replace('`', ""), 2),
            (&good.replace("G-1 ", "G-2 "), 1),
            (&good.replace("| so ", ""), 2),
        ] {
            let files = [(PAGE, page), ("src/core/a.rs", code)];
            let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
            assert_eq!(faults_of(&files).len(), faults, "{page}{:?}", faults_of(&files));
        }
    }
}
