//! Boxes as virtual machines: QEMU in software emulation, started, watched on their serial console, and stopped or cut
//! off. It does not know what runs in them; the image is a file to it.
//!
//! A machine never outlives the process that started it, however that ends.

use crate::prerequisites::{self, Tool};
use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// The programs of others that a machine needs.
pub const TOOLS: [Tool; 2] = [Tool::QEMU, Tool::OVMF];

/// UEFI for machines, and its variables, of which each machine gets a copy.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// Name of the virtio-serial port raisd serves its control protocol on.
const CONTROL_PORT: &str = "rais.control";
/// Octets of a Unix socket's path, less the final zero.
const SOCKET_PATH: usize = 107;
/// How long QEMU may take to answer on its own control socket: it is a busy machine.
const QMP_PATIENCE: Duration = Duration::from_secs(20);

/// Between two presses of the power button.
const POWER_BUTTON: Duration = Duration::from_secs(3);

/// How a machine boots. The disk is the machine's own: it writes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boot {
    /// By BIOS from the disk.
    Bios {
        /// The disk.
        disk: PathBuf,
    },
    /// By UEFI from the disk.
    Uefi {
        /// The disk.
        disk: PathBuf,
    },
    /// Without firmware and loader.
    Direct {
        /// The kernel.
        kernel: PathBuf,
        /// The initramfs.
        initrd: PathBuf,
        /// The kernel's command line.
        command_line: String,
        /// The disk.
        disk: PathBuf,
    },
}

/// One network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Its address, "52:54:00:09:00:01".
    pub mac: String,
    /// The tap device its frames go to: one that exists, in the machine's network namespace.
    pub tap: String,
}

/// A machine to start.
#[derive(Clone, Debug)]
pub struct VmParams {
    /// Its name, for messages.
    pub name: String,
    /// How it boots.
    pub boot: Boot,
    /// Memory in MiB: at least 112 by BIOS, 288 by UEFI.
    pub mem_mib: u32,
    /// Its network cards, in order.
    pub nics: Vec<Nic>,
    /// Unix socket that is the host's end of the port `rais.control`; QEMU makes it.
    pub control: PathBuf,
    /// File that gets everything the serial console says. QEMU's own socket and variables are made beside it.
    pub console: PathBuf,
    /// Network namespace it is started in, as of `ip netns`; needs root.
    pub netns: Option<String>,
}

/// A running machine. Dropped, it is cut off.
#[derive(Debug)]
pub struct Vm {
    name: String,
    pid: nix::unistd::Pid,
    qmp: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    console: Vec<u8>,
    exit: Option<ExitStatus>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `check` finds something or time is up.
    fn wait<T>(&self, timeout: Duration, mut check: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = check(&state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Vm {
    /// Switches a machine on.
    ///
    /// # Errors
    /// QEMU does not start, or a file it needs can not be made. What QEMU itself objects to is on the console.
    pub fn start(params: VmParams) -> Result<Self> {
        let qmp = params.console.with_extension("qmp");
        for socket in [&qmp, &params.control] {
            if socket.as_os_str().len() > SOCKET_PATH {
                bail!("{}: longer than the {SOCKET_PATH} octets a socket's path may have", socket.display());
            }
            // One that an earlier machine left behind is in the way.
            let _ = fs::remove_file(socket);
        }
        let console = File::create(&params.console)
            .with_context(|| format!("{} can not be written", params.console.display()))?;
        let command = command(&params, &qmp)?;
        let shared = Arc::new(Shared::default());
        let (ready, pid) = mpsc::sync_channel(1);
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("vm {}", params.name))
            .spawn(move || guard(command, console, &watched, &ready))?;
        let pid = pid.recv().map_err(|_| anyhow!("the thread of {} is gone", params.name))??;
        Ok(Self { name: params.name, pid, qmp, shared })
    }

    /// Waits for a line of the console that contains `pattern`, however long ago it was said, and returns it.
    ///
    /// # Errors
    /// The machine stopped or time is up; the message has the console's last lines.
    pub fn wait_console(&self, pattern: &str, timeout: Duration) -> Result<String> {
        self.wait_console_after(0, pattern, timeout).map(|(line, _)| line)
    }

    /// Waits for a line with `pattern` that begins at or after octet `from` of the console. Returns the line and the
    /// position behind it, from where to look for the next.
    ///
    /// # Errors
    /// The machine stopped or time is up; the message has the console's last lines.
    pub fn wait_console_after(&self, from: usize, pattern: &str, timeout: Duration) -> Result<(String, usize)> {
        let found = self.shared.wait(timeout, |state| match find_line(&state.console, from, pattern) {
            Some(found) => Some(Ok(found)),
            None => state.exit.map(Err),
        });
        match found {
            Some(Ok(found)) => Ok(found),
            Some(Err(exit)) => bail!("{} stopped ({exit}) before it said {pattern:?}{}", self.name, self.tail()),
            None => bail!("{} did not say {pattern:?} within {timeout:?}{}", self.name, self.tail()),
        }
    }

    /// Cuts the power, and waits until the machine is gone.
    pub fn kill(&mut self) {
        if self.shared.lock().exit.is_none() {
            // Its guard has not reaped it before `exit` is set, so the number is still its own.
            let _ = nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGKILL);
        }
        self.shared.wait(Duration::from_secs(10), |state| state.exit);
    }

    /// Presses the power button, and waits until the machine has switched itself off.
    ///
    /// # Errors
    /// QEMU does not answer, or the machine is still on after `timeout`.
    pub fn shutdown(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut exit = None;
        while exit.is_none() && Instant::now() < deadline {
            // A box that is not ready yet does not hear it: press again, as a person would.
            if let Err(error) = self.qmp("system_powerdown")
                && self.is_running()
            {
                return Err(error);
            }
            exit = self.shared.wait(POWER_BUTTON, |state| state.exit);
        }
        match exit {
            Some(exit) if exit.success() => Ok(()),
            Some(exit) => bail!("{}: QEMU ended badly ({exit}){}", self.name, self.tail()),
            None => bail!("{} did not switch itself off within {timeout:?}{}", self.name, self.tail()),
        }
    }

    /// Stops the machine's processors: it hangs, from the others' point of view.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn pause(&self) -> Result<()> {
        self.qmp("stop").map(drop)
    }

