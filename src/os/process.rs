//! What the daemon asks the kernel for itself: priority, memory that stays, enough descriptors.
//!
//! None of it is needed to be correct, all of it is needed to be on time (G-66, G-69): a caller logs a refusal as a
//! warning and goes on.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use thiserror::Error;

/// The kernel refused a favour. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProcessError {
    /// No right to run ahead of others: give raisd `CAP_SYS_NICE`, or accept later beats under load.
    #[error("no real-time priority ({0}); heartbeats may be late under load: needs CAP_SYS_NICE")]
    Priority(Errno),
    /// No right to lock memory: give raisd `CAP_IPC_LOCK`, or accept that a box that swaps beats late.
    #[error("memory is not locked ({0}); a box that swaps may beat late: needs CAP_IPC_LOCK")]
    Memory(Errno),
    /// The limit of open files can not be read or raised: many groups may run out of descriptors.
    #[error("the limit of open files stays as it is ({0})")]
    Files(Errno),
}

/// The priority of what an address waits for while nobody serves it, the netlink and the announcer's thread: above
/// everything ordinary (a takeover of a thousand addresses also writes a thousand log lines), below the event loop and
/// the guardian, which come first even then.
pub const TAKEOVER_PRIORITY: i32 = 30;

/// Runs the calling thread under `SCHED_FIFO` at `priority` (1 to 99, 99 the most urgent), reset in its children: the
/// heartbeat thread, for a handful of microseconds per beat, and those that a takeover waits for (G-69).
///
/// # Errors
/// [`ProcessError::Priority`] without the right to; the thread goes on as an ordinary one.
pub fn run_thread_first(priority: i32) -> Result<(), ProcessError> {
    schedule(libc::SCHED_FIFO, priority)
}

/// The nice value of threads that hand on what a takeover waits for, between those of [`TAKEOVER_PRIORITY`]: before other
/// processes and the scripts that the daemon itself runs, but no more than that, for they do much else besides.
const HANDING_ON: i32 = -10;

/// Has the calling thread go before ordinary ones; reset in its children.
///
/// # Errors
/// [`ProcessError::Priority`] without the right to; the thread goes on as an ordinary one.
pub fn run_thread_sooner() -> Result<(), ProcessError> {
    schedule(libc::SCHED_OTHER, 0)?;
    // SAFETY: it takes no pointer, and on Linux 0 is the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, HANDING_ON) };
    Errno::result(result).map(drop).map_err(ProcessError::Priority)
}

/// Has the calling thread scheduled by a policy; reset in its children.
fn schedule(policy: libc::c_int, priority: i32) -> Result<(), ProcessError> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread; the kernel only reads `param`, which outlives the call.
    let result = unsafe { libc::sched_setscheduler(0, policy | libc::SCHED_RESET_ON_FORK, &raw const param) };
    Errno::result(result).map(drop).map_err(ProcessError::Priority)
}

/// Keeps in memory every page the process has used, from its first use on, so that a takeover reads nothing that was
/// read before. Pages it never used are not brought in for it: they were two thirds of the daemon, most of them
/// initialisation, error texts and the untouched depth of stacks. On the appliance the program lies in memory anyway.
///
/// # Errors
/// [`ProcessError::Memory`] without the right to, or beyond `RLIMIT_MEMLOCK`.
pub fn lock_memory() -> Result<(), ProcessError> {
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: it takes no pointer and changes nothing but where pages may live.
    let result = unsafe { libc::mlockall(flags) };
    Errno::result(result).map(drop).map_err(ProcessError::Memory)
}

/// Raises the soft limit of open files to the hard one and returns it.
///
/// # Errors
/// [`ProcessError::Files`] if the limit can not be read or set.
pub fn raise_open_files() -> Result<u64, ProcessError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(ProcessError::Files)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(ProcessError::Files)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_files_becomes_the_hard_one() {
        let hard = raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }

    #[test]
    fn a_thread_that_goes_before_others_does_not_hand_that_down_to_what_it_runs() {
        let thread = std::thread::spawn(|| {
            let done = run_thread_sooner();
            // SAFETY: it takes no pointer.
            let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
            let child = std::process::Command::new("nice").output().unwrap();
            (done, nice, String::from_utf8(child.stdout).unwrap())
        });
        let (done, nice, of_child) = thread.join().unwrap();
        let expected = if done.is_ok() { HANDING_ON } else { 0 };
        assert_eq!((nice, of_child.trim()), (expected, "0"), "{done:?}");
    }

    #[test]
    fn a_priority_beyond_the_range_is_refused_in_words() {
        let error = run_thread_first(100).unwrap_err();
        assert!(error.to_string().contains("heartbeats may be late"), "{error}");
    }
}
