//! The client's eyes: an ICMP echo to every service address every few milliseconds, and who answered.
//!
//! The kernel of whoever has an address answers, so the prober needs nothing of raisd and can not be fooled by it. The
//! client's own kernel resolves and caches the neighbours, as any client's does. Answers are read as frames, because the
//! sender's MAC address names the box in both modes. `protocol.md` §10.

use super::network::Namespace;
use super::plan::{BoxPlan, Mac};
use super::trace::{Answer, Probes, Seen, Trace};
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    SockaddrLike, recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Marks our echoes among others'.
const IDENTIFIER: u16 = 0x7a15;
/// Largest frame looked at: our echoes are 36 octets, and the rest of a longer frame is of no interest.
pub const FRAME: usize = 128;
/// Answers may come in bursts while this process is not scheduled.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A running prober; stopped when dropped.
#[derive(Debug)]
pub struct Prober {
    trace: Arc<Mutex<Trace>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts probing `targets` from the client's namespace, each once in `every`; `boxes` are who may answer.
    pub fn start(client: &Namespace, boxes: &[BoxPlan], targets: Vec<IpAddr>, every: Duration) -> Result<Self> {
        let trace = Arc::new(Mutex::new(Trace::new(targets.iter().copied())));
        let stop = Arc::new(AtomicBool::new(false));
        let boxes = boxes.iter().enumerate().map(|(index, b)| (b.lan_mac(), index)).collect();
        // Opened on a thread inside the namespace; a socket stays where it was opened.
        let sockets = client.inside(Sockets::open)?;
        let (failed, failure) = mpsc::channel();
        let worker = Worker { sockets, targets, boxes, every, trace: Arc::clone(&trace), stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("prober".into()).spawn(move || {
            if let Err(error) = worker.run() {
                eprintln!("error: the prober: {error:#}");
                // Nobody may listen any more.
                let _ = failed.send(());
            }
        })?;
        if failure.try_recv().is_ok() {
            bail!("the prober does not start");
        }
        Ok(Self { trace, stop, thread: Some(thread) })
    }

    /// What `address` looked like to the client from `since` until now. Errs if the prober is dead: an empty trace proves
    /// nothing.
    pub fn seen(&self, address: IpAddr, since: Instant) -> Result<Seen> {
        self.check()?;
        Ok(lock(&self.trace).seen(address, since, Instant::now()))
    }

    /// Who answers for `address` at this moment.
    pub fn answers_now(&self, address: IpAddr, age: Duration) -> Result<Option<Answer>> {
        self.check()?;
        Ok(lock(&self.trace).answers_now(address, Instant::now(), age))
    }

    /// What became of the probes of `address` from `since` until `until`.
    pub fn probes(&self, address: IpAddr, since: Instant, until: Instant) -> Result<Probes> {
        self.check()?;
        Ok(lock(&self.trace).probes(address, since, until))
    }

    /// How often another box than `home` began to answer for `address` since.
    pub fn takeovers(&self, address: IpAddr, home: usize, since: Instant) -> Result<usize> {
        self.check()?;
        Ok(lock(&self.trace).takeovers(address, home, since, Instant::now()))
    }

    fn check(&self) -> Result<()> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            bail!("the prober has ended");
        }
        Ok(())
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What went wrong was printed when it did.
            let _ = thread.join();
        }
    }
}

/// Everything open inside the client's namespace.
struct Sockets {
    echo_v4: OwnedFd,
    echo_v6: OwnedFd,
    frames_v4: OwnedFd,
    frames_v6: OwnedFd,
}

impl Sockets {
    fn open() -> Result<Self> {
        let raw = |family, protocol| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(family, SockType::Raw, flags, protocol).context("no raw socket: root is needed")
        };
        let echo_v4 = raw(AddressFamily::Inet, SockProtocol::Icmp)?;
        let echo_v6 = raw(AddressFamily::Inet6, SockProtocol::IcmpV6)?;
        Ok(Self {
            echo_v4,
            echo_v6,
            frames_v4: frames(SockProtocol::EthIp)?,
            frames_v6: frames(SockProtocol::EthIpv6)?,
        })
    }
}

