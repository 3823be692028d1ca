//! The control server: answers `raisctl`, over the Unix socket and, if there is one, over a serial port.
//!
//! It reads the published picture and the event table; what an operator wants changed goes into the event loop as a command
//! and is answered by the node. Framing and words are [`crate::ctl::protocol`]'s.

use super::event_loop::{Mailbox, News};
use super::event_table::EventTable;
use super::figures::Figures;
use super::memory::Memory;
use super::reload::Reloader;
use crate::ctl::plan;
use crate::ctl::protocol::{
    Line, Lines, MAX_EVENTS, MAX_REQUEST, Refusal, Request, Response, decode_request, encode_response,
};
use crate::os::serial::Port;
use crate::snapshot::Snapshot;
use rais_core::io::Command;
use rais_core::operator::FailbackOrder;
use rais_core::params::Choice;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::time;

/// Clients at a time: people and scripts on one box; more wait.
const MAX_CLIENTS: usize = 32;
/// A client that says nothing for this long, or takes nothing of its answer, is hung up on.
const IDLE: Duration = Duration::from_secs(60);
/// The event loop takes a picture within some 10 ms.
const PICTURE_WITHIN: Duration = Duration::from_millis(200);
/// Between two attempts to open a serial port that is not there or was hung up, or to accept a client.
const REOPEN_AFTER: Duration = Duration::from_millis(200);

/// What is needed to answer.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// The published picture.
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Events.
    pub(super) event_table: Arc<EventTable>,
    /// Commands go here.
    pub(super) mailbox: Mailbox,
    /// What is to outlive the daemon goes there.
    pub(super) memory: Memory,
    /// Reloads go here.
    pub(super) reloader: Reloader,
    /// How the daemon fares.
    pub(super) figures: Arc<Figures>,
}

impl Control {
    /// Serves clients of the socket for ever.
    pub(super) async fn serve_socket(self, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let control = self.clone();
                    tokio::spawn(async move {
                        if let Err(error) = control.serve(stream, Some(IDLE)).await {
                            tracing::debug!(%error, "a control client went away");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: it passes when a client goes.
                    tracing::warn!(%error, "can not accept a control client");
                    time::sleep(REOPEN_AFTER).await;
                }
            }
        }
    }

