//! Service addresses: acquired with a lease, renewed in bulk, released, and found again after a crash (G-30, G-31,
//! G-33, G-34).
//!
//! A service address is a /32 or /128 without a route to a prefix, with a finite lifetime and
//! [`SERVICE_MARK`](super::SERVICE_MARK). Whoever stops renewing loses it: the kernel removes it when the lease ends, to
//! the second.
//!
//! One that moves by plan *lingers* (G-63): it goes from its link to `lo`, with a life of a second or two that nobody
//! renews. There it is answered for to nobody who asks who has it (`arp_ignore` = 1; IPv6 never does), but what clients
//! send to this box until they hear of the new one is still served. Nothing of it is left to be tidied up later.
//!
//! Linux walks all its IPv6 addresses for each one that is renewed, so 100 cost 5 ms and 1,000 cost 350. Others' requests
//! come in between.

use super::address::{self, Address, Kind, Owner};
use super::batch;
use super::connection::PORTION;
use super::{LOOPBACK, Netlink, NetlinkError, State, link};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::net::IpAddr;
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

/// Addresses that are acquired in one piece of work: nobody serves them meanwhile, and each piece more is a way to the
/// thread and back on a box that has just become busy.
const TOGETHER: usize = 1024;

impl Netlink {
    /// Configures service addresses on a link with a lease (rounded up to whole seconds). One that an earlier life left
    /// there is adopted: the kernel never drops it in between.
    ///
    /// Fails per address: with [`NetlinkError::ForeignAddress`] if somebody else configured it there. One that failed
    /// is not on the interface.
    pub async fn acquire(&self, interface_index: u32, addresses: &[IpAddr], lease: Duration) -> Failures {
        // The kernel is done with one of IPv4 in some 10 µs; of IPv6 it walks all there are.
        let portion = if addresses.iter().all(IpAddr::is_ipv4) { TOGETHER } else { PORTION };
        let acquire =
            async move |state: &mut State, addresses: &[IpAddr]| state.acquire(interface_index, addresses, lease).await;
        self.each(addresses, portion, acquire).await
    }

    /// Begins the lease of service addresses anew. Those that were released meanwhile are left alone; those that were
    /// removed by somebody else are put back.
    pub async fn renew(&self, interface_index: u32, addresses: &[IpAddr], lease: Duration) -> Failures {
        let all = addresses.to_vec();
        let failed = self.run(async move |state| state.renew(interface_index, &all, lease).await).await;
        failed.unwrap_or_else(|error| addresses.iter().map(|address| (*address, error.clone())).collect())
    }

    /// Configures service addresses again that are missing. Those that were released meanwhile are left alone, those that
    /// are there after all begin their lease anew.
    ///
    /// Fails per address, as [`acquire`](Self::acquire) does; one that failed is not held any more.
    pub async fn restore(&self, interface_index: u32, addresses: &[IpAddr], lease: Duration) -> Failures {
        let restore =
            async move |state: &mut State, addresses: &[IpAddr]| state.restore(interface_index, addresses, lease).await;
        self.each(addresses, PORTION, restore).await
    }

