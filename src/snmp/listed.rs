//! Tables with few rows, whose index is put together anew when it is compared: what the configuration says of users,
//! groups and views.
//!
//! It does not know what any of them means. Rows are counted in the order of their index.

use super::oid::Oid;
use super::prepared::Served;
use super::table::{Row, Table};
use super::v3::Local;
use super::value::Value;

/// A table of rows that our own engine was configured with.
pub(crate) trait Rows: Sync {
    const COLUMNS: &'static [u32];
    /// How many rows there are.
    fn rows(local: &Local) -> usize;
    /// Appends a row's index.
    fn index(local: &Local, row: usize, name: &mut Oid);
    /// What stands in a column; `None`: there is no such row.
    fn value(local: &Local, column: u32, row: usize) -> Option<Value<'_>>;
}

/// Makes a [`Table`] of [`Rows`].
pub(crate) struct Listed<T>(pub(crate) T);

/// Text as it stands in an index: its length, then its octets.
pub(crate) fn text_index(text: &[u8], name: &mut Oid) {
    name.extend(u32::try_from(text.len()));
    name.extend(text.iter().copied().map(u32::from));
}

impl<T: Rows> Listed<T> {
    fn index_of(local: &Local, row: usize) -> Oid {
        let mut index = Oid::EMPTY;
        T::index(local, row, &mut index);
        index
    }

    /// The first row whose index is not before this one, or, if `beyond`, that is after it.
    fn find(local: &Local, index: &[u32], beyond: bool) -> usize {
        let (mut low, mut high) = (0, T::rows(local));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = Self::index_of(local, middle);
            let before = if beyond { found.arcs() <= index } else { found.arcs() < index };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl<T: Rows> Table for Listed<T> {
    fn columns(&self) -> &'static [u32] {
        T::COLUMNS
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let local = served.local?;
        let inner = Self::find(local, index, false);
        let found = inner < T::rows(local) && Self::index_of(local, inner).arcs() == index;
        found.then_some(Row { outer: 0, inner })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let local = served.local?;
        let inner = Self::find(local, index, true);
        (inner < T::rows(local)).then_some(Row { outer: 0, inner })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let inner = row.inner + 1;
        (inner < T::rows(served.local?)).then_some(Row { outer: 0, inner })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        if let Some(local) = served.local {
            T::index(local, row.inner, name);
        }
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        served.local.and_then(|local| T::value(local, column, row.inner)).unwrap_or(Value::NoSuchInstance)
    }
}
