//! The moment raisd is gone, its service addresses go: nobody watches over them any more, and others will serve them.
//!
//! This is faster than the lease the kernel keeps on them (G-33), and like it does not need raisd. Addresses of the box
//! itself stay: only those marked as service addresses are touched. Requirement G-68.

use crate::netlink::{self, Message};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use service_mark::SERVICE_MARK;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

#[path = "../../../src/os/netlink/service_mark.rs"]
mod service_mark;

/// `lo` has index 1 in every network namespace.
const LOOPBACK: u32 = 1;
/// Octets of the largest datagram the kernel sends of a dump.
const DATAGRAM: usize = 32 * 1024;

/// Removes every service address from this box; returns how many there were.
pub(crate) fn remove_service_addresses() -> io::Result<usize> {
    let kernel = Kernel::connect()?;
    let addresses = kernel.service_addresses()?;
    for address in &addresses {
        match kernel.ask(&netlink::delete_address(address)) {
            // Another one may just have expired by itself.
            Ok(()) | Err(Errno::EADDRNOTAVAIL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(addresses.len())
}

/// Brings up `lo`: programs expect it, whatever is configured.
pub(crate) fn bring_up_loopback() -> io::Result<()> {
    Ok(Kernel::connect()?.ask(&netlink::bring_up(LOOPBACK))?)
}

/// A conversation with the kernel. A new one for each purpose: nothing of an interrupted one can be mistaken for an
/// answer.
struct Kernel {
    socket: OwnedFd,
}

impl Kernel {
    fn connect() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        // The kernel answers before `send` returns; a limit all the same, for PID 1 must never hang.
        setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(500))?;
        Ok(Self { socket })
    }

    fn service_addresses(&self) -> io::Result<Vec<Vec<u8>>> {
        send(self.socket.as_raw_fd(), &netlink::list_addresses(), MsgFlags::empty())?;
        let mut found = Vec::new();
        loop {
            let datagram = self.receive()?;
            for message in netlink::messages(&datagram) {
                match message {
                    Message::Address(address) if netlink::origin(address) == Some(SERVICE_MARK) => {
                        found.push(address.to_vec());
                    }
                    Message::End => return Ok(found),
                    Message::Answer(code) => return Err(io::Error::from_raw_os_error(code)),
                    Message::Address(_) | Message::Other => {}
                }
            }
        }
    }

    /// Sends a request and waits for its answer.
    fn ask(&self, request: &[u8]) -> Result<(), Errno> {
        send(self.socket.as_raw_fd(), request, MsgFlags::empty())?;
        loop {
            for message in netlink::messages(&self.receive()?) {
                match message {
                    Message::Answer(0) => return Ok(()),
                    Message::Answer(code) => return Err(Errno::from_raw(code)),
                    Message::Address(_) | Message::End | Message::Other => {}
                }
            }
        }
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut datagram = vec![0; DATAGRAM];
        let length = recv(self.socket.as_raw_fd(), &mut datagram, MsgFlags::empty())?;
        datagram.truncate(length);
        Ok(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use std::time::{Duration, Instant};

    /// Adds an address to `lo`, as raisd would: `RTM_NEWADDR` with a label, a mark and a lifetime.
    fn add(kernel: &Kernel, address: [u8; 4], mark: Option<u8>) {
        let mut bytes = vec![2, 32, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0];
        bytes.extend_from_slice(&address);
        if let Some(mark) = mark {
            bytes.extend_from_slice(&[5, 0, 11, 0, mark, 0, 0, 0]);
        }
        bytes.extend_from_slice(&[20, 0, 6, 0]);
        for field in [100_u32, 100, 0, 0] {
            bytes.extend_from_slice(&field.to_ne_bytes());
        }
        kernel.ask(&netlink::add_address(&bytes)).unwrap();
    }

    #[test]
    fn service_addresses_are_gone_within_ten_milliseconds_and_others_stay() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("not run: a network namespace of its own needs root");
            return;
        }
        // Of this thread alone, and gone with it.
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        bring_up_loopback().unwrap();
        let kernel = Kernel::connect().unwrap();
        add(&kernel, [10, 9, 0, 1], None);
        add(&kernel, [10, 9, 0, 2], Some(SERVICE_MARK + 1));
        // The best of some times: this machine does other things as well.
        let mut took = Duration::MAX;
        for _ in 0..7 {
            for last in 101..151 {
                add(&kernel, [10, 9, 0, last], Some(SERVICE_MARK));
            }
            let begun = Instant::now();
            assert_eq!(remove_service_addresses().unwrap(), 50);
            took = took.min(begun.elapsed());
        }
        assert!(took < Duration::from_millis(10), "{took:?}");
        assert_eq!(remove_service_addresses().unwrap(), 0);
        assert_eq!(kernel.ask(&netlink::delete_address(&[2, 32, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 9, 0, 1])), Ok(()));
        assert_eq!(kernel.ask(&netlink::delete_address(&[2, 32, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 10, 9, 0, 2])), Ok(()));
    }
}
