//! What happens in a history: the group, the faults, and the times that follow from them. [`draw`] makes one of a seed.
//!
//! A scenario is complete: it can be stored, edited by hand and shrunk. Of its seed only the network's luck still depends.

pub mod draw;
pub mod fault;

pub use fault::{Fault, Hearing, Scripts};

use crate::policy::PartitionPlan;
use rais_core::params::{Choice, Failback};
use serde::{Deserialize, Serialize};

/// Virtual time, in microseconds.
pub type Micros = u64;
/// A millisecond.
pub const MS: Micros = 1000;
/// A second.
pub const SECOND: Micros = 1_000_000;
/// How long netlink takes.
pub const NETLINK: Micros = 300;
/// The longest an unharmed network takes for a message.
pub const TRAVEL: Micros = 350;
/// The latest that a second copy of a message comes after the first.
pub const LATEST_COPY: Micros = 50 * MS;
/// Who sends recorded datagrams again takes up to this long for all of them.
pub const REPLAYING: Micros = 20 * MS;
/// The least time between two messages of a box that are not beats (G-12).
const EXTRA_INTERVAL: Micros = 5 * MS;

/// What kind of trouble a history is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Only what leaves every box's hearing alone: crashes, stops, tests, carriers, operators, reloads, upgrades.
    Orderly,
    /// Only what must move no address (S-5).
    Mild,
    /// Everything.
    #[default]
    Rough,
}

/// A fault in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// When it begins.
    pub from: Micros,
    /// When it ends; `None`: never.
    pub until: Option<Micros>,
    /// What it is.
    pub fault: Fault,
}

/// A box of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoxPlan {
    /// When it is switched on; `None`: by a [`Fault::SwitchOn`].
    pub start: Option<Micros>,
    /// Parts per million by which its clock runs too fast.
    pub drift_ppm: i64,
    /// How long its scripts take.
    pub script: Micros,
    /// Its capacity.
    pub capacity: u32,
    /// Its load.
    pub load: u32,
    /// It runs a newer release from the beginning.
    pub newer: bool,
}

impl Default for BoxPlan {
    fn default() -> Self {
        Self { start: Some(0), drift_ppm: 0, script: MS, capacity: 1000, load: 0, newer: false }
    }
}

/// A group that boxes are in. The address with index n is of group n modulo the number of groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupPlan {
    /// A bit per box.
    pub members: u32,
    /// It talks on a control network of its own, the last.
    pub own_network: bool,
    /// Its addresses are on a service interface of its own.
    pub own_lan: bool,
    /// The boxes' test is linked to it.
    pub tested: bool,
    /// What it does when it falls apart.
    pub partition: PartitionPlan,
}

impl Default for GroupPlan {
    fn default() -> Self {
        Self { members: u32::MAX, own_network: false, own_lan: false, tested: true, partition: PartitionPlan::Serve }
    }
}

/// One generation of the configuration of all boxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Each box's preferred addresses.
    pub preferred: Vec<Vec<usize>>,
    /// The pool's addresses.
    pub pool: Vec<usize>,
    /// The heartbeat.
    pub beat: Micros,
    /// The dead interval.
    pub dead_after: Micros,
    /// The lease.
    pub lease: Micros,
    /// The action timeout.
    pub action_timeout: Micros,
    /// The orphan timeout.
    pub orphan_timeout: Option<Micros>,
    /// The failback.
    pub failback: Failback,
    /// The longest wait of a box that comes and goes; `None`: it waits for nothing (G-64).
    pub damping: Option<Micros>,
    /// The choice.
    pub choice: Choice,
    /// For how long a box is full before it hands an address on (G-58); `None`: it never does.
    pub load_moves: Option<Micros>,
    /// The utilisation above which a box is full, per mille.
    pub high_water_mark: u32,
    /// The utilisation below which it has room again, per mille.
    pub low_water_mark: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preferred: Vec::new(),
            pool: Vec::new(),
            beat: 100 * MS,
            dead_after: 300 * MS,
            lease: 1500 * MS,
            action_timeout: 2 * SECOND,
            orphan_timeout: None,
            failback: Failback::Immediate,
            damping: None,
            choice: Choice::Balanced,
            load_moves: None,
            high_water_mark: 800,
            low_water_mark: 600,
        }
    }
}

/// A whole history, before it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The network's luck.
    pub seed: u64,
    /// What it is about.
    pub kind: Kind,
    /// The boxes; the lower index has the lower id address.
    pub boxes: Vec<BoxPlan>,
    /// The groups, at least one.
    pub groups: Vec<GroupPlan>,
    /// How many control networks there are, besides those that are a group's own.
    pub networks: usize,
    /// The load that each address served brings with it.
    pub address_load: u32,
    /// How many addresses there are in all configurations.
    pub addresses: usize,
    /// The generations of the configuration; all boxes begin with the first.
    pub configs: Vec<Config>,
    /// The faults, by beginning.
    pub episodes: Vec<Episode>,
}

impl Scenario {
    /// The longest of some time over all generations.
    fn longest(&self, of: impl Fn(&Config) -> Micros) -> Micros {
        self.configs.iter().map(of).max().unwrap_or(0)
    }

