//! The end, in order: raisd gives its addresses away, everything else stops, data is written, the box is off.

use crate::watchdog::Watchdog;
use crate::{console, data, guardian};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sync};
use std::time::{Duration, Instant};

/// How long raisd may take: release scripts run, and others must have taken over.
const RAISD: Duration = Duration::from_secs(15);
/// How long all others may take.
const OTHERS: Duration = Duration::from_secs(2);

/// What comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The power is switched off.
    PowerOff,
    /// The box starts anew.
    Reboot,
}

/// Shuts the box down. Comes back only if the kernel refuses.
pub(crate) fn shut_down(how: How, raisd: Option<Pid>, mut watchdog: Option<Watchdog>) {
    console::say(match how {
        How::PowerOff => "shutting down to power off",
        How::Reboot => "shutting down to reboot",
    });
    if let Some(raisd) = raisd {
        let _ = kill(raisd, Signal::SIGTERM);
        if !wait_for(Some(raisd), RAISD, &mut watchdog) {
            console::say("raisd did not stop in time: killed");
            let _ = kill(raisd, Signal::SIGKILL);
        }
        match guardian::remove_service_addresses() {
            Ok(0) => {}
            Ok(count) => console::say(&format!("service addresses raisd had left: {count}, removed")),
            Err(error) => console::say(&format!("service addresses: {error}")),
        }
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // -1: everybody but us.
        let _ = kill(Pid::from_raw(-1), signal);
        if wait_for(None, OTHERS, &mut watchdog) {
            break;
        }
    }
    sync();
    if umount2(data::MOUNT_POINT, MntFlags::empty()).is_err() {
        // Something keeps it busy: what is written is safe all the same when it is read-only.
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let _ = nix::mount::mount(None::<&str>, data::MOUNT_POINT, None::<&str>, flags, None::<&str>);
    }
    sync();
    console::say("down");
    console::flush();
    if how == How::PowerOff
        && let Some(watchdog) = watchdog
    {
        watchdog.disarm();
    }
    let mode = match how {
        How::PowerOff => RebootMode::RB_POWER_OFF,
        How::Reboot => RebootMode::RB_AUTOBOOT,
    };
    let Err(error) = reboot(mode);
    console::say(&format!("the kernel refuses: {error}"));
}

/// Reaps until this child (or every child) is gone; false if time ran out.
fn wait_for(child: Option<Pid>, patience: Duration, watchdog: &mut Option<Watchdog>) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(5)),
            Ok(status) if child.is_some() && status.pid() == child => return true,
            Err(Errno::ECHILD) => return true,
            Ok(_) | Err(_) => {}
        }
        if let Some(watchdog) = watchdog {
            watchdog.pat();
        }
    }
    false
}
