//! The difference between the network that is wanted and the one that is there: a pure function of the two.

use super::{Change, NetworkError, Wanted, WantedRoute};
use crate::os::netlink::{Address, Link, Owner, Route, link::select};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What the kernel has.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
}

/// One change, and the index of the link it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) index: u32,
    pub(super) change: Change,
}

/// The NIC of each interface, by the configuration's name.
pub(super) fn find_links(wanted: &Wanted, links: &[Link]) -> (BTreeMap<String, Link>, Vec<NetworkError>) {
    let (mut found, mut errors) = (BTreeMap::new(), Vec::new());
    for interface in &wanted.interfaces {
        match select(links, &interface.selector) {
            Ok(link) => {
                found.insert(interface.name.clone(), link.clone());
            }
            Err(source) => errors.push(NetworkError::Interface { interface: interface.name.clone(), source }),
        }
    }
    (found, errors)
}

/// The steps to what is wanted, in the order in which they are to be taken: what comes goes before what leaves, so that
/// nothing is cut off in between.
pub(super) fn steps(
    wanted: &Wanted,
    found: &BTreeMap<String, Link>,
    present: &Present,
) -> (Vec<Step>, Vec<NetworkError>) {
    let mut steps = link_steps(wanted, found);
    let (added, removed) = address_steps(wanted, found, present);
    steps.extend(added);
    let (routed, errors) = route_steps(wanted, found, present);
    steps.extend(routed);
    steps.extend(removed);
    (steps, errors)
}

/// Those of the steps that put back what somebody else removed.
pub(super) fn repairs(mut steps: Vec<Step>, links: &[Link]) -> Vec<Step> {
    let is_up = |index| links.iter().any(|link| link.index == index && link.up);
    steps.retain(|step| match step.change {
        Change::AddressAdded { .. } | Change::RouteAdded(_) => is_up(step.index),
        Change::LinkUp { .. }
        | Change::Mtu { .. }
        | Change::Setting { .. }
        | Change::AddressRemoved { .. }
        | Change::RouteReplaced(_)
        | Change::RouteRemoved(_) => false,
    });
    steps
}

fn link_steps(wanted: &Wanted, found: &BTreeMap<String, Link>) -> Vec<Step> {
    let mut steps = Vec::new();
    for interface in &wanted.interfaces {
        let Some(link) = found.get(&interface.name) else { continue };
        let name = || interface.name.clone();
        if let Some(to) = interface.mtu.filter(|mtu| *mtu != link.mtu) {
            steps.push(Step { index: link.index, change: Change::Mtu { interface: name(), from: link.mtu, to } });
        }
        if !link.up {
            steps.push(Step { index: link.index, change: Change::LinkUp { interface: name() } });
        }
    }
    steps
}

/// Addresses to add, and to remove later.
fn address_steps(wanted: &Wanted, found: &BTreeMap<String, Link>, present: &Present) -> (Vec<Step>, Vec<Step>) {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for entry in present.addresses.iter().filter(|entry| entry.owner == Owner::Box) {
        let same = |other: &&(IpAddr, u8)| **other == (entry.address, entry.prefix_length);
        let stays = wanted.interfaces.iter().any(|interface| {
            // If the NIC of an interface is not found, its addresses stay wherever they are.
            let here = found.get(&interface.name).is_none_or(|link| link.index == entry.interface_index);
            here && interface.addresses.iter().any(|address| same(&address))
        });
        if stays {
            continue;
        }
        let link = present.links.iter().find(|link| link.index == entry.interface_index);
        let change = Change::AddressRemoved {
            interface: link.map(|link| link.name.clone()).unwrap_or_default(),
            address: entry.address,
            prefix_length: entry.prefix_length,
        };
        let step = Step { index: entry.interface_index, change };
        // IPv6 does not take an address twice, not even with another prefix length.
        let blocks = entry.address.is_ipv6()
            && wanted.interfaces.iter().any(|interface| {
                found.get(&interface.name).is_some_and(|link| link.index == entry.interface_index)
                    && interface.addresses.iter().any(|(address, _)| *address == entry.address)
            });
        if blocks { first.push(step) } else { last.push(step) }
    }
    for interface in &wanted.interfaces {
        let Some(link) = found.get(&interface.name) else { continue };
        for (address, prefix_length) in &interface.addresses {
            let there = present.addresses.iter().any(|entry| {
                entry.interface_index == link.index
                    && entry.owner != Owner::Service
                    && (entry.address, entry.prefix_length) == (*address, *prefix_length)
            });
            if !there {
                let interface = interface.name.clone();
                let change = Change::AddressAdded { interface, address: *address, prefix_length: *prefix_length };
                first.push(Step { index: link.index, change });
            }
        }
    }
    (first, last)
}

