//! Who a group without multicast is told to: the configured peers, and those that were learnt.
//!
//! A box that joins lists some that run, and nothing changes on those: a message that is signed under the group's key and
//! comes from an address that its sender states as its own teaches that address, and what a box says that it hears of
//! teaches the ids of the others, so that two boxes that list only a third find each other. The core need not know: it
//! hears messages and has messages sent. It keeps no time of its own.

use crate::os::multicast::{ControlSocket, Reach};
use crate::wire::Received;
use rais_core::address::{GroupName, IdAddress, InterfaceName, Prefix};
use rais_core::info_message::{Body, Info};
use rais_core::params::MAX_HOSTS;
use rais_core::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// A box that nobody has heard of for this long is told nothing more; it is learnt again when it speaks. Long against a
/// cable that is being mended, short against a box that was sold.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Most addresses that are kept of a box: its id, and its address on each of four control interfaces.
const MAX_ADDRESSES_OF_A_BOX: usize = 5;

/// What was learnt, by group: addresses alone, for who must know them without asking.
pub(super) type LearntAddresses = BTreeMap<GroupName, BTreeSet<IpAddr>>;

/// A control socket, and whom it reaches.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The configuration's name of its interface.
    pub(super) interface: InterfaceName,
    /// The socket.
    pub(super) socket: Arc<ControlSocket>,
    /// The network of this box's control address: a peer outside it is not reached here.
    pub(super) network: Prefix,
}

/// Addresses learnt from others, by the box they belong to.
#[derive(Clone, Debug, Default)]
pub(super) struct Learnt(BTreeMap<IdAddress, LearntBox>);

#[derive(Clone, Debug)]
struct LearntBox {
    heard: Instant,
    addresses: BTreeSet<IpAddr>,
}

/// How the other boxes of a group with these configured peers are reached.
pub(super) fn reach(configured: &[IpAddr]) -> Reach {
    if configured.is_empty() { Reach::Multicast } else { Reach::Unicast }
}

/// Sends a datagram on every line: to the group address, or once to each of `peers` that the line reaches.
pub(super) fn send(lines: &[Line], datagram: &[u8], peers: &BTreeSet<IpAddr>) {
    for Line { socket, network, .. } in lines {
        socket.tell(datagram, on_link(peers, *network));
    }
}

/// Those of `peers` on a network.
pub(super) fn on_link(peers: &BTreeSet<IpAddr>, network: Prefix) -> impl Iterator<Item = IpAddr> {
    peers.iter().copied().filter(move |peer| network.contains(*peer))
}

/// All to be told: the configured peers and the learnt ones, without the box itself.
pub(super) fn all(
    configured: &[IpAddr],
    mut learnt: BTreeSet<IpAddr>,
    own: impl Iterator<Item = IpAddr>,
) -> BTreeSet<IpAddr> {
    learnt.extend(configured);
    own.for_each(|own| _ = learnt.remove(&own));
    learnt
}

impl Learnt {
    /// Learns what a message teaches that came from `source`; says whether there is anything new. Nothing is learnt from
    /// one that nobody signed, nor from one that comes from elsewhere than its sender says: it was copied.
    pub(super) fn learn(&mut self, now: Instant, received: &Received, source: IpAddr) -> bool {
        let message = &received.message;
        let stated = stated_addresses(&message.body);
        let known = self.0.get(&message.sender).is_some_and(|known| known.addresses.contains(&source));
        if !received.signed || !(source == message.sender.0 || stated.contains(&source) || known) {
            return false;
        }
        let mut news = self.note(now, message.sender, stated);
        if let Body::Info(Info { heard, .. }) = &message.body {
            for other in heard.iter().filter(|other| other.age < FORGOTTEN_AFTER) {
                news |= self.note(now.before(other.age), other.id, &[]);
            }
        }
        news
    }

    fn note(&mut self, heard: Instant, id: IdAddress, stated: &[IpAddr]) -> bool {
        if let Some(known) = self.0.get_mut(&id) {
            known.heard = known.heard.max(heard);
            if stated.iter().all(|address| known.addresses.contains(address)) {
                return false;
            }
            known.addresses = addresses(id, stated);
            return true;
        }
        self.0.retain(|_, known| heard.since(known.heard) < FORGOTTEN_AFTER);
        // The box itself is heard of from others, and takes a place of its own.
        if self.0.len() >= MAX_HOSTS {
            return false;
        }
        self.0.insert(id, LearntBox { heard, addresses: addresses(id, stated) });
        true
    }

