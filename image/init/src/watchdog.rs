//! The watchdog: a box whose kernel or first process hangs is reset. Hardware if there is one, else the kernel's own.

use crate::{console, modules};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

const DEVICE: &str = "/dev/watchdog0";
/// Seconds without a sign of life until the reset: far more than a busy box needs, far less than somebody to arrive.
const TIMEOUT_S: i32 = 60;

/// An armed watchdog. Dropping it does not disarm it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Arms the box's watchdog.
    pub(crate) fn arm() -> io::Result<Self> {
        if !Path::new(DEVICE).exists() {
            modules::load_on_demand("softdog")?;
        }
        let device = File::options().write(true).open(DEVICE)?;
        let mut timeout = TIMEOUT_S;
        // SAFETY: the request reads and writes one int, which lives until it returns.
        unsafe { ioctl::set_timeout(device.as_raw_fd(), &raw mut timeout) }?;
        let name = fs::read_to_string("/sys/class/watchdog/watchdog0/identity").unwrap_or_default();
        console::say(&format!("watchdog {}: {timeout} s", name.trim()));
        Ok(Self { device })
    }

    /// Shows that we live.
    pub(crate) fn pat(&mut self) {
        let _ = self.device.write_all(b"\0");
    }

    /// Ends the watch, for a box that is switched off.
    pub(crate) fn disarm(mut self) {
        let _ = self.device.write_all(b"V");
    }
}

mod ioctl {
    //! `linux/watchdog.h`.
    nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
}
