//! PID 1 of the rais appliance: everything between the kernel and raisd.
//!
//! One program, two lives (and a side job: as `/sbin/modprobe` the kernel asks it for modules). As `/init` of the initramfs it mounts the root, which travels in the initramfs as a
//! compressed file, and executes itself there. As `/sbin/rais-init` it mounts, loads drivers, finds and repairs the data
//! partition, starts raisd and watches over it until the box is shut down (appliance.md A-2).
//!
//! Nothing here may keep a box from booting: what fails is said on the console and lived with. It deliberately does
//! not know what a configuration says and configures no network: that is raisd's. The one exception is the moment of
//! raisd's death, when its service addresses are taken away ([`guardian`], G-68).
//!
//! ```text
//! initramfs ─▶ boot ─▶ supervisor ◀── signals: a child died, power off, reboot
//!                │         │
//!                │         ├─▶ guardian (netlink)
//!                └─▶ console thread ◀── log thread (raisd's output), status thread (raisctl status), key threads
//! ```

mod boot;
mod capabilities;
mod command_line;
mod console;
mod data;
mod glob;
mod gpt;
mod guardian;
mod initramfs;
mod keys;
mod log;
mod modules;
mod mounts;
mod netlink;
mod partitions;
mod ports;
mod priority;
mod shutdown;
mod status;
mod supervisor;
mod watchdog;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    if arguments.next().is_some_and(|program| program.ends_with("/modprobe")) {
        // The kernel: `modprobe -q -- name`.
        let loaded = arguments.next_back().map(|name| modules::load_on_demand(&name));
        return if matches!(loaded, Some(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if std::process::id() != 1 {
        eprintln!("rais-init is the first process of a rais box and does nothing else");
        return ExitCode::FAILURE;
    }
    if initramfs::is_here() {
        initramfs::enter_root();
    }
    boot::boot()
}