/// A socket that sees every frame of one protocol that arrives, from its network header on, with its sender's MAC.
pub fn frames(protocol: SockProtocol) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, protocol)
        .context("no packet socket: root is needed")?;
    setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
    Ok(fd)
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Frame<'a> {
    /// From its network header on, and cut to the buffer.
    pub packet: &'a [u8],
    /// Who sent it.
    pub from: Mac,
    /// When it reached this host: after a thousand that came at once the last was read milliseconds later, and that is
    /// no fault of whoever sent them.
    pub at: Instant,
}

struct Worker {
    sockets: Sockets,
    targets: Vec<IpAddr>,
    boxes: BTreeMap<Mac, usize>,
    every: Duration,
    trace: Arc<Mutex<Trace>>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    fn run(self) -> Result<()> {
        prefer_this_thread();
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= next {
                let sequence = lock(&self.trace).round(now);
                for target in &self.targets {
                    self.send(*target, sequence);
                }
                // A late round is not made up for: a burst would only measure the client.
                next = (next + self.every).max(now);
            }
            self.receive(next.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// One echo request. A failure is as good as a lost probe: the address stays silent.
    fn send(&self, target: IpAddr, sequence: u16) {
        let _ = match target {
            IpAddr::V4(to) => {
                let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                transmit(&self.sockets.echo_v4, &echo_request(8, sequence), &to)
            }
            // The kernel computes this one's checksum: it covers the addresses.
            IpAddr::V6(to) => {
                let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, 0));
                transmit(&self.sockets.echo_v6, &echo_request(128, sequence), &to)
            }
        };
    }

    /// Waits for frames for at most `patience`, and takes down every answer among them.
    fn receive(&self, patience: Duration) -> Result<()> {
        let both = [&self.sockets.frames_v4, &self.sockets.frames_v6];
        let mut ready = both.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        match ppoll(&mut ready, Some(TimeSpec::from_duration(patience)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        for fd in both {
            let mut buffer = [0; FRAME];
            while let Some(Frame { packet, from, at }) = receive_frame(fd, &mut buffer) {
                if let Some((address, sequence)) = echo_reply(packet) {
                    let answer = Answer { at, from: self.boxes.get(&from).copied() };
                    let mut trace = lock(&self.trace);
                    trace.record(address, answer);
                    trace.answered(address, sequence);
                }
            }
        }
        Ok(())
    }
}

/// The next frame that is there.
pub fn receive_frame<'a>(fd: &OwnedFd, buffer: &'a mut [u8; FRAME]) -> Option<Frame<'a>> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<LinkAddr>(fd.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty()).ok()?;
    let (length, from) = (message.bytes, Mac(message.address?.addr()?));
    let stamp = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    })?;
    Some(Frame { packet: buffer.get(..length)?, from, at: monotonic(stamp) })
}

