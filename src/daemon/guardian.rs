//! Keeps a guardian at hand that knows what to do should this daemon die (G-68).

use super::peers::{self, LearntAddresses};
use super::running::Running;
use crate::os::guardian::{Farewell, Guardian};
use crate::wire::Codec;
use rais_core::info_message::{Body, Message};
use rais_core::quantity::{Incarnation, Sequence};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time;

/// Before another one is started in the place of one that died.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// It only has to read a line.
const STANDS_DOWN_WITHIN: Duration = Duration::from_millis(500);

/// The task that keeps it.
#[derive(Debug)]
pub(super) struct Keeper {
    stand_down: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts the task, on a runtime.
    pub(super) fn start(
        running: watch::Receiver<Arc<Running>>,
        learnt: watch::Receiver<LearntAddresses>,
        incarnation: watch::Receiver<Incarnation>,
    ) -> Self {
        let (stand_down, told) = oneshot::channel();
        let facts = Facts { running, learnt, incarnation };
        Self { stand_down, task: tokio::spawn(keep(facts, told)) }
    }

    /// The daemon ends as it should.
    pub(super) async fn stand_down(self) {
        let _ = self.stand_down.send(());
        let _ = time::timeout(STANDS_DOWN_WITHIN, self.task).await;
    }
}

/// What goodbyes are made of.
struct Facts {
    running: watch::Receiver<Arc<Running>>,
    learnt: watch::Receiver<LearntAddresses>,
    incarnation: watch::Receiver<Incarnation>,
}

async fn keep(mut facts: Facts, mut told: oneshot::Receiver<()>) {
    loop {
        match watch_over(&mut facts, &mut told).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "no guardian for a moment: a crash would last for the lease"),
        }
        time::sleep(RESTART_AFTER).await;
    }
}

/// One guardian's time; `Ok`: it stood down.
async fn watch_over(facts: &mut Facts, told: &mut oneshot::Receiver<()>) -> io::Result<()> {
    let mut guardian = Guardian::start()?;
    let Facts { running, learnt, incarnation } = facts;
    loop {
        let life = *incarnation.borrow_and_update();
        let farewells = farewells(&running.borrow_and_update(), &learnt.borrow_and_update(), life);
        guardian.instruct(&farewells).await?;
        tokio::select! {
            changed = running.changed() => if changed.is_err() { return Ok(()) },
            // With the event loop ends what is learnt, and the goodbye is still to be said.
            Ok(()) = learnt.changed() => {}
            Ok(()) = incarnation.changed() => {}
            () = guardian.gone() => return Err(io::Error::other("it died")),
            _ = &mut *told => return guardian.stand_down().await,
        }
    }
}

/// The goodbye of this life for every group on every one of its control interfaces. It has the highest number of all, so
/// that it is news whenever it is said, and the last: nothing is heard of this life after it.
fn farewells(running: &Running, learnt: &LearntAddresses, incarnation: Incarnation) -> Vec<Farewell> {
    let mut farewells = Vec::new();
    for (name, group) in &running.configuration.groups {
        let codec = Codec::rolling(name.clone(), &group.keys, group.send_key, group.authentication);
        let Ok(codec) = codec else { continue };
        let sequence = Sequence(u64::MAX);
        let leave = Message { sender: group.params.id, incarnation, sequence, body: Body::Leave };
        let Ok(datagram) = codec.encode(&leave) else { continue };
        let own = group.params.control.iter().map(|control| control.address);
        let peers = peers::all(&group.peers, learnt.get(name).cloned().unwrap_or_default(), own);
        for control in &group.params.control {
            let (Some(to), Some(network)) = (running.socket_params(group, control), running.network_of(control)) else {
                continue;
            };
            let peers = peers::on_link(&peers, network).collect();
            farewells.push(Farewell { to, peers, datagram: datagram.clone() });
        }
    }
    farewells
}
