//! What an engineer decides for a box and its groups: the part of the configuration that the core reads.
//!
//! Field names are the keys of `config/rais.toml`. Ranges are checked where the file is read (`src/config`); the core
//! relies on them and states them here.

use crate::address::{GroupName, HostName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use crate::operator::StandingOrders;
use crate::quantity::{Generation, Incarnation, Utilisation};
use crate::time::Duration;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Most service groups on one box.
pub const MAX_GROUPS: usize = 64;
/// Most boxes in one group.
pub const MAX_HOSTS: usize = 64;
/// Most witnesses of one group.
pub const MAX_WITNESSES: usize = 8;
/// Most repetitions of an announcement.
pub const MAX_REPEATS: usize = 8;
/// Most service addresses in one group.
pub const MAX_ADDRESSES: usize = 10_000;

/// Everything the core is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxParams {
    /// This box's name.
    pub name: HostName,
    /// This start's number (G-1).
    pub incarnation: Incarnation,
    /// Nobody can tell whether an earlier life had it: it was neither counted nor is it from a clock. Such a box takes
    /// nothing before it has listened for a dead interval, in which its peers tell it.
    #[serde(default)]
    pub incarnation_is_guessed: bool,
    /// Generation of the running configuration (G-62).
    pub generation: Generation,
    /// The groups this box belongs to.
    pub groups: BTreeMap<GroupName, GroupParams>,
    /// Its test objects (N-1).
    pub tests: BTreeMap<TestName, TestParams>,
    /// Its load objects (N-2).
    pub loads: BTreeMap<LoadName, LoadParams>,
    /// What an operator ordered in an earlier life. It holds from the first word on; with a new configuration it does
    /// not count: what was ordered in this life does.
    #[serde(default)]
    pub orders: StandingOrders,
}

/// One service group, as this box sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupParams {
    /// The first of `control_addresses`.
    pub id: IdAddress,
    /// This box's control addresses, one per control interface, in the order of the configuration.
    pub control: Vec<Control>,
    /// The interface its service addresses are configured on: without a carrier there the box is not ok in this group.
    pub service_interface: InterfaceName,
    /// First octets of a digest of what all boxes of the group should agree on (G-62).
    pub digest: u64,
    /// Addresses this box introduces and owns while it is healthy. None: it is a hot spare.
    pub preferred_addresses: Vec<ServiceAddress>,
    /// Addresses of the group with no preferred box.
    pub pool_addresses: Vec<ServiceAddress>,
    /// Time between two info messages: 10 ms to 60 s.
    pub beat: Duration,
    /// A box not heard for this long is dead: at least 2 beats, at most an hour.
    pub dead_after: Duration,
    /// How long an address may stay acquiring or releasing before the leader decides anew (G-52).
    pub action_timeout: Duration,
    /// Kernel lifetime of a configured service address; renewed every third of it (G-33). 1 s to 1 h.
    pub lease: Duration,
    /// Time between two re-announcements of served addresses (G-10); `None`: only after an acquire.
    pub announce_every: Option<Duration>,
    /// How long after an acquire or a conflict an address is announced again, besides at once (G-60); at most
    /// [`MAX_REPEATS`].
    pub announce_again: Vec<Duration>,
    /// How long an orphan is kept (G-56); `None`: for ever.
    pub orphan_timeout: Option<Duration>,
    /// When an address goes home to its preferred box (G-57).
    pub failback: Failback,
    /// The longest time for which a box that comes and goes has to be well before its addresses go home to it (G-64);
    /// `None`: it need not. 1 s to 5 min.
    pub damping: Option<Duration>,
    /// How the leader chooses among equals (G-55).
    pub choice: Choice,
    /// Utilisation above which a box is full (N-11).
    pub high_water_mark: Utilisation,
    /// Utilisation below which a full box has room again (N-11).
    pub low_water_mark: Utilisation,
    /// Tests that must pass for this box to be ok in this group (G-11).
    pub tests: Vec<TestName>,
    /// Where load and capacity come from; `None`: load 0 of capacity 1000.
    pub load: Option<LoadName>,
    /// What a part of the group does that has lost the rest (G-42).
    pub partition: Partition,
    /// A box above the high water mark for this long hands an address on (G-58); `None`: never. 1 s to 1 h.
    pub load_moves: Option<Duration>,
}

/// What a part of the group does that has lost the rest (G-42).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partition {
    /// Each part serves everything.
    Serve,
    /// A part with at most half of these boxes serves nothing. Other boxes of the group do not count: so a box joins
    /// with no change on the others. At least 3, at most [`MAX_HOSTS`].
    Majority {
        /// The id addresses of the boxes that count.
        voters: BTreeSet<IdAddress>,
    },
    /// A box that reaches none of these addresses serves nothing.
    Witness {
        /// The addresses, at least one, at most [`MAX_WITNESSES`].
        witnesses: BTreeSet<IpAddr>,
        /// Time from one probe's start to the next's, and how long an answer may take.
        interval: Duration,
    },
}

/// A control interface and this box's address on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The interface.
    pub interface: InterfaceName,
    /// This box's address there.
    pub address: IpAddr,
}

/// When an address goes home to its preferred box (G-57).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failback {
    /// As soon as the preferred box is available.
    Immediate,
    /// After this much unbroken health of the preferred box.
    After(Duration),
    /// When an operator asks.
    Manual,
}

/// How the leader chooses among equals (G-55).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Choice {
    /// Fewest addresses in proportion to capacity, then lowest utilisation, then a stable hash.
    Balanced,
    /// A pick by hash of (address, pass): seed A's random pick, made reproducible.
    Random,
}

/// Schedule of a test object (N-1). What it probes is the edge's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestParams {
    /// Time from one run's start to the next's.
    pub interval: Duration,
    /// A run that takes longer has failed. At most the interval.
    pub timeout: Duration,
    /// Passed runs in a row after which a failed test has recovered.
    pub rise: u32,
    /// Failed runs in a row after which the test has failed.
    pub fall: u32,
}

/// Schedule of a load object (N-2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadParams {
    /// Time between two samples.
    pub interval: Duration,
}
