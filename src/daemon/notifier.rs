//! The notifier: numbers what the node tells, keeps it in the event table, logs it, and sends it to every receiver.
//!
//! It waits for nobody: the log is a queue, and a trap that the kernel does not take at once is counted and lost. The
//! event stays in the event table.

use super::event_table::{EventTable, Unnumbered};
use super::figures::Figures;
use super::running::Running;
use crate::config::model::Receiver;
use crate::event::{Event, sentence};
use crate::os::clock;
use crate::os::datagram::DatagramSender;
use crate::snapshot::Snapshot;
use crate::snmp::notify::{self, Kind};
use rais_core::notification::{Notification, Severity};
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
        self.tell(clock::now(), Notification::ColdStart);
        while let Some((at, notification)) = self.notifications.recv().await {
            self.tell(at, notification);
        }
    }

    fn tell(&mut self, at: Instant, notification: Notification) {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let (text, unix_ms) = (sentence(&notification, &snapshot), clock::unix_ms());
        let incarnation = snapshot.view.incarnation;
        let event = self.event_table.record(Unnumbered { incarnation, at, unix_ms, notification, text });
        self.send_all(&notify::bindings(&event, &snapshot));
        log(&event);
    }

    fn send_all(&mut self, bindings: &[u8]) {
        let running = Arc::clone(&self.running.borrow());
        for receiver in &running.configuration.snmp.receivers {
            self.request_id = self.request_id.checked_add(1).unwrap_or(1);
            let datagram = notify::v2c(Kind::Trap, receiver.community.as_bytes(), self.request_id, bindings);
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

/// One line: what the traps say too.
fn log(event: &Event) {
    let (number, name, text) = (event.number, event.notification.name(), &event.text);
    match event.notification.severity() {
        Severity::Info => tracing::info!(number, "{name}: {text}"),
        Severity::Warning => tracing::warn!(number, "{name}: {text}"),
        Severity::Critical => tracing::error!(number, "{name}: {text}"),
    }
}
