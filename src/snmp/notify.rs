//! Notifications: an event as the variable bindings of a notification (RFC 3416 §4.2.6), readable alone, and as a version
//! 2c trap or inform around them (RFC 1901).
//!
//! It does not know receivers, sockets or retries. What a notification carries is what `mib/RAIS-MIB.txt` says: addresses
//! and names in text, and the event as one sentence. The standard ones carry the same after what their own MIB wants.

use super::access::View;
use super::ber::{self, tag};
use super::message::message;
use super::oid::Oid;
use super::rais_mib::{self, address_reason, group_state, host_state, partition_state};
use super::snmpv2_mib::{SNMP_TRAP_OID_0, SYS_UP_TIME_0};
use super::value::{Value, binding};
use crate::event::{Event, host_name};
use crate::snapshot::Snapshot;
use rais_core::address::{GroupName, IdAddress, ServiceAddress};
use rais_core::notification::{Notification, Severity};
use std::borrow::Cow;

/// snmpTraps (RFC 3418, RFC 2863): the number of a standard notification follows.
const STANDARD: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 5];
/// ifEntry: a column and an index follow.
const IF_ENTRY: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1];
/// ifName: an index follows.
const IF_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1];

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
    Severity = 12,
    GroupState = 13,
    Unserved = 14,
    Duplicate = 15,
    Interface = 16,
    Mac = 17,
    Generation = 18,
    Signer = 19,
    Source = 20,
    PartitionState = 21,
    Version = 22,
    VersionBefore = 23,
}

impl Object {
    fn name(self) -> Oid {
        let mut name = Oid::new(rais_mib::NOTIFY);
        name.extend([self as u32, 0]);
        name
    }
}

/// What a notification is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody answers.
    Trap,
    /// The receiver answers with the same request-id (RFC 3416 §4.2.7).
    Inform,
}

impl Kind {
    /// The PDU's tag.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Trap => tag::TRAP,
            Self::Inform => tag::INFORM,
        }
    }
}

/// An event's variable bindings: sysUpTime.0, snmpTrapOID.0, and what its OBJECTS clause names. `snapshot` gives the box's
/// name and those of its peers.
#[must_use]
pub fn bindings(event: &Event, snapshot: &Snapshot) -> Vec<u8> {
    let mut bindings = Bindings { snapshot, octets: Vec::with_capacity(1024) };
    bindings.put(&Oid::new(SYS_UP_TIME_0), &Value::up_time(event.at, snapshot.about.started));
    bindings.put(&Oid::new(SNMP_TRAP_OID_0), &Value::Identifier(identity(&event.notification).arcs()));
    bindings.standard(&event.notification);
    let name = &snapshot.view.name;
    bindings.put(&Oid::new(rais_mib::BOX_NAME_0), &Value::text(name.as_str()));
    bindings.object(Object::Number, &Value::Counter64(event.number));
    bindings.object(Object::Time, &Value::Octets(Cow::Owned(date_and_time(event.unix_ms).to_vec())));
    bindings.object(Object::Text, &Value::owned_text(format!("{name}: {}", event.text)));
    bindings.object(Object::Severity, &severity(event.notification.severity()));
    bindings.subject(&event.notification);
    bindings.octets
}

/// May who has this notify view be told? Every variable has to be in it (RFC 3413 §3.3 (2)), and so has the notification
/// itself, which is the value of snmpTrapOID.0 (3).
pub(crate) fn may_be_told(view: &View, list: &[u8]) -> bool {
    ber::bindings(list).all(|(name, _, content)| {
        let identity = || Oid::from_octets(content).is_some_and(|identity| view.contains(identity.arcs()));
        view.contains(name.arcs()) && (name.arcs() != SNMP_TRAP_OID_0 || identity())
    })
}

/// What keeps every notification from whoever has this notify view; `None`: there are some that they may be told.
#[must_use]
pub fn left_out(view: &View) -> Option<&'static str> {
    let ours = [
        ("raisNotifyNumber.0", Object::Number),
        ("raisNotifyTime.0", Object::Time),
        ("raisNotifyText.0", Object::Text),
        ("raisNotifySeverity.0", Object::Severity),
    ];
    let others =
        [("sysUpTime.0", SYS_UP_TIME_0), ("snmpTrapOID.0", SNMP_TRAP_OID_0), ("raisBoxName.0", rais_mib::BOX_NAME_0)];
    let always = others.map(|(text, name)| (text, Oid::new(name))).into_iter();
    let missing = always.chain(ours.map(|(text, object)| (text, object.name())));
    let missing = missing.into_iter().find(|(_, name)| !view.contains(name.arcs())).map(|(text, _)| text);
    let any = [rais_mib::NOTIFICATIONS, STANDARD].into_iter().any(|below| view.touches(below));
    missing.or_else(|| (!any).then_some("raisNotifications"))
}

/// Variable bindings as a version 2c message. `request_id` should be another one for each notification, and the same for
/// each repetition of an inform.
#[must_use]
pub fn v2c(kind: Kind, community: &[u8], request_id: i32, bindings: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bindings.len() + community.len() + 32);
    message(community, kind.tag(), [request_id, 0, 0], bindings, &mut out);
    out
}

/// RaisSeverityTC.
pub(crate) const fn severity(severity: Severity) -> Value<'static> {
    Value::Integer(match severity {
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    })
}

