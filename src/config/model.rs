//! The running model: what a configuration means once every fault has been ruled out.
//!
//! It knows nothing of TOML, of positions in a file or of signatures; `v1` makes it from the file model. Everything the
//! daemon needs is in here, the content of scripts, keys and headers included, so that what was verified is what is used.

use super::provenance::Provenance;
use super::secret::{Authentication, Community, Key, KeyId};
use crate::snmp::v3::{EngineId, Level, User};
use crate::snmp::{AccessControl, View};
use rais_core::address::{GroupName, HostName, InterfaceName, LoadName, Prefix, TestName};
use rais_core::notification::Severity;
use rais_core::operator::StandingOrders;
use rais_core::params::{BoxParams, GroupParams, LoadParams, TestParams};
use rais_core::quantity::Incarnation;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One box's whole configuration, checked. Two that are equal need no reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Where it comes from, and who answers for it.
    pub provenance: Provenance,
    /// The box's name.
    pub name: HostName,
    /// sysContact: at most 255 printable ASCII characters.
    pub contact: String,
    /// sysLocation: at most 255 printable ASCII characters.
    pub location: String,
    /// The box's interfaces.
    pub interfaces: BTreeMap<InterfaceName, Interface>,
    /// Static routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Does the box forward packets?
    pub forwarding: Forwarding,
    /// Test objects (N-1).
    pub tests: BTreeMap<TestName, Test>,
    /// Load objects (N-2).
    pub loads: BTreeMap<LoadName, Load>,
    /// Service groups.
    pub groups: BTreeMap<GroupName, Group>,
    /// Zones, in the order of the file.
    pub zones: Vec<Zone>,
    /// The SNMP agent.
    pub snmp: Snmp,
}

impl Configuration {
    /// The part of it that the core reads. Of what an operator ordered it knows nothing, nor how good the incarnation is.
    #[must_use]
    pub fn box_params(&self, incarnation: Incarnation) -> BoxParams {
        BoxParams {
            name: self.name.clone(),
            incarnation,
            incarnation_is_guessed: false,
            generation: self.provenance.generation,
            groups: self.groups.iter().map(|(name, group)| (name.clone(), group.params.clone())).collect(),
            tests: self.tests.iter().map(|(name, test)| (name.clone(), test.params.clone())).collect(),
            loads: self.loads.iter().map(|(name, load)| (name.clone(), load.params.clone())).collect(),
            orders: StandingOrders::default(),
        }
    }
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Which NIC it is.
    pub selector: Selector,
    /// Octets, 576 to 9216; `None`: as the kernel has it.
    pub mtu: Option<u32>,
    /// The box's own addresses on it; never a service address.
    pub addresses: Vec<InterfaceAddress>,
}

/// How a NIC is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// By its MAC address.
    Mac(MacAddress),
    /// By its PCI path, in the kernel's spelling: `0000:00:03.0`.
    Pci(String),
    /// By the kernel's name, 1 to 15 octets: only where that is stable.
    KernelName(String),
}

/// A NIC's hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An address of the box, with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that the network shares: 1 to 32 (IPv4) or 128 (IPv6).
    pub prefix_length: u8,
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; of length 0: the default route.
    pub to: Prefix,
    /// Next hop, of the destination's family.
    pub via: IpAddr,
    /// The interface it leaves by.
    pub interface: InterfaceName,
    /// Lower wins; at least 1.
    pub metric: u32,
}

/// Does the box forward packets between its interfaces?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
}

/// A test object (N-1): the core knows when, the edge knows what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Its schedule.
    pub params: TestParams,
    /// What it probes.
    pub probe: Probe,
}

/// What a test object probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A TCP connection is accepted.
    TcpConnect {
        /// Where.
        target: SocketAddr,
    },
}

/// A load object (N-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its schedule.
    pub params: LoadParams,
    /// What it measures.
    pub source: LoadSource,
}

/// What a load object measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadSource {
    /// Busy time of all processors.
    Cpu,
}

