//! Notifications: what an operator is told when a state changes, once per change (G-32).
//!
//! Each is readable alone: the SNMP trap, the log line and the event table show the same fields.

use crate::address::{GroupName, IdAddress, ServiceAddress, TestName};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notification", rename_all = "kebab-case")]
pub enum Notification {
    /// This box serves an address.
    Acquire {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// Why.
        reason: Reason,
    },
    /// This box was to serve an address and could not.
    AcquireFailed {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// What went wrong, in words.
        error: String,
    },
    /// This box stopped serving an address.
    Release {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// Why.
        reason: Reason,
    },
    /// This box stopped serving an address, and its release script or the removal went wrong.
    ReleaseFailed {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// What went wrong, in words.
        error: String,
    },
    /// A test object failed `fall` times in a row.
    TestFailed {
        /// The test.
        test: TestName,
        /// What went wrong, in words.
        error: String,
    },
    /// A failed test object passed `rise` times in a row.
    TestRecovered {
        /// The test.
        test: TestName,
    },
    /// No box can serve an address. Sent by the leader.
    CannotAssign {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
    },
    /// Another box leads.
    LeaderChange {
        /// The group.
        group: GroupName,
        /// The new leader; `None`: nobody is settled.
        leader: Option<IdAddress>,
    },
    /// A box appeared, died, left, or changed its health.
    HostStateChange {
        /// The group.
        group: GroupName,
        /// The box.
        host: IdAddress,
        /// What it is now.
        state: HostState,
    },
    /// An orphan's time ran out: the group no longer serves it.
    OrphanExpired {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
    },
}

/// A box as its peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    /// Live, ok and taking addresses.
    Up,
    /// Live and ok, takes no new address.
    Quiesced,
    /// Live, a test fails.
    NotOk,
    /// Silent for the dead interval.
    Dead,
    /// Said goodbye.
    Left,
}

/// Why an address moved (G-64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody served it: a start, or its box was lost or left.
    Unserved,
    /// It goes home to its preferred box.
    Failback,
    /// A test failed on the box that served it.
    Test,
    /// An operator asked.
    Operator,
    /// More than one box claimed it.
    Duplicate,
    /// Its orphan time ran out, or the group does not know it.
    Expired,
    /// The daemon stops.
    Stop,
    /// The box overslept and can not know who serves it now.
    Overslept,
    /// The box that served it was too full.
    Load,
    /// The configuration took it away.
    Configuration,
    /// A peer of a newer release gave a reason that this one has no word for (G-6).
    Unknown,
}

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $type {
            /// The word for it in the log, the MIB and the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(HostState { Up => "up", Quiesced => "quiesced", NotOk => "not-ok", Dead => "dead", Left => "left" });
words!(Reason {
    Unserved => "unserved",
    Failback => "failback",
    Test => "test",
    Operator => "operator",
    Duplicate => "duplicate",
    Expired => "expired",
    Stop => "stop",
    Overslept => "overslept",
    Load => "load",
    Configuration => "configuration",
    Unknown => "unknown",
});

impl Notification {
    /// Its name in the MIB, the log and the event table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Acquire { .. } => "Acquire",
            Self::AcquireFailed { .. } => "AcquireFailed",
            Self::Release { .. } => "Release",
            Self::ReleaseFailed { .. } => "ReleaseFailed",
            Self::TestFailed { .. } => "TestFailed",
            Self::TestRecovered { .. } => "TestRecovered",
            Self::CannotAssign { .. } => "CannotAssign",
            Self::LeaderChange { .. } => "LeaderChange",
            Self::HostStateChange { .. } => "HostStateChange",
            Self::OrphanExpired { .. } => "OrphanExpired",
        }
    }
}
