//! Planted bugs, so that the tests can be tested: each must be caught by the simulation within CI's budget.
//!
//! Without the cargo feature `mutations` a node can not be given one and every question is answered `false`.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// A silent box is never found dead (G-50).
    NeverExpire,
    /// A box leads before it has listened for a dead interval (G-40).
    ActUnsettled,
    /// A box obeys whoever commands (G-20).
    ObeyAnyone,
    /// The leader forgets whom it chose and chooses anew with each pass (G-55).
    ForgetPending,
    /// The leader counts only what boxes report, not what it has just given them (G-55).
    PlanFromReports,
    /// The leader has the next box acquire before the last one has released (G-52).
    AcquireBeforeRelease,
    /// A box starts its sequence numbers anew now and then (G-1).
    ReuseSequence,
    /// An orphan's countdown starts anew with each leader (G-56).
    LoseOrphanTimer,
    /// A quiesced box is given addresses, and takes them (G-20, G-53).
    IgnoreQuiesce,
    /// Second-hand knowledge is passed on as if first-hand, and its age counted from when it was told (G-4).
    DoubleCountAges,
    /// A part of the group without a majority goes on serving (G-42).
    MinorityServes,
    /// A box is found dead as soon as it is suspected, without having been asked (G-4).
    DeadAtFirstMiss,
    /// A box obeys orders to its earlier life, and what was said before it listened it takes for new (G-1, G-20). Either
    /// guard alone keeps it from the orders.
    ObeyPastOrders,
    /// What was said before a box listened it takes for new (G-1), and for the word of who heard this life.
    OpenWindow,
    /// A full box hands addresses on at once, wherever they fit or not (G-58).
    MoveLoadAtOnce,
    /// One piece of an entry that is split over messages is taken for the whole (G-3).
    TakePieceForWhole,
    /// A message of any of the box's groups is taken for the first one's (G-2).
    MixGroups,
    /// A pool address that a new configuration takes away is served on (G-51).
    KeepTakenAway,
    /// Who keeps an address after a conflict does not announce it again (G-60).
    StaySilent,
    /// A box says each beat twice (G-12).
    SpeakTwice,
    /// A box that is told to stop leaves before it has released what it serves (G-13).
    LeaveAtOnce,
    /// What other boxes were told of the policy a box does not take over (G-57).
    KeepOwnPolicy,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NeverExpire,
        Self::ActUnsettled,
        Self::ObeyAnyone,
        Self::ForgetPending,
        Self::PlanFromReports,
        Self::AcquireBeforeRelease,
        Self::ReuseSequence,
        Self::LoseOrphanTimer,
        Self::IgnoreQuiesce,
        Self::DoubleCountAges,
        Self::MinorityServes,
        Self::DeadAtFirstMiss,
        Self::ObeyPastOrders,
        Self::OpenWindow,
        Self::MoveLoadAtOnce,
        Self::TakePieceForWhole,
        Self::MixGroups,
        Self::KeepTakenAway,
        Self::StaySilent,
        Self::SpeakTwice,
        Self::LeaveAtOnce,
        Self::KeepOwnPolicy,
    ];
}

/// The bug planted in a node, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planted {
    #[cfg(feature = "mutations")]
    mutation: Option<Mutation>,
}

impl Planted {
    /// No bug.
    #[cfg(feature = "mutations")]
    #[cfg(test)]
    pub(crate) const NONE: Self = Self { mutation: None };

    /// This bug.
    #[cfg(feature = "mutations")]
    pub(crate) const fn of(mutation: Mutation) -> Self {
        Self { mutation: Some(mutation) }
    }

    /// Is it this one?
    #[cfg(feature = "mutations")]
    pub(crate) fn is(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Is it this one? Never, outside the tests of the tests.
    #[cfg(not(feature = "mutations"))]
    pub(crate) const fn is(self, _mutation: Mutation) -> bool {
        false
    }
}
