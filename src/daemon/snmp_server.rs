//! The agent's sockets: a datagram in, the agent's answer out, from the address that was asked.
//!
//! Each socket has a thread that sleeps in the kernel until somebody asks: an answer waits for no other task of the daemon,
//! and costs two system calls, however many ask at once. A SET that is right becomes commands, on the same way into the
//! event loop as those of raisctl; its answer leaves when the node accepted them. Meanwhile others are answered.

use super::engine_file;
use super::event_loop::Mailbox;
use super::event_table::EventTable;
use super::figures::Figures;
use super::memory::Memory;
use super::notifier::Teller;
use super::surveyor::LastAsked;
use crate::config::model::Snmp;
use crate::machine::Machine;
use crate::os::batch::{Batch, Question};
use crate::os::clock;
use crate::os::datagram::{Asked, DatagramError, DatagramSocket};
use crate::os::store::Store;
use crate::os::{process, random};
use crate::snapshot::Snapshot;
use crate::snmp::v3::{EngineClock, EngineId, V3Params};
use crate::snmp::{Agent, AgentParams, Answered, Community, DeliverySource, EventSource, Pending, View};
use rais_core::io::Command;
use rais_core::notification::Notification;
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

/// The largest request: what fits an Ethernet frame, and more. A longer one is cut and then refused as malformed.
const MAX_REQUEST: usize = 4096;
/// After a socket error that is none of one datagram.
const PAUSE: Duration = Duration::from_millis(10);

/// SETs that wait for the node at a time: operators, one by one. More are dropped, and asked again by their managers.
const MAX_PENDING: usize = 16;
/// Before the same source is told on again.
const DOUBT_AGAIN: Duration = Duration::from_secs(60);
/// Sources told on in that time.
const MAX_DOUBTS: usize = 32;

/// The agent and its sockets.
#[derive(Debug)]
pub(super) struct SnmpServer {
    shared: Arc<Shared>,
    sockets: BTreeMap<SocketAddr, Arc<DatagramSocket>>,
    identity: Identity,
    engine: Option<Engine>,
}

/// What an SNMP engine is made from.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// Where it is remembered.
    pub(super) store: Store,
    /// What the machine is known by.
    pub(super) machine: String,
}

/// This box as an SNMP engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Engine {
    /// What the configuration asked for when it began.
    configured: Option<EngineId>,
    /// Its id.
    pub(super) id: EngineId,
    /// Its boots and time.
    pub(super) clock: EngineClock,
}

/// Where the pictures come from.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    /// Of the groups.
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Of the machine.
    pub(super) machines: watch::Receiver<Arc<Machine>>,
    /// What happened.
    pub(super) events: Arc<EventTable>,
}

struct Shared {
    agent: Mutex<Agent>,
    sources: Sources,
    figures: Arc<Figures>,
    asked: LastAsked,
    mailbox: Mailbox,
    memory: Memory,
    pending: Arc<Semaphore>,
    doubts: Mutex<Doubts>,
}

/// Who asked without proving who they are, and were told on (RFC 3418 authenticationFailure). Sources can be forged, so
/// there is a limit to how much anybody can have told.
struct Doubts {
    teller: Teller,
    /// snmpEnableAuthenTraps.
    wanted: bool,
    /// By source, when it was last told on.
    told: BTreeMap<IpAddr, Instant>,
}

