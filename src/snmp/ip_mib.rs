//! IP-MIB (RFC 4293): addresses, and what IP does as a whole. Read-only: addresses come from the signed configuration and
//! from the group.
//!
//! ipAddressTable shows the service addresses that this box serves, which the core knows, among those that the kernel
//! listed; so it follows every move without asking the kernel.

use super::prepared::Served;
use super::registry::Entry;
use super::table::{Addressed, ByAddress, ByNumber, Numbered};
use super::value::Value;
use crate::machine::IpFigures;
use rais_core::time::Instant;
use std::net::IpAddr;

/// ipMIB, for sysORTable.
pub(crate) const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 48];

macro_rules! ip {
    ($($arc:expr),*) => { &[1, 3, 6, 1, 2, 1, 4, $($arc),*] };
}

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(ip!(1), |served| forwarding(version(served, 0))),
    Entry::scalar(ip!(2), |served| hop_limit(version(served, 0), 1)),
    Entry::scalar(ip!(13), |served| {
        Value::Integer(i32::try_from(version(served, 0).reassembly_seconds).unwrap_or(i32::MAX))
    }),
    Entry::scalar(ip!(25), |served| forwarding(version(served, 1))),
    Entry::scalar(ip!(26), |served| hop_limit(version(served, 1), 0)),
    Entry::table(ip!(31, 1, 1), &Numbered(SystemStatistics)),
    Entry::table(ip!(34, 1), &Addressed(AddressTable)),
];

fn version<'a>(served: &Served<'a>, number: usize) -> &'a IpFigures {
    let [v4, v6] = &served.machine.sample.ip;
    if number == 0 { v4 } else { v6 }
}

const fn forwarding(figures: &IpFigures) -> Value<'static> {
    Value::Integer(if figures.forwarding { 1 } else { 2 })
}

fn hop_limit(figures: &IpFigures, least: u32) -> Value<'static> {
    Value::Integer(i32::try_from(figures.hop_limit.clamp(least, 255)).unwrap_or(255))
}

/// ipSystemStatsTable: a row for IPv4, one for IPv6.
struct SystemStatistics;

/// The kernel's counter behind a column of 32 bits, or of 64.
const fn counter(column: u32) -> Option<(&'static str, bool)> {
    Some(match column {
        3 => ("InReceives", false),
        4 => ("InReceives", true),
        7 => ("InHdrErrors", false),
        9 => ("InAddrErrors", false),
        10 => ("InUnknownProtos", false),
        14 => ("ReasmReqds", false),
        15 => ("ReasmOKs", false),
        16 => ("ReasmFails", false),
        17 => ("InDiscards", false),
        18 => ("InDelivers", false),
        19 => ("InDelivers", true),
        20 => ("OutRequests", false),
        21 => ("OutRequests", true),
        22 => ("OutNoRoutes", false),
        25 => ("OutDiscards", false),
        27 => ("FragOKs", false),
        28 => ("FragFails", false),
        29 => ("FragCreates", false),
        _ => return None,
    })
}

impl ByNumber for SystemStatistics {
    const COLUMNS: &'static [u32] =
        &[3, 4, 7, 9, 10, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 28, 29, 46, 47];

    fn rows(served: &Served<'_>) -> usize {
        served.machine.sample.ip.len()
    }

    /// InetVersion: ipv4(1), ipv6(2).
    fn number(_: &Served<'_>, row: usize) -> u32 {
        u32::try_from(row + 1).unwrap_or(u32::MAX)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let counters = &version(served, row).counters;
        let count = |name: &str| counters.get(name).copied().unwrap_or(0);
        // The kernel has two names for what it forwarded.
        let forwarded = || count(if row == 0 { "ForwDatagrams" } else { "OutForwDatagrams" });
        match (column, counter(column)) {
            (_, Some((name, false))) => Value::counter(count(name)),
            (_, Some((name, true))) => Value::Counter64(count(name)),
            (23, _) => Value::counter(forwarded()),
            (24, _) => Value::Counter64(forwarded()),
            // The kernel's counters never start anew while it runs.
            (46, _) => Value::TimeTicks(0),
            // A sample a second while somebody polls.
            (47, _) => Value::Gauge32(1000),
            _ => Value::NoSuchInstance,
        }
    }
}

/// A row of ipAddressTable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressRow {
    address: IpAddr,
    interface: u32,
    /// IpAddressOriginTC.
    origin: i32,
    since: Instant,
}

/// Everything on this box's interfaces: what the kernel listed and what the core serves; once for a pair of pictures.
pub(crate) fn address_rows(served: &Served<'_>) -> Vec<AddressRow> {
    const OTHER: i32 = 1;
    const MANUAL: i32 = 2;
    const LINK_LAYER: i32 = 5;
    let machine = served.machine;
    let listed = machine.addresses.iter().map(|address| AddressRow {
        address: address.address,
        interface: address.interface,
        origin: match address.address {
            _ if address.configured => MANUAL,
            IpAddr::V6(v6) if v6.is_unicast_link_local() => LINK_LAYER,
            _ => OTHER,
        },
        since: address.since,
    });
    let mut rows: Vec<_> = listed.collect();
    for group in &served.snapshot.view.groups {
        let about = served.snapshot.about.groups.iter().find(|about| about.name == group.name);
        let interface = about.and_then(|about| machine.configured.get(&about.service_interface)).copied();
        let Some(interface) = interface else { continue };
        let online = group.addresses.iter().filter(|row| row.own_claim == Some(rais_core::info_message::Claim::Online));
        rows.extend(online.map(|row| AddressRow {
            address: row.address.0,
            interface,
            origin: OTHER,
            since: row.last_change,
        }));
    }
    rows.sort_by_key(|row| row.address);
    rows.dedup_by_key(|row| row.address);
    rows
}

/// ipAddressTable
struct AddressTable;

impl ByAddress for AddressTable {
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn rows(served: &Served<'_>) -> usize {
        served.address_rows().len()
    }

    fn address(served: &Served<'_>, row: usize) -> Option<IpAddr> {
        served.address_rows().get(row).map(|row| row.address)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(row) = served.address_rows().get(row) else { return Value::NoSuchInstance };
        match column {
            3 => Value::Integer(i32::try_from(row.interface).unwrap_or(i32::MAX)),
            // unicast(1)
            4 => Value::Integer(1),
            // There is no table of prefixes to point into.
            5 => Value::Identifier(&[0, 0]),
            6 => Value::Integer(row.origin),
            // preferred(1): it is on the interface and answers.
            7 => Value::Integer(1),
            8 | 9 => Value::up_time(row.since, served.started()),
            // active(1)
            10 => Value::Integer(1),
            // volatile(2): no manager made it, and none can keep it.
            11 => Value::Integer(2),
            _ => Value::NoSuchInstance,
        }
    }
}
