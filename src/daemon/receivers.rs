//! The receivers of notifications: a task and a socket for each, so that a dead one delays no other.
//!
//! What may be sent, and what is repeated and given up, is [`crate::snmp::delivery`]'s to decide. A receiver of version 3
//! is told nothing while this box is another engine than the user's keys are for, as a copied box is: what was not told is
//! counted, and in the event table. The sockets are bound to the box's own address on the way to the receiver, never to a
//! service address: that may be another box's a second later.

use super::figures::{Counted, Figures};
use super::running::Running;
use super::snmp_server::Engine;
use crate::config::model::{Receiver, ReceiverSecurity};
use crate::os::datagram::DatagramPeer;
use crate::os::{clock, random};
use crate::snmp::delivery::{Delivery, DeliveryCounters, DeliveryParams, Notice, Security};
use crate::snmp::notify::Kind;
use crate::snmp::v3::{EngineId, Salts};
use rais_core::notification::Notification;
use rais_core::time::Instant;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc::{Receiver as Inbox, Sender, channel};
use tokio::task::AbortHandle;
use tokio::time;

/// Notifications on their way to a task, which takes them at once: a burst of a thousand addresses, and more.
const INBOX: usize = 16_384;
/// An answer of a receiver is short; what is cut is no answer.
const MAX_ANSWER: usize = 2048;
/// What is on its way within this is prompt.
const PROMPT: Duration = Duration::from_millis(2);
/// Before a socket that could not be opened is tried again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Everybody who is told.
#[derive(Debug)]
pub(super) struct Receivers {
    figures: Arc<Figures>,
    tasks: Vec<Task>,
}

#[derive(Debug)]
struct Task {
    receiver: Receiver,
    source: Option<IpAddr>,
    engine: Option<Engine>,
    counted: Arc<Counted>,
    inbox: Sender<(Arc<Notice>, Instant)>,
    task: AbortHandle,
}

/// Why nothing can be said to a receiver. Everything else goes on; what it is not told is counted.
#[derive(Debug, Error)]
enum Mute {
    /// There was no randomness for an engine id; the log says so.
    #[error("this box is no SNMP engine")]
    NoEngine,
    /// The state directory was copied from another machine: the operator adds the user again.
    #[error("the user's keys are for engine {0}, and this is {1}: `raisctl snmp user add --replace`")]
    OtherEngine(EngineId, EngineId),
    /// Without randomness two messages could be encrypted alike.
    #[error("no randomness: {0}")]
    NoRandomness(String),
}

impl Drop for Task {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receivers {
    /// Nobody.
    #[must_use]
    pub(super) const fn new(figures: Arc<Figures>) -> Self {
        Self { figures, tasks: Vec::new() }
    }

    /// Exactly those of the configuration. One that stays as it is keeps what waits for it, and one that is changed keeps
    /// its counters (RFC 2578 §7.1.6): with the same name it is the same row.
    pub(super) fn reconfigure(&mut self, running: &Running) {
        let wanted = &running.configuration.snmp.receivers;
        let mut before = std::mem::take(&mut self.tasks);
        for receiver in wanted {
            let source = running.source_for(receiver.address.ip());
            // A community has nothing to do with the engine.
            let engine = running.engine.filter(|_| matches!(receiver.security, ReceiverSecurity::User { .. }));
            let same = |task: &Task| task.receiver == *receiver && task.source == source && task.engine == engine;
            let known = before.iter().position(|task| task.receiver.name == receiver.name);
            let start =
                |counted| Task::start(receiver.clone(), source, engine, Arc::new(counted), Arc::clone(&self.figures));
            self.tasks.push(match known.map(|at| before.swap_remove(at)) {
                Some(kept) if same(&kept) => kept,
                Some(changed) => start(changed.end(&self.figures)),
                None => start(Counted::new(&receiver.name, clock::now())),
            });
        }
        let counted = self.tasks.iter().map(|task| Arc::clone(&task.counted)).collect();
        *self.figures.receivers.lock().unwrap_or_else(PoisonError::into_inner) = counted;
    }

