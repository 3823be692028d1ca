//! Notifications: what an operator is told when a state changes, once per change (G-32).
//!
//! Each is readable alone: the SNMP trap, the log line and the event table show the same fields. The first ten are raised
//! by the node; the others by the edge, which sees what the node does not: they are here so that there is one list, with
//! one name and one severity for each.

use crate::address::{GroupName, IdAddress, InterfaceName, ServiceAddress, TestName};
use crate::quantity::Generation;
use alloc::string::String;
use core::fmt;
use core::net::IpAddr;
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
    /// A group as a whole has been well, or not, for long enough to say so.
    GroupStateChange {
        /// The group.
        group: GroupName,
        /// What it is now.
        state: GroupState,
        /// Addresses that nobody serves.
        unserved: u32,
        /// Addresses that more than one box serves.
        duplicate: u32,
    },
    /// This box's part of a group began or ceased to serve, by the partition policy (G-42).
    PartitionChange {
        /// The group.
        group: GroupName,
        /// What it is now.
        state: PartitionState,
    },
    /// A box's configuration of the group differs from this box's: the group works by the leader's (G-62).
    ConfigDiffers {
        /// The group.
        group: GroupName,
        /// The box.
        host: IdAddress,
    },
    /// A box whose configuration of the group differed agrees with this box again, or is gone (G-62).
    ConfigAgrees {
        /// The group.
        group: GroupName,
        /// The box.
        host: IdAddress,
    },
    /// A machine that is no box of the group uses an address that this box serves.
    AddressConflict {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// Where it was seen.
        interface: InterfaceName,
        /// The other machine's hardware address, as `02:00:5e:00:00:01`.
        mac: String,
    },
    /// A configuration was loaded and is in force.
    ConfigApplied {
        /// Its generation.
        generation: Generation,
        /// Who signed it; `None`: nobody.
        signer: Option<String>,
    },
    /// A configuration was to be loaded and was refused; the one before runs on.
    ConfigRejected {
        /// What is wrong with it: the first fault.
        error: String,
    },
    /// The daemon has started as another version of the product, which on the appliance is another image.
    ImageUpdated {
        /// The version that runs now.
        version: String,
        /// The version that ran before.
        before: String,
    },
    /// The daemon has started, with another configuration than it last ran with, or for the first time.
    ColdStart,
    /// The daemon has started with the configuration it last ran with.
    WarmStart,
    /// One of the box's interfaces can carry traffic.
    LinkUp {
        /// The interface.
        interface: InterfaceName,
        /// Its index in the kernel and in IF-MIB.
        index: u32,
        /// It is set to be up.
        admin_up: bool,
    },
    /// One of the box's interfaces can carry no traffic any more.
    LinkDown {
        /// The interface.
        interface: InterfaceName,
        /// Its index in the kernel and in IF-MIB.
        index: u32,
        /// It is set to be up: then it is the cable or the switch.
        admin_up: bool,
    },
    /// Somebody asked the SNMP agent with a community or a key that is not good there.
    AuthenticationFailure {
        /// Where the question came from; anybody can write anything there.
        source: IpAddr,
    },
}

/// How much a notification matters. Each has exactly one, from [`Notification::severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is wrong.
    Info,
    /// Something is wrong that the group copes with: look at it in daylight.
    Warning,
    /// Clients are affected, or are about to be.
    Critical,
}

/// A group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// Every address is served by exactly one box.
    Ok,
    /// Some address is served by nobody or by more than one box, for longer than a move takes.
    Degraded,
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

impl HostState {
    /// Neither dead nor gone.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Up | Self::Quiesced | Self::NotOk => true,
            Self::Dead | Self::Left => false,
        }
    }

    /// It serves what it has, whether or not it takes more.
    #[must_use]
    pub const fn is_well(self) -> bool {
        match self {
            Self::Up | Self::Quiesced => true,
            Self::NotOk | Self::Dead | Self::Left => false,
        }
    }
}

/// What this box's part of a group may do (G-42).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionState {
    /// It serves.
    Serving,
    /// At most half of the boxes that count are in it: it serves nothing.
    Minority,
    /// This box reaches no witness: it serves nothing.
    NoWitness,
}

/// Why an address moved, or a box serves none (G-64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody served it, and nobody had as far as the leader knows: a start.
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
    /// The box that served it fell silent.
    Lost,
    /// The service interface of the box that served it lost its carrier.
    Carrier,
    /// The box that served it is in a part of the group that serves nothing (G-42).
    Partition,
    /// Somebody else removed it from the box that served it, and it could not be put back there.
    Removed,
    /// A peer of a newer release gave a reason that this one has no word for (G-6).
    Unknown,
}

