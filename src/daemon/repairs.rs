//! Hears what somebody else removes that this box has configured. Of service addresses the node is told, which decides;
//! the box's own addresses and routes are put back here, as soon as the pace of it allows.
//!
//! What raisd removes itself is told by the kernel just as well. So it is asked what is missing before anything is done,
//! by whoever knows what was meant to be there: of service addresses the thread that releases them, of the rest the
//! configuration that runs.

use super::event_loop::Mailbox;
use super::reload::{Reloader, Repaired};
use super::running::Running;
use crate::os::clock;
use crate::os::netlink::{Event, Link, Netlink, Owner};
use rais_core::address::ServiceAddress;
use rais_core::io::Input;
use rais_core::pace::Pace;
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time;

/// Events taken in one go: a thousand addresses that go together are asked for together.
const TOGETHER: usize = 1024;

/// The kernel is asked so often what is missing: a socket that broke is replaced meanwhile.
const ATTEMPTS: u32 = 3;
/// Between two of these.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Puts right what others undo.
#[derive(Debug)]
pub(super) struct Repairer {
    /// The configuration in force.
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// The kernel.
    pub(super) netlink: Netlink,
    /// The node's door.
    pub(super) mailbox: Mailbox,
    /// Whoever may change the box's own network.
    pub(super) reloader: Reloader,
}

/// What is known of the box's own network.
#[derive(Debug, Default)]
struct Own {
    /// Links, and whether they were last up and had a carrier.
    links: BTreeMap<u32, bool>,
    pace: Pace,
    /// When something that is gone is to be put back.
    due: Option<Instant>,
}

impl Repairer {
    /// Runs until nobody tells of anything any more.
    pub(super) async fn run(self, mut events: UnboundedReceiver<Event>) {
        let (mut own, mut heard) = (Own::default(), Vec::new());
        loop {
            tokio::select! {
                taken = events.recv_many(&mut heard, TOGETHER) => {
                    if taken == 0 {
                        return;
                    }
                    let service = own.sort_out(heard.drain(..), &self.running.borrow(), clock::now());
                    self.tell(service).await;
                }
                () = until(own.due) => {
                    own.due = None;
                    let repaired = self.reloader.repair().await;
                    if repaired != Repaired::Nothing {
                        own.pace.step(clock::now());
                    }
                    if repaired == Repaired::Unknown {
                        own.due = Some(own.pace.earliest(clock::now()));
                    }
                }
            }
        }
    }

    /// Tells the node of service addresses that are gone and should not be.
    async fn tell(&self, gone: Vec<(u32, IpAddr)>) {
        if gone.is_empty() {
            return;
        }
        let mut attempts = ATTEMPTS;
        let missing = loop {
            attempts -= 1;
            match self.netlink.missing(gone.clone()).await {
                Ok(missing) => break missing,
                Err(_) if attempts > 0 => time::sleep(ASK_AGAIN_AFTER).await,
                // They come back with their leases.
                Err(error) => return tracing::warn!(%error, "what was removed can not be found out"),
            }
        };
        let running = Arc::clone(&self.running.borrow());
        for (index, address) in missing {
            let interface = running.links.iter().find(|(_, link)| link.index == index);
            if let Some((interface, _)) = interface {
                let (interface, address) = (interface.clone(), ServiceAddress(address));
                self.mailbox.input(Input::Removed { interface, address });
            }
        }
    }
}

impl Own {
    /// Notes what concerns the box's own network, and returns the service addresses that are gone, each with its link.
    fn sort_out(&mut self, heard: impl Iterator<Item = Event>, running: &Running, now: Instant) -> Vec<(u32, IpAddr)> {
        let (mut service, mut undone) = (Vec::new(), false);
        for event in heard {
            match event {
                Event::AddressGone(gone) if gone.owner == Owner::Service => {
                    service.push((gone.interface_index, gone.address));
                }
                Event::AddressGone(gone) => undone |= gone.owner == Owner::Box,
                // Some were lost, it is not known which: service addresses come back with their leases.
                Event::RouteGone(_) | Event::Overrun => undone = true,
                Event::Link(link) => undone |= self.comes_up(&link, running),
                Event::LinkGone(link) => drop(self.links.remove(&link.index)),
            }
        }
        if undone {
            self.due = self.due.or(Some(self.pace.earliest(now)));
        }
        service
    }

    /// A link that went down took routes and IPv6 addresses with it, and the kernel told of few of them.
    fn comes_up(&mut self, link: &Link, running: &Running) -> bool {
        let up = link.up && link.carrier;
        let before = self.links.insert(link.index, up);
        up && before == Some(false) && running.links.values().any(|configured| configured.index == link.index)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => time::sleep(due.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
