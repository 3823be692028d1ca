//! Puts configurations into force: at the start, and again whenever an operator asks.
//!
//! Load → verify → parse → difference → swap. Everything that can fail comes before the first thing that the group or a
//! management station could notice, and what was done to the network until then is undone: a bad configuration leaves
//! the good one running, and says why in the log, in the status and to whoever asked.

use super::event_loop::{Configured, Mailbox, News, Port};
use super::notifier::Teller;
use super::running::{Running, wanted_network};
use super::snmp_server::SnmpServer;
use super::source::Source;
use crate::config::Configuration;
use crate::config::model::{ReceiverSecurity, Script, Snmp};
use crate::os::executables::Executables;
use crate::os::netlink::Netlink;
use crate::os::network::{self, NetworkError};
use crate::os::{clock, datagram::DatagramSocket};
use crate::snapshot::{About, AboutGroup, AboutReceiver, AboutUser};
use rais_core::address::{GroupName, InterfaceName};
use rais_core::notification::Notification;
use rais_core::quantity::Incarnation;
use rais_core::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

/// What came of a reload, in words.
pub(super) type Outcome = Result<String, String>;

/// Asks for reloads.
#[derive(Clone, Debug)]
pub(super) struct Reloader(mpsc::Sender<Request>);

/// What may be asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Load the configuration anew, and say what came of it.
    Reload(oneshot::Sender<Outcome>),
    /// Put the one that runs into force again: a NIC came back.
    Renew,
    /// Put back what somebody else removed of the box's own network, and say what came of it.
    Repair(oneshot::Sender<Repaired>),
}

/// What came of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repaired {
    /// Nothing was gone, or it can not be put back.
    Nothing,
    /// Something was put back.
    Some,
    /// The kernel does not say what is there: somebody is changing too much. Try again.
    Unknown,
}

/// Requests for reloads, in order.
pub(super) type Requests = mpsc::Receiver<Request>;

/// A reloader and where its requests arrive. Few may wait: they are people.
#[must_use]
pub(super) fn reloader() -> (Reloader, Requests) {
    let (sender, receiver) = mpsc::channel(8);
    (Reloader(sender), receiver)
}

impl Reloader {
    /// Has the running configuration put into force again. Never blocks: one who is refused finds others waiting.
    pub(super) fn renew(&self) {
        let _ = self.0.try_send(Request::Renew);
    }

    /// Has what somebody else removed of the box's own network put back.
    pub(super) async fn repair(&self) -> Repaired {
        let (answer, answered) = oneshot::channel();
        // One who is stopping repairs nothing.
        let _ = self.0.send(Request::Repair(answer)).await;
        answered.await.unwrap_or(Repaired::Nothing)
    }

    /// Has the configuration loaded anew.
    ///
    /// # Errors
    /// All faults in words; the running configuration stays.
    pub(super) async fn reload(&self) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let stopping = || String::from("raisd is stopping");
        self.0.send(Request::Reload(answer)).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
}

/// Why a configuration is not put into force. What ran before runs on.
#[derive(Debug, Error)]
pub(super) enum ApplyError {
    /// Refused before anything was touched. Correct it; every fault is named.
    #[error("{0}")]
    Refused(String),
    /// The network or a socket it asks for can not be had.
    #[error("{0}")]
    Network(String),
}

/// Puts configurations into force.
#[derive(Debug)]
pub(super) struct Applier {
    /// Where they come from.
    pub(super) source: Source,
    /// The kernel.
    pub(super) netlink: Netlink,
    /// Where verified scripts are put.
    pub(super) executables: Executables,
    /// The agent's sockets.
    pub(super) snmp: SnmpServer,
    /// Tells operators what came of reloads.
    pub(super) teller: Teller,
    /// When the daemon started.
    pub(super) started: Instant,
    /// When the running configuration was put into force.
    pub(super) configured: Option<Instant>,
    /// This start's number.
    pub(super) incarnation: Incarnation,
    /// How much was put back of the box's own network that somebody else had removed.
    pub(super) network_repairs: u64,
}

/// A configuration that can be put into force without further failure.
#[derive(Debug)]
pub(super) struct Ready {
    running: Arc<Running>,
    ports: BTreeMap<GroupName, Arc<Port>>,
    snmp_sockets: Vec<DatagramSocket>,
}