    /// Lets a stopped machine go on.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn resume(&self) -> Result<()> {
        self.qmp("cont").map(drop)
    }

    /// Is it still on?
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.lock().exit.is_none()
    }

    /// Tells QEMU to do something that has no arguments, and returns what it answers.
    fn qmp(&self, command: &str) -> Result<Value> {
        let ask = || -> Result<Value> {
            let mut socket = UnixStream::connect(&self.qmp)?;
            socket.set_read_timeout(Some(QMP_PATIENCE))?;
            let mut lines = BufReader::new(socket.try_clone()?);
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let mut answer = Value::Null;
            for execute in ["qmp_capabilities", command] {
                writeln!(socket, "{}", json!({ "execute": execute }))?;
                answer = loop {
                    line.clear();
                    if lines.read_line(&mut line)? == 0 {
                        bail!("it hung up");
                    }
                    let mut said: Value = serde_json::from_str(&line)?;
                    if let Some(error) = said.get("error") {
                        bail!("it refused: {error}");
                    }
                    // Anything else is an event.
                    if let Some(value) = said.get_mut("return") {
                        break value.take();
                    }
                };
            }
            Ok(answer)
        };
        ask().with_context(|| format!("{}: QEMU does not do {command}", self.name))
    }

    /// The console's last lines, for a message.
    fn tail(&self) -> String {
        let state = self.shared.lock();
        let text = String::from_utf8_lossy(&state.console);
        let lines = text.lines().rev().take(15).map(printable).collect::<Vec<_>>();
        lines.iter().rev().fold(String::from("; its console:"), |text, line| text + "\n    " + line)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The life of one machine, in a thread of its own: start it, read its console, reap it. The kernel kills QEMU when
/// the thread that started it ends; this one ends only after QEMU, or with the whole process.
fn guard(mut command: Command, log: File, shared: &Shared, ready: &mpsc::SyncSender<Result<nix::unistd::Pid>>) {
    let mut child = match command.spawn().context("QEMU does not start") {
        Ok(child) => child,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    thread::scope(|scope| {
        let outputs: [Option<Box<dyn Read + Send>>; 2] =
            [child.stdout.take().map(|out| Box::new(out) as _), child.stderr.take().map(|err| Box::new(err) as _)];
        for output in outputs.into_iter().flatten() {
            let log = log.try_clone();
            scope.spawn(move || copy_console(output, log.ok(), shared));
        }
        let pid = i32::try_from(child.id()).map(nix::unistd::Pid::from_raw).map_err(anyhow::Error::from);
        let _ = ready.send(pid);
        wait_without_reaping(&child);
        // Under the lock: whoever wants to signal it must not hit a stranger with its number.
        let mut state = shared.lock();
        state.exit = Some(child.wait().unwrap_or_else(|_| ExitStatus::from_raw(1 << 8)));
        drop(state);
        shared.changed.notify_all();
    });
}

fn wait_without_reaping(child: &Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let Ok(pid) = i32::try_from(child.id()) else { return };
    let _ = waitid(Id::Pid(nix::unistd::Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
}

fn copy_console(mut from: Box<dyn Read + Send>, mut log: Option<File>, shared: &Shared) {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let piece = piece.get(..read).unwrap_or_default();
        if let Some(log) = &mut log {
            let _ = log.write_all(piece);
        }
        shared.lock().console.extend_from_slice(piece);
        shared.changed.notify_all();
    }
}

/// The first line with `pattern` that begins at or after `from`, and the position behind it. A line counts only when
/// it is complete.
fn find_line(console: &[u8], from: usize, pattern: &str) -> Option<(String, usize)> {
    let mut at = from;
    for line in console.get(from..)?.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        if line.ends_with(b"\n") {
            let text = printable(&String::from_utf8_lossy(line));
            if text.contains(pattern) {
                return Some((text, at));
            }
        }
    }
    None
}

/// A line without what moves a terminal's cursor.
fn printable(line: &str) -> String {
    let mut plain = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            // ESC [ … letter
            let _ = characters.by_ref().find(|end| end.is_ascii_alphabetic() || *end == 'c');
        } else if !character.is_control() || character == '\t' {
            plain.push(character);
        }
    }
    plain
}

