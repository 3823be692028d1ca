//! Figures about the daemon itself, counted where they arise and read by the control server and the agent.

use crate::ctl::protocol::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How the daemon fares. Every figure stands for itself, so no order between them is needed.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// See [`Runtime::log_lines_dropped`].
    pub(super) log_lines_dropped: Arc<AtomicU64>,
    /// See [`Runtime::traps_dropped`].
    pub(super) traps_dropped: AtomicU64,
    /// See [`Runtime::traps_sent`].
    pub(super) traps_sent: AtomicU64,
    /// See [`Runtime::informs_acknowledged`].
    pub(super) informs_acknowledged: AtomicU64,
    /// See [`Runtime::worst_notification_us`].
    pub(super) worst_notification_us: AtomicU64,
    /// See [`Runtime::snmp_in`].
    pub(super) snmp_in: AtomicU64,
    /// See [`Runtime::snmp_out`].
    pub(super) snmp_out: AtomicU64,
    /// See [`Runtime::snmp_dropped`].
    pub(super) snmp_dropped: AtomicU64,
    /// See [`Runtime::worst_lateness_us`].
    pub(super) worst_lateness_us: Arc<AtomicU64>,
    /// See [`Runtime::actions_running`].
    pub(super) actions_running: AtomicU32,
}

impl Figures {
    /// As they are now.
    #[must_use]
    pub(super) fn read(&self) -> Runtime {
        Runtime {
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
            traps_dropped: self.traps_dropped.load(Ordering::Relaxed),
            traps_sent: self.traps_sent.load(Ordering::Relaxed),
            informs_acknowledged: self.informs_acknowledged.load(Ordering::Relaxed),
            worst_notification_us: self.worst_notification_us.load(Ordering::Relaxed),
            snmp_in: self.snmp_in.load(Ordering::Relaxed),
            snmp_out: self.snmp_out.load(Ordering::Relaxed),
            snmp_dropped: self.snmp_dropped.load(Ordering::Relaxed),
            worst_lateness_us: self.worst_lateness_us.load(Ordering::Relaxed),
            actions_running: self.actions_running.load(Ordering::Relaxed),
        }
    }
}
