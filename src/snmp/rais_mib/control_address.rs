//! raisControlAddressTable: by which of its control addresses each box is heard.
//!
//! A box's control addresses and this box's control interfaces are both listed in the order of the configuration, so that
//! the first belongs to the first control network, and so on.

use crate::snmp::oid::Oid;
use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::time_stamp;
use crate::snmp::table::{Row, Table, address_arcs, first_not, name_arcs};
use crate::snmp::value::Value;
use rais_core::address::InterfaceName;
use rais_core::view::{HostView, LinkView};

pub(super) struct ControlAddressTable;

/// One row: a group, a box of it, and which of the box's addresses, in the order of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::snmp) struct ControlRow {
    group: usize,
    host: usize,
    /// Position among the box's control addresses.
    position: usize,
}

/// All rows in the order of the index; once for a snapshot. At most 64 groups of 64 boxes of 4 addresses.
pub(in crate::snmp) fn rows(served: &Served<'_>) -> Vec<ControlRow> {
    let mut rows = Vec::new();
    for group in 0..served.groups() {
        let hosts = served.group(group).map(|group| group.hosts.as_slice()).unwrap_or_default();
        for (number, host) in hosts.iter().enumerate() {
            let mut addresses: Vec<_> = host.control_addresses.iter().copied().enumerate().collect();
            addresses.sort_unstable_by_key(|(_, address)| *address);
            addresses.dedup_by_key(|(_, address)| *address);
            rows.extend(addresses.iter().map(|(position, _)| ControlRow { group, host: number, position: *position }));
        }
    }
    rows
}

fn host<'a>(served: &Served<'a>, row: &ControlRow) -> Option<&'a HostView> {
    served.group(row.group)?.hosts.get(row.host)
}

fn arcs(served: &Served<'_>, number: usize) -> Oid {
    let mut oid = Oid::EMPTY;
    if let Some(row) = served.control_rows().get(number)
        && let Some(host) = host(served, row)
    {
        oid.extend(name_arcs(served.group_name(row.group)));
        oid.extend(address_arcs(host.id.0));
        oid.extend(host.control_addresses.get(row.position).copied().into_iter().flat_map(address_arcs));
    }
    oid
}

impl Table for ControlAddressTable {
    fn columns(&self) -> &'static [u32] {
        &[3, 4, 5]
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = served.control_rows().len();
        let outer = first_not(end, |row| arcs(served, row).arcs() < index);
        (outer < end && arcs(served, outer).arcs() == index).then_some(Row { outer, inner: 0 })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let end = served.control_rows().len();
        let outer = first_not(end, |row| arcs(served, row).arcs() <= index);
        (outer < end).then_some(Row { outer, inner: 0 })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let outer = row.outer + 1;
        (outer < served.control_rows().len()).then_some(Row { outer, inner: 0 })
    }

    fn index(&self, served: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(arcs(served, row.outer).arcs().iter().copied());
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        let Some(row) = served.control_rows().get(row.outer) else { return Value::NoSuchInstance };
        let Some(host) = host(served, row) else { return Value::NoSuchInstance };
        let about = served.about_group(row.group);
        let interface = about.and_then(|about| about.control_interfaces.get(row.position));
        match column {
            3 => Value::text(interface.map_or("", |interface| interface.as_str())),
            4 if served.group(row.group).is_some_and(|group| group.id == host.id) => {
                Value::up_time(served.now, served.started())
            }
            4 => time_stamp(link(host, interface).and_then(|link| link.last_heard), served.started()),
            5 => Value::Integer(link(host, interface).and_then(|link| link.loss).map_or(-1, i32::from)),
            _ => Value::NoSuchInstance,
        }
    }
}

/// What one control interface of this box hears of another box; `None` of this box itself.
fn link<'a>(host: &'a HostView, interface: Option<&InterfaceName>) -> Option<&'a LinkView> {
    host.contact.links.iter().find(|link| Some(&link.interface) == interface)
}
