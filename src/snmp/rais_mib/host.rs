//! raisHostTable: the boxes of the groups.

use super::address::reason;
use crate::snmp::prepared::Served;
use crate::snmp::set::{Change, Refusal, Step, Syntax};
use crate::snmp::table::ByGroupAndAddress;
use crate::snmp::value::Value;
use rais_core::address::GroupName;
use rais_core::io::Command;
use rais_core::notification::HostState;
use rais_core::time::Instant;
use rais_core::view::HostView;
use std::net::IpAddr;
use std::time::Duration;

pub(super) struct HostTable;

fn row<'a>(served: &Served<'a>, group: usize, row: usize) -> Option<&'a HostView> {
    served.group(group)?.hosts.get(row)
}

/// RaisHostStateTC.
pub(in crate::snmp) const fn state(state: HostState) -> Value<'static> {
    Value::Integer(match state {
        HostState::Up => 1,
        HostState::Quiesced => 2,
        HostState::NotOk => 3,
        HostState::Dead => 4,
        HostState::Left => 5,
    })
}

/// raisHostAdminStatus.
const ADMIN_STATUS: u32 = 21;
const ACTIVE: i32 = 1;
const QUIESCED: i32 = 2;
const DRAINING: i32 = 3;

/// What an operator wants of the box.
const fn admin_status(host: &HostView) -> i32 {
    match (host.draining, host.quiesced) {
        (true, _) => DRAINING,
        (false, true) => QUIESCED,
        (false, false) => ACTIVE,
    }
}

/// What `raisctl` would be told to do in this group.
fn command(admin_status: i32, group: &GroupName) -> Command {
    let group = Some(group.clone());
    match admin_status {
        QUIESCED => Command::Quiesce { group },
        DRAINING => Command::Drain { group },
        _ => Command::Unquiesce { group },
    }
}

/// raisHostDampingLeft.
fn damping_left(host: &HostView, now: Instant) -> i32 {
    let left = host.damped_until.map_or(Duration::ZERO, |until| until.since(now));
    i32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

impl ByGroupAndAddress for HostTable {
    const COLUMNS: &'static [u32] =
        &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, ADMIN_STATUS, 22, 23, 24];
    const WRITABLE: &'static [(u32, Syntax)] = &[(ADMIN_STATUS, Syntax::OneOf(&[ACTIVE, QUIESCED, DRAINING]))];

    fn rows(served: &Served<'_>, group: usize) -> usize {
        served.group(group).map_or(0, |group| group.hosts.len())
    }

    fn address(served: &Served<'_>, group: usize, number: usize) -> Option<IpAddr> {
        row(served, group, number).map(|host| host.id.0)
    }

    fn value<'a>(served: &Served<'a>, column: u32, group: usize, number: usize) -> Value<'a> {
        let (Some(group), Some(host)) = (served.group(group), row(served, group, number)) else {
            return Value::NoSuchInstance;
        };
        match column {
            3 => Value::text(host.name.as_str()),
            4 => state(host.state),
            5 => Value::truth(host.id == group.id),
            6 => Value::truth(group.leader == Some(host.id)),
            7 => Value::truth(host.ok),
            8 => Value::truth(host.quiesced),
            9 => Value::truth(host.draining),
            10 => Value::truth(host.spare),
            11 => Value::truth(host.settled),
            12 => Value::Gauge32(host.load),
            13 => Value::Gauge32(host.capacity),
            14 => Value::Gauge32(host.utilisation.0),
            15 => Value::gauge(host.preferred.len()),
            16 => Value::Gauge32(host.served),
            17 => Value::up_time(host.last_heard, served.started()),
            18 => Value::Counter64(host.incarnation.0),
            19 => Value::Counter32(host.transitions),
            20 => Value::up_time(host.last_change, served.started()),
            22 => reason(host.trouble),
            23 => Value::truth(host.differs),
            24 => Value::Integer(damping_left(host, served.now)),
            ADMIN_STATUS => Value::Integer(admin_status(host)),
            _ => Value::NoSuchInstance,
        }
    }

    /// Only this box obeys: no message of the group protocol tells another one to quiesce.
    fn change(served: &Served<'_>, _column: u32, group: usize, number: usize, wanted: i32) -> Result<Step, Refusal> {
        let (Some(group), Some(host)) = (served.group(group), row(served, group, number)) else {
            return Err(Refusal::NoCreation);
        };
        if host.id != group.id {
            return Err(Refusal::NotWritable);
        }
        let present = admin_status(host);
        if present == wanted {
            return Ok(Step::Nothing);
        }
        Ok(Step::Change(Change { command: command(wanted, &group.name), undo: command(present, &group.name) }))
    }
}
