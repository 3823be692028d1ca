//! Tables: rows in the order of their index, found by search and stepped through by number.
//!
//! Two shapes cover RAIS-MIB: rows indexed by a configured name, and rows indexed by a group's name and an address. A
//! name or address of variable length is preceded by its length (RFC 2578 §7.7), so that shorter names sort first. The
//! rows themselves stay where the snapshot has them; only groups, tests, loads and zones, which it sorts by text, are
//! given an order of their own ([`Prepared`](super::prepared::Prepared)).

use super::oid::Oid;
use super::prepared::Served;
use super::set::{Refusal, Step, Syntax};
use super::value::{Value, inet_address_type};
use std::cmp::Ordering;
use std::net::IpAddr;

/// Which row: the number of its name in index order, and its number under that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) outer: usize,
    pub(crate) inner: usize,
}

/// A table as the registry walks it.
pub(crate) trait Table: Sync {
    /// The columns that may be read, ascending.
    fn columns(&self) -> &'static [u32];
    /// The row with exactly this index.
    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row>;
    /// The first row whose index comes after this one; after none at all comes the first row.
    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row>;
    /// The row after this one.
    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row>;
    /// Appends the row's index.
    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid);
    /// What stands in a column.
    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a>;
    /// The columns that may be written in some row at least, and what they may hold.
    fn writable(&self) -> &'static [(u32, Syntax)] {
        &[]
    }
    /// What giving a writable column another value in this row would do.
    fn change(&self, _served: &Served<'_>, _column: u32, _row: Row, _value: i32) -> Result<Step, Refusal> {
        Err(Refusal::NotWritable)
    }
}

/// A table indexed by a configured name.
pub(crate) trait ByName: Sync {
    const COLUMNS: &'static [u32];
    /// How many rows there are.
    fn rows(served: &Served<'_>) -> usize;
    /// The name of a row, counted in the order of the index.
    fn name<'a>(served: &Served<'a>, row: usize) -> &'a str;
    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a>;
    /// As [`Table::writable`].
    const WRITABLE: &'static [(u32, Syntax)] = &[];
    /// As [`Table::change`].
    fn change(_served: &Served<'_>, _column: u32, _row: usize, _value: i32) -> Result<Step, Refusal> {
        Err(Refusal::NotWritable)
    }
}

/// A table indexed by a group's name and an address.
pub(crate) trait ByGroupAndAddress: Sync {
    const COLUMNS: &'static [u32];
    /// How many rows a group has. Groups are counted in the order of the index.
    fn rows(served: &Served<'_>, group: usize) -> usize;
    /// The address of a group's row; they ascend, IPv4 first.
    fn address(served: &Served<'_>, group: usize, row: usize) -> Option<IpAddr>;
    fn value<'a>(served: &Served<'a>, column: u32, group: usize, row: usize) -> Value<'a>;
    /// As [`Table::writable`].
    const WRITABLE: &'static [(u32, Syntax)] = &[];
    /// As [`Table::change`].
    fn change(_served: &Served<'_>, _column: u32, _group: usize, _row: usize, _value: i32) -> Result<Step, Refusal> {
        Err(Refusal::NotWritable)
    }
}

/// A name as it stands in an index: its length, then its octets.
pub(crate) fn name_arcs(name: &str) -> impl Iterator<Item = u32> + '_ {
    std::iter::once(name.len() as u32).chain(name.bytes().map(u32::from))
}

/// An address as it stands in an index: InetAddressType, length, octets.
pub(crate) fn address_arcs(address: IpAddr) -> impl Iterator<Item = u32> {
    let (octets, length) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 4),
        IpAddr::V6(v6) => (v6.octets(), 16),
    };
    [inet_address_type(address), length as u32].into_iter().chain(octets.into_iter().skip(16 - length).map(u32::from))
}

/// Orders two names as their indices are ordered.
pub(crate) fn index_order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// The first number in `0..end` for which `before` is false; it has to be true for all numbers before that.
pub(crate) fn first_not(end: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Makes a [`Table`] of a [`ByName`].
pub(crate) struct Named<T>(pub(crate) T);

impl<T: ByName> Table for Named<T> {
    fn columns(&self) -> &'static [u32] {
        T::COLUMNS
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let order = |row| name_arcs(T::name(served, row)).cmp(index.iter().copied());
        let outer = first_not(T::rows(served), |row| order(row).is_lt());
        (outer < T::rows(served) && order(outer).is_eq()).then_some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = T::rows(served);
        let outer = first_not(end, |row| name_arcs(T::name(served, row)).le(index.iter().copied()));
        (outer < end).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < T::rows(served)).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(name_arcs(T::name(served, row.outer)));
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        T::value(served, column, row.outer)
    }

    fn writable(&self) -> &'static [(u32, Syntax)] {
        T::WRITABLE
    }

    fn change(&self, served: &Served<'_>, column: u32, row: Row, value: i32) -> Result<Step, Refusal> {
        T::change(served, column, row.outer, value)
    }
}

/// Makes a [`Table`] of a [`ByGroupAndAddress`].
pub(crate) struct Grouped<T>(pub(crate) T);

