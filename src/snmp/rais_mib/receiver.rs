//! raisReceiverTable, and what else is known of how notifications leave: a row for each row of snmpTargetAddrTable.

use super::group::GroupHistory;
use crate::snmp::delivery::DeliveryCounters;
use crate::snmp::prepared::Served;
use crate::snmp::value::Value;
use rais_core::address::GroupName;
use rais_core::time::Instant;
use serde::{Deserialize, Serialize};

/// Whoever tells the receivers, and knows what was told.
pub trait DeliverySource: Send + Sync {
    /// How a receiver fares, by its name.
    fn receiver(&self, name: &str) -> Option<ReceiverFigures>;
    /// What was told of a group.
    fn group(&self, name: &GroupName) -> GroupHistory;
    /// The longest time from an event to its first datagram, in microseconds.
    fn worst_notification_us(&self) -> u64;
    /// Notifications whose first datagram took more than 2 ms.
    fn late_notifications(&self) -> u64;
}

/// How a receiver of notifications fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverFigures {
    /// What became of what it was to be told.
    #[serde(flatten)]
    pub counters: DeliveryCounters,
    /// Notifications that are not done with: held back, waiting, or informs that are not answered yet.
    pub pending: u32,
    /// When the counters began.
    pub since: Instant,
}

/// A column of the table, in the row of a receiver.
pub(crate) fn value(served: &Served<'_>, name: &str, column: u32) -> Value<'static> {
    let ReceiverFigures { counters, pending, since } =
        served.deliveries.and_then(|of| of.receiver(name)).unwrap_or_default();
    match column {
        1 => Value::counter(counters.sent),
        2 => Value::counter(counters.repeated),
        3 => Value::counter(counters.acknowledged),
        4 => Value::counter(counters.refused),
        5 => Value::counter(counters.given_up),
        6 => Value::counter(counters.dropped),
        7 => Value::counter(counters.superseded),
        8 => Value::Gauge32(pending),
        9 => Value::counter(counters.withheld),
        10 => Value::up_time(since, served.started()),
        _ => Value::NoSuchInstance,
    }
}

pub(super) fn worst_notification<'a>(served: &Served<'a>) -> Value<'a> {
    let micros = served.deliveries.map_or(0, DeliverySource::worst_notification_us);
    Value::Gauge32(u32::try_from(micros).unwrap_or(u32::MAX))
}

pub(super) fn late_notifications<'a>(served: &Served<'a>) -> Value<'a> {
    Value::counter(served.deliveries.map_or(0, DeliverySource::late_notifications))
}
