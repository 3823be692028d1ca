//! Filters that the kernel runs for us, in the BPF of its `filter.txt`: what a socket is not interested in wakes nobody
//! up.

use socket2::{SockFilter, SockRef};
use std::io;
use std::os::fd::AsFd;

/// Loads four octets from an offset, as a big-endian number.
pub(super) const LOAD_WORD: u16 = 0x20;
/// Loads two octets.
pub(super) const LOAD_HALF: u16 = 0x28;
/// Loads one octet.
pub(super) const LOAD_OCTET: u16 = 0x30;
/// Compares what was loaded.
pub(super) const JUMP_IF_EQUAL: u16 = 0x15;
/// Compares what was loaded.
pub(super) const JUMP_IF_GREATER: u16 = 0x25;
/// Compares what was loaded.
pub(super) const JUMP_IF_NOT_LESS: u16 = 0x35;
/// Ends with the number of octets to be passed on.
pub(super) const RETURN: u16 = 0x06;
/// [`RETURN`] with this: all of it.
pub(super) const ALL: u32 = u16::MAX as u32;

/// One step of a program: a jump skips `jt` steps if its comparison holds, else `jf`.
pub(super) const fn step(code: u16, jt: u8, jf: u8, k: u32) -> SockFilter {
    SockFilter::new(code, jt, jf, k)
}

/// From now on the socket receives only what the program passes on.
///
/// # Errors
/// The kernel's: out of memory, or not a program.
pub(super) fn attach(socket: &impl AsFd, program: &[SockFilter]) -> io::Result<()> {
    SockRef::from(socket).attach_filter(program)
}
