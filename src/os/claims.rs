//! Hears other machines claim addresses of ours: ARP of any kind with one as its sender, and neighbour advertisements for
//! one (RFC 5227 §2.4, RFC 4861 §7.2.5).
//!
//! The kernel hands over only what may matter: a filter knows the ranges in which the addresses lie, so that the ARP of a
//! busy segment wakes nobody up. Whether a claim is a conflict is decided elsewhere.

use super::filter::{self, ALL, JUMP_IF_EQUAL, JUMP_IF_GREATER, JUMP_IF_NOT_LESS, LOAD_HALF, LOAD_WORD, RETURN, step};
use super::netlink::MacAddress;
use super::packet_socket;
use super::socket_option::BlockedIcmpv6Types;
use nix::cmsg_space;
use nix::sys::socket::sockopt::Ipv6RecvHopLimit;
use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, SockaddrIn6, setsockopt};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::collections::BTreeSet;
use std::io::{self, IoSliceMut, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use tokio::io::unix::AsyncFd;

/// Ranges in a filter: what lies further apart than these can tell is sorted out after the kernel.
const MOST_RANGES: usize = 64;
/// Claims handed over at a time.
const MOST_AT_ONCE: usize = 64;
const ETH_P_ARP: u16 = 0x0806;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// What came through a router has less (RFC 4861 §7.1.2).
const ON_LINK_HOP_LIMIT: i32 = 255;

/// Somebody says that an address is at a hardware address that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// Where it is said to be.
    pub mac: MacAddress,
}

/// Listens on one interface.
#[derive(Debug)]
pub struct Claims {
    arp: AsyncFd<Socket>,
    icmp: Option<AsyncFd<Socket>>,
    own: MacAddress,
    addresses: BTreeSet<IpAddr>,
}

impl Claims {
    /// Opens it on a runtime; it hears nothing before it knows the addresses. `own` is the interface's hardware address.
    ///
    /// # Errors
    /// The kernel's: no such interface, or no `CAP_NET_RAW`.
    pub fn open(interface: &str, interface_index: u32, own: MacAddress) -> io::Result<Self> {
        let arp = Socket::from(packet_socket::open(interface_index, ETH_P_ARP)?);
        // A kernel without IPv6 has no such claims either.
        let icmp = icmp_socket(interface).ok().map(registered).transpose()?;
        let claims = Self { arp: registered(arp)?, icmp, own, addresses: BTreeSet::new() };
        claims.attach(&[])?;
        Ok(claims)
    }

    /// From now on these are the addresses.
    ///
    /// # Errors
    /// The kernel's: out of memory for the filter.
    pub fn listen_for(&mut self, addresses: BTreeSet<IpAddr>) -> io::Result<()> {
        if self.addresses != addresses {
            self.addresses = addresses;
            let v4 = self.addresses.iter().filter_map(|address| match address {
                IpAddr::V4(address) => Some(u32::from(*address)),
                IpAddr::V6(_) => None,
            });
            self.attach(&ranges(v4))?;
        }
        Ok(())
    }

    /// Waits for claims to the addresses, and returns those that came. May be cancelled.
    ///
    /// # Errors
    /// The kernel's: a socket broke, open another.
    pub async fn next(&self) -> io::Result<BTreeSet<Claim>> {
        loop {
            let icmp = async {
                match &self.icmp {
                    Some(icmp) => icmp.async_io(tokio::io::Interest::READABLE, receive_advertisement).await,
                    None => std::future::pending().await,
                }
            };
            let first = tokio::select! {
                claim = self.arp.async_io(tokio::io::Interest::READABLE, receive_arp) => claim,
                claim = icmp => claim,
            };
            let first = first.or_else(broken)?;
            let more = (0..MOST_AT_ONCE).map_while(|_| receive_arp(self.arp.get_ref()).ok()).flatten();
            let theirs = |claim: &Claim| claim.mac != self.own && self.addresses.contains(&claim.address);
            let claims: BTreeSet<Claim> = first.into_iter().chain(more).filter(theirs).collect();
            if !claims.is_empty() {
                return Ok(claims);
            }
        }
    }

    fn attach(&self, ranges: &[(u32, u32)]) -> io::Result<()> {
        filter::attach(self.arp.get_ref(), &program(self.own, ranges))
    }
}

