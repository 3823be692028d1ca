//! An immutable picture of everything the core knows, for SNMP, the command line, names and the web.
//!
//! Readers never touch the [`Node`](crate::node::Node): they read the last published view. Rows are sorted by their key.

use crate::address::{GroupName, HostName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use crate::counters::Counters;
use crate::info_message::Claim;
use crate::notification::{HostState, PartitionState, Reason};
use crate::operator::Policy;
use crate::params::{Choice, Failback};
use crate::quantity::{Generation, Incarnation, Utilisation};
use crate::time::{Duration, Instant};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Everything the core knows, at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// When it was taken.
    pub at: Instant,
    /// This box's name.
    pub name: HostName,
    /// This start's number.
    pub incarnation: Incarnation,
    /// Generation of the running configuration.
    pub generation: Generation,
    /// The groups, by name.
    pub groups: Vec<GroupView>,
    /// The test objects, by name.
    pub tests: Vec<TestView>,
    /// The load objects, by name.
    pub loads: Vec<LoadView>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// This box's id address in it.
    pub id: IdAddress,
    /// Who leads; `None`: nobody is settled.
    pub leader: Option<IdAddress>,
    /// This box has listened for one dead interval (G-40).
    pub settled: bool,
    /// What this box's part of the group may do (G-42).
    pub partition_state: PartitionState,
    /// What the state follows from.
    pub partition: PartitionView,
    /// Live boxes whose configuration of the group differs from ours (G-62).
    pub disagreeing: u32,
    /// Time between two info messages.
    pub beat: Duration,
    /// Silence after which a box is dead.
    pub dead_after: Duration,
    /// How the leader chooses among equals (G-55).
    pub choice: Choice,
    /// When addresses go home (G-57).
    pub failback: Failback,
    /// What operators changed of the last two.
    pub policy: Policy,
    /// What they changed it from.
    pub configured: PolicyConfigured,
    /// High water mark.
    pub high_water_mark: Utilisation,
    /// Low water mark.
    pub low_water_mark: Utilisation,
    /// Counters.
    pub counters: Counters,
    /// When the leader last changed, or the group was joined.
    pub last_change: Instant,
    /// The boxes, by id address; this box among them.
    pub hosts: Vec<HostView>,
    /// The service addresses, IPv4 first, then in numerical order.
    pub addresses: Vec<AddressView>,
}

/// How a group decides by this box's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyConfigured {
    /// When addresses go home (G-57).
    pub failback: Failback,
    /// How the leader chooses among equals (G-55).
    pub choice: Choice,
}

/// What a partition policy goes by, as seen from this box (G-42).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum PartitionView {
    /// Each part serves.
    Serve,
    /// The part with the majority serves.
    Majority {
        /// The boxes that count, by id address.
        voters: Vec<IdAddress>,
        /// How many of them are in this part.
        present: u32,
    },
    /// Who reaches a witness serves.
    Witness {
        /// The witnesses, and whether this box reaches them.
        witnesses: Vec<WitnessView>,
    },
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// Its address.
    pub address: IpAddr,
    /// It answers.
    pub reached: bool,
    /// When that last changed.
    pub last_change: Instant,
    /// What the last failed probe said.
    pub last_error: Option<String>,
}

/// One box of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    /// Its id address.
    pub id: IdAddress,
    /// Its name.
    pub name: HostName,
    /// Its health as seen from here.
    pub state: HostState,
    /// Its tests pass, its service interface has a carrier, and the partition policy lets it serve.
    pub ok: bool,
    /// Why it is not ok.
    pub trouble: Option<Reason>,
    /// Its configuration of the group differs from this box's (G-62).
    pub differs: bool,
    /// It takes no new address.
    pub quiesced: bool,
    /// It is giving its addresses away.
    pub draining: bool,
    /// It has no preferred address.
    pub spare: bool,
    /// It has listened for one dead interval.
    pub settled: bool,
    /// Its load.
    pub load: u32,
    /// Its capacity.
    pub capacity: u32,
    /// Its utilisation.
    pub utilisation: Utilisation,
    /// Its control addresses.
    pub control_addresses: Vec<IpAddr>,
    /// Its preferred addresses.
    pub preferred: Vec<ServiceAddress>,
    /// How many addresses it serves.
    pub served: u32,
    /// When it was last heard, directly or through others; for this box itself: now.
    pub last_heard: Instant,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// How often its state changed.
    pub transitions: u32,
    /// When its state last changed.
    pub last_change: Instant,
    /// It came and went too often: its addresses do not go home to it before (G-64).
    pub damped_until: Option<Instant>,
    /// What was measured on it.
    pub contact: ContactView,
}

