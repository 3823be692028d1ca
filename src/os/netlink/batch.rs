//! Many small requests in few system calls: for a thousand service addresses that are acquired, renewed or released at
//! once (G-30, G-33, G-69).
//!
//! The kernel carries a request out within the `send` that brings it, so a portion of them is one `send`, and when it
//! returns every refusal waits to be read. Only the last request of a portion asks for an answer: a thousand leases that
//! are renewed well cost eleven answers and not a thousand.

use super::NetlinkError;
use super::address::{self, Address, Owner};
use super::connection::{PORTION, Refusal, refusal};
use crate::os::socket_option::{NetlinkExplanations, NetlinkShortRefusals};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressMessage;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The kernel answers before `send` returns; longer than this it is broken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Room for one answer: an error without its request, and the kernel's explanation.
const ANSWER: usize = 4096;
/// Octets of the largest datagram the kernel sends of a listing.
const LISTING: usize = 32 * 1024;

/// Removes every service address of this network namespace from every link, those that linger too, and nothing else:
/// for a guardian, which has no runtime. Returns how many there were (G-68).
///
/// # Errors
/// The first failure; the others are removed nevertheless.
pub fn remove_service_addresses() -> Result<usize, NetlinkError> {
    let mut batch = Batch::open()?;
    let found = batch.service_addresses()?;
    let messages = found.iter().map(|entry| address::naming(entry.interface_index, entry.address, entry.prefix_length));
    let refused = batch.carry_out(Kind::Remove, messages.collect())?;
    // One may have ended by itself, and a link may have gone.
    let gone = [Errno::EADDRNOTAVAIL, Errno::ENODEV];
    match refused.into_iter().find(|(_, refusal)| !gone.contains(&refusal.errno)) {
        Some((_, refusal)) => Err(refusal.of(String::from("removing service addresses"))),
        None => Ok(found.len()),
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Add an address, which must not be there.
    Add,
    /// Add an address, or begin the life of one anew that is there.
    Replace,
    /// Remove an address.
    Remove,
}

/// A netlink socket of its own, used by one thread.
#[derive(Debug)]
pub(super) struct Batch {
    socket: OwnedFd,
    sequence: u32,
    broken: bool,
}

impl Batch {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute);
        let socket = socket.map_err(NetlinkError::Socket)?;
        setsockopt(&socket, NetlinkExplanations, &true).map_err(NetlinkError::Socket)?;
        setsockopt(&socket, NetlinkShortRefusals, &true).map_err(NetlinkError::Socket)?;
        let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket, ReceiveTimeout, &patience).map_err(NetlinkError::Socket)?;
        Ok(Self { socket, sequence: 0, broken: false })
    }

    /// The socket broke, or the kernel does not answer: another one is needed.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Has requests of one kind carried out, in order, and returns those that were refused by their position. If the
    /// socket breaks, what became of the rest is not known.
    pub(super) fn carry_out(
        &mut self,
        kind: Kind,
        messages: Vec<AddressMessage>,
    ) -> Result<Vec<(usize, Refusal)>, NetlinkError> {
        let mut refused = Vec::new();
        let (mut first, mut messages) = (0, messages.into_iter());
        loop {
            let portion: Vec<_> = messages.by_ref().take(PORTION).collect();
            let count = portion.len();
            if count == 0 {
                return Ok(refused);
            }
            let of_portion = self.portion(kind, portion).inspect_err(|_| self.broken = true)?;
            refused.extend(of_portion.into_iter().map(|(position, refusal)| (first + position, refusal)));
            first += count;
        }
    }

    fn service_addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetAddress(AddressMessage::default()));
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.finalize();
        let mut octets = vec![0; request.buffer_len()];
        request.serialize(&mut octets);
        send(self.socket.as_raw_fd(), &octets, MsgFlags::empty()).map_err(NetlinkError::Socket)?;
        let mut found = Vec::new();
        let mut buffer = vec![0; LISTING];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(NetlinkError::Socket)?;
            for answer in answers(buffer.get(..length).unwrap_or_default()) {
                match answer.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(message)) => {
                        let service = |entry: &Address| entry.owner == Owner::Service;
                        found.extend(address::from_message(&message).filter(service));
                    }
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) => {
                        return Err(NetlinkError::Socket(refusal(&error).map_or(Errno::EIO, |refusal| refusal.errno)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn portion(&mut self, kind: Kind, messages: Vec<AddressMessage>) -> Result<Vec<(usize, Refusal)>, NetlinkError> {
        let (first, last) = (self.sequence.wrapping_add(1), messages.len().saturating_sub(1));
        let mut octets = Vec::with_capacity(messages.len() * 96);
        for (position, message) in messages.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            append(&mut octets, kind, message, self.sequence, position == last);
        }
        send(self.socket.as_raw_fd(), &octets, MsgFlags::empty()).map_err(NetlinkError::Socket)?;
        let deadline = Instant::now() + PATIENCE;
        let mut refused = Vec::new();
        let mut buffer = [0; ANSWER];
        while Instant::now() < deadline {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(NetlinkError::Socket(error)),
            };
            for answer in answers(buffer.get(..length).unwrap_or_default()) {
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                let Ok(position) = usize::try_from(answer.header.sequence_number.wrapping_sub(first)) else { continue };
                // What is not of this portion is the rest of one that was given up.
                if position > last {
                    continue;
                }
                refused.extend(refusal(&error).map(|refusal| (position, refusal)));
                if position == last {
                    return Ok(refused);
                }
            }
        }
        Err(NetlinkError::Socket(Errno::ETIMEDOUT))
    }
}

fn append(octets: &mut Vec<u8>, kind: Kind, message: AddressMessage, sequence: u32, answer: bool) {
    let (message, flags) = match kind {
        Kind::Add => (RouteNetlinkMessage::NewAddress(message), libc::NLM_F_CREATE | libc::NLM_F_EXCL),
        Kind::Replace => (RouteNetlinkMessage::NewAddress(message), libc::NLM_F_CREATE | libc::NLM_F_REPLACE),
        Kind::Remove => (RouteNetlinkMessage::DelAddress(message), 0),
    };
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | u16::try_from(flags).unwrap_or(0) | if answer { NLM_F_ACK } else { 0 };
    message.header.sequence_number = sequence;
    message.finalize();
    let start = octets.len();
    octets.resize(start + message.buffer_len().next_multiple_of(4), 0);
    if let Some(room) = octets.get_mut(start..) {
        message.serialize(room);
    }
}

fn answers(mut datagram: &[u8]) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let mut found = Vec::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram) {
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX).max(16).next_multiple_of(4);
        found.push(message);
        datagram = datagram.get(length..).unwrap_or_default();
    }
    found
}
