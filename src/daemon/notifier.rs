//! The notifier: numbers what the node tells, keeps it in the event table, logs it, and sends it to every receiver.
//!
//! It waits for nobody: the log is a queue, and a trap that the kernel does not take at once is counted and lost. The
//! event stays in the event table.

use super::event_table::EventTable;
use super::figures::Figures;
use super::running::Running;
use crate::config::model::Receiver;
use crate::event::Event;
use crate::os::clock;
use crate::os::datagram::DatagramSender;
use crate::snapshot::Snapshot;
use crate::snmp::notify;
use rais_core::notification::Notification;
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// Tells operators.
#[derive(Debug)]
pub(super) struct Notifier {
    /// What the node tells.
    pub(super) notifications: UnboundedReceiver<(Instant, Notification)>,
    /// Where events are kept.
    pub(super) event_table: Arc<EventTable>,
    /// Names in traps come from here.
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Receivers come from here.
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// Counted: traps dropped.
    pub(super) figures: Arc<Figures>,
    /// Sockets by receiver and source.
    pub(super) senders: BTreeMap<(SocketAddr, Option<IpAddr>), DatagramSender>,
    /// The last request-id used.
    pub(super) request_id: i32,
}

impl Notifier {
    /// Runs until the event loop is gone.
    pub(super) async fn run(mut self) {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        self.tell_all(|community, id| notify::cold_start(&snapshot, clock::now(), community, id));
        while let Some((at, notification)) = self.notifications.recv().await {
            let event = self.event_table.record(at, clock::unix_ms(), notification);
            let snapshot = Arc::clone(&self.snapshots.borrow());
            self.tell_all(|community, id| notify::trap(&event, &snapshot, community, id));
            log(&event);
        }
    }

    fn tell_all(&mut self, trap: impl Fn(&[u8], i32) -> Vec<u8>) {
        let running = Arc::clone(&self.running.borrow());
        for receiver in &running.configuration.snmp.receivers {
            self.request_id = self.request_id.checked_add(1).unwrap_or(1);
            let datagram = trap(receiver.community.as_bytes(), self.request_id);
            if let Err(error) = self.send(&running, receiver, &datagram) {
                self.figures.traps_dropped.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(receiver = %receiver.address, %error, "a trap was not sent");
            }
        }
    }

    fn send(
        &mut self,
        running: &Running,
        receiver: &Receiver,
        datagram: &[u8],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let key = (receiver.address, running.source_for(receiver.address.ip()));
        let sender = match self.senders.remove(&key) {
            Some(open) => open,
            None => DatagramSender::open(key.1, key.0)?,
        };
        // A receiver that was not listening a moment ago shows as an error now, and this datagram was not sent.
        let sent = sender.send(datagram).or_else(|_| sender.send(datagram));
        if sent.is_ok() {
            self.senders.insert(key, sender);
        }
        sent.map_err(Into::into)
    }
}

/// One line with fields.
fn log(event: &Event) {
    let (number, name) = (event.number, event.notification.name());
    match &event.notification {
        Notification::Acquire { group, address, reason } | Notification::Release { group, address, reason } => {
            tracing::info!(number, %group, %address, %reason, "{name}");
        }
        Notification::AcquireFailed { group, address, error }
        | Notification::ReleaseFailed { group, address, error } => {
            tracing::warn!(number, %group, %address, error, "{name}");
        }
        Notification::TestFailed { test, error } => tracing::warn!(number, %test, error, "{name}"),
        Notification::TestRecovered { test } => tracing::info!(number, %test, "{name}"),
        Notification::CannotAssign { group, address } => tracing::warn!(number, %group, %address, "{name}"),
        Notification::LeaderChange { group, leader } => {
            let leader = leader.map(tracing::field::display);
            tracing::info!(number, %group, leader, "{name}");
        }
        Notification::HostStateChange { group, host, state } => {
            tracing::info!(number, %group, %host, %state, "{name}");
        }
        Notification::OrphanExpired { group, address } => tracing::warn!(number, %group, %address, "{name}"),
    }
}
