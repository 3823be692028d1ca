//! The agent's sockets: a datagram in, the agent's answer out, from the address that was asked.

use super::figures::Figures;
use crate::config::model::Snmp;
use crate::os::clock;
use crate::os::datagram::{DatagramError, DatagramSocket};
use crate::snapshot::Snapshot;
use crate::snmp::{Agent, AgentParams, Community};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time;

/// The largest request: what fits an Ethernet frame, and more. A longer one is cut and then refused as malformed.
const MAX_REQUEST: usize = 4096;
/// After a socket error that is none of one datagram.
const PAUSE: Duration = Duration::from_millis(10);

/// The agent and its sockets.
#[derive(Debug)]
pub(super) struct SnmpServer {
    shared: Arc<Shared>,
    sockets: BTreeMap<SocketAddr, AbortHandle>,
}

struct Shared {
    agent: Mutex<Agent>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    figures: Arc<Figures>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl SnmpServer {
    /// An agent that listens nowhere and answers nobody.
    #[must_use]
    pub(super) fn new(snapshots: watch::Receiver<Arc<Snapshot>>, figures: Arc<Figures>) -> Self {
        let agent = Mutex::new(Agent::new(AgentParams::default()));
        Self { shared: Arc::new(Shared { agent, snapshots, figures }), sockets: BTreeMap::new() }
    }

    /// Opens the sockets that a configuration wants and that are not open yet. Nothing is served on them before
    /// [`apply`](Self::apply).
    ///
    /// # Errors
    /// [`DatagramError`] of the first that can not be opened.
    pub(super) fn open(&self, wanted: &Snmp) -> Result<Vec<DatagramSocket>, DatagramError> {
        let missing = wanted.listen.iter().filter(|address| !self.sockets.contains_key(address));
        missing.map(|address| DatagramSocket::open(*address)).collect()
    }

    /// Serves on exactly the sockets that the configuration wants, to those whom it allows.
    pub(super) fn apply(&mut self, wanted: &Snmp, opened: Vec<DatagramSocket>) {
        let communities = wanted.communities.iter().filter_map(|access| {
            let community = Community::read_only(access.community.as_bytes(), access.sources.clone());
            // The configuration's own check refuses an empty one and one too long.
            community.map_err(|error| tracing::error!(%error, "a community is not used")).ok()
        });
        let params = AgentParams { communities: communities.collect(), ..AgentParams::default() };
        self.shared.agent.lock().unwrap_or_else(PoisonError::into_inner).reconfigure(params);
        self.sockets.retain(|address, task| {
            let kept = wanted.listen.contains(address);
            if !kept {
                task.abort();
            }
            kept
        });
        for socket in opened {
            let address = socket.address();
            let task = tokio::spawn(serve(Arc::clone(&self.shared), socket));
            self.sockets.insert(address, task.abort_handle());
        }
    }
}

async fn serve(shared: Arc<Shared>, socket: DatagramSocket) {
    let mut buffer = vec![0; MAX_REQUEST];
    let mut reply = Vec::new();
    loop {
        let asked = match socket.receive(&mut buffer).await {
            Ok(asked) => asked,
            Err(error) => {
                tracing::debug!(address = %socket.address(), %error, "the agent's socket");
                time::sleep(PAUSE).await;
                continue;
            }
        };
        let figures = &shared.figures;
        figures.snmp_in.fetch_add(1, Ordering::Relaxed);
        let datagram = buffer.get(..asked.length).unwrap_or_default();
        let snapshot = Arc::clone(&shared.snapshots.borrow());
        let answered = {
            let mut agent = shared.agent.lock().unwrap_or_else(PoisonError::into_inner);
            agent.answer(datagram, asked.by.ip(), &snapshot, clock::now(), &mut reply)
        };
        let counter = match answered {
            Ok(()) => match socket.answer(&asked, &reply) {
                Ok(()) => &figures.snmp_out,
                Err(error) => {
                    tracing::debug!(by = %asked.by, at = %asked.at, %error, "an answer was not sent");
                    &figures.snmp_dropped
                }
            },
            Err(cause) => {
                tracing::debug!(by = %asked.by, %cause, "a request was not answered");
                &figures.snmp_dropped
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
