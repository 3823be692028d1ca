//! Numbers with a meaning: each its own type, so that a pass number is never compared with a sequence number.

use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// A box's persisted start counter: strictly grows over restarts (G-1).
    Incarnation
);
counter!(
    /// A message's number: only ascends within an incarnation (G-1).
    Sequence
);
counter!(
    /// The version of a box's own host entry: with the incarnation it names the entry's exact content (G-3).
    EntryVersion
);
counter!(
    /// The number of a leader's control pass: a command from an older one is stale (G-5).
    PassNumber
);
counter!(
    /// The generation of a signed configuration: must grow.
    Generation
);
counter!(
    /// How many words about a group's policy operators said, with this one.
    PolicyVersion
);
counter!(
    /// Names one action until it is reported finished.
    Ticket
);

/// Load divided by capacity, in per mille. More than 1000 is possible: a box may be over its own idea of capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Utilisation(pub u32);

impl Utilisation {
    /// `load` × 1000 / `capacity`, rounded down (N-2). A box with no capacity is as full as can be.
    #[must_use]
    pub fn of(load: u32, capacity: u32) -> Self {
        match (u64::from(load) * 1000).checked_div(u64::from(capacity)) {
            Some(per_mille) => Self(u32::try_from(per_mille).unwrap_or(u32::MAX)),
            None => Self(u32::MAX),
        }
    }
}

impl fmt::Display for Utilisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilisation_is_per_mille_and_never_divides_by_zero() {
        assert_eq!(Utilisation::of(65, 100), Utilisation(650));
        assert_eq!(Utilisation::of(u32::MAX, 1), Utilisation(u32::MAX));
        assert_eq!(Utilisation::of(0, 0), Utilisation(u32::MAX));
    }
}
