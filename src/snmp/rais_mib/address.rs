//! raisAddressTable: the service addresses of the groups.

use crate::snapshot::error_text;
use crate::snmp::prepared::{Served, host};
use crate::snmp::rais_mib::maybe_text;
use crate::snmp::table::ByGroupAndAddress;
use crate::snmp::value::Value;
use rais_core::address::IdAddress;
use rais_core::info_message::Claim;
use rais_core::notification::Reason;
use rais_core::view::{AddressState, AddressView, GroupView};
use std::net::IpAddr;

pub(super) struct AddressTable;

fn row<'a>(served: &Served<'a>, group: usize, row: usize) -> Option<&'a AddressView> {
    served.group(group)?.addresses.get(row)
}

/// RaisReasonTC.
pub(in crate::snmp) const fn reason(reason: Option<Reason>) -> Value<'static> {
    Value::Integer(match reason {
        None | Some(Reason::Unknown) => 1,
        Some(Reason::Unserved) => 2,
        Some(Reason::Failback) => 3,
        Some(Reason::Test) => 4,
        Some(Reason::Operator) => 5,
        Some(Reason::Duplicate) => 6,
        Some(Reason::Expired) => 7,
        Some(Reason::Stop) => 8,
        Some(Reason::Overslept) => 9,
        Some(Reason::Load) => 10,
        Some(Reason::Configuration) => 11,
        Some(Reason::Lost) => 12,
        Some(Reason::Carrier) => 13,
        Some(Reason::Partition) => 14,
        Some(Reason::Removed) => 15,
    })
}

fn host_name(group: &GroupView, id: Option<IdAddress>) -> Value<'_> {
    maybe_text(id.and_then(|id| host(group, id)).map(|host| host.name.as_str()))
}

impl ByGroupAndAddress for AddressTable {
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];

    fn rows(served: &Served<'_>, group: usize) -> usize {
        served.group(group).map_or(0, |group| group.addresses.len())
    }

    fn address(served: &Served<'_>, group: usize, number: usize) -> Option<IpAddr> {
        row(served, group, number).map(|address| address.address.0)
    }

    fn value<'a>(served: &Served<'a>, column: u32, group: usize, number: usize) -> Value<'a> {
        let (Some(group), Some(address)) = (served.group(group), row(served, group, number)) else {
            return Value::NoSuchInstance;
        };
        match column {
            3 => Value::Integer(match address.state {
                AddressState::Online => 1,
                AddressState::Acquiring => 2,
                AddressState::Releasing => 3,
                AddressState::Unserved => 4,
                AddressState::Duplicate => 5,
            }),
            4 => Value::address_type(address.server.map(|id| id.0)),
            5 => Value::Address(address.server.map(|id| id.0)),
            6 => host_name(group, address.server),
            7 => Value::address_type(address.preferred.map(|id| id.0)),
            8 => Value::Address(address.preferred.map(|id| id.0)),
            9 => host_name(group, address.preferred),
            10 => Value::truth(address.orphan),
            11 => Value::Integer(
                address.orphan_time_left.map_or(-1, |left| i32::try_from(left.as_secs()).unwrap_or(i32::MAX)),
            ),
            12 => reason(address.reason),
            13 => Value::Integer(match address.own_claim {
                None => 1,
                Some(Claim::Acquiring) => 2,
                Some(Claim::Online) => 3,
                Some(Claim::Releasing) => 4,
            }),
            14 => Value::Counter32(address.transitions),
            15 => Value::up_time(address.last_change, served.started()),
            16 => Value::owned_text(address.last_error.as_ref().map(error_text).unwrap_or_default()),
            17 => Value::truth(served.zones_have(&group.name, address.address.0)),
            _ => Value::NoSuchInstance,
        }
    }
}
