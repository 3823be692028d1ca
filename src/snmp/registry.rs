//! The ordered list of everything the agent serves: an identifier's prefix, and what answers below it.
//!
//! It does not know messages or requesters' secrets. Looking a name up is a search over prefixes, then over a table's
//! rows; the step to the next instance is a step to the next row.

use super::access::View;
use super::oid::Oid;
use super::prepared::Served;
use super::set::{NewValue, Refusal, Step, Syntax};
use super::table::{Row, Table};
use super::value::Value;

/// What answers below a prefix.
pub(crate) enum Object {
    /// One value, at `.0` below the object's identifier.
    Scalar(for<'a> fn(&Served<'a>) -> Value<'a>),
    /// The same, and it may be written.
    WritableScalar { value: for<'a> fn(&Served<'a>) -> Value<'a>, syntax: Syntax, change: ChangeScalar },
    /// Columns and rows below the identifier of the table's entry.
    Table(&'static dyn Table),
}

/// What it takes to give a scalar another value.
pub(crate) type ChangeScalar = fn(&Served<'_>, i32) -> Result<Step, Refusal>;

/// One prefix and what answers below it.
pub(crate) struct Entry {
    pub(crate) prefix: &'static [u32],
    pub(crate) object: Object,
}

impl Entry {
    pub(crate) const fn scalar(prefix: &'static [u32], value: for<'a> fn(&Served<'a>) -> Value<'a>) -> Self {
        Self { prefix, object: Object::Scalar(value) }
    }

    pub(crate) const fn writable(
        prefix: &'static [u32],
        value: for<'a> fn(&Served<'a>) -> Value<'a>,
        syntax: Syntax,
        change: ChangeScalar,
    ) -> Self {
        Self { prefix, object: Object::WritableScalar { value, syntax, change } }
    }

    pub(crate) const fn table(prefix: &'static [u32], table: &'static dyn Table) -> Self {
        Self { prefix, object: Object::Table(table) }
    }
}

/// An instance that exists: where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    entry: usize,
    /// The column, as a position in the table's list of columns; 0 for a scalar.
    column: usize,
    row: Row,
}

const ONLY_ROW: Row = Row { outer: 0, inner: 0 };

/// Everything served, in the order of the prefixes, none of which is below another.
pub(crate) struct Registry(Vec<&'static Entry>);

impl Registry {
    pub(crate) fn new(modules: &[&'static [Entry]]) -> Self {
        let mut entries: Vec<_> = modules.iter().flat_map(|module| module.iter()).collect();
        entries.sort_unstable_by_key(|entry| entry.prefix);
        debug_assert!(
            entries.windows(2).all(|pair| matches!(pair, [one, other] if !other.prefix.starts_with(one.prefix))),
            "no prefix is below another"
        );
        Self(entries)
    }

    /// The value of exactly this name (RFC 3416 §4.2.1).
    pub(crate) fn value<'a>(&self, served: &Served<'a>, view: &View, name: &[u32]) -> Value<'a> {
        let Some((entry, rest)) = self.entry_above(name) else { return Value::NoSuchObject };
        if !view.contains(name) {
            return Value::NoSuchObject;
        }
        match (&entry.object, rest) {
            (Object::Scalar(value) | Object::WritableScalar { value, .. }, [0]) => value(served),
            (Object::Scalar(_) | Object::WritableScalar { .. }, _) => Value::NoSuchInstance,
            (Object::Table(table), [column, index @ ..]) if table.columns().contains(column) => {
                match table.exact(served, index) {
                    Some(row) => table.value(served, *column, row),
                    None => Value::NoSuchInstance,
                }
            }
            (Object::Table(_), _) => Value::NoSuchObject,
        }
    }

    /// What setting `name` to `value` would do: (2) to (10) of RFC 3416 §4.2.5, in that order.
    pub(crate) fn change(&self, served: &Served<'_>, name: &[u32], value: NewValue<'_>) -> Result<Step, Refusal> {
        let (entry, rest) = self.entry_above(name).ok_or(Refusal::NotWritable)?;
        match (&entry.object, rest) {
            (Object::Scalar(_), _) => Err(Refusal::NotWritable),
            (Object::WritableScalar { syntax, change, .. }, rest) => {
                let number = value.number(*syntax)?;
                if rest == [0] { change(served, number) } else { Err(Refusal::NoCreation) }
            }
            (Object::Table(table), [column, index @ ..]) => {
                let writable = table.writable().iter().find(|(writable, _)| writable == column);
                let (_, syntax) = writable.ok_or(Refusal::NotWritable)?;
                let number = value.number(*syntax)?;
                let row = table.exact(served, index).ok_or(Refusal::NoCreation)?;
                table.change(served, *column, row, number)
            }
            (Object::Table(_), []) => Err(Refusal::NotWritable),
        }
    }

    /// The entry that a name is below, and what of the name is left.
    fn entry_above<'n>(&self, name: &'n [u32]) -> Option<(&'static Entry, &'n [u32])> {
        let below = self.0.partition_point(|entry| entry.prefix <= name);
        let entry = below.checked_sub(1).and_then(|found| self.0.get(found))?;
        Some((entry, name.strip_prefix(entry.prefix)?))
    }

