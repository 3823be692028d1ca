//! The signals the daemon listens to, as words.

use std::io;
use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: release everything, say goodbye, exit (G-13).
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// A stream of [`Signal`]s. From the moment it is made, these signals no longer end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    /// Starts listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The kernel's, if a handler can not be installed: nothing was changed, the process is out of descriptors.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hang_up: unix::signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Several of a kind that arrive before the first is taken are one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal;

    #[tokio::test]
    async fn a_hang_up_is_a_reload() {
        let mut signals = Signals::listen().unwrap();
        signal::raise(signal::Signal::SIGHUP).unwrap();
        assert_eq!(signals.next().await, Signal::Reload);
    }
}
