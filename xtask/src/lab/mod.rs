//! A lab: boxes, a client and the networks between them, on this machine and out of everybody's way.
//!
//! A box is a `raisd` process in a network namespace, or a virtual machine booted from the appliance image; a scenario
//! does not need to know which. Nothing here knows what *should* happen: it does things to boxes and says what is so.

mod bundle;
mod crowd;
mod listener;
mod machine;
mod neighbours;
mod network;
mod nms;
mod plan;
mod prober;
mod process;
mod status;
mod trace;

pub use bundle::Signing;
pub use bundle::{Bundle, COMMUNITY, ZONE};
pub use crowd::Crowd;
pub use machine::{BootBy, Firmware, Machine};
pub use network::{CONTROL, LAN, Namespace, Network, directory, remove_stale};
pub use nms::{MIB, Mibs, Trap};
pub use plan::{BOXES, BoxPlan, HTTP, Mode, Plan};
pub use prober::{Prober, wait_for_packet};
pub use process::{Process, go_along, go_first, go_last};
pub use trace::Probes;

use crate::interrupt::{self, wait_for};
use anyhow::{Context, Result, ensure};
use nms::TrapReceiver;
use status::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use trace::Seen;

/// What a lab is made with.
#[derive(Debug)]
pub struct Tools {
    /// What the boxes run.
    pub firmware: Firmware,
    /// The command line, on this machine.
    pub raisctl: PathBuf,
    /// Signs what the boxes are configured with.
    pub signing: Signing,
}

/// Service addresses, and the indices of the boxes that have each.
pub type Holders = BTreeMap<IpAddr, BTreeSet<usize>>;

/// A running lab. Dropping it takes everything down. Fields are dropped in order: programs before the networks they use.
#[derive(Debug)]
pub struct Lab {
    /// Who is who.
    pub plan: Plan,
    /// The MIB files.
    pub mibs: Mibs,
    prober: Prober,
    traps: TrapReceiver,
    machines: Vec<Machine>,
    network: Network,
    tools: Tools,
    directory: tempfile::TempDir,
}

impl Lab {
    /// Sets up networks, client and boxes, and turns the boxes on.
    pub fn start(plan: Plan, tools: Tools, repository: &Path) -> Result<Self> {
        let directory = directory()?;
        let network = Network::create()?;
        let mibs = Mibs::of(repository);
        let traps = TrapReceiver::start(&network.client, &plan, &mibs, directory.path())?;
        let prober = Prober::start(&network.client, &plan.boxes, plan.addresses().collect(), plan.timing.probe_every)?;
        let mut machines = Vec::new();
        for a_box in &plan.boxes {
            let home = directory.path().join(&a_box.name);
            std::fs::create_dir(&home)?;
            let bundle = tools.signing.bundle(&plan, a_box, &home, &tools.raisctl)?;
            let keyring = tools.signing.keyring.clone();
            machines.push(Machine::new(&tools.firmware, a_box.clone(), home, bundle, keyring)?);
        }
        let mut lab = Self { plan, mibs, prober, traps, machines, network, tools, directory };
        for index in 0..lab.machines.len() {
            interrupt::check()?;
            lab.power_on(index)?;
        }
        Ok(lab)
    }

    /// Turns a box on.
    pub fn power_on(&mut self, index: usize) -> Result<()> {
        self.machines[index].power_on(&self.network, &self.tools.firmware)
    }