fn registered(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the `AsyncFd` owns the socket, nobody else has it, and its descriptor never changes.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// An interface that is down says so once on a socket; it is heard again when it is up.
fn broken(error: io::Error) -> io::Result<Option<Claim>> {
    if error.raw_os_error() == Some(libc::ENETDOWN) { Ok(None) } else { Err(error) }
}

fn icmp_socket(interface: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
    let mut blocked = [u32::MAX; 8];
    if let Some(word) = blocked.get_mut(usize::from(NEIGHBOUR_ADVERTISEMENT / 32)) {
        *word &= !(1 << (NEIGHBOUR_ADVERTISEMENT % 32));
    }
    setsockopt(&socket, BlockedIcmpv6Types, &blocked)?;
    Ok(socket)
}

/// The next claim by ARP; `None`: it was none.
fn receive_arp(mut socket: &Socket) -> io::Result<Option<Claim>> {
    let mut frame = [0; 64];
    let length = socket.read(&mut frame)?;
    Ok(arp_claim(frame.get(..length).unwrap_or_default()))
}

fn receive_advertisement(socket: &Socket) -> io::Result<Option<Claim>> {
    let mut octets = [0; 256];
    let mut control = cmsg_space!(libc::c_int);
    let mut slices = [IoSliceMut::new(&mut octets)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = socket::recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let on_link = |control| matches!(control, ControlMessageOwned::Ipv6HopLimit(limit) if limit == ON_LINK_HOP_LIMIT);
    let on_link = message.cmsgs()?.any(on_link);
    let length = message.bytes;
    Ok(octets.get(..length).filter(|_| on_link).and_then(advertised))
}

/// Who a frame's sender says it is (RFC 826): Ethernet and IPv4 alone.
fn arp_claim(frame: &[u8]) -> Option<Claim> {
    if frame.get(12..20)? != [0x08, 0x06, 0, 1, 0x08, 0, 6, 4] {
        return None;
    }
    let address: [u8; 4] = *frame.get(28..)?.first_chunk()?;
    Some(Claim { address: Ipv4Addr::from(address).into(), mac: *frame.get(22..)?.first_chunk()? })
}

/// What an advertisement says (RFC 4861 §4.4).
fn advertised(message: &[u8]) -> Option<Claim> {
    if message.first() != Some(&NEIGHBOUR_ADVERTISEMENT) {
        return None;
    }
    let address: [u8; 16] = *message.get(8..)?.first_chunk()?;
    let mut options = message.get(24..)?;
    loop {
        let [kind, units] = *options.first_chunk()?;
        if kind == TARGET_LINK_LAYER_ADDRESS && units == 1 {
            return Some(Claim { address: Ipv6Addr::from(address).into(), mac: *options.get(2..)?.first_chunk()? });
        }
        if units == 0 {
            return None;
        }
        options = options.get(usize::from(units) * 8..)?;
    }
}

/// Ranges, ascending, that hold all of `addresses` (ascending), and as little else as [`MOST_RANGES`] allow.
fn ranges(addresses: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for address in addresses {
        match ranges.last_mut() {
            Some((_, end)) if address == end.saturating_add(1) => *end = address,
            _ => ranges.push((address, address)),
        }
    }
    if ranges.len() <= MOST_RANGES {
        return ranges;
    }
    // The widest gaps are kept, the others closed.
    let gap = |pair: &[(u32, u32)]| if let [(_, end), (start, _)] = pair { start - end } else { 0 };
    let mut gaps: Vec<u32> = ranges.windows(2).map(gap).collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let widest = gaps.get(MOST_RANGES - 1).copied().unwrap_or(u32::MAX);
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some((_, before)) if start - *before <= widest => *before = end,
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// The filter: ARP from another hardware address than `own`, whose sender's address lies in one of `ranges`.
fn program(own: MacAddress, ranges: &[(u32, u32)]) -> Vec<SockFilter> {
    let [a, b, c, d, e, f] = own;
    let mut program = vec![
        step(LOAD_WORD, 0, 0, 22),
        step(JUMP_IF_EQUAL, 0, 3, u32::from_be_bytes([a, b, c, d])),
        step(LOAD_HALF, 0, 0, 26),
        step(JUMP_IF_EQUAL, 0, 1, u32::from_be_bytes([0, 0, e, f])),
        step(RETURN, 0, 0, 0),
        step(LOAD_WORD, 0, 0, 28),
    ];
    for (start, end) in ranges {
        // Three steps each, so that no jump is ever too far.
        program.push(step(JUMP_IF_NOT_LESS, 0, 2, *start));
        program.push(step(JUMP_IF_GREATER, 1, 0, *end));
        program.push(step(RETURN, 0, 0, ALL));
    }
    program.push(step(RETURN, 0, 0, 0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_addresses_share_a_range_and_no_address_is_ever_left_out() {
        let table = [(&[][..], &[][..]), (&[7], &[(7, 7)]), (&[1, 2, 3, 9, 10], &[(1, 3), (9, 10)])];
        for (addresses, expected) in table {
            assert_eq!(ranges(addresses.iter().copied()), expected);
        }
        let scattered: Vec<u32> = (0..1000).map(|n| n * n).collect();
        let found = ranges(scattered.iter().copied());
        assert!(found.len() <= MOST_RANGES, "{}", found.len());
        assert!(scattered.iter().all(|address| found.iter().any(|(start, end)| (start..=end).contains(&address))));
        let apart: Vec<u32> = (0..1000).map(|n| n * 5).collect();
        assert!(ranges(apart.into_iter()).len() <= MOST_RANGES);
    }

    #[test]
    fn a_claim_is_read_from_arp_and_from_an_advertisement_and_from_nothing_else() {
        let mut frame = [0; 60];
        frame[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2]);
        frame[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        frame[28..32].copy_from_slice(&[10, 9, 0, 101]);
        let claim = Claim { address: "10.9.0.101".parse().unwrap(), mac: [2, 0, 0, 0, 0, 9] };
        assert_eq!(arp_claim(&frame), Some(claim));
        assert_eq!(arp_claim(&frame[..31]), None);
        frame[18] = 8;
        assert_eq!(arp_claim(&frame), None);

        let address: Ipv6Addr = "fd00:9::101".parse().unwrap();
        let head = [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &address.octets()].concat();
        let full = [&head[..], &[1, 1, 0, 0, 0, 0, 0, 0], &[2, 1, 2, 0, 0, 0, 0, 9]].concat();
        assert_eq!(advertised(&full), Some(Claim { address: address.into(), mac: [2, 0, 0, 0, 0, 9] }));
        assert_eq!(advertised(&head), None, "it does not say where");
        assert_eq!(advertised(&[&head[..], &[1, 0, 0, 0]].concat()), None, "an endless option");
    }
}