/// How well a box is heard; for this box itself all is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactView {
    /// The usual time that our messages and its answers take there and back; `None`: not yet measured.
    pub round_trip: Option<Duration>,
    /// The longest that its messages were late lately.
    pub lateness: Duration,
    /// Share of its messages that did not arrive lately by any control interface, in per mille; `None`: too few were
    /// counted.
    pub loss: Option<u16>,
    /// Silence after which it is dead, as things stand, if it leaves all questions without an answer: at most the dead
    /// interval.
    pub patience: Duration,
    /// By which of this box's control interfaces it is heard, in the order of the configuration.
    pub links: Vec<LinkView>,
}

/// What one control interface of this box hears of another box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The control interface.
    pub interface: InterfaceName,
    /// When the last message came in by it; `None`: never.
    pub last_heard: Option<Instant>,
    /// Share of its messages that did not come in by it lately, in per mille; `None`: too few were counted.
    pub loss: Option<u16>,
}

/// One service address of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// The address.
    pub address: ServiceAddress,
    /// What the group makes of it.
    pub state: AddressState,
    /// Who serves it, or is about to, or is giving it up.
    pub server: Option<IdAddress>,
    /// Its preferred box, dead or alive; `None`: a pool address.
    pub preferred: Option<IdAddress>,
    /// Served, but not by its preferred box.
    pub orphan: bool,
    /// What is left of the orphan's time; `None`: no limit, or it is at home.
    pub orphan_time_left: Option<Duration>,
    /// Why it last moved, if this box knows.
    pub reason: Option<Reason>,
    /// This box's own claim to it.
    pub own_claim: Option<Claim>,
    /// How often its state or server changed.
    pub transitions: u32,
    /// When they last changed.
    pub last_change: Instant,
    /// The last thing that went wrong with it on this box.
    pub last_error: Option<AddressError>,
    /// Boxes that failed to acquire it and are passed over for a while, by id address (G-55). Only the leader knows; on
    /// another box it is empty.
    #[serde(default)]
    pub backoffs: Vec<BackoffView>,
}

/// What went wrong with an address on this box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressError {
    /// It could not be acquired, or not be released cleanly, and that is why.
    Failed(String),
    /// Somebody else removed it, and it was put back: so often without having been left alone for a minute between.
    PutBack {
        /// One or more.
        times: u32,
    },
    /// Somebody else removed it, and it could not be put back: that is why.
    NotPutBack(String),
}

/// A box that failed to acquire an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackoffView {
    /// The box.
    pub host: IdAddress,
    /// Until when others go before it: 1 s after the first failure, twice as long after each further one, up to 60 s.
    pub until: Instant,
}

/// What the group makes of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressState {
    /// Exactly one box serves it.
    Online,
    /// A box is configuring it.
    Acquiring,
    /// A box is giving it up.
    Releasing,
    /// Nobody claims it.
    Unserved,
    /// More than one box claims it.
    Duplicate,
}

impl AddressState {
    /// The word for it in the log, the MIB and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Acquiring => "acquiring",
            Self::Releasing => "releasing",
            Self::Unserved => "unserved",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One test object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestView {
    /// Its name.
    pub name: TestName,
    /// It passes (a test that has not yet run `rise` times passes: a starting box is not a failed one).
    pub passing: bool,
    /// Runs.
    pub runs: u64,
    /// Failed runs.
    pub failures: u64,
    /// Times it changed between passing and failing.
    pub transitions: u32,
    /// When it last did.
    pub last_change: Instant,
    /// What the last failed run said.
    pub last_error: Option<String>,
}

/// One load object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// Its name.
    pub name: LoadName,
    /// Load at the last sample.
    pub load: u32,
    /// Capacity at the last sample.
    pub capacity: u32,
    /// When it was last sampled; `None`: never.
    pub sampled: Option<Instant>,
    /// What the last failed sample said, if the last one failed.
    pub last_error: Option<String>,
}

impl View {
    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &GroupName) -> Option<&GroupView> {
        self.groups.iter().find(|group| group.name == *name)
    }
}

impl GroupView {
    /// The box with this control address.
    #[must_use]
    pub fn host_at(&self, address: IpAddr) -> Option<&HostView> {
        self.hosts.iter().find(|host| host.id.0 == address || host.control_addresses.contains(&address))
    }

    /// This box leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leader == Some(self.id)
    }
}