fn route_steps(wanted: &Wanted, found: &BTreeMap<String, Link>, present: &Present) -> (Vec<Step>, Vec<NetworkError>) {
    let (mut steps, mut errors) = (Vec::new(), Vec::new());
    let mut leaving: Vec<&Route> = present.routes.iter().filter(|route| route.ours).collect();
    for wanted_route in &wanted.routes {
        let Some(link) = found.get(&wanted_route.interface) else {
            // As with addresses: what the missing NIC had stays.
            leaving.retain(|route| !is_same_but_for_link(route, &route_of(wanted_route, route.interface_index)));
            let WantedRoute { to: (to, prefix_length), interface, .. } = wanted_route.clone();
            errors.push(NetworkError::RouteInterface { to, prefix_length, interface });
            continue;
        };
        let route = route_of(wanted_route, link.index);
        let is_there = |other: &Route| other.interface_index == link.index && is_same_but_for_link(other, &route);
        let takes_place_of = |other: &Route| {
            (other.to, other.prefix_length, other.metric) == (route.to, route.prefix_length, route.metric)
        };
        let there = present.routes.iter().any(is_there);
        let replaces = leaving.iter().any(|other| takes_place_of(other));
        leaving.retain(|other| !takes_place_of(other));
        let change = match (there, replaces) {
            (true, _) => continue,
            (false, true) => Change::RouteReplaced(route),
            (false, false) => Change::RouteAdded(route),
        };
        steps.push(Step { index: link.index, change });
    }
    let removed = leaving.into_iter();
    steps.extend(
        removed.map(|route| Step { index: route.interface_index, change: Change::RouteRemoved(route.clone()) }),
    );
    (steps, errors)
}

fn is_same_but_for_link(one: &Route, other: &Route) -> bool {
    let key = |route: &Route| (route.to, route.prefix_length, route.via, route.metric);
    key(one) == key(other)
}

fn route_of(wanted: &WantedRoute, interface_index: u32) -> Route {
    let (to, prefix_length) = wanted.to;
    let to = prefix_of(to, prefix_length);
    Route { to, prefix_length, via: Some(wanted.via), interface_index, metric: wanted.metric, ours: true }
}

