//! What changes in the kernel without raisd asking: carriers, links, and addresses and routes that go.
//!
//! One thread waits on two subscriptions: a thousand addresses that go are a thousand events, and a lost carrier must not
//! queue behind them.
//!
//! The kernel tells of a lost carrier at once, unless it told of any link within the last second: then it waits for that
//! second to pass (`net/core/link_watch.c`), and a switch that dies takes two carriers at about the same time. So for
//! [`HELD_BACK`] after any news of a link, carriers are looked at every [`LOOK`]; at other times there is nothing to be
//! looked for, and a thread that wakes up a hundred times a second would cost as much as the whole protocol does. The
//! look [`RARELY`] is for news that passes us by: of links in other network namespaces, of links that are not up.

use super::carrier::Carriers;
use super::connection::{Connection, broken};
use super::{Address, Link, NetlinkError, ROUTE_MARK, Route, address, link, route, worker};
use crate::os::filter::{self, ALL, JUMP_IF_EQUAL, LOAD_HALF, LOAD_OCTET, LOAD_WORD, RETURN, step};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::AsyncSocket;
use socket2::SockFilter;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Between two looks while the kernel may hold back news.
const LOOK: Duration = Duration::from_millis(5);
/// How long it may: a second, and some for the way.
const HELD_BACK: Duration = Duration::from_millis(1200);
/// Between two looks at other times.
const RARELY: Duration = Duration::from_millis(500);
/// Events that may wait for the daemon; more, and it is told that some were lost.
const QUEUE: usize = 4096;
/// Room for the events of some ten thousand addresses while the thread is not scheduled.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link appeared or changed, its carrier for instance; without its PCI path.
    Link(Link),
    /// A link is gone.
    LinkGone(Link),
    /// An address is gone.
    AddressGone(Address),
    /// A route of ours is gone. The kernel does not tell of those that go with their link.
    RouteGone(Route),
    /// Events were lost: list what matters anew.
    Overrun,
}

/// A stream of events, from the moment it was opened, of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// Opens it. To miss nothing, open it before listing links. Every renewal of every service address is an event to the
    /// kernel too, and every end of one that lingers: of those it wakes nobody up.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub fn open() -> Result<Self, NetlinkError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        worker::start("link-events", async move || Watch::open(sender).await, Watch::run)?;
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

/// What the kernel tells of its own accord.
type Subscription = BoxStream<'static, NetlinkPayload<RouteNetlinkMessage>>;

/// The thread's own.
struct Watch {
    links: Subscription,
    removals: Subscription,
    connection: Connection,
    /// Every link's name, and whether it was last said to have a carrier.
    told: BTreeMap<u32, (String, bool)>,
    carriers: Carriers,
    /// When the kernel last had news of a link.
    news: Instant,
    looks: Looks,
    sender: mpsc::Sender<Event>,
    overrun: bool,
}

impl Watch {
    async fn open(sender: mpsc::Sender<Event>) -> Result<Self, NetlinkError> {
        let (removals, links) = (subscribe(REMOVALS, Some(&removals()))?, subscribe(&[MulticastGroup::Link], None)?);
        let mut connection = Connection::open()?;
        let present = link::list_bare(&mut connection).await?;
        let told = present.into_iter().map(|link| (link.index, (link.name, link.carrier))).collect();
        let carriers = Carriers::open()?;
        // There may have been news just before.
        let (news, looks) = (Instant::now(), Looks::begin()?);
        Ok(Self { links, removals, connection, told, carriers, news, looks, sender, overrun: false })
    }

    async fn run(mut self) {
        while !self.sender.is_closed() {
            if let Err(error) = self.step().await {
                tracing::error!(%error, "the kernel tells of no more changes");
                return;
            }
        }
    }

    async fn step(&mut self) -> Result<(), NetlinkError> {
        let payload = tokio::select! {
            // What may be many comes last.
            biased;
            payload = self.links.next() => {
                self.news = Instant::now();
                self.looks.hasten(LOOK)?;
                payload
            }
            due = self.looks.due() => {
                due?;
                return self.look().await;
            }
            payload = self.removals.next() => payload,
        };
        event(payload.ok_or(NetlinkError::Socket(Errno::EPIPE))?).into_iter().for_each(|event| self.tell(event));
        Ok(())
    }

    async fn look(&mut self) -> Result<(), NetlinkError> {
        let news = |(name, told): &(String, bool)| self.carriers.has(name).is_some_and(|carrier| carrier != *told);
        if self.told.values().any(news) {
            self.news = Instant::now();
            for link in link::list_bare(&mut self.connection).await? {
                if self.told.get(&link.index).is_some_and(|(_, told)| *told != link.carrier) {
                    self.tell(Event::Link(link));
                }
            }
        }
        self.looks.after(if self.news.elapsed() < HELD_BACK { LOOK } else { RARELY })
    }

