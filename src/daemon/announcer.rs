//! The announcer: tells the segment where service addresses live, on a thread that nothing else waits for (G-61).

use super::places::Places;
use super::running::Running;
use crate::os::announce::{Announced, Announcer, Neighbour, Role, Round};
use crate::os::netlink::{MacAddress, Netlink};
use crate::os::process;
use rais_core::address::{GroupName, InterfaceName, ServiceAddress};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time;

/// Addresses of a group that are announced together.
type Addresses = (GroupName, Vec<ServiceAddress>);

/// Addresses by the service interface they are configured on.
type Placed = BTreeMap<InterfaceName, Vec<IpAddr>>;

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
    /// Announces the addresses, soon, each where it is configured.
    pub(super) fn announce(&self, group: GroupName, addresses: Vec<ServiceAddress>) {
        let _ = self.0.send((group, addresses));
    }
}

/// Starts the thread. It ends when nobody can ask it for anything any more.
///
/// # Errors
/// The kernel's, if there can be no further thread.
pub(super) fn start(
    running: watch::Receiver<Arc<Running>>,
    netlink: Netlink,
    places: Places,
) -> io::Result<Announcements> {
    let (sender, receiver) = channel();
    let (locations, located) = watch::channel(Located::new());
    tokio::spawn(locate(running.clone(), netlink, locations));
    let thread = std::thread::Builder::new().name(String::from("announcer"));
    thread.spawn(move || {
        // Refused: then announcements take longer on a busy box. The event loop warns of that already.
        let _ = process::run_thread_first(process::TAKEOVER_PRIORITY);
        let mut speaker = Speaker { running: &running, located: &located, open: BTreeMap::new() };
        let find = |(group, addresses): Addresses| placed(&places, &group, &addresses);
        run(&receiver, find, &mut |rounds, interface, addresses| speaker.say(rounds, interface, addresses));
    })?;
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

/// Announces addresses on an interface in one round after another; `None`: it can not be announced on.
trait Say: FnMut(&[Round], &InterfaceName, &[IpAddr]) -> Option<()> {}

impl<F: FnMut(&[Round], &InterfaceName, &[IpAddr]) -> Option<()>> Say for F {}

/// Where addresses are configured; those that are not, because they were released meanwhile, are left out.
fn placed(places: &Places, group: &GroupName, addresses: &[ServiceAddress]) -> Placed {
    let mut placed = Placed::new();
    for (address, place) in places.of(group, addresses) {
        match placed.get_mut(&place.interface) {
            Some(here) => here.push(address.0),
            None => drop(placed.insert(place.interface.clone(), vec![address.0])),
        }
    }
    placed
}

fn run<Asked>(queue: &Receiver<Asked>, find: impl Fn(Asked) -> Placed, say: &mut impl Say) {
    let mut later: VecDeque<Later> = VecDeque::new();
    loop {
        // What is new goes first: what waits here was announced once already.
        let next = match later.front() {
            Some(first) => queue.recv_timeout(first.due.saturating_duration_since(Instant::now())),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(asked) => {
                for (interface, addresses) in find(asked) {
                    let at_once = if addresses.len() > FEW { 1 } else { Round::ALL.len() };
                    later.extend(go_on(&Round::ALL, at_once, interface, addresses, say));
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(Later { rounds, interface, addresses, .. }) = later.pop_front() {
                    later.extend(go_on(rounds, 1, interface, addresses, say));
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

/// Announces addresses in the first `at_once` of some rounds; returns those that are left.
fn go_on(
    rounds: &'static [Round],
    at_once: usize,
    interface: InterfaceName,
    addresses: Vec<IpAddr>,
    say: &mut impl Say,
) -> Option<Later> {
    let (now, rounds) = rounds.split_at_checked(at_once)?;
    say(now, &interface, &addresses)?;
    (!rounds.is_empty()).then(|| Later { due: Instant::now() + BETWEEN_ROUNDS, rounds, interface, addresses })
}

struct Speaker<'a> {
    running: &'a watch::Receiver<Arc<Running>>,
    located: &'a watch::Receiver<Located>,
    open: BTreeMap<u32, ([u8; 6], Role, Announcer)>,
}

impl Speaker<'_> {
    /// Announces addresses in some rounds, and tells the neighbours with the first; `None`: there is no telling there.
    fn say(&mut self, rounds: &[Round], interface: &InterfaceName, addresses: &[IpAddr]) -> Option<()> {
        let announcer = self.announcer(interface)?;
        let announced: Announced = rounds.iter().map(|round| announcer.announce_in(*round, addresses)).sum();
        if rounds.contains(&Round::First) {
            self.tell_neighbours(interface, addresses);
        }
        tracing::debug!(%interface, addresses = addresses.len(), ?rounds, ?announced, "announced");
        Some(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(network: u8, count: usize) -> Placed {
        let address = |host| IpAddr::from([10, network, 0, u8::try_from(host).unwrap()]);
        Placed::from([(InterfaceName::new("lan").unwrap(), (1..=count).map(address).collect())])
    }

    /// What is said, network by network, if each of `batches` is asked for while the one before it is first announced.
    fn said(batches: impl IntoIterator<Item = Placed>) -> Vec<(u8, Vec<Round>)> {
        let (asker, queue) = channel();
        let mut batches = batches.into_iter().fuse();
        asker.send(batches.next().unwrap()).unwrap();
        // Nobody can ask any more once the last round was said, and then it ends.
        let (mut asker, mut to_say, mut said) = (Some(asker), Round::ALL.len(), Vec::new());
        run(&queue, |placed| placed, &mut |rounds: &[Round], _: &InterfaceName, addresses: &[IpAddr]| {
            let IpAddr::V4(address) = addresses[0] else { unreachable!("chosen by the test") };
            said.push((address.octets()[1], rounds.to_vec()));
            to_say -= rounds.len();
            if let Some(batch) = rounds.contains(&Round::First).then(|| batches.next()).flatten() {
                to_say += Round::ALL.len();
                asker.as_ref().unwrap().send(batch).unwrap();
            }
            if to_say == 0 {
                asker = None;
            }
            Some(())
        });
        said
    }

    #[test]
    fn whatever_is_asked_for_meanwhile_is_announced_first_before_anything_is_announced_again() {
        let [first, second, question] = Round::ALL.map(|round| vec![round]);
        let said = said([addresses(1, FEW + 1), addresses(2, FEW + 1), addresses(3, FEW), addresses(4, FEW + 1)]);
        let expected = [
            (1, first.clone()),
            (2, first.clone()),
            (3, Round::ALL.to_vec()),
            (4, first),
            (1, second.clone()),
            (2, second.clone()),
            (4, second),
            (1, question.clone()),
            (2, question.clone()),
            (4, question),
        ];
        assert_eq!(said, expected);
    }
}
