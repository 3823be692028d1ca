//! Tells the segment where a service address now lives: gratuitous ARP and unsolicited neighbour advertisement (G-30,
//! G-60, G-61).
//!
//! The frames are written by hand to a packet socket, so it works before the kernel has the address, costs one system
//! call per hundred frames and never waits. Who announces what, and how often, is decided elsewhere. RFC 5227 §3, RFC 826,
//! RFC 4861 §7.2.6.

use super::checksum::internet_checksum;
use super::netlink::MacAddress;
use super::packet_socket::{self, NOTHING};
use nix::sys::socket::{setsockopt, sockopt::SndBufForce};
use std::io;
use std::iter::Sum;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use thiserror::Error;

const BROADCAST: MacAddress = [0xff; 6];
/// Where IPv6 sends what all nodes of a link should hear, `ff02::1`.
const ALL_NODES_MAC: MacAddress = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Room for the frames of a thousand addresses to wait for the wire.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// Frames in one system call.
const PORTION: usize = 100;

/// Why an interface can not be announced on.
#[derive(Debug, Error)]
#[error("announcing on interface {interface_index}: {source}")]
pub struct AnnounceError {
    interface_index: u32,
    #[source]
    source: io::Error,
}

/// Does the box forward packets? An IPv6 host that uses it as its router forgets it if an announcement says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It forwards nothing.
    Host,
    /// It forwards between its interfaces.
    Router,
}

/// Somebody who is told in person (G-61): a router that ignores broadcast announcements, or that must not miss one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address. It is told about addresses of the same family.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddress,
}

/// What became of a batch of announcements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Frames handed to the kernel.
    pub sent: u32,
    /// Frames the kernel did not take at once: no carrier, or a full queue. The next round repeats them.
    pub dropped: u32,
}

impl Sum for Announced {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            sent: sum.sent.saturating_add(one.sent),
            dropped: sum.dropped.saturating_add(one.dropped),
        })
    }
}

/// Announces on one interface.
#[derive(Debug)]
pub struct Announcer {
    socket: OwnedFd,
    interface_index: u32,
    mac: MacAddress,
    role: Role,
}

impl Announcer {
    /// Opens a packet socket that only sends. If the interface changes its Ethernet address or is made again, open
    /// another.
    ///
    /// # Errors
    /// [`AnnounceError`] without `CAP_NET_RAW`, or if there is no such interface.
    pub fn open(interface_index: u32, mac: MacAddress, role: Role) -> Result<Self, AnnounceError> {
        let socket = packet_socket::open(interface_index, NOTHING)
            .map_err(|error| AnnounceError { interface_index, source: error.into() })?;
        // Refused without CAP_NET_ADMIN, and then the default does for a few hundred addresses.
        let _ = setsockopt(&socket, SndBufForce, &SEND_BUFFER);
        Ok(Self { socket, interface_index, mac, role })
    }

    /// Kernel index of the interface.
    #[must_use]
    pub fn interface_index(&self) -> u32 {
        self.interface_index
    }

    /// Announces every address to the whole segment, once: two ARP forms for IPv4 (some systems heed only requests, some
    /// only replies), one advertisement for IPv6. Then it asks whether anybody else has them (RFC 5227 §2.1.1, RFC 4862
    /// §5.4.2): one who does would otherwise be heard of only by chance.
    pub fn announce(&self, addresses: &[IpAddr]) -> Announced {
        Round::ALL.into_iter().map(|round| self.announce_in(round, addresses)).sum()
    }

    /// One round of [`announce`](Self::announce).
    pub fn announce_in(&self, round: Round, addresses: &[IpAddr]) -> Announced {
        self.send(&frames(round, self.mac, self.role, addresses))
    }

