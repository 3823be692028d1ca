//! SNMP-TARGET-MIB and SNMP-NOTIFICATION-MIB (RFC 3413): the configured receivers of notifications, read-only.
//!
//! Receivers are named by their place in the configuration. In version 2c the security name is that of the community, and
//! never the community itself; one that only a receiver has goes by the receiver's name.

use super::oid::Oid;
use super::prepared::Served;
use super::rais_mib::receiver_value;
use super::registry::Entry;
use super::table::{Row, Table, first_not};
use super::v3::Level;
use super::value::Value;
use crate::snapshot::AboutReceiver;
use std::borrow::Cow;
use std::net::IpAddr;

pub(crate) const ENTRIES: &[Entry] = &[
    // snmpTargetSpinLock: nobody can change a receiver here, and so nobody changed one.
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 12, 1, 1], |_| Value::Integer(0)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 12, 1, 2, 1], &Receivers(Part::Address)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 12, 1, 3, 1], &Receivers(Part::Params)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 13, 1, 1, 1], &Receivers(Part::Notify)),
];

/// snmpUDPDomain (RFC 3417).
const UDP_IPV4: &[u32] = &[1, 3, 6, 1, 6, 1, 1];
/// transportDomainUdpIpv6 (RFC 3419).
const UDP_IPV6: &[u32] = &[1, 3, 6, 1, 2, 1, 100, 1, 2];
/// StorageType: readOnly(5).
const READ_ONLY: Value<'static> = Value::Integer(5);
/// RowStatus: active(1).
const ACTIVE: Value<'static> = Value::Integer(1);

/// Which of the tables.
#[derive(Clone, Copy)]
enum Part {
    /// snmpTargetAddrTable
    Address,
    /// snmpTargetParamsTable
    Params,
    /// snmpNotifyTable: each receiver is notified in its own way.
    Notify,
    /// raisReceiverTable of RAIS-MIB.
    Delivery,
}

/// The receivers again: how they fare.
pub(crate) const DELIVERIES: Receivers = Receivers(Part::Delivery);

pub(crate) struct Receivers(Part);

fn receivers<'a>(served: &Served<'a>) -> &'a [AboutReceiver] {
    &served.snapshot.about.receivers
}

/// The name of a receiver in that place of the configuration, from 0. There are at most 16, so that names ascend as the
/// places do.
#[must_use]
pub fn receiver_name(place: usize) -> String {
    format!("receiver-{:02}", place + 1)
}

fn arcs(row: usize) -> Vec<u32> {
    receiver_name(row).bytes().map(u32::from).collect()
}

/// TAddress of an address and a port.
fn transport_address(receiver: &AboutReceiver) -> Vec<u8> {
    let mut octets = match receiver.address.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.extend(receiver.address.port().to_be_bytes());
    octets
}

fn address(receiver: &AboutReceiver, row: usize, column: u32) -> Value<'static> {
    match column {
        2 => Value::Identifier(if receiver.address.is_ipv4() { UDP_IPV4 } else { UDP_IPV6 }),
        3 => Value::Octets(Cow::Owned(transport_address(receiver))),
        // TimeInterval: hundredths of a second.
        4 => Value::Integer(i32::try_from(receiver.timeout.as_millis() / 10).unwrap_or(i32::MAX)),
        5 => Value::Integer(i32::try_from(receiver.retries.min(255)).unwrap_or(255)),
        // The tag that its row of snmpNotifyTable selects, and the name of its parameters.
        6 | 7 => Value::owned_text(receiver_name(row)),
        8 => READ_ONLY,
        9 => ACTIVE,
        _ => Value::NoSuchInstance,
    }
}

fn params<'a>(receiver: &'a AboutReceiver, row: usize, column: u32) -> Value<'a> {
    let user = receiver.user.as_ref();
    match column {
        // SnmpMessageProcessingModel: SNMPv2c(1), SNMPv3(3).
        2 => Value::Integer(if user.is_some() { 3 } else { 1 }),
        // SnmpSecurityModel: SNMPv2c(2), USM(3).
        3 => Value::Integer(if user.is_some() { 3 } else { 2 }),
        4 => match user.map(|user| &user.name).or(receiver.community.as_ref()) {
            Some(name) => Value::text(name),
            None => Value::owned_text(receiver_name(row)),
        },
        5 => Value::Integer(user.map_or(Level::NoAuthNoPriv, |user| user.level).number()),
        6 => READ_ONLY,
        7 => ACTIVE,
        _ => Value::NoSuchInstance,
    }
}

fn notify(receiver: &AboutReceiver, row: usize, column: u32) -> Value<'static> {
    match column {
        2 => Value::owned_text(receiver_name(row)),
        // trap(1), inform(2)
        3 => Value::Integer(if receiver.inform { 2 } else { 1 }),
        4 => READ_ONLY,
        5 => ACTIVE,
        _ => Value::NoSuchInstance,
    }
}

/// The names are IMPLIED in the index: without their length (RFC 2578 §7.7).
impl Table for Receivers {
    fn columns(&self) -> &'static [u32] {
        match self.0 {
            Part::Address => &[2, 3, 4, 5, 6, 7, 8, 9],
            Part::Params => &[2, 3, 4, 5, 6, 7],
            Part::Notify => &[2, 3, 4, 5],
            Part::Delivery => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        }
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let outer = (0..receivers(served).len()).find(|row| arcs(*row) == index)?;
        Some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = receivers(served).len();
        let outer = first_not(end, |row| arcs(row).as_slice() <= index);
        (outer < end).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < receivers(served).len()).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, _: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(arcs(row.outer));
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        let Some(receiver) = receivers(served).get(row.outer) else { return Value::NoSuchInstance };
        match self.0 {
            Part::Address => address(receiver, row.outer, column),
            Part::Params => params(receiver, row.outer, column),
            Part::Notify => notify(receiver, row.outer, column),
            Part::Delivery => receiver_value(served, row.outer, column),
        }
    }
}
