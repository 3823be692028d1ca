//! SNMP-TARGET-MIB and SNMP-NOTIFICATION-MIB (RFC 3413): the configured receivers of notifications, read-only.
//!
//! In version 2c the security name is that of the community, and never the community itself; one that only a receiver has
//! goes by the receiver's name.

use super::oid::Oid;
use super::prepared::Served;
use super::rais_mib::receiver_value;
use super::registry::Entry;
use super::table::{Row, Table};
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

/// Their names ascend.
fn arcs(receiver: &AboutReceiver) -> Vec<u32> {
    receiver.name.bytes().map(u32::from).collect()
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

fn address(receiver: &AboutReceiver, column: u32) -> Value<'_> {
    match column {
        2 => Value::Identifier(if receiver.address.is_ipv4() { UDP_IPV4 } else { UDP_IPV6 }),
        3 => Value::Octets(Cow::Owned(transport_address(receiver))),
        // TimeInterval: hundredths of a second.
        4 => Value::Integer(i32::try_from(receiver.timeout.as_millis() / 10).unwrap_or(i32::MAX)),
        5 => Value::Integer(i32::try_from(receiver.retries.min(255)).unwrap_or(255)),
        // The tag that its row of snmpNotifyTable selects, and the name of its parameters.
        6 | 7 => Value::text(&receiver.name),
        8 => READ_ONLY,
        9 => ACTIVE,
        _ => Value::NoSuchInstance,
    }
}

fn params(receiver: &AboutReceiver, column: u32) -> Value<'_> {
    let user = receiver.user.as_ref();
    match column {
        // SnmpMessageProcessingModel: SNMPv2c(1), SNMPv3(3).
        2 => Value::Integer(if user.is_some() { 3 } else { 1 }),
        // SnmpSecurityModel: SNMPv2c(2), USM(3).
        3 => Value::Integer(if user.is_some() { 3 } else { 2 }),
        4 => Value::text(user.map(|user| &user.name).or(receiver.community.as_ref()).unwrap_or(&receiver.name)),
        5 => Value::Integer(user.map_or(Level::NoAuthNoPriv, |user| user.level).number()),
        6 => READ_ONLY,
        7 => ACTIVE,
        _ => Value::NoSuchInstance,
    }
}

fn notify(receiver: &AboutReceiver, column: u32) -> Value<'_> {
    match column {
        2 => Value::text(&receiver.name),
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
        let outer = receivers(served).iter().position(|receiver| arcs(receiver) == index)?;
        Some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let receivers = receivers(served);
        let outer = receivers.partition_point(|receiver| arcs(receiver).as_slice() <= index);
        (outer < receivers.len()).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < receivers(served).len()).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(receivers(served).get(row.outer).map(arcs).unwrap_or_default());
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        let Some(receiver) = receivers(served).get(row.outer) else { return Value::NoSuchInstance };
        match self.0 {
            Part::Address => address(receiver, column),
            Part::Params => params(receiver, column),
            Part::Notify => notify(receiver, column),
            Part::Delivery => receiver_value(served, &receiver.name, column),
        }
    }
}
