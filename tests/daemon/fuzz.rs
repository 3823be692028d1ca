//! Bad datagrams by the thousand: random ones, and good ones with a few octets changed.

use super::snmp::get_next_request;
use nix::sched::{CloneFlags, setns};
use rais::wire::{Codec, Key, KeyId};
use rais_core::info_message::{Body, Message};
use rais_core::quantity::{Incarnation, Sequence};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// A small generator of our own, so that a failure can be repeated: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Octets of no meaning, or `good` with one to four octets changed, cut or repeated.
    fn spoil(&mut self, good: &[u8]) -> Vec<u8> {
        if self.below(2) == 0 {
            let length = self.below(1500);
            return (0..length).map(|_| self.next() as u8).collect();
        }
        let mut bad = good.to_vec();
        for _ in 0..=self.below(4) {
            let position = self.below(bad.len());
            match self.below(4) {
                0 => bad.truncate(position + 1),
                1 => bad.extend_from_slice(&good[..position.min(good.len())]),
                _ => bad[position] ^= 1 << self.below(8),
            }
        }
        bad
    }
}

pub(super) fn in_namespace<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
    let thread = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    });
    thread.join().unwrap()
}

/// Sends bad datagrams to the lab's group and returns how many. Some are forged under another key, some come from
/// beyond the link.
pub(super) fn group_port(namespace: &str, count: u64) -> u64 {
    in_namespace(namespace, move || {
        let key = Key::from_hex(&"11".repeat(32)).unwrap();
        let codec = Codec::new("http".parse().unwrap(), &BTreeMap::from([(KeyId(1), key)]), KeyId(1)).unwrap();
        let message = Message {
            sender: "10.99.0.9".parse().unwrap(),
            incarnation: Incarnation(1),
            sequence: Sequence(1),
            body: Body::Leave,
        };
        let forged = codec.encode(&message).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::new(10, 99, 0, 254), 0)).unwrap();
        let mut random = Random(1);
        for number in 0..count {
            // One in a hundred has come through a router.
            let ttl = if number % 100 == 0 { 254 } else { 255 };
            socket.set_multicast_ttl_v4(ttl).unwrap();
            let datagram = if number % 10 == 0 { forged.clone() } else { random.spoil(&forged) };
            socket.send_to(&datagram, "239.77.0.1:7077").unwrap();
            pace(number);
        }
        count
    })
}

/// Sends bad datagrams and good requests to an agent and returns how many were sent and answered.
pub(super) fn snmp_port(namespace: &str, agent: &'static str, community: &[u8], count: u64) -> (u64, u64) {
    let good = get_next_request(community);
    in_namespace(namespace, move || {
        let socket = UdpSocket::bind((Ipv4Addr::new(10, 99, 0, 254), 0)).unwrap();
        socket.connect(agent).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut random = Random(2);
        let (mut answered, mut buffer) = (0, [0; 2000]);
        for number in 0..count {
            let datagram = if number % 50 == 0 { good.clone() } else { random.spoil(&good) };
            socket.send(&datagram).unwrap();
            pace(number);
            while socket.recv(&mut buffer).is_ok() {
                answered += 1;
            }
        }
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        while socket.recv(&mut buffer).is_ok() {
            answered += 1;
        }
        assert!(answered >= count / 50, "{answered} answers");
        (count, answered)
    })
}

/// A receive buffer holds some hundred datagrams; what overflows it is dropped by the kernel and counted by nobody here.
fn pace(number: u64) {
    if number % 32 == 31 {
        std::thread::sleep(Duration::from_millis(4));
    }
}