/// The notification's identifier: a standard one, or its number below raisNotifications.
#[must_use]
pub fn identity(notification: &Notification) -> Oid {
    let (below, number) = match notification {
        Notification::Acquire { .. } => (rais_mib::NOTIFICATIONS, 1),
        Notification::AcquireFailed { .. } => (rais_mib::NOTIFICATIONS, 2),
        Notification::Release { .. } => (rais_mib::NOTIFICATIONS, 3),
        Notification::ReleaseFailed { .. } => (rais_mib::NOTIFICATIONS, 4),
        Notification::TestFailed { .. } => (rais_mib::NOTIFICATIONS, 5),
        Notification::CannotAssign { .. } => (rais_mib::NOTIFICATIONS, 6),
        Notification::TestRecovered { .. } => (rais_mib::NOTIFICATIONS, 7),
        Notification::LeaderChange { .. } => (rais_mib::NOTIFICATIONS, 8),
        Notification::HostStateChange { .. } => (rais_mib::NOTIFICATIONS, 9),
        Notification::OrphanExpired { .. } => (rais_mib::NOTIFICATIONS, 10),
        Notification::GroupStateChange { .. } => (rais_mib::NOTIFICATIONS, 11),
        Notification::AddressConflict { .. } => (rais_mib::NOTIFICATIONS, 12),
        Notification::ConfigApplied { .. } => (rais_mib::NOTIFICATIONS, 13),
        Notification::ConfigRejected { .. } => (rais_mib::NOTIFICATIONS, 14),
        Notification::PartitionChange { .. } => (rais_mib::NOTIFICATIONS, 15),
        Notification::ConfigDiffers { .. } => (rais_mib::NOTIFICATIONS, 16),
        Notification::ConfigAgrees { .. } => (rais_mib::NOTIFICATIONS, 17),
        Notification::ImageUpdated { .. } => (rais_mib::NOTIFICATIONS, 18),
        Notification::ColdStart => (STANDARD, 1),
        Notification::WarmStart => (STANDARD, 2),
        Notification::LinkDown { .. } => (STANDARD, 3),
        Notification::LinkUp { .. } => (STANDARD, 4),
        Notification::AuthenticationFailure { .. } => (STANDARD, 5),
    };
    let mut oid = Oid::new(below);
    oid.extend([number]);
    oid
}

/// The variable bindings of a notification in the making.
struct Bindings<'a> {
    snapshot: &'a Snapshot,
    octets: Vec<u8>,
}

impl Bindings<'_> {
    fn put(&mut self, name: &Oid, value: &Value<'_>) {
        binding(name, value, &mut self.octets);
    }

    fn object(&mut self, object: Object, value: &Value<'_>) {
        self.put(&object.name(), value);
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

    /// What a standard notification must carry: ifIndex, ifAdminStatus and ifOperStatus (RFC 2863 §6), and the name.
    fn standard(&mut self, notification: &Notification) {
        let (interface, index, admin_up, oper_up) = match notification {
            Notification::LinkUp { interface, index, admin_up } => (interface, *index, *admin_up, true),
            Notification::LinkDown { interface, index, admin_up } => (interface, *index, *admin_up, false),
            _ => return,
        };
        let up = |up| Value::Integer(if up { 1 } else { 2 });
        let number = Value::Integer(i32::try_from(index).unwrap_or(i32::MAX));
        for (column, value) in [(1, number), (7, up(admin_up)), (8, up(oper_up))] {
            let mut name = Oid::new(IF_ENTRY);
            name.extend([column, index]);
            self.put(&name, &value);
        }
        let mut name = Oid::new(IF_NAME);
        name.extend([index]);
        self.put(&name, &Value::text(interface.as_str()));
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
            Notification::GroupStateChange { group, state, unserved, duplicate } => {
                self.group(group);
                self.object(Object::GroupState, &group_state(*state));
                self.object(Object::Unserved, &Value::Gauge32(*unserved));
                self.object(Object::Duplicate, &Value::Gauge32(*duplicate));
            }
            Notification::PartitionChange { group, state } => {
                self.group(group);
                self.object(Object::PartitionState, &partition_state(*state));
            }
            Notification::ConfigDiffers { group, host } | Notification::ConfigAgrees { group, host } => {
                self.host(group, Some(*host));
            }
            Notification::AddressConflict { group, address, interface, mac } => {
                self.address(group, *address);
                self.object(Object::Interface, &Value::text(interface.as_str()));
                self.object(Object::Mac, &Value::text(mac));
            }
            Notification::ConfigApplied { generation, signer } => {
                self.object(Object::Generation, &Value::Counter64(generation.0));
                self.object(Object::Signer, &Value::text(signer.as_deref().unwrap_or("")));
            }
            Notification::ConfigRejected { error } => self.object(Object::Error, &Value::text(error)),
            Notification::ImageUpdated { version, before } => {
                self.object(Object::Version, &Value::text(version));
                self.object(Object::VersionBefore, &Value::text(before));
            }
            Notification::AuthenticationFailure { source } => {
                self.object(Object::Source, &Value::owned_text(source.to_string()));
            }
            Notification::ColdStart
            | Notification::WarmStart
            | Notification::LinkUp { .. }
            | Notification::LinkDown { .. } => {}
        }
    }
}

/// DateAndTime (RFC 2579) in UTC: year, month, day, hour, minute, second, tenths, direction and distance from UTC.
pub(super) fn date_and_time(unix_ms: u64) -> [u8; 11] {
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
