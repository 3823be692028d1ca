//! What the daemon publishes and everybody reads: the core's view, and the facts about this box around it.

use crate::snmp::v3::Level;
use rais_core::address::{GroupName, InterfaceName, TestName};
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressError, GroupView, View};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One consistent picture of the box. Immutable; a new one replaces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the core knows.
    pub view: View,
    /// What does not change between two reloads.
    pub about: Arc<About>,
    /// The zones, by name.
    pub zones: Vec<ZoneView>,
    /// How long the last run of each test took.
    #[serde(default)]
    pub latencies: BTreeMap<TestName, Duration>,
    /// Addresses of boxes that groups without multicast learnt of from others; this box's own may be among them.
    #[serde(default)]
    pub learnt: BTreeMap<GroupName, BTreeSet<IpAddr>>,
}

/// Where a group without multicast sends what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A control address of another box.
    pub address: IpAddr,
    /// It is configured here; else it was learnt from others.
    pub configured: bool,
}

impl Snapshot {
    /// Whom a group is told to one by one, by address; none: it has multicast.
    #[must_use]
    pub fn peers(&self, group: &GroupView) -> Vec<Peer> {
        let about = self.about.groups.iter().find(|about| about.name == group.name);
        let Some(about) = about.filter(|about| !about.peers.is_empty()) else { return Vec::new() };
        let own = group.hosts.iter().find(|host| host.id == group.id);
        let is_own =
            |address: &IpAddr| *address == group.id.0 || own.is_some_and(|own| own.control_addresses.contains(address));
        let learnt = self.learnt.get(&group.name).into_iter().flatten();
        let told: BTreeSet<IpAddr> = about.peers.iter().chain(learnt).copied().collect();
        let told = told.into_iter().filter(|address| !is_own(address));
        told.map(|address| Peer { address, configured: about.peers.contains(&address) }).collect()
    }
}

/// What went wrong with an address, for people.
#[must_use]
pub fn error_text(error: &AddressError) -> String {
    match error {
        AddressError::Failed(error) => error.clone(),
        AddressError::PutBack { times: 1 } => String::from("removed by somebody else and put back"),
        AddressError::PutBack { times } => format!("removed by somebody else and put back {times} times"),
        AddressError::NotPutBack(error) => format!("removed by somebody else, and it can not be put back: {error}"),
    }
}

/// Facts about the box that change only with a reload, or a repair of its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The product's version.
    pub version: String,
    /// sysContact.
    pub contact: String,
    /// sysLocation.
    pub location: String,
    /// When the daemon started, on the view's clock.
    pub started: Instant,
    /// Who signed the running configuration; `None`: nobody, it was accepted with `--insecure-unsigned`.
    pub signer: Option<String>,
    /// SHA-256 of the running configuration's manifest, in hexadecimal.
    pub digest: String,
    /// When the running configuration was put into force.
    #[serde(default)]
    pub configured: Option<Instant>,
    /// What came of the last attempt to load a configuration after the start, in words; `None`: there was none.
    pub last_reload: Option<Result<String, String>>,
    /// The box's own addresses and routes that were put back since the start, because somebody else had removed them.
    #[serde(default)]
    pub network_repairs: u64,
    /// Who is notified, by ascending name.
    #[serde(default)]
    pub receivers: Vec<AboutReceiver>,
    /// Per group, what the core has no use for.
    pub groups: Vec<AboutGroup>,
}

/// Facts about a receiver of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutReceiver {
    /// Its name: 1 to 32 ASCII characters.
    #[serde(default)]
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The version 3 user that says so; `None`: version 2c, whose community is a secret.
    #[serde(default)]
    pub user: Option<AboutUser>,
    /// The name of its community, if the agent answers to that too.
    #[serde(default)]
    pub community: Option<String>,
    /// It answers each notification.
    pub inform: bool,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often it is told again.
    pub retries: u32,
}

/// Who says so to a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutUser {
    /// The user's name.
    pub name: String,
    /// How what it says is protected.
    pub level: Level,
}

/// Facts about a group that change only with a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutGroup {
    /// The group.
    pub name: GroupName,
    /// Its multicast address and port.
    pub address: SocketAddr,
    /// The configured peers; none: it has multicast.
    #[serde(default)]
    pub peers: Vec<IpAddr>,
    /// The interfaces that carry its messages.
    pub control_interfaces: Vec<InterfaceName>,
    /// The interface its service addresses are configured on.
    pub service_interface: InterfaceName,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneView {
    /// Its origin.
    pub name: String,
    /// The group it advertises.
    pub group: GroupName,
    /// Its serial; 0: never written.
    pub serial: u32,
    /// The addresses it leads to.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Addresses in it.
    pub records: u32,
    /// How many addresses of a family stay in it however full their boxes are, and how many there may be.
    #[serde(default)]
    pub bounds: (u32, u32),
    /// Times it was written.
    pub updates: u64,
    /// When it was last written.
    pub last_update: Option<Instant>,
    /// What went wrong when it was last to be written, if it did.
    pub last_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_with_an_address_is_said_in_words() {
        let rows = [
            (AddressError::Failed(String::from("exit status 1")), "exit status 1"),
            (AddressError::PutBack { times: 1 }, "removed by somebody else and put back"),
            (AddressError::PutBack { times: 2 }, "removed by somebody else and put back 2 times"),
            (
                AddressError::NotPutBack(String::from("no such device")),
                "removed by somebody else, and it can not be put back: no such device",
            ),
        ];
        for (error, text) in rows {
            assert_eq!(error_text(&error), text);
        }
    }
}