    /// The heartbeat, of the slowest generation.
    #[must_use]
    pub fn beat(&self) -> Micros {
        self.longest(|config| config.beat)
    }

    /// The dead interval, of the slowest generation.
    #[must_use]
    pub fn dead_after(&self) -> Micros {
        self.longest(|config| config.dead_after)
    }

    /// The lease, of the slowest generation.
    #[must_use]
    pub fn lease(&self) -> Micros {
        self.longest(|config| config.lease)
    }

    /// The action timeout, of the slowest generation.
    #[must_use]
    pub fn action_timeout(&self) -> Micros {
        self.longest(|config| config.action_timeout)
    }

    /// How long a failback waits for unbroken health, in the slowest generation.
    #[must_use]
    pub fn failback_wait(&self) -> Micros {
        self.longest(|config| match config.failback {
            Failback::After(unbroken) => unbroken.as_micros() as u64,
            Failback::Immediate | Failback::Manual => 0,
        })
    }

    /// For how long a box is full before it hands an address on, in the slowest generation that has it do so.
    #[must_use]
    pub fn hold(&self) -> Option<Micros> {
        self.configs.iter().filter_map(|config| config.load_moves).max()
    }

    /// How long an orphan is kept, in the slowest generation that lets one go.
    #[must_use]
    pub fn orphan_timeout(&self) -> Micros {
        self.longest(|config| config.orphan_timeout.unwrap_or(0))
    }

    /// The longest a healthy release takes: the script, and netlink.
    #[must_use]
    pub fn release(&self) -> Micros {
        self.boxes.iter().map(|plan| plan.script).max().unwrap_or(0) + NETLINK
    }

    /// S-2's "action time": a release here, and an acquire there.
    #[must_use]
    pub fn action(&self) -> Micros {
        2 * self.release()
    }

    /// How long one box needs to tell another something: it may have to wait for its turn to send.
    #[must_use]
    pub fn telling(&self) -> Micros {
        EXTRA_INTERVAL + TRAVEL
    }

    /// By how much two clocks can part in that time.
    #[must_use]
    pub fn skew(&self, time: Micros) -> Micros {
        let worst = self.boxes.iter().map(|plan| plan.drift_ppm.unsigned_abs()).max().unwrap_or(0);
        2 * (time * worst).div_ceil(1_000_000)
    }

    /// The longest that messages take while they are slow.
    #[must_use]
    pub fn slowest_message(&self) -> Micros {
        let delay = |episode: &Episode| match episode.fault {
            Fault::Delay(longest) => longest,
            Fault::Duplication(_) => LATEST_COPY,
            _ => 0,
        };
        self.episodes.iter().map(delay).max().unwrap_or(0) + TRAVEL
    }

    /// How late a second copy of a message may come after the first.
    #[must_use]
    pub fn latest_copy(&self) -> Micros {
        let twice = self.episodes.iter().any(|episode| matches!(episode.fault, Fault::Duplication(_)));
        if twice { LATEST_COPY } else { 0 }
    }

    /// The longest that a script which does not hang takes while scripts are slow.
    #[must_use]
    pub fn slowest_script(&self) -> Micros {
        let slow = |episode: &Episode| match episode.fault {
            Fault::Scripts(_, Scripts::Take(time)) => time,
            Fault::Scripts(_, Scripts::Hang) => self.action_timeout(),
            _ => 0,
        };
        self.episodes.iter().map(slow).max().unwrap_or(0).max(self.release())
    }

    /// When all boxes that are there from the beginning have been switched on.
    #[must_use]
    pub fn all_on(&self) -> Micros {
        self.boxes.iter().filter_map(|plan| plan.start).max().unwrap_or(0)
    }

    /// When the group must have formed.
    #[must_use]
    pub fn formed(&self) -> Micros {
        self.all_on() + crate::invariants::served::bound_after(self, None)
    }

    /// The group of an address.
    #[must_use]
    pub fn group_of(&self, address: usize) -> usize {
        address % self.groups.len()
    }

    /// The addresses of a group.
    pub fn addresses_of(&self, group: usize) -> impl Iterator<Item = usize> + use<> {
        (group..self.addresses).step_by(self.groups.len())
    }

    /// A box is in a group.
    #[must_use]
    pub fn is_member(&self, index: usize, group: usize) -> bool {
        (self.groups[group].members >> index) & 1 == 1
    }

    /// The control networks of a group, by index.
    #[must_use]
    pub fn networks_of(&self, group: usize) -> std::ops::Range<usize> {
        if self.groups[group].own_network { self.networks..self.networks + 1 } else { 0..self.networks }
    }

    /// Messages go through the octets of the wire, and not only from node to node.
    #[must_use]
    pub fn on_the_wire(&self) -> bool {
        let by_fault =
            |episode: &Episode| matches!(episode.fault, Fault::Upgrade(_) | Fault::Damage(_) | Fault::Replay(_));
        self.boxes.iter().any(|plan| plan.newer) || self.addresses >= 100 || self.episodes.iter().any(by_fault)
    }
}
