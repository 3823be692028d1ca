//! Service addresses: acquired with a lease, renewed in bulk, released, and found again after a crash (G-30, G-31,
//! G-33, G-34).
//!
//! A service address is a /32 or /128 without a route to a prefix, with a finite lifetime and [`SERVICE_MARK`](super::SERVICE_MARK). Whoever
//! stops renewing loses it: the kernel removes it when the lease ends, to the second.

use super::address::{self, Address, Kind, Owner};
use super::socket::{BATCH, Request};
use super::{Netlink, NetlinkError, State};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

/// The addresses of a request that failed, each with its cause; empty: all is well.
pub type Failures = Vec<(IpAddr, NetlinkError)>;

/// A service address of an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftBehind {
    /// The link it is on.
    pub interface_index: u32,
    /// The address.
    pub address: IpAddr,
}

impl Netlink {
    /// Configures service addresses on a link with a lease (rounded up to whole seconds). One that an earlier life left
    /// there is adopted: the kernel never drops it in between.
    ///
    /// Fails per address: with [`NetlinkError::ForeignAddress`] if somebody else configured it there. One that failed
    /// is not on the interface.
    pub async fn acquire(&self, interface_index: u32, addresses: &[IpAddr], lease: Duration) -> Failures {
        self.each(addresses, move |state, addresses| state.acquire(interface_index, addresses, lease)).await
    }

    /// Begins the lease of service addresses anew. Those that were released meanwhile are left alone; those that were
    /// removed by somebody else are put back.
    pub async fn renew(&self, interface_index: u32, addresses: &[IpAddr], lease: Duration) -> Failures {
        self.each(addresses, move |state, addresses| state.renew(interface_index, addresses, lease)).await
    }

    /// Removes service addresses. One that is not there any more, or whose link is gone, is as good as removed.
    ///
    /// Fails per address: with [`NetlinkError::ForeignAddress`] if it is there, but not raisd's.
    pub async fn release(&self, interface_index: u32, addresses: &[IpAddr]) -> Failures {
        self.each(addresses, move |state, addresses| state.release(interface_index, addresses)).await
    }

    /// The service addresses that are configured but were not acquired through this connection: left by an earlier life
    /// (G-34), in order.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn left_behind(&self) -> Result<Vec<LeftBehind>, NetlinkError> {
        self.run(State::left_behind).await
    }

    /// Removes every service address an earlier life left on any link, and nothing else, within this call: for a guardian
    /// that has no time for a runtime. Returns what it removed.
    ///
    /// # Errors
    /// The first failure; the others are removed nevertheless.
    pub fn remove_left_behind(&self) -> Result<Vec<LeftBehind>, NetlinkError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.left_behind()?;
        let failures = state.remove(&left)?;
        failures.into_iter().next().map_or(Ok(left), |(_, error)| Err(error))
    }

    /// In portions, so that one address to be acquired at once waits for a part of a long renewal and not for all of it.
    async fn each(
        &self,
        addresses: &[IpAddr],
        work: impl FnOnce(&mut State, &[IpAddr]) -> Result<Failures, NetlinkError> + Copy + Send + 'static,
    ) -> Failures {
        let mut failures = Failures::new();
        for some in addresses.chunks(BATCH) {
            let copy = some.to_vec();
            match self.run(move |state| work(state, &copy)).await {
                Ok(failed) => failures.extend(failed),
                Err(error) => failures.extend(some.iter().map(|address| (*address, error.clone()))),
            }
        }
        failures
    }
}

impl State {
    fn acquire(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let mut failures = self.put(index, addresses, lease, NLM_F_CREATE | NLM_F_EXCL)?;
        let exists = |error: &NetlinkError| matches!(error, NetlinkError::Refused { errno: Errno::EEXIST, .. });
        let present: Vec<_> = failures.extract_if(.., |(_, error)| exists(error)).map(|(address, _)| address).collect();
        if !present.is_empty() {
            let (ours, foreign) = self.tell_apart(index, &present)?;
            failures.extend(self.put(index, &ours, lease, NLM_F_CREATE | NLM_F_REPLACE)?);
            failures.extend(foreign.into_iter().map(|address| (address, NetlinkError::ForeignAddress(address))));
        }
        let failed = |address: &IpAddr| failures.iter().any(|(failed, _)| failed == address);
        self.held.extend(addresses.iter().filter(|address| !failed(address)).map(|address| (index, *address)));
        Ok(failures)
    }

