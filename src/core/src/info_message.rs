//! What boxes say to each other (G-1 … G-5): the meaning, not the bytes. The bytes are `src/wire`'s.

use crate::address::{HostName, IdAddress, ServiceAddress};
use crate::notification::Reason;
use crate::operator::Policy;
use crate::quantity::{EntryVersion, Generation, Incarnation, PassNumber, Sequence};
use crate::time::Duration;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One message, authenticated and decoded. The group is known from where it is handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it.
    pub sender: IdAddress,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// Its number within the incarnation.
    pub sequence: Sequence,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The heartbeat.
    Info(Info),
    /// The leader tells boxes to serve addresses (G-20).
    Acquire(Orders),
    /// The leader tells boxes to stop serving addresses (G-21).
    Release(Orders),
    /// A clean goodbye: everything is released (G-13).
    Leave,
    /// Asks a box to speak at once: it is silent, or the asker does not know the version it was told of (G-3, G-4).
    Ask(Ask),
}

/// A question to one box, which all hear: who heard the box asked lately says so as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The box asked.
    pub host: IdAddress,
    /// The version of its entry that the asker has; 0: none. Another than its last one is answered with the entry.
    pub known: EntryVersion,
}

/// What one control pass commands, as much of it as fits a datagram (G-5). Each order stands for itself: a receiver
/// obeys or refuses it as if it had come alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The leader's control pass that decided them.
    pub pass: PassNumber,
    /// The orders.
    pub orders: Vec<Order>,
}

/// A command of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The box that is to act.
    pub destination: IdAddress,
    /// The life of that box to which the order is given: its next one does not know of it and is not bound by it, be the
    /// order late or recorded and sent again by somebody else.
    pub life: Incarnation,
    /// The address it is about.
    pub address: ServiceAddress,
    /// Why (G-64).
    pub reason: Reason,
}

impl Order {
    /// At most this many octets are needed to encode the order.
    #[must_use]
    pub const fn octets(&self) -> usize {
        11 + octets_of(self.destination.0) + octets_of(self.address.0)
    }
}

/// What a bare address takes.
const fn octets_of(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 16,
    }
}

/// The heartbeat's content: always the status, and what fits of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The sender's status, in every beat.
    pub status: Status,
    /// The version of the sender's entry that this beat speaks of.
    pub entry_version: EntryVersion,
    /// The entry, or a part of it; `None` in a beat that changes nothing.
    pub part: Option<EntryPart>,
    /// What the sender knows of the other boxes (G-4).
    pub heard: Vec<Heard>,
}

/// The small facts about a box that every beat carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The box's name, for people.
    pub name: HostName,
    /// Every linked test passes, the service interface has a carrier, and the partition policy lets it serve.
    pub ok: bool,
    /// Why it is not ok: [`Reason::Test`], [`Reason::Carrier`] or [`Reason::Partition`]; `None`: it is.
    pub trouble: Option<Reason>,
    /// Takes no new service address.
    pub quiesced: bool,
    /// Quiesced, and wants to be rid of what it serves, one address at a time (G-59).
    pub draining: bool,
    /// Has listened for one dead interval (G-40).
    pub settled: bool,
    /// Has no preferred address.
    pub spare: bool,
    /// Load, in the load object's unit.
    pub load: u32,
    /// Capacity, in the same unit.
    pub capacity: u32,
    /// Generation of the sender's configuration (G-62).
    pub generation: Generation,
    /// Digest of the group's part of it (G-62).
    pub digest: u64,
    /// How the group decides, where operators changed it, as the sender holds it.
    #[serde(default)]
    pub policy: Policy,
}

/// A self-contained piece of a host entry: a receiver that has all `count` pieces of a version has the entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPart {
    /// Which piece, from 0.
    pub index: u16,
    /// How many pieces the entry has, at least 1.
    pub count: u16,
    /// The sender's control addresses (the same in every piece).
    pub control_addresses: Vec<IpAddr>,
    /// The rows of this piece.
    pub rows: Vec<Row>,
}

/// One row of a host entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Row {
    /// The sender owns this address.
    Preferred(ServiceAddress),
    /// The sender holds this address, in this state.
    Claim(ServiceAddress, Claim),
    /// The sender knows this address as another box's, last served at home this long ago (G-22, G-56).
    Orphan {
        /// The address.
        address: ServiceAddress,
        /// Its preferred box.
        preferred: IdAddress,
        /// Time since its preferred box served it.
        age: Duration,
    },
}

impl Row {
    /// At most this many octets are needed to encode the row: what `src/wire` writes, and its tests assert. Parts of an
    /// entry are packed by it so that a message fits one unfragmented datagram (G-3).
    #[must_use]
    pub const fn octets(&self) -> usize {
        // A tag and the address's family; a claim's state; an age in milliseconds.
        match self {
            Self::Preferred(address) => 2 + octets_of(address.0),
            Self::Claim(address, _) => 3 + octets_of(address.0),
            Self::Orphan { address, preferred, .. } => 10 + octets_of(address.0) + octets_of(preferred.0),
        }
    }
}

/// A claim to an address, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Claim {
    /// Being configured; not yet served.
    Acquiring,
    /// Served.
    Online,
    /// Being given up; not served any more once the box says nothing of it.
    Releasing,
}

/// Second-hand knowledge of a box (G-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The box.
    pub id: IdAddress,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The number of the message by which it was heard then: so the box itself can tell how long the way there and
    /// back takes.
    pub sequence: Sequence,
    /// How long ago the sender heard it *directly*. Second-hand ages are never passed on: they would be counted twice.
    pub age: Duration,
    /// How many of its messages did not reach the sender lately, in per mille.
    pub loss: u16,
}
