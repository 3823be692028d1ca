//! A blocking netlink socket: dumps, and batches of requests.
//!
//! A batch is one `send` of up to [`BATCH`] messages of which only the last asks for an acknowledgement. The kernel
//! answers a failed message in any case, and in order, so the last answer ends the batch: a thousand addresses cost ten
//! system calls in each direction.

use super::NetlinkError;
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{self as sys, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;

/// Messages in one `send`. If all of them fail, the answers still fit into the default receive buffer of 208 KiB.
pub(super) const BATCH: usize = 100;
/// The kernel fills at most 32 KiB per datagram of a dump.
const DATAGRAM: usize = 64 * 1024;
/// The kernel answers before `send` returns; longer than this it is broken, and the caller is told.
const PATIENCE_SECONDS: i64 = 5;
/// Times a dump is repeated that was torn by a change.
const DUMP_ATTEMPTS: usize = 5;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;

/// A message and the flags it is sent with, `NLM_F_REQUEST` and `NLM_F_ACK` aside.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

/// Why one message of a batch was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn of(self, what: String) -> NetlinkError {
        NetlinkError::Refused { what, errno: self.errno, reason: self.reason }
    }
}

#[derive(Debug)]
pub(in crate::os) struct Socket {
    inner: sys::Socket,
    sequence: u32,
}

impl Socket {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        Self::open_inner().map(|inner| Self { inner, sequence: 0 }).map_err(|error| NetlinkError::Socket(errno(&error)))
    }

    fn open_inner() -> io::Result<sys::Socket> {
        let mut socket = sys::Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Answers say why in words, and do not carry the request back.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
        Ok(socket)
    }

    /// Everything the kernel has of the kind that `message` asks for, as one consistent picture.
    pub(super) fn dump(&mut self, message: &RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(answers) = self.try_dump(message)? {
                return Ok(answers);
            }
        }
        Err(NetlinkError::Socket(Errno::EINTR))
    }

    /// `None`: something changed while the kernel was listing.
    fn try_dump(&mut self, message: &RouteNetlinkMessage) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        let sequence = self.next_sequence();
        let mut octets = Vec::new();
        encode(message.clone(), NLM_F_REQUEST | NLM_F_DUMP, sequence, &mut octets);
        self.send(&octets)?;
        let (mut answers, mut torn) = (Vec::new(), false);
        loop {
            for answer in self.receive()? {
                if answer.header.sequence_number != sequence {
                    continue;
                }
                torn |= answer.header.flags & NLM_F_DUMP_INTR != 0;
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok((!torn).then_some(answers)),
                    NetlinkPayload::Error(error) => {
                        return match refusal(&error) {
                            Some(refusal) => Err(NetlinkError::Socket(refusal.errno)),
                            None => Ok(Some(answers)),
                        };
                    }
                    NetlinkPayload::InnerMessage(message) => answers.push(message),
                    _ => {}
                }
            }
        }
    }

    /// Has one request carried out.
    pub(super) fn request(&mut self, what: impl FnOnce() -> String, request: Request) -> Result<(), NetlinkError> {
        match self.batch(vec![request])?.pop() {
            None => Ok(()),
            Some((_, refusal)) => Err(refusal.of(what())),
        }
    }

    /// Has all `requests` carried out, in order, and returns those that were refused by their position. If the socket
    /// breaks, what became of the rest is not known.
    pub(super) fn batch(&mut self, requests: Vec<Request>) -> Result<Vec<(usize, Refusal)>, NetlinkError> {
        let mut refused = Vec::new();
        let (mut position, mut requests) = (0, requests.into_iter().peekable());
        while requests.peek().is_some() {
            let first = self.sequence.wrapping_add(1);
            let mut octets = Vec::new();
            let mut length = 0;
            while let Some(request) = requests.next() {
                length += 1;
                let last = length == BATCH || requests.peek().is_none();
                let flags = NLM_F_REQUEST | request.flags | if last { NLM_F_ACK } else { 0 };
                encode(request.message, flags, self.next_sequence(), &mut octets);
                if last {
                    break;
                }
            }
            self.send(&octets)?;
            self.collect_answers(first, length, position, &mut refused)?;
            position += length;
        }
        Ok(refused)
    }

    fn collect_answers(
        &self,
        first: u32,
        length: usize,
        position: usize,
        refused: &mut Vec<(usize, Refusal)>,
    ) -> Result<(), NetlinkError> {
        loop {
            for answer in self.receive()? {
                let offset = usize::try_from(answer.header.sequence_number.wrapping_sub(first)).unwrap_or(usize::MAX);
                let NetlinkPayload::Error(error) = answer.payload else { continue };
                if offset >= length {
                    continue;
                }
                refused.extend(refusal(&error).map(|refusal| (position + offset, refusal)));
                if offset + 1 == length {
                    return Ok(());
                }
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, octets: &[u8]) -> Result<(), NetlinkError> {
        loop {
            match self.inner.send(octets, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NetlinkError::Socket(errno(&error))),
            }
        }
    }

    fn receive(&self) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, NetlinkError> {
        let mut buffer = Vec::with_capacity(DATAGRAM);
        loop {
            match self.inner.recv(&mut buffer, 0) {
                Ok(_) => return Ok(decode(&buffer)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(NetlinkError::Socket(Errno::ETIMEDOUT));
                }
                Err(error) => return Err(NetlinkError::Socket(errno(&error))),
            }
        }
    }
}

pub(super) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn encode(message: RouteNetlinkMessage, flags: u16, sequence: u32, octets: &mut Vec<u8>) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let start = octets.len();
    octets.resize(start + message.buffer_len().next_multiple_of(4), 0);
    if let Some(room) = octets.get_mut(start..) {
        message.serialize(room);
    }
}

/// The messages of a datagram. One that this version can not read is passed over: a new kind of link must not hide the
/// old ones.
pub(super) fn decode(mut octets: &[u8]) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let mut messages = Vec::new();
    while let Some(length) = octets.first_chunk::<4>().map(|length| u32::from_ne_bytes(*length)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = octets.get(..length).filter(|_| length >= HEADER) else { break };
        match NetlinkMessage::deserialize(message) {
            Ok(message) => messages.push(message),
            Err(error) => tracing::warn!(%error, "a netlink message that is not understood"),
        }
        octets = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

/// `None`: it is an acknowledgement.
fn refusal(error: &ErrorMessage) -> Option<Refusal> {
    let errno = Errno::from_raw(error.code?.get().saturating_neg());
    // The request's header, then attributes, one of which is the kernel's explanation.
    let attributes = error.header.get(HEADER..).unwrap_or_default();
    let reason = NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned());
    let reason = match reason {
        Some(reason) => format!("{reason} ({})", errno.desc()),
        None => errno.desc().to_owned(),
    };
    Some(Refusal { errno, reason })
}