impl<T: ByGroupAndAddress> Grouped<T> {
    /// How a group's part of the index compares with as much of `index`, and what follows it there.
    fn compare<'i>(served: &Served<'_>, group: usize, index: &'i [u32]) -> (Ordering, &'i [u32]) {
        let name = served.group_name(group);
        let (head, rest) = index.split_at(index.len().min(name.len() + 1));
        (name_arcs(name).cmp(head.iter().copied()), rest)
    }

    fn order(served: &Served<'_>, group: usize, row: usize, rest: &[u32]) -> Ordering {
        T::address(served, group, row)
            .map_or(Ordering::Greater, |address| address_arcs(address).cmp(rest.iter().copied()))
    }

    /// The first row from this one on, over groups that have none.
    fn from(served: &Served<'_>, row: Row) -> Option<Row> {
        if row.outer < served.groups() && row.inner < T::rows(served, row.outer) {
            return Some(row);
        }
        let outer = (row.outer + 1..served.groups()).find(|group| T::rows(served, *group) > 0)?;
        Some(Row { outer, inner: 0 })
    }
}

impl<T: ByGroupAndAddress> Table for Grouped<T> {
    fn columns(&self) -> &'static [u32] {
        T::COLUMNS
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let outer = first_not(served.groups(), |group| Self::compare(served, group, index).0.is_lt());
        if outer == served.groups() {
            return None;
        }
        let (order, rest) = Self::compare(served, outer, index);
        let end = T::rows(served, outer);
        let inner = first_not(end, |row| Self::order(served, outer, row, rest).is_lt());
        let found = order.is_eq() && inner < end && Self::order(served, outer, inner, rest).is_eq();
        found.then_some(Row { outer, inner })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let outer = first_not(served.groups(), |group| Self::compare(served, group, index).0.is_lt());
        if outer == served.groups() {
            return None;
        }
        let inner = match Self::compare(served, outer, index) {
            (Ordering::Equal, rest) => {
                first_not(T::rows(served, outer), |row| Self::order(served, outer, row, rest).is_le())
            }
            _ => 0,
        };
        Self::from(served, Row { outer, inner })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        Self::from(served, Row { inner: row.inner + 1, ..row })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(name_arcs(served.group_name(row.outer)));
        name.extend(T::address(served, row.outer, row.inner).into_iter().flat_map(address_arcs));
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        T::value(served, column, row.outer, row.inner)
    }

    fn writable(&self) -> &'static [(u32, Syntax)] {
        T::WRITABLE
    }

    fn change(&self, served: &Served<'_>, column: u32, row: Row, value: i32) -> Result<Step, Refusal> {
        T::change(served, column, row.outer, row.inner, value)
    }
}

/// A table indexed by a number.
pub(crate) trait ByNumber: Sync {
    const COLUMNS: &'static [u32];
    /// How many rows there are.
    fn rows(served: &Served<'_>) -> usize;
    /// The number of a row; they ascend.
    fn number(served: &Served<'_>, row: usize) -> u32;
    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a>;
}

/// Makes a [`Table`] of a [`ByNumber`].
pub(crate) struct Numbered<T>(pub(crate) T);

impl<T: ByNumber> Table for Numbered<T> {
    fn columns(&self) -> &'static [u32] {
        T::COLUMNS
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let [number] = index else { return None };
        let outer = first_not(T::rows(served), |row| T::number(served, row) < *number);
        (outer < T::rows(served) && T::number(served, outer) == *number).then_some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let outer = first_not(T::rows(served), |row| [T::number(served, row)].as_slice() <= index);
        (outer < T::rows(served)).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < T::rows(served)).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend([T::number(served, row.outer)]);
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        T::value(served, column, row.outer)
    }
}

/// A table indexed by an address alone.
pub(crate) trait ByAddress: Sync {
    const COLUMNS: &'static [u32];
    /// How many rows there are.
    fn rows(served: &Served<'_>) -> usize;
    /// The address of a row; they ascend, IPv4 first.
    fn address(served: &Served<'_>, row: usize) -> Option<IpAddr>;
    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a>;
}

/// Makes a [`Table`] of a [`ByAddress`].
pub(crate) struct Addressed<T>(pub(crate) T);

impl<T: ByAddress> Addressed<T> {
    fn order(served: &Served<'_>, row: usize, index: &[u32]) -> Ordering {
        let address = T::address(served, row);
        address.map_or(Ordering::Greater, |address| address_arcs(address).cmp(index.iter().copied()))
    }
}

impl<T: ByAddress> Table for Addressed<T> {
    fn columns(&self) -> &'static [u32] {
        T::COLUMNS
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = T::rows(served);
        let outer = first_not(end, |row| Self::order(served, row, index).is_lt());
        (outer < end && Self::order(served, outer, index).is_eq()).then_some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = T::rows(served);
        let outer = first_not(end, |row| Self::order(served, row, index).is_le());
        (outer < end).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < T::rows(served)).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(T::address(served, row.outer).into_iter().flat_map(address_arcs));
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        T::value(served, column, row.outer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_seek_among_ten_thousand_rows_looks_at_fourteen_of_them() {
        for end in [0_usize, 1, 2, 3, 100, 10_000] {
            let most = usize::BITS - end.leading_zeros();
            for wanted in (0..=end).step_by(1 + end / 500) {
                let looked = Cell::new(0);
                let found = first_not(end, |row| {
                    looked.set(looked.get() + 1);
                    row < wanted
                });
                assert_eq!(found, wanted);
                assert!(looked.get() <= most, "{} of {end}", looked.get());
            }
        }
    }
}
