//! Notifications: an event as a version 2c trap (RFC 3416 §4.2.6, RFC 1901), readable alone.
//!
//! It does not know receivers, sockets or retries. What a trap carries is what `mib/RAIS-MIB.txt` says: addresses and
//! names in text, and the event as one sentence.

use super::ber::tag;
use super::message::message;
use super::oid::Oid;
use super::prepared::host;
use super::rais_mib::{self, address_reason, host_state};
use super::snmpv2_mib::{COLD_START, SNMP_TRAP_OID_0, SYS_UP_TIME_0};
use super::value::{Value, binding};
use crate::event::Event;
use crate::snapshot::Snapshot;
use rais_core::address::{GroupName, IdAddress, ServiceAddress};
use rais_core::notification::Notification;
use rais_core::time::Instant;
use std::borrow::Cow;

/// The objects below raisNotify.
#[derive(Clone, Copy)]
enum Object {
    Number = 1,
    Time = 2,
    Text = 3,
    Group = 4,
    Address = 5,
    Reason = 6,
    Error = 7,
    Test = 8,
    Host = 9,
    HostName = 10,
    HostState = 11,
}

/// An event as an SNMPv2-Trap message. `request_id` should be another one each time; `snapshot` gives the box's name
/// and those of its peers.
#[must_use]
pub fn trap(event: &Event, snapshot: &Snapshot, community: &[u8], request_id: i32) -> Vec<u8> {
    let mut bindings = Bindings::new(event.at, snapshot, &notification(&event.notification));
    bindings.put(&Oid::new(rais_mib::BOX_NAME_0), &Value::text(snapshot.view.name.as_str()));
    bindings.object(Object::Number, &Value::Counter64(event.number));
    bindings.object(Object::Time, &Value::Octets(Cow::Owned(date_and_time(event.unix_ms).to_vec())));
    bindings.object(Object::Text, &Value::owned_text(sentence(&event.notification, snapshot)));
    bindings.subject(&event.notification);
    bindings.finish(community, request_id)
}

/// coldStart as an SNMPv2-Trap message: the daemon has started, with whatever configuration it was given.
#[must_use]
pub fn cold_start(snapshot: &Snapshot, now: Instant, community: &[u8], request_id: i32) -> Vec<u8> {
    Bindings::new(now, snapshot, &Oid::new(COLD_START)).finish(community, request_id)
}

/// The notification's identifier: its number below raisNotifications.
fn notification(notification: &Notification) -> Oid {
    let mut oid = Oid::new(rais_mib::NOTIFICATIONS);
    oid.extend([match notification {
        Notification::Acquire { .. } => 1,
        Notification::AcquireFailed { .. } => 2,
        Notification::Release { .. } => 3,
        Notification::ReleaseFailed { .. } => 4,
        Notification::TestFailed { .. } => 5,
        Notification::CannotAssign { .. } => 6,
        Notification::TestRecovered { .. } => 7,
        Notification::LeaderChange { .. } => 8,
        Notification::HostStateChange { .. } => 9,
        Notification::OrphanExpired { .. } => 10,
    }]);
    oid
}

/// The variable bindings of a trap in the making.
struct Bindings<'a> {
    snapshot: &'a Snapshot,
    octets: Vec<u8>,
}

impl<'a> Bindings<'a> {
    /// With the two that every notification begins with.
    fn new(at: Instant, snapshot: &'a Snapshot, notification: &Oid) -> Self {
        let mut bindings = Self { snapshot, octets: Vec::with_capacity(1024) };
        bindings.put(&Oid::new(SYS_UP_TIME_0), &Value::up_time(at, snapshot.about.started));
        bindings.put(&Oid::new(SNMP_TRAP_OID_0), &Value::Identifier(notification.arcs()));
        bindings
    }

    fn put(&mut self, name: &Oid, value: &Value<'_>) {
        binding(name, value, &mut self.octets);
    }

    fn object(&mut self, object: Object, value: &Value<'_>) {
        let mut name = Oid::new(rais_mib::NOTIFY);
        name.extend([object as u32, 0]);
        self.put(&name, value);
    }

    fn group(&mut self, group: &GroupName) {
        self.object(Object::Group, &Value::text(group.as_str()));
    }

    fn address(&mut self, group: &GroupName, address: ServiceAddress) {
        self.group(group);
        self.object(Object::Address, &Value::owned_text(address.to_string()));
    }

    fn host(&mut self, group: &GroupName, id: Option<IdAddress>) {
        self.group(group);
        self.object(Object::Host, &Value::owned_text(id.map_or_else(String::new, |id| id.to_string())));
        let name = id.and_then(|id| host_name(self.snapshot, group, id)).unwrap_or("");
        self.object(Object::HostName, &Value::text(name));
    }