    /// The addresses that were learnt and not forgotten; the box's own are among them, for others say that they hear it.
    pub(super) fn addresses(&self, now: Instant) -> BTreeSet<IpAddr> {
        let fresh = self.0.values().filter(|known| now.since(known.heard) < FORGOTTEN_AFTER);
        fresh.flat_map(|known| &known.addresses).copied().collect()
    }
}

fn addresses(id: IdAddress, stated: &[IpAddr]) -> BTreeSet<IpAddr> {
    [id.0].into_iter().chain(stated.iter().copied()).take(MAX_ADDRESSES_OF_A_BOX).collect()
}

fn stated_addresses(body: &Body) -> &[IpAddr] {
    match body {
        Body::Info(Info { part: Some(part), .. }) => &part.control_addresses,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::info_message::{Ask, EntryPart, Heard, Message};
    use rais_core::quantity::{EntryVersion, Incarnation, Sequence};

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    fn received(sender: &str, signed: bool, body: Body) -> Received {
        let (sender, incarnation, sequence) = (IdAddress(ip(sender)), Incarnation(1), Sequence(1));
        Received { message: Message { sender, incarnation, sequence, body }, signed }
    }

    /// A beat that states these addresses, if any, and says that its sender heard those boxes so long ago.
    fn beat(stated: &[&str], heard: &[(&str, Duration)]) -> Body {
        let status = rais_core::samples::status("box");
        let control_addresses: Vec<IpAddr> = stated.iter().map(|address| ip(address)).collect();
        let part = EntryPart { index: 0, count: 1, control_addresses, rows: Vec::new() };
        let heard = heard.iter().map(|(id, age)| Heard {
            id: IdAddress(ip(id)),
            incarnation: Incarnation(1),
            sequence: Sequence(1),
            age: *age,
            loss: 0,
        });
        let part = (!stated.is_empty()).then_some(part);
        Body::Info(Info { status, entry_version: EntryVersion(1), part, heard: heard.collect() })
    }

    fn shown(addresses: BTreeSet<IpAddr>) -> String {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_signed_message_from_its_sender_s_own_address_teaches_and_no_other_does() {
        let both = ["10.9.0.4", "10.9.1.4"];
        let ask = || Body::Ask(Ask { host: IdAddress(ip("10.9.0.1")), known: EntryVersion(0) });
        let table = [
            (true, "10.9.0.4", beat(&[], &[]), "10.9.0.4"),
            (true, "10.9.0.4", ask(), "10.9.0.4"),
            (true, "10.9.0.4", Body::Leave, "10.9.0.4"),
            (true, "10.9.0.4", beat(&both, &[]), "10.9.0.4 10.9.1.4"),
            (true, "10.9.1.4", beat(&both, &[]), "10.9.0.4 10.9.1.4"),
            // What was copied and is sent from elsewhere, or not yet known to be the sender's.
            (true, "10.9.0.66", beat(&both, &[]), ""),
            (true, "10.9.1.4", beat(&[], &[]), ""),
            // Nobody vouches for it.
            (false, "10.9.0.4", beat(&both, &[("10.9.0.5", SECOND)]), ""),
        ];
        for (signed, source, body, expected) in table {
            let mut learnt = Learnt::default();
            let (message, text) = (received("10.9.0.4", signed, body), format!("{signed} {source}"));
            assert_eq!(learnt.learn(at(1), &message, ip(source)), !expected.is_empty(), "{text}");
            assert_eq!(shown(learnt.addresses(at(1))), expected, "{text}");
            assert!(!learnt.learn(at(2), &message, ip(source)), "it is news only once: {text}");
        }
    }

    #[test]
    fn what_a_box_says_that_it_hears_is_learnt_by_its_id_unless_it_was_long_ago() {
        let mut learnt = Learnt::default();
        let heard = [("10.9.0.5", SECOND), ("10.9.0.6", FORGOTTEN_AFTER)];
        assert!(learnt.learn(at(5000), &received("10.9.0.4", true, beat(&[], &heard)), ip("10.9.0.4")));
        assert_eq!(shown(learnt.addresses(at(5000))), "10.9.0.4 10.9.0.5");
        // Said by itself, its other address comes in addition; said of by others again, nothing goes.
        assert!(learnt.learn(
            at(5001),
            &received("10.9.0.5", true, beat(&["10.9.0.5", "10.9.1.5"], &[])),
            ip("10.9.1.5")
        ));
        assert!(!learnt.learn(at(5002), &received("10.9.0.4", true, beat(&[], &heard)), ip("10.9.0.4")));
        assert_eq!(shown(learnt.addresses(at(5002))), "10.9.0.4 10.9.0.5 10.9.1.5");
    }

    #[test]
    fn a_box_that_states_other_addresses_is_reached_at_those() {
        let mut learnt = Learnt::default();
        learnt.learn(at(1), &received("10.9.0.4", true, beat(&["10.9.0.4", "10.9.1.4"], &[])), ip("10.9.0.4"));
        learnt.learn(at(2), &received("10.9.0.4", true, beat(&["10.9.0.4", "10.9.1.44"], &[])), ip("10.9.0.4"));
        assert_eq!(shown(learnt.addresses(at(2))), "10.9.0.4 10.9.1.44");
        // However many it states.
        let many: Vec<String> = (1..=15).map(|n| format!("10.9.2.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        learnt.learn(at(3), &received("10.9.0.4", true, beat(&many, &[])), ip("10.9.0.4"));
        assert_eq!(learnt.addresses(at(3)).len(), MAX_ADDRESSES_OF_A_BOX);
    }

    #[test]
    fn a_box_is_forgotten_when_nobody_has_heard_of_it_for_long_and_learnt_again() {
        let (mut learnt, hour) = (Learnt::default(), FORGOTTEN_AFTER.as_secs());
        let message = received("10.9.0.4", true, Body::Leave);
        learnt.learn(at(10), &message, ip("10.9.0.4"));
        assert_eq!(shown(learnt.addresses(at(10 + hour - 1))), "10.9.0.4");
        assert_eq!(shown(learnt.addresses(at(10 + hour))), "");
        learnt.learn(at(20 + hour), &message, ip("10.9.0.4"));
        assert_eq!(shown(learnt.addresses(at(20 + hour))), "10.9.0.4");
    }

    #[test]
    fn no_more_boxes_are_learnt_than_a_group_may_have_until_one_is_forgotten() {
        let mut learnt = Learnt::default();
        let id = |n: usize| format!("10.9.{}.{}", n / 100, n % 100 + 1);
        let hears =
            |learnt: &mut Learnt, n: usize, now| learnt.learn(now, &received(&id(n), true, Body::Leave), ip(&id(n)));
        for n in 0..MAX_HOSTS {
            assert!(hears(&mut learnt, n, at(n as u64)));
        }
        assert!(!hears(&mut learnt, MAX_HOSTS, at(1000)));
        assert_eq!(learnt.addresses(at(1000)).len(), MAX_HOSTS);
        // The first has been silent for long.
        assert!(hears(&mut learnt, MAX_HOSTS, at(FORGOTTEN_AFTER.as_secs())));
        assert!(!learnt.addresses(at(1000)).contains(&ip(&id(0))));
    }

    #[test]
    fn all_are_told_but_the_box_itself_and_each_where_it_is_reached() {
        let configured = [ip("10.9.0.2"), ip("10.9.1.2")];
        let learnt = ["10.9.0.1", "10.9.0.2", "10.9.0.4", "fd00::4"].map(ip).into();
        let all = all(&configured, learnt, ["10.9.0.1", "10.9.1.1"].map(ip).into_iter());
        assert_eq!(shown(all.clone()), "10.9.0.2 10.9.0.4 10.9.1.2 fd00::4");
        let table = [("10.9.0.0", "10.9.0.2 10.9.0.4"), ("10.9.1.0", "10.9.1.2"), ("10.9.2.0", "")];
        for (network, expected) in table {
            assert_eq!(shown(on_link(&all, Prefix::new(ip(network), 24).unwrap()).collect()), expected, "{network}");
        }
    }
}