/// The address with all bits beyond the prefix cleared, as the kernel stores it.
fn prefix_of(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::from(std::net::Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::from(std::net::Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::WantedInterface;
    use super::*;
    use crate::os::netlink::Selector;

    fn link(index: u32, up: bool) -> Link {
        let name = format!("eth{index}");
        let (kind, promiscuous) = (crate::machine::InterfaceKind::Ethernet, false);
        Link { index, name, mac: None, pci: None, up, carrier: up, mtu: 1500, kind, promiscuous }
    }

    fn address(text: &str, owner: Owner) -> Address {
        let (address, length) = text.split_once('/').unwrap();
        let (address, prefix_length) = (address.parse().unwrap(), length.parse().unwrap());
        Address { interface_index: 1, address, prefix_length, owner, lifetime: None }
    }

    fn route(to: &str, via: &str, metric: u32, ours: bool) -> Route {
        let (to, length) = to.split_once('/').unwrap();
        let (to, prefix_length) = (to.parse().unwrap(), length.parse().unwrap());
        Route { to, prefix_length, via: Some(via.parse().unwrap()), interface_index: 1, metric, ours }
    }

    fn wanted(addresses: &[&str], routes: &[Route]) -> Wanted {
        let addresses = addresses.iter().map(|text| address(text, Owner::Box));
        let interface = WantedInterface {
            name: "lan".into(),
            selector: Selector::KernelName("eth1".into()),
            mtu: None,
            addresses: addresses.map(|entry| (entry.address, entry.prefix_length)).collect(),
        };
        let routes = routes.iter().map(|route| WantedRoute {
            to: (route.to, route.prefix_length),
            via: route.via.unwrap(),
            interface: "lan".into(),
            metric: route.metric,
        });
        Wanted { interfaces: vec![interface], routes: routes.collect(), ..Wanted::default() }
    }

    fn planned(wanted: &Wanted, present: &Present) -> Vec<String> {
        let (found, errors) = find_links(wanted, &present.links);
        assert!(errors.is_empty(), "{errors:?}");
        let (steps, errors) = steps(wanted, &found, present);
        assert!(errors.is_empty(), "{errors:?}");
        steps.iter().map(|step| step.change.to_string()).collect()
    }

    #[test]
    fn addresses_come_before_they_leave_and_only_ours_leave() {
        use Owner::{Box, Other, Service};
        // wanted, present, steps
        type Row = (&'static [&'static str], &'static [(&'static str, Owner)], &'static [&'static str]);
        let rows: [Row; 8] = [
            (&["10.9.0.1/24"], &[], &["lan: 10.9.0.1/24 added"]),
            (&["10.9.0.1/24"], &[("10.9.0.1/24", Box)], &[]),
            (&["10.9.0.1/24"], &[("10.9.0.1/24", Other)], &[]),
            (&[], &[("10.9.0.1/24", Other), ("10.9.0.101/32", Service)], &[]),
            (&[], &[("10.9.0.1/24", Box)], &["eth1: 10.9.0.1/24 removed"]),
            (&["10.9.0.1/16"], &[("10.9.0.1/24", Box)], &["lan: 10.9.0.1/16 added", "eth1: 10.9.0.1/24 removed"]),
            (&["fd00::1/48"], &[("fd00::1/64", Box)], &["eth1: fd00::1/64 removed", "lan: fd00::1/48 added"]),
            (&["fd00::2/64"], &[("fd00::1/64", Box)], &["lan: fd00::2/64 added", "eth1: fd00::1/64 removed"]),
        ];
        for (addresses, present, expected) in rows {
            let present = Present {
                links: vec![link(1, true)],
                addresses: present.iter().map(|(text, owner)| address(text, *owner)).collect(),
                routes: vec![],
            };
            assert_eq!(planned(&wanted(addresses, &[]), &present), expected, "{addresses:?}");
        }
    }

    #[test]
    fn a_route_takes_the_place_of_ours_and_never_of_somebody_elses() {
        let one = |ours| route("10.0.0.0/8", "10.9.0.254", 100, ours);
        let other = |ours| route("10.0.0.0/8", "10.9.0.253", 100, ours);
        let elsewhere = |ours| route("10.0.0.0/8", "10.9.0.254", 200, ours);
        let rows: [(&[Route], &[Route], &[&str]); 8] = [
            // wanted, present, steps
            (&[one(true)], &[], &["route 10.0.0.0/8 via 10.9.0.254 metric 100 added"]),
            (&[one(true)], &[one(true)], &[]),
            (&[one(true)], &[one(false)], &[]),
            (&[one(true)], &[other(true)], &["route 10.0.0.0/8 via 10.9.0.254 metric 100 replaced"]),
            (&[one(true)], &[other(false)], &["route 10.0.0.0/8 via 10.9.0.254 metric 100 added"]),
            (
                &[one(true)],
                &[elsewhere(true)],
                &[
                    "route 10.0.0.0/8 via 10.9.0.254 metric 100 added",
                    "route 10.0.0.0/8 via 10.9.0.254 metric 200 removed",
                ],
            ),
            (&[], &[one(true)], &["route 10.0.0.0/8 via 10.9.0.254 metric 100 removed"]),
            (&[], &[one(false)], &[]),
        ];
        for (routes, present, expected) in rows {
            let present = Present { links: vec![link(1, true)], addresses: vec![], routes: present.to_vec() };
            assert_eq!(planned(&wanted(&[], routes), &present), expected, "{routes:?}");
        }
    }

    #[test]
    fn a_destination_is_compared_as_the_kernel_stores_it() {
        let rows = [
            ("10.9.8.7", 8, "10.0.0.0"),
            ("10.9.8.7", 32, "10.9.8.7"),
            ("10.9.8.7", 0, "0.0.0.0"),
            ("fd00:1::1", 16, "fd00::"),
            ("fd00:1::1", 0, "::"),
            ("fd00:1::1", 128, "fd00:1::1"),
        ];
        for (address, length, expected) in rows {
            assert_eq!(prefix_of(address.parse().unwrap(), length).to_string(), expected, "{address}/{length}");
        }
    }

    #[test]
    fn a_repair_puts_back_what_is_gone_from_a_link_that_is_up_and_does_nothing_else() {
        let mut wanted = wanted(&["10.9.0.1/24"], &[route("10.0.0.0/8", "10.9.0.254", 100, true)]);
        wanted.interfaces[0].mtu = Some(9000);
        let put_back = ["lan: 10.9.0.1/24 added", "route 10.0.0.0/8 via 10.9.0.254 metric 100 added"];
        for (up, expected) in [(true, &put_back[..]), (false, &[])] {
            let left = vec![address("10.9.0.7/24", Owner::Box)];
            let present = Present { links: vec![link(1, up)], addresses: left, routes: vec![] };
            let (found, _) = find_links(&wanted, &present.links);
            let steps = repairs(steps(&wanted, &found, &present).0, &present.links);
            let changes: Vec<_> = steps.iter().map(|step| step.change.to_string()).collect();
            assert_eq!(changes, expected, "up: {up}");
        }
    }

    #[test]
    fn a_link_that_is_down_is_set_up_first() {
        let mut wanted = wanted(&["10.9.0.1/24"], &[]);
        wanted.interfaces[0].mtu = Some(9000);
        let present = Present { links: vec![link(1, false)], ..Present::default() };
        assert_eq!(planned(&wanted, &present), ["lan: MTU 1500 → 9000", "lan: set up", "lan: 10.9.0.1/24 added"]);
    }
}
