//! The kernel's links, addresses and routes, through route netlink (rtnetlink(7)).
//!
//! One [`Netlink`] is one connection, shared by whoever clones it. Everything rais puts into the kernel carries a mark,
//! so that after a crash it is told apart from what others put there, which is never touched (G-34, A-10): addresses by
//! `IFA_PROTO` (Linux 5.18), routes by their protocol number.
//!
//! The `rtnetlink` crate speaks to the kernel, from a thread of its own: the kernel carries a request out within the
//! `send` itself, under a lock that some other process may hold for long, and that is not to hold the daemon up. Work is
//! handed to that thread and done in the order in which it came, so no two pieces of work ever mix.

pub(super) mod address;
mod batch;
mod carrier;
pub(super) mod connection;
mod event;
pub(super) mod link;
mod neighbour;
pub(super) mod route;
mod service_address;
mod service_mark;
mod worker;

pub use address::{Address, Owner};
pub use batch::remove_service_addresses;
pub use event::{Event, Events};
pub use link::{Link, MacAddress, Selector, mac_text};
pub use route::Route;
pub use service_address::{Failures, LeftBehind};

use super::process;
use batch::Batch;
use connection::Connection;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// `IFA_PROTO` of a service address: `R`. Shown by `ip -d address` of iproute2 6.4 and later as `proto 0x52`.
pub const SERVICE_MARK: u8 = service_mark::SERVICE_MARK;
/// `IFA_PROTO` of an address of the box itself: `S`.
pub const BOX_MARK: u8 = 0x53;
/// Protocol number of routes: `R`, 82, unassigned in iproute2's `rt_protos`.
pub const ROUTE_MARK: u8 = 0x52;

/// `lo` has this index in every network namespace.
const LOOPBACK: u32 = 1;

/// What the kernel would not do. Unless said otherwise nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetlinkError {
    /// No netlink socket, or it broke: what became of the request is not known. Out of descriptors or memory, or the
    /// kernel did not answer for five seconds.
    #[error("netlink: {0}")]
    Socket(Errno),
    /// The kernel refused, in its own words where it has any. `EPERM`: raisd needs `CAP_NET_ADMIN`.
    #[error("{what}: {reason}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The error's number.
        errno: Errno,
        /// The error in words.
        reason: String,
    },
    /// The configuration names a NIC that is not there: compare it with `ip link`.
    #[error("no NIC with {0}")]
    NoSuchLink(Selector),
    /// Several NICs match, a bridge and its port for instance: select by PCI path.
    #[error("{count} NICs with {selector}")]
    AmbiguousLink {
        /// What matched.
        selector: Selector,
        /// How many.
        count: usize,
    },
    /// The address is on the interface already, put there by somebody else: remove it there, or from the group.
    #[error("{0} is on the interface already and is not raisd's")]
    ForeignAddress(IpAddr),
    /// Linux before 5.18 does not mark addresses, so what raisd left behind could not be told from others' addresses.
    #[error("Linux {0} does not mark addresses; raisd needs 5.18 or later")]
    OldKernel(String),
    /// raisd's thread that talks to the kernel is gone, by a fault of raisd: the request may or may not have been carried
    /// out, and there will be no other one. Restart raisd.
    #[error("given up: the netlink thread is gone")]
    GivenUp,
}

/// A connection to the kernel's network configuration, in the network namespace of the thread that opened it.
#[derive(Clone)]
pub struct Netlink(mpsc::UnboundedSender<Job>);

/// A piece of work for the thread. As many can wait as there are tasks that ask, for each of them waits for its answer.
type Job = Box<dyn for<'a> FnOnce(&'a mut State) -> Pin<Box<dyn Future<Output = ()> + 'a>> + Send>;

/// The thread's own.
#[derive(Debug)]
struct State {
    connection: Connection,
    /// For service addresses, which come in thousands.
    batch: Batch,
    /// The service addresses acquired and not yet released: only these are renewed, so that a renewal that was on its
    /// way while an address was released never brings it back.
    held: BTreeSet<(u32, IpAddr)>,
    /// What is to be done next.
    jobs: mpsc::UnboundedReceiver<Job>,
}

impl fmt::Debug for Netlink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netlink").finish_non_exhaustive()
    }
}

impl Netlink {
    /// Opens a connection. It lasts until its last clone is dropped; a socket that broke is replaced.
    ///
    /// # Errors
    /// [`NetlinkError::OldKernel`] before Linux 5.18, [`NetlinkError::Socket`] if there is no socket or thread to be had.
    pub fn connect() -> Result<Self, NetlinkError> {
        require_marks()?;
        let (sender, jobs) = mpsc::unbounded_channel();
        let held = BTreeSet::new();
        let open = async || {
            // Refused: then takeovers take longer on a busy box. The event loop warns of that already.
            let _ = process::run_thread_first(process::TAKEOVER_PRIORITY);
            Ok(State { connection: Connection::open()?, batch: Batch::open()?, held, jobs })
        };
        worker::start("netlink", open, State::serve)?;
        Ok(Self(sender))
    }