    /// The first instance in the view whose name comes after this one (RFC 3416 §4.2.2), and its name.
    pub(crate) fn after(&self, served: &Served<'_>, view: &View, name: &[u32]) -> Option<(Instance, Oid)> {
        let below = self.0.partition_point(|entry| entry.prefix <= name);
        let within = below.checked_sub(1).and_then(|at| {
            let entry = self.0.get(at)?;
            let rest = name.strip_prefix(entry.prefix)?;
            Self::after_within(entry, served, view, rest).map(|(column, row)| Instance { entry: at, column, row })
        });
        let found = within.or_else(|| self.first_from(served, view, below))?;
        self.in_view(served, view, found)
    }

    /// The first instance in the view after this one, and its name.
    pub(crate) fn next(&self, served: &Served<'_>, view: &View, instance: Instance) -> Option<(Instance, Oid)> {
        let found = self.step(served, view, instance)?;
        self.in_view(served, view, found)
    }

    /// An instance's name.
    fn name(&self, served: &Served<'_>, instance: Instance) -> Oid {
        let Some(entry) = self.0.get(instance.entry) else { return Oid::EMPTY };
        let mut name = Oid::new(entry.prefix);
        match &entry.object {
            Object::Scalar(_) | Object::WritableScalar { .. } => name.extend([0]),
            Object::Table(table) => {
                name.extend(table.columns().get(instance.column).copied());
                table.index(served, instance.row, &mut name);
            }
        }
        name
    }

    /// An instance's value.
    pub(crate) fn value_of<'a>(&self, served: &Served<'a>, instance: Instance) -> Value<'a> {
        match self.0.get(instance.entry).map(|entry| &entry.object) {
            Some(Object::Scalar(value) | Object::WritableScalar { value, .. }) => value(served),
            Some(Object::Table(table)) => match table.columns().get(instance.column) {
                Some(column) => table.value(served, *column, instance.row),
                None => Value::NoSuchObject,
            },
            None => Value::NoSuchObject,
        }
    }

    /// The first instance below an entry after `rest`, as column and row.
    fn after_within(entry: &Entry, served: &Served<'_>, view: &View, rest: &[u32]) -> Option<(usize, Row)> {
        match (&entry.object, rest) {
            (Object::Scalar(_) | Object::WritableScalar { .. }, []) => Some((0, ONLY_ROW)),
            (Object::Scalar(_) | Object::WritableScalar { .. }, _) => None,
            (Object::Table(_), []) => Self::first_of_columns(entry, served, view, 0),
            (Object::Table(table), [column, index @ ..]) => {
                let at = table.columns().partition_point(|known| known < column);
                if table.columns().get(at) == Some(column) {
                    let row = table.after(served, index).map(|row| (at, row));
                    row.or_else(|| Self::first_of_columns(entry, served, view, at + 1))
                } else {
                    Self::first_of_columns(entry, served, view, at)
                }
            }
        }
    }

    /// The first row of the first column from this one on that the view touches.
    fn first_of_columns(entry: &Entry, served: &Served<'_>, view: &View, from: usize) -> Option<(usize, Row)> {
        match &entry.object {
            Object::Scalar(_) | Object::WritableScalar { .. } => (from == 0).then_some((0, ONLY_ROW)),
            Object::Table(table) => {
                let seen = |column: &u32| {
                    let mut name = Oid::new(entry.prefix);
                    name.extend([*column]);
                    view.touches(name.arcs())
                };
                let (column, _) = table.columns().iter().enumerate().skip(from).find(|(_, column)| seen(column))?;
                Some((column, table.after(served, &[])?))
            }
        }
    }

    /// The first instance of the first entry from this one on that the view touches.
    fn first_from(&self, served: &Served<'_>, view: &View, from: usize) -> Option<Instance> {
        self.0.iter().enumerate().skip(from).filter(|(_, entry)| view.touches(entry.prefix)).find_map(|(at, entry)| {
            Self::first_of_columns(entry, served, view, 0).map(|(column, row)| Instance { entry: at, column, row })
        })
    }

    /// The next instance, in the view or not.
    fn step(&self, served: &Served<'_>, view: &View, from: Instance) -> Option<Instance> {
        let entry = self.0.get(from.entry)?;
        let within = match &entry.object {
            Object::Scalar(_) | Object::WritableScalar { .. } => None,
            Object::Table(table) => match table.next(served, from.row) {
                Some(row) => Some((from.column, row)),
                None => Self::first_of_columns(entry, served, view, from.column + 1),
            },
        };
        match within {
            Some((column, row)) => Some(Instance { entry: from.entry, column, row }),
            None => self.first_from(served, view, from.entry + 1),
        }
    }

    /// This instance or the first after it that the view holds. Whole entries and columns outside were passed over.
    fn in_view(&self, served: &Served<'_>, view: &View, from: Instance) -> Option<(Instance, Oid)> {
        let mut instance = from;
        loop {
            let name = self.name(served, instance);
            if view.contains(name.arcs()) {
                return Some((instance, name));
            }
            instance = self.step(served, view, instance)?;
        }
    }
}
