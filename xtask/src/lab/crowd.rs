//! The clients of very many addresses in one: a neighbour cache of its own, and an echo to every address in turn.
//!
//! A kernel's cache would do for a few addresses (and the [`Prober`](super::Prober) uses it); for a thousand its limits,
//! which all namespaces share, would be measured instead of the boxes. This cache is stricter than any kernel's: what it
//! once learnt it changes only for an announcement (RFC 826: whatever ARP packet names the address as its sender's), and
//! it never asks again by itself. It may also just listen, so that nothing disturbs who takes over. IPv4 alone.

use super::neighbours::{BROADCAST, arp_request, link_address, own_mac};
use super::network::{LAN, Namespace};
use super::plan::{BoxPlan, CLIENT_V4, Mac};
use super::prober::{FRAME, Frame, echo_reply, echo_request, frames, prefer_this_thread, receive_frame};
use super::trace::{Answer, Trace};
use anyhow::{Result, bail, ensure};
use nix::sys::socket::{LinkAddr, MsgFlags, SockProtocol, bind, sendto};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Probes are sent, and what arrived is read, in portions this often.
const TICK: Duration = Duration::from_millis(1);

/// A running crowd; stopped when dropped.
#[derive(Debug)]
pub struct Crowd {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    /// Between two probes of one address, in microseconds; 0: only listen.
    every_us: AtomicU64,
    known: Mutex<Known>,
}

/// What it learnt.
#[derive(Debug)]
struct Known {
    trace: Trace,
    cache: BTreeMap<IpAddr, Mac>,
    /// When which box announced an address: every change of the cache, and every announcement that confirms it.
    announced: BTreeMap<IpAddr, Vec<(Instant, usize)>>,
}

