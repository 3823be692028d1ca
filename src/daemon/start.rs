//! Start and stop: in which order things come up, what keeps the daemon from starting, and how it ends.

use super::control::Control;
use super::event_loop::{Configured, EventLoop, Inbox, Mailbox, Outputs, mailbox};
use super::event_table::EventTable;
use super::executor::{Context, Executor};
use super::figures::Figures;
use super::group_states::GroupStates;
use super::guardian::Keeper;
use super::journal::{Flusher, Journal};
use super::log::Log;
use super::memory::{self, Memory};
use super::notifier::{Notifier, Teller, Told, telling};
use super::options::{Exit, Options};
use super::peers::LearntAddresses;
use super::places::Places;
use super::receivers::Receivers;
use super::reload::{Applier, ApplyError, reloader};
use super::repairs::Repairer;
use super::running::Running;
use super::snmp_server::{Identity, SnmpServer, Sources};
use super::source::Source;
use super::surveyor::{LastAsked, Surveyor};
use super::{announcer, conflicts, links, lives, zones};
use crate::config::Configuration;
use crate::machine::Machine;
use crate::os::executables::Executables;
use crate::os::guardian as os_guardian;
use crate::os::netlink::Netlink;
use crate::os::signals::{Signal, Signals};
use crate::os::store::{Origin, Start, Store};
use crate::os::{clock, machine_identity, process, unix_socket};
use crate::snapshot::{About, Snapshot};
use clap::Parser;
use rais_core::io::Input;
use rais_core::notification::Notification;
use rais_core::quantity::Incarnation;
use rais_core::time::Instant;
use rais_core::view::View;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time;

/// Threads for what may wait for a disk or for netlink: both are serialised anyway.
const BLOCKING_THREADS: usize = 8;
/// Above every ordinary thread, below the kernel's own.
const EVENT_LOOP_PRIORITY: i32 = 50;
/// Beyond the longest release script, how long the core may take to say goodbye.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long the last notifications may take to leave.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
/// Whatever a configuration says, no stop takes longer.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Runs raisd with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == os_guardian::ARGUMENT) {
        os_guardian::serve();
        return Exit::Stopped.into();
    }
    let options = Options::parse();
    let log = match Log::start(options.log_format) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("raisd: no thread for the log: {error}");
            return Exit::Failed.into();
        }
    };
    abort_on_panic();
    let ended = run(&options, &log);
    log.flush();
    match ended {
        Ok(()) => Exit::Stopped.into(),
        Err(Failure(exit, reason)) => {
            eprintln!("raisd: {reason}");
            exit.into()
        }
    }
}

/// Why raisd is not running.
struct Failure(Exit, String);

fn failed<E: Display>(exit: Exit, what: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| Failure(exit, format!("{what}: {error}"))
}

/// A task that panicked would be missed by nobody until it is needed: better a restart by whoever supervises, while
/// the kernel drops the addresses within the lease.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
}

fn run(options: &Options, log: &Log) -> Result<(), Failure> {
    for warning in [process::raise_open_files().map(drop), process::lock_memory()] {
        if let Err(warning) = warning {
            tracing::warn!("{warning}");
        }
    }
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2).max_blocking_threads(BLOCKING_THREADS).thread_name("worker").enable_all();
    // What a takeover waits for passes through here. Refused: the event loop warns of that already.
    runtime.on_thread_start(|| _ = process::run_thread_sooner());
    let runtime = runtime.build().map_err(failed(Exit::Failed, "no threads"))?;
    let ended = runtime.block_on(serve(options, log));
    // What still runs has been told to end or is of no use any more.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

