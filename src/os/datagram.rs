//! A UDP socket that answers from the address it was asked at, whatever its routes say.
//!
//! A management station that polls one address of a box drops a reply from another, and a box here has many, some of
//! them for seconds only. So the destination of every datagram is asked of the kernel (`IP_PKTINFO`, RFC 3542) and
//! handed back with the reply. It knows datagrams, not what is in them.

use super::batch::{self, Batch};
use nix::errno::Errno;
use nix::sys::socket;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

/// Room for some hundred requests while the task that answers is descheduled.
const BUFFER: usize = 256 * 1024;

/// Why a socket can not be opened. Nothing was left open.
#[derive(Debug, Error)]
#[error("UDP {address}: {source}")]
pub struct DatagramError {
    /// The address and port.
    pub address: SocketAddr,
    /// Why: another process has the port, the address is not this box's, or the right to ports below 1024 is missing.
    #[source]
    pub source: io::Error,
}

/// A socket that hears datagrams and answers them, for a thread that does nothing else: to be asleep in the kernel until
/// the next one costs least.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: Socket,
    address: SocketAddr,
    closed: AtomicBool,
}

/// Who sent a datagram, and to which of the box's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Octets written to the buffer; a longer datagram was cut.
    pub length: usize,
    /// It did not fit.
    pub truncated: bool,
    /// Who sent it.
    pub by: SocketAddr,
    /// The address it was sent to; the answer leaves from it.
    pub at: IpAddr,
    /// Kernel index of the interface it came in on: a link-local answer needs it.
    pub(super) interface_index: u32,
}

impl DatagramSocket {
    /// Opens and binds it.
    ///
    /// # Errors
    /// [`DatagramError`].
    pub fn open(address: SocketAddr) -> Result<Self, DatagramError> {
        let fail = |source| DatagramError { address, source };
        let socket = open_socket(address).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?.as_socket().unwrap_or(address);
        Ok(Self { socket, address, closed: AtomicBool::new(false) })
    }

    /// Where it listens; with the port the kernel chose, if it was to choose one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a datagram, and takes those that have come besides, as many as the batch has room for. `false` once it is
    /// closed.
    ///
    /// # Errors
    /// The kernel's; the next call may succeed.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<bool> {
        loop {
            let received = batch.receive(self.socket.as_raw_fd());
            if self.closed.load(Ordering::Acquire) {
                return Ok(false);
            }
            match received {
                Err(Errno::EINTR) => {}
                other => return other.map(|()| true).map_err(io::Error::from),
            }
        }
    }

    /// Ends every [`receive`](Self::receive), those that wait already too. The port is free when nobody has the socket
    /// any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Says that there is no connection, and wakes whoever waits all the same.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Answers from the address that was asked. Never waits: what the kernel does not take at once is lost, as UDP may.
    ///
    /// # Errors
    /// The kernel's: no route, no buffer, or the address that was asked is not this box's any more.
    pub fn answer(&self, asked: &Asked, datagram: &[u8]) -> io::Result<()> {
        let mut result = Ok(());
        batch::send(self.socket.as_raw_fd(), std::iter::once((asked, datagram)), |_, error| result = Err(error.into()));
        result
    }

    /// Answers every datagram of a batch for which there is an answer, as [`answer`](Self::answer) does, and tells which
    /// of them failed. Returns how many were sent.
    pub fn answer_all(&self, batch: &Batch, mut failed: impl FnMut(&Asked, io::Error)) -> usize {
        let answers = batch.questions().map(|question| (&question.asked, &*question.answer));
        let answers = answers.filter(|(_, answer)| !answer.is_empty());
        batch::send(self.socket.as_raw_fd(), answers, |asked, error| failed(asked, error.into()))
    }
}

/// A socket that talks to one peer, from an address of the caller's choice. What others send to it, it does not hear.
#[derive(Debug)]
pub struct DatagramPeer(AsyncFd<Socket>);

impl DatagramPeer {
    /// Opens it. `source` `None`: the kernel chooses, once. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`DatagramError`] with the peer's address: no route, or `source` is not this box's.
    pub fn open(source: Option<IpAddr>, peer: SocketAddr) -> Result<Self, DatagramError> {
        let open = || {
            let socket = Socket::new(Domain::for_address(peer), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
            if let Some(source) = source {
                socket.bind(&SocketAddr::new(source, 0).into())?;
            }
            socket.connect(&peer.into())?;
            // SAFETY: the `AsyncFd` owns the socket, nobody else has it, and its descriptor never changes.
            let socket = unsafe { AsyncFd::register(socket) }?;
            Ok(Self(socket))
        };
        open().map_err(|source| DatagramError { address: peer, source })
    }

    /// Sends one datagram. Never waits.
    ///
    /// # Errors
    /// The kernel's, of this datagram or, as UDP has it, of one before it that the peer refused.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        self.0.get_ref().send(datagram).map(drop)
    }

    /// The next datagram of the peer, and how long it is. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// The kernel's: what was sent was refused. The next call may succeed.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|socket| io::Read::read(&mut socket.get_ref(), buffer)) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }
}

