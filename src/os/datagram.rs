//! A UDP socket that answers from the address it was asked at, whatever its routes say.
//!
//! A management station that polls one address of a box drops a reply from another, and a box here has many, some of
//! them for seconds only. So the destination of every datagram is asked of the kernel (`IP_PKTINFO`, RFC 3542) and
//! handed back with the reply. It knows datagrams, not what is in them.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
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
    interface_index: u32,
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

    /// Waits for the next datagram; `None` once it is closed.
    ///
    /// # Errors
    /// The kernel's; the next call may succeed.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Asked>> {
        loop {
            let received = receive(self.socket.as_raw_fd(), buffer);
            if self.closed.load(Ordering::Acquire) {
                return Ok(None);
            }
            match received {
                Err(Errno::EINTR) => {}
                other => return other.map(Some).map_err(io::Error::from),
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
        let (fd, slices, flags) = (self.socket.as_raw_fd(), [IoSlice::new(datagram)], MsgFlags::MSG_DONTWAIT);
        let sent = match (asked.by, asked.at) {
            (SocketAddr::V4(to), IpAddr::V4(from)) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(to);
                socket::sendmsg(fd, &slices, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))
            }
            (SocketAddr::V6(to), IpAddr::V6(from)) => {
                let link_local = to.ip().is_unicast_link_local();
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                    ipi6_ifindex: if link_local { asked.interface_index } else { 0 },
                };
                let to = SockaddrIn6::from(to);
                socket::sendmsg(fd, &slices, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        };
        sent.map(drop).map_err(io::Error::from)
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

fn receive(fd: i32, buffer: &mut [u8]) -> Result<Asked, Errno> {
    let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = socket::recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
    let address = message.address.ok_or(Errno::EAFNOSUPPORT)?;
    let by = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
        // The scope is part of a link-local address: without it the answer has no way.
        (None, Some(v6)) => std::net::SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into(),
        (None, None) => return Err(Errno::EAFNOSUPPORT),
    };
    let mut asked = None;
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let at = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                asked = Some((IpAddr::from(at), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                asked = Some((IpAddr::from(Ipv6Addr::from(info.ipi6_addr.s6_addr)), info.ipi6_ifindex));
            }
            _ => {}
        }
    }
    let (at, interface_index) = asked.ok_or(Errno::EPROTO)?;
    let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
    Ok(Asked { length: message.bytes, truncated, by, at, interface_index })
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
            let mut buffer = [0; 4];
            let asked = server.receive(&mut buffer).unwrap().unwrap();
            assert_eq!((asked.at, asked.by), (asked_at.ip(), client.local_addr().unwrap()));
            assert!(asked.truncated && asked.length == 4);
            server.answer(&asked, b"answer").unwrap();
            let mut buffer = [0; 100];
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&b"answer"[..], asked_at));
        }
    }

    #[test]
    fn whoever_waits_for_a_datagram_is_told_that_the_socket_is_closed_and_the_port_is_free() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let server = Arc::new(DatagramSocket::open(listen.parse().unwrap()).unwrap());
            let (address, waiting) = (server.address(), Arc::clone(&server));
            let thread = std::thread::spawn(move || waiting.receive(&mut [0; 4]).unwrap().is_none());
            server.close();
            assert!(thread.join().unwrap());
            assert!(server.receive(&mut [0; 4]).unwrap().is_none(), "and it stays closed");
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
