//! What changes in the kernel without raisd asking: carriers, links, addresses.
//!
//! One thread waits on two sockets: the renewals of a thousand service addresses are a thousand events, and a lost
//! carrier must not queue behind them. The kernel itself holds back the news of a carrier for up to a second if any
//! link changed within the last one, so carriers are also looked at every [`LOOK`].

use super::socket::{Socket, decode, errno};
use super::{Address, Link, NetlinkError, Owner, address, link};
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket as Subscription, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A carrier that was lost is noticed after this at the latest.
const LOOK: Duration = Duration::from_millis(50);
/// Events that may wait for the daemon; more, and it is told that some were lost.
const QUEUE: usize = 4096;
/// Room for the events of some ten thousand addresses while the thread is not scheduled.
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
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// Opens it. To miss nothing, open it before listing links.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub fn open() -> Result<Self, NetlinkError> {
        let broken = |error: io::Error| NetlinkError::Socket(errno(&error));
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut socket = Socket::open()?;
        let carriers = carriers_of(&link::list_bare(&mut socket)?);
        let watch = Watch {
            links: subscribe(&[LINK]).map_err(broken)?,
            addresses: subscribe(&[IPV4_ADDRESS, IPV6_ADDRESS]).map_err(broken)?,
            socket,
            carriers,
            sender,
            overrun: false,
        };
        thread::Builder::new().name("link-events".into()).spawn(move || watch.run()).map_err(broken)?;
        Ok(Self(receiver))
    }

    /// The next event. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`] if a socket broke (the log says how): open another stream.
    pub async fn next(&mut self) -> Result<Event, NetlinkError> {
        self.0.recv().await.ok_or(NetlinkError::Socket(Errno::EPIPE))
    }
}

/// The thread's own.
#[derive(Debug)]
struct Watch {
    links: Subscription,
    addresses: Subscription,
    socket: Socket,
    /// Who was last said to have a carrier.
    carriers: BTreeMap<u32, bool>,
    sender: mpsc::Sender<Event>,
    overrun: bool,
}

impl Watch {
    fn run(mut self) {
        let mut looked = Instant::now();
        while !self.sender.is_closed() {
            let result = self.wait(LOOK.saturating_sub(looked.elapsed())).and_then(|()| {
                if looked.elapsed() < LOOK {
                    return Ok(());
                }
                looked = Instant::now();
                self.look()
            });
            if let Err(error) = result {
                tracing::error!(%error, "the kernel tells of no more changes");
                return;
            }
        }
    }

    fn wait(&mut self, at_most: Duration) -> Result<(), NetlinkError> {
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        let mut ready = [&self.links, &self.addresses].map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(NetlinkError::Socket(error)),
        }
        // All of the first before any of the second.
        while let Some(event) = self.take(|watch| &watch.links)? {
            event.into_iter().for_each(|event| self.tell(event));
        }
        if let Some(event) = self.take(|watch| &watch.addresses)? {
            event.into_iter().for_each(|event| self.tell(event));
        }
        Ok(())
    }

    /// The events of one datagram; `None`: there is none waiting.
    fn take(&self, of: impl Fn(&Self) -> &Subscription) -> Result<Option<Vec<Event>>, NetlinkError> {
        let mut buffer = Vec::with_capacity(DATAGRAM);
        match of(self).recv(&mut buffer, libc::MSG_DONTWAIT).map_err(|error| errno(&error)) {
            Ok(_) => Ok(Some(decode(&buffer).into_iter().filter_map(|message| event(message.payload)).collect())),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(Errno::ENOBUFS) => Ok(Some(vec![Event::Overrun])),
            Err(error) => Err(NetlinkError::Socket(error)),
        }
    }

    fn look(&mut self) -> Result<(), NetlinkError> {
        for link in link::list_bare(&mut self.socket)? {
            if self.carriers.get(&link.index).is_some_and(|told| *told != link.carrier) {
                self.tell(Event::Link(link));
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: Event) {
        match &event {
            Event::Link(link) => drop(self.carriers.insert(link.index, link.carrier)),
            Event::LinkGone(link) => drop(self.carriers.remove(&link.index)),
            Event::Address(_) | Event::AddressGone(_) | Event::Overrun => {}
        }
        if self.overrun {
            self.overrun = self.sender.try_send(Event::Overrun).is_err();
        }
        self.overrun |= self.sender.try_send(event).is_err();
    }
}

fn carriers_of(links: &[Link]) -> BTreeMap<u32, bool> {
    links.iter().map(|link| (link.index, link.carrier)).collect()
}

fn subscribe(groups: &[u32]) -> io::Result<Subscription> {
    let mut socket = Subscription::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    for group in groups {
        socket.add_membership(*group)?;
    }
    // Refused without CAP_NET_ADMIN: then an overrun is told sooner.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    Ok(socket)
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