    /// Tells everybody who wants to know of this.
    pub(super) fn tell(&self, notification: &Notification, notice: &Arc<Notice>, at: Instant) {
        for task in self.tasks.iter().filter(|task| wants(&task.receiver, notification)) {
            if task.inbox.try_send((Arc::clone(notice), at)).is_err() {
                self.figures.traps_dropped.fetch_add(1, Ordering::Relaxed);
                task.counted.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until every task has taken what it was told.
    pub(super) async fn flush(&self) {
        for task in &self.tasks {
            while task.inbox.capacity() < INBOX && !task.task.is_finished() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// RFC 3413 §3.3 (1). Who is told of an alarm is told of its end too.
fn wants(receiver: &Receiver, notification: &Notification) -> bool {
    let matters = notification.ends().max(Some(notification.severity())) >= Some(receiver.severity);
    matters && (receiver.only.is_empty() || receiver.only.contains(&notification.name()))
}

impl Task {
    fn start(
        receiver: Receiver,
        source: Option<IpAddr>,
        engine: Option<Engine>,
        counted: Arc<Counted>,
        figures: Arc<Figures>,
    ) -> Self {
        let (inbox, notices) = channel(INBOX);
        let task = match security(&receiver, engine) {
            Ok(security) => {
                let params = DeliveryParams {
                    kind: if receiver.inform { Kind::Inform } else { Kind::Trap },
                    security,
                    view: receiver.view.clone(),
                    timeout: receiver.timeout,
                    retries: receiver.retries,
                    throttle: receiver.throttle,
                };
                // Another one in each life: the microseconds since the system started.
                let delivery = Delivery::new(params, (clock::now().as_micros() >> 6) as i32);
                let (address, before) = (receiver.address, DeliveryCounters::default());
                let (inform, counted) = (receiver.inform, Arc::clone(&counted));
                let work = Work { address, source, inform, delivery, before, counted, figures };
                tokio::spawn(work.run(notices)).abort_handle()
            }
            Err(why) => {
                tracing::error!(receiver = %receiver.address, %why, "a receiver of notifications is told nothing");
                // Nobody takes what is sent into this inbox.
                tokio::spawn(async { drop(notices) }).abort_handle()
            }
        };
        Self { receiver, source, engine, counted, inbox, task }
    }

    /// Ends it, for another one that goes on counting. What waits is not told, and counted.
    fn end(self, figures: &Figures) -> Counted {
        self.task.abort();
        let mut end = self.counted.read();
        end.pending += u32::try_from(INBOX - self.inbox.capacity()).unwrap_or(u32::MAX);
        figures.traps_dropped.fetch_add(u64::from(end.pending), Ordering::Relaxed);
        Counted::after(&self.receiver.name, end)
    }
}

fn security(receiver: &Receiver, engine: Option<Engine>) -> Result<Security, Mute> {
    match &receiver.security {
        ReceiverSecurity::Community(community) => Ok(Security::Community(community.as_bytes().to_vec())),
        ReceiverSecurity::User { user, level } => {
            let Engine { id: engine, clock, .. } = engine.ok_or(Mute::NoEngine)?;
            if !receiver.inform && *user.engine() != engine {
                return Err(Mute::OtherEngine(*user.engine(), engine));
            }
            let seed = random::octets().map(u64::from_be_bytes).map_err(Mute::NoRandomness)?;
            Ok(Security::User { user: user.clone(), level: *level, engine, clock, salts: Salts::new(seed) })
        }
    }
}

/// A receiver's task.
struct Work {
    address: SocketAddr,
    source: Option<IpAddr>,
    inform: bool,
    delivery: Delivery,
    /// The counters when they were last read.
    before: DeliveryCounters,
    counted: Arc<Counted>,
    figures: Arc<Figures>,
}

impl Work {
    async fn run(mut self, mut notices: Inbox<(Arc<Notice>, Instant)>) {
        loop {
            match DatagramPeer::open(self.source, self.address) {
                Ok(socket) => return self.serve(&socket, &mut notices).await,
                Err(error) => {
                    tracing::warn!(receiver = %self.address, %error, "a receiver of notifications can not be reached; trying on");
                    // What happens meanwhile waits here.
                    time::sleep(REOPEN_AFTER).await;
                }
            }
        }
    }

    async fn serve(&mut self, socket: &DatagramPeer, notices: &mut Inbox<(Arc<Notice>, Instant)>) {
        let mut buffer = vec![0; MAX_ANSWER];
        loop {
            let due = self.delivery.due().map(|due| due.since(clock::now()));
            tokio::select! {
                notice = notices.recv() => {
                    let Some((notice, at)) = notice else { return };
                    self.delivery.offer(notice, clock::now());
                    self.send(socket, Some(at));
                }
                received = socket.receive(&mut buffer) => {
                    // An error is of something sent before: the receiver is not listening.
                    if let Ok(length) = received {
                        let answer = buffer.get(..length).unwrap_or_default();
                        if let Err(stray) = self.delivery.receive(answer, clock::now()) {
                            tracing::debug!(receiver = %self.address, %stray, "dropped a datagram");
                        }
                    }
                    self.send(socket, None);
                }
                () = time::sleep(due.unwrap_or(Duration::MAX)), if due.is_some() => self.send(socket, None),
            }
        }
    }

    /// Sends what is to be sent; `at`: when what was offered last happened.
    fn send(&mut self, socket: &DatagramPeer, mut at: Option<Instant>) {
        while let Some(datagram) = self.delivery.poll(clock::now()) {
            // A receiver that was not listening a moment ago shows as an error now, and this datagram was not sent.
            let sent = socket.send(&datagram).or_else(|_| socket.send(&datagram));
            if let Err(error) = sent {
                tracing::debug!(receiver = %self.address, %error, "a notification was not sent");
                // An inform will be sent again, and counted when it is given up.
                if !self.inform {
                    self.figures.traps_dropped.fetch_add(1, Ordering::Relaxed);
                    self.counted.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            if let Some(at) = at.take() {
                let took = clock::now().since(at);
                let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.figures.worst_notification_us.fetch_max(micros, Ordering::Relaxed);
                self.figures.late_notifications.fetch_add(u64::from(took > PROMPT), Ordering::Relaxed);
            }
        }
        let (now, before) = (*self.delivery.counters(), self.before);
        let figures = &self.figures;
        figures.traps_sent.fetch_add(now.sent - before.sent, Ordering::Relaxed);
        figures.informs_acknowledged.fetch_add(now.acknowledged - before.acknowledged, Ordering::Relaxed);
        let lost = (now.given_up + now.dropped + now.refused) - (before.given_up + before.dropped + before.refused);
        figures.traps_dropped.fetch_add(lost, Ordering::Relaxed);
        self.before = now;
        self.counted.write(now, self.delivery.pending());
    }
}
