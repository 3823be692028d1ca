//! Waiting in one place for many sockets, for other threads, and for a deadline.
//!
//! The event loop's only system call that sleeps. Readiness is level-triggered: what was not read is reported again.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// Ends another thread's [`wait`]. Never blocks.
#[derive(Clone, Debug)]
pub struct Waker(Arc<UnixStream>);

/// The end that is waited on.
#[derive(Debug)]
pub struct Wakeups {
    far: UnixStream,
    near: Waker,
}

/// A waker and what it wakes.
///
/// # Errors
/// The kernel's: out of descriptors.
pub fn waker() -> io::Result<(Waker, Wakeups)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let near = Waker(Arc::new(near));
    Ok((near.clone(), Wakeups { far, near }))
}

impl Waker {
    /// Wakes the other side, now or when it next waits. Waking twice is waking once.
    pub fn wake(&self) {
        // Full means that it has been woken; anything else means that nobody is there any more.
        let _ = (&*self.0).write(&[1]);
    }
}

impl Wakeups {
    /// Forgets the wakes so far. Look for the news *after* this, or some may be missed.
    pub fn clear(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.far.read(&mut buffer), Ok(count) if count == buffer.len()) {}
    }

    /// Wakes oneself: the next [`wait`] does not wait.
    pub fn remind(&self) {
        self.near.wake();
    }
}

impl AsFd for Wakeups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.far.as_fd()
    }
}

/// Waits until one of `sources` can be read or is broken, or for `timeout` at most (`None`: for ever), and tells which:
/// one answer per source, in their order. A signal ends the wait early with nothing ready.
///
/// # Errors
/// The kernel's: out of memory or of descriptors.
pub fn wait(sources: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = sources.iter().map(|source| PollFd::new(*source, PollFlags::POLLIN)).collect();
    match ppoll(&mut polled, timeout.map(TimeSpec::from_duration), None) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(vec![false; sources.len()]),
        Err(error) => return Err(error.into()),
    }
    Ok(polled.iter().map(|source| source.revents().is_none_or(|events| !events.is_empty())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_wake_from_another_thread_ends_the_wait_and_many_are_one() {
        let (waker, mut wakeups) = waker().unwrap();
        let thread = std::thread::spawn(move || (0..100_000).for_each(|_| waker.wake()));
        assert_eq!(wait(&[wakeups.as_fd()], None).unwrap(), [true]);
        thread.join().unwrap();
        wakeups.clear();
        assert_eq!(wait(&[wakeups.as_fd()], Some(Duration::ZERO)).unwrap(), [false]);
        wakeups.remind();
        assert_eq!(wait(&[wakeups.as_fd()], None).unwrap(), [true]);
    }

    #[test]
    fn a_wait_ends_in_time() {
        let (_waker, wakeups) = waker().unwrap();
        let start = Instant::now();
        assert_eq!(wait(&[wakeups.as_fd()], Some(Duration::from_micros(1500))).unwrap(), [false]);
        assert!(start.elapsed() >= Duration::from_micros(1500));
    }
}
