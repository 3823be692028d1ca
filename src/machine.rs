//! What the machine itself is and does: interfaces, addresses, memory, processors, storage.
//!
//! Plain data: [`os`](crate::os) finds it out, the daemon publishes it, and the standard MIBs show it. Nothing here knows
//! where it comes from or what it is called on the wire.

use rais_core::address::InterfaceName;
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One picture of the machine. Immutable; a new one replaces it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// The network interfaces, by index.
    pub interfaces: Vec<Interface>,
    /// When an interface last appeared or went.
    pub interfaces_changed: Instant,
    /// The kernel's index of each interface of the configuration.
    pub configured: BTreeMap<InterfaceName, u32>,
    /// Addresses other than service addresses, IPv4 first, then in numerical order; each once.
    pub addresses: Vec<Address>,
    /// What does not change while the machine runs.
    pub hardware: Hardware,
    /// What was sampled last.
    pub sample: Sample,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// The kernel's index: never used again for another while the machine runs.
    pub index: u32,
    /// The kernel's name.
    pub name: String,
    /// What it is.
    pub kind: InterfaceKind,
    /// Its hardware address; may be empty.
    pub hardware_address: Vec<u8>,
    /// Octets.
    pub mtu: u32,
    /// It was set up.
    pub up: bool,
    /// It is up and has a carrier.
    pub carrier: bool,
    /// It takes packets for others.
    pub promiscuous: bool,
    /// Megabits a second; `None`: not known.
    pub speed_mbit: Option<u32>,
    /// When `up` or `carrier` last changed; before the daemon's start: then.
    pub changed: Instant,
    /// What it carried.
    pub counters: InterfaceCounters,
}

/// What an interface is, as far as it matters to a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// Ethernet, and whatever looks like it.
    Ethernet,
    /// The loopback interface.
    Loopback,
    /// A tunnel.
    Tunnel,
    /// Something else.
    Other,
}

/// What an interface carried since it was made, as the kernel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct InterfaceCounters {
    pub in_octets: u64,
    pub in_packets: u64,
    pub in_errors: u64,
    pub in_discards: u64,
    pub in_multicast: u64,
    pub out_octets: u64,
    pub out_packets: u64,
    pub out_errors: u64,
    pub out_discards: u64,
}

/// An address of an interface that is no service address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Index of its interface.
    pub interface: u32,
    /// Somebody configured it, and not the kernel by itself.
    pub configured: bool,
    /// When it was first seen; before the daemon's start: then.
    pub since: Instant,
}

/// What does not change while the machine runs. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Who made it.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// The model's revision.
    pub revision: String,
    /// Its serial number.
    pub serial: String,
    /// The version of its firmware.
    pub firmware: String,
    /// The processors' model.
    pub processor: String,
    /// The kernel's version.
    pub kernel: String,
    /// The kernel's command line.
    pub command_line: String,
    /// The image slot it was started from; `None`: it is no appliance.
    pub slot: Option<String>,
    /// The identity that the image gave it at its first start; `None`: it is no appliance.
    pub machine_id: Option<String>,
}

/// Figures of one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Memory.
    pub memory: Memory,
    /// Hundredths of the average number of processes that ran or wanted to, over 1, 5 and 15 minutes.
    pub load_hundredths: [u32; 3],
    /// Processes and threads that exist.
    pub processes: u32,
    /// Per processor the share of the last minute in which it was busy, in per cent.
    pub busy_percent: Vec<u32>,
    /// What all processors did, in hundredths of a second since the machine started.
    pub processor_time: ProcessorTime,
    /// File systems.
    pub storage: Vec<Storage>,
    /// IPv4 and IPv6.
    pub ip: [IpFigures; 2],
    /// Hundredths of a second since the machine started.
    pub up_hundredths: u64,
    /// Wall time, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

/// Memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Memory {
    pub total: u64,
    pub free: u64,
    pub available: u64,
    pub buffers: u64,
    pub cached: u64,
    pub shared: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

/// What the processors did, in hundredths of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ProcessorTime {
    pub user: u64,
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub io_wait: u64,
    pub interrupt: u64,
    pub soft_interrupt: u64,
    pub steal: u64,
    /// Interrupts taken.
    pub interrupts: u64,
    /// Switches from one thread to another.
    pub context_switches: u64,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Where it is mounted.
    pub path: String,
    /// It lives in memory.
    pub in_memory: bool,
    /// Octets of an allocation unit.
    pub unit_octets: u64,
    /// Units it has.
    pub units: u64,
    /// Units in use.
    pub used: u64,
}

/// What the kernel's IP does, one version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpFigures {
    /// Packets between interfaces are forwarded.
    pub forwarding: bool,
    /// Time to live, or hop limit, of packets that say no other.
    pub hop_limit: u32,
    /// Seconds in which all fragments of a packet must have come.
    pub reassembly_seconds: u32,
    /// The kernel's counters by the kernel's names, such as `InReceives`.
    pub counters: BTreeMap<String, u64>,
}

impl Machine {
    /// The interface with this index.
    #[must_use]
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        let found = self.interfaces.binary_search_by_key(&index, |interface| interface.index).ok()?;
        self.interfaces.get(found)
    }

    /// What the configuration calls an interface.
    #[must_use]
    pub fn alias(&self, index: u32) -> Option<&InterfaceName> {
        self.configured.iter().find(|(_, configured)| **configured == index).map(|(name, _)| name)
    }
}
