//! Events: notifications with a number and a time, as the event table, the traps, the log and `raisctl events` show them.

use rais_core::notification::Notification;
use rais_core::time::Instant;
use serde::{Deserialize, Serialize};

/// One notification, numbered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Ascends by one from 1 with each event.
    pub number: u64,
    /// Monotonic time of the change.
    pub at: Instant,
    /// Wall time, in milliseconds since 1970-01-01 UTC; only for people.
    pub unix_ms: u64,
    /// What happened.
    pub notification: Notification,
}
