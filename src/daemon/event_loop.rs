//! The event loop: the one thread that owns the [`Node`], and the only place that calls [`Node::handle`].
//!
//! Heartbeats leave from here, so nothing here may wait (G-69): sending never blocks, actions and notifications are
//! left in queues for the runtime, the log is a queue too, and every kind of work is done in small portions. In this
//! order of priority:
//!
//! 1. the deadline: what the node wants to do now (heartbeats, dead intervals) is done before anything else, and looked
//!    at again between any two portions of the rest;
//! 2. datagrams, at most [`BURST`] per group and round: a flood at one group delays no other;
//! 3. news from the runtime: actions that ended, tests, samples, operators, configurations;
//! 4. a new picture for the readers, if something changed.

use super::announcer::Announcements;
use super::journal::Journal;
use super::memory::Memory;
use super::peers::{self, Learnt, LearntAddresses, Line};
use super::publish::Publisher;
use crate::os::clock;
use crate::os::multicast::Reach;
use crate::os::wait::{Waker, Wakeups, wait, waker};
use crate::snapshot::{About, Snapshot, ZoneView};
use crate::wire::{Codec, MAX_DATAGRAM, Received};
use rais_core::address::{GroupName, TestName};
use rais_core::info_message::Message;
use rais_core::io::{Action, Command, CommandError, Input};
use rais_core::node::Node;
use rais_core::notification::Notification;
use rais_core::params::BoxParams;
use rais_core::quantity::{Incarnation, Ticket};
use rais_core::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};
use tokio::time;

/// Datagrams or news handled in one go: some 100 µs, so that a flood delays a 10 ms beat by little.
const BURST: usize = 16;
/// Ended actions handled in one go: each costs a microsecond or two, and what follows from them is worked out once.
const ENDED_BURST: usize = 1024;
/// A deadline missed by more than this is worth a warning (G-66): a fifth of the default beat; or half of a shorter one.
const LATE: Duration = Duration::from_millis(20);
/// A deadline missed by more than this: this thread was held up, and the silence it sees may be its own.
const STALL: Duration = Duration::from_millis(2);
/// A wait shorter than this was none: to be told at once takes some microseconds.
const ASLEEP: Duration = Duration::from_micros(20);
/// At most one such warning in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// A command is answered within microseconds; longer means that the loop is gone.
const COMMAND_WITHIN: Duration = Duration::from_secs(2);

/// What the runtime tells the loop.
#[derive(Debug)]
pub(super) enum News {
    /// Something happened; goes to the node as it is.
    Input(Input),
    /// Actions that ended together, and how.
    Ended(Vec<(Ticket, Result<(), String>)>),
    /// An operator's command; the answer is the node's.
    Command(Command, oneshot::Sender<Result<(), CommandError>>),
    /// A configuration to run from now on.
    Configure(Box<Configured>),
    /// Only the facts around it changed: a reload was refused.
    About(Arc<About>),
    /// Somebody looks and wants a fresh picture.
    Look,
    /// The zones as they now are.
    Zones(Vec<ZoneView>),
    /// A run of a test took this long.
    Took(TestName, Duration),
}

/// A configuration, ready to run.
#[derive(Debug)]
pub(super) struct Configured {
    /// The node's part.
    pub(super) params: BoxParams,
    /// Where its groups talk.
    pub(super) ports: BTreeMap<GroupName, Arc<Port>>,
    /// The readers' part.
    pub(super) about: Arc<About>,
}

/// Where a group talks, and in what cipher.
#[derive(Debug)]
pub(super) struct Port {
    /// Its messages' format and keys.
    pub(super) codec: Codec,
    /// The configured peers; none: multicast.
    pub(super) peers: Vec<IpAddr>,
    /// One per control interface.
    pub(super) lines: Vec<Line>,
}

impl Port {
    fn send(&self, datagram: &[u8], learnt: Option<&Learnt>, now: Instant) {
        let peers = match peers::reach(&self.peers) {
            Reach::Multicast => BTreeSet::new(),
            Reach::Unicast => {
                let own = self.lines.iter().map(|line| line.socket.params().source);
                peers::all(&self.peers, learnt.map(|learnt| learnt.addresses(now)).unwrap_or_default(), own)
            }
        };
        peers::send(&self.lines, datagram, &peers);
    }
}

/// The runtime's end of the loop's queue. Sending never blocks; the queue is bounded by what the runtime has under way.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    queue: Sender<News>,
    waker: Waker,
}

impl Mailbox {
    /// Leaves news for the loop. After the loop's end it goes nowhere.
    pub(super) fn send(&self, news: News) {
        if self.queue.send(news).is_ok() {
            self.waker.wake();
        }
    }

