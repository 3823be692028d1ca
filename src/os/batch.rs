//! Several datagrams in one system call, in and out, each with the address that was asked.
//!
//! When many ask at once, taking what waits and answering it together costs the kernel a seventh less than one by one. It
//! knows datagrams, not what is in them; [`super::datagram`] has the socket.

use super::datagram::Asked;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrLike as _, SockaddrStorage};
use socket2::SockAddr;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// Datagrams of a batch. The first waits for its answer until the last is worked on: with sixteen of the dearest requests
/// that is a quarter of a millisecond.
const MOST: usize = 16;
/// Looking for a second datagram costs a twentieth of a GET. After so many that came alone it is not done every time,
const LONE: u32 = 8;
/// but once in so many times.
const LOOK_EVERY: u32 = 8;
/// Octets of control messages: one with an address and an interface.
const CONTROL: usize = 64;
/// Octets of an address.
const NAME: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// Room for datagrams and their answers.
#[derive(Debug)]
pub struct Batch {
    slots: Vec<Slot>,
    /// How many datagrams in a row came alone.
    lone: u32,
}

/// A datagram, and what is answered.
#[derive(Debug)]
pub struct Question {
    /// Who sent it, and to whom.
    pub asked: Asked,
    /// Left empty, there is no answer. Whoever answers replaces what stands in it.
    pub answer: Vec<u8>,
    octets: Vec<u8>,
}

impl Question {
    /// What was received, as far as there was room for it.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        self.octets.get(..self.asked.length).unwrap_or(&self.octets)
    }
}

/// Where one datagram goes, and what the kernel says of it.
struct Slot {
    question: Question,
    /// There is one.
    taken: bool,
    name: libc::sockaddr_storage,
    control: Control,
}

/// Control messages have numbers in them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("question", &self.question).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Batch {
    /// For datagrams of at most so many octets; longer ones are cut.
    #[must_use]
    pub fn new(octets: usize) -> Self {
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let asked = Asked { length: 0, truncated: false, by: nobody, at: nobody.ip(), interface_index: 0 };
        let slot = || Slot {
            question: Question { asked, answer: Vec::new(), octets: vec![0; octets] },
            taken: false,
            // SAFETY: plain data of the kernel's, for which zero means nothing.
            name: unsafe { zeroed() },
            control: Control([0; CONTROL]),
        };
        Self { slots: std::iter::repeat_with(slot).take(MOST).collect(), lone: 0 }
    }

    /// What was received, in its order.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.slots.iter().filter(|slot| slot.taken).map(|slot| &slot.question)
    }

    /// What was received, in its order.
    pub fn questions_mut(&mut self) -> impl Iterator<Item = &mut Question> {
        self.slots.iter_mut().filter(|slot| slot.taken).map(|slot| &mut slot.question)
    }

    /// Waits for a datagram, and takes those that are there besides. One without an address to answer from is no question.
    pub(super) fn receive(&mut self, fd: i32) -> Result<(), Errno> {
        let alone = self.lone >= LONE && !self.lone.is_multiple_of(LOOK_EVERY);
        let room = if alone { 1 } else { MOST };
        // SAFETY: both are plain data of the kernel's, for which zero means nothing.
        let (mut parts, mut headers): ([libc::iovec; MOST], [libc::mmsghdr; MOST]) = unsafe { zeroed() };
        for ((slot, part), header) in self.slots.iter_mut().zip(&mut parts).zip(&mut headers).take(room) {
            let octets = &mut slot.question.octets;
            *part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
            let header = &mut header.msg_hdr;
            (header.msg_iov, header.msg_iovlen) = (part, 1);
            (header.msg_name, header.msg_namelen) = (ptr::from_mut(&mut slot.name).cast(), NAME);
            (header.msg_control, header.msg_controllen) = (ptr::from_mut(&mut slot.control).cast(), CONTROL);
        }
        // SAFETY: of the first `room` headers every pointer is to something as large as it says, that stands until the end
        // of this function and that nobody else uses meanwhile.
        let count = unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), room as libc::c_uint, libc::MSG_WAITFORONE, ptr::null_mut())
        };
        for slot in &mut self.slots {
            slot.taken = false;
        }
        let count = usize::try_from(Errno::result(count)?).unwrap_or(0);
        self.lone = if count > 1 { 0 } else { self.lone.wrapping_add(1) };
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(count) {
            if let Some(asked) = asked(header, &slot.name) {
                (slot.question.asked, slot.taken) = (asked, true);
            }
        }
        Ok(())
    }
}

/// What the kernel says of a datagram; `None` if it does not say from where or to which address.
fn asked(header: &libc::mmsghdr, name: &libc::sockaddr_storage) -> Option<Asked> {
    let message = &header.msg_hdr;
    // SAFETY: the kernel wrote so many octets of an address there.
    let name = unsafe { SockaddrStorage::from_raw(ptr::from_ref(name).cast(), Some(message.msg_namelen)) }?;
    let by = match (name.as_sockaddr_in(), name.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
        // The scope is part of a link-local address: without it the answer has no way.
        (None, Some(v6)) => SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into(),
        (None, None) => return None,
    };
    let (at, interface_index) = asked_at(message)?;
    let (length, truncated) = (usize::try_from(header.msg_len).ok()?, message.msg_flags & libc::MSG_TRUNC != 0);
    Some(Asked { length, truncated, by, at, interface_index })
}