impl Reason {
    /// Another box is to serve the address in this one's stead, and this one could go on: nothing failed, and there is
    /// no quarrel about it (G-63).
    #[must_use]
    pub const fn is_planned(self) -> bool {
        match self {
            Self::Failback | Self::Operator | Self::Load | Self::Stop => true,
            Self::Unserved
            | Self::Test
            | Self::Duplicate
            | Self::Expired
            | Self::Overslept
            | Self::Configuration
            | Self::Lost
            | Self::Carrier
            | Self::Partition
            | Self::Removed
            | Self::Unknown => false,
        }
    }
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

words!(Severity { Info => "info", Warning => "warning", Critical => "critical" });
words!(GroupState { Ok => "ok", Degraded => "degraded" });
words!(HostState { Up => "up", Quiesced => "quiesced", NotOk => "not-ok", Dead => "dead", Left => "left" });
words!(PartitionState { Serving => "serving", Minority => "minority", NoWitness => "no-witness" });
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
    Lost => "lost",
    Carrier => "carrier",
    Partition => "partition",
    Removed => "removed",
    Unknown => "unknown",
});

impl Notification {
    /// Every name that [`name`](Self::name) may give.
    pub const NAMES: &[&str] = &[
        "Acquire",
        "AcquireFailed",
        "Release",
        "ReleaseFailed",
        "TestFailed",
        "TestRecovered",
        "CannotAssign",
        "LeaderChange",
        "HostStateChange",
        "OrphanExpired",
        "GroupStateChange",
        "AddressConflict",
        "ConfigApplied",
        "ConfigRejected",
        "PartitionChange",
        "ConfigDiffers",
        "ConfigAgrees",
        "ImageUpdated",
        "ColdStart",
        "WarmStart",
        "LinkUp",
        "LinkDown",
        "AuthenticationFailure",
    ];

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
            Self::GroupStateChange { .. } => "GroupStateChange",
            Self::PartitionChange { .. } => "PartitionChange",
            Self::ConfigDiffers { .. } => "ConfigDiffers",
            Self::ConfigAgrees { .. } => "ConfigAgrees",
            Self::AddressConflict { .. } => "AddressConflict",
            Self::ConfigApplied { .. } => "ConfigApplied",
            Self::ConfigRejected { .. } => "ConfigRejected",
            Self::ImageUpdated { .. } => "ImageUpdated",
            Self::ColdStart => "ColdStart",
            Self::WarmStart => "WarmStart",
            Self::LinkUp { .. } => "LinkUp",
            Self::LinkDown { .. } => "LinkDown",
            Self::AuthenticationFailure { .. } => "AuthenticationFailure",
        }
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Acquire { .. }
            | Self::Release { .. }
            | Self::TestRecovered { .. }
            | Self::LeaderChange { leader: Some(_), .. }
            | Self::HostStateChange { state: HostState::Up | HostState::Quiesced | HostState::Left, .. }
            | Self::GroupStateChange { state: GroupState::Ok, .. }
            | Self::PartitionChange { state: PartitionState::Serving, .. }
            | Self::ConfigAgrees { .. }
            | Self::ConfigApplied { .. }
            | Self::ImageUpdated { .. }
            | Self::ColdStart
            | Self::WarmStart
            | Self::LinkUp { .. } => Severity::Info,
            Self::AcquireFailed { .. }
            | Self::ReleaseFailed { .. }
            | Self::TestFailed { .. }
            | Self::LeaderChange { leader: None, .. }
            | Self::HostStateChange { state: HostState::NotOk | HostState::Dead, .. }
            | Self::ConfigDiffers { .. }
            | Self::ConfigRejected { .. }
            | Self::LinkDown { .. }
            | Self::AuthenticationFailure { .. } => Severity::Warning,
            Self::CannotAssign { .. }
            | Self::OrphanExpired { .. }
            | Self::GroupStateChange { state: GroupState::Degraded, .. }
            | Self::PartitionChange { state: PartitionState::Minority | PartitionState::NoWitness, .. }
            | Self::AddressConflict { .. } => Severity::Critical,
        }
    }

    /// The severity of what it ends, if it ends something: whoever is told of an alarm is told of its end too.
    #[must_use]
    pub const fn ends(&self) -> Option<Severity> {
        match self {
            Self::TestRecovered { .. }
            | Self::LeaderChange { leader: Some(_), .. }
            | Self::HostStateChange { state: HostState::Up, .. }
            | Self::ConfigAgrees { .. }
            | Self::ConfigApplied { .. }
            | Self::LinkUp { .. } => Some(Severity::Warning),
            Self::PartitionChange { state: PartitionState::Serving, .. } => Some(Severity::Critical),
            Self::GroupStateChange { state: GroupState::Ok, .. } => Some(Severity::Critical),
            _ => None,
        }
    }
}