    /// Which of some service addresses, each with its link's index, should be there and are not, though their link is up:
    /// acquired, not released, and removed by somebody else. A link that is down, or gone, takes addresses with it. While
    /// somebody changes many addresses, some may be among them that are there.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn missing(&self, of: Vec<(u32, IpAddr)>) -> Result<Vec<(u32, IpAddr)>, NetlinkError> {
        self.run(async move |state| state.missing(of).await).await
    }

    /// Removes service addresses. One that is not there any more, or whose link is gone, is as good as removed.
    ///
    /// Fails per address: with [`NetlinkError::ForeignAddress`] if it is there, but not raisd's.
    pub async fn release(&self, interface_index: u32, addresses: &[IpAddr]) -> Failures {
        self.each(addresses, PORTION, async move |state, addresses| state.release(interface_index, addresses).await)
            .await
    }

    /// Has service addresses of a link, ours or of an earlier life, linger for `life` (rounded up to whole seconds) and no
    /// longer: the kernel ends it.
    ///
    /// Fails per address: one that failed is gone at once, or, with [`NetlinkError::ForeignAddress`], was never ours.
    pub async fn linger(&self, interface_index: u32, addresses: &[IpAddr], life: Duration) -> Failures {
        self.each(addresses, PORTION, async move |state, addresses| {
            state.linger(interface_index, addresses, life).await
        })
        .await
    }

    /// The service addresses that are configured but were not acquired through this connection: left by an earlier life
    /// (G-34), in order. Those that linger are not among them: they end by themselves.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub async fn left_behind(&self) -> Result<Vec<LeftBehind>, NetlinkError> {
        self.run(State::left_behind).await
    }

    /// In portions, so that one address to be acquired at once waits for a part of a long renewal and not for all of it.
    async fn each(
        &self,
        addresses: &[IpAddr],
        portion: usize,
        work: impl AsyncFnOnce(&mut State, &[IpAddr]) -> Result<Failures, NetlinkError> + Copy + Send + 'static,
    ) -> Failures {
        let mut failures = Failures::new();
        for some in addresses.chunks(portion) {
            let copy = some.to_vec();
            match self.run(async move |state| work(state, &copy).await).await {
                Ok(failed) => failures.extend(failed),
                Err(error) => failures.extend(some.iter().map(|address| (*address, error.clone()))),
            }
        }
        failures
    }
}

impl State {
    async fn acquire(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let failures = self.add(index, addresses, lease).await?;
        let failed = |address: &IpAddr| failures.iter().any(|(failed, _)| failed == address);
        self.held.extend(addresses.iter().filter(|address| !failed(address)).map(|address| (index, *address)));
        Ok(failures)
    }

    async fn restore(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let held: Vec<_> = addresses.iter().copied().filter(|address| self.held.contains(&(index, *address))).collect();
        let failures = self.add(index, &held, lease).await?;
        // What is there in its place, if anything, is somebody else's: it is not to be removed as ours.
        failures.iter().for_each(|(address, _)| _ = self.held.remove(&(index, *address)));
        Ok(failures)
    }

    async fn missing(&mut self, mut of: Vec<(u32, IpAddr)>) -> Result<Vec<(u32, IpAddr)>, NetlinkError> {
        of.retain(|held| self.held.contains(held));
        if of.is_empty() {
            return Ok(of);
        }
        let links = link::list_bare(&mut self.connection).await?;
        let up: BTreeSet<u32> = links.iter().filter(|link| link.up).map(|link| link.index).collect();
        let all = match address::list(&mut self.connection).await {
            // Somebody is changing so much that no listing is whole. One that is there can be put back as well.
            Err(NetlinkError::Socket(Errno::EINTR)) => Vec::new(),
            listed => listed?,
        };
        let ours = all.iter().filter(|entry| entry.owner == Owner::Service);
        let present: BTreeSet<_> = ours.map(|entry| (entry.interface_index, entry.address)).collect();
        of.retain(|held| up.contains(&held.0) && !present.contains(held));
        Ok(of)
    }

    /// Adds addresses, and adopts those that are there and ours.
    async fn add(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let mut failures = self.put(index, addresses, Kind::Service(lease), batch::Kind::Add)?;
        let exists = |error: &NetlinkError| matches!(error, NetlinkError::Refused { errno: Errno::EEXIST, .. });
        let present: Vec<_> = failures.extract_if(.., |(_, error)| exists(error)).map(|(address, _)| address).collect();
        if !present.is_empty() {
            let (ours, foreign) = self.tell_apart(index, &present).await?;
            failures.extend(self.put(index, &ours, Kind::Service(lease), batch::Kind::Replace)?);
            failures.extend(foreign.into_iter().map(|address| (address, NetlinkError::ForeignAddress(address))));
        }
        Ok(failures)
    }

    /// In portions, between which whoever waits comes first: a thousand leases are renewed each second, and there is time
    /// for them, but to hand over every portion by itself woke two threads for each.
    async fn renew(&mut self, index: u32, addresses: &[IpAddr], lease: Duration) -> Result<Failures, NetlinkError> {
        let mut failures = Failures::new();
        for some in addresses.chunks(PORTION) {
            let held = |address: &IpAddr| self.held.contains(&(index, *address));
            let held: Vec<_> = some.iter().copied().filter(held).collect();
            match self.put(index, &held, Kind::Service(lease), batch::Kind::Replace) {
                Ok(failed) => failures.extend(failed),
                Err(error) => failures.extend(some.iter().map(|address| (*address, error.clone()))),
            }
            self.let_others_in().await;
        }
        Ok(failures)
    }

