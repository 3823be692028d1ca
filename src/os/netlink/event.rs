//! What changes in the kernel without raisd asking: carriers, links, addresses.
//!
//! Links and addresses have a socket each: the renewals of a thousand service addresses are a thousand events, and a
//! lost carrier must not queue behind them.

use super::socket::{decode, errno};
use super::{Address, Link, NetlinkError, Owner, address, link};
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use std::collections::VecDeque;
use std::io;
use tokio::io::unix::AsyncFd;

/// Room for the events of some ten thousand addresses while the daemon is busy.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// The kernel puts one event into a datagram; links with many virtual functions are the largest.
const DATAGRAM: usize = 64 * 1024;
const LINK: u32 = 1;
const IPV4_ADDRESS: u32 = 5;
const IPV6_ADDRESS: u32 = 9;

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link appeared or changed, its carrier for instance; without its PCI path.
    Link(Link),
    /// A link is gone.
    LinkGone(Link),
    /// An address appeared or changed. Renewals of service addresses are not told.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// Events were lost: list what matters anew.
    Overrun,
}

/// A stream of events, from the moment it was opened, of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Events {
    links: AsyncFd<Socket>,
    addresses: AsyncFd<Socket>,
    pending: VecDeque<Event>,
}

impl Events {
    /// Opens it. Must be called inside a tokio runtime. To miss nothing, open it before listing links.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub fn open() -> Result<Self, NetlinkError> {
        let open = |groups: &[u32]| subscribe(groups).map_err(|error| NetlinkError::Socket(errno(&error)));
        Ok(Self { links: open(&[LINK])?, addresses: open(&[IPV4_ADDRESS, IPV6_ADDRESS])?, pending: VecDeque::new() })
    }

    /// The next event; links before addresses. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`] if a socket broke: open another stream.
    pub async fn next(&mut self) -> Result<Event, NetlinkError> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let received = tokio::select! {
                biased;
                octets = receive(&self.links) => octets,
                octets = receive(&self.addresses) => octets,
            };
            match received {
                Ok(octets) => {
                    self.pending.extend(decode(&octets).into_iter().filter_map(|message| event(message.payload)))
                }
                Err(error) if errno(&error) == Errno::ENOBUFS => return Ok(Event::Overrun),
                Err(error) => return Err(NetlinkError::Socket(errno(&error))),
            }
        }
    }
}

fn subscribe(groups: &[u32]) -> io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    for group in groups {
        socket.add_membership(*group)?;
    }
    // Refused without CAP_NET_ADMIN: then an overrun is told sooner.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    socket.set_non_blocking(true)?;
    // SAFETY: the socket owns its descriptor, and is neither closed nor given another before the `AsyncFd` is dropped.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

async fn receive(socket: &AsyncFd<Socket>) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(DATAGRAM);
    loop {
        let mut ready = socket.readable().await?;
        match ready.try_io(|socket| socket.get_ref().recv(&mut buffer, 0)) {
            Ok(Ok(_)) => return Ok(buffer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

fn event(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Event> {
    let NetlinkPayload::InnerMessage(message) = payload else { return None };
    match message {
        RouteNetlinkMessage::NewLink(message) => Some(Event::Link(link::from_message(&message))),
        RouteNetlinkMessage::DelLink(message) => Some(Event::LinkGone(link::from_message(&message))),
        RouteNetlinkMessage::NewAddress(message) => {
            address::from_message(&message).filter(|address| address.owner != Owner::Service).map(Event::Address)
        }
        RouteNetlinkMessage::DelAddress(message) => address::from_message(&message).map(Event::AddressGone),
        _ => None,
    }
}
