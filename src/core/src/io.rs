//! The core's one door: what goes in, what comes out.

use crate::address::{GroupName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use crate::counters::DropCause;
use crate::info_message::Message;
use crate::notification::{Notification, PartitionState, Reason};
use crate::operator::{FailbackOrder, StandingOrders};
use crate::params::{BoxParams, Choice};
use crate::quantity::{Incarnation, Ticket};
use crate::time::Duration;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Time passed: nothing else happened.
    Tick,
    /// An authentic message of a group arrived on a control interface.
    Received {
        /// The group it is for.
        group: GroupName,
        /// The control interface it came in on.
        interface: InterfaceName,
        /// The message.
        message: Message,
    },
    /// The message that comes next was signed by nobody; the group's configuration takes it all the same (G-70).
    Unsigned {
        /// The group.
        group: GroupName,
    },
    /// A datagram was dropped at the edge before it was a message (G-2).
    Dropped {
        /// The group at whose port it arrived.
        group: GroupName,
        /// Why.
        cause: DropCause,
    },
    /// An acquire or release ended.
    Finished {
        /// The action.
        ticket: Ticket,
        /// `Err` holds what went wrong, in words.
        result: Result<(), String>,
    },
    /// A run of a test object ended.
    Tested {
        /// The test.
        test: TestName,
        /// `Err` holds what went wrong, in words.
        result: Result<(), String>,
    },
    /// A load object was sampled.
    Sampled {
        /// The load object.
        load: LoadName,
        /// Load and capacity; `Err` keeps the last figures and says why.
        result: Result<(u32, u32), String>,
    },
    /// A probe of a witness ended.
    Witnessed {
        /// The group whose witness it is.
        group: GroupName,
        /// The witness.
        witness: IpAddr,
        /// `Err` holds what went wrong, in words.
        result: Result<(), String>,
    },
    /// Some other machine claims a service address on a service interface (RFC 5227 §2.4).
    Claimed {
        /// The interface.
        interface: InterfaceName,
        /// The address.
        address: ServiceAddress,
        /// The machine's hardware address, as `02:00:5e:00:00:01`.
        mac: String,
    },
    /// A service address that this box holds is gone from a service interface that is up, and no action of ours removed
    /// it.
    Removed {
        /// The interface.
        interface: InterfaceName,
        /// The address.
        address: ServiceAddress,
    },
    /// A service interface lost or regained its carrier.
    Carrier {
        /// The interface.
        interface: InterfaceName,
        /// It has one now.
        up: bool,
    },
    /// This box lives on under another incarnation, which is kept already: the answer to [`Action::Outlive`]. One that is
    /// not greater than the present one changes nothing.
    Outlived {
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// An operator asks for something.
    Command(Command),
    /// A new configuration, already checked.
    Configure(Box<BoxParams>),
    /// The daemon is told to stop: release everything and say goodbye (G-13). The core answers with
    /// [`Action::Stopped`] once others serve what it gave up, or after a bounded wait.
    Stop,
}

/// What an operator may ask of a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Take no new service address; `None`: in every group.
    Quiesce {
        /// The group, or all.
        group: Option<GroupName>,
    },
    /// Undo quiesce and drain.
    Unquiesce {
        /// The group, or all.
        group: Option<GroupName>,
    },
    /// Quiesce, and move everything away, one address at a time (G-59).
    Drain {
        /// The group, or all.
        group: Option<GroupName>,
    },
    /// Have addresses of the group go home by this instead of the configuration (G-57), whichever box leads.
    Failback {
        /// The group, or all.
        group: Option<GroupName>,
        /// When; `None`: as configured.
        failback: Option<FailbackOrder>,
    },
    /// Have the group's leader choose among equals by this instead of the configuration (G-55), whichever box leads.
    Choice {
        /// The group, or all.
        group: Option<GroupName>,
        /// How; `None`: as configured.
        choice: Option<Choice>,
    },
    /// On the leader: have `host` serve `address`, moving it there if another serves it.
    Acquire {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// The box; `None`: the leader chooses.
        host: Option<IdAddress>,
    },
    /// On the leader: have whoever serves `address` release it; the group then finds a server as for any unserved one.
    Release {
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
    },
}