    /// Cuts a box's power: its cables and every process of it are gone in one step. Gives the instant before.
    pub fn power_cut(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].power_cut(&self.network)
    }

    /// Asks a box to stop: SIGTERM to raisd, or the power button. Gives the instant before.
    pub fn stop(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].stop(&self.network)
    }

    /// Makes a box hang: its raisd is stopped, or its whole machine. Gives the instant before.
    pub fn freeze(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].freeze()
    }

    /// Lets a frozen box go on.
    pub fn thaw(&mut self, index: usize) -> Result<()> {
        self.machines[index].thaw()
    }

    /// Kills raisd alone; the box's kernel lives on. Namespaces only. Gives the instant before.
    pub fn kill_daemon(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].kill_daemon()
    }

    /// Starts raisd again on a box whose raisd was killed. Namespaces only.
    pub fn start_daemon(&mut self, index: usize) -> Result<()> {
        self.machines[index].start_daemon(&self.tools.firmware)
    }

    /// Makes the box's test object pass or fail, by running the service it connects to or not. Namespaces only.
    pub fn set_service(&mut self, index: usize, running: bool) -> Result<()> {
        self.machines[index].set_service(running)
    }

    /// Makes the box's acquire or release script fail, or succeed again. Namespaces only.
    pub fn set_script_fault(&self, index: usize, script: Script, fails: bool) -> Result<()> {
        self.machines[index].set_script_fault(script, fails)
    }

    /// Flips one bit of the box's signed configuration on disk; flips it back when called again. Namespaces only.
    pub fn flip_configuration_bit(&self, index: usize) -> Result<()> {
        self.machines[index].flip_configuration_bit()
    }

    /// The box is on and not frozen.
    pub fn is_awake(&self, index: usize) -> bool {
        self.machines[index].is_awake()
    }

    /// The control socket of a box.
    pub fn control_socket(&self, index: usize) -> PathBuf {
        self.machines[index].control_socket()
    }

    /// The box's state directory; namespaces only.
    pub fn state_directory(&self, index: usize) -> PathBuf {
        self.machines[index].state_directory()
    }

    /// Runs `raisctl` against a box and gives what it printed.
    pub fn raisctl(&self, index: usize, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.tools.raisctl)
            .arg("--socket")
            .arg(self.control_socket(index))
            .args(arguments)
            .output()
            .context("raisctl does not start")?;
        // It names itself.
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What a box knows.
    pub fn status(&self, index: usize) -> Result<Status> {
        Status::parse(&self.raisctl(index, &["status", "--json"])?)
    }

    /// The first box that can be asked.
    pub fn any_box(&self) -> Result<usize> {
        (0..self.machines.len()).find(|index| self.is_awake(*index)).context("every box is off")
    }

    /// Who leads a group, as the first box that is on sees it.
    pub fn leader(&self, group: &str) -> Result<Option<usize>> {
        let status = self.status(self.any_box()?)?;
        Ok(status.group(group).and_then(|group| group.leader).and_then(|id| self.plan.owner_of(id)))
    }

    /// Which boxes hold each service address, as their kernels (namespaces) or the boxes themselves (VMs) say; boxes that
    /// are off hold nothing.
    pub fn holders(&self) -> Result<Holders> {
        let mut holders = self.nobody();
        for (index, machine) in self.machines.iter().enumerate().filter(|(_, machine)| machine.is_on()) {
            let held = match machine.kernel_addresses()? {
                Some(addresses) => addresses,
                // A frozen machine holds nothing that anybody could notice, and does not answer.
                None if !machine.is_awake() => Vec::new(),
                None => self.claimed(index)?,
            };
            for address in held {
                if let Some(boxes) = holders.get_mut(&address) {
                    boxes.insert(index);
                }
            }
        }
        Ok(holders)
    }

    /// Which boxes answer when the client asks the whole segment for each service address.
    pub fn claimants(&self) -> Result<Holders> {
        let addresses: Vec<_> = self.plan.addresses().collect();
        let patience = self.plan.timing.answer_within;
        let by_mac = neighbours::claimants(&self.network.client, &addresses, patience)?;
        let mut claimants = self.nobody();
        for (address, macs) in by_mac {
            // A stranger's claim counts as one more box: there must be none.
            let boxes = macs.into_iter().map(|mac| {
                self.plan.boxes.iter().position(|a_box| a_box.lan_mac() == mac).unwrap_or(self.plan.boxes.len())
            });
            claimants.insert(address, boxes.collect());
        }
        Ok(claimants)
    }

    fn nobody(&self) -> Holders {
        self.plan.addresses().map(|address| (address, BTreeSet::new())).collect()
    }

    /// What a box says it holds itself.
    fn claimed(&self, index: usize) -> Result<Vec<IpAddr>> {
        let status = self.status(index)?;
        Ok(status.addresses().filter(|(_, a)| a.own_claim.is_some()).map(|(_, a)| a.address).collect())
    }

    /// Who answers the client for each address at this moment.
    pub fn answering(&self) -> Result<BTreeMap<IpAddr, Option<usize>>> {
        let who = |address| {
            Ok((
                address,
                self.prober.answers_now(address, self.plan.timing.answer_within)?.and_then(|answer| answer.from),
            ))
        };
        self.plan.addresses().map(who).collect()
    }

    /// What the client saw of an address since.
    pub fn seen(&self, address: IpAddr, since: Instant) -> Result<Seen> {
        self.prober.seen(address, since)
    }

    /// Waits until `settled` says yes to who answers for what, and every box that is on still runs.
    pub fn wait_answering(
        &mut self,
        what: &str,
        limit: Duration,
        settled: impl Fn(&BTreeMap<IpAddr, Option<usize>>) -> bool,
    ) -> Result<()> {
        wait_for(what, limit, || {
            for machine in &mut self.machines {
                machine.check()?;
            }
            Ok(settled(&self.answering()?).then_some(()))
        })
    }

    /// Waits until every service address is answered for by its preferred box, and pool addresses by any.
    pub fn wait_home(&mut self, limit: Duration) -> Result<()> {
        let homes: BTreeMap<_, _> = self.plan.services.iter().map(|s| (s.address, s.home)).collect();
        self.wait_answering("every service address at home", limit, |answering| {
            answering.iter().all(|(address, who)| match homes.get(address).copied().flatten() {
                Some(home) => *who == Some(home),
                None => who.is_some(),
            })
        })
    }

    /// Notifications after the first `skip`.
    pub fn traps_after(&mut self, skip: usize) -> Result<Vec<Trap>> {
        self.traps.after(skip)
    }

    /// How many notifications arrived so far.
    pub fn trap_count(&self) -> usize {
        self.traps.count()
    }

    /// Runs a net-snmp program against a box.
    pub fn poll(&self, index: usize, program: &str, options: &[&str], what: &str) -> Result<String> {
        let agent = self.plan.boxes[index].lan_v4();
        nms::poll(&self.network.client, program, options, &self.mibs, agent, what)
    }

    /// The client's namespace, for a person's own commands.
    pub fn client(&self) -> &str {
        self.network.client.name()
    }

    /// Where `raisctl` is.
    pub fn raisctl_path(&self) -> &Path {
        &self.tools.raisctl
    }

    /// The end of every box's log, for an error report.
    pub fn log_tails(&self, lines: usize) -> String {
        let tail = |machine: &Machine| format!("{}:\n{}", machine.name(), process::tail(&machine.log(), lines));
        self.machines.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// Copies every box's logs to `directory`, for whoever looks into a failure later.
    pub fn keep_logs(&self, directory: &Path) -> Result<()> {
        if directory.exists() {
            std::fs::remove_dir_all(directory)?;
        }
        std::fs::create_dir_all(directory)?;
        for machine in &self.machines {
            for log in machine.logs() {
                let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
                std::fs::copy(&log, directory.join(format!("{}-{name}", machine.name())))?;
            }
        }
        let traps = self.directory.path().join("snmptrapd.log");
        std::fs::copy(traps, directory.join("snmptrapd.log"))?;
        Ok(())
    }
}

/// A script of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Runs after an address was configured.
    Acquire,
    /// Runs before an address is removed.
    Release,
}
