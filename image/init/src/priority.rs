//! The watch comes before everything else that wants the processor: a dead raisd's addresses must go at once, above
//! all on a box that is too busy.

use std::io;

/// The lowest of the real-time priorities: above every ordinary program, below whatever asks for more.
const PRIORITY: i32 = 1;

/// Gives the calling thread real-time priority. Threads and programs it starts are ordinary ones.
pub(crate) fn raise() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: the pointer is to a value that lives until the call returns.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
