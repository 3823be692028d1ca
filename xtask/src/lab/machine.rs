//! One box of a lab: a namespace with a raisd in it, or a virtual machine. It has a power switch and a log.

use super::Script;
use super::bundle::Bundle;
use super::listener::Listener;
use super::network::{Namespace, Network};
use super::plan::{BoxPlan, Mode};
use super::process::Process;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A clean stop takes at most this long: raisd waits for others to take over, but not for ever (G-13).
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What the boxes run.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The daemon; unused in VMs, whose image carries its own.
    pub raisd: PathBuf,
    /// The command line.
    pub raisctl: PathBuf,
}

/// One box.
#[derive(Debug)]
pub struct Machine {
    plan: BoxPlan,
    home: PathBuf,
    bundle: Bundle,
    keyring: PathBuf,
    mode: Mode,
    on: Option<Power>,
}

/// What a box that is on consists of. Dropped in order: processes before their namespace.
#[derive(Debug)]
struct Power {
    raisd: Option<Process>,
    service: Option<Listener>,
    namespace: Namespace,
}

impl Machine {
    /// A box that is off.
    pub fn new(mode: Mode, plan: BoxPlan, home: PathBuf, bundle: Bundle, keyring: PathBuf) -> Self {
        Self { plan, home, bundle, keyring, mode, on: None }
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Its raisd's log, or its console.
    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Its control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.home.join("control.sock")
    }

    /// Its state directory.
    pub fn state_directory(&self) -> PathBuf {
        self.home.join("state")
    }

    /// It is on.
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Turns it on.
    pub fn power_on(&mut self, network: &Network, programs: &Programs) -> Result<()> {
        ensure!(self.on.is_none(), "{} is on", self.plan.name);
        let namespace = network.attach_namespace(&self.plan)?;
        let service = Listener::start(&namespace)?;
        self.on = Some(Power { raisd: None, service: Some(service), namespace });
        self.start_daemon(programs)
    }

    /// Starts raisd.
    pub fn start_daemon(&mut self, programs: &Programs) -> Result<()> {
        let mut command = self.power()?.namespace.command(&programs.raisd);
        command
            .arg("--config")
            .arg(&self.bundle.directory)
            .arg("--keyring")
            .arg(&self.keyring)
            .arg("--state")
            .arg(self.state_directory())
            .arg("--socket")
            .arg(self.control_socket());
        let process = Process::start(&format!("raisd of {}", self.plan.name), command, &self.log())?;
        self.power_mut()?.raisd = Some(process);
        Ok(())
    }

    /// Cuts its power, and takes away what is left of it. Gives the instant before.
    pub fn power_cut(&mut self, network: &Network) -> Result<Instant> {
        // Looked up first: it takes milliseconds.
        let pids = self.power()?.namespace.pids();
        let before = Instant::now();
        network.cut(&self.plan)?;
        for pid in pids {
            // A script may have ended meanwhile.
            let _ = kill(pid, Signal::SIGKILL);
        }
        // The cables first: the namespace would take them along too, but only some time later.
        network.detach(&self.plan)?;
        self.on = None;
        Ok(before)
    }

    /// SIGTERM, and waits for the end. Gives the instant before.
    pub fn stop(&mut self, network: &Network) -> Result<Instant> {
        let raisd = self.power_mut()?.raisd.as_mut().context("raisd does not run")?;
        let before = Instant::now();
        raisd.signal(Signal::SIGTERM)?;
        let status = raisd.wait(STOP_LIMIT)?;
        ensure!(status.success(), "raisd of {} ended with {status}", self.plan.name);
        // The cables first: the namespace would take them along too, but only some time later.
        network.detach(&self.plan)?;
        self.on = None;
        Ok(before)
    }

    /// SIGKILL to raisd alone. Gives the instant before.
    pub fn kill_daemon(&mut self) -> Result<Instant> {
        let raisd = self.power_mut()?.raisd.as_mut().context("raisd does not run")?;
        let before = Instant::now();
        raisd.kill()?;
        self.power_mut()?.raisd = None;
        Ok(before)
    }

    /// Runs the service that the test object connects to, or not.
    pub fn set_service(&mut self, running: bool) -> Result<()> {
        let power = self.power_mut()?;
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

    /// Errs if it is on and its raisd has ended although nobody killed it.
    pub fn check(&mut self) -> Result<()> {
        match self.on.as_mut().and_then(|power| power.raisd.as_mut()) {
            Some(raisd) => raisd.check(),
            None => Ok(()),
        }
    }

    /// The addresses its kernel has; `None` if its kernel can not be asked.
    pub fn kernel_addresses(&self) -> Result<Option<Vec<IpAddr>>> {
        if self.mode == Mode::Machines {
            return Ok(None);
        }
        let output = self.power()?.namespace.command("ip").args(["-j", "addr"]).output()?;
        ensure!(output.status.success(), "ip addr: {}", String::from_utf8_lossy(&output.stderr).trim());
        let links: Vec<Link> = serde_json::from_slice(&output.stdout).context("ip -j addr")?;
        Ok(Some(links.into_iter().flat_map(|link| link.addr_info).filter_map(|info| info.local).collect()))
    }

    fn power(&self) -> Result<&Power> {
        self.on.as_ref().with_context(|| format!("{} is off", self.plan.name))
    }

    fn power_mut(&mut self) -> Result<&mut Power> {
        match &mut self.on {
            Some(power) => Ok(power),
            None => bail!("{} is off", self.plan.name),
        }
    }
}

/// A link as `ip -j addr` prints it.
#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<AddressInfo>,
}

/// An address of a link.
#[derive(Deserialize)]
struct AddressInfo {
    local: Option<IpAddr>,
}