    fn tell(&mut self, event: Event) {
        match &event {
            Event::Link(link) => drop(self.told.insert(link.index, (link.name.clone(), link.carrier))),
            Event::LinkGone(link) => drop(self.told.remove(&link.index)),
            Event::AddressGone(_) | Event::RouteGone(_) | Event::Overrun => {}
        }
        if self.overrun {
            self.overrun = self.sender.try_send(Event::Overrun).is_err();
        }
        self.overrun |= self.sender.try_send(event).is_err();
    }
}

/// When to look. A timer of the kernel's: for each wait of more than 64 ms the runtime's own wakes its thread twice, and
/// once more to be set, and that cost more than the looks.
#[derive(Debug)]
struct Looks {
    timer: AsyncFd<Timer>,
    next: Instant,
}

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Looks {
    /// The first comes after [`LOOK`].
    fn begin() -> Result<Self, NetlinkError> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(NetlinkError::Socket)?);
        // SAFETY: the `AsyncFd` owns the timer, nobody else has it, and its descriptor never changes.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        let timer = timer.map_err(|error| broken(error.into()))?;
        let mut looks = Self { timer, next: Instant::now() };
        looks.after(LOOK)?;
        Ok(looks)
    }

    /// The next one comes after this.
    fn after(&mut self, pause: Duration) -> Result<(), NetlinkError> {
        self.next = Instant::now() + pause;
        let expiration = Expiration::OneShot(TimeSpec::from_duration(pause));
        self.timer.get_ref().0.set(expiration, TimerSetTimeFlags::empty()).map_err(NetlinkError::Socket)
    }

    /// The next one comes after this at the latest.
    fn hasten(&mut self, pause: Duration) -> Result<(), NetlinkError> {
        if Instant::now() + pause < self.next { self.after(pause) } else { Ok(()) }
    }

    /// It is time. May be cancelled.
    async fn due(&self) -> Result<(), NetlinkError> {
        // Setting the timer anew takes the ring back: nobody needs to read it.
        self.timer.readable().await.map_err(broken)?.clear_ready();
        Ok(())
    }
}

/// Where the kernel tells of them, among much else.
const REMOVALS: &[MulticastGroup] =
    &[MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr, MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];

/// A filter for messages that tell of an address that is gone, but not from `lo`, or of a route of ours.
fn removals() -> [SockFilter; 9] {
    // Where netlink(7) and rtnetlink(7) have the message's type, `ifaddrmsg`'s index and `rtmsg`'s protocol.
    const TYPE: u32 = 4;
    const ADDRESS_INDEX: u32 = 16 + 4;
    const ROUTE_PROTOCOL: u32 = 16 + 5;
    // Netlink counts as the machine does, BPF as the network does.
    let kind = |kind: u16| u32::from(kind.to_be());
    [
        step(LOAD_HALF, 0, 0, TYPE),
        step(JUMP_IF_EQUAL, 0, 2, kind(libc::RTM_DELADDR)),
        step(LOAD_WORD, 0, 0, ADDRESS_INDEX),
        step(JUMP_IF_EQUAL, 3, 4, super::LOOPBACK.to_be()),
        step(JUMP_IF_EQUAL, 0, 2, kind(libc::RTM_DELROUTE)),
        step(LOAD_OCTET, 0, 0, ROUTE_PROTOCOL),
        step(JUMP_IF_EQUAL, 1, 0, u32::from(ROUTE_MARK)),
        step(RETURN, 0, 0, 0),
        step(RETURN, 0, 0, ALL),
    ]
}

fn subscribe(groups: &[MulticastGroup], program: Option<&[SockFilter]>) -> Result<Subscription, NetlinkError> {
    let (mut connection, _, messages) = rtnetlink::new_multicast_connection(groups).map_err(broken)?;
    if let Some(program) = program {
        filter::attach(connection.socket_mut().socket_ref(), program).map_err(broken)?;
    }
    // Refused without CAP_NET_ADMIN: then an overrun is told sooner.
    let _ = setsockopt(connection.socket_mut().socket_ref(), RcvBufForce, &RECEIVE_BUFFER);
    tokio::spawn(connection);
    Ok(messages.map(|(message, _)| message.payload).boxed())
}

fn event(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Event> {
    let message = match payload {
        NetlinkPayload::InnerMessage(message) => message,
        NetlinkPayload::Overrun(_) => return Some(Event::Overrun),
        _ => return None,
    };
    match message {
        RouteNetlinkMessage::NewLink(message) => Some(Event::Link(link::from_message(&message))),
        RouteNetlinkMessage::DelLink(message) => Some(Event::LinkGone(link::from_message(&message))),
        RouteNetlinkMessage::DelAddress(message) => address::from_message(&message).map(Event::AddressGone),
        RouteNetlinkMessage::DelRoute(message) => {
            route::from_message(&message).filter(|route| route.ours).map(Event::RouteGone)
        }
        _ => None,
    }
}