    /// Has the thread do `work`, which is done even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut State) -> Result<T, NetlinkError> + Send + 'static,
    ) -> Result<T, NetlinkError> {
        let (sender, answer) = oneshot::channel();
        self.submit(work, |result| drop(sender.send(result)))?;
        answer.await.unwrap_or(Err(NetlinkError::GivenUp))
    }

    fn submit<T: 'static>(
        &self,
        work: impl AsyncFnOnce(&mut State) -> T + Send + 'static,
        reply: impl FnOnce(T) + Send + 'static,
    ) -> Result<(), NetlinkError> {
        let job: Job = Box::new(|state| Box::pin(async { reply(work(state).await) }));
        self.0.send(job).map_err(|_| NetlinkError::GivenUp)
    }

    /// Lends the connection to others of this layer.
    pub(super) async fn with_connection<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, NetlinkError> + Send + 'static,
    ) -> Result<T, NetlinkError> {
        self.run(async |state| work(&mut state.connection).await).await
    }

    /// All links, by index.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        self.with_connection(link::list).await
    }

    /// The one link that `selector` selects.
    ///
    /// # Errors
    /// [`NetlinkError::NoSuchLink`], [`NetlinkError::AmbiguousLink`], [`NetlinkError::Socket`].
    pub async fn find_link(&self, selector: Selector) -> Result<Link, NetlinkError> {
        self.with_connection(async move |kernel| link::select(&link::list(kernel).await?, &selector).cloned()).await
    }

    /// All addresses of all links.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn addresses(&self) -> Result<Vec<Address>, NetlinkError> {
        self.with_connection(address::list).await
    }

    /// All unicast routes of the main table.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn routes(&self) -> Result<Vec<Route>, NetlinkError> {
        self.with_connection(route::list).await
    }
}

impl State {
    /// Does what it is asked for, one piece of work after the other, until nobody can ask any more.
    async fn serve(mut self) {
        while let Some(job) = self.jobs.recv().await {
            self.carry_out(job).await;
        }
    }

    /// Does what waits, in the middle of a long piece of work that keeps nothing from it.
    async fn let_others_in(&mut self) {
        self.reopen();
        while let Ok(job) = self.jobs.try_recv() {
            self.carry_out(job).await;
        }
    }

    async fn carry_out(&mut self, job: Job) {
        job(self).await;
        self.reopen();
    }

    /// Replaces what broke.
    fn reopen(&mut self) {
        if self.connection.is_broken() {
            match Connection::open() {
                Ok(connection) => self.connection = connection,
                Err(error) => tracing::error!(%error, "no new netlink connection in the place of a broken one"),
            }
        }
        if self.batch.is_broken() {
            match Batch::open() {
                Ok(batch) => self.batch = batch,
                Err(error) => tracing::error!(%error, "no new netlink socket in the place of a broken one"),
            }
        }
    }
}

fn require_marks() -> Result<(), NetlinkError> {
    let name = nix::sys::utsname::uname().map_err(NetlinkError::Socket)?;
    let release = name.release().to_string_lossy();
    if marks_addresses(&release) { Ok(()) } else { Err(NetlinkError::OldKernel(release.into_owned())) }
}

fn marks_addresses(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 18)
}

#[cfg(test)]
impl Netlink {
    /// As if its thread had gone.
    pub(crate) fn gone() -> Self {
        Self(mpsc::unbounded_channel().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_broke_is_replaced() {
        let netlink = Netlink::connect().unwrap();
        let before = netlink.links().await.unwrap();
        let breaks = async |state: &mut State| {
            state.connection.break_off();
            Ok(())
        };
        netlink.run(breaks).await.unwrap();
        assert_eq!(netlink.links().await, Err(NetlinkError::Socket(Errno::EPIPE)));
        assert_eq!(netlink.links().await.unwrap().len(), before.len());
    }

    #[tokio::test]
    async fn what_was_begun_is_done_even_if_nobody_waits_for_it() {
        let netlink = Netlink::connect().unwrap();
        let (sender, done) = oneshot::channel();
        // The work waits at a gate until its caller has gone: without it, a fast worker is done before the poll.
        let (open_gate, gate) = oneshot::channel::<()>();
        let mut work = Box::pin(netlink.run(async move |state| {
            let _ = gate.await;
            let links = link::list(&mut state.connection).await?;
            let _ = sender.send(links.len());
            Ok(())
        }));
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        open_gate.send(()).unwrap();
        assert!(done.await.unwrap() > 0);
    }

    #[test]
    fn addresses_are_marked_since_linux_5_18() {
        let rows = [("5.17.9", false), ("5.18.0-rc1", true), ("6.1.0-32-amd64", true), ("4.19", false), ("6", true)];
        for (release, expected) in rows {
            assert_eq!(marks_addresses(release), expected, "{release}");
        }
    }
}
