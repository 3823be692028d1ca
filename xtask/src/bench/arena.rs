//! Where a subject is measured: three boxes as namespaces, two networks, a client that probes each millisecond or not at
//! all. It does things and watches; what follows from it is the scenarios'.

use super::Kit;
use super::subject::{HOME, SERVICE_NETWORK, Setup, Subject, boxes};
use crate::interrupt::{pause, wait_for};
use crate::lab::{Firmware, Machine, Network, Prober, directory};
use anyhow::{Context, Result};
use rand::Rng;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Before an event a group rests for so long at least …
const SHORTEST_REST: Duration = Duration::from_millis(400);
/// … and for no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(6);
/// Between two probes.
pub const PROBE_EVERY: Duration = Duration::from_millis(1);
/// An answer that is older is none.
const FRESH: Duration = Duration::from_millis(50);
/// How long anything may take to become as it should be between two events.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subject at work. Fields are dropped in order: programs before the networks they use.
#[derive(Debug)]
pub struct Arena {
    prober: Option<Prober>,
    machines: Vec<Machine>,
    network: Network,
    firmware: Firmware,
    subject: Subject,
    setup: Setup,
    addresses: Vec<IpAddr>,
    _directory: tempfile::TempDir,
}

/// Whether the client probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The first address, each millisecond.
    Probes,
    /// It is silent.
    Silent,
}

impl Arena {
    /// Turns three boxes on and waits until the first has every address.
    pub fn start(kit: &Kit, subject: Subject, setup: Setup, client: Client) -> Result<Self> {
        let directory = directory()?;
        let network = Network::create()?;
        network.client.ip(&format!("route add {SERVICE_NETWORK} dev lan\n"))?;
        let addresses = setup.service_addresses();
        let firmware = subject.firmware(kit);
        let mut machines = Vec::new();
        for a_box in boxes() {
            let home = directory.path().join(&a_box.name);
            std::fs::create_dir(&home)?;
            let bundle = subject.bundle(kit, &setup, &a_box, &home)?;
            machines.push(Machine::new(&firmware, a_box, home, bundle, kit.signing.keyring.clone())?);
        }
        let prober = match client {
            Client::Probes => {
                let first = addresses.iter().take(1).copied().collect();
                Some(Prober::start(&network.client, &boxes(), first, PROBE_EVERY)?)
            }
            Client::Silent => None,
        };
        let mut arena = Self { prober, machines, network, firmware, subject, setup, addresses, _directory: directory };
        for index in 0..arena.machines.len() {
            arena.power_on(index)?;
        }
        arena.wait_home()?;
        Ok(arena)
    }

    /// The service addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// A box.
    pub fn machine(&self, index: usize) -> &Machine {
        &self.machines[index]
    }

    /// All boxes.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// The networks.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Turns a box on.
    pub fn power_on(&mut self, index: usize) -> Result<Instant> {
        let before = Instant::now();
        self.machines[index].power_on(&self.network, &self.firmware)?;
        Ok(before)
    }

    /// Cuts a box's power. Gives the instant before.
    pub fn power_cut(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].power_cut(&self.network)
    }

    /// Stops a box cleanly. Gives the instant before.
    pub fn stop(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].stop(&self.network)
    }

    /// SIGKILL to a box's daemon alone. Gives the instant before.
    pub fn kill_daemon(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].kill_daemon()
    }

    /// Loses this share of the protocol's packets at every box, on every network, from now on.
    pub fn lose(&self, per_cent: u8) -> Result<()> {
        for machine in &self.machines {
            let mut rules = String::from("table netdev loss {\n");
            for nic in [crate::lab::LAN, crate::lab::CONTROL] {
                rules.push_str(&format!(
                    "  chain {nic} {{\n    type filter hook ingress device \"{nic}\" priority 0; policy accept;\n    {} \
                     numgen random mod 100 < {per_cent} counter drop\n  }}\n",
                    self.subject.protocol_match()
                ));
            }
            rules.push_str("}\n");
            machine.namespace()?.run("nft", &["-f", "-"], &rules)?;
        }
        Ok(())
    }

    /// Loses nothing any more; gives how many packets were lost.
    pub fn lose_nothing(&self) -> Result<u64> {
        let mut lost = 0;
        for machine in &self.machines {
            let namespace = machine.namespace()?;
            let listed = namespace.run("nft", &["list", "table", "netdev", "loss"], "")?;
            let counted = listed.split("counter packets ").skip(1);
            lost += counted.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).sum::<u64>();
            namespace.run("nft", &["delete", "table", "netdev", "loss"], "")?;
        }
        Ok(lost)
    }

    /// Waits until the first box has every address, nobody else has any, and the client is answered by it.
    pub fn wait_home(&mut self) -> Result<()> {
        let (machines, addresses, prober) = (&mut self.machines, &self.addresses, &self.prober);
        wait_for("every address at home and nowhere else", PATIENCE, || {
            for (index, machine) in machines.iter_mut().enumerate().filter(|(_, machine)| machine.is_on()) {
                machine.check()?;
                let has = count_held(machine, addresses)?;
                if has != (if index == HOME { addresses.len() } else { 0 }) {
                    return Ok(None);
                }
            }
            let Some(prober) = prober else { return Ok(Some(())) };
            for address in addresses.iter().take(1) {
                let answer = prober.answers_now(*address, FRESH)?;
                if answer.and_then(|answer| answer.from) != Some(HOME) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    /// Waits until everything is at home and has been for a while, and then some: an event falls into any phase of the
    /// beat. The while is sixty beats, because boxes fail after days and not in the first seconds, while they still
    /// measure each other; where the beat is so long that it would take minutes, four of them.
    pub fn settle(&mut self) -> Result<()> {
        self.wait_home()?;
        let long = self.setup.beat * 60;
        let settled = if long <= LONGEST_REST { long } else { self.setup.beat * 4 }.max(SHORTEST_REST);
        let phase = self.setup.beat.max(Duration::from_millis(20)).mul_f64(rand::thread_rng().gen_range(0.0..1.0));
        pause(settled + phase)
    }

    /// How many service addresses the box's kernel has.
    pub fn held(&self, index: usize) -> Result<usize> {
        count_held(&self.machines[index], &self.addresses)
    }

    /// The client's prober.
    pub fn prober(&self) -> Result<&Prober> {
        self.prober.as_ref().context("the client does not probe")
    }

    /// The address that is probed.
    pub fn probed(&self) -> Result<IpAddr> {
        self.addresses.first().copied().context("there is no address")
    }

    /// Waits until another box than the first answers for the probed address, and then a while longer; false: nobody
    /// did.
    pub fn wait_taken_over(&self, limit: Duration) -> Result<bool> {
        let address = self.probed()?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let answer = self.prober()?.answers_now(address, FRESH)?;
            if answer.and_then(|answer| answer.from).is_some_and(|from| from != HOME) {
                pause(Duration::from_millis(300))?;
                return Ok(true);
            }
            pause(Duration::from_millis(2))?;
        }
        Ok(false)
    }

    /// The longest silence of the probed address since, in milliseconds.
    pub fn silence_ms(&self, since: Instant) -> Result<f64> {
        Ok(self.prober()?.seen(self.probed()?, since)?.silence.as_secs_f64() * 1e3)
    }
}

/// How many of `addresses` the kernel of a box has; none if it is off.
fn count_held(machine: &Machine, addresses: &[IpAddr]) -> Result<usize> {
    let all = machine.kernel_addresses()?.unwrap_or_default();
    let all: std::collections::BTreeSet<IpAddr> = all.into_iter().collect();
    Ok(addresses.iter().filter(|address| all.contains(address)).count())
}