fn open_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // A reload that narrows 0.0.0.0 to one address opens the new socket before it closes the old one.
    socket.set_reuse_address(true)?;
    let _ = socket.set_recv_buffer_size(BUFFER);
    if address.is_ipv4() {
        socket::setsockopt(&socket, Ipv4PacketInfo, &true)?;
    } else {
        socket.set_only_v6(true)?;
        socket::setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::Arc;

    #[test]
    fn the_answer_leaves_from_the_address_that_was_asked() {
        // 127.0.0.2 is as local as 127.0.0.1, but no route would choose it as a source.
        let rows = [("0.0.0.0:0", "127.0.0.2", "127.0.0.1:0"), ("[::]:0", "::1", "[::1]:0")];
        for (listen, asked_at, client) in rows {
            let server = DatagramSocket::open(listen.parse().unwrap()).unwrap();
            let asked_at = SocketAddr::new(asked_at.parse().unwrap(), server.address().port());
            let client = UdpSocket::bind(client).unwrap();
            client.send_to(b"question", asked_at).unwrap();
            let mut batch = Batch::new(4);
            assert!(server.receive(&mut batch).unwrap());
            let question = batch.questions().next().unwrap();
            let asked = question.asked;
            assert_eq!((asked.at, asked.by), (asked_at.ip(), client.local_addr().unwrap()));
            assert!(asked.truncated && question.datagram() == b"ques");
            server.answer(&asked, b"answer").unwrap();
            let mut buffer = [0; 100];
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"answer"[..], asked_at));
        }
    }

    #[test]
    fn of_many_that_wait_each_is_answered_from_where_it_was_asked_and_one_that_can_not_be_keeps_no_other_from_it() {
        let server = DatagramSocket::open("0.0.0.0:0".parse().unwrap()).unwrap();
        let clients: Vec<_> = (0..40_u8).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let asked_at = |number: u8| SocketAddr::from(([127, 0, 0, 2 + number % 5], server.address().port()));
        for (client, number) in clients.iter().zip(0..) {
            client.send_to(&[number; 5], asked_at(number)).unwrap();
        }
        let (mut batch, mut seen, mut sent, mut failures) = (Batch::new(64), 0, 0, Vec::new());
        while seen < clients.len() {
            assert!(server.receive(&mut batch).unwrap());
            for question in batch.questions_mut() {
                let number = question.datagram()[0];
                assert_eq!(question.asked.by, clients[usize::from(number)].local_addr().unwrap());
                question.answer.clear();
                match number {
                    // Nothing to say.
                    3 => {}
                    // Longer than any datagram.
                    7 => question.answer.resize(70_000, number),
                    _ => question.answer.resize(usize::from(number) + 1, number),
                }
                seen += 1;
            }
            sent += server.answer_all(&batch, |asked, _| failures.push(asked.by));
        }
        assert_eq!((sent, failures), (38, vec![clients[7].local_addr().unwrap()]));
        for (client, number) in clients.iter().zip(0..).filter(|(_, number)| ![3, 7].contains(number)) {
            let mut buffer = [0; 100];
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&*vec![number; usize::from(number) + 1], asked_at(number)));
        }
    }

    #[test]
    fn after_many_that_came_alone_those_that_come_together_are_heard_together_and_in_their_order() {
        let server = DatagramSocket::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut batch = Batch::new(64);
        let first = |batch: &Batch| batch.questions().map(|question| question.datagram()[0]).collect::<Vec<_>>();
        for number in 0..100_u8 {
            client.send_to(&[number], server.address()).unwrap();
            assert!(server.receive(&mut batch).unwrap());
            assert_eq!(first(&batch), [number]);
        }
        let all: Vec<u8> = (100..150).collect();
        for number in &all {
            client.send_to(&[*number], server.address()).unwrap();
        }
        let (mut heard, mut calls) = (Vec::new(), 0);
        while heard.len() < all.len() {
            assert!(server.receive(&mut batch).unwrap());
            heard.extend(first(&batch));
            calls += 1;
        }
        assert_eq!(heard, all);
        assert!(calls < 20, "{calls}");
    }

    #[test]
    fn whoever_waits_for_a_datagram_is_told_that_the_socket_is_closed_and_the_port_is_free() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let server = Arc::new(DatagramSocket::open(listen.parse().unwrap()).unwrap());
            let (address, waiting) = (server.address(), Arc::clone(&server));
            let thread = std::thread::spawn(move || !waiting.receive(&mut Batch::new(4)).unwrap());
            server.close();
            assert!(thread.join().unwrap());
            assert!(!server.receive(&mut Batch::new(4)).unwrap(), "and it stays closed");
            drop(server);
            DatagramSocket::open(address).unwrap();
        }
    }

    #[test]
    fn an_address_that_is_not_this_box_s_is_named_in_the_error() {
        let error = DatagramSocket::open("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("UDP 192.0.2.1:0: "), "{error}");
    }
}