impl Applier {
    /// Makes the network what the configuration asks for and opens what it needs. `strict`: anything that can not be
    /// done refuses it; at a start, what can be done without is done without.
    ///
    /// # Errors
    /// [`ApplyError`]; the network may have been changed.
    pub(super) async fn prepare(
        &mut self,
        configuration: Configuration,
        before: &BTreeMap<GroupName, Arc<Port>>,
        strict: bool,
    ) -> Result<Ready, ApplyError> {
        let scripts = self.put_scripts(&configuration).map_err(ApplyError::Refused)?;
        let applied = network::apply(&self.netlink, wanted_network(&configuration)).await;
        for change in &applied.changes {
            tracing::info!(%change, "network");
        }
        if strict && !applied.errors.is_empty() {
            let errors: Vec<String> = applied.errors.iter().map(ToString::to_string).collect();
            return Err(ApplyError::Network(errors.join("\n")));
        }
        for error in &applied.errors {
            tracing::error!(%error, "network");
        }
        let named = |(name, link): (String, _)| Some((InterfaceName::new(&name).ok()?, link));
        let links = applied.interfaces.into_iter().filter_map(named).collect();
        let mut running = Running { configuration, links, scripts, engine: None };
        let network = |error: &dyn std::error::Error| ApplyError::Network(error.to_string());
        let ports = running.ports(before).map_err(|error| network(&error))?;
        let snmp_sockets = self.snmp.open(&running.configuration.snmp).map_err(|error| network(&error))?;
        running.engine = self.snmp.engine();
        Ok(Ready { running: Arc::new(running), ports, snmp_sockets })
    }

    fn put_scripts(&self, configuration: &Configuration) -> Result<BTreeMap<String, PathBuf>, String> {
        let groups = configuration.groups.values();
        let scripts = groups.flat_map(|group| group.acquire_script.iter().chain(&group.release_script));
        let mut put = BTreeMap::new();
        for script in scripts {
            if let Script::Bundled { path, content } = script
                && !put.contains_key(path)
            {
                let name = crate::config::Digest::of(content).to_string();
                let file = self.executables.put(&name, content).map_err(|error| error.to_string())?;
                put.insert(path.clone(), file);
            }
        }
        Ok(put)
    }

    /// Puts it into force: from here on nothing fails. Returns the event loop's part.
    fn commit(&mut self, ready: Ready, last_reload: Option<Outcome>) -> (Arc<Running>, Configured) {
        let Ready { running, ports, snmp_sockets } = ready;
        self.snmp.apply(&running.configuration.snmp, snmp_sockets);
        if let Err(error) = self.source.confirm(&running.configuration) {
            tracing::error!(error, "this generation is not remembered: an older one could return after a restart");
        }
        self.configured = Some(clock::now());
        let about = Arc::new(self.about(&running.configuration, last_reload));
        let params = running.configuration.box_params(self.incarnation);
        (running, Configured { params, ports, about })
    }

    /// The first configuration.
    ///
    /// # Errors
    /// [`ApplyError`]: the daemon can not start.
    pub(super) async fn start(
        &mut self,
        configuration: Configuration,
    ) -> Result<(Arc<Running>, Configured), ApplyError> {
        if configuration.provenance.signers.is_empty() {
            tracing::warn!("NOBODY SIGNED this configuration: --insecure-unsigned is for development and tests only");
        }
        let ready = self.prepare(configuration, &BTreeMap::new(), false).await?;
        let kept: BTreeSet<PathBuf> = ready.running.scripts.values().cloned().collect();
        if let Err(error) = self.executables.keep_only(&kept) {
            tracing::warn!(%error, "scripts of earlier configurations can not be removed");
        }
        Ok(self.commit(ready, None))
    }

