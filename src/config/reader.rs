//! Reads a TOML document table by table, key by key, and reports everything it does not understand.
//!
//! Not serde: a derived `Deserialize` stops at the first fault, and A-20 wants all of them. It knows nothing of what the
//! keys mean; `values` reads single values, `v1` knows the file.

use super::fault::{Checked, Collector, Fault, Faults, Path, Place, Placed, Reported};
use super::values::Parsed;

use std::cell::RefCell;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More known keys than this in one message would bury it.
const WORTH_LISTING: usize = 12;

/// What a reader was asked for: how a test knows which keys there are.
#[derive(Debug, Default)]
pub(super) struct Asked(RefCell<BTreeSet<String>>);

#[cfg(test)]
impl Asked {
    /// Every key that was asked for, as `group.beat`.
    pub(super) fn into_keys(self) -> BTreeSet<String> {
        self.0.into_inner()
    }
}

/// A table of the document. Dropped without [`Table::finish`], it would let unknown keys pass.
#[must_use]
pub(super) struct Table<'a> {
    faults: &'a Collector<'a>,
    asked: &'a Asked,
    table: &'a DeTable<'a>,
    place: Place,
    known: Vec<&'static str>,
}

/// The good elements of an array.
#[derive(Clone, Debug)]
pub(super) struct List<T> {
    pub(super) good: Vec<Placed<T>>,
    /// Whether these are all.
    pub(super) complete: Checked<()>,
}

impl<T> List<T> {
    /// The values, if every element is good.
    pub(super) fn values(self) -> Checked<Vec<T>> {
        self.complete?;
        Ok(self.good.into_iter().map(|element| element.value).collect())
    }
}

impl<'a> Table<'a> {
    /// The document itself.
    pub(super) fn root(faults: &'a Collector<'a>, asked: &'a Asked, table: &'a DeTable<'a>) -> Self {
        Self { faults, asked, table, place: Place::default(), known: Vec::new() }
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// A key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue) -> Parsed<T>,
    ) -> Checked<Placed<T>> {
        self.optional(key, parse)?.ok_or_else(|| self.missing(key))
    }

    /// Reports that a key is missing, at the table's own place.
    pub(super) fn missing(&self, key: &str) -> Reported {
        let place = Place { offset: self.place.offset, path: self.place.path.key(key) };
        self.faults.report_whole(&place, "is missing")
    }

    /// Where the value of a key stands, if it is there.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        let value = self.table.get(key)?;
        Some(Place { offset: value.span().start, path: self.place.path.key(key) })
    }

    /// Reports a fault of something in the table.
    pub(super) fn report(&self, place: &Place, message: &str) -> Reported {
        self.faults.report(place, message)
    }

    /// A key that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&DeValue) -> Parsed<T>,
    ) -> Checked<Option<Placed<T>>> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        let parsed = parse(value.get_ref()).map_err(|message| self.faults.report(&place, message))?;
        Ok(Some(Placed { value: parsed, place }))
    }

    /// A key that may be left out, whose place does not matter.
    pub(super) fn defaulted<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl Fn(&DeValue) -> Parsed<T>,
    ) -> Checked<T> {
        Ok(self.optional(key, parse)?.map_or(default, |found| found.value))
    }

    /// An array of values, of at most `limit`; `None`: the key is not there.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        limit: usize,
        parse: impl Fn(&DeValue) -> Parsed<T>,
    ) -> Option<(List<T>, Place)> {
        let (value, place) = self.value(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            let wrong = self.faults.report(&place, format!("must be an array, is {}", describe(value.get_ref())));
            return Some((List { good: Vec::new(), complete: Err(wrong) }, place));
        };
        let mut list = List { good: Vec::with_capacity(array.len().min(limit)), complete: Ok(()) };
        if array.len() > limit {
            let message = format!("has {} elements, at most {limit} are possible", array.len());
            list.complete = Err(self.faults.report(&place, message));
        }
        for (index, element) in array.iter().enumerate().take(limit) {
            let place = Place { offset: element.span().start, path: place.path.index(index) };
            match parse(element.get_ref()) {
                Ok(value) => list.good.push(Placed { value, place }),
                Err(message) => list.complete = Err(self.faults.report(&place, message)),
            }
        }
        Some((list, place))
    }

    /// An array of values that may be left out: then it is empty.
    pub(super) fn list_or_empty<T>(
        &mut self,
        key: &'static str,
        limit: usize,
        parse: impl Fn(&DeValue) -> Parsed<T>,
    ) -> List<T> {
        self.list(key, limit, parse).map_or_else(|| List { good: Vec::new(), complete: Ok(()) }, |(list, _)| list)
    }

    /// A table within this one; `None`: it is not there.
    pub(super) fn table(&mut self, key: &'static str) -> Checked<Option<Table<'a>>> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(table) => {
                Ok(Some(self.inner(table, Place { offset: value.span().start, path: place.path })))
            }
            other => Err(self.faults.report(&place, format!("must be a table [{key}], is {}", describe(other)))),
        }
    }

    /// The tables of an array of them, at most `limit`; none if the key is not there.
    pub(super) fn tables(&mut self, key: &'static str, limit: usize) -> (Vec<Table<'a>>, Checked<()>) {
        let Some((value, place)) = self.value(key) else { return (Vec::new(), Ok(())) };
        let DeValue::Array(array) = value.get_ref() else {
            let what = describe(value.get_ref());
            let message = format!("must be an array of tables, each headed [[{}]], is {what}", place.path.schema());
            return (Vec::new(), Err(self.faults.report(&place, message)));
        };
        let mut complete = Ok(());
        if array.len() > limit {
            let message = format!("there are {}, at most {limit} are possible", array.len());
            complete = Err(self.faults.report(&place, message));
        }
        let mut tables = Vec::with_capacity(array.len().min(limit));
        for (index, element) in array.iter().enumerate().take(limit) {
            let place = Place { offset: element.span().start, path: place.path.index(index) };
            match element.get_ref() {
                DeValue::Table(table) => tables.push(self.inner(table, place)),
                other => {
                    complete = Err(self.faults.report(&place, format!("must be a table, is {}", describe(other))));
                }
            }
        }
        (tables, complete)
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let hint = match nearest(name, self.known.iter().copied()) {
                Some(known) => format!("unknown key; did you mean `{known}`?"),
                None if self.known.len() <= WORTH_LISTING => {
                    format!("unknown key; known here are {}", enumerate(&self.known))
                }
                None => format!("unknown key; none of the {} that are known here is like it", self.known.len()),
            };
            let place = Place { offset: key.span().start, path: self.place.path.key(name) };
            let _ = self.faults.report(&place, hint);
        }
    }

    fn inner(&self, table: &'a DeTable<'a>, place: Place) -> Table<'a> {
        Table { faults: self.faults, asked: self.asked, table, place, known: Vec::new() }
    }

    fn value(&mut self, key: &'static str) -> Option<(&'a Spanned<DeValue<'a>>, Place)> {
        let path = self.place.path.key(key);
        self.asked.0.borrow_mut().insert(path.schema());
        self.known.push(key);
        let value = self.table.get(key)?;
        Some((value, Place { offset: value.span().start, path }))
    }
}

