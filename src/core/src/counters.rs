//! What a group counts: messages in and out, and every datagram dropped, by cause (G-2).

use core::fmt;
use serde::{Deserialize, Serialize};

/// Why a datagram or message was dropped. Nothing but a counter changed (S-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// Received TTL or hop limit below 255: it came from beyond the link.
    OffLink,
    /// Not a message: too short, too long, bad magic, a length that lies.
    Malformed,
    /// A protocol version this release does not speak.
    Version,
    /// Another group's.
    ForeignGroup,
    /// Signed under a key id that is not configured.
    UnknownKey,
    /// The signature does not fit.
    BadSignature,
    /// Already received, over the other control network or twice on one (G-1).
    Duplicate,
    /// From an earlier incarnation, an order to an earlier one of this box, or older than the replay window (G-1).
    Replay,
    /// Claims to be from this box, in this or a later life.
    OwnId,
    /// A command from a box that does not lead (G-20).
    NotLeader,
    /// A command of an older control pass (G-5).
    StalePass,
    /// More boxes than [`MAX_HOSTS`](crate::params::MAX_HOSTS), or more addresses than a group may have.
    OverLimit,
    /// Authentic, but of a message type that a newer release speaks and this one does not (G-6).
    UnknownType,
    /// Not signed, and the group requires it (G-70).
    Unsigned,
}

impl DropCause {
    /// Every cause, in the order of the MIB.
    pub const ALL: [Self; 14] = [
        Self::OffLink,
        Self::Malformed,
        Self::Version,
        Self::ForeignGroup,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Duplicate,
        Self::Replay,
        Self::OwnId,
        Self::NotLeader,
        Self::StalePass,
        Self::OverLimit,
        Self::UnknownType,
        Self::Unsigned,
    ];

    /// The word for it in the log, the MIB and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OffLink => "off-link",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::ForeignGroup => "foreign-group",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::Duplicate => "duplicate",
            Self::Replay => "replay",
            Self::OwnId => "own-id",
            Self::NotLeader => "not-leader",
            Self::StalePass => "stale-pass",
            Self::OverLimit => "over-limit",
            Self::UnknownType => "unknown-type",
            Self::Unsigned => "unsigned",
        }
    }
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Dropped datagrams by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops([u64; DropCause::ALL.len()]);

impl Drops {
    /// Counts one.
    pub fn count(&mut self, cause: DropCause) {
        if let Some(counter) = self.0.get_mut(cause as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    /// How many were dropped for this cause.
    #[must_use]
    pub fn of(&self, cause: DropCause) -> u64 {
        self.0.get(cause as usize).copied().unwrap_or(0)
    }

    /// How many were dropped for any cause.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Each cause with its count, in the order of the MIB.
    pub fn iter(&self) -> impl Iterator<Item = (DropCause, u64)> + '_ {
        DropCause::ALL.into_iter().map(|cause| (cause, self.of(cause)))
    }
}

/// A group's counters since the daemon started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Messages sent, each counted once however many control interfaces carried it.
    pub messages_out: u64,
    /// Messages accepted.
    pub messages_in: u64,
    /// Messages among those that nobody signed, where the group still takes them (G-70).
    pub unsigned_in: u64,
    /// Datagrams and messages dropped.
    pub drops: Drops,
    /// Addresses this box acquired.
    pub acquires: u64,
    /// Acquires that failed.
    pub acquire_failures: u64,
    /// Addresses this box released.
    pub releases: u64,
    /// Releases that failed.
    pub release_failures: u64,
    /// Times an address was put back that somebody else had removed.
    #[serde(default)]
    pub repairs: u64,
    /// Times another box became leader, as seen here.
    pub leader_changes: u64,
}