/// To which address a datagram was sent, and on which interface it came in.
fn asked_at(message: &libc::msghdr) -> Option<(IpAddr, u32)> {
    // SAFETY: the kernel wrote the control messages and how long they are; the macros stay within them.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: as above.
    while let Some(header) = unsafe { control.as_ref() } {
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // SAFETY: that is what this type of control message has in it (ip(7)).
                let info: libc::in_pktinfo = unsafe { ptr::read_unaligned(libc::CMSG_DATA(control).cast()) };
                let at = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                return Some((at.into(), u32::try_from(info.ipi_ifindex).unwrap_or(0)));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                // SAFETY: that is what this type of control message has in it (RFC 3542 §6.2).
                let info: libc::in6_pktinfo = unsafe { ptr::read_unaligned(libc::CMSG_DATA(control).cast()) };
                return Some((Ipv6Addr::from(info.ipi6_addr.s6_addr).into(), info.ipi6_ifindex));
            }
            // SAFETY: as above.
            _ => control = unsafe { libc::CMSG_NXTHDR(message, control) },
        }
    }
    None
}

/// An answer on its way: to whom, and from which address.
struct Outgoing<'a> {
    asked: &'a Asked,
    to: SockAddr,
    control: Control,
    control_length: usize,
    part: libc::iovec,
}

impl<'a> Outgoing<'a> {
    /// `None` if it was not asked in the protocol in which it would be answered.
    fn new(asked: &'a Asked, answer: &'a [u8]) -> Option<Self> {
        let mut control = Control([0; CONTROL]);
        let control_length = match (asked.by, asked.at) {
            (SocketAddr::V4(_), IpAddr::V4(from)) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                control.put(libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            (SocketAddr::V6(to), IpAddr::V6(from)) => {
                let link_local = to.ip().is_unicast_link_local();
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                    ipi6_ifindex: if link_local { asked.interface_index } else { 0 },
                };
                control.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
            _ => return None,
        };
        let part = libc::iovec { iov_base: answer.as_ptr().cast_mut().cast(), iov_len: answer.len() };
        Some(Self { asked, to: asked.by.into(), control, control_length, part })
    }
}

impl Control {
    /// Puts the one control message there, and returns how long it is.
    fn put<T>(&mut self, level: i32, kind: i32, content: T) -> usize {
        const { assert!(size_of::<libc::cmsghdr>() + size_of::<T>() <= CONTROL) };
        let size = size_of::<T>() as libc::c_uint;
        // SAFETY: it has room for the header and for the content, by the assertion, and is aligned for the header.
        unsafe {
            let header = self.0.as_mut_ptr().cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(header).cast(), content);
            libc::CMSG_SPACE(size) as usize
        }
    }
}

/// Sends answers, each from the address that was asked; tells which the kernel did not take, and returns how many it did.
pub(super) fn send<'a>(
    fd: i32,
    answers: impl Iterator<Item = (&'a Asked, &'a [u8])>,
    mut failed: impl FnMut(&Asked, Errno),
) -> usize {
    let (mut answers, mut sent) = (answers.peekable(), 0);
    while answers.peek().is_some() {
        let mut outgoing = [const { None }; MOST];
        for (place, (asked, answer)) in outgoing.iter_mut().zip(answers.by_ref()) {
            *place = Outgoing::new(asked, answer);
            if place.is_none() {
                failed(asked, Errno::EAFNOSUPPORT);
            }
        }
        sent += send_some(fd, &mut outgoing, &mut failed);
    }
    sent
}

fn send_some(fd: i32, outgoing: &mut [Option<Outgoing<'_>>; MOST], failed: &mut impl FnMut(&Asked, Errno)) -> usize {
    // SAFETY: plain data of the kernel's, for which zero means nothing.
    let mut headers: [libc::mmsghdr; MOST] = unsafe { zeroed() };
    let mut count = 0;
    for (header, outgoing) in headers.iter_mut().zip(outgoing.iter_mut().flatten()) {
        let header = &mut header.msg_hdr;
        (header.msg_iov, header.msg_iovlen) = (&raw mut outgoing.part, 1);
        (header.msg_name, header.msg_namelen) = (outgoing.to.as_ptr().cast_mut().cast(), outgoing.to.len());
        (header.msg_control, header.msg_controllen) =
            (ptr::from_mut(&mut outgoing.control).cast(), outgoing.control_length);
        count += 1;
    }
    let (mut sent, mut next) = (0, 0);
    while let Some(rest @ [_, ..]) = headers.get_mut(next..count) {
        // SAFETY: every pointer is to something as large as its header says, that stands until the end of this function;
        // the kernel writes nothing but `msg_len`.
        let result = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as libc::c_uint, libc::MSG_DONTWAIT) };
        match Errno::result(result) {
            Ok(some) => {
                let some = usize::try_from(some).unwrap_or(0).max(1);
                (sent, next) = (sent + some, next + some);
            }
            Err(Errno::EINTR) => {}
            // It is about the first; those after it may be fine.
            Err(error) => {
                if let Some(outgoing) = outgoing.iter().flatten().nth(next) {
                    failed(outgoing.asked, error);
                }
                next += 1;
            }
        }
    }
    sent
}
