//! The configuration in force, joined to the kernel's names for things, and the translations into what `os` and `wire`
//! want to be told.

use super::event_loop::Port;
use super::peers::{self, Line};
use super::snmp_server::Engine;
use crate::config::model::{Configuration, Group, InterfaceAddress, Script, Selector};
use crate::os::multicast::{ControlSocket, ControlSocketParams, MulticastError};
use crate::os::netlink::{self, Link};
use crate::os::network::{Wanted, WantedInterface, WantedRoute};
use crate::wire::{Codec, CodecError};
use rais_core::address::{GroupName, InterfaceName, Prefix};
use rais_core::params::Control;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A configuration that runs.
#[derive(Debug)]
pub(super) struct Running {
    /// The configuration.
    pub(super) configuration: Configuration,
    /// The NICs it names, as they were when it was applied.
    pub(super) links: BTreeMap<InterfaceName, Link>,
    /// Where the bundle's scripts were put, by their path in the bundle.
    pub(super) scripts: BTreeMap<String, PathBuf>,
    /// This box as an SNMP engine; `None`: it speaks no SNMP.
    pub(super) engine: Option<Engine>,
}

/// Why a group has nowhere to talk. Nothing was left open.
#[derive(Debug, Error)]
pub(super) enum PortError {
    /// An interface of the group has no NIC.
    #[error("group {0}: interface {1} is not there")]
    NoInterface(GroupName, InterfaceName),
    /// The kernel refused.
    #[error("group {0}: {1}")]
    Socket(GroupName, #[source] MulticastError),
    /// The configuration names no key to send with.
    #[error("group {0}: {1}")]
    Codec(GroupName, #[source] CodecError),
}

/// Where a service address is configured, and what runs before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Kernel index of the service interface.
    pub(super) interface_index: u32,
    /// The configuration's name of it.
    pub(super) interface: InterfaceName,
    /// The kernel's name of it, for scripts.
    pub(super) kernel_name: String,
    /// Lifetime in the kernel: see [`kernel_lifetime`].
    pub(super) lease: Duration,
    /// After configuring.
    pub(super) acquire_script: Option<PathBuf>,
    /// Before removing.
    pub(super) release_script: Option<PathBuf>,
    /// For each script.
    pub(super) script_timeout: Duration,
    /// The box's name, for scripts.
    pub(super) host: String,
}

/// What the kernel is told, so that it has dropped an address `lease` after its last renewal (G-33).
///
/// It looks for addresses whose time is up once a second at most, so that one may live a second longer than it was told,
/// and it counts in whole seconds, of which there must be one.
fn kernel_lifetime(lease: Duration) -> Duration {
    const KERNEL_MAY_BE_LATE: Duration = Duration::from_secs(1);
    lease.saturating_sub(KERNEL_MAY_BE_LATE).max(Duration::from_secs(1))
}

impl Running {
    /// Where addresses of the group go; `None`: no such group, or its service interface has no NIC.
    #[must_use]
    pub(super) fn place(&self, name: &GroupName) -> Option<Place> {
        let group = self.configuration.groups.get(name)?;
        let link = self.links.get(&group.service_interface)?;
        Some(Place {
            interface_index: link.index,
            interface: group.service_interface.clone(),
            kernel_name: link.name.clone(),
            lease: kernel_lifetime(group.params.lease),
            acquire_script: group.acquire_script.as_ref().and_then(|script| self.executable(script)),
            release_script: group.release_script.as_ref().and_then(|script| self.executable(script)),
            script_timeout: group.script_timeout,
            host: self.configuration.name.to_string(),
        })
    }

    fn executable(&self, script: &Script) -> Option<PathBuf> {
        match script {
            Script::Absolute(path) => Some(path.clone()),
            Script::Bundled { path, .. } => self.scripts.get(path).cloned(),
        }
    }

    /// Opens the groups' ports. A socket of `before` that would be the same is used again: a reload that changes nothing
    /// loses no datagram.
    ///
    /// # Errors
    /// [`PortError`] of the first group that has none.
    pub(super) fn ports(
        &self,
        before: &BTreeMap<GroupName, Arc<Port>>,
    ) -> Result<BTreeMap<GroupName, Arc<Port>>, PortError> {
        let open: Vec<&Arc<ControlSocket>> =
            before.values().flat_map(|port| port.lines.iter().map(|line| &line.socket)).collect();
        let port = |(name, group)| Ok((GroupName::clone(name), Arc::new(self.port(name, group, &open)?)));
        self.configuration.groups.iter().map(port).collect()
    }

    fn port(&self, name: &GroupName, group: &Group, open: &[&Arc<ControlSocket>]) -> Result<Port, PortError> {
        let mut lines = Vec::new();
        for control in &group.params.control {
            let missing = || PortError::NoInterface(name.clone(), control.interface.clone());
            let params = self.socket_params(group, control).ok_or_else(missing)?;
            let socket = match open.iter().find(|socket| *socket.params() == params) {
                Some(socket) => Arc::clone(socket),
                None => ControlSocket::open(params).map(Arc::new).map_err(|e| PortError::Socket(name.clone(), e))?,
            };
            let network = self.network_of(control).ok_or_else(missing)?;
            lines.push(Line { interface: control.interface.clone(), socket, network });
        }
        let codec = Codec::rolling(name.clone(), &group.keys, group.send_key, group.authentication);
        let codec = codec.map_err(|error| PortError::Codec(name.clone(), error))?;
        Ok(Port { codec, peers: group.peers.clone(), lines })
    }