/// A service group: the core's part, and what only the edge needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the core reads. `params.control` holds the control interfaces.
    pub params: GroupParams,
    /// Multicast address and UDP port that the boxes of the group talk on. With `peers` only the port is, and the address
    /// is the group's identity and family.
    pub address: SocketAddr,
    /// Control addresses of other boxes, which are told one by one; at most 252, each on the network of one of this box's
    /// control addresses. None: the group is told by multicast.
    pub peers: Vec<IpAddr>,
    /// The interface its service addresses are configured on.
    pub service_interface: InterfaceName,
    /// Who on the service network is told of an address in person besides (G-61), at most 16.
    pub neighbours: Vec<IpAddr>,
    /// Run after an address was configured (G-30).
    pub acquire_script: Option<Script>,
    /// Run before an address is removed (G-31).
    pub release_script: Option<Script>,
    /// A script that takes longer is killed with its whole process group: 100 ms to 10 min, at most the action timeout.
    pub script_timeout: Duration,
    /// How far the group has come with authentication (G-70).
    pub authentication: Authentication,
    /// Message keys by id: each is accepted; at least one, unless nothing is signed yet.
    pub keys: BTreeMap<KeyId, Key>,
    /// The id of the key that is used to send; one of `keys`. `None`: there is no key.
    pub send_key: Option<KeyId>,
}

/// An executable.
#[derive(Clone, PartialEq, Eq)]
pub enum Script {
    /// A file of the box, outside the bundle: nobody signed its content.
    Absolute(PathBuf),
    /// A file of the bundle.
    Bundled {
        /// Its path in the bundle.
        path: String,
        /// Its content, as it was verified: run this, and not what the file holds by then.
        content: Arc<[u8]>,
    },
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(path) => f.debug_tuple("Absolute").field(path).finish(),
            Self::Bundled { path, content } => {
                f.debug_struct("Bundled").field("path", path).field("octets", &content.len()).finish()
            }
        }
    }
}

/// A zone (N-20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its origin, in lower case, without the final dot.
    pub name: String,
    /// The group whose addresses it advertises.
    pub group: GroupName,
    /// The operator's records: UTF-8 text.
    pub header: Arc<str>,
    /// Owner name of the addresses relative to the origin; `@`: the origin itself.
    pub record: String,
    /// Seconds, 1 to 86400.
    pub ttl: u32,
    /// How many addresses of a family stay however full their boxes are: 1 to `maximum`.
    pub minimum: usize,
    /// How many addresses of a family there may be: 1 to 64.
    pub maximum: usize,
    /// Never advertised.
    pub exclude: Vec<Prefix>,
    /// How often the choice is made anew: at least two beats of the group, at most an hour.
    pub update_interval: Duration,
    /// The file that is written: absolute, or relative to the state directory.
    pub file: PathBuf,
}

/// The SNMP agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snmp {
    /// UDP sockets; none: it is off.
    pub listen: Vec<SocketAddr>,
    /// From where anybody may ask at all; empty: from everywhere.
    pub sources: Vec<Prefix>,
    /// How many requests a source may make in a second, and at once: at least 1.
    pub requests_per_second: u32,
    /// Communities are answered in version 1 as well.
    pub allow_v1: bool,
    /// The engine id that the operator chose; `None`: one of chance.
    pub engine_id: Option<EngineId>,
    /// Version 3 users, here and at other engines.
    pub users: Vec<User>,
    /// Who may see what.
    pub access: AccessControl,
    /// Communities, read-only.
    pub communities: Vec<CommunityAccess>,
    /// Receivers of notifications, by ascending name.
    pub receivers: Vec<Receiver>,
    /// Whether a question that does not prove who asks is notified: snmpEnableAuthenTraps.
    pub authentication_traps: bool,
}

/// A v2c community and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunityAccess {
    /// The community.
    pub community: Community,
    /// What it is called in the tables of who may see what.
    pub name: String,
    /// Who may use it; empty: everybody.
    pub sources: Vec<Prefix>,
    /// What it may read.
    pub view: View,
}

/// Who says so to a receiver, and how it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverSecurity {
    /// Version 2c, with this community.
    Community(Community),
    /// Version 3.
    User {
        /// Its keys are localised at this box's engine for traps, at the receiver's for informs.
        user: User,
        /// At most what the user can do.
        level: Level,
    },
}

/// A receiver of notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, which no other has.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Who says so, and how it is proved.
    pub security: ReceiverSecurity,
    /// What may be said to it: the notify view of who says so.
    pub view: View,
    /// It answers each notification, and is told again until it does.
    pub inform: bool,
    /// How long an answer may take: 100 ms to 1 min.
    pub timeout: Duration,
    /// How often it is told again: at most 100 times.
    pub retries: u32,
    /// What matters less is not sent, unless it ends something that was.
    pub severity: Severity,
    /// Names of what is sent; empty: everything.
    pub only: Vec<&'static str>,
    /// How soon the same is told again of the same row: at most 1 h; zero: at once.
    pub throttle: Duration,
}
