//! Network interfaces as the kernel has them, and how the configuration selects one.

use super::NetlinkError;
use super::connection::Connection;
use crate::machine::InterfaceKind;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage};
use std::fmt;
use std::fs;
use std::path::Path;

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// What selects a NIC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// Its Ethernet address.
    Mac(MacAddress),
    /// Its PCI path, `0000:00:03.0`.
    Pci(String),
    /// The kernel's name for it: only where that is stable.
    KernelName(String),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => write!(f, "MAC address {}", mac_text(mac)),
            Self::Pci(path) => write!(f, "PCI path {path}"),
            Self::KernelName(name) => write!(f, "kernel name {name}"),
        }
    }
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index: never used again for another while the system runs.
    pub index: u32,
    /// The kernel's name, `eth0`.
    pub name: String,
    /// Its Ethernet address, if it has one.
    pub mac: Option<MacAddress>,
    /// Its PCI path, `0000:00:03.0`, if it is such a device.
    pub pci: Option<String>,
    /// It was set up.
    pub up: bool,
    /// It is up and has a carrier.
    pub carrier: bool,
    /// Octets.
    pub mtu: u32,
    /// What it is.
    pub kind: InterfaceKind,
    /// It takes packets for others.
    pub promiscuous: bool,
}

/// All links, by index.
pub(in crate::os) async fn list(connection: &mut Connection) -> Result<Vec<Link>, NetlinkError> {
    let mut links = list_bare(connection).await?;
    for link in &mut links {
        link.pci = pci_path(Path::new("/sys/class/net"), link);
    }
    Ok(links)
}

/// All links, by index, without their PCI paths: cheap enough to be asked for many times a second.
pub(super) async fn list_bare(connection: &mut Connection) -> Result<Vec<Link>, NetlinkError> {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let answers = connection.dump(RouteNetlinkMessage::GetLink(request)).await?;
    let mut links: Vec<_> = answers
        .iter()
        .filter_map(|answer| if let RouteNetlinkMessage::NewLink(message) = answer { Some(message) } else { None })
        .map(from_message)
        .collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// A link as a message describes it, its PCI path aside.
pub(super) fn from_message(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let up = flags.contains(LinkFlags::Up);
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        pci: None,
        up,
        carrier: up && flags.contains(LinkFlags::LowerUp),
        mtu: 0,
        kind: kind(message.header.link_layer_type),
        promiscuous: flags.contains(LinkFlags::Promisc),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(octets) => link.mac = MacAddress::try_from(octets.as_slice()).ok(),
            _ => {}
        }
    }
    link
}

const fn kind(link_layer: LinkLayerType) -> InterfaceKind {
    match link_layer {
        LinkLayerType::Ether => InterfaceKind::Ethernet,
        LinkLayerType::Loopback => InterfaceKind::Loopback,
        LinkLayerType::Tunnel | LinkLayerType::Tunnel6 | LinkLayerType::Ipgre | LinkLayerType::Sit => {
            InterfaceKind::Tunnel
        }
        _ => InterfaceKind::Other,
    }
}

/// An Ethernet address as everybody writes it, `52:54:00:09:00:01`.
#[must_use]
pub fn mac_text([a, b, c, d, e, f]: &MacAddress) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The PCI path of `link` by sysfs. sysfs shows the network namespace it was mounted in, which may not be ours, so it is
/// believed only if it knows the link by the same index and address.
fn pci_path(sysfs: &Path, link: &Link) -> Option<String> {
    let directory = sysfs.join(&link.name);
    let text = |file| fs::read_to_string(directory.join(file)).ok();
    let same_index = text("ifindex")?.trim() == link.index.to_string();
    let same_mac = text("address")?.trim() == mac_text(&link.mac?);
    if !(same_index && same_mac) {
        return None;
    }
    // A virtio NIC's device is `virtio0`, below the PCI device: the innermost component that is a PCI path counts.
    let device = fs::canonicalize(directory.join("device")).ok()?;
    device.iter().rev().filter_map(|part| part.to_str()).find(|part| is_pci_path(part)).map(str::to_owned)
}

