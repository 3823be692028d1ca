//! A control socket: one group address on one control interface, in and out; or, where the network carries no multicast,
//! the box's own address on it, from which every other box is told by itself.
//!
//! Knows datagrams and their time to live, not what is in them, and not who the other boxes are. It hears its own group
//! alone, even where several groups share a port and an interface: it is bound to the group address and to the device.
//! Groups without multicast need a port each. What was sent from off the link shows by a time to live below 255 (G-2);
//! dropping it is the caller's, who counts by cause.

use super::socket_option::MulticastSource;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::sockopt::{Ipv4RecvTtl, Ipv6RecvHopLimit, SndBufForce};
use nix::sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage};
use serde::{Deserialize, Serialize};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use thiserror::Error;

/// Every datagram leaves with this time to live, and one that arrives with less came through a router.
pub const LINK_LOCAL_TTL: u8 = 255;
/// Class selector 6, network control: queued before bulk traffic by every switch and by Linux.
const TRAFFIC_CLASS: u32 = 0xc0;
/// Room for about a hundred full datagrams: a burst of a whole group's info messages while the thread is descheduled.
const RECEIVE_BUFFER: usize = 256 * 1024;
/// Octets of a unicast socket's send buffer; the kernel doubles it. What is sent to a box that is off waits up to 3 s in
/// the kernel for its link-layer address, at most 208 KiB for each box by default, and all of it counts here: with too
/// little room, those that are off would keep the box from talking to those that are on. 63 boxes, and as much to spare.
const UNICAST_SEND_BUFFER: usize = 64 * 208 * 1024 / 2;

/// Why there is no control socket. Nothing was left open.
#[derive(Debug, Error)]
#[error("group {group} on {interface}: {step}: {source}")]
pub struct MulticastError {
    group: SocketAddr,
    interface: String,
    step: &'static str,
    #[source]
    source: io::Error,
}

/// How the other boxes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// All at once, at the group address.
    Multicast,
    /// Each by itself, at its own address and the group's port.
    Unicast,
}

/// What a control socket is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSocketParams {
    /// Multicast address and port of the group; with [`Reach::Unicast`] the port alone has a meaning, and the family.
    pub group: SocketAddr,
    /// How the other boxes are reached.
    pub reach: Reach,
    /// The control interface: the kernel's name for it.
    pub interface: String,
    /// The control interface: the kernel's index.
    pub interface_index: u32,
    /// This box's control address on it, of the group address's family: what the datagrams come from. Without it the
    /// kernel would choose, and it might choose a service address.
    pub source: IpAddr,
}

/// One datagram that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Octets written to the buffer. If `truncated`, there were more.
    pub length: usize,
    /// It did not fit into the buffer.
    pub truncated: bool,
    /// Time to live or hop limit it arrived with; 0 if the kernel did not say.
    pub ttl: u8,
    /// Who sent it.
    pub source: SocketAddr,
    /// Kernel index of the interface it came in on.
    pub interface_index: u32,
}

/// A control socket. It never blocks: wait for its descriptor. Dropping it leaves the multicast group.
#[derive(Debug)]
pub struct ControlSocket {
    socket: Socket,
    params: ControlSocketParams,
}