    /// Leaves an input for the node.
    pub(super) fn input(&self, input: Input) {
        self.send(News::Input(input));
    }

    /// Has the node told of a command, and waits for its answer; `None`: the loop is gone.
    pub(super) async fn command(&self, command: Command) -> Option<Result<(), CommandError>> {
        let (answer, answered) = oneshot::channel();
        self.send(News::Command(command, answer));
        time::timeout(COMMAND_WITHIN, answered).await.ok()?.ok()
    }

    /// Leaves the ends of actions for the node. What ended together is told in one go: told one by one, the first would
    /// be acted on before the second is there.
    pub(super) fn ended(&self, ended: Vec<(Ticket, Result<(), String>)>) {
        self.send(News::Ended(ended));
    }
}

/// The loop's own end.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Receiver<News>,
    wakeups: Wakeups,
}

/// A queue into the loop.
///
/// # Errors
/// The kernel's: out of descriptors.
pub(super) fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let (waker, wakeups) = waker()?;
    let (sender, receiver) = channel();
    Ok((Mailbox { queue: sender, waker }, Inbox { queue: receiver, wakeups }))
}

/// Where the loop leaves what it does not do itself. The first two are bounded by the node: one action per address and
/// object, one notification per change.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Everything with an effect other than to speak; what was decided together in one piece.
    pub(super) actions: UnboundedSender<Vec<Action>>,
    /// What is told to the segment.
    pub(super) announcements: Announcements,
    /// Notifications and when they arose.
    pub(super) notifications: UnboundedSender<(Instant, Notification)>,
    /// What an operator ordered.
    pub(super) memory: Memory,
    /// Lives of this box that others know and that are not before this one.
    pub(super) lives: UnboundedSender<Incarnation>,
    /// The published picture.
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    /// What was learnt of peers without multicast: their guardian's business too.
    pub(super) learnt: watch::Sender<LearntAddresses>,
    /// Longest delay of a deadline, in microseconds.
    pub(super) worst_lateness_us: Arc<AtomicU64>,
}

/// The loop.
#[derive(Debug)]
pub(super) struct EventLoop {
    node: Node,
    ports: Arc<BTreeMap<GroupName, Arc<Port>>>,
    learnt: BTreeMap<GroupName, Learnt>,
    inbox: Inbox,
    outputs: Outputs,
    publisher: Publisher,
    journal: Option<Journal>,
    answer: Option<oneshot::Sender<Result<(), CommandError>>>,
    stopped: bool,
    datagram: Vec<u8>,
    warned: Option<Instant>,
    /// What the last wait ended for: the wakeups, then the sockets in the order of `ports`. Empty: nobody waited yet.
    ready: Vec<bool>,
    /// The last wait did not wait: more may have come than one reads in a round.
    busy: bool,
}

impl EventLoop {
    /// A loop around a node that starts now, and whose life is recorded if there is a journal.
    #[must_use]
    pub(super) fn new(configured: Configured, inbox: Inbox, outputs: Outputs, mut journal: Option<Journal>) -> Self {
        let Configured { params, ports, about } = configured;
        let now = clock::now();
        if let Some(journal) = &mut journal {
            journal.begin(&params, now);
        }
        let node = Node::new(params, now);
        let (publisher, datagram) = (Publisher::new(about), Vec::with_capacity(MAX_DATAGRAM));
        let (ports, learnt, ready) = (Arc::new(ports), BTreeMap::new(), Vec::new());
        let (answer, stopped, warned, busy) = (None, false, None, true);
        Self { node, ports, learnt, inbox, outputs, publisher, journal, answer, stopped, datagram, warned, ready, busy }
    }

    /// Runs until the node says that it has stopped.
    ///
    /// # Errors
    /// The kernel's, if it can not even wait: out of memory. The box is then not operated any more.
    pub(super) fn run(mut self) -> io::Result<()> {
        self.act(clock::now());
        while !self.stopped {
            self.keep_time();
            let news = self.ready.first().is_none_or(|ready| *ready);
            self.receive();
            if news {
                self.take_news();
            }
            self.publish();
            self.wait()?;
        }
        if let Some(journal) = &mut self.journal {
            journal.end();
        }
        self.publisher.publish_now(&self.node, clock::now(), &self.outputs.snapshots);
        Ok(())
    }

    /// Priority 1. Cheap when nothing is due.
    fn keep_time(&mut self) {
        let now = clock::now();
        if let Some(due) = self.node.poll_timeout().filter(|due| *due <= now) {
            self.note_lateness(now, due);
            // What proves peers alive may wait in the sockets: it is heard before anybody is dead of our own stall.
            let heard = if now.since(due) > STALL { self.waiting() } else { Vec::new() };
            self.handle_all(now, heard.into_iter().chain([Input::Tick]).collect());
        }
    }