fn is_pci_path(text: &str) -> bool {
    let shape = "hhhh:hh:hh.h".chars();
    text.chars().count() == shape.clone().count()
        && text.chars().zip(shape).all(|(c, kind)| if kind == 'h' { c.is_ascii_hexdigit() } else { c == kind })
}

/// The one of `links` that `selector` selects.
pub(in crate::os) fn select<'a>(links: &'a [Link], selector: &Selector) -> Result<&'a Link, NetlinkError> {
    let mut matching = links.iter().filter(|link| match selector {
        Selector::Mac(mac) => link.mac.as_ref() == Some(mac),
        Selector::Pci(path) => link.pci.as_ref().is_some_and(|pci| pci.eq_ignore_ascii_case(path)),
        Selector::KernelName(name) => link.name == *name,
    });
    match (matching.next(), matching.count()) {
        (None, _) => Err(NetlinkError::NoSuchLink(selector.clone())),
        (Some(link), 0) => Ok(link),
        (Some(_), others) => Err(NetlinkError::AmbiguousLink { selector: selector.clone(), count: others + 1 }),
    }
}

/// Sets a link up.
pub(in crate::os) async fn set_up(connection: &mut Connection, index: u32) -> Result<(), NetlinkError> {
    let request = connection.handle().link().change(LinkUnspec::new_with_index(index).up().build());
    connection.request(|| format!("setting link {index} up"), request.execute()).await
}

/// Sets a link's MTU, in octets.
pub(in crate::os) async fn set_mtu(connection: &mut Connection, index: u32, mtu: u32) -> Result<(), NetlinkError> {
    let request = connection.handle().link().change(LinkUnspec::new_with_index(index).mtu(mtu).build());
    connection.request(|| format!("setting the MTU of link {index} to {mtu}"), request.execute()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn link(index: u32, name: &str, last: u8) -> Link {
        let mac = Some([0x52, 0x54, 0, 0, 0, last]);
        let (kind, promiscuous) = (InterfaceKind::Ethernet, false);
        Link { index, name: name.into(), mac, pci: None, up: true, carrier: true, mtu: 1500, kind, promiscuous }
    }

    #[test]
    fn a_selector_selects_exactly_one_link() {
        let mut links = [link(2, "eth0", 1), link(3, "eth1", 2), link(4, "br0", 2)];
        links[0].pci = Some("0000:00:03.0".into());
        let mac = |last| Selector::Mac([0x52, 0x54, 0, 0, 0, last]);
        let rows = [
            (mac(1), Some(2)),
            (mac(2), None),
            (mac(9), None),
            (Selector::Pci("0000:00:03.0".into()), Some(2)),
            (Selector::Pci("0000:00:04.0".into()), None),
            (Selector::KernelName("br0".into()), Some(4)),
            (Selector::KernelName("eth".into()), None),
        ];
        for (selector, expected) in rows {
            assert_eq!(select(&links, &selector).ok().map(|link| link.index), expected, "{selector}");
        }
        assert_eq!(select(&links, &mac(2)).unwrap_err().to_string(), "2 NICs with MAC address 52:54:00:00:00:02");
        assert_eq!(select(&links, &mac(9)).unwrap_err().to_string(), "no NIC with MAC address 52:54:00:00:00:09");
    }

    #[test]
    fn the_pci_path_is_the_innermost_one_and_of_the_same_nic_only() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("devices/pci0000:00/0000:00:01.0/0000:01:00.0/virtio3");
        let net = root.path().join("net/eth0");
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(&net).unwrap();
        symlink(&device, net.join("device")).unwrap();
        fs::write(net.join("ifindex"), "2\n").unwrap();
        fs::write(net.join("address"), "52:54:00:00:00:01\n").unwrap();
        let path = |link: &Link| pci_path(&root.path().join("net"), link);
        assert_eq!(path(&link(2, "eth0", 1)).as_deref(), Some("0000:01:00.0"));
        assert_eq!(path(&link(2, "eth0", 7)), None, "another namespace's eth0");
        assert_eq!(path(&link(3, "eth0", 1)), None, "another namespace's eth0");
        assert_eq!(path(&link(2, "eth1", 1)), None);
    }
}
