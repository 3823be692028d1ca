//! Keeps a guardian at hand that knows what to do should this daemon die (G-68).

use super::running::Running;
use crate::os::guardian::{Farewell, Guardian};
use crate::os::multicast::ControlSocketParams;
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
    pub(super) fn start(running: watch::Receiver<Arc<Running>>, incarnation: Incarnation) -> Self {
        let (stand_down, told) = oneshot::channel();
        Self { stand_down, task: tokio::spawn(keep(running, incarnation, told)) }
    }

    /// The daemon ends as it should.
    pub(super) async fn stand_down(self) {
        let _ = self.stand_down.send(());
        let _ = time::timeout(STANDS_DOWN_WITHIN, self.task).await;
    }
}

async fn keep(mut running: watch::Receiver<Arc<Running>>, incarnation: Incarnation, mut told: oneshot::Receiver<()>) {
    loop {
        match watch_over(&mut running, incarnation, &mut told).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "no guardian for a moment: a crash would last for the lease"),
        }
        time::sleep(RESTART_AFTER).await;
    }
}

/// One guardian's time; `Ok`: it stood down.
async fn watch_over(
    running: &mut watch::Receiver<Arc<Running>>,
    incarnation: Incarnation,
    told: &mut oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut guardian = Guardian::start()?;
    loop {
        let farewells = farewells(&running.borrow_and_update(), incarnation);
        guardian.instruct(&farewells).await?;
        tokio::select! {
            changed = running.changed() => if changed.is_err() { return Ok(()) },
            () = guardian.gone() => return Err(io::Error::other("it died")),
            _ = &mut *told => return guardian.stand_down().await,
        }
    }
}

/// The goodbye of this life for every group on every one of its control interfaces. It has the highest number of all, so
/// that it is news whenever it is said, and the last: nothing is heard of this life after it.
fn farewells(running: &Running, incarnation: Incarnation) -> Vec<Farewell> {
    let mut farewells = Vec::new();
    for (name, group) in &running.configuration.groups {
        let codec = Codec::rolling(name.clone(), &group.keys, group.send_key, group.authentication);
        let Ok(codec) = codec else { continue };
        let sequence = Sequence(u64::MAX);
        let leave = Message { sender: group.params.id, incarnation, sequence, body: Body::Leave };
        let Ok(datagram) = codec.encode(&leave) else { continue };
        for control in &group.params.control {
            let Some(link) = running.links.get(&control.interface) else { continue };
            let to = ControlSocketParams {
                group: group.address,
                interface: link.name.clone(),
                interface_index: link.index,
                source: control.address,
            };
            farewells.push(Farewell { to, datagram: datagram.clone() });
        }
    }
    farewells
}
