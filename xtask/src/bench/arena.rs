//! Where a subject is measured: three boxes as namespaces, two networks, a client that probes each millisecond or not at
//! all. It does things and watches; what follows from it is the scenarios'.

use super::Kit;
use super::lanes::{Turn, Turns};
use super::subject::{HOME, SERVICE_NETWORK, Setup, Subject, boxes};
use crate::interrupt::{pause, wait_for};
use crate::lab::{CONTROL, Firmware, LAN, Machine, Network, Prober, directory, wait_for_packet};
use anyhow::{Context, Result};
use rand::Rng;
use rand::seq::SliceRandom;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No group rests for less.
const SHORTEST_REST: Duration = Duration::from_millis(400);
/// What need not be noticed by silence is not waited for longer than this, however long the beat.
const LONGEST_BRIEF_REST: Duration = Duration::from_secs(4);
/// What a box that was turned on makes the machine do at first, and what the kernel clears away of its earlier life.
const STARTING: Duration = Duration::from_millis(150);
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
    /// When the first box was turned on last.
    born: Instant,
    _directory: tempfile::TempDir,
    turns: Arc<Turns>,
    /// Until everything above is gone.
    last_turn: Option<Turn>,
}

/// How long a group rests before something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Until the first box has lived for sixty beats. For whatever depends on how soon silence is noticed: boxes fail after
    /// days, not in the first seconds, and raisd trusts what it measured of a box after 48 messages of one life.
    Acquainted,
    /// For twelve beats, so that whatever the last event set off has ended. For what is told rather than noticed: a lost
    /// carrier, a clean stop, a killed daemon, a return; the detector's figures play no part in it.
    Brief,
    /// It has been watched doing nothing already.
    Done,
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
        let turn = Turns::take(&kit.turns);
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
        let mut arena = Self {
            prober,
            machines,
            network,
            firmware,
            subject,
            setup,
            addresses,
            born: Instant::now(),
            _directory: directory,
            turns: Arc::clone(&kit.turns),
            last_turn: None,
        };
        for index in 0..arena.machines.len() {
            arena.power_on(&turn, index)?;
        }
        pause(STARTING)?;
        drop(turn);
        arena.wait_home()?;
        Ok(arena)
    }

    /// The service addresses.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// All boxes.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// The networks.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Waits until nothing happens in any other lane, and keeps it so.
    pub fn turn(&self) -> Turn {
        Turns::take(&self.turns)
    }

    /// Turns a box on. Gives the instant before.
    pub fn power_on(&mut self, _: &Turn, index: usize) -> Result<Instant> {
        let before = Instant::now();
        self.machines[index].power_on(&self.network, &self.firmware)?;
        if index == HOME {
            self.born = before;
        }
        Ok(before)
    }

    /// Turns the first box on again when nothing is measured.
    pub fn bring_home(&mut self) -> Result<()> {
        let turn = self.turn();
        self.power_on(&turn, HOME)?;
        pause(STARTING)
    }

    /// Cuts a box's power. Gives the instant before.
    pub fn power_cut(&mut self, _: &Turn, index: usize) -> Result<Instant> {
        self.machines[index].power_cut(&self.network)
    }

    /// Stops a box cleanly. Gives the instant before.
    pub fn stop(&mut self, _: &Turn, index: usize) -> Result<Instant> {
        self.machines[index].stop(&self.network)
    }

    /// SIGKILL to a box's daemon alone. Gives the instant before.
    pub fn kill_daemon(&mut self, index: usize) -> Result<Instant> {
        self.machines[index].kill_daemon()
    }

    /// Pulls the cable of a box's service NIC, or plugs it in. Gives the instant before.
    pub fn plug(&self, _: &Turn, index: usize, plugged: bool) -> Result<Instant> {
        let before = Instant::now();
        self.network.plug(self.machines[index].plan(), LAN, plugged)?;
        Ok(before)
    }

    /// Cuts a box off with no sign of it at any NIC, or lets it back. Gives the instant before.
    pub fn isolate(&self, _: &Turn, index: usize, isolated: bool) -> Result<Instant> {
        let before = Instant::now();
        self.network.isolate(self.machines[index].plan(), isolated)?;
        Ok(before)
    }

    /// Loses this share of the protocol's packets at every box, on every network, from now on.
    pub fn lose(&self, per_cent: u8) -> Result<()> {
        for machine in &self.machines {
            let mut rules = String::from("table netdev loss {\n");
            for nic in [LAN, CONTROL] {
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

    /// Waits until everything is at home and the group has rested, and then some: an event falls into any phase of the beat.
    pub fn settle(&mut self, rest: Rest) -> Result<()> {
        self.wait_home()?;
        let (beat, now) = (self.setup.beat, Instant::now());
        let rested = match rest {
            Rest::Acquainted => (self.born + beat * 60).max(now + (beat * 60).min(Duration::from_secs(1))),
            Rest::Brief => now + (beat * 12).min(LONGEST_BRIEF_REST),
            Rest::Done => now,
        };
        let phase = beat.max(Duration::from_millis(20)).mul_f64(rand::thread_rng().gen_range(0.0..1.0));
        pause(rested.max(now + SHORTEST_REST).duration_since(now) + phase)
    }

    /// Waits until the first box has spoken on the segment, and for this part of a beat. How long a box is dead before
    /// anybody can know it depends on when in its beat it dies.
    pub fn await_phase(&self, part: f64) -> Result<()> {
        let home = self.machines[HOME].plan().lan_mac();
        let spoke = wait_for_packet(&self.network.client, home, |packet| self.subject.speaks_in(packet), PATIENCE)?;
        pause((spoke + self.setup.beat.mul_f64(part)).saturating_duration_since(Instant::now()))
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

/// Points of the beat, one in each of so many equal parts of it, in random order: with a few events the median of where
/// they happen to fall is as uncertain as what is measured is small.
pub fn spread_over_beat(events: u32) -> Vec<f64> {
    let mut random = rand::thread_rng();
    let mut points: Vec<f64> =
        (0..events).map(|part| (f64::from(part) + random.gen_range(0.0..1.0)) / f64::from(events)).collect();
    points.shuffle(&mut random);
    points
}

impl Drop for Arena {
    fn drop(&mut self) {
        // What is cleared away makes the kernel work as well.
        self.last_turn = Some(self.turn());
    }
}

/// How many of `addresses` the kernel of a box has; none if it is off.
fn count_held(machine: &Machine, addresses: &[IpAddr]) -> Result<usize> {
    let all = machine.kernel_addresses()?.unwrap_or_default();
    let all: std::collections::BTreeSet<IpAddr> = all.into_iter().collect();
    Ok(addresses.iter().filter(|address| all.contains(address)).count())
}