/// Comes up in this order: what can be refused without a trace first, then the network, then what others can see.
async fn serve(options: &Options, log: &Log) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(failed(Exit::Failed, "signals"))?;
    let store = Store::open(&options.state_dir).map_err(failed(Exit::State, "state directory"))?;
    // Before anything is touched: another raisd in this place would show here.
    let control_socket = unix_socket::listen(&options.socket).map_err(failed(Exit::Network, "control socket"))?;
    let control_socket = UnixListener::from_std(control_socket).map_err(failed(Exit::Network, "control socket"))?;
    let executables = Executables::open(&store.path("scripts")).map_err(failed(Exit::State, "state directory"))?;
    let (incarnation, guessed) = begin_life(&store);
    let (orders, memory) = (memory::recall(&store), Memory::start(store.clone()));
    let machine = options.machine.clone().unwrap_or_else(machine_identity::identity);
    let identity = Identity { store: store.clone(), machine };
    let source = Source::new(options, store.clone());
    let configuration = source.load_off_thread().await.map_err(refused)?;

    let figures = Arc::new(Figures { log_lines_dropped: log.dropped(), ..Figures::default() });
    let (snapshots, snapshot) = watch::channel(Arc::new(nothing_yet(&configuration, incarnation)));
    let netlink = Netlink::connect().map_err(failed(Exit::Network, "network"))?;
    adopt_left_behind(&netlink, &configuration).await;
    let (mailbox, inbox) = mailbox().map_err(failed(Exit::Failed, "event loop"))?;
    let (machine, machines) = watch::channel(Arc::new(Machine::default()));
    let asked = LastAsked::default();
    let event_table = Arc::new(EventTable::open(&options.state_dir.join("events")));
    let sources = Sources { snapshots: snapshot.clone(), machines, events: Arc::clone(&event_table) };
    let started = clock::now();
    let (notifications, teller, told) = telling();
    let (asked_too, teller_too) = (asked.clone(), teller.clone());
    let snmp = SnmpServer::new(
        sources,
        Arc::clone(&figures),
        asked_too,
        mailbox.clone(),
        memory.clone(),
        teller_too,
        identity,
    );
    let start = if source.runs(&configuration) { Notification::WarmStart } else { Notification::ColdStart };
    if let Some(before) = source.version_before() {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        teller.tell(Notification::ImageUpdated { version, before });
    }
    let told = (notifications, told, start);
    let (teller_there, kernel) = (teller.clone(), netlink.clone());
    let mut applier = Applier {
        source,
        netlink: kernel,
        executables,
        snmp,
        teller: teller_there,
        started,
        configured: None,
        incarnation,
        network_repairs: 0,
    };
    let (running, mut configured) = applier.start(configuration).await.map_err(|error| match error {
        ApplyError::Refused(reason) => refused(reason),
        ApplyError::Network(reason) => Failure(Exit::Network, format!("the network can not be set up:\n{reason}")),
    })?;
    (configured.params.orders, configured.params.incarnation_is_guessed) = (orders, guessed);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %incarnation, "raisd starts");

    let edge = Edge { machine, asked, started, teller, told, event_table };
    let base = Base { options, snapshots, snapshot, running, figures, netlink, mailbox, memory, store, inbox, edge };
    let mut wired = wire(base, applier, configured)?;
    tokio::spawn(wired.control.clone().serve_socket(control_socket));
    if let Some(port) = options.control_port.clone() {
        tokio::spawn(wired.control.clone().serve_port(port));
    }
    let result = supervise(&mut signals, &mut wired).await;
    wired.context.abandon().await;
    if result.is_ok() {
        wired.guardian.stand_down().await;
    }
    if let Some(journal) = &wired.journal {
        journal.flush();
    }
    // It ends when it has told everything; the event table's last word is that this life ended well.
    let (stop, notifier) = wired.notifier;
    let _ = stop.send(());
    if time::timeout(LAST_WORDS_WITHIN, notifier).await.is_ok() {
        wired.control.event_table.close();
    }
    // Whoever asks from now on is told that nobody listens, and not left waiting.
    let _ = std::fs::remove_file(&options.socket);
    result
}

/// What everything is built on.
struct Base<'a> {
    options: &'a Options,
    snapshots: watch::Sender<Arc<Snapshot>>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    running: Arc<Running>,
    figures: Arc<Figures>,
    netlink: Netlink,
    mailbox: Mailbox,
    memory: Memory,
    store: Store,
    inbox: Inbox,
    edge: Edge,
}

/// What the edge sees, and where it goes.
struct Edge {
    machine: watch::Sender<Arc<Machine>>,
    asked: LastAsked,
    started: Instant,
    teller: Teller,
    told: (UnboundedSender<(Instant, Notification)>, Told, Notification),
    event_table: Arc<EventTable>,
}

/// What is left to watch once everything runs.
struct Wired {
    control: Control,
    context: Arc<Context>,
    running: watch::Receiver<Arc<Running>>,
    ended: oneshot::Receiver<io::Result<()>>,
    notifier: (oneshot::Sender<()>, JoinHandle<()>),
    journal: Option<Flusher>,
    guardian: Keeper,
}