    /// What the notification is about, in the order of its OBJECTS clause.
    fn subject(&mut self, notification: &Notification) {
        match notification {
            Notification::Acquire { group, address, reason } | Notification::Release { group, address, reason } => {
                self.address(group, *address);
                self.object(Object::Reason, &address_reason(Some(*reason)));
            }
            Notification::AcquireFailed { group, address, error }
            | Notification::ReleaseFailed { group, address, error } => {
                self.address(group, *address);
                self.object(Object::Error, &Value::text(error));
            }
            Notification::TestFailed { test, error } => {
                self.object(Object::Test, &Value::text(test.as_str()));
                self.object(Object::Error, &Value::text(error));
            }
            Notification::TestRecovered { test } => self.object(Object::Test, &Value::text(test.as_str())),
            Notification::CannotAssign { group, address } | Notification::OrphanExpired { group, address } => {
                self.address(group, *address);
            }
            Notification::LeaderChange { group, leader } => self.host(group, *leader),
            Notification::HostStateChange { group, host, state } => {
                self.host(group, Some(*host));
                self.object(Object::HostState, &host_state(*state));
            }
        }
    }

    fn finish(self, community: &[u8], request_id: i32) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.octets.len() + community.len() + 32);
        message(community, tag::TRAP, [request_id, 0, 0], &self.octets, &mut out);
        out
    }
}

fn host_name<'a>(snapshot: &'a Snapshot, group: &GroupName, id: IdAddress) -> Option<&'a str> {
    host(snapshot.view.group(group)?, id).map(|host| host.name.as_str())
}

/// The event as one sentence, the box's name in front, for receivers that do not have the MIB.
fn sentence(notification: &Notification, snapshot: &Snapshot) -> String {
    let here = &snapshot.view.name;
    let named = |group: &GroupName, id: &IdAddress| match host_name(snapshot, group, *id) {
        Some(name) => format!("{name} ({id})"),
        None => id.to_string(),
    };
    match notification {
        Notification::Acquire { group, address, reason } => {
            format!("{here} serves {address} of group {group} ({reason})")
        }
        Notification::AcquireFailed { group, address, error } => {
            format!("{here} could not acquire {address} of group {group}: {error}")
        }
        Notification::Release { group, address, reason } => {
            format!("{here} released {address} of group {group} ({reason})")
        }
        Notification::ReleaseFailed { group, address, error } => {
            format!("{here} released {address} of group {group}, but not cleanly: {error}")
        }
        Notification::TestFailed { test, error } => format!("{here}: test {test} failed: {error}"),
        Notification::TestRecovered { test } => format!("{here}: test {test} passes again"),
        Notification::CannotAssign { group, address } => {
            format!("{here}: no box of group {group} can serve {address}")
        }
        Notification::LeaderChange { group, leader: Some(leader) } => {
            format!("{here}: {} leads group {group}", named(group, leader))
        }
        Notification::LeaderChange { group, leader: None } => format!("{here}: nobody leads group {group}"),
        Notification::HostStateChange { group, host, state } => {
            format!("{here}: {} of group {group} is {state}", named(group, host))
        }
        Notification::OrphanExpired { group, address } => {
            format!("{here}: group {group} no longer serves the orphan {address}")
        }
    }
}

/// DateAndTime (RFC 2579) in UTC: year, month, day, hour, minute, second, tenths, direction and distance from UTC.
fn date_and_time(unix_ms: u64) -> [u8; 11] {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil_date(days);
    let [high, low] = year.to_be_bytes();
    let [hour, minute, second, tenths] =
        [in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day / 100 % 10].map(|n| n as u8);
    [high, low, month, day, hour, minute, second, tenths, b'+', 0, 0]
}

/// The date that many days after 1970-01-01: years are counted from March, so that the leap day is a year's last.
fn civil_date(days: u64) -> (u16, u8, u8) {
    const ERA: u64 = 146_097; // days in 400 years
    let since = days + 719_468; // 0000-03-01
    let (era, of_era) = (since / ERA, since % ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (u16::try_from(year).unwrap_or(u16::MAX), month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_gregorian_calendar() {
        let table = [
            (0, [1970, 1, 1, 0, 0, 0, 0]),
            (951_782_399_999, [2000, 2, 28, 23, 59, 59, 9]),
            (951_782_400_000, [2000, 2, 29, 0, 0, 0, 0]),
            (951_868_800_000, [2000, 3, 1, 0, 0, 0, 0]),
            (1_767_225_599_900, [2025, 12, 31, 23, 59, 59, 9]),
            (1_767_225_600_000, [2026, 1, 1, 0, 0, 0, 0]),
            (4_107_542_400_000, [2100, 3, 1, 0, 0, 0, 0]),
        ];
        for (unix_ms, [year, month, day, hour, minute, second, tenths]) in table {
            let [high, low, rest @ ..] = date_and_time(unix_ms);
            assert_eq!(u16::from_be_bytes([high, low]), year as u16);
            assert_eq!(rest[..6].to_vec(), [month, day, hour, minute, second, tenths].map(|n: i32| n as u8).to_vec());
            assert_eq!(rest[6..], [b'+', 0, 0]);
        }
    }
}