    fn renew(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let held: Vec<_> = addresses.iter().copied().filter(|address| self.held.contains(&(index, *address))).collect();
        self.put(index, &held, lease, NLM_F_CREATE | NLM_F_REPLACE)
    }

    fn release(&mut self, index: u32, addresses: &[IpAddr]) -> Result<Failures, NetlinkError> {
        let (mut ours, unknown): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|address| self.held.remove(&(index, **address)));
        let mut failures = Failures::new();
        if !unknown.is_empty() {
            let (left, foreign) = self.tell_apart(index, &unknown)?;
            ours.extend(left);
            failures.extend(foreign.into_iter().map(|address| (address, NetlinkError::ForeignAddress(address))));
        }
        let ours: Vec<_> = ours.into_iter().map(|address| LeftBehind { interface_index: index, address }).collect();
        failures.extend(self.remove(&ours)?);
        Ok(failures)
    }

    fn left_behind(&mut self) -> Result<Vec<LeftBehind>, NetlinkError> {
        let all = address::list(&mut self.socket)?;
        let left = all.iter().filter(|entry| entry.owner == Owner::Service);
        let left = left.map(|entry| LeftBehind { interface_index: entry.interface_index, address: entry.address });
        let mut left: Vec<_> =
            left.filter(|entry| !self.held.contains(&(entry.interface_index, entry.address))).collect();
        left.sort_unstable();
        Ok(left)
    }

    /// Which of `addresses` the kernel has on the link as service addresses, and which from somebody else. Those it has
    /// not at all are in neither.
    fn tell_apart(&mut self, index: u32, addresses: &[IpAddr]) -> Result<(Vec<IpAddr>, Vec<IpAddr>), NetlinkError> {
        let all = address::list(&mut self.socket)?;
        // IPv4 keeps the same address with another prefix length apart, IPv6 does not.
        let clashes = |entry: &Address| entry.address.is_ipv6() || entry.prefix_length == host_prefix(&entry.address);
        let here = all.iter().filter(|entry| entry.interface_index == index && clashes(entry));
        let here = here.filter(|entry| addresses.contains(&entry.address));
        let (ours, foreign): (Vec<_>, Vec<_>) = here.partition(|entry| entry.owner == Owner::Service);
        let only = |entries: Vec<&Address>| entries.into_iter().map(|entry| entry.address).collect();
        Ok((only(ours), only(foreign)))
    }

    fn put(&mut self, index: u32, addresses: &[IpAddr], lease: Duration, flags: u16) -> Result<Failures, NetlinkError> {
        let request = |address: &IpAddr| Request {
            message: RouteNetlinkMessage::NewAddress(message(index, *address, lease)),
            flags,
        };
        let refused = self.socket.batch(addresses.iter().map(request).collect())?;
        let named = refused.into_iter().filter_map(|(position, refusal)| {
            let address = *addresses.get(position)?;
            Some((address, refusal.of(format!("configuring {address}"))))
        });
        Ok(named.collect())
    }

    fn remove(&mut self, entries: &[LeftBehind]) -> Result<Failures, NetlinkError> {
        let request = |entry: &LeftBehind| Request {
            message: RouteNetlinkMessage::DelAddress(message(entry.interface_index, entry.address, Duration::ZERO)),
            flags: 0,
        };
        let refused = self.socket.batch(entries.iter().map(request).collect())?;
        let gone = [Errno::EADDRNOTAVAIL, Errno::ENODEV];
        let failed = refused.into_iter().filter(|(_, refusal)| !gone.contains(&refusal.errno));
        let named = failed.filter_map(|(position, refusal)| {
            let address = entries.get(position)?.address;
            Some((address, refusal.of(format!("removing {address}"))))
        });
        Ok(named.collect())
    }
}

fn host_prefix(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn message(index: u32, address: IpAddr, lease: Duration) -> netlink_packet_route::address::AddressMessage {
    address::message(index, address, host_prefix(&address), Kind::Service(lease))
}
