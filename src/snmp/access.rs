//! Who may see what: the subtrees a requester may read or write, after RFC 3415's views, of which this release has
//! those made of included subtrees.
//!
//! It does not know how a requester was authenticated, nor what is behind a name.

use super::oid::Oid;

/// What a requester may touch: everything below one of its subtrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    subtrees: Vec<Oid>,
}

impl View {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::of([Oid::EMPTY])
    }

    /// Nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { subtrees: Vec::new() }
    }

    /// What is below any of these.
    #[must_use]
    pub fn of(subtrees: impl IntoIterator<Item = Oid>) -> Self {
        Self { subtrees: subtrees.into_iter().collect() }
    }

    /// Is there nothing in it?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.subtrees.is_empty()
    }

    /// Is the name in it?
    #[must_use]
    pub fn contains(&self, name: &[u32]) -> bool {
        self.subtrees.iter().any(|subtree| name.starts_with(subtree.arcs()))
    }

    /// May anything at or below `prefix` be in it?
    pub(crate) fn touches(&self, prefix: &[u32]) -> bool {
        self.subtrees.iter().any(|subtree| prefix.starts_with(subtree.arcs()) || subtree.arcs().starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_holds_what_is_below_its_subtrees() {
        let view = View::of([Oid::new(&[1, 3, 6, 1, 2]), Oid::new(&[1, 3, 6, 1, 4, 9])]);
        let table: [(&[u32], bool, bool); 5] = [
            (&[1, 3, 6, 1, 2], true, true),
            (&[1, 3, 6, 1, 2, 1, 1, 3, 0], true, true),
            (&[1, 3, 6, 1, 4], false, true),
            (&[1, 3, 6, 1, 4, 8], false, false),
            (&[1, 3, 6, 1, 3], false, false),
        ];
        for (name, contains, touches) in table {
            assert_eq!((view.contains(name), view.touches(name)), (contains, touches), "{name:?}");
        }
        assert!(View::everything().contains(&[0, 0]) && View::everything().contains(&[2, 5]));
        assert!(View::nothing().is_empty() && !View::nothing().touches(&[]));
    }
}
