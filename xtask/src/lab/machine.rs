//! One box of a lab: a namespace with a raisd in it, or a virtual machine. It has a power switch and a log.

use super::Script;
use super::bundle::Bundle;
use super::listener::Listener;
use super::network::{CONTROL, LAN, Namespace, Network};
use super::plan::{BoxPlan, Mac};
use super::process::Process;
use crate::image::Image;
use crate::vm::{Boot, Nic, Vm, VmParams};
use anyhow::{Context, Result, bail, ensure};
use nix::ifaddrs::getifaddrs;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::SockaddrStorage;
use nix::unistd::Pid;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A clean stop of raisd takes at most this long: it waits for others to take over, but not for ever (G-13).
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A whole machine has more to stop, and is emulated.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(60);
/// Memory of a VM in MiB: what the appliance runs in when it boots by BIOS, and what UEFI and GRUB need.
const MEMORY_MIB: u32 = 128;
const UEFI_MEMORY_MIB: u32 = 320;

/// What the boxes run.
#[derive(Clone, Debug)]
pub enum Firmware {
    /// Namespaces: the daemon itself.
    Raisd(PathBuf),
    /// Namespaces: Debian's keepalived, to compare with. Its bundle is a directory with a `keepalived.conf`.
    Keepalived(PathBuf),
    /// Virtual machines: the appliance image, and how it is booted.
    Image(Image, BootBy),
}

/// How a VM comes to its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BootBy {
    /// The disk's boot sector and GRUB.
    Bios,
    /// The disk's ESP and GRUB.
    Uefi,
    /// QEMU puts the kernel into memory: seconds faster, and nothing of the loader is seen.
    Direct,
}

/// One box.
#[derive(Debug)]
pub struct Machine {
    plan: BoxPlan,
    home: PathBuf,
    bundle: Bundle,
    keyring: PathBuf,
    power: Power,
    /// What is left of a namespace that is off: unplugged, without a process, and cleared away when it is turned on. To
    /// clear it away at once would keep the kernel busy just when somebody has to take over.
    remains: Option<Running>,
    frozen: bool,
    /// How often it was turned on.
    starts: u32,
}

/// What a box consists of while it is on.
#[derive(Debug)]
enum Power {
    Off,
    Namespace(Running),
    Vm(Vm),
}

/// Dropped in order: processes before their namespace.
#[derive(Debug)]
struct Running {
    daemon: Option<Process>,
    service: Option<Listener>,
    namespace: Namespace,
}

impl Machine {
    /// A box that is off.
    pub fn new(firmware: &Firmware, plan: BoxPlan, home: PathBuf, bundle: Bundle, keyring: PathBuf) -> Result<Self> {
        let machine = Self { plan, home, bundle, keyring, power: Power::Off, remains: None, frozen: false, starts: 0 };
        if let Firmware::Image(image, _) = firmware {
            image.disk_for_box(&machine.bundle.directory, &machine.disk())?;
        }
        Ok(machine)
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Its raisd's log or its console, of the time since it was last turned on.
    pub fn log(&self) -> PathBuf {
        self.home.join(format!("start-{}.log", self.starts))
    }

    /// All its logs.
    pub fn logs(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (1..=self.starts).map(|start| self.home.join(format!("start-{start}.log")))
    }

    /// Its control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.home.join("control.sock")
    }

    /// Its state directory; a VM's is on its disk.
    pub fn state_directory(&self) -> PathBuf {
        self.home.join("state")
    }

    fn disk(&self) -> PathBuf {
        self.home.join("disk.img")
    }

    /// It is on.
    pub fn is_on(&self) -> bool {
        !matches!(self.power, Power::Off)
    }

    /// It is on, and its raisd or its whole machine is not stopped.
    pub fn is_awake(&self) -> bool {
        self.is_on() && !self.frozen
    }

    /// Turns it on.
    pub fn power_on(&mut self, network: &Network, firmware: &Firmware) -> Result<()> {
        ensure!(!self.is_on(), "{} is on", self.plan.name);
        if let Some(remains) = self.remains.take() {
            // The cables first: a namespace would take them along too, but only some time later.
            network.detach(&self.plan)?;
            drop(remains);
        }
        self.starts += 1;
        match firmware {
            Firmware::Raisd(_) | Firmware::Keepalived(_) => {
                let namespace = network.attach_namespace(&self.plan)?;
                if matches!(firmware, Firmware::Keepalived(_)) {
                    // It configures no NIC; raisd does.
                    let (lan, control) = (self.plan.lan_v4(), self.plan.control_v4());
                    namespace.ip(&format!(
                        "addr add {lan}/24 dev {LAN}\naddr add {control}/24 dev {CONTROL}\n\
                         link set {LAN} up\nlink set {CONTROL} up\n"
                    ))?;
                }
                let service = if self.bundle.tested { Some(Listener::start(&namespace)?) } else { None };
                self.power = Power::Namespace(Running { daemon: None, service, namespace });
                self.start_daemon(firmware)
            }
            Firmware::Image(image, by) => {
                let disk = self.disk();
                let (boot, mem_mib) = match by {
                    BootBy::Bios => (Boot::Bios { disk }, MEMORY_MIB),
                    BootBy::Uefi => (Boot::Uefi { disk }, UEFI_MEMORY_MIB),
                    BootBy::Direct => (image.direct_boot(&disk), MEMORY_MIB),
                };
                let [lan, control] = network.attach_taps(&self.plan)?;
                let nic = |tap, mac: Mac| Nic { mac: mac.to_string(), tap };
                self.power = Power::Vm(Vm::start(VmParams {
                    name: self.plan.name.clone(),
                    boot,
                    mem_mib,
                    nics: vec![nic(lan, self.plan.lan_mac()), nic(control, self.plan.control_mac())],
                    control: self.control_socket(),
                    console: self.log(),
                    netns: Some(network.switch.name().to_owned()),
                })?);
                Ok(())
            }
        }
    }

