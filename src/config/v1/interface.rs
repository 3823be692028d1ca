//! `[[interface]]` and `[[route]]`: the box's own network.

use super::{AllNames, Entries};
use crate::config::fault::{Checked, Collector, Place, Placed};
use crate::config::model::{Interface, InterfaceAddress, Route, Selector};
use crate::config::network_values::{address, interface_address, is_link_local, kernel_name, mac, pci};
use crate::config::reader::{List, Table};
use crate::config::values::{integer, name, quote, text};
use rais_core::address::{InterfaceName, Prefix};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Most interfaces: more ports than any box has, VLANs not counted yet.
pub(super) const MAX_INTERFACES: usize = 64;
/// Most addresses of the box on one interface.
const MAX_INTERFACE_ADDRESSES: usize = 64;
/// Most static routes: a box that needs more should learn them.
pub(super) const MAX_ROUTES: usize = 1024;
/// Octets: IPv4 asks for 68 and IPv6 for 1280, Ethernet cards offer no more than 9216.
const MTU: std::ops::RangeInclusive<u32> = 576..=9216;
/// What IPv6 needs of a link (RFC 8200 §5).
const IPV6_MTU: u32 = 1280;
/// What the kernel gives IPv6 routes would be 1024; one figure for both is easier to explain.
const DEFAULT_METRIC: u32 = 100;

/// `[[interface]]` as the file has it.
pub(super) struct InterfaceEntry {
    pub(super) name: Checked<Placed<InterfaceName>>,
    pub(super) selector: Checked<Placed<Selector>>,
    mtu: Checked<Option<Placed<u32>>>,
    pub(super) addresses: List<InterfaceAddress>,
}

/// `[[route]]` as the file has it.
pub(super) struct RouteEntry {
    place: Place,
    to: Checked<Placed<Destination>>,
    via: Checked<Placed<IpAddr>>,
    interface: Checked<Placed<InterfaceName>>,
    metric: Checked<u32>,
}

/// Where a route leads.
#[derive(Clone, Copy)]
enum Destination {
    Default,
    Prefix(Prefix),
}

impl InterfaceEntry {
    pub(super) fn read(mut table: Table, faults: &Collector) -> Self {
        let name = table.required("name", name);
        let selectors =
            [table.optional("mac", mac), table.optional("pci", pci), table.optional("kernel_name", kernel_name)];
        let mtu = table.optional("mtu", integer(MTU, "octets"));
        let addresses = table.list_or_empty("addresses", MAX_INTERFACE_ADDRESSES, interface_address);
        let selector = one_selector(selectors, table.place(), faults);
        table.finish();
        Self { name, selector, mtu, addresses }
    }

    /// The first address that others can know the box by in a group of this family: not a link-local one.
    pub(super) fn first_address(&self, of_ipv4: bool) -> Option<IpAddr> {
        let addresses = self.addresses.good.iter().map(|address| address.value.address);
        addresses.into_iter().find(|address| address.is_ipv4() == of_ipv4 && !is_link_local(*address))
    }

    fn build(&self, faults: &Collector) -> Checked<(InterfaceName, Interface)> {
        let mtu = self.mtu.clone()?;
        let has_ipv6 = self.addresses.good.iter().any(|address| address.value.address.is_ipv6());
        if let Some(mtu) = mtu.as_ref().filter(|mtu| has_ipv6 && mtu.value < IPV6_MTU) {
            let message = format!("is {}, but the interface has an IPv6 address, which needs {IPV6_MTU}", mtu.value);
            return Err(faults.report_whole(&mtu.place, message));
        }
        let interface = Interface {
            selector: self.selector.clone()?.value,
            mtu: mtu.map(|mtu| mtu.value),
            addresses: self.addresses.clone().values()?,
        };
        Ok((self.name.clone()?.value, interface))
    }
}

fn one_selector(
    given: [Checked<Option<Placed<Selector>>>; 3],
    place: &Place,
    faults: &Collector,
) -> Checked<Placed<Selector>> {
    let mut good = Vec::new();
    for selector in given {
        good.extend(selector?);
    }
    let mut good = good.into_iter();
    let Some(first) = good.next() else {
        return Err(faults.report_whole(place, "needs one of `mac`, `pci` and `kernel_name`, to know the NIC by"));
    };
    match good.next() {
        None => Ok(first),
        Some(second) => Err(faults.report(&second.place, "one of `mac`, `pci` and `kernel_name` is enough")),
    }
}

