//! RAIS-MIB (`mib/RAIS-MIB.txt`): one file per table or group of scalars.
//!
//! Numbers of objects stand here and in the MIB, and `tests/snmp` holds the two against each other: an object that only
//! one of them has, or of another type, fails.

mod address;
mod agent;
mod control_address;
mod event;
mod group;
mod host;
mod load;
mod overview;
mod peer;
mod receiver;
mod test;
mod zone;

pub(super) use address::reason as address_reason;
pub(super) use control_address::{ControlRow, rows as control_rows};
pub use event::EventSource;
pub(super) use event::Events;
pub(super) use group::group_state;
pub(super) use group::state as partition_state;
pub use group::{Changes, GroupHistory};
pub(super) use host::state as host_state;
pub(super) use receiver::value as receiver_value;
pub use receiver::{DeliverySource, ReceiverFigures};

use super::registry::Entry;
use super::table::{Grouped, Named, Numbered};
use super::target_mib;
use super::value::Value;
use rais_core::time::Instant;

/// The enterprise number for documentation (RFC 5612). With one of our own, only this and raisEnterprise in the MIB
/// change.
pub(crate) const ENTERPRISE: u32 = 32473;

/// An identifier below raisMIB.
macro_rules! rais {
    ($($arc:expr),*) => { &[1, 3, 6, 1, 4, 1, $crate::snmp::rais_mib::ENTERPRISE, 1, $($arc),*] };
}

/// raisCompliance.
pub(crate) const COMPLIANCE: &[u32] = rais!(2, 1, 1);
/// raisAgentCapability1 of RAIS-CAPABILITIES-MIB.
pub(crate) const CAPABILITIES: &[u32] = rais!(4, 1);
/// raisGateway, the box's sysObjectID.
pub(crate) const GATEWAY: &[u32] = rais!(3, 1);
/// raisNotifications: a notification's number follows.
pub(crate) const NOTIFICATIONS: &[u32] = rais!(0);
/// raisBoxName.0.
pub(crate) const BOX_NAME_0: &[u32] = rais!(1, 1, 1, 0);
/// raisNotify: an object's number and a zero follow.
pub(crate) const NOTIFY: &[u32] = rais!(1, 11);

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(rais!(1, 1, 1), overview::name),
    Entry::scalar(rais!(1, 1, 2), overview::version),
    Entry::scalar(rais!(1, 1, 3), overview::incarnation),
    Entry::scalar(rais!(1, 1, 4), overview::config_generation),
    Entry::scalar(rais!(1, 1, 5), overview::config_digest),
    Entry::scalar(rais!(1, 1, 6), overview::config_signed),
    Entry::scalar(rais!(1, 1, 7), overview::config_signer),
    Entry::scalar(rais!(1, 1, 8), overview::reload_state),
    Entry::scalar(rais!(1, 1, 9), overview::reload_text),
    Entry::scalar(rais!(1, 1, 10), overview::discontinuity_time),
    Entry::scalar(rais!(1, 1, 11), overview::machine_id),
    Entry::scalar(rais!(1, 1, 12), overview::image_slot),
    Entry::scalar(rais!(1, 1, 13), overview::config_last_change),
    Entry::scalar(rais!(1, 1, 14), overview::network_repairs),
    Entry::table(rais!(1, 2, 1), &Named(group::GroupTable)),
    Entry::table(rais!(1, 3, 1), &Grouped(host::HostTable)),
    Entry::table(rais!(1, 4, 1), &control_address::ControlAddressTable),
    Entry::table(rais!(1, 5, 1), &Grouped(address::AddressTable)),
    Entry::table(rais!(1, 6, 1), &Named(test::TestTable)),
    Entry::table(rais!(1, 7, 1), &Named(load::LoadTable)),
    Entry::table(rais!(1, 8, 1), &Named(zone::ZoneTable)),
    Entry::table(rais!(1, 10, 1), &Numbered(event::EventTable)),
    Entry::scalar(rais!(1, 12, 1), agent::foreign_sources),
    Entry::scalar(rais!(1, 12, 2), agent::unexpected_pdus),
    Entry::scalar(rais!(1, 12, 3), agent::too_often),
    Entry::scalar(rais!(1, 12, 4), receiver::worst_notification),
    Entry::scalar(rais!(1, 12, 5), receiver::late_notifications),
    Entry::table(rais!(1, 13, 1), &target_mib::DELIVERIES),
    Entry::table(rais!(1, 14, 1), &Grouped(peer::PeerTable)),
];

/// A TimeStamp: sysUpTime when it happened, 0 if it never did.
fn time_stamp(at: Option<Instant>, started: Instant) -> Value<'static> {
    at.map_or(Value::TimeTicks(0), |at| Value::up_time(at, started))
}

/// Text that may be missing: empty then.
fn maybe_text(text: Option<&str>) -> Value<'_> {
    Value::text(text.unwrap_or(""))
}
