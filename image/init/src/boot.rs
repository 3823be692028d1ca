//! The second life, in the root: one thing after another, until raisd runs; then the watch. No step can stop the boot.

use crate::command_line::CommandLine;
use crate::status;
use crate::supervisor::{self, Supervisor};
use crate::watchdog::Watchdog;
use crate::{console, data, guardian, keys, modules, mounts, partitions, ports, shutdown};
use nix::unistd::sethostname;
use std::fs;
use std::io;
use std::process::ExitCode;
use std::sync::mpsc;

/// Label of the data partition.
const DATA: &str = "rais-data";

/// Boots, watches, shuts down.
pub(crate) fn boot() -> ExitCode {
    mounts::mount_kernel_file_systems();
    let memory = mounts::mount_memory_file_systems();
    // Before there is a second thread: all threads inherit it, and only the supervisor reads signals.
    let blocked = supervisor::signals().thread_block();
    console::start();
    let version = fs::read_to_string("/etc/rais/version").unwrap_or_default().trim().to_owned();
    console::say(&format!("rais {version}"));
    attempt("memory file systems", memory);
    attempt("signals", blocked.map_err(io::Error::from));
    // Ctrl-Alt-Del becomes SIGINT.
    attempt("Ctrl-Alt-Del", nix::sys::reboot::set_cad_enabled(false).map_err(io::Error::from));

    modules::load_always();
    let drivers = modules::coldplug();
    console::say(&format!("{drivers} drivers"));
    attempt("control port", ports::link_all());
    attempt("loopback", guardian::bring_up_loopback());
    let watchdog = Watchdog::arm().inspect_err(|error| console::say(&format!("no watchdog: {error}"))).ok();

    let command_line = CommandLine::read();
    let retry = || {
        modules::coldplug();
    };
    let device = partitions::wait_for(DATA, command_line.part.as_deref(), retry);
    let data = data::mount(device.as_deref());
    data::prepare();
    attempt("randomness", data::stir_randomness());
    attempt("host name", name_by_machine_id());

    let active = data::active_configuration();
    let slot = command_line.slot.unwrap_or_else(|| "unknown".into());
    let configuration = active.as_ref().map_or("none".into(), |(generation, _)| generation.to_string());
    let (ask, asked) = mpsc::channel();
    keys::listen(&ask);
    let mut supervisor = Supervisor::new(active.map(|(_, directory)| directory), watchdog);
    let raisd = supervisor.pid().map_or("not running".into(), |pid| format!("pid {pid}"));
    console::say(&format!("ready: slot {slot}, data {data}, configuration {configuration}, raisd {raisd}"));

    let configured = supervisor.pid().is_some() || configuration != "none";
    status::keep_showing(status::Box { version, slot, data, configured }, asked);
    let how = supervisor.watch().unwrap_or_else(|error| {
        console::say(&format!("the watch over raisd failed: {error}"));
        shutdown::How::Reboot
    });
    let raisd = supervisor.pid();
    shutdown::shut_down(how, raisd, supervisor.into_watchdog());
    // The kernel panics when its first process ends, and reboots: better than a box that does nothing.
    ExitCode::FAILURE
}

/// Says what went wrong, and goes on.
fn attempt(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        console::say(&format!("{what}: {error}"));
    }
}

/// Until raisd knows the box's name, it is called after its identity.
fn name_by_machine_id() -> io::Result<()> {
    let id = data::machine_id()?;
    Ok(sethostname(format!("rais-{}", id.get(..6).unwrap_or_default()))?)
}