    /// Announces every address to each of `neighbours` of its family, in frames of their own: an ARP question in the
    /// address's name, an advertisement.
    pub fn announce_to(&self, neighbours: &[Neighbour], addresses: &[IpAddr]) -> Announced {
        let mut frames = Vec::new();
        for neighbour in neighbours {
            for address in addresses {
                match (address, neighbour.address) {
                    (IpAddr::V4(address), IpAddr::V4(to)) => {
                        frames.push(arp_frame(ArpForm::Question { of: to, at: neighbour.mac }, self.mac, *address));
                    }
                    (IpAddr::V6(address), IpAddr::V6(to)) => {
                        frames.push(advertisement_frame(self.mac, *address, self.role, Some((to, neighbour.mac))));
                    }
                    _ => {}
                }
            }
        }
        self.send(&frames)
    }

    /// Hands frames over by the hundred: a thousand addresses are announced before the first client has turned round.
    fn send(&self, frames: &[Vec<u8>]) -> Announced {
        let mut announced = Announced::default();
        for portion in frames.chunks(PORTION) {
            let mut parts: Vec<libc::iovec> = portion
                .iter()
                .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
                .collect();
            let message = |part: &mut libc::iovec| {
                // SAFETY: all zeros is a valid `mmsghdr`: no name, no control data, nothing to send.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message
            };
            let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
            let mut rest = messages.as_mut_slice();
            while !rest.is_empty() {
                let count = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                // SAFETY: `rest` holds `count` messages, whose parts point to frames that live; the kernel reads them and
                // writes nothing but the messages' lengths.
                let sent =
                    unsafe { libc::sendmmsg(self.socket.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
                let sent = usize::try_from(sent).unwrap_or(0);
                announced.sent = announced.sent.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
                rest = rest.get_mut(sent..).unwrap_or_default();
                if let [_, others @ ..] = rest {
                    // The one at which it stopped was not taken.
                    announced.dropped = announced.dropped.saturating_add(1);
                    rest = others;
                }
            }
        }
        announced
    }
}

/// A round of announcements: all addresses take part in one before the next begins. Of a thousand, no client waits for
/// the last while others hear of the first for the second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// ARP requests, and advertisements.
    First,
    /// ARP replies.
    Second,
    /// Whether anybody else has the address.
    Question,
}

impl Round {
    /// In their order.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Question];
}

/// The frames of a round, in the order of the addresses.
fn frames(round: Round, mac: MacAddress, role: Role, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    let frame = |address: &IpAddr| match (round, *address) {
        (Round::First, IpAddr::V4(address)) => Some(arp_frame(ArpForm::Request, mac, address)),
        (Round::Second, IpAddr::V4(address)) => Some(arp_frame(ArpForm::Reply, mac, address)),
        (Round::Question, IpAddr::V4(address)) => Some(arp_frame(ArpForm::Probe, mac, address)),
        (Round::First, IpAddr::V6(address)) => Some(advertisement_frame(mac, address, role, None)),
        (Round::Second, IpAddr::V6(_)) => None,
        (Round::Question, IpAddr::V6(address)) => Some(solicitation_frame(mac, address)),
    };
    addresses.iter().filter_map(frame).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArpForm {
    /// To everybody: who has this address?
    Request,
    /// To everybody, unasked: this address is here.
    Reply,
    /// To everybody, in nobody's name: does anybody else have this address? Nobody notes who asked.
    Probe,
    /// To one neighbour, in the address's name: who has your own address? Whoever is asked notes who asked (RFC 826),
    /// even where gratuitous ARP is turned off.
    Question { of: Ipv4Addr, at: MacAddress },
}

/// An ARP frame that says that `address` is at `mac`.
fn arp_frame(form: ArpForm, mac: MacAddress, address: Ipv4Addr) -> Vec<u8> {
    let sender_address = if form == ArpForm::Probe { Ipv4Addr::UNSPECIFIED } else { address };
    let (operation, destination, target_mac, target_address) = match form {
        // RFC 5227 §3: the target's hardware address is of no meaning in a request and is sent as zero.
        ArpForm::Request | ArpForm::Probe => ([0, 1], BROADCAST, [0; 6], address),
        // RFC 5944 §4.6: the target's hardware address repeats the sender's. Linux takes it for gratuitous only then,
        // and any other reply it ignores for a second after the entry last changed.
        ArpForm::Reply => ([0, 2], BROADCAST, mac, address),
        ArpForm::Question { of, at } => ([0, 1], at, [0; 6], of),
    };
    [
        &destination[..],
        &mac,
        &[0x08, 0x06],
        // Ethernet, IPv4, address lengths 6 and 4
        &[0, 1, 0x08, 0, 6, 4],
        &operation,
        &mac,
        &sender_address.octets(),
        &target_mac,
        &target_address.octets(),
        // up to Ethernet's 60 octets: some network cards refuse less
        &[0; 18],
    ]
    .concat()
}

/// A frame with a neighbour advertisement that overrides what is known: to all nodes, or to one neighbour.
fn advertisement_frame(mac: MacAddress, address: Ipv6Addr, role: Role, to: Option<(Ipv6Addr, MacAddress)>) -> Vec<u8> {
    const OVERRIDE: u8 = 0x20;
    const ROUTER: u8 = 0x80;
    const ICMPV6: u8 = 58;
    let (to, destination) = to.unwrap_or((ALL_NODES, ALL_NODES_MAC));
    let flags = match role {
        Role::Host => OVERRIDE,
        Role::Router => OVERRIDE | ROUTER,
    };
    let body = |checksum: [u8; 2]| {
        [
            // type 136, code 0
            &[136, 0][..],
            &checksum,
            &[flags, 0, 0, 0],
            &address.octets(),
            // option 2, target link-layer address, 8 octets
            &[2, 1],
            &mac,
        ]
        .concat()
    };
    let unsummed = body([0, 0]);
    let length = u8::try_from(unsummed.len()).unwrap_or(u8::MAX);
    let pseudo_header = [&address.octets()[..], &to.octets(), &[0, 0, 0, length, 0, 0, 0, ICMPV6]].concat();
    let checksum = internet_checksum(&[pseudo_header, unsummed].concat());
    [
        &destination[..],
        &mac,
        &[0x86, 0xdd],
        // version 6, no class, no flow label; hop limit 255, without which it is ignored
        &[0x60, 0, 0, 0, 0, length, ICMPV6, 255],
        &address.octets(),
        &to.octets(),
        &body(checksum),
    ]
    .concat()
}

/// A frame that asks whether anybody has `address`, in nobody's name, as duplicate address detection does.
fn solicitation_frame(mac: MacAddress, address: Ipv6Addr) -> Vec<u8> {
    const ICMPV6: u8 = 58;
    let [.., x, y, z] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
    let body = |checksum: [u8; 2]| [&[135, 0][..], &checksum, &[0; 4], &address.octets()].concat();
    let unsummed = body([0, 0]);
    let length = u8::try_from(unsummed.len()).unwrap_or(u8::MAX);
    let pseudo_header = [&[0; 16][..], &group.octets(), &[0, 0, 0, length, 0, 0, 0, ICMPV6]].concat();
    let checksum = internet_checksum(&[pseudo_header, unsummed].concat());
    [
        &[0x33, 0x33, 0xff, x, y, z][..],
        &mac,
        &[0x86, 0xdd],
        &[0x60, 0, 0, 0, 0, length, ICMPV6, 255],
        &[0; 16],
        &group.octets(),
        &body(checksum),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddress = [0x52, 0x54, 0, 9, 0, 1];

    #[test]
    fn a_gratuitous_arp_names_the_address_as_sender_and_target_and_fills_a_minimal_frame() {
        let address = Ipv4Addr::new(10, 9, 0, 101);
        let rows = [(ArpForm::Request, [0, 1], [0; 6]), (ArpForm::Reply, [0, 2], MAC)];
        for (form, operation, target_mac) in rows {
            let frame = arp_frame(form, MAC, address);
            assert_eq!(frame.len(), 60);
            assert_eq!(&frame[..14], &[&BROADCAST[..], &MAC, &[8, 6]].concat());
            assert_eq!(&frame[20..22], &operation);
            assert_eq!(&frame[22..32], &[&MAC[..], &[10, 9, 0, 101]].concat());
            assert_eq!(&frame[32..42], &[&target_mac[..], &[10, 9, 0, 101]].concat());
        }
    }

    #[test]
    fn every_address_is_announced_before_any_is_announced_again() {
        let addresses: [IpAddr; 3] =
            ["10.9.0.101", "fd00:9::101", "10.9.0.102"].map(|address| address.parse().unwrap());
        let of = |round| frames(round, MAC, Role::Host, &addresses);
        let v4 = |form, index: usize| match addresses[index] {
            IpAddr::V4(address) => arp_frame(form, MAC, address),
            IpAddr::V6(_) => unreachable!("chosen by the test"),
        };
        let IpAddr::V6(sixth) = addresses[1] else { unreachable!("chosen by the test") };
        let advertisement = advertisement_frame(MAC, sixth, Role::Host, None);
        assert_eq!(of(Round::First), [v4(ArpForm::Request, 0), advertisement, v4(ArpForm::Request, 2)]);
        assert_eq!(of(Round::Second), [v4(ArpForm::Reply, 0), v4(ArpForm::Reply, 2)]);
        let question = solicitation_frame(MAC, sixth);
        assert_eq!(of(Round::Question), [v4(ArpForm::Probe, 0), question, v4(ArpForm::Probe, 2)]);
    }

    #[test]
    fn a_neighbour_told_in_person_is_asked_in_the_name_of_the_address() {
        let (of, at) = (Ipv4Addr::new(10, 9, 0, 254), [2, 0, 0, 0, 0, 9]);
        let frame = arp_frame(ArpForm::Question { of, at }, MAC, Ipv4Addr::new(10, 9, 0, 101));
        assert_eq!(&frame[..6], &at);
        assert_eq!(&frame[20..32], &[&[0, 1][..], &MAC, &[10, 9, 0, 101]].concat());
        assert_eq!(&frame[32..42], &[&[0; 6][..], &of.octets()].concat());
    }

    #[test]
    fn an_advertisement_sums_to_zero_and_says_whether_the_box_is_a_router() {
        let address: Ipv6Addr = "fd00:9::101".parse().unwrap();
        for (role, flags) in [(Role::Host, 0x20), (Role::Router, 0xa0)] {
            let frame = advertisement_frame(MAC, address, role, None);
            assert_eq!(frame.len(), 14 + 40 + 32);
            assert_eq!(&frame[..6], &ALL_NODES_MAC);
            assert_eq!(frame[21], 255, "hop limit");
            assert_eq!(frame[58], flags);
            let summed = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58][..], &frame[54..]].concat();
            assert_eq!(internet_checksum(&summed), [0, 0]);
        }
    }

    #[test]
    fn whether_anybody_else_has_an_address_is_asked_in_nobody_s_name() {
        let frame = arp_frame(ArpForm::Probe, MAC, Ipv4Addr::new(10, 9, 0, 101));
        assert_eq!(&frame[20..32], &[&[0, 1][..], &MAC, &[0; 4]].concat());
        assert_eq!(&frame[32..42], &[0, 0, 0, 0, 0, 0, 10, 9, 0, 101]);
        let frame = solicitation_frame(MAC, "fd00:9::12:3456".parse().unwrap());
        assert_eq!(&frame[..6], &[0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(&frame[22..38], &[0; 16]);
        let summed = [&frame[22..54], &[0, 0, 0, 24, 0, 0, 0, 58][..], &frame[54..]].concat();
        assert_eq!(internet_checksum(&summed), [0, 0]);
    }
}
