//! Object identifiers: a fixed array of sub-identifiers, so that a request allocates nothing for its names.
//!
//! It does not know what any identifier means. The octets are those of X.690 §8.19; the limits (128 sub-identifiers of
//! 32 bits) are RFC 3416's §4.1. They are written in [`super::value`].

use std::cmp::Ordering;
use std::fmt;

/// Most sub-identifiers a name may have.
pub const MAX_ARCS: usize = 128;

/// An object identifier of at most [`MAX_ARCS`] sub-identifiers. Sorts as RFC 3416 §4.2.2 has it: lexicographically.
#[derive(Clone, Copy)]
pub struct Oid {
    len: u8,
    arcs: [u32; MAX_ARCS],
}

impl Oid {
    /// The identifier with no sub-identifier at all: it sorts before every other.
    pub const EMPTY: Self = Self { len: 0, arcs: [0; MAX_ARCS] };

    /// The identifier with these sub-identifiers; what is beyond [`MAX_ARCS`] is cut off.
    #[must_use]
    pub fn new(arcs: &[u32]) -> Self {
        let mut oid = Self::EMPTY;
        oid.extend(arcs.iter().copied());
        oid
    }

    /// Its sub-identifiers.
    #[must_use]
    pub fn arcs(&self) -> &[u32] {
        self.arcs.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Appends sub-identifiers. What is beyond [`MAX_ARCS`] is cut off: the longest name the agent itself builds has
    /// 112, and a received one was counted before.
    pub fn extend(&mut self, more: impl IntoIterator<Item = u32>) {
        for arc in more {
            if let Some(free) = self.arcs.get_mut(usize::from(self.len)) {
                *free = arc;
                self.len += 1;
            }
        }
    }

    /// Decodes the content octets of an identifier; `None` if they break X.690 §8.19 or RFC 3416 §4.1.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut oid = Self::EMPTY;
        let mut arcs = SubIdentifiers { octets };
        let first = arcs.next()??;
        let (top, second) = match first {
            0..40 => (0, first),
            40..80 => (1, first - 40),
            _ => (2, first - 80),
        };
        oid.extend([top, u32::try_from(second).ok()?]);
        for arc in arcs {
            if usize::from(oid.len) == MAX_ARCS {
                return None;
            }
            oid.extend([u32::try_from(arc?).ok()?]);
        }
        Some(oid)
    }
}

/// The sub-identifiers in encoded octets, the first two still in one; `Some(None)` is a broken one.
struct SubIdentifiers<'a> {
    octets: &'a [u8],
}

impl Iterator for SubIdentifiers<'_> {
    type Item = Option<u64>;

    fn next(&mut self) -> Option<Option<u64>> {
        let end = self.octets.iter().position(|octet| octet & 0x80 == 0);
        let (one, rest) = match (self.octets, end) {
            ([], _) => return None,
            // It never ends, begins with an idle octet, or takes more than 5 octets, which hold 35 bits.
            (_, None | Some(5..)) | ([0x80, ..], _) => {
                self.octets = &[];
                return Some(None);
            }
            (octets, Some(end)) => octets.split_at(end + 1),
        };
        self.octets = rest;
        Some(Some(one.iter().fold(0, |sum, octet| (sum << 7) | u64::from(octet & 0x7f))))
    }
}

impl PartialEq for Oid {
    fn eq(&self, other: &Self) -> bool {
        self.arcs() == other.arcs()
    }
}

impl Eq for Oid {}

impl PartialOrd for Oid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Oid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.arcs().cmp(other.arcs())
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, arc) in self.arcs().iter().enumerate() {
            write!(f, "{}{arc}", if position == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;
    use proptest::prelude::*;

    fn content(arcs: &[u32]) -> Vec<u8> {
        let mut out = Vec::new();
        Value::Identifier(arcs).encode(&mut out);
        let header = if out[1] < 0x80 { 2 } else { 2 + usize::from(out[1] & 0x7f) };
        out.split_off(header)
    }

    #[test]
    fn identifiers_are_encoded_as_x_690_has_it() {
        let table: [(&[u32], &[u8]); 6] = [
            (&[0, 0], &[0]),
            (&[1, 3, 6, 1], &[0x2b, 6, 1]),
            (&[1, 3, 127, 128, 16383, 16384], &[0x2b, 0x7f, 0x81, 0, 0xff, 0x7f, 0x81, 0x80, 0]),
            (&[1, 3, u32::MAX], &[0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f]),
            (&[2, 999, 3], &[0x88, 0x37, 3]),
            (&[2, u32::MAX], &[0x90, 0x80, 0x80, 0x80, 0x4f]),
        ];
        for (arcs, octets) in table {
            assert_eq!(content(arcs), octets, "{arcs:?}");
            assert_eq!(Oid::from_octets(octets), Some(Oid::new(arcs)), "{arcs:?}");
        }
    }

    #[test]
    fn broken_identifiers_are_refused() {
        let too_long = [1u8; MAX_ARCS];
        let table: [(&str, &[u8]); 6] = [
            ("nothing", &[]),
            ("ends within a sub-identifier", &[0x2b, 0x81]),
            ("idle octet at the start of a sub-identifier", &[0x2b, 0x80, 1]),
            ("sub-identifier of 2^32", &[0x2b, 0x90, 0x80, 0x80, 0x80, 0]),
            ("sub-identifier of six octets", &[0x2b, 0x81, 0x80, 0x80, 0x80, 0x80, 0]),
            ("129 sub-identifiers", &too_long),
        ];
        for (what, octets) in table {
            assert_eq!(Oid::from_octets(octets), None, "{what}");
        }
        assert!(Oid::from_octets(&too_long[1..]).is_some(), "128 sub-identifiers are legal");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(top in 0u32..3, second in 0u32..40, rest in prop::collection::vec(any::<u32>(), 0..126)) {
            let mut oid = Oid::new(&[top, second]);
            oid.extend(rest);
            prop_assert_eq!(Oid::from_octets(&content(oid.arcs())), Some(oid));
        }
    }
}
