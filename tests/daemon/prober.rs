//! Measures how long a service address is silent for a client: an ICMP echo every millisecond, and who answered.

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two probes.
const PACE: Duration = Duration::from_millis(1);

/// A probe under way.
pub(super) struct Prober {
    stop: Arc<AtomicBool>,
    heard: Receiver<()>,
    thread: JoinHandle<Trace>,
}

/// What was heard.
pub(super) struct Trace {
    start: Instant,
    end: Instant,
    /// When an answer came, and its TTL, which names the box.
    answers: Vec<(Instant, u8)>,
}

impl Prober {
    /// Probes `target` from the namespace until stopped. Returns when the first answer is there.
    pub(super) fn start(namespace: &str, target: Ipv4Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
        let (heard, first) = channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            probe(target, &stopped, &heard)
        });
        first.recv_timeout(super::lab::PATIENCE).expect("the address answers");
        Self { stop, heard: first, thread }
    }

    /// Ends it once another answer has come.
    pub(super) fn stop_after_answer(self) -> Trace {
        // What came before is of no interest.
        while self.heard.try_recv().is_ok() {}
        self.heard.recv_timeout(super::lab::PATIENCE).expect("the address answers again");
        self.stop()
    }

    /// Ends it.
    pub(super) fn stop(self) -> Trace {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn probe(target: Ipv4Addr, stop: &AtomicBool, heard: &Sender<()>) -> Trace {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.connect(&SocketAddr::from((target, 0)).into()).unwrap();
    socket.set_read_timeout(Some(PACE)).unwrap();
    let mut trace = Trace { start: Instant::now(), end: Instant::now(), answers: Vec::new() };
    let mut next = Instant::now();
    let mut buffer = [0; 256];
    let mut sequence = 0_u16;
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            next += PACE;
            sequence = sequence.wrapping_add(1);
            // Unreachable for the moment is what is being measured.
            let _ = socket.send(&echo_request(sequence));
        }
        if let Ok(length) = socket.read(&mut buffer) {
            // IPv4 header: TTL at 8; its length in the low nibble of the first octet; then ICMP type 0, echo reply.
            let header = usize::from(buffer[0] & 0x0f) * 4;
            if length > header && buffer[header] == 0 {
                trace.answers.push((Instant::now(), buffer[8]));
                let _ = heard.send(());
            }
        }
    }
    trace.end = Instant::now();
    trace
}

fn echo_request(sequence: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = 8;
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(folded).unwrap();
    packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    packet
}

impl Trace {
    /// The longest time without an answer, silence at the end of the trace included.
    pub(super) fn longest_silence(&self) -> Duration {
        let times = self.answers.iter().map(|(at, _)| *at);
        let edges: Vec<Instant> = [self.start].into_iter().chain(times).chain([self.end]).collect();
        edges.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }

    /// The numbers of the boxes that answered, in order, without repetition.
    pub(super) fn servers(&self) -> Vec<u8> {
        let mut servers: Vec<u8> = self.answers.iter().map(|(_, ttl)| ttl - 100).collect();
        servers.dedup();
        servers
    }
}
