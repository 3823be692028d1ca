//! The kernel's links, addresses and routes, through route netlink (rtnetlink(7)).
//!
//! One [`Netlink`] is one socket, shared by whoever clones it. Everything rais puts into the kernel carries a mark, so
//! that after a crash it is told apart from what others put there, which is never touched (G-34, A-10): addresses by
//! `IFA_PROTO` (Linux 5.18), routes by their protocol number.
//!
//! Requests are made on a blocking socket inside `spawn_blocking`: a netlink request is carried out by the kernel
//! within the `send` itself, under a lock that some other process may hold for long, so no request may be made on a
//! thread that has anything else to do. That is why the `rtnetlink` crate is not used, which sends from the runtime's
//! threads, one message at a time (a thousand IPv4 addresses: 28 ms, here 16), and needs a runtime, which a guardian
//! has not. The messages are netlink-packet-route's.

pub(super) mod address;
mod event;
pub(super) mod link;
pub(super) mod route;
mod service_address;
pub(super) mod socket;

pub use address::{Address, Owner};
pub use event::{Event, Events};
pub use link::{Link, MacAddress, Selector};
pub use route::Route;
pub use service_address::{Failures, LeftBehind};

use nix::errno::Errno;
use socket::Socket;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// `IFA_PROTO` of a service address: `R`. Shown by `ip -d address` of iproute2 6.4 and later as `proto 0x52`.
pub const SERVICE_MARK: u8 = 0x52;
/// `IFA_PROTO` of an address of the box itself: `S`.
pub const BOX_MARK: u8 = 0x53;
/// Protocol number of routes: `R`, 82, unassigned in iproute2's `rt_protos`.
pub const ROUTE_MARK: u8 = 0x52;

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
    /// The daemon is shutting down, so the request was given up: it may or may not have been carried out.
    #[error("given up: the daemon is shutting down")]
    GivenUp,
}

/// A connection to the kernel's network configuration, in the network namespace of the thread that opened it.
#[derive(Clone, Debug)]
pub struct Netlink(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    socket: Socket,
    /// The service addresses acquired and not yet released: only these are renewed, so that a renewal that was on its
    /// way while an address was released never brings it back.
    held: BTreeSet<(u32, IpAddr)>,
}

impl Netlink {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`NetlinkError::OldKernel`] before Linux 5.18, [`NetlinkError::Socket`] if there is no socket to be had.
    pub fn connect() -> Result<Self, NetlinkError> {
        require_marks()?;
        Ok(Self(Arc::new(Mutex::new(State { socket: Socket::open()?, held: BTreeSet::new() }))))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, NetlinkError> + Send + 'static,
    ) -> Result<T, NetlinkError> {
        let state = Arc::clone(&self.0);
        let work = move || work(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(NetlinkError::GivenUp))
    }

    /// Lends the socket to others of this layer.
    pub(super) async fn with_socket<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Socket) -> Result<T, NetlinkError> + Send + 'static,
    ) -> Result<T, NetlinkError> {
        self.run(|state| work(&mut state.socket)).await
    }

    /// All links, by index.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        self.run(|state| link::list(&mut state.socket)).await
    }

    /// The one link that `selector` selects.
    ///
    /// # Errors
    /// [`NetlinkError::NoSuchLink`], [`NetlinkError::AmbiguousLink`], [`NetlinkError::Socket`].
    pub async fn find_link(&self, selector: Selector) -> Result<Link, NetlinkError> {
        self.run(move |state| link::select(&link::list(&mut state.socket)?, &selector).cloned()).await
    }

    /// All addresses of all links.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn addresses(&self) -> Result<Vec<Address>, NetlinkError> {
        self.run(|state| address::list(&mut state.socket)).await
    }

    /// All unicast routes of the main table.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn routes(&self) -> Result<Vec<Route>, NetlinkError> {
        self.run(|state| route::list(&mut state.socket)).await
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
mod tests {
    use super::*;

    #[test]
    fn addresses_are_marked_since_linux_5_18() {
        let rows = [("5.17.9", false), ("5.18.0-rc1", true), ("6.1.0-32-amd64", true), ("4.19", false), ("6", true)];
        for (release, expected) in rows {
            assert_eq!(marks_addresses(release), expected, "{release}");
        }
    }
}