    fn about(&self, configuration: &Configuration, last_reload: Option<Outcome>) -> About {
        let groups = configuration.groups.iter().map(|(name, group)| AboutGroup {
            name: name.clone(),
            address: group.address,
            peers: group.peers.clone(),
            control_interfaces: group.params.control.iter().map(|control| control.interface.clone()).collect(),
            service_interface: group.service_interface.clone(),
        });
        let receivers = configuration.snmp.receivers.iter().map(|receiver| AboutReceiver {
            name: receiver.name.clone(),
            address: receiver.address,
            user: about_user(&receiver.security),
            community: community_name(&configuration.snmp, &receiver.security),
            inform: receiver.inform,
            timeout: receiver.timeout,
            retries: receiver.retries,
        });
        About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            contact: configuration.contact.clone(),
            location: configuration.location.clone(),
            started: self.started,
            signer: configuration.provenance.signer(),
            digest: configuration.provenance.digest.to_string(),
            last_reload,
            configured: self.configured,
            network_repairs: self.network_repairs,
            receivers: receivers.collect(),
            groups: groups.collect(),
        }
    }

    /// Serves requests for reloads for ever.
    pub(super) async fn run(
        mut self,
        mut requests: Requests,
        running: watch::Sender<Arc<Running>>,
        mut ports: BTreeMap<GroupName, Arc<Port>>,
        mailbox: Mailbox,
    ) {
        let mut last = None;
        while let Some(request) = requests.recv().await {
            let answer = match request {
                Request::Reload(answer) => answer,
                Request::Renew => {
                    self.renew(&running, &mut ports, &mailbox, last.clone()).await;
                    continue;
                }
                Request::Repair(answer) => {
                    let configuration = running.borrow().configuration.clone();
                    let repaired = self.repair(&configuration).await;
                    if repaired == Repaired::Some {
                        mailbox.send(News::About(Arc::new(self.about(&configuration, last.clone()))));
                    }
                    let _ = answer.send(repaired);
                    continue;
                }
            };
            let outcome = self.reload(&running, &mut ports, &mailbox).await;
            match &outcome {
                Ok(message) => tracing::info!("{message}"),
                Err(reason) => {
                    tracing::error!(reason, "the configuration was refused; the running one stays");
                    let about = self.about(&running.borrow().configuration, Some(outcome.clone()));
                    mailbox.send(News::About(Arc::new(about)));
                    self.teller.tell(Notification::ConfigRejected { error: reason.clone() });
                }
            }
            last = Some(outcome.clone());
            let _ = answer.send(outcome);
        }
    }

    /// Puts back what is gone of the box's own network.
    async fn repair(&mut self, configuration: &Configuration) -> Repaired {
        let repaired = network::repair(&self.netlink, wanted_network(configuration)).await;
        for change in &repaired.changes {
            tracing::warn!(%change, "network: it was gone, removed by somebody else or with its link");
        }
        for error in &repaired.errors {
            tracing::warn!(%error, "network: what is gone can not be put back");
        }
        self.network_repairs += repaired.changes.len() as u64;
        let unknown = repaired.errors.iter().any(|error| matches!(error, NetworkError::Netlink(_)));
        match (unknown, repaired.changes.is_empty()) {
            (true, _) => Repaired::Unknown,
            (false, true) => Repaired::Nothing,
            (false, false) => Repaired::Some,
        }
    }

    /// Puts the running configuration into force again, with the NICs as they are now.
    async fn renew(
        &mut self,
        running: &watch::Sender<Arc<Running>>,
        ports: &mut BTreeMap<GroupName, Arc<Port>>,
        mailbox: &Mailbox,
        last_reload: Option<Outcome>,
    ) {
        let configuration = running.borrow().configuration.clone();
        match self.prepare(configuration, ports, false).await {
            Ok(ready) => {
                let (now_running, configured) = self.commit(ready, last_reload);
                *ports = configured.ports.clone();
                running.send_replace(now_running);
                mailbox.send(News::Configure(Box::new(configured)));
                tracing::info!("a NIC came back: the running configuration is in force again");
            }
            Err(error) => tracing::error!(%error, "a NIC came back, and something else is not there"),
        }
    }

    async fn reload(
        &mut self,
        running: &watch::Sender<Arc<Running>>,
        ports: &mut BTreeMap<GroupName, Arc<Port>>,
        mailbox: &Mailbox,
    ) -> Outcome {
        let configuration = self.source.load_off_thread().await?;
        let generation = configuration.provenance.generation;
        let before = Arc::clone(&running.borrow());
        let message = match configuration == before.configuration {
            true => format!("configuration {generation} is what runs already; the network was checked"),
            false => format!("configuration {generation} is in force"),
        };
        match self.prepare(configuration, ports, true).await {
            Ok(ready) => {
                let (now_running, configured) = self.commit(ready, Some(Ok(message.clone())));
                *ports = configured.ports.clone();
                // First the executor's and the agent's part, so that the node's first actions find it.
                running.send_replace(now_running);
                mailbox.send(News::Configure(Box::new(configured)));
                let running = &running.borrow().configuration;
                self.source.runs(running);
                if *running != before.configuration {
                    let signer = running.provenance.signer();
                    self.teller.tell(Notification::ConfigApplied { generation, signer });
                }
                Ok(message)
            }
            Err(error) => {
                let undone = network::apply(&self.netlink, wanted_network(&before.configuration)).await;
                for change in &undone.changes {
                    tracing::info!(%change, "network, undone");
                }
                Err(error.to_string())
            }
        }
    }
}

/// What a receiver's community is called, if the agent answers to it too.
fn community_name(snmp: &Snmp, security: &ReceiverSecurity) -> Option<String> {
    let ReceiverSecurity::Community(community) = security else { return None };
    let known = snmp.communities.iter().find(|known| known.community == *community);
    known.map(|known| known.name.clone())
}

/// Who says so to a receiver, without what proves it.
fn about_user(security: &ReceiverSecurity) -> Option<AboutUser> {
    match security {
        ReceiverSecurity::Community(_) => None,
        ReceiverSecurity::User { user, level } => {
            Some(AboutUser { name: String::from_utf8_lossy(user.name()).into_owned(), level: *level })
        }
    }
}
