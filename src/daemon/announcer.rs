//! The announcer: tells the segment where service addresses live, on a thread that nothing else waits for (G-61).

use super::running::Running;
use crate::os::announce::{Announcer, Neighbour, Role, Round};
use crate::os::netlink::{MacAddress, Netlink};
use crate::os::process;
use rais_core::address::InterfaceName;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time;

/// Service interfaces and addresses that are announced together.
type Addresses = Vec<(InterfaceName, IpAddr)>;

/// Where the neighbours are that are told in person, by the index of the link they are on.
type Located = BTreeMap<u32, BTreeMap<IpAddr, MacAddress>>;

/// Between two looks for neighbours: a router that was replaced is told at its new place by then.
const LOCATE_EVERY: Duration = Duration::from_secs(30);
/// Between two looks while one is not found: it has not answered yet, or is not there.
const LOCATE_SOON: Duration = Duration::from_secs(1);

/// As many addresses are announced in all rounds at once.
const FEW: usize = 100;
/// Between two rounds of more. The frames of a thousand addresses keep every host on the segment busy for milliseconds;
/// meanwhile others, who took over the rest of a dead box's addresses, have their first round to send and to be heard.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(5);

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
pub(super) fn start(running: watch::Receiver<Arc<Running>>, netlink: Netlink) -> io::Result<Announcements> {
    let (sender, receiver) = channel();
    let (locations, located) = watch::channel(Located::new());
    tokio::spawn(locate(running.clone(), netlink, locations));
    let thread = std::thread::Builder::new().name(String::from("announcer"));
    thread.spawn(move || run(&receiver, &running, &located))?;
    Ok(Announcements(sender))
}

/// Keeps track of where the neighbours are, for ever.
async fn locate(mut running: watch::Receiver<Arc<Running>>, netlink: Netlink, locations: watch::Sender<Located>) {
    loop {
        let now = Arc::clone(&running.borrow_and_update());
        let mut wanted: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
        for group in now.configuration.groups.values() {
            if let Some(link) = now.links.get(&group.service_interface) {
                wanted.entry(link.index).or_default().extend(&group.neighbours);
            }
        }
        wanted.retain(|_, neighbours| !neighbours.is_empty());
        let (mut located, mut missing) = (Located::new(), false);
        for (index, neighbours) in &wanted {
            let neighbours: Vec<IpAddr> = neighbours.iter().copied().collect();
            let found = netlink.locate(*index, &neighbours).await.unwrap_or_default();
            missing |= found.len() < neighbours.len();
            located.insert(*index, found);
        }
        locations.send_replace(located);
        let pause = async {
            match wanted.is_empty() {
                true => std::future::pending().await,
                false => time::sleep(if missing { LOCATE_SOON } else { LOCATE_EVERY }).await,
            }
        };
        tokio::select! {
            changed = running.changed() => if changed.is_err() { return },
            () = pause => {}
        }
    }
}

fn run(queue: &Receiver<Addresses>, running: &watch::Receiver<Arc<Running>>, located: &watch::Receiver<Located>) {
    // Refused: then announcements take longer on a busy box. The event loop warns of that already.
    let _ = process::run_thread_first(process::TAKEOVER_PRIORITY);
    let mut speaker = Speaker { running, located, open: BTreeMap::new() };
    let mut later: VecDeque<Later> = VecDeque::new();
    loop {
        // What is new goes first: what waits here was announced once already.
        let next = match later.front() {
            Some(first) => queue.recv_timeout(first.due.saturating_duration_since(Instant::now())),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(addresses) => {
                let mut by_interface: BTreeMap<InterfaceName, Vec<IpAddr>> = BTreeMap::new();
                for (interface, address) in addresses {
                    by_interface.entry(interface).or_default().push(address);
                }
                for (interface, addresses) in by_interface {
                    later.extend(speaker.announce(interface, addresses));
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(part) = later.pop_front() {
                    later.extend(speaker.go_on(part));
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Rounds that are still to be sent.
struct Later {
    due: Instant,
    rounds: &'static [Round],
    interface: InterfaceName,
    addresses: Vec<IpAddr>,
}

struct Speaker<'a> {
    running: &'a watch::Receiver<Arc<Running>>,
    located: &'a watch::Receiver<Located>,
    open: BTreeMap<u32, ([u8; 6], Role, Announcer)>,
}

impl Speaker<'_> {
    /// Announces addresses, and tells the neighbours; returns the rounds that are for later.
    fn announce(&mut self, interface: InterfaceName, addresses: Vec<IpAddr>) -> Option<Later> {
        if addresses.len() > FEW {
            let (first, rest) = Round::ALL.split_first()?;
            self.announcer(&interface)?.announce_in(*first, &addresses);
            self.tell_neighbours(&interface, &addresses);
            return Some(Later { due: Instant::now() + BETWEEN_ROUNDS, rounds: rest, interface, addresses });
        }
        let announced = self.announcer(&interface)?.announce(&addresses);
        self.tell_neighbours(&interface, &addresses);
        tracing::debug!(%interface, addresses = addresses.len(), ?announced, "announced");
        None
    }

    /// Sends the next round; returns those that are left.
    fn go_on(&mut self, Later { rounds, interface, addresses, .. }: Later) -> Option<Later> {
        let (round, rest) = rounds.split_first()?;
        let announced = self.announcer(&interface)?.announce_in(*round, &addresses);
        tracing::debug!(%interface, addresses = addresses.len(), ?round, ?announced, "announced");
        (!rest.is_empty()).then(|| Later { due: Instant::now() + BETWEEN_ROUNDS, rounds: rest, interface, addresses })
    }

    fn tell_neighbours(&mut self, interface: &InterfaceName, addresses: &[IpAddr]) {
        let located = self.located;
        let Some(announcer) = self.announcer(interface) else { return };
        let located = located.borrow().get(&announcer.interface_index()).cloned().unwrap_or_default();
        let neighbours: Vec<_> = located.into_iter().map(|(address, mac)| Neighbour { address, mac }).collect();
        announcer.announce_to(&neighbours, addresses);
    }

    fn announcer(&mut self, interface: &InterfaceName) -> Option<&Announcer> {
        let running = Arc::clone(&self.running.borrow());
        let link = running.links.get(interface)?;
        let mac = link.mac?;
        let role = if running.configuration.forwarding.ipv6 { Role::Router } else { Role::Host };
        // A NIC that came back under another index, or got another Ethernet address, needs another announcer.
        if self.open.get(&link.index).is_none_or(|(known, as_role, _)| (*known, *as_role) != (mac, role)) {
            match Announcer::open(link.index, mac, role) {
                Ok(announcer) => drop(self.open.insert(link.index, (mac, role, announcer))),
                Err(error) => {
                    tracing::warn!(%interface, %error, "service addresses can not be announced");
                    return None;
                }
            }
        }
        self.open.get(&link.index).map(|(_, _, announcer)| announcer)
    }
}