    /// What waits in the sockets, at most [`BURST`] datagrams of each group.
    fn waiting(&mut self) -> Vec<Input> {
        let ports = Arc::clone(&self.ports);
        ports.iter().flat_map(|(group, port)| self.listen(group, port, BURST)).collect()
    }

    /// What waits in a group's sockets, at most so many datagrams (but one of each socket), the same of each.
    fn listen(&mut self, group: &GroupName, port: &Port, most: usize) -> Vec<Input> {
        let (mut buffer, mut inputs) = (datagram_buffer(), Vec::new());
        let share = most.div_ceil(port.lines.len().max(1));
        for line in &port.lines {
            let next = |_| self.hear(group, port, line, &mut buffer);
            inputs.extend((0..share).map_while(next).flatten());
        }
        inputs
    }

    fn note_lateness(&mut self, now: Instant, due: Instant) {
        let late = now.since(due);
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.outputs.worst_lateness_us.fetch_max(micros, Ordering::Relaxed);
        // Half a beat more, and the others would be asking whether this box lives.
        let too_late = self.node.shortest_beat().map_or(LATE, |beat| LATE.min(beat / 2));
        if late > too_late && self.warned.is_none_or(|warned| now.since(warned) > WARN_EVERY) {
            self.warned = Some(now);
            tracing::warn!(late_ms = late.as_millis(), "late for a deadline: the box is too busy for its beat");
        }
    }

    /// Priority 2. Most messages come twice, by two networks and in the same moment: they go to the node together. So each
    /// socket of a group is asked when one has something, and asked once: in a quiet group nothing is left after that, and
    /// to ask again costs as much as to be told at the next wait, which is then no wait.
    fn receive(&mut self) {
        let (ports, ready) = (Arc::clone(&self.ports), std::mem::take(&mut self.ready));
        let most = if self.busy { BURST } else { 1 };
        let mut first = 1;
        for (group, port) in ports.iter() {
            let any = (first..).take(port.lines.len()).any(|line| ready.get(line).is_none_or(|ready| *ready));
            let heard = if any { self.listen(group, port, most) } else { Vec::new() };
            if !heard.is_empty() {
                self.handle_all(clock::now(), heard);
                self.keep_time();
            }
            first += port.lines.len();
        }
    }

    /// Priority 3. Actions that ended together go to the node together: their consequences are drawn once.
    fn take_news(&mut self) {
        self.inbox.wakeups.clear();
        let mut ended = Vec::new();
        for _ in 0..BURST {
            let news = loop {
                match self.inbox.queue.try_recv() {
                    Ok(News::Ended(some)) if ended.len() < ENDED_BURST => ended.extend(inputs(some)),
                    other => break other,
                }
            };
            if !ended.is_empty() {
                self.handle_all(clock::now(), std::mem::take(&mut ended));
            }
            let Ok(news) = news else { return };
            self.take_one(news);
            self.keep_time();
        }
        // More may wait, and its wake was just forgotten.
        self.inbox.wakeups.remind();
    }

    fn take_one(&mut self, news: News) {
        match news {
            News::Input(input) => self.handle(clock::now(), input),
            News::Ended(ended) => self.handle_all(clock::now(), inputs(ended).collect()),
            News::Command(command, answer) => {
                self.answer = Some(answer);
                self.handle(clock::now(), Input::Command(command));
                // Unanswered by the node: dropping it tells the asker.
                self.answer = None;
            }
            News::Configure(configured) => self.configure(*configured),
            News::About(about) => self.publisher.about(about),
            News::Look => self.publisher.look(),
            News::Zones(zones) => self.publisher.zones(zones),
            News::Took(test, latency) => self.publisher.took(test, latency),
        }
    }

    /// The ports of a group that is no more stay until the node has forgotten it: it still has a goodbye to say.
    fn configure(&mut self, configured: Configured) {
        Arc::make_mut(&mut self.ports).extend(configured.ports);
        self.publisher.about(configured.about);
        self.handle(clock::now(), Input::Configure(Box::new(configured.params)));
    }

