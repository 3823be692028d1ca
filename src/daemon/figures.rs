//! Figures about the daemon itself, counted where they arise and read by the control server and the agent.

use crate::ctl::protocol::Runtime;
use crate::snmp::delivery::DeliveryCounters;
use crate::snmp::{DeliverySource, GroupHistory, ReceiverFigures};
use rais_core::address::GroupName;
use rais_core::notification::Notification;
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// See [`Runtime::late_notifications`].
    pub(super) late_notifications: AtomicU64,
    /// See [`Runtime::receivers`].
    pub(super) receivers: Mutex<Vec<Arc<Counted>>>,
    /// What was told of groups as a whole.
    pub(super) groups: Mutex<BTreeMap<GroupName, GroupHistory>>,
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

/// What became of what one receiver was to be told.
#[derive(Debug)]
pub(super) struct Counted {
    /// The receiver's name.
    name: String,
    /// What became of it before the receiver was changed.
    before: DeliveryCounters,
    /// What its task does not know of: there was no room on the way to it, or the kernel would not send.
    pub(super) lost: AtomicU64,
    told: Mutex<ReceiverFigures>,
}

impl Counted {
    /// Nothing yet.
    pub(super) fn new(name: &str, since: Instant) -> Self {
        Self::after(name, ReceiverFigures { since, ..ReceiverFigures::default() })
    }

    /// Goes on counting where another one ended: what was pending then is not told any more.
    pub(super) fn after(name: &str, end: ReceiverFigures) -> Self {
        let ReceiverFigures { counters, pending, since } = end;
        let before = DeliveryCounters { dropped: counters.dropped + u64::from(pending), ..counters };
        let told = ReceiverFigures { since, ..ReceiverFigures::default() };
        Self { name: name.to_owned(), before, lost: AtomicU64::new(0), told: Mutex::new(told) }
    }

    /// As it is now, with how many notifications are not done with.
    pub(super) fn write(&self, counters: DeliveryCounters, pending: usize) {
        let mut told = self.told();
        (told.counters, told.pending) = (counters, u32::try_from(pending).unwrap_or(u32::MAX));
    }

    pub(super) fn read(&self) -> ReceiverFigures {
        let mut figures = *self.told();
        figures.counters = self.before + figures.counters;
        figures.counters.dropped += self.lost.load(Ordering::Relaxed);
        figures
    }

    fn told(&self) -> MutexGuard<'_, ReceiverFigures> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeliverySource for Figures {
    fn receiver(&self, name: &str) -> Option<ReceiverFigures> {
        self.receivers().iter().find(|receiver| receiver.name == name).map(|receiver| receiver.read())
    }

    fn group(&self, name: &GroupName) -> GroupHistory {
        self.groups().get(name).copied().unwrap_or_default()
    }

    fn worst_notification_us(&self) -> u64 {
        self.worst_notification_us.load(Ordering::Relaxed)
    }

    fn late_notifications(&self) -> u64 {
        self.late_notifications.load(Ordering::Relaxed)
    }
}

impl Figures {
    fn receivers(&self) -> MutexGuard<'_, Vec<Arc<Counted>>> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<GroupName, GroupHistory>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a notification says of a group as a whole.
    pub(super) fn note(&self, notification: &Notification, at: Instant) {
        match notification {
            Notification::GroupStateChange { group, state, .. } => {
                let mut groups = self.groups();
                let history = groups.entry(group.clone()).or_default();
                history.service = *state;
                history.service_changes.note(at);
            }
            Notification::PartitionChange { group, .. } => {
                self.groups().entry(group.clone()).or_default().partition_changes.note(at);
            }
            _ => {}
        }
    }

    /// Forgets groups that are no more: one that is configured later has no past.
    pub(super) fn keep_groups(&self, is_there: impl Fn(&GroupName) -> bool) {
        self.groups().retain(|name, _| is_there(name));
    }

    /// As they are now.
    #[must_use]
    pub(super) fn read(&self) -> Runtime {
        Runtime {
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
            traps_dropped: self.traps_dropped.load(Ordering::Relaxed),
            traps_sent: self.traps_sent.load(Ordering::Relaxed),
            informs_acknowledged: self.informs_acknowledged.load(Ordering::Relaxed),
            worst_notification_us: self.worst_notification_us.load(Ordering::Relaxed),
            late_notifications: self.late_notifications.load(Ordering::Relaxed),
            receivers: self.receivers().iter().map(|receiver| receiver.read()).collect(),
            snmp_in: self.snmp_in.load(Ordering::Relaxed),
            snmp_out: self.snmp_out.load(Ordering::Relaxed),
            snmp_dropped: self.snmp_dropped.load(Ordering::Relaxed),
            worst_lateness_us: self.worst_lateness_us.load(Ordering::Relaxed),
            actions_running: self.actions_running.load(Ordering::Relaxed),
        }
    }
}
