//! Faults of a configuration: each with its place in the file, its TOML path, and words an engineer can act on.
//!
//! [`Collector`] gathers them while a file is read. It hands out a [`Reported`] for each: a function that gives back
//! `Result<T, Reported>` can fail only after it said why, so nothing is ever refused in silence.

use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

/// Most faults that are kept: more of them helps nobody, and a file with 10,000 bad addresses must not eat the memory.
pub const MAX_FAULTS: usize = 500;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The file, relative to the bundle.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// TOML path, such as `group[1].preferred_addresses[0]`; empty: the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults of one file, sorted by their place; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, first one first: at most [`MAX_FAULTS`] and one that says how many were left out.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The proof that a fault was reported: only a [`Collector`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported(());

/// A value, or the proof that it was said what is wrong with it.
pub(super) type Checked<T> = Result<T, Reported>;

/// A TOML path. Cheap to clone and to extend: a file may hold 640,000 addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    parent: Path,
    name: StepName,
}

#[derive(Debug)]
enum StepName {
    Key(String),
    Index(usize),
}

impl Path {
    pub(super) fn key(&self, key: &str) -> Self {
        Self(Some(Rc::new(Step { parent: self.clone(), name: StepName::Key(key.to_owned()) })))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self(Some(Rc::new(Step { parent: self.clone(), name: StepName::Index(index) })))
    }

    /// The path with every index left out: what names a key in the documentation.
    pub(super) fn schema(&self) -> String {
        let Some(step) = &self.0 else { return String::new() };
        let parent = step.parent.schema();
        match &step.name {
            StepName::Index(_) => parent,
            StepName::Key(key) if parent.is_empty() => key.clone(),
            StepName::Key(key) => format!("{parent}.{key}"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.parent.fmt(f)?;
        match &step.name {
            StepName::Index(index) => write!(f, "[{index}]"),
            StepName::Key(key) => {
                let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
                let dot = if step.parent.0.is_some() { "." } else { "" };
                if bare { write!(f, "{dot}{key}") } else { write!(f, "{dot}{key:?}") }
            }
        }
    }
}

/// Where something stands in a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Octets from the start of the file.
    pub(super) offset: usize,
    /// Its TOML path.
    pub(super) path: Path,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Gathers the faults of one file.
pub(super) struct Collector<'a> {
    file: &'a str,
    source: &'a str,
    line_starts: Vec<usize>,
    gathered: RefCell<Gathered>,
}

#[derive(Default)]
struct Gathered {
    faults: BTreeSet<Fault>,
    /// Lines with a fault of the TOML itself. What was read from them is a guess of the parser's.
    syntax_lines: BTreeSet<usize>,
    left_out: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(file: &'a str, source: &'a str) -> Self {
        let after_newlines = source.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { file, source, line_starts, gathered: RefCell::default() }
    }

    /// A fault of the TOML itself.
    pub(super) fn syntax(&self, offset: usize, message: &str) -> Reported {
        let (line, _) = self.position(offset);
        // One slip makes the parser complain several times in a row; the first complaint is the one that helps.
        if self.gathered.borrow_mut().syntax_lines.insert(line) {
            self.add(&Place { offset, path: Path::default() }, message.to_owned());
        }
        Reported(())
    }

    /// A fault of one value, true whatever the rest of the file says.
    pub(super) fn report(&self, place: &Place, message: impl Into<String>) -> Reported {
        let (line, _) = self.position(place.offset);
        if !self.gathered.borrow().syntax_lines.contains(&line) {
            self.add(place, message.into());
        }
        Reported(())
    }

    /// A fault that shows only from the file as a whole: something is missing, or two places contradict each other.
    /// Left out if the TOML itself is at fault: what seems to be missing may just not have been understood.
    pub(super) fn report_whole(&self, place: &Place, message: impl Into<String>) -> Reported {
        if self.gathered.borrow().syntax_lines.is_empty() {
            self.add(place, message.into());
        }
        Reported(())
    }

    fn add(&self, place: &Place, message: String) {
        let (line, column) = self.position(place.offset);
        let fault = Fault { file: self.file.to_owned(), line, column, path: place.path.to_string(), message };
        let mut gathered = self.gathered.borrow_mut();
        if gathered.faults.len() < MAX_FAULTS {
            gathered.faults.insert(fault);
        } else {
            gathered.left_out += 1;
        }
    }

    /// The line a place stands on, from 1.
    pub(super) fn line(&self, place: &Place) -> usize {
        self.position(place.offset).0
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.source.get(start..offset).map_or(1, |text| text.chars().count() + 1))
    }

    /// What was built, if nothing was reported.
    ///
    /// # Errors
    /// The faults, if there are any.
    pub(super) fn finish<T>(self, built: Checked<T>) -> Result<T, Faults> {
        let gathered = self.gathered.into_inner();
        let mut faults: Vec<Fault> = gathered.faults.into_iter().collect();
        let whole = |message| {
            let line = self.line_starts.len();
            Fault { file: self.file.to_owned(), line, column: 1, path: String::new(), message }
        };
        if gathered.left_out > 0 {
            faults.push(whole(format!("{} more faults are not shown", gathered.left_out)));
        }
        match built {
            Ok(built) if faults.is_empty() => Ok(built),
            Ok(_) => Err(Faults(faults)),
            Err(Reported(())) => {
                // A `Reported` is made only together with a fault. Were it otherwise, refusing is the safe side.
                if faults.is_empty() {
                    faults.push(whole("is refused for a reason that got lost; this is a bug in rais".to_owned()));
                }
                Err(Faults(faults))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_sorted_by_place_and_count_columns_in_characters() {
        let collector = Collector::new("a.toml", "x = 1\nß = \"é\" # z\n");
        let path = Path::default().key("t").index(3).key("odd key");
        let _ = collector.report(&Place { offset: 16, path: path.clone() }, "second");
        let _ = collector.report(&Place { offset: 4, path: Path::default() }, "first");
        let text = collector.finish(Ok(())).unwrap_err().to_string();
        assert_eq!(text, "a.toml:1:5: first\na.toml:2:9: t[3].\"odd key\": second");
        assert_eq!(path.schema(), "t.odd key");
    }

    #[test]
    fn a_slip_in_the_toml_is_told_once_and_hides_what_may_follow_from_it() {
        let collector = Collector::new("a.toml", "x = 1\ny = 2\n");
        let _ = collector.syntax(4, "slip");
        let _ = collector.syntax(5, "the same slip");
        let _ = collector.report(&Place { offset: 2, path: Path::default() }, "guessed");
        let _ = collector.report(&Place { offset: 10, path: Path::default() }, "true anyway");
        let _ = collector.report_whole(&Place::default(), "missing");
        let text = collector.finish(Ok(())).unwrap_err().to_string();
        assert_eq!(text, "a.toml:1:5: slip\na.toml:2:5: true anyway");
    }

    #[test]
    fn the_number_of_faults_is_bounded() {
        let source = "x\n".repeat(MAX_FAULTS + 7);
        let collector = Collector::new("a.toml", &source);
        for line in 0..MAX_FAULTS + 7 {
            let _ = collector.report(&Place { offset: line * 2, path: Path::default() }, "bad");
        }
        let faults = collector.finish(Ok(())).unwrap_err();
        assert_eq!(faults.as_slice().len(), MAX_FAULTS + 1);
        assert_eq!(faults.as_slice().last().unwrap().message, "7 more faults are not shown");
    }
}
