//! The announcer: tells the segment where service addresses live, on a thread that nothing else waits for (G-61).

use super::running::Running;
use crate::os::announce::{Announcer, Role};
use rais_core::address::InterfaceName;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;

/// Service interfaces and addresses that are announced together.
type Addresses = Vec<(InterfaceName, IpAddr)>;

/// Takes what is to be announced. Never blocks; the queue is bounded by the node, which announces an address a few
/// times after an acquire and then rarely.
#[derive(Clone, Debug)]
pub(super) struct Announcements(Sender<Addresses>);

impl Announcements {
    /// Announces the addresses, soon.
    pub(super) fn announce(&self, addresses: Addresses) {
        let _ = self.0.send(addresses);
    }
}

/// Starts the thread. It ends when nobody can ask it for anything any more.
///
/// # Errors
/// The kernel's, if there can be no further thread.
pub(super) fn start(running: watch::Receiver<Arc<Running>>) -> io::Result<Announcements> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name(String::from("announcer")).spawn(move || run(&receiver, &running))?;
    Ok(Announcements(sender))
}

fn run(queue: &Receiver<Addresses>, running: &watch::Receiver<Arc<Running>>) {
    let mut open: BTreeMap<u32, ([u8; 6], Role, Announcer)> = BTreeMap::new();
    while let Ok(addresses) = queue.recv() {
        let mut by_interface: BTreeMap<InterfaceName, Vec<IpAddr>> = BTreeMap::new();
        for (interface, address) in addresses {
            by_interface.entry(interface).or_default().push(address);
        }
        let running = Arc::clone(&running.borrow());
        for (interface, addresses) in by_interface {
            let Some(link) = running.links.get(&interface) else { continue };
            let Some(mac) = link.mac else { continue };
            let role = if running.configuration.forwarding.ipv6 { Role::Router } else { Role::Host };
            // A NIC that came back under another index, or got another Ethernet address, needs another announcer.
            if open.get(&link.index).is_none_or(|(known, as_role, _)| (*known, *as_role) != (mac, role)) {
                match Announcer::open(link.index, mac, role) {
                    Ok(announcer) => drop(open.insert(link.index, (mac, role, announcer))),
                    Err(error) => {
                        tracing::warn!(%interface, %error, "service addresses can not be announced");
                        continue;
                    }
                }
            }
            if let Some((_, _, announcer)) = open.get(&link.index) {
                let announced = announcer.announce(&addresses);
                tracing::debug!(%interface, addresses = addresses.len(), ?announced, "announced");
            }
        }
    }
}
