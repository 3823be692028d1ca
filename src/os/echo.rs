//! An ICMP echo request and its reply (RFC 792, RFC 4443): does an address answer at all?
//!
//! One question, one answer; when to ask and what silence means are the core's. A raw socket of its own for each
//! question, connected to the address, so that the kernel hands up nothing from anybody else.

use super::checksum::internet_checksum;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time;

/// A reply to a short question, with the longest IPv4 header in front.
const BUFFER: usize = 128;
const HEADER: usize = 8;

const V4_REPLY: u8 = 0;
const V4_REQUEST: u8 = 8;
const V6_REQUEST: u8 = 128;
const V6_REPLY: u8 = 129;

/// Identifier and sequence number of the next question: no two of this process are alike for 2^32 of them.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Asks `target` for an echo and waits for it for at most `timeout`.
///
/// # Errors
/// In words, for the operator: no right to ask, no route, or no answer within the timeout.
pub async fn echo(target: IpAddr, timeout: Duration) -> Result<(), String> {
    // The process's number in front, so that two daemons on one box do not take each other's answers.
    let label = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() << 16).to_be_bytes();
    match time::timeout(timeout, ask(target, label)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{target}: {error}")),
        Err(_) => Err(format!("{target}: no answer within {} ms", timeout.as_millis())),
    }
}

async fn ask(target: IpAddr, label: [u8; 4]) -> io::Result<()> {
    let protocol = if target.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let to = SocketAddr::new(target, 0);
    let socket = Socket::new(Domain::for_address(to), Type::RAW.nonblocking(), Some(protocol))?;
    socket.connect(&to.into())?;
    // SAFETY: the `AsyncFd` owns the socket, nobody else has it, and its descriptor never changes.
    let socket = unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)?;
    socket.get_ref().send(&request(target.is_ipv4(), label))?;
    let mut buffer = [0; BUFFER];
    loop {
        let mut ready = socket.readable().await?;
        let read = ready.try_io(|socket| io::Read::read(&mut socket.get_ref(), &mut buffer));
        let Ok(length) = read else { continue };
        if is_reply(buffer.get(..length?).unwrap_or_default(), target.is_ipv4(), label) {
            return Ok(());
        }
    }
}

/// The kernel fills in the checksum of ICMPv6, which covers addresses that it alone knows.
fn request(v4: bool, label: [u8; 4]) -> [u8; HEADER] {
    let [a, b, c, d] = label;
    let kind = if v4 { V4_REQUEST } else { V6_REQUEST };
    let [high, low] = if v4 { internet_checksum(&[kind, 0, 0, 0, a, b, c, d]) } else { [0, 0] };
    [kind, 0, high, low, a, b, c, d]
}

/// An IPv4 raw socket hands up the IP header as well.
fn is_reply(datagram: &[u8], v4: bool, label: [u8; 4]) -> bool {
    let header = if v4 { datagram.first().map_or(0, |first| usize::from(first & 0xf) * 4) } else { 0 };
    let Some([kind, _, _, _, echoed @ ..]) = datagram.get(header..header + HEADER) else { return false };
    *kind == if v4 { V4_REPLY } else { V6_REPLY } && *echoed == label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_its_checksum_and_only_its_own_reply_counts() {
        let label = [0x12, 0x34, 0, 7];
        let asked = request(true, label);
        assert_eq!(internet_checksum(&asked), [0, 0], "a sum over the sum is nought");
        let ip = [0x45; 20];
        let reply = |kind: u8, label: [u8; 4]| [&ip[..], &[kind, 0, 0, 0], &label[..]].concat();
        assert!(is_reply(&reply(V4_REPLY, label), true, label));
        assert!(!is_reply(&reply(V4_REQUEST, label), true, label), "our own question on the loopback");
        assert!(!is_reply(&reply(V4_REPLY, [0; 4]), true, label), "another's");
        assert!(!is_reply(&ip, true, label) && !is_reply(&[], true, label), "cut short");
        let [a, b, c, d] = label;
        assert!(is_reply(&[V6_REPLY, 0, 0, 0, a, b, c, d], false, label));
    }
}
