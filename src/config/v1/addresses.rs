//! Addresses across the whole file: whose each one is. An address that two may claim is two boxes answering for it.

use super::group::GroupEntry;
use super::interface::InterfaceEntry;
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::InterfaceAddress;
use crate::config::network_values::special_of;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Checks that no address belongs to two, and that no two groups share a socket.
pub(super) fn check(interfaces: &[InterfaceEntry], groups: &[GroupEntry], faults: &Collector) -> Checked<()> {
    let (own, mut result) = own_addresses(interfaces, faults);
    let networks: Vec<_> = interfaces.iter().flat_map(|entry| &entry.addresses.good).map(|own| own.value).collect();
    let mut owners: BTreeMap<IpAddr, String> = BTreeMap::new();
    for group in groups {
        let name = group.name.as_ref().map_or_else(|_| "this group".to_owned(), |name| format!("group {}", name.value));
        let lists = [(&group.preferred_addresses, "preferred"), (&group.pool_addresses, "pool")];
        for (address, list) in
            lists.iter().flat_map(|(list, kind)| list.good.iter().map(move |address| (address, kind)))
        {
            let taken = match own.get(&address.value) {
                Some(line) => {
                    Some(format!("is this box's own address, in line {line}, and can not be a service address"))
                }
                None => no_hosts(address.value, &networks),
            };
            let line = faults.line(&address.place);
            let taken = taken.or_else(|| {
                let owner = format!("a {list} address of {name}, in line {line}");
                let earlier = owners.insert(address.value, owner)?;
                Some(format!("is already {earlier}"))
            });
            if let Some(why) = taken {
                result = Err(faults.report(&address.place, format!("{} {why}", address.value)));
            }
        }
    }
    let sockets = check_group_addresses(groups, faults);
    result.and(sockets)
}

/// The box's own addresses, whatever the lengths of their prefixes, and the first line of each; and whether each is there
/// once.
fn own_addresses(interfaces: &[InterfaceEntry], faults: &Collector) -> (BTreeMap<IpAddr, usize>, Checked<()>) {
    let mut own: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut result = Ok(());
    for Placed { value: InterfaceAddress { address, .. }, place } in interfaces.iter().flat_map(|i| &i.addresses.good) {
        // Every interface may have fe80::1: a link-local address means something only on its link.
        let per_link = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let line = faults.line(place);
        match own.get(address) {
            Some(first) if !per_link => {
                result =
                    Err(faults.report(place, format!("{address} is an address of the box already, in line {first}")));
            }
            Some(_) | None => {
                own.insert(*address, line);
            }
        }
    }
    (own, result)
}

fn no_hosts(address: IpAddr, networks: &[InterfaceAddress]) -> Option<String> {
    networks.iter().find_map(|network| {
        let kind = special_of(address, *network)?;
        Some(format!("is the {kind} of {network}, not of a host"))
    })
}

fn check_group_addresses(groups: &[GroupEntry], faults: &Collector) -> Checked<()> {
    let (mut sockets, mut unicast) = (BTreeMap::new(), BTreeMap::new());
    let mut result = Ok(());
    for group in groups {
        let (Ok(address), Ok(port)) = (&group.address, &group.port) else { continue };
        let line = faults.line(&address.place);
        if let Some(first) = sockets.insert((address.value, port.value), line) {
            let message = format!("{} port {} is another group's already, in line {first}", address.value, port.value);
            result = Err(faults.report(&address.place, message));
        }
        // Their sockets are bound to the box's own address: only the port tells one group from another.
        let unicast = (!group.peers.good.is_empty()).then(|| unicast.insert(port.value, faults.line(&port.place)));
        if let Some(first) = unicast.flatten() {
            let message = format!("is the port of another group with `peers` already, in line {first}");
            result = Err(faults.report(&port.place, message));
        }
    }
    result
}
