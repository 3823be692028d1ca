//! Sockets that send and hear whole frames on one link, `packet(7)`.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsRawFd, OwnedFd};

/// The type of no frame: a socket that only sends.
pub(super) const NOTHING: u16 = 0;

/// Opens one on a link, which hears frames of one Ethernet type. It never waits.
///
/// # Errors
/// The kernel's: no such link, or no `CAP_NET_RAW`.
pub(super) fn open(interface_index: u32, hears: u16) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    // Without a protocol it hears nothing until it is bound: no frame of another link.
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EINVAL)?;
    address.sll_protocol = hears.to_be();
    address.sll_ifindex = i32::try_from(interface_index).map_err(|_| Errno::ENODEV)?;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `address` is live and `length` octets long; the kernel only reads it.
    Errno::result(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}
