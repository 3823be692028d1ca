//! The watch over raisd, and over every orphan: PID 1's main loop.
//!
//! It only waits for signals and deadlines and does nothing that could block, so that a dead raisd is noticed at once.

use crate::watchdog::Watchdog;
use crate::{capabilities, console, data, guardian, log, ports, shutdown};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Name of the virtio-serial port over which a virtual machine's host talks to raisd.
const CONTROL_PORT: &str = "rais.control";
const RAISD: &str = "/bin/raisd";
const KEYRING: &str = "/etc/rais/keyring";
/// A restart comes after this at first, then after twice as long each time …
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this: a box that can not serve must not be busy with failing.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A raisd that lived so long was well: the next pause is the first one again.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// The longest sleep: the watchdog wants to hear of us.
const TICK: Duration = Duration::from_secs(5);

/// The signals that are meant for PID 1.
pub(crate) fn signals() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR].into_iter().collect()
}

/// How long to wait before the next start.
#[derive(Debug)]
struct Backoff {
    pause: Duration,
}

impl Backoff {
    /// The pause after a life of that length.
    fn after(&mut self, lived: Duration) -> Duration {
        let pause = if lived >= GOOD_LIFE { FIRST_PAUSE } else { self.pause };
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[derive(Debug)]
enum Raisd {
    Running {
        pid: Pid,
        since: Instant,
    },
    Waiting {
        until: Instant,
    },
    /// There is no configuration to start it with.
    Unconfigured,
}

/// The state of the watch.
#[derive(Debug)]
pub(crate) struct Supervisor {
    configuration: Option<PathBuf>,
    raisd: Raisd,
    backoff: Backoff,
    watchdog: Option<Watchdog>,
}

impl Supervisor {
    /// A watch over a raisd with this configuration, which is started at once.
    pub(crate) fn new(configuration: Option<PathBuf>, watchdog: Option<Watchdog>) -> Self {
        let raisd =
            if configuration.is_some() { Raisd::Waiting { until: Instant::now() } } else { Raisd::Unconfigured };
        let mut supervisor = Self { configuration, raisd, backoff: Backoff { pause: FIRST_PAUSE }, watchdog };
        supervisor.start_if_due(Instant::now());
        supervisor
    }

    /// The running raisd.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match self.raisd {
            Raisd::Running { pid, .. } => Some(pid),
            Raisd::Waiting { .. } | Raisd::Unconfigured => None,
        }
    }

    /// Watches until the box is to be shut down, and says how.
    pub(crate) fn watch(&mut self) -> io::Result<shutdown::How> {
        let signals = SignalFd::with_flags(&signals(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        loop {
            let mut descriptors = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            let patience = self.patience(Instant::now());
            let _ = poll(&mut descriptors, PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO));
            // First of all: a signal may be lost behind another of its kind, a dead child is not.
            self.reap();
            while let Ok(Some(signal)) = signals.read_signal() {
                match i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                    Some(Signal::SIGTERM | Signal::SIGPWR) => return Ok(shutdown::How::PowerOff),
                    Some(Signal::SIGINT) => return Ok(shutdown::How::Reboot),
                    _ => {}
                }
            }
            self.start_if_due(Instant::now());
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.pat();
            }
        }
    }

    /// Hands on the watchdog: shutting down is watched over too.
    pub(crate) fn into_watchdog(self) -> Option<Watchdog> {
        self.watchdog
    }

    fn patience(&self, now: Instant) -> Duration {
        match self.raisd {
            // Rounded up: poll counts in milliseconds, and waking too early would spin.
            Raisd::Waiting { until } => (until.saturating_duration_since(now) + Duration::from_millis(1)).min(TICK),
            Raisd::Running { .. } | Raisd::Unconfigured => TICK,
        }
    }

    fn reap(&mut self) {
        // Looked at before it is reaped: as long as it is a zombie its number can not be another's.
        while let Ok(status) = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
            let Some(pid) = status.pid() else { return };
            if Some(pid) == self.pid() {
                self.raisd_died(status);
            }
            if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
                return;
            }
        }
    }

    fn raisd_died(&mut self, status: WaitStatus) {
        let begun = Instant::now();
        let removed = guardian::remove_service_addresses();
        let took = begun.elapsed();
        let Raisd::Running { since, .. } = self.raisd else { return };
        let pause = self.backoff.after(since.elapsed());
        self.raisd = Raisd::Waiting { until: Instant::now() + pause };
        console::say(&format!("raisd died ({}); it is started again in {pause:?}", describe(status)));
        console::say(&match removed {
            Ok(count) => format!("service addresses removed: {count}, in {took:?}"),
            Err(error) => format!("service addresses could not be removed, their lease will end them: {error}"),
        });
    }

    fn start_if_due(&mut self, now: Instant) {
        let Some(configuration) = &self.configuration else { return };
        let Raisd::Waiting { until } = self.raisd else { return };
        if until > now {
            return;
        }
        self.raisd = match start(configuration) {
            Ok(pid) => Raisd::Running { pid, since: now },
            Err(error) => {
                let pause = self.backoff.after(Duration::ZERO);
                console::say(&format!("raisd does not start: {error}; next try in {pause:?}"));
                Raisd::Waiting { until: now + pause }
            }
        };
    }
}

fn start(configuration: &Path) -> io::Result<Pid> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(RAISD);
    command.arg("--config").arg(configuration);
    command.args(["--keyring", KEYRING, "--state-dir", data::STATE]);
    if let Some(port) = ports::find(CONTROL_PORT) {
        command.arg("--control-port").arg(port);
    }
    command.env_clear().env("PATH", "/bin:/sbin").current_dir("/");
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let prepare = || {
        // A child inherits what PID 1 blocks to wait for it: a raisd that never heard SIGTERM could not stop cleanly.
        SigSet::empty().thread_set_mask()?;
        capabilities::drop_all_but_kept()
    };
    // SAFETY: the closure allocates nothing and takes no lock; it only makes system calls.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    log::pump(reader);
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit code {code}"),
        WaitStatus::Signaled(_, signal, _) => signal.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_short_again_after_a_good_life() {
        let mut backoff = Backoff { pause: FIRST_PAUSE };
        let pauses = (0..9).map(|_| backoff.after(Duration::ZERO).as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.after(GOOD_LIFE), FIRST_PAUSE);
        assert_eq!(backoff.after(Duration::ZERO), FIRST_PAUSE * 2);
    }
}