fn command(params: &VmParams, qmp: &Path) -> Result<Command> {
    let mut qemu = prerequisites::command(Tool::QEMU.program);
    qemu.args(["-name", &params.name, "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-smp", "1"]);
    qemu.args(["-m", &params.mem_mib.to_string()]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"]);
    qemu.args(["-device", "virtio-rng-pci"]);
    let disk = match &params.boot {
        Boot::Bios { disk } => disk,
        Boot::Uefi { disk } => {
            let variables = params.console.with_extension("vars");
            fs::copy(VARIABLES, &variables).context("copying UEFI's variables")?;
            qemu.args(["-drive", &format!("if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE}")]);
            qemu.args(["-drive", &format!("if=pflash,format=raw,unit=1,file={}", option_value(&variables)?)]);
            disk
        }
        Boot::Direct { kernel, initrd, command_line, disk } => {
            qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd).args(["-append", command_line]);
            disk
        }
    };
    qemu.args(["-drive", &format!("if=none,id=disk,format=raw,file={}", option_value(disk)?)]);
    qemu.args(["-device", "virtio-blk-pci,drive=disk"]);
    for (index, nic) in params.nics.iter().enumerate() {
        qemu.args(["-netdev", &format!("tap,id=net{index},ifname={},script=no,downscript=no", nic.tap)]);
        // Without its boot ROM: nobody boots from the network, and it takes time.
        qemu.args(["-device", &format!("virtio-net-pci,netdev=net{index},mac={},romfile=", nic.mac)]);
    }
    qemu.args(["-chardev", &format!("socket,id=control,path={},server=on,wait=off", option_value(&params.control)?)]);
    qemu.args(["-device", "virtio-serial-pci"]);
    qemu.args(["-device", &format!("virtserialport,chardev=control,name={CONTROL_PORT}")]);
    qemu.args(["-qmp", &format!("unix:{},server=on,wait=off", option_value(qmp)?)]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let netns = match &params.netns {
        Some(name) => Some(File::open(Path::new("/run/netns").join(name)).with_context(|| format!("netns {name}"))?),
        None => None,
    };
    // SAFETY: between fork and exec the closure only makes system calls and allocates nothing.
    unsafe {
        qemu.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            if let Some(netns) = &netns {
                setns(netns, CloneFlags::CLONE_NEWNET)?;
            }
            Ok(())
        });
    }
    Ok(qemu)
}

/// A path as the value of one of QEMU's options, where a comma would begin the next one.
fn option_value(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))?;
    Ok(text.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_only_when_it_is_complete_and_from_the_position_on() {
        let console = b"boot\r\n\x1b[1mready: one\x1b[0m\r\nready: two";
        let (line, behind) = find_line(console, 0, "ready").unwrap();
        assert_eq!(line, "ready: one");
        assert_eq!(find_line(console, behind, "ready"), None);
        assert_eq!(find_line(console, 10_000, "ready"), None);
    }

    #[test]
    fn commas_in_paths_do_not_begin_options() {
        assert_eq!(option_value(Path::new("/a,b")).unwrap(), "/a,,b");
    }
}