impl ControlSocket {
    /// Opens it and joins the group. If the interface is deleted and made again the socket stays deaf: open a new one.
    /// Loss of carrier, and the interface going down and up, need nothing.
    ///
    /// # Errors
    /// [`MulticastError`] with the step that failed; the right needed is `CAP_NET_RAW` (to bind to a device).
    pub fn open(params: ControlSocketParams) -> Result<Self, MulticastError> {
        match open_socket(&params) {
            Ok(socket) => Ok(Self { socket, params }),
            Err((step, source)) => {
                let ControlSocketParams { group, interface, .. } = params;
                Err(MulticastError { group, interface, step, source })
            }
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn params(&self) -> &ControlSocketParams {
        &self.params
    }

    /// Tells the other boxes: all at once, or without multicast each of `peers` by itself. What can not be sent is dropped.
    pub fn tell(&self, datagram: &[u8], peers: impl IntoIterator<Item = IpAddr>) {
        match self.params.reach {
            Reach::Multicast => _ = self.send(datagram),
            Reach::Unicast => peers.into_iter().for_each(|peer| _ = self.send_to(datagram, peer)),
        }
    }

    /// Sends one datagram to the group address. `false`: the kernel did not take it at once, for want of a carrier, an
    /// address or room, and it is dropped: a heartbeat that is late is worth less than the next one on time.
    pub fn send(&self, datagram: &[u8]) -> bool {
        self.send_or_drop(datagram, self.params.group)
    }

    /// Sends one datagram to one box of the group, at its own address on this link. `false`: dropped, in the same way.
    pub fn send_to(&self, datagram: &[u8], peer: IpAddr) -> bool {
        self.send_or_drop(datagram, SocketAddr::new(peer, self.params.group.port()))
    }

    fn send_or_drop(&self, datagram: &[u8], to: SocketAddr) -> bool {
        let sent = self.try_send(datagram, to);
        if let Err(error) = sent {
            tracing::debug!(%to, interface = self.params.interface, %error, "not sent");
        }
        sent.is_ok()
    }

    fn try_send(&self, datagram: &[u8], to: SocketAddr) -> Result<(), Errno> {
        let (fd, slices, flags) = (self.socket.as_raw_fd(), [IoSlice::new(datagram)], MsgFlags::MSG_DONTWAIT);
        let sent = match (to, self.params.source) {
            (SocketAddr::V6(to), IpAddr::V6(source)) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: self.params.interface_index,
                };
                // The scope matters for link-local groups, and harms no other.
                let to = SocketAddrV6::new(*to.ip(), to.port(), 0, self.params.interface_index);
                let to = SockaddrIn6::from(to);
                socket::sendmsg(fd, &slices, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))
            }
            (SocketAddr::V4(to), _) => socket::sendmsg(fd, &slices, &[], flags, Some(&SockaddrIn::from(to))),
            (SocketAddr::V6(_), IpAddr::V4(_)) => Err(Errno::EAFNOSUPPORT),
        };
        sent.map(drop)
    }

    /// Takes one datagram that is waiting; `None` if there is none.
    pub fn recv(&self, buffer: &mut [u8]) -> Option<Received> {
        loop {
            match self.try_recv(buffer) {
                Ok(received) => return Some(received),
                Err(Errno::EAGAIN) => return None,
                Err(Errno::EINTR) => {}
                Err(error) => {
                    // An error that waits on a socket is taken off it by reading it, so this ends.
                    tracing::debug!(group = %self.params.group, interface = self.params.interface, %error, "not received");
                    return None;
                }
            }
        }
    }

    fn try_recv(&self, buffer: &mut [u8]) -> Result<Received, Errno> {
        let mut control = cmsg_space!(libc::c_int, libc::in_pktinfo, libc::in6_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = socket::recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let source = message.address.as_ref().and_then(socket_address).ok_or(Errno::EAFNOSUPPORT)?;
        let (mut ttl, mut interface_index) = (0, 0);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv4Ttl(value) | ControlMessageOwned::Ipv6HopLimit(value) => {
                    ttl = u8::try_from(value).unwrap_or(0);
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    interface_index = u32::try_from(info.ipi_ifindex).unwrap_or(0)
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => interface_index = info.ipi6_ifindex,
                _ => {}
            }
        }
        let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
        Ok(Received { length: message.bytes, truncated, ttl, source, interface_index })
    }
}

impl AsFd for ControlSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::from((v4.ip(), v4.port()))),
        (None, Some(v6)) => Some(SocketAddr::from((v6.ip(), v6.port()))),
        (None, None) => None,
    }
}

