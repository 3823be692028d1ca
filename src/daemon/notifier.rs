//! The notifier: numbers what happens, keeps it in the event table, logs it, and tells every receiver.
//!
//! It waits for nobody: the log is a queue, the event table's disk is a queue, and each receiver has a task of its own. What
//! a receiver was not told is in the event table.

use super::event_table::{EventTable, Unnumbered};
use super::figures::Figures;
use super::group_states::GroupStates;
use super::receivers::Receivers;
use super::running::Running;
use crate::event::{Event, about, sentence};
use crate::os::clock;
use crate::snapshot::Snapshot;
use crate::snmp::delivery::Notice;
use crate::snmp::notify;
use rais_core::notification::{Notification, Severity};
use rais_core::time::Instant;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

/// What is kept of an error's words, in octets: whoever wrote them, they go to flash and over the wire.
const MAX_ERROR: usize = 1024;

/// The edge's way to tell something. Never waits.
#[derive(Clone, Debug)]
pub(super) struct Teller(UnboundedSender<(Instant, Notification)>);

/// What is told, and when it happened.
pub(super) type Told = UnboundedReceiver<(Instant, Notification)>;

/// A way to tell, for the node and for the edge, and where it leads.
#[must_use]
pub(super) fn telling() -> (UnboundedSender<(Instant, Notification)>, Teller, Told) {
    let (sender, told) = unbounded_channel();
    (sender.clone(), Teller(sender), told)
}

impl Teller {
    /// Tells what has just happened. After the notifier's end it goes nowhere.
    pub(super) fn tell(&self, notification: Notification) {
        let _ = self.0.send((clock::now(), notification));
    }
}

/// Tells operators.
#[derive(Debug)]
pub(super) struct Notifier {
    /// What the node tells, and the edge.
    pub(super) notifications: Told,
    /// Where events are kept.
    pub(super) event_table: Arc<EventTable>,
    /// Names in traps come from here.
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Receivers come from here.
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// Everybody who is told.
    pub(super) receivers: Receivers,
    /// What an agent shows of all that.
    pub(super) figures: Arc<Figures>,
    /// Whether the configuration is the one of the life before.
    pub(super) start: Notification,
    /// How groups fare as a whole.
    pub(super) group_states: GroupStates,
    /// The node has stopped: what it told is told on, and then it is over.
    pub(super) stop: oneshot::Receiver<()>,
}

impl Notifier {
    /// Runs until it is told to stop, and everything that was told before has left.
    pub(super) async fn run(mut self) {
        self.reconfigure();
        self.tell(clock::now(), self.start.clone());
        loop {
            tokio::select! {
                // In this order: a receiver that a reload adds is told of what the reload does, and nothing told before
                // the stop is lost.
                biased;
                changed = self.running.changed() => match changed {
                    Ok(()) => self.reconfigure(),
                    Err(_) => break,
                },
                told = self.notifications.recv() => match told {
                    Some((at, notification)) => self.tell(at, notification),
                    None => break,
                },
                _ = &mut self.stop => break,
                changed = self.snapshots.changed() => match changed {
                    Ok(()) => self.look(),
                    Err(_) => break,
                },
            }
        }
        while let Ok((at, notification)) = self.notifications.try_recv() {
            self.tell(at, notification);
        }
        self.receivers.flush().await;
    }

    fn look(&mut self) {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        for notification in self.group_states.observe(&snapshot.view) {
            self.tell(snapshot.view.at, notification);
        }
    }

    fn reconfigure(&mut self) {
        let running = Arc::clone(&self.running.borrow_and_update());
        self.receivers.reconfigure(&running);
        self.figures.keep_groups(|name| running.configuration.groups.contains_key(name));
    }

    fn tell(&mut self, at: Instant, notification: Notification) {
        let notification = bounded(notification);
        self.figures.note(&notification, at);
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let (text, unix_ms) = (sentence(&notification, &snapshot), clock::unix_ms());
        let incarnation = snapshot.view.incarnation;
        let event = self.event_table.record(Unnumbered { incarnation, at, unix_ms, notification, text });
        let (about, bindings) = (about(&event.notification), notify::bindings(&event, &snapshot));
        self.receivers.tell(&event.notification, &Arc::new(Notice { about, bindings }), at);
        log(&event);
    }
}

fn bounded(mut notification: Notification) -> Notification {
    if let Notification::AcquireFailed { error, .. }
    | Notification::ReleaseFailed { error, .. }
    | Notification::TestFailed { error, .. }
    | Notification::ConfigRejected { error } = &mut notification
    {
        error.truncate(error.floor_char_boundary(MAX_ERROR));
    }
    notification
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

#[cfg(test)]
mod tests {
    use super::super::start::nothing_yet;
    use super::*;
    use crate::config::{BundleFiles, Trust, load};
    use rais_core::quantity::Incarnation;
    use std::collections::BTreeMap;
    use std::net::UdpSocket;
    use std::sync::Mutex;
    use std::time::Duration;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Metadata, Subscriber};

    const TEXT: &str = r#"
version = 1
[box]
name = "edge-1"
[snmp]
listen = []
[[snmp.receiver]]
address = "127.0.0.1:PORT"
community_file = "secrets/community"
"#;

    /// A log that takes no line before a datagram was heard.
    struct Hesitant {
        socket: UdpSocket,
        heard: Arc<Mutex<Vec<usize>>>,
    }

    impl Subscriber for Hesitant {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.heard.lock().unwrap().extend(self.socket.recv(&mut [0; 2000]).ok());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_notification_has_left_before_its_log_line_is_written() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let text = TEXT.replace("PORT", &socket.local_addr().unwrap().port().to_string());
        let files = [("rais.toml", text.as_str()), ("secrets/community", "public")];
        let files = files.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec(), 0o600));
        let configuration = load(&BundleFiles::from_iter(files), &Trust::InsecureUnsigned).unwrap();
        let (_snapshots, snapshots) = watch::channel(Arc::new(nothing_yet(&configuration, Incarnation(1))));
        let running = Running { configuration, links: BTreeMap::new(), scripts: BTreeMap::new(), engine: None };
        let (_running, running) = watch::channel(Arc::new(running));
        let (_told, _teller, notifications) = telling();
        let (_stop, stop) = oneshot::channel();
        let figures = Arc::<Figures>::default();
        let mut notifier = Notifier {
            notifications,
            event_table: Arc::default(),
            snapshots,
            running,
            receivers: Receivers::new(Arc::clone(&figures)),
            figures: Arc::clone(&figures),
            start: Notification::ColdStart,
            group_states: GroupStates::default(),
            stop,
        };
        notifier.reconfigure();
        let heard = Arc::default();
        let log = Hesitant { socket, heard: Arc::clone(&heard) };
        tracing::subscriber::with_default(log, || notifier.tell(clock::now(), Notification::ColdStart));
        let heard = heard.lock().unwrap();
        assert!(matches!(heard[..], [octets] if octets > 100), "{heard:?}");
        let figures = figures.read();
        assert_eq!((figures.traps_dropped, figures.receivers.len()), (0, 1));
    }
}