/// A value's type in words, for a message.
pub(super) fn describe(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The one of `candidates` that `text` was probably meant to be.
pub(super) fn nearest<'n>(text: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let longest_worth_a_guess = 64;
    if text.len() > longest_worth_a_guess {
        return None;
    }
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c`.
pub(super) fn enumerate(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        [only] => format!("`{only}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|word| format!("`{word}`")).collect();
            format!("{} and `{last}`", most.join(", "))
        }
    }
}

/// Takes the content of a file as text.
///
/// # Errors
/// One fault, where the text ends.
pub(super) fn decode<'a>(file: &str, content: &'a [u8]) -> Result<&'a str, Faults> {
    std::str::from_utf8(content).map_err(|why| {
        let good = content.get(..why.valid_up_to()).unwrap_or_default();
        let line_start = good.iter().rposition(|octet| *octet == b'\n').map_or(0, |newline| newline + 1);
        let on_line = good.get(line_start..).unwrap_or_default();
        let line = good.iter().filter(|octet| **octet == b'\n').count() + 1;
        let column = String::from_utf8_lossy(on_line).chars().count() + 1;
        let message = "is not UTF-8 text from here on".to_owned();
        Faults::from(Fault { file: file.to_owned(), line, column, path: String::new(), message })
    })
}

/// Parses the TOML itself. What it could not understand is reported, the rest is there.
pub(super) fn parse_document<'a>(source: &'a str, faults: &Collector) -> DeTable<'a> {
    let (document, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let _ = faults.syntax(offset, in_plain_words(error.message()));
    }
    document.into_inner()
}

/// What the TOML parser says, as somebody would who knows what it is about.
fn in_plain_words(message: &str) -> &str {
    let (what, _) = message.split_once(", expected").unwrap_or((message, ""));
    match what {
        "duplicate key" => "this key, or a table of this name, stands further up already",
        "string values must be quoted" => "a text must stand in quotes: \"…\"",
        "invalid basic string" => "the closing quote of a text is missing",
        "missing comma between array elements" => "a comma is missing before this, or the closing ] of the array",
        "unclosed array" => "the closing ] of the array is missing",
        "unclosed table" => "the closing ] of the table's head is missing",
        "unclosed array table" => "the closing ]] of the table's head is missing",
        _ => message,
    }
}

/// The place of a path that is not from the document, at its start.
pub(super) fn start(key: &str) -> Place {
    Place { offset: 0, path: Path::default().key(key) }
}
