//! Who claims an address on the segment: the client asks everybody, by ARP (RFC 826) and neighbour solicitation
//! (RFC 4861 §4.3), and counts the MAC addresses that answer. It needs nothing of the boxes, so it works for VMs as well,
//! and it hears two boxes where an echo would hear one.

use super::network::{LAN, Namespace};
use super::plan::{CLIENT_V4, CLIENT_V6, Mac};
use super::prober::{FRAME, Frame, frames, receive_frame};
use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, SockaddrLike, sendto, setsockopt,
    socket, sockopt,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A neighbour solicitation must come from this link (RFC 4861 §7.1.1).
const ON_LINK: i32 = 255;

/// Asks once for each address, and listens for `patience`.
pub fn claimants(
    client: &Namespace,
    addresses: &[IpAddr],
    patience: Duration,
) -> Result<BTreeMap<IpAddr, BTreeSet<Mac>>> {
    client.inside(|| {
        let index = nix::net::if_::if_nametoindex(LAN)?;
        let own = own_mac()?;
        // Both protocols' answers, and everything else that arrives.
        let link = frames(SockProtocol::EthAll)?;
        let solicit = solicitor()?;
        for address in addresses {
            match address {
                IpAddr::V4(target) => {
                    let to = link_address(index, libc::ETH_P_ARP, BROADCAST)?;
                    sendto(link.as_raw_fd(), &arp_request(own, *target), &to, MsgFlags::empty())?;
                }
                IpAddr::V6(target) => {
                    let to = SockaddrIn6::from(SocketAddrV6::new(solicited_node(*target), 0, 0, index));
                    sendto(solicit.as_raw_fd(), &solicitation(own, *target), &to, MsgFlags::empty())?;
                }
            }
        }
        let mut claimants: BTreeMap<IpAddr, BTreeSet<Mac>> = addresses.iter().map(|a| (*a, BTreeSet::new())).collect();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let mut buffer = [0; FRAME];
            while let Some(Frame { packet, from, .. }) = receive_frame(&link, &mut buffer) {
                let claimed = arp_answer(packet).or_else(|| advertisement(packet));
                if let Some(macs) = claimed.and_then(|address| claimants.get_mut(&address)) {
                    macs.insert(from);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(claimants)
    })
}

/// The client's own MAC address.
pub fn own_mac() -> Result<Mac> {
    let of_lan = nix::ifaddrs::getifaddrs()?.find_map(|interface| {
        let address = interface.address?;
        (interface.interface_name == LAN).then_some(address.as_link_addr()?.addr()?)
    });
    Ok(Mac(of_lan.context("the client has no NIC")?))
}

/// A raw socket for neighbour solicitations; the kernel adds addresses and checksum.
fn solicitor() -> Result<OwnedFd> {
    let fd = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)?;
    setsockopt(&fd, sockopt::Ipv6MulticastHops, &ON_LINK)?;
    nix::sys::socket::bind(fd.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(CLIENT_V6, 0, 0, 0)))?;
    Ok(fd)
}

/// Everybody on the link.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// A place on the link that frames of a protocol (`ETH_P_…`) can be sent to.
pub fn link_address(index: u32, protocol: libc::c_int, mac: Mac) -> Result<LinkAddr> {
    let [a, b, c, d, e, f] = mac.0;
    let index = i32::try_from(index)?;
    let to = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET)?,
        sll_protocol: u16::try_from(protocol)?.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [a, b, c, d, e, f, 0, 0],
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>())?;
    // SAFETY: `to` is a complete `sockaddr_ll` of that length, which is copied.
    unsafe { LinkAddr::from_raw((&raw const to).cast(), Some(length)) }.context("a link address")
}

/// "Who has `target`? Tell the client", without the Ethernet header.
pub fn arp_request(own: Mac, target: Ipv4Addr) -> Vec<u8> {
    // Ethernet, IPv4, their address lengths, a request.
    let mut packet = vec![0, 1, 0x08, 0, 6, 4, 0, 1];
    packet.extend(own.0);
    packet.extend(CLIENT_V4.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    packet
}

/// The address that an ARP answer to the client claims.
fn arp_answer(packet: &[u8]) -> Option<IpAddr> {
    let is_answer = packet.get(..8)? == [0, 1, 0x08, 0, 6, 4, 0, 2];
    let to_client = packet.get(24..28)? == CLIENT_V4.octets();
    let sender: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    (is_answer && to_client).then_some(sender.into())
}

/// "Who has `target`?", with the client's MAC address; the kernel fills in the checksum.
fn solicitation(own: Mac, target: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // Option 1, source link-layer address, of one unit of 8 octets.
    message.extend([1, 1]);
    message.extend(own.0);
    message
}

/// The address that a solicited neighbour advertisement to the client claims.
fn advertisement(packet: &[u8]) -> Option<IpAddr> {
    let is_icmp = packet.first()? >> 4 == 6 && packet.get(6) == Some(&58);
    let to_client = packet.get(24..40)? == CLIENT_V6.octets();
    let is_advertisement = packet.get(40) == Some(&136);
    let target: [u8; 16] = packet.get(48..64)?.try_into().ok()?;
    (is_icmp && to_client && is_advertisement).then_some(target.into())
}

/// The multicast group that whoever has `target` listens to (RFC 4291 §2.7.1).
fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solicited_node_group_ends_in_the_last_three_octets_of_the_address() {
        let target = "fd00:77::1:2345:6789".parse().unwrap();
        assert_eq!(solicited_node(target), "ff02::1:ff45:6789".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn only_an_answer_to_the_client_is_a_claim() {
        let mut answer = arp_request(Mac([2; 6]), CLIENT_V4);
        answer[7] = 2;
        answer[14..18].copy_from_slice(&[10, 77, 0, 101]);
        assert_eq!(arp_answer(&answer), Some("10.77.0.101".parse().unwrap()));
        assert_eq!(arp_answer(&arp_request(Mac([2; 6]), CLIENT_V4)), None, "a request");
        answer[27] = 9;
        assert_eq!(arp_answer(&answer), None, "to another");
        assert_eq!(arp_answer(&[]), None, "nothing");
    }
}