/// Waits for a packet from a box to the client's segment that is as wanted, and gives when it arrived.
pub fn wait_for_packet(
    client: &Namespace,
    from: Mac,
    wanted: impl Fn(&[u8]) -> bool,
    patience: Duration,
) -> Result<Instant> {
    let socket = client.inside(|| frames(SockProtocol::EthIp))?;
    const LOOK_EVERY: Duration = Duration::from_micros(200);
    let (deadline, mut buffer) = (Instant::now() + patience, [0; FRAME]);
    while Instant::now() < deadline {
        while let Some(frame) = receive_frame(&socket, &mut buffer) {
            if frame.from == from && wanted(frame.packet) {
                return Ok(frame.at);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("the box is not heard for {patience:?}")
}

/// The moment of a kernel's time stamp, which is in the time of day: as long ago by this clock as by that one.
fn monotonic(stamp: TimeSpec) -> Instant {
    let (now, today) = (Instant::now(), SystemTime::now());
    let ago = today.duration_since(SystemTime::UNIX_EPOCH + Duration::from(stamp)).unwrap_or_default();
    now.checked_sub(ago).unwrap_or(now)
}

fn transmit(fd: &OwnedFd, message: &[u8], to: &impl SockaddrLike) -> nix::Result<usize> {
    sendto(fd.as_raw_fd(), message, to, MsgFlags::empty())
}

/// An ICMP (type 8) or ICMPv6 (type 128) echo request with the checksum of the former.
pub fn echo_request(kind: u8, sequence: u16) -> [u8; 8] {
    let [id_high, id_low] = IDENTIFIER.to_be_bytes();
    let [seq_high, seq_low] = sequence.to_be_bytes();
    let word = u16::from_be_bytes([kind, 0]);
    let sum = u32::from(word) + u32::from(IDENTIFIER) + u32::from(sequence);
    // RFC 1071: the carries are added back, twice suffices for three words.
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let [sum_high, sum_low] = (!u16::try_from(sum).unwrap_or(u16::MAX)).to_be_bytes();
    [kind, 0, sum_high, sum_low, id_high, id_low, seq_high, seq_low]
}

/// The address that answers one of our echoes in this packet and the echo's sequence number, if it is such an answer.
pub fn echo_reply(packet: &[u8]) -> Option<(IpAddr, u16)> {
    let (from, icmp, reply) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            (packet.get(9) == Some(&1)).then_some((IpAddr::from(Ipv4Addr::from(from)), packet.get(header..)?, 0))?
        }
        6 => {
            let from: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            (packet.get(6) == Some(&58)).then_some((IpAddr::from(Ipv6Addr::from(from)), packet.get(40..)?, 129))?
        }
        _ => return None,
    };
    let ours = icmp.first() == Some(&reply) && icmp.get(4..6) == Some(&IDENTIFIER.to_be_bytes()[..]);
    let sequence: [u8; 2] = icmp.get(6..8)?.try_into().ok()?;
    ours.then_some((from, u16::from_be_bytes(sequence)))
}

/// A prober that waits for a processor measures the machine. Best effort: a container may forbid it.
pub fn prefer_this_thread() {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: a plain system call on this thread with a valid pointer; failure changes nothing.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
}

/// A poisoned lock still holds every answer that arrived.
fn lock(trace: &Mutex<Trace>) -> MutexGuard<'_, Trace> {
    trace.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of all words with the carries added back: all ones for a message with a right checksum (RFC 1071).
    fn folded(message: &[u8]) -> u32 {
        let sum: u32 = message.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        (sum & 0xffff) + (sum >> 16)
    }

    #[test]
    fn every_echo_request_has_a_right_checksum() {
        for sequence in 0..=u16::MAX {
            assert_eq!(folded(&echo_request(8, sequence)), 0xffff, "{sequence}");
        }
    }

    #[test]
    fn only_an_answer_to_our_own_echo_counts() {
        let address = [10, 77, 0, 101];
        let mut reply = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 101, 1, 0, 0];
        reply.extend(address);
        reply.extend([10, 77, 0, 254, 0, 0, 0, 0, 0x7a, 0x15, 0, 1]);
        assert_eq!(echo_reply(&reply), Some((IpAddr::from(address), 1)));
        for (at, octet, why) in
            [(9, 17, "not ICMP"), (20, 8, "a request"), (25, 0, "another's"), (0, 0x55, "neither version 4 nor 6")]
        {
            let mut other = reply.clone();
            other[at] = octet;
            assert_eq!(echo_reply(&other), None, "{why}");
        }
        for length in 0..28 {
            assert_eq!(echo_reply(&reply[..length]), None, "cut after {length} octets");
        }
    }
}