    /// Starts the daemon in a namespace.
    pub fn start_daemon(&mut self, firmware: &Firmware) -> Result<()> {
        let (Firmware::Raisd(program) | Firmware::Keepalived(program)) = firmware else {
            bail!("a VM starts its raisd itself");
        };
        let mut command = self.running()?.namespace.command(program);
        let name = match firmware {
            Firmware::Raisd(_) | Firmware::Image(..) => {
                command
                    .arg("--config")
                    .arg(&self.bundle.directory)
                    .arg("--keyring")
                    .arg(&self.keyring)
                    .arg("--state-dir")
                    .arg(self.state_directory())
                    .arg("--socket")
                    .arg(self.control_socket());
                "raisd"
            }
            Firmware::Keepalived(_) => {
                let pid_files = ["keepalived.pid", "vrrp.pid"].map(|name| self.home.join(name));
                for file in &pid_files {
                    // Left behind by one that was killed: the next would take itself for the second.
                    if file.exists() {
                        std::fs::remove_file(file)?;
                    }
                }
                // In the foreground, VRRP alone, no syslog (`-G`) and no console: logging would spoil its own figures.
                command
                    .args(["--dont-fork", "--vrrp", "--no-syslog", "--use-file"])
                    .arg(self.bundle.directory.join("keepalived.conf"))
                    .arg("--pid")
                    .arg(&pid_files[0])
                    .arg("--vrrp_pid")
                    .arg(&pid_files[1]);
                "keepalived"
            }
        };
        let process = Process::start(&format!("{name} of {}", self.plan.name), command, &self.log())?;
        self.running_mut()?.daemon = Some(process);
        Ok(())
    }

    /// Cuts its power. Gives the instant before.
    pub fn power_cut(&mut self, network: &Network) -> Result<Instant> {
        let before = match &mut self.power {
            Power::Off => bail!("{} is off", self.plan.name),
            Power::Vm(vm) => {
                let before = Instant::now();
                vm.kill();
                before
            }
            Power::Namespace(running) => {
                // Looked up first: it takes milliseconds.
                let pids = running.namespace.pids();
                let before = Instant::now();
                // Before the cables: pulling them takes the kernel milliseconds, in which a daemon that lives would see
                // the first one go and say so on the second.
                kill_at_once(&pids);
                network.cut(&self.plan)?;
                before
            }
        };
        self.go_off(network)?;
        Ok(before)
    }

    /// SIGTERM to raisd or the VM's power button, and waits for the end. Gives the instant before.
    pub fn stop(&mut self, network: &Network) -> Result<Instant> {
        let before = Instant::now();
        match &mut self.power {
            Power::Off => bail!("{} is off", self.plan.name),
            Power::Vm(vm) => vm.shutdown(SHUTDOWN_LIMIT)?,
            Power::Namespace(running) => {
                let daemon = running.daemon.as_mut().context("the daemon does not run")?;
                daemon.signal(Signal::SIGTERM)?;
                let status = daemon.wait(STOP_LIMIT)?;
                ensure!(status.success(), "the daemon of {} ended with {status}", self.plan.name);
                network.cut(&self.plan)?;
            }
        }
        self.go_off(network)?;
        Ok(before)
    }

    fn go_off(&mut self, network: &Network) -> Result<()> {
        self.frozen = false;
        match std::mem::replace(&mut self.power, Power::Off) {
            Power::Off => {}
            Power::Namespace(running) => self.remains = Some(running),
            Power::Vm(vm) => {
                network.detach(&self.plan)?;
                drop(vm);
            }
        }
        Ok(())
    }

    /// Stops raisd, or the VM's processor: it hangs. Gives the instant before.
    pub fn freeze(&mut self) -> Result<Instant> {
        let before = Instant::now();
        match &self.power {
            Power::Vm(vm) => vm.pause()?,
            _ => self.daemon()?.signal(Signal::SIGSTOP)?,
        }
        self.frozen = true;
        Ok(before)
    }