/// Makes the queues, starts the event loop, and spawns every task that ends with it.
fn wire(base: Base<'_>, applier: Applier, configured: Configured) -> Result<Wired, Failure> {
    let Base { options, snapshots, snapshot, running, figures, netlink, mailbox, memory, store, inbox, edge } = base;
    let Edge { machine, asked, started, teller, told, event_table } = edge;
    let (running_sender, running) = watch::channel(running);
    let ports = configured.ports.clone();
    let (actions_sender, actions) = unbounded_channel();
    let (notifications_sender, notifications, start) = told;
    let (stop_notifier, stop) = oneshot::channel();
    let (learnt_sender, learnt) = watch::channel(LearntAddresses::new());
    let (lives_sender, outlived) = unbounded_channel();
    let places = Places::default();
    let announcements = announcer::start(running.clone(), netlink.clone(), places.clone());
    let announcements = announcements.map_err(failed(Exit::Failed, "announcer"))?;
    let outputs = Outputs {
        actions: actions_sender,
        announcements,
        notifications: notifications_sender,
        memory: memory.clone(),
        lives: lives_sender,
        snapshots,
        learnt: learnt_sender,
        worst_lateness_us: Arc::clone(&figures.worst_lateness_us),
    };
    let context = Context::new(netlink.clone(), running.clone(), mailbox.clone(), places, Arc::clone(&figures));
    let context = Arc::new(context);
    let notifier = Notifier {
        notifications,
        event_table: Arc::clone(&event_table),
        snapshots: snapshot.clone(),
        running: running.clone(),
        receivers: Receivers::new(Arc::clone(&figures)),
        figures: Arc::clone(&figures),
        start,
        group_states: GroupStates::default(),
        stop,
    };
    let (lives, life) = watch::channel(applier.incarnation);
    tokio::spawn(lives::keep(store, outlived, lives, mailbox.clone()));
    let guardian = Keeper::start(running.clone(), learnt, life);
    let (reloader, requests) = reloader();
    let (snapshots, mailbox_too) = (snapshot.clone(), mailbox.clone());
    let control = Control { snapshots, event_table, mailbox: mailbox_too, memory, reloader, figures };

    tokio::spawn(Executor::new(Arc::clone(&context), actions).run());
    tokio::spawn(conflicts::watch(Arc::clone(&context)));
    tokio::spawn(applier.run(requests, running_sender, ports, mailbox.clone()));
    let (to_surveyor, events) = unbounded_channel();
    let (to_repairer, undone) = unbounded_channel();
    let reloader = control.reloader.clone();
    let repairer = Repairer {
        running: running.clone(),
        netlink: netlink.clone(),
        mailbox: mailbox.clone(),
        reloader: reloader.clone(),
    };
    tokio::spawn(repairer.run(undone));
    let listeners = [to_surveyor, to_repairer];
    tokio::spawn(links::watch(running.clone(), netlink, mailbox.clone(), listeners, teller, reloader));
    tokio::spawn(Surveyor { running: running.clone(), events, asked, started, machine }.run());
    tokio::spawn(zones::run(running.clone(), snapshot, mailbox, options.state_dir.clone()));
    let notifier = (stop_notifier, tokio::spawn(notifier.run()));
    let journal = options.journal.as_ref().and_then(|path| start_journal(path, options.journal_limit));
    let flusher = journal.as_ref().map(Journal::flusher);
    let ended = start_event_loop(configured, inbox, outputs, journal)?;
    Ok(Wired { control, context, running, ended, notifier, journal: flusher, guardian })
}

/// No journal is worth an address: without a file the daemon runs all the same.
fn start_journal(path: &Path, limit_mib: u64) -> Option<Journal> {
    match Journal::start(path, limit_mib.saturating_mul(1 << 20)) {
        Ok(journal) => {
            tracing::info!(path = %path.display(), limit_mib, "recording a journal");
            // The input that a panic answers is the one that a replay is wanted for.
            let (flusher, abort) = (journal.flusher(), std::panic::take_hook());
            std::panic::set_hook(Box::new(move |info| {
                flusher.flush();
                abort(info);
            }));
            Some(journal)
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "no journal: the file can not be written");
            None
        }
    }
}

fn refused(reason: String) -> Failure {
    Failure(Exit::Configuration, format!("the configuration was refused:\n{reason}"))
}

/// The thread is its own master: it is told to end through the node, and reports when it has.
fn start_event_loop(
    configured: Configured,
    inbox: Inbox,
    outputs: Outputs,
    journal: Option<Journal>,
) -> Result<oneshot::Receiver<io::Result<()>>, Failure> {
    let (end, ended) = oneshot::channel();
    let (begin, begun) = sync_channel(1);
    let thread = std::thread::Builder::new().name(String::from("event-loop"));
    let body = move || {
        if let Err(warning) = process::run_thread_first(EVENT_LOOP_PRIORITY) {
            tracing::warn!("{warning}");
        }
        let event_loop = EventLoop::new(configured, inbox, outputs, journal);
        let _ = begin.send(());
        let _ = end.send(event_loop.run());
    };
    thread.spawn(body).map_err(failed(Exit::Failed, "no thread for the event loop"))?;
    begun.recv().map_err(failed(Exit::Failed, "event loop"))?;
    Ok(ended)
}

