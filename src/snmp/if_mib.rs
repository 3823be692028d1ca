//! IF-MIB (RFC 2863): the interfaces as the kernel has them. Read-only: interfaces come from the signed configuration.
//!
//! It does not know where the figures come from. What the kernel does not count (broadcasts, multicasts sent) is not
//! served, rather than served as zero; RAIS-CAPABILITIES-MIB says so.

use super::prepared::Served;
use super::registry::Entry;
use super::table::{ByNumber, Numbered};
use super::value::Value;
use crate::machine::{Interface, InterfaceKind};
use std::borrow::Cow;

/// ifMIB, for sysORTable.
pub(crate) const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 31];

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 2, 1], |served| {
        Value::Integer(i32::try_from(served.machine.interfaces.len()).unwrap_or(i32::MAX))
    }),
    Entry::table(&[1, 3, 6, 1, 2, 1, 2, 2, 1], &Numbered(IfTable)),
    Entry::table(&[1, 3, 6, 1, 2, 1, 31, 1, 1, 1], &Numbered(IfXTable)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 31, 1, 5], |served| {
        Value::up_time(served.machine.interfaces_changed, served.started())
    }),
];

/// Interfaces that an InterfaceIndex can name: all of them, the kernel's indices are positive.
fn row<'a>(served: &Served<'a>, row: usize) -> Option<&'a Interface> {
    served.machine.interfaces.get(row)
}

/// IANAifType
const fn if_type(kind: InterfaceKind) -> i32 {
    match kind {
        InterfaceKind::Ethernet => 6,
        InterfaceKind::Loopback => 24,
        InterfaceKind::Tunnel => 131,
        InterfaceKind::Other => 1,
    }
}

/// Bits a second, latched as ifSpeed wants it; 0: not known.
fn speed(interface: &Interface) -> u32 {
    interface.speed_mbit.map_or(0, |mbit| mbit.saturating_mul(1_000_000))
}

/// ifOperStatus: up(1), down(2) or lowerLayerDown(7).
const fn oper_status(interface: &Interface) -> i32 {
    match (interface.up, interface.carrier) {
        (false, _) => 2,
        (true, true) => 1,
        (true, false) => 7,
    }
}

struct IfTable;

impl ByNumber for IfTable {
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16, 17, 19, 20];

    fn rows(served: &Served<'_>) -> usize {
        served.machine.interfaces.len()
    }

    fn number(served: &Served<'_>, number: usize) -> u32 {
        row(served, number).map_or(u32::MAX, |interface| interface.index)
    }

    fn value<'a>(served: &Served<'a>, column: u32, number: usize) -> Value<'a> {
        let Some(interface) = row(served, number) else { return Value::NoSuchInstance };
        let counters = &interface.counters;
        match column {
            1 => Value::Integer(i32::try_from(interface.index).unwrap_or(i32::MAX)),
            2 => Value::ascii(&interface.name),
            3 => Value::Integer(if_type(interface.kind)),
            4 => Value::Integer(i32::try_from(interface.mtu).unwrap_or(i32::MAX)),
            5 => Value::Gauge32(speed(interface)),
            6 => Value::Octets(Cow::Borrowed(&interface.hardware_address)),
            7 => Value::Integer(if interface.up { 1 } else { 2 }),
            8 => Value::Integer(oper_status(interface)),
            9 => Value::up_time(interface.changed, served.started()),
            10 => Value::counter(counters.in_octets),
            11 => Value::counter(counters.in_packets.saturating_sub(counters.in_multicast)),
            13 => Value::counter(counters.in_discards),
            14 => Value::counter(counters.in_errors),
            16 => Value::counter(counters.out_octets),
            17 => Value::counter(counters.out_packets),
            19 => Value::counter(counters.out_discards),
            20 => Value::counter(counters.out_errors),
            _ => Value::NoSuchInstance,
        }
    }
}

struct IfXTable;

impl ByNumber for IfXTable {
    const COLUMNS: &'static [u32] = &[1, 2, 6, 7, 8, 10, 11, 14, 15, 16, 17, 18, 19];

    fn rows(served: &Served<'_>) -> usize {
        IfTable::rows(served)
    }

    fn number(served: &Served<'_>, row: usize) -> u32 {
        IfTable::number(served, row)
    }

    fn value<'a>(served: &Served<'a>, column: u32, number: usize) -> Value<'a> {
        let Some(interface) = row(served, number) else { return Value::NoSuchInstance };
        let counters = &interface.counters;
        match column {
            1 => Value::ascii(&interface.name),
            2 => Value::counter(counters.in_multicast),
            6 => Value::Counter64(counters.in_octets),
            7 => Value::Counter64(counters.in_packets.saturating_sub(counters.in_multicast)),
            8 => Value::Counter64(counters.in_multicast),
            10 => Value::Counter64(counters.out_octets),
            11 => Value::Counter64(counters.out_packets),
            // enabled(1) for what the configuration names: only its comings and goings matter to anybody.
            14 => Value::Integer(if served.machine.alias(interface.index).is_some() { 1 } else { 2 }),
            15 => Value::Gauge32(interface.speed_mbit.unwrap_or(0)),
            16 => Value::truth(interface.promiscuous),
            // A NIC has a connector; what else looks like Ethernet knows no speed.
            17 => Value::truth(interface.kind == InterfaceKind::Ethernet && interface.speed_mbit.is_some()),
            18 => Value::text(served.machine.alias(interface.index).map_or("", |name| name.as_str())),
            // The kernel's counters began with the interface, before sysUpTime was zero or with ifLastChange's first
            // value; they have no other discontinuity.
            19 => Value::TimeTicks(0),
            _ => Value::NoSuchInstance,
        }
    }
}