impl Crowd {
    /// Starts listening; `boxes` are who may answer.
    pub fn start(client: &Namespace, boxes: &[BoxPlan], targets: &[IpAddr]) -> Result<Self> {
        let targets = targets.iter().map(|target| match target {
            IpAddr::V4(target) => Ok(*target),
            IpAddr::V6(_) => bail!("a crowd speaks IPv4 alone"),
        });
        let targets = targets.collect::<Result<Vec<_>>>()?;
        let known = Known {
            trace: Trace::new(targets.iter().map(|target| IpAddr::from(*target))),
            cache: BTreeMap::new(),
            announced: BTreeMap::new(),
        };
        let shared =
            Arc::new(Shared { stop: AtomicBool::new(false), every_us: AtomicU64::new(0), known: known.into() });
        let (sockets, index, own) = client.inside(|| {
            let index = nix::net::if_::if_nametoindex(LAN)?;
            // One socket for all protocols would be shown each of its own frames, too.
            let (ip, arp) = (frames(SockProtocol::EthIp)?, frames(SockProtocol::EthAll)?);
            bind(arp.as_raw_fd(), &link_address(index, libc::ETH_P_ARP, BROADCAST)?)?;
            Ok((Sockets { ip, arp }, index, own_mac()?))
        })?;
        let boxes = boxes.iter().enumerate().map(|(index, b)| (b.lan_mac(), index)).collect();
        let worker = Worker { sockets, index, own, boxes, targets, next_target: 0, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("crowd".into()).spawn(move || {
            if let Err(error) = worker.run() {
                eprintln!("error: the crowd: {error:#}");
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// From now on every address is probed once in this time, in turn; zero: only listen.
    pub fn set_pace(&self, every: Duration) {
        self.shared.every_us.store(u64::try_from(every.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }

    /// Forgets where everything is: the next probe of an address asks for it anew.
    pub fn forget(&self) {
        self.known().cache.clear();
    }

    /// How many of its addresses were answered for within `age`.
    pub fn answering(&self, targets: &[IpAddr], age: Duration) -> Result<usize> {
        self.check()?;
        let (now, known) = (Instant::now(), self.known());
        Ok(targets.iter().filter(|target| known.trace.answers_now(**target, now, age).is_some()).count())
    }

    /// When anybody but `not` first answered for each of these addresses after `since`; those that nobody did are
    /// missing.
    pub fn first_answers(&self, targets: &[IpAddr], not: usize, since: Instant) -> Result<Vec<Instant>> {
        self.check()?;
        let known = self.known();
        Ok(targets.iter().filter_map(|target| known.trace.first_other(*target, not, since)).collect())
    }

    /// When anybody but `not` first announced each of these addresses after `since`; those that nobody did are missing.
    pub fn first_announcements(&self, targets: &[IpAddr], not: usize, since: Instant) -> Result<Vec<Instant>> {
        self.check()?;
        let known = self.known();
        let first = |target: &IpAddr| {
            let announced = known.announced.get(target)?;
            announced.iter().find(|(at, from)| *at >= since && *from != not).map(|(at, _)| *at)
        };
        Ok(targets.iter().filter_map(first).collect())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.shared)
    }

    fn check(&self) -> Result<()> {
        ensure!(self.thread.as_ref().is_some_and(|thread| !thread.is_finished()), "the crowd has ended");
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What went wrong was printed when it did.
            let _ = thread.join();
        }
    }
}

struct Sockets {
    ip: OwnedFd,
    arp: OwnedFd,
}

struct Worker {
    sockets: Sockets,
    index: u32,
    own: Mac,
    boxes: BTreeMap<Mac, usize>,
    targets: Vec<Ipv4Addr>,
    next_target: usize,
    shared: Arc<Shared>,
}

impl Worker {
    /// Looks at what arrived and sends the next portion, by turns, and rests between. Frames carry the moment of their
    /// arrival, so nothing is gained by reading each at once: a thread that woke for every one of a thousand announcements
    /// would take the processor from who sends them.
    fn run(mut self) -> Result<()> {
        prefer_this_thread();
        let mut next = Instant::now();
        // Probes owed, in parts of one: the pace rarely divides into whole portions.
        let mut owed = 0.0;
        while !self.shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            self.receive();
            let every = self.shared.every_us.load(Ordering::Relaxed);
            if every > 0 {
                owed += self.targets.len() as f64 * TICK.as_micros() as f64 / every as f64;
                for _ in 0..(owed as usize).min(self.targets.len()) {
                    self.probe()?;
                }
                owed = owed.fract();
            }
            // A late portion is not made up for: a burst would only measure the client.
            next = (next + TICK).max(Instant::now());
        }
        Ok(())
    }

    /// Probes the next address, or asks for it. A failure is as good as a lost probe.
    fn probe(&mut self) -> Result<()> {
        let Some(target) = self.targets.get(self.next_target).copied() else { return Ok(()) };
        self.next_target = (self.next_target + 1) % self.targets.len();
        let cached = lock(&self.shared).cache.get(&IpAddr::from(target)).copied();
        let _ = match cached {
            Some(mac) => send(&self.sockets.ip, &echo_packet(target), &link_address(self.index, libc::ETH_P_IP, mac)?),
            None => {
                let to = link_address(self.index, libc::ETH_P_ARP, BROADCAST)?;
                send(&self.sockets.arp, &arp_request(self.own, target), &to)
            }
        };
        Ok(())
    }

    /// Takes down every answer and announcement that has arrived. A changed cache first: the next probes go by it.
    fn receive(&self) {
        let Sockets { ip, arp } = &self.sockets;
        let mut buffer = [0; FRAME];
        while let Some(Frame { packet, from, at }) = receive_frame(arp, &mut buffer) {
            let Some(from) = self.boxes.get(&from).copied() else { continue };
            if let Some((address, claimed)) = arp_claim(packet) {
                let mut known = lock(&self.shared);
                known.cache.insert(address, claimed);
                known.announced.entry(address).or_default().push((at, from));
            }
        }
        while let Some(Frame { packet, from, at }) = receive_frame(ip, &mut buffer) {
            let Some(from) = self.boxes.get(&from).copied() else { continue };
            if let Some((address, _)) = echo_reply(packet) {
                lock(&self.shared).trace.record(address, Answer { at, from: Some(from) });
            }
        }
    }
}

fn send(fd: &OwnedFd, packet: &[u8], to: &LinkAddr) -> nix::Result<usize> {
    sendto(fd.as_raw_fd(), packet, to, MsgFlags::empty())
}

/// The address that an ARP packet's sender claims, and at which MAC address (RFC 826).
fn arp_claim(packet: &[u8]) -> Option<(IpAddr, Mac)> {
    // Ethernet and IPv4, with their address lengths; requests and answers alike.
    let is_arp = packet.get(..6)? == [0, 1, 0x08, 0, 6, 4];
    let mac: [u8; 6] = packet.get(8..14)?.try_into().ok()?;
    let sender: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    is_arp.then_some((sender.into(), Mac(mac)))
}

/// An echo request from the client in an IPv4 packet (RFC 791, RFC 792).
fn echo_packet(target: Ipv4Addr) -> Vec<u8> {
    let echo = echo_request(8, 0);
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    packet.extend(CLIENT_V4.octets());
    packet.extend(target.octets());
    let sum: u32 =
        packet.chunks_exact(2).map(|word| word.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = (!u16::try_from(sum).unwrap_or(u16::MAX)).to_be_bytes();
    packet.splice(10..12, checksum);
    packet.extend(echo);
    packet
}

/// A poisoned lock still holds everything that arrived.
fn lock(shared: &Shared) -> MutexGuard<'_, Known> {
    shared.known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_packet_has_a_right_header_checksum() {
        let packet = echo_packet(Ipv4Addr::new(10, 78, 3, 250));
        let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!((packet.len(), packet[20]), (28, 8));
    }

    #[test]
    fn requests_and_answers_claim_their_senders_address_and_nothing_else_does() {
        let request = arp_request(Mac([2; 6]), Ipv4Addr::new(10, 78, 0, 1));
        assert_eq!(arp_claim(&request), Some((CLIENT_V4.into(), Mac([2; 6]))));
        assert_eq!(arp_claim(&echo_packet(Ipv4Addr::new(10, 78, 0, 1))), None);
        assert_eq!(arp_claim(&request[..17]), None);
    }
}
