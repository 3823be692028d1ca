//! raisPeerTable: whom groups without multicast are told to, one by one.

use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::{maybe_text, time_stamp};
use crate::snmp::table::ByGroupAndAddress;
use crate::snmp::value::Value;
use std::net::IpAddr;

pub(super) struct PeerTable;

impl ByGroupAndAddress for PeerTable {
    const COLUMNS: &'static [u32] = &[3, 4, 5];

    fn rows(served: &Served<'_>, group: usize) -> usize {
        served.peers(group).len()
    }

    fn address(served: &Served<'_>, group: usize, row: usize) -> Option<IpAddr> {
        served.peers(group).get(row).map(|peer| peer.address)
    }

    fn value<'a>(served: &Served<'a>, column: u32, group: usize, row: usize) -> Value<'a> {
        let Some(peer) = served.peers(group).get(row) else { return Value::NoSuchInstance };
        let host = || served.group(group).and_then(|group| group.host_at(peer.address));
        match column {
            3 => Value::Integer(if peer.configured { 1 } else { 2 }),
            4 => maybe_text(host().map(|host| host.name.as_str())),
            5 => time_stamp(host().map(|host| host.last_heard), served.started()),
            _ => Value::NoSuchInstance,
        }
    }
}