fn open_socket(params: &ControlSocketParams) -> Result<Socket, (&'static str, io::Error)> {
    let during = |step| move |error| (step, error);
    let domain = Domain::for_address(params.group);
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP)).map_err(during("open"))?;
    socket.set_reuse_address(true).map_err(during("reuse the address"))?;
    socket.bind_device(Some(params.interface.as_bytes())).map_err(during("bind to the interface"))?;
    // Best effort: the default of 208 KiB does for all but the largest groups.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    match params.source {
        IpAddr::V4(_) => {
            socket.set_tos_v4(TRAFFIC_CLASS).map_err(during("set the traffic class"))?;
            socket::setsockopt(&socket, Ipv4RecvTtl, &true).map_err(|e| ("ask for the time to live", e.into()))?;
            socket::setsockopt(&socket, Ipv4PacketInfo, &true).map_err(|e| ("ask for the interface", e.into()))?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true).map_err(during("keep to IPv6"))?;
            socket.set_tclass_v6(TRAFFIC_CLASS).map_err(during("set the traffic class"))?;
            socket::setsockopt(&socket, Ipv6RecvHopLimit, &true).map_err(|e| ("ask for the hop limit", e.into()))?;
            socket::setsockopt(&socket, Ipv6RecvPacketInfo, &true).map_err(|e| ("ask for the interface", e.into()))?;
        }
    }
    match params.reach {
        Reach::Multicast => join(&socket, params)?,
        Reach::Unicast => bind_to_own_address(&socket, params)?,
    }
    Ok(socket)
}

fn join(socket: &Socket, params: &ControlSocketParams) -> Result<(), (&'static str, io::Error)> {
    let during = |step| move |error| (step, error);
    match (params.group, params.source) {
        (SocketAddr::V4(group), IpAddr::V4(source)) => {
            let interface = InterfaceIndexOrAddress::Index(params.interface_index);
            socket.set_multicast_all_v4(false).map_err(during("hear this group alone"))?;
            socket.set_multicast_loop_v4(false).map_err(during("turn the loop off"))?;
            socket.set_multicast_ttl_v4(LINK_LOCAL_TTL.into()).map_err(during("set the time to live"))?;
            let source = source_and_interface(source, params.interface_index);
            socket::setsockopt(socket, MulticastSource, &source).map_err(|e| ("set the source", e.into()))?;
            socket.bind(&params.group.into()).map_err(during("bind"))?;
            socket.join_multicast_v4_n(group.ip(), &interface).map_err(during("join"))
        }
        (SocketAddr::V6(group), IpAddr::V6(_)) => {
            let bind_to = SocketAddrV6::new(*group.ip(), group.port(), 0, params.interface_index);
            socket.set_multicast_all_v6(false).map_err(during("hear this group alone"))?;
            socket.set_multicast_loop_v6(false).map_err(during("turn the loop off"))?;
            socket.set_multicast_hops_v6(LINK_LOCAL_TTL.into()).map_err(during("set the hop limit"))?;
            socket.set_multicast_if_v6(params.interface_index).map_err(during("set the interface"))?;
            socket.bind(&bind_to.into()).map_err(during("bind"))?;
            socket.join_multicast_v6(group.ip(), params.interface_index).map_err(during("join"))
        }
        _ => Err(("choose a source", io::Error::from(Errno::EAFNOSUPPORT))),
    }
}

/// The address may come later, or go with the carrier and come back: the socket is bound to it all the same.
fn bind_to_own_address(socket: &Socket, params: &ControlSocketParams) -> Result<(), (&'static str, io::Error)> {
    let during = |step| move |error| (step, error);
    if params.group.is_ipv4() != params.source.is_ipv4() {
        return Err(("choose a source", io::Error::from(Errno::EAFNOSUPPORT)));
    }
    if socket::setsockopt(socket, SndBufForce, &UNICAST_SEND_BUFFER).is_err() {
        // Without the right to more, the most that anybody may have.
        let _ = socket.set_send_buffer_size(UNICAST_SEND_BUFFER);
    }
    if params.source.is_ipv4() {
        socket.set_ttl_v4(LINK_LOCAL_TTL.into()).map_err(during("set the time to live"))?;
        socket.set_freebind_v4(true).map_err(during("bind to an address to come"))?;
    } else {
        socket.set_unicast_hops_v6(LINK_LOCAL_TTL.into()).map_err(during("set the hop limit"))?;
        socket.set_freebind_v6(true).map_err(during("bind to an address to come"))?;
    }
    socket.bind(&SocketAddr::new(params.source, params.group.port()).into()).map_err(during("bind"))
}

fn source_and_interface(source: Ipv4Addr, index: u32) -> libc::ip_mreqn {
    libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: u32::from(source).to_be() },
        imr_ifindex: index.cast_signed(),
    }
}