    /// Priority 4.
    fn publish(&mut self) {
        let now = clock::now();
        if !self.learnt.is_empty() && self.publisher.due(&self.node) <= now {
            let addresses = |(group, learnt): (&GroupName, &Learnt)| (group.clone(), learnt.addresses(now));
            self.publisher.learnt(self.learnt.iter().map(addresses).collect());
        }
        let published = self.publisher.publish(&self.node, now, &self.outputs.snapshots);
        if let Some(view) = published {
            if self.ports.keys().any(|group| view.view.group(group).is_none()) {
                Arc::make_mut(&mut self.ports).retain(|group, _| view.view.group(group).is_some());
            }
            self.learnt.retain(|group, _| self.ports.contains_key(group));
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.handle_all(now, vec![input]);
    }

    fn handle_all(&mut self, now: Instant, inputs: Vec<Input>) {
        if let Some(journal) = &mut self.journal {
            journal.step(now, &inputs);
        }
        self.node.handle_all(now, inputs);
        self.act(now);
    }

    fn act(&mut self, now: Instant) {
        self.journal = self.journal.take().filter(|journal| !journal.ended());
        let (mut recorded, mut actions, mut messages, mut notifications) = (vec![], vec![], vec![], vec![]);
        while let Some(action) = self.node.poll_action() {
            if self.journal.is_some() {
                recorded.push(action.clone());
            }
            match action {
                Action::Send { group, message } => messages.push((group, message)),
                Action::Announce { group, addresses } => self.outputs.announcements.announce(group, addresses),
                Action::Notify(notification) => notifications.push(notification),
                Action::Outlive { known } => {
                    let _ = self.outputs.lives.send(known);
                }
                Action::Remember(orders) => self.outputs.memory.remember(orders),
                Action::Answer(answer) => {
                    if let Some(asker) = self.answer.take() {
                        let _ = asker.send(answer);
                    }
                }
                Action::Stopped => self.stopped = true,
                action => actions.push(action),
            }
        }
        // First: others carry them out while this thread sends what may be some sixty datagrams.
        if !actions.is_empty() {
            let _ = self.outputs.actions.send(actions);
        }
        for (group, message) in messages {
            self.send(&group, &message, now);
        }
        // Last: telling of a thousand addresses takes the processors longer than moving them.
        for notification in notifications {
            let _ = self.outputs.notifications.send((now, notification));
        }
        if let Some(journal) = &mut self.journal {
            journal.actions(recorded);
        }
    }

    fn send(&mut self, group: &GroupName, message: &Message, now: Instant) {
        let Some(port) = self.ports.get(group) else { return };
        match port.codec.encode_into(message, &mut self.datagram) {
            Ok(()) => port.send(&self.datagram, self.learnt.get(group), now),
            Err(error) => tracing::error!(%group, %error, "a message can not be encoded"),
        }
    }

    /// The next datagram of a socket, as inputs; `None`: none waits.
    fn hear(&mut self, group: &GroupName, port: &Port, line: &Line, buffer: &mut DatagramBuffer) -> Option<Vec<Input>> {
        let (interface, received) = (&line.interface, line.socket.recv(buffer)?);
        let (datagram, source) = (buffer.get(..received.length).unwrap_or_default(), received.source);
        Some(match port.codec.receive(datagram, received.ttl) {
            Ok(received) => {
                self.learn(group, port, &received, source.ip());
                let Received { message, signed } = received;
                tracing::trace!(%group, %interface, %source, ?message, "received");
                let unsigned = (!signed).then(|| Input::Unsigned { group: group.clone() });
                let input = Input::Received { group: group.clone(), interface: interface.clone(), message };
                unsigned.into_iter().chain([input]).collect()
            }
            Err(cause) => {
                tracing::debug!(%group, %interface, %source, %cause, "dropped a datagram");
                vec![Input::Dropped { group: group.clone(), cause }]
            }
        })
    }

    fn learn(&mut self, group: &GroupName, port: &Port, received: &Received, source: IpAddr) {
        if peers::reach(&port.peers) == Reach::Multicast {
            return;
        }
        let now = clock::now();
        let learnt = self.learnt.entry(group.clone()).or_default();
        if learnt.learn(now, received, source) {
            let addresses = learnt.addresses(now);
            tracing::debug!(%group, ?addresses, "learnt of peers");
            self.outputs.learnt.send_modify(|all| _ = all.insert(group.clone(), addresses));
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        if self.stopped {
            return Ok(());
        }
        let now = clock::now();
        let due = [self.node.poll_timeout(), Some(self.publisher.due(&self.node))].into_iter().flatten().min();
        let timeout = due.map(|due| due.since(now));
        let mut sources = vec![self.inbox.wakeups.as_fd()];
        for port in self.ports.values() {
            sources.extend(port.lines.iter().map(|line| line.socket.as_fd()));
        }
        self.ready = wait(&sources, timeout)?;
        self.busy = clock::now().since(now) < ASLEEP;
        Ok(())
    }
}

fn inputs(ended: Vec<(Ticket, Result<(), String>)>) -> impl Iterator<Item = Input> {
    ended.into_iter().map(|(ticket, result)| Input::Finished { ticket, result })
}

type DatagramBuffer = [u8; MAX_DATAGRAM + 1];

/// One octet more than a message may have, so that a longer one shows.
const fn datagram_buffer() -> DatagramBuffer {
    [0; MAX_DATAGRAM + 1]
}
