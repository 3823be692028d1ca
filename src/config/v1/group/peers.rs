//! `peers` of `[[group]]`: the boxes that are told one by one where there is no multicast.

use super::{MAX_CONTROL_INTERFACES, no_twice};
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::InterfaceAddress;
use crate::config::network_values::{other_host, special_of};
use crate::config::reader::{List, Table};
use crate::config::v1::interface::InterfaceEntry;
use rais_core::address::Prefix;
use rais_core::params::{Control, MAX_HOSTS};
use std::net::IpAddr;

/// Most peers: every other box, with an address on each control interface.
const MAX_PEERS: usize = (MAX_HOSTS - 1) * MAX_CONTROL_INTERFACES;

pub(super) fn read(table: &mut Table) -> List<IpAddr> {
    table.list_or_empty("peers", MAX_PEERS, other_host)
}

/// The peers, each of which can be reached and can not be the box itself. `service`: the group's addresses that move.
pub(super) fn build(
    list: &List<IpAddr>,
    control: &[(Control, &InterfaceEntry)],
    service: [&List<IpAddr>; 2],
    faults: &Collector,
) -> Checked<Vec<IpAddr>> {
    let unique = no_twice(list, "peer", faults);
    let mut result = Ok(());
    for peer in &list.good {
        if let Some(why) = unfit(peer.value, control, service) {
            result = Err(faults.report_whole(&peer.place, format!("{} {why}", peer.value)));
        }
    }
    unique?;
    result?;
    list.clone().values()
}

fn unfit(peer: IpAddr, control: &[(Control, &InterfaceEntry)], service: [&List<IpAddr>; 2]) -> Option<String> {
    let of_ipv4 = control.first().is_none_or(|(control, _)| control.address.is_ipv4());
    if peer.is_ipv4() != of_ipv4 {
        let family = if of_ipv4 { "IPv4" } else { "IPv6" };
        return Some(format!("is not an {family} address, as the group's address is"));
    }
    let mut own = control.iter().flat_map(|(_, entry)| &entry.addresses.good);
    if own.any(|own| own.value.address == peer) {
        return Some(String::from("is this box's own address; peers are the other boxes"));
    }
    if service.iter().any(|list| list.good.iter().any(|address: &Placed<IpAddr>| address.value == peer)) {
        return Some(String::from("is a service address, which moves; a peer is a box's own address"));
    }
    let networks: Vec<InterfaceAddress> =
        control.iter().filter_map(|(control, entry)| network(control, entry)).collect();
    let on_link = networks.iter().find(|network| {
        Prefix::around(network.address, network.prefix_length).is_ok_and(|prefix| prefix.contains(peer))
    });
    match on_link {
        // What came through a router is dropped (G-2), so a peer behind one would never be heard.
        None => Some(String::from("is not on the network of this box's address on any control interface")),
        Some(network) => {
            let kind = special_of(peer, *network)?;
            Some(format!("is the {kind} of {network}, not of a host"))
        }
    }
}

fn network(control: &Control, entry: &InterfaceEntry) -> Option<InterfaceAddress> {
    entry.addresses.good.iter().map(|own| own.value).find(|own| own.address == control.address)
}