impl Doubts {
    fn about(&mut self, source: IpAddr, now: Instant) {
        if !self.wanted {
            return;
        }
        self.told.retain(|_, at| now.since(*at) < DOUBT_AGAIN);
        if self.told.len() < MAX_DOUBTS && !self.told.contains_key(&source) {
            self.told.insert(source, now);
            self.teller.tell(Notification::AuthenticationFailure { source: source.to_canonical() });
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl SnmpServer {
    /// An agent that listens nowhere and answers nobody.
    #[must_use]
    pub(super) fn new(
        sources: Sources,
        figures: Arc<Figures>,
        asked: LastAsked,
        mailbox: Mailbox,
        memory: Memory,
        teller: Teller,
        identity: Identity,
    ) -> Self {
        let mut agent = Agent::new(AgentParams::default());
        agent.show_events(Arc::clone(&sources.events) as Arc<dyn EventSource>);
        agent.show_deliveries(Arc::clone(&figures) as Arc<dyn DeliverySource>);
        let agent = Mutex::new(agent);
        let pending = Arc::new(Semaphore::new(MAX_PENDING));
        let doubts = Mutex::new(Doubts { teller, wanted: false, told: BTreeMap::new() });
        let shared = Shared { agent, sources, figures, asked, mailbox, memory, pending, doubts };
        Self { shared: Arc::new(shared), sockets: BTreeMap::new(), identity, engine: None }
    }

    /// Begins the engine and opens the sockets that a configuration wants and that are not there yet. Nothing is served
    /// on them before [`apply`](Self::apply).
    ///
    /// # Errors
    /// [`DatagramError`] of the first that can not be opened.
    pub(super) fn open(&mut self, wanted: &Snmp) -> Result<Vec<DatagramSocket>, DatagramError> {
        if !wanted.listen.is_empty() || !wanted.receivers.is_empty() {
            self.begin_engine(wanted.engine_id);
        }
        let missing = wanted.listen.iter().filter(|address| !self.sockets.contains_key(address));
        missing.map(|address| DatagramSocket::open(*address)).collect()
    }

    /// This box as an SNMP engine, once there is one.
    pub(super) const fn engine(&self) -> Option<Engine> {
        self.engine
    }

    /// RFC 3414 §2.2.2: a start is counted, and the count is on disk, before anything is said.
    fn begin_engine(&mut self, configured: Option<EngineId>) {
        if self.engine.is_some_and(|engine| engine.configured == configured) {
            return;
        }
        let random = match random::octets() {
            Ok(random) => EngineId::from_random(random),
            Err(error) => {
                tracing::error!(error, "no SNMP version 3");
                return;
            }
        };
        let begun = engine_file::begin(&self.identity.store, configured, &self.identity.machine, random);
        if let Some(warning) = begun.warning {
            tracing::error!("{warning}");
        }
        tracing::info!(engine_id = %begun.id, boots = begun.boots, "SNMP engine");
        self.engine = Some(Engine { configured, id: begun.id, clock: EngineClock::new(begun.boots, clock::now()) });
    }

    fn v3(&self, wanted: &Snmp) -> Option<V3Params> {
        let Engine { id: engine, clock, .. } = self.engine?;
        let salt_seed = random::octets().map(u64::from_be_bytes).map_err(|error| tracing::error!(error)).ok()?;
        Some(V3Params { engine, clock, salt_seed, users: wanted.users.clone(), access: wanted.access.clone() })
    }

    /// Serves on exactly the sockets that the configuration wants, to those whom it allows.
    pub(super) fn apply(&mut self, wanted: &Snmp, opened: Vec<DatagramSocket>) {
        let communities = wanted.communities.iter().filter_map(|access| {
            let (secret, sources) = (access.community.as_bytes(), access.sources.clone());
            let community = Community::with_views(secret, sources, access.view.clone(), View::nothing());
            // The configuration's own check refuses an empty one and one too long.
            community.map_err(|error| tracing::error!(%error, "a community is not used")).ok()
        });
        self.shared.doubts.lock().unwrap_or_else(PoisonError::into_inner).wanted = wanted.authentication_traps;
        let params = AgentParams {
            sources: wanted.sources.clone(),
            requests_per_second: wanted.requests_per_second,
            communities: communities.collect(),
            allow_v1: wanted.allow_v1,
            v3: self.v3(wanted),
            authentication_traps: wanted.authentication_traps,
            ..AgentParams::default()
        };
        self.shared.agent.lock().unwrap_or_else(PoisonError::into_inner).reconfigure(params);
        self.sockets.retain(|address, socket| {
            let kept = wanted.listen.contains(address);
            if !kept {
                socket.close();
            }
            kept
        });
        for socket in opened {
            let (address, socket) = (socket.address(), Arc::new(socket));
            let (shared, served, tasks) = (Arc::clone(&self.shared), Arc::clone(&socket), Handle::current());
            let thread = std::thread::Builder::new().name(String::from("snmp"));
            match thread.spawn(move || serve(&shared, &served, &tasks)) {
                Ok(_detached) => drop(self.sockets.insert(address, socket)),
                Err(error) => tracing::error!(%address, %error, "no thread for the agent's socket"),
            }
        }
    }
}

impl Drop for SnmpServer {
    fn drop(&mut self) {
        self.sockets.values().for_each(|socket| socket.close());
    }
}

/// Answers until the socket is closed. What waits for the node waits among the daemon's `tasks`.
fn serve(shared: &Arc<Shared>, socket: &Arc<DatagramSocket>, tasks: &Handle) {
    // A busy box is when somebody asks. Refused: the event loop warns of that already.
    let _ = process::run_thread_sooner();
    let mut batch = Batch::new(MAX_REQUEST);
    loop {
        match socket.receive(&mut batch) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(address = %socket.address(), %error, "the agent's socket");
                std::thread::sleep(PAUSE);
                continue;
            }
        }
        let snapshot = Arc::clone(&shared.sources.snapshots.borrow());
        let machine = Arc::clone(&shared.sources.machines.borrow());
        let now = clock::now();
        for question in batch.questions_mut() {
            if let Some(pending) = answer(shared, question, &snapshot, &machine, now) {
                carry_out_later(shared, socket, tasks, pending, question.asked);
            }
        }
        let sent = socket.answer_all(&batch, |asked, error| not_sent(shared, asked, &error));
        shared.figures.snmp_out.fetch_add(sent as u64, Ordering::Relaxed);
    }
}

/// Works on a question. What is left in its answer is to be sent; what is returned is a SET that is to be carried out.
fn answer(
    shared: &Shared,
    question: &mut Question,
    snapshot: &Arc<Snapshot>,
    machine: &Arc<Machine>,
    now: Instant,
) -> Option<Box<Pending>> {
    let mut reply = std::mem::take(&mut question.answer);
    let (by, figures) = (question.asked.by, &shared.figures);
    figures.snmp_in.fetch_add(1, Ordering::Relaxed);
    let (answered, doubtful) = {
        let mut agent = shared.agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent.look_at(machine);
        let before = agent.counters().authentication_failures;
        let answered = agent.answer(question.datagram(), by.ip(), snapshot, now, &mut reply);
        (answered, agent.counters().authentication_failures != before)
    };
    question.answer = reply;
    if doubtful {
        shared.doubts.lock().unwrap_or_else(PoisonError::into_inner).about(by.ip(), now);
    }
    match answered {
        Ok(answered) => {
            shared.asked.note(now);
            match answered {
                Answered::Now => None,
                Answered::Once(pending) => Some(pending),
            }
        }
        Err(cause) => {
            tracing::debug!(%by, %cause, "a request was not answered");
            figures.snmp_dropped.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

fn not_sent(shared: &Shared, asked: &Asked, error: &io::Error) {
    tracing::debug!(by = %asked.by, at = %asked.at, %error, "an answer was not sent");
    shared.figures.snmp_dropped.fetch_add(1, Ordering::Relaxed);
}

/// Has a SET carried out and answered, if there are not too many already.
fn carry_out_later(
    shared: &Arc<Shared>,
    socket: &Arc<DatagramSocket>,
    tasks: &Handle,
    pending: Box<Pending>,
    asked: Asked,
) {
    let Ok(place) = Arc::clone(&shared.pending).try_acquire_owned() else {
        shared.agent.lock().unwrap_or_else(PoisonError::into_inner).settle(&pending, false);
        shared.figures.snmp_dropped.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let (shared, socket) = (Arc::clone(shared), Arc::clone(socket));
    tasks.spawn(async move {
        let reply = carry_out(&shared, *pending, &asked).await;
        match socket.answer(&asked, &reply) {
            Ok(()) => drop(shared.figures.snmp_out.fetch_add(1, Ordering::Relaxed)),
            Err(error) => not_sent(&shared, &asked, &error),
        }
        drop(place);
    });
}

/// Has the changes of a SET carried out, all or none, and returns the answer.
async fn carry_out(shared: &Shared, pending: Pending, asked: &Asked) -> Vec<u8> {
    let mut failed = None;
    for (number, change) in pending.changes.iter().enumerate() {
        tracing::info!(command = ?change.command, by = %asked.by, "an operator asks by SNMP");
        if !command(&shared.mailbox, change.command.clone()).await {
            failed = Some(number);
            break;
        }
    }
    shared.agent.lock().unwrap_or_else(PoisonError::into_inner).settle(&pending, failed.is_none());
    let Some(failed) = failed else {
        if !pending.changes.is_empty()
            && let Err(error) = shared.memory.kept().await
        {
            tracing::warn!(error, by = %asked.by, "what was set is in force, and a restart would forget it");
        }
        return pending.done;
    };
    for change in pending.changes.iter().take(failed).rev() {
        tracing::warn!(command = ?change.undo, by = %asked.by, "a SET failed: what it had done is taken back");
        if !command(&shared.mailbox, change.undo.clone()).await {
            return pending.undo_failed;
        }
    }
    pending.failed.into_iter().nth(failed).unwrap_or(pending.undo_failed)
}

/// Did the node accept it?
async fn command(mailbox: &Mailbox, command: Command) -> bool {
    matches!(mailbox.command(command).await, Some(Ok(())))
}