/// Why a [`Command`] was not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CommandError {
    /// This box is not in that group.
    #[error("this box is not in a group named {0}")]
    NoSuchGroup(GroupName),
    /// The group has no such address.
    #[error("group {0} has no service address {1}")]
    NoSuchAddress(GroupName, ServiceAddress),
    /// The group has no such live box.
    #[error("group {0} has no live box {1}")]
    NoSuchHost(GroupName, IdAddress),
    /// Only the leader commands (G-41).
    #[error("this box does not lead group {group}; ask {}", leader.map_or_else(|| String::from("again when there is a leader"), |id| alloc::format!("{id}")))]
    NotLeader {
        /// The group.
        group: GroupName,
        /// Who does lead it.
        leader: Option<IdAddress>,
    },
    /// It may lack a word about the group's policy that was said before, and would be the older one.
    #[error("this box still listens what holds in group {0}; ask again in a moment")]
    Unsettled(GroupName),
    /// This part of the group serves nothing, by its partition policy (G-42).
    #[error("group {0} serves nothing here: this part of it is {1}")]
    Partitioned(GroupName, PartitionState),
    /// The box asked for can not take it.
    #[error("{0} can not take it: {1}")]
    NotEligible(IdAddress, String),
}

/// Something is to be done by the edge. An action with a ticket is answered by [`Input::Finished`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Action {
    /// Send a message to the group address, once on every control interface.
    Send {
        /// The group.
        group: GroupName,
        /// The message.
        message: Message,
    },
    /// Configure an address on the group's service interface, then run the acquire script (G-30).
    Acquire {
        /// Answer with this.
        ticket: Ticket,
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
    },
    /// Run the release script, then remove the address (G-31).
    Release {
        /// Answer with this.
        ticket: Ticket,
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// Why: what moves by plan may be served for a moment longer to clients that have not heard of it (G-63).
        reason: Reason,
    },
    /// Configure an address again that somebody else removed from the group's service interface; no script runs. One that
    /// was released meanwhile is left alone.
    Restore {
        /// Answer with this.
        ticket: Ticket,
        /// The group.
        group: GroupName,
        /// The address.
        address: ServiceAddress,
        /// How often that makes it, since it was last left alone.
        times: u32,
    },
    /// Announce served addresses: gratuitous ARP, unsolicited neighbour advertisement (G-10, G-60).
    Announce {
        /// The group.
        group: GroupName,
        /// The addresses.
        addresses: Vec<ServiceAddress>,
    },
    /// Renew the kernel lifetime of the addresses held (G-33).
    Renew {
        /// The group.
        group: GroupName,
        /// The addresses.
        addresses: Vec<ServiceAddress>,
    },
    /// Run a test object once and answer with [`Input::Tested`].
    Test {
        /// The test.
        test: TestName,
    },
    /// Probe a witness once, for at most `timeout`, and answer with [`Input::Witnessed`].
    Witness {
        /// The group.
        group: GroupName,
        /// The witness.
        witness: IpAddr,
        /// How long to wait for its answer.
        timeout: Duration,
    },
    /// Sample a load object once and answer with [`Input::Sampled`].
    Sample {
        /// The load object.
        load: LoadName,
    },
    /// Tell the operator.
    Notify(Notification),
    /// Others know a life of this box that is not before this one: its start counter was lost, and they drop all it says as
    /// a replay. Keep a greater incarnation than `known`, one that no life of this box had, and answer with
    /// [`Input::Outlived`].
    Outlive {
        /// The greatest incarnation that they know.
        known: Incarnation,
    },
    /// Keep what the operator ordered, in the place of all before, for this box's next life. Comes before the answer to
    /// who ordered it.
    Remember(StandingOrders),
    /// Tell whoever asked what became of the [`Command`] just handled.
    Answer(Result<(), CommandError>),
    /// Everything is released and others serve it, or the wait is over: the daemon may exit.
    Stopped,
}