    /// Lets a frozen box go on.
    pub fn thaw(&mut self) -> Result<()> {
        match &self.power {
            Power::Vm(vm) => vm.resume()?,
            _ => self.daemon()?.signal(Signal::SIGCONT)?,
        }
        self.frozen = false;
        Ok(())
    }

    /// SIGKILL to the daemon and what it had started. Gives the instant before.
    pub fn kill_daemon(&mut self) -> Result<Instant> {
        // Looked up first: it takes milliseconds.
        // Whatever kills raisd spares the process that is there for just that.
        let is_guardian = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|octet| *octet == 0).any(|word| word == b"--guardian")
        };
        let pids: Vec<_> = self.processes()?.into_iter().filter(|pid| !is_guardian(pid)).collect();
        let daemon = self.running_mut()?.daemon.as_mut().context("the daemon does not run")?;
        let before = Instant::now();
        kill_at_once(&pids);
        daemon.kill()?;
        self.running_mut()?.daemon = None;
        Ok(before)
    }

    /// The processes in its namespace: the daemon's.
    pub fn processes(&self) -> Result<Vec<Pid>> {
        Ok(self.running()?.namespace.pids())
    }

    /// Its namespace.
    pub fn namespace(&self) -> Result<&Namespace> {
        Ok(&self.running()?.namespace)
    }

    /// Who it is.
    pub const fn plan(&self) -> &BoxPlan {
        &self.plan
    }

    /// Runs the service that the test object connects to, or not.
    pub fn set_service(&mut self, running: bool) -> Result<()> {
        let power = self.running_mut()?;
        power.service = if running { Some(Listener::start(&power.namespace)?) } else { None };
        Ok(())
    }

    /// Makes a script fail, or succeed again.
    pub fn set_script_fault(&self, script: Script, fails: bool) -> Result<()> {
        let faults = self.bundle.script_faults.as_ref().context("a VM has no scripts")?;
        let path = match script {
            Script::Acquire => &faults.acquire,
            Script::Release => &faults.release,
        };
        if fails {
            std::fs::write(path, "")?;
        } else if path.exists() {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Flips the lowest bit of the last letter of the box's contact: still good TOML, no longer what was signed.
    pub fn flip_configuration_bit(&self) -> Result<()> {
        let path = self.bundle.directory.join("rais.toml");
        let mut text = std::fs::read(&path)?;
        let line = text.windows(8).position(|window| window == b"contact ").context("no contact in rais.toml")?;
        let end = text.iter().skip(line).position(|octet| *octet == b'\n').context("an unfinished line")? + line;
        // Before the closing quote.
        let letter = text.get_mut(end.saturating_sub(2)).context("an empty line")?;
        *letter ^= 1;
        Ok(std::fs::write(&path, text)?)
    }

    /// Errs if it is on and has ended although nobody stopped it.
    pub fn check(&mut self) -> Result<()> {
        match &mut self.power {
            Power::Namespace(Running { daemon: Some(daemon), .. }) => daemon.check(),
            Power::Vm(vm) if !vm.is_running() => {
                bail!("{} has ended; its console:\n{}", self.plan.name, super::process::tail(&self.log(), 15))
            }
            _ => Ok(()),
        }
    }

    /// The addresses on its NICs; `None` if its kernel can not be asked. What lingers on `lo` after a planned move is
    /// answered for to nobody who asks who has it.
    pub fn kernel_addresses(&self) -> Result<Option<Vec<IpAddr>>> {
        if matches!(self.power, Power::Vm(_)) {
            return Ok(None);
        }
        // Asked on a thread inside: a program would take many times as long, and this is asked all the time.
        let all: Vec<_> = self.running()?.namespace.inside(|| Ok(getifaddrs()?.collect()))?;
        ensure!(!all.is_empty(), "{} has no link at all", self.plan.name);
        let nics = all.into_iter().filter(|entry| entry.interface_name != "lo");
        Ok(Some(nics.filter_map(|entry| ip_address(&entry.address?)).collect()))
    }

    fn daemon(&self) -> Result<&Process> {
        self.running()?.daemon.as_ref().context("the daemon does not run")
    }

    fn running(&self) -> Result<&Running> {
        match &self.power {
            Power::Namespace(running) => Ok(running),
            _ => bail!("{} is off, or no namespace", self.plan.name),
        }
    }

    fn running_mut(&mut self) -> Result<&mut Running> {
        match &mut self.power {
            Power::Namespace(running) => Ok(running),
            _ => bail!("{} is off, or no namespace", self.plan.name),
        }
    }
}

/// SIGKILL to all of them, none of which sees another go first.
fn kill_at_once(pids: &[Pid]) {
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in pids {
            // It may have ended meanwhile.
            let _ = kill(*pid, signal);
        }
    }
}

fn ip_address(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}