    /// What a group's socket on a control interface is made of; `None`: the interface has no NIC.
    pub(super) fn socket_params(&self, group: &Group, control: &Control) -> Option<ControlSocketParams> {
        let link = self.links.get(&control.interface)?;
        Some(ControlSocketParams {
            group: group.address,
            reach: peers::reach(&group.peers),
            interface: link.name.clone(),
            interface_index: link.index,
            source: control.address,
        })
    }

    /// The network of a control address; `None`: the configuration does not have it.
    pub(super) fn network_of(&self, control: &Control) -> Option<Prefix> {
        let addresses = &self.configuration.interfaces.get(&control.interface)?.addresses;
        let own = addresses.iter().find(|own| own.address == control.address)?;
        Prefix::around(own.address, own.prefix_length).ok()
    }

    /// The box's own address to talk to `peer` from: one on the peer's own network, else one on the network of the
    /// next hop to it, else any of its family. `None`: it has none, and the kernel may choose.
    ///
    /// The kernel would do, but for service addresses: one of those may be chosen and be another box's a second later.
    #[must_use]
    pub(super) fn source_for(&self, peer: IpAddr) -> Option<IpAddr> {
        let own = |of: IpAddr| {
            let interfaces = self.configuration.interfaces.values();
            let mut addresses = interfaces.flat_map(|interface| &interface.addresses);
            let near = |own: &&InterfaceAddress| {
                Prefix::around(own.address, own.prefix_length).is_ok_and(|prefix| prefix.contains(of))
            };
            addresses.find(near).map(|own| own.address)
        };
        let hop = || {
            let routes = self.configuration.routes.iter().filter(|route| route.to.contains(peer));
            let best = routes.max_by_key(|route| (route.to.length(), std::cmp::Reverse(route.metric)))?;
            own(best.via)
        };
        let any = || {
            let interfaces = self.configuration.interfaces.values();
            let mut addresses = interfaces.flat_map(|interface| &interface.addresses).map(|own| own.address);
            addresses.find(|own| own.is_ipv4() == peer.is_ipv4())
        };
        own(peer).or_else(hop).or_else(any)
    }
}

/// The network that a configuration asks for.
#[must_use]
pub(super) fn wanted_network(configuration: &Configuration) -> Wanted {
    let interfaces = configuration.interfaces.iter().map(|(name, interface)| WantedInterface {
        name: name.to_string(),
        selector: selector(&interface.selector),
        mtu: interface.mtu,
        addresses: interface.addresses.iter().map(|own| (own.address, own.prefix_length)).collect(),
    });
    let routes = configuration.routes.iter().map(|route| WantedRoute {
        to: (route.to.address(), route.to.length()),
        via: route.via,
        interface: route.interface.to_string(),
        metric: route.metric,
    });
    Wanted {
        interfaces: interfaces.collect(),
        routes: routes.collect(),
        forward_ipv4: configuration.forwarding.ipv4,
        forward_ipv6: configuration.forwarding.ipv6,
    }
}

/// The same selector, as `os` is told it.
pub(super) fn selector(selector: &Selector) -> netlink::Selector {
    match selector {
        Selector::Mac(mac) => netlink::Selector::Mac(mac.0),
        Selector::Pci(path) => netlink::Selector::Pci(path.clone()),
        Selector::KernelName(name) => netlink::Selector::KernelName(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BundleFiles, Trust, load};

    const TEXT: &str = r#"
version = 1
[box]
name = "edge-1"
[[interface]]
name = "lan"
kernel_name = "eth0"
addresses = ["10.9.0.1/24", "fd00:9::1/64"]
[[interface]]
name = "control"
kernel_name = "eth1"
addresses = ["10.9.1.1/24"]
[[route]]
to = "default"
via = "10.9.0.254"
interface = "lan"
[[route]]
to = "192.0.2.0/24"
via = "10.9.1.254"
interface = "control"
[snmp]
listen = []
"#;

    #[test]
    fn the_box_talks_to_a_peer_from_its_own_address_on_the_way_to_it() {
        let files = BundleFiles::from_iter([(String::from("rais.toml"), TEXT.as_bytes().to_vec(), 0o600)]);
        let configuration = load(&files, &Trust::InsecureUnsigned).unwrap();
        let running = Running { configuration, links: BTreeMap::new(), scripts: BTreeMap::new(), engine: None };
        let table = [
            ("10.9.0.254", Some("10.9.0.1")),
            ("10.9.1.7", Some("10.9.1.1")),
            ("198.51.100.1", Some("10.9.0.1")),
            ("192.0.2.9", Some("10.9.1.1")),
            ("fd00:9::254", Some("fd00:9::1")),
            // There is no IPv6 route: whatever the kernel knows, it is not to choose a service address.
            ("2001:db8::1", Some("fd00:9::1")),
        ];
        for (peer, source) in table {
            let source = source.map(|source| source.parse().unwrap());
            assert_eq!(running.source_for(peer.parse().unwrap()), source, "{peer}");
        }
    }
}