/// Waits for signals, and for the loop's end.
async fn supervise(signals: &mut Signals, wired: &mut Wired) -> Result<(), Failure> {
    loop {
        tokio::select! {
            end = &mut wired.ended => return loop_result(end),
            signal = signals.next() => match signal {
                Signal::Reload => {
                    let reloader = wired.control.reloader.clone();
                    // The log and the status tell what came of it.
                    tokio::spawn(async move { drop(reloader.reload().await) });
                }
                Signal::Stop => break,
            },
        }
    }
    tracing::info!("stopping: releasing every service address");
    wired.control.mailbox.input(Input::Stop);
    let scripts = wired.running.borrow().configuration.groups.values().map(|group| group.script_timeout).max();
    let limit = (scripts.unwrap_or_default() + STOP_GRACE).min(STOP_WITHIN);
    tokio::select! {
        end = &mut wired.ended => {
            let result = loop_result(end);
            tracing::info!("stopped");
            result
        }
        () = time::sleep(limit) => Err(Failure(Exit::Failed, format!("did not stop within {} s", limit.as_secs()))),
        () = told_to_stop(signals) => {
            Err(Failure(Exit::Failed, String::from("told to stop twice: leaving without a goodbye")))
        }
    }
}

async fn told_to_stop(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

fn loop_result(end: Result<io::Result<()>, oneshot::error::RecvError>) -> Result<(), Failure> {
    match end {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure(Exit::Failed, format!("event loop: {error}"))),
        Err(_) => Err(Failure(Exit::Failed, String::from("the event loop is gone"))),
    }
}

/// This life's incarnation, and whether it is a guess.
fn begin_life(store: &Store) -> (Incarnation, bool) {
    let Start { incarnation, origin } = store.next_incarnation(clock::unix_ms() / 1000, lives::chance());
    let guessed = match origin {
        Origin::Stored | Origin::Time => false,
        Origin::UnsetClock => {
            let unknown =
                "neither a stored start counter nor a clock that was set: peers may have to tell a greater one";
            tracing::warn!(incarnation, "{unknown}");
            true
        }
        Origin::NotStored(error) => {
            tracing::error!(incarnation, %error, "the start counter can not be stored: repair it before the next start");
            true
        }
    };
    (Incarnation(incarnation), guessed)
}

/// Service addresses of an earlier life that did not end well (G-34).
///
/// Whose they are now is not known yet: this box may be about to be given them again, or another may have them by now
/// (S-1). So nobody is told any more that they are here, and what clients still send here is served for as long as it
/// takes this box to listen and be told: if it acquires one of them again, there was no gap; if not, its kernel drops it.
async fn adopt_left_behind(netlink: &Netlink, configuration: &Configuration) {
    const TO_BE_TOLD: Duration = Duration::from_secs(1);
    let listens = configuration.groups.values().map(|group| group.params.dead_after).max().unwrap_or_default();
    let lease = configuration.groups.values().map(|group| group.params.lease).max().unwrap_or_default();
    let life = (listens + TO_BE_TOLD).min(lease);
    let left = match netlink.left_behind().await {
        Ok(left) => left,
        Err(error) => return tracing::error!(%error, "service addresses of an earlier life are not known"),
    };
    let mut by_interface: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
    for found in left {
        by_interface.entry(found.interface_index).or_default().push(found.address);
    }
    for (index, addresses) in by_interface {
        let failures = netlink.linger(index, &addresses, life).await;
        for address in addresses {
            let error = failures.iter().find(|(failed, _)| *failed == address).map(|(_, error)| error.to_string());
            tracing::warn!(%address, error, "a service address of an earlier life is no longer announced");
        }
    }
}

/// What readers see before the first picture: for some microseconds.
pub(super) fn nothing_yet(configuration: &Configuration, incarnation: Incarnation) -> Snapshot {
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        contact: String::new(),
        location: String::new(),
        started: clock::now(),
        signer: None,
        digest: String::new(),
        last_reload: None,
        configured: None,
        network_repairs: 0,
        receivers: Vec::new(),
        groups: Vec::new(),
    };
    let view = View {
        at: clock::now(),
        name: configuration.name.clone(),
        incarnation,
        generation: configuration.provenance.generation,
        groups: Vec::new(),
        tests: Vec::new(),
        loads: Vec::new(),
    };
    let (zones, latencies, learnt) = Default::default();
    Snapshot { view, about: Arc::new(about), zones, latencies, learnt }
}
