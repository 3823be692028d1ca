//! Whether a link has a carrier, asked of its driver at this moment: `ETHTOOL_GLINK` (ethtool(2)).
//!
//! It costs a microsecond where a listing of links costs a hundred. The answer may be news that the kernel still holds
//! back from everybody who waits to be told.

use super::NetlinkError;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsRawFd, OwnedFd};

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GLINK: u32 = 0x0a;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Asks about links of the network namespace of the thread that opened it.
#[derive(Debug)]
pub(super) struct Carriers {
    socket: OwnedFd,
}

impl Carriers {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
        Ok(Self { socket: socket.map_err(NetlinkError::Socket)? })
    }

    /// Whether the link is up and has a carrier; `None`: there is none of this name, or its driver can not tell.
    pub(super) fn has(&self, name: &str) -> Option<bool> {
        let mut value = Value { command: ETHTOOL_GLINK, data: 0 };
        // SAFETY: all zeros is a valid `ifreq`.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last octet stays 0 and ends the name.
        let room = request.ifr_name.len().checked_sub(1)?;
        if name.len() > room {
            return None;
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: `request` and the `value` it points to are live; the kernel reads and writes no more than these.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        Errno::result(result).ok()?;
        Some(value.data != 0)
    }
}