/// Builds the interfaces; a NIC may be only one of them.
pub(super) fn build_interfaces(
    entries: &Entries<InterfaceEntry>,
    faults: &Collector,
) -> Checked<BTreeMap<InterfaceName, Interface>> {
    let mut lines = BTreeMap::new();
    for selector in entries.all.iter().filter_map(|entry| entry.selector.as_ref().ok()) {
        let line = faults.line(&selector.place);
        if let Some(first) = lines.insert(&selector.value, line) {
            let _ = faults.report(&selector.place, format!("this NIC is an [[interface]] already, in line {first}"));
        }
    }
    let built = super::all(entries.all.iter().map(|entry| entry.build(faults)).collect())?;
    entries.complete?;
    Ok(built.into_iter().collect())
}

impl RouteEntry {
    pub(super) fn read(mut table: Table, _faults: &Collector) -> Self {
        let entry = Self {
            place: table.place().clone(),
            to: table.required("to", text(destination)),
            via: table.required("via", address),
            interface: table.required("interface", name),
            metric: table.defaulted("metric", DEFAULT_METRIC, integer(1..=u32::MAX, "")),
        };
        table.finish();
        entry
    }

    fn build(&self, names: &AllNames, faults: &Collector) -> Checked<Route> {
        let interface = self.interface.clone();
        let leaves_by = interface.as_ref().map_err(|why| *why).and_then(|name| names.interfaces.find(faults, name));
        let via = self.via.clone()?;
        let Placed { value: to, place } = self.to.clone()?;
        let to = match to {
            Destination::Prefix(prefix) => prefix,
            Destination::Default => {
                Prefix::around(via.value, 0).map_err(|why| faults.report(&place, why.to_string()))?
            }
        };
        if to.address().is_ipv4() != via.value.is_ipv4() {
            let message = format!("{to} and the next hop {} are of different families", via.value);
            return Err(faults.report(&place, message));
        }
        let leaves_by = leaves_by?;
        check_next_hop(leaves_by, &via, faults)?;
        Ok(Route { to, via: via.value, interface: interface?.value, metric: self.metric? })
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    if text == "default" {
        return Ok(Destination::Default);
    }
    text.parse()
        .map(Destination::Prefix)
        .map_err(|why| format!("{} is not possible: {why}; or \"default\"", quote(text)))
}

/// The kernel refuses a next hop that no network of the interface holds; better said here than by a daemon at work.
fn check_next_hop(interface: &InterfaceEntry, via: &Placed<IpAddr>, faults: &Collector) -> Checked<()> {
    interface.addresses.complete?;
    let mut networks = interface.addresses.good.iter().map(|address| address.value);
    if networks.clone().any(|own| own.address == via.value) {
        return Err(faults.report_whole(&via.place, format!("{} is this box's own address", via.value)));
    }
    let reaches = |own: InterfaceAddress| {
        Prefix::around(own.address, own.prefix_length).is_ok_and(|network| network.contains(via.value))
    };
    let on_every_link = matches!(via.value, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if on_every_link || networks.any(reaches) {
        return Ok(());
    }
    Err(faults.report_whole(&via.place, format!("{} is in none of the interface's networks", via.value)))
}

/// Builds the routes; the kernel keeps only one of a destination and metric.
pub(super) fn build_routes(entries: &Entries<RouteEntry>, names: &AllNames, faults: &Collector) -> Checked<Vec<Route>> {
    let built: Vec<Checked<Route>> = entries.all.iter().map(|entry| entry.build(names, faults)).collect();
    let mut lines = BTreeMap::new();
    for (entry, route) in entries.all.iter().zip(&built) {
        let Ok(route) = route else { continue };
        let line = faults.line(&entry.place);
        if let Some(first) = lines.insert((route.to, route.metric), line) {
            let message = format!("line {first} has a route to {} of metric {} already", route.to, route.metric);
            let _ = faults.report(&entry.place, message);
        }
    }
    entries.complete?;
    super::all(built)
}