    async fn linger(&mut self, index: u32, addresses: &[IpAddr], life: Duration) -> Result<Failures, NetlinkError> {
        let (mut ours, unknown): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.iter().copied().partition(|address| self.held.contains(&(index, *address)));
        if !unknown.is_empty() {
            ours.extend(self.tell_apart(index, &unknown).await?.0);
        }
        // First there, then gone here: in between it is this host's all the time.
        let mut failures = self.put(LOOPBACK, &ours, Kind::Lingering(life), batch::Kind::Replace)?;
        failures.extend(self.release(index, addresses).await?);
        Ok(failures)
    }

    async fn release(&mut self, index: u32, addresses: &[IpAddr]) -> Result<Failures, NetlinkError> {
        let (mut ours, unknown): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|address| self.held.remove(&(index, **address)));
        let mut failures = Failures::new();
        if !unknown.is_empty() {
            let (left, foreign) = self.tell_apart(index, &unknown).await?;
            ours.extend(left);
            failures.extend(foreign.into_iter().map(|address| (address, NetlinkError::ForeignAddress(address))));
        }
        let ours: Vec<_> = ours.into_iter().map(|address| LeftBehind { interface_index: index, address }).collect();
        failures.extend(self.remove(&ours)?);
        Ok(failures)
    }

    async fn left_behind(&mut self) -> Result<Vec<LeftBehind>, NetlinkError> {
        let all = address::list(&mut self.connection).await?;
        let here = |entry: &&Address| entry.owner == Owner::Service && entry.interface_index != LOOPBACK;
        let left = all.iter().filter(here);
        let left = left.map(|entry| LeftBehind { interface_index: entry.interface_index, address: entry.address });
        let mut left: Vec<_> =
            left.filter(|entry| !self.held.contains(&(entry.interface_index, entry.address))).collect();
        left.sort_unstable();
        Ok(left)
    }

    /// Which of `addresses` the kernel has on the link as service addresses, and which from somebody else. Those it has
    /// not at all are in neither.
    async fn tell_apart(
        &mut self,
        index: u32,
        addresses: &[IpAddr],
    ) -> Result<(Vec<IpAddr>, Vec<IpAddr>), NetlinkError> {
        let all = address::list(&mut self.connection).await?;
        // IPv4 keeps the same address with another prefix length apart, IPv6 does not.
        let clashes = |entry: &Address| entry.address.is_ipv6() || entry.prefix_length == host_prefix(&entry.address);
        let here = all.iter().filter(|entry| entry.interface_index == index && clashes(entry));
        let here = here.filter(|entry| addresses.contains(&entry.address));
        let (ours, foreign): (Vec<_>, Vec<_>) = here.partition(|entry| entry.owner == Owner::Service);
        let only = |entries: Vec<&Address>| entries.into_iter().map(|entry| entry.address).collect();
        Ok((only(ours), only(foreign)))
    }

    fn put(
        &mut self,
        index: u32,
        addresses: &[IpAddr],
        life: Kind,
        kind: batch::Kind,
    ) -> Result<Failures, NetlinkError> {
        let message = |address: &IpAddr| address::addition(index, *address, host_prefix(address), life);
        let refused = self.batch.carry_out(kind, addresses.iter().map(message).collect())?;
        let named = refused.into_iter().filter_map(|(position, refusal)| {
            let address = *addresses.get(position)?;
            Some((address, refusal.of(format!("configuring {address}"))))
        });
        Ok(named.collect())
    }

    fn remove(&mut self, entries: &[LeftBehind]) -> Result<Failures, NetlinkError> {
        let message =
            |entry: &LeftBehind| address::naming(entry.interface_index, entry.address, host_prefix(&entry.address));
        let refused = self.batch.carry_out(batch::Kind::Remove, entries.iter().map(message).collect())?;
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