    /// Serves a serial port for ever, opening it again whenever its other end goes away.
    pub(super) async fn serve_port(self, path: PathBuf) {
        let mut told = false;
        loop {
            match Port::open(&path) {
                Ok(port) => {
                    told = false;
                    tracing::debug!(port = %path.display(), "serving the control port");
                    let ended = self.serve(port, None).await;
                    tracing::debug!(port = %path.display(), ?ended, "the control port was hung up");
                }
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(port = %path.display(), %error, "can not open the control port; trying on");
                }
                Err(_) => {}
            }
            time::sleep(REOPEN_AFTER).await;
        }
    }

    /// Answers line after line until the other end closes.
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, idle: Option<Duration>) -> io::Result<()> {
        let mut lines = Lines::new(MAX_REQUEST);
        let mut buffer = vec![0; 4096];
        loop {
            let count = within(idle, stream.read(&mut buffer)).await?;
            if count == 0 {
                return Ok(());
            }
            for line in lines.feed(buffer.get(..count).unwrap_or_default()) {
                let (id, response) = self.answer_line(line).await;
                let answer = encode_response(id, response);
                within(idle, stream.write_all(&answer)).await?;
                within(idle, stream.flush()).await?;
            }
        }
    }

    async fn answer_line(&self, line: Line) -> (u64, Response) {
        let asked = match line {
            Line::Complete(line) => decode_request(&line),
            Line::Overlong => Err((0, Refusal::Malformed { detail: format!("longer than {MAX_REQUEST} octets") })),
        };
        match asked {
            Ok(asked) => (asked.id, self.answer(asked.request).await),
            Err((id, refusal)) => (id, Response::Refused(refusal)),
        }
    }

    async fn answer(&self, request: Request) -> Response {
        match request {
            Request::Status => {
                let snapshot = Box::new(Snapshot::clone(&*self.look().await));
                Response::Status { snapshot, runtime: self.figures.read() }
            }
            Request::Events { since, limit } => {
                let limit = usize::try_from(limit.min(MAX_EVENTS)).unwrap_or(usize::MAX);
                let (events, newest) = self.event_table.since(since, limit);
                Response::Events { events, newest }
            }
            Request::Plan { group, without } => match plan::answer(&self.look().await.view, group.as_ref(), &without) {
                Ok(plans) => Response::Plan { plans },
                Err(reason) => Response::Refused(Refusal::Command { reason }),
            },
            Request::Command(command) => self.command(command).await.unwrap_or_else(Response::Refused),
            Request::Reload => match self.reloader.reload().await {
                Ok(message) => Response::Done { message },
                Err(reason) => Response::Refused(Refusal::Configuration { reason }),
            },
            Request::Version => {
                let snapshot = self.snapshots.borrow();
                Response::Version {
                    version: snapshot.about.version.clone(),
                    name: snapshot.view.name.to_string(),
                    incarnation: snapshot.view.incarnation.0,
                    generation: snapshot.view.generation.0,
                }
            }
        }
    }

    /// A fresh picture, so that ages are right; the last one if there is none in time.
    async fn look(&self) -> Arc<Snapshot> {
        let mut snapshots = self.snapshots.clone();
        snapshots.mark_unchanged();
        self.mailbox.send(News::Look);
        let _ = time::timeout(PICTURE_WITHIN, snapshots.changed()).await;
        let snapshot = snapshots.borrow();
        Arc::clone(&snapshot)
    }

    async fn command(&self, command: Command) -> Result<Response, Refusal> {
        let (mut message, stands) = (describe(&command), stands(&command));
        tracing::info!(?command, "an operator asks");
        match self.mailbox.command(command).await {
            Some(Ok(())) => {
                if stands && let Err(error) = self.memory.kept().await {
                    message += &format!("; A RESTART WOULD FORGET IT: {error}");
                }
                Ok(Response::Done { message })
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Refusal::Busy { reason: String::from("raisd is stopping; nothing was done") }),
        }
    }
}

/// It holds until it is taken back, over restarts too.
const fn stands(command: &Command) -> bool {
    match command {
        Command::Quiesce { .. }
        | Command::Unquiesce { .. }
        | Command::Drain { .. }
        | Command::Failback { .. }
        | Command::Choice { .. } => true,
        Command::Acquire { .. } | Command::Release { .. } => false,
    }
}

/// What was done, for the operator who asked.
fn describe(command: &Command) -> String {
    let place = |group: &Option<_>| match group {
        Some(group) => format!("in group {group}"),
        None => String::from("in every group"),
    };
    match command {
        Command::Quiesce { group } => format!("quiesced {}; what this box serves, it goes on serving", place(group)),
        Command::Unquiesce { group } => format!("takes addresses again {}", place(group)),
        Command::Drain { group } => format!("draining {}; `raisctl status` shows how far it is", place(group)),
        Command::Failback { group, failback } => {
            let when = match failback {
                None => "as each box is configured",
                Some(FailbackOrder::Immediate) => "at once",
                Some(FailbackOrder::Manual) => "when somebody asks",
            };
            format!("addresses go home {when} {}, whichever box leads", place(group))
        }
        Command::Choice { group, choice } => {
            let how = match choice {
                None => "as it is configured",
                Some(Choice::Balanced) => "by what each box has",
                Some(Choice::Random) => "at random",
            };
            format!("the leader chooses {how} {}, whichever box leads", place(group))
        }
        Command::Acquire { group, address, host: Some(host) } => format!("{address} of group {group} goes to {host}"),
        Command::Acquire { group, address, host: None } => format!("a box of group {group} is to serve {address}"),
        Command::Release { group, address } => format!("{address} of group {group} is to be released"),
    }
}

async fn within<T>(limit: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match limit {
        Some(limit) => time::timeout(limit, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?,
        None => work.await,
    }
}
