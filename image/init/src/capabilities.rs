//! What raisd may do: it runs as root, but with the few capabilities it needs, and no program it starts gets more.

use std::io;

/// `CAP_NET_BIND_SERVICE`: SNMP's port 161.
const NET_BIND_SERVICE: u32 = 10;
/// `CAP_NET_ADMIN`: addresses, routes, forwarding.
const NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`: gratuitous ARP, unsolicited neighbour advertisements.
const NET_RAW: u32 = 13;
/// `CAP_IPC_LOCK`: memory that is never paged out.
const IPC_LOCK: u32 = 14;
/// `CAP_SYS_NICE`: real-time scheduling of the beat.
const SYS_NICE: u32 = 23;
const KEPT: [u32; 5] = [NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE];
/// Capabilities the kernel may know; one it does not know ends the list (`EINVAL`).
const ALL: u32 = 64;

/// Gives up all other capabilities, for this process and every program it will ever execute. For a child between fork
/// and exec: it allocates nothing.
pub(crate) fn drop_all_but_kept() -> io::Result<()> {
    for capability in (0..ALL).filter(|capability| !KEPT.contains(capability)) {
        // SAFETY: a request with plain numbers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) };
        if result != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    Ok(nix::sys::prctl::set_no_new_privs()?)
}
