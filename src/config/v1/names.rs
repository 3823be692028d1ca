//! Names and who refers to them: every name is there once, every reference finds one.

use super::Entries;
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::reader::nearest;
use crate::config::values::quote;
use std::collections::BTreeMap;
use std::fmt::Display;

/// The entries of one kind by name.
pub(super) struct Names<'f, T> {
    kind: &'static str,
    by_name: BTreeMap<String, &'f T>,
    /// Whether every entry has a good name: if not, one that is not found may be the one whose name was misread.
    complete: Checked<()>,
}

impl<'f, T> Names<'f, T> {
    /// Collects the names of a kind of entry; the same one twice is a fault.
    pub(super) fn new<N: Display + 'f>(
        faults: &Collector,
        kind: &'static str,
        entries: &'f Entries<T>,
        name: impl Fn(&'f T) -> &'f Checked<Placed<N>>,
    ) -> Self {
        let mut by_name = BTreeMap::new();
        let mut complete = entries.complete;
        let mut lines = BTreeMap::new();
        for entry in &entries.all {
            match name(entry) {
                Err(reported) => complete = Err(*reported),
                Ok(placed) => {
                    let text = placed.value.to_string();
                    if let Some(line) = lines.get(&text) {
                        let message = format!("{text:?} is the name of another [[{kind}]], in line {line}");
                        let _ = faults.report(&placed.place, message);
                    } else {
                        lines.insert(text.clone(), faults.line(&placed.place));
                        by_name.insert(text, entry);
                    }
                }
            }
        }
        Self { kind, by_name, complete }
    }

    /// The entry that is referred to.
    pub(super) fn find<N: Display>(&self, faults: &Collector, wanted: &Placed<N>) -> Checked<&'f T> {
        let text = wanted.value.to_string();
        if let Some(entry) = self.by_name.get(&text) {
            return Ok(entry);
        }
        self.complete?;
        let guess = nearest(&text, self.by_name.keys().map(String::as_str));
        let hint = guess.map_or_else(String::new, |guess| format!("; did you mean \"{guess}\"?"));
        Err(faults.report_whole(&wanted.place, format!("no [[{}]] is named {}{hint}", self.kind, quote(&text))))
    }

    /// Finds every one of several references.
    pub(super) fn find_all<N: Display>(&self, faults: &Collector, wanted: &[Placed<N>]) -> Checked<Vec<&'f T>> {
        super::all(wanted.iter().map(|wanted| self.find(faults, wanted)).collect())
    }
}
