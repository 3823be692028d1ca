//! The group's policies in a history: what they are, and what the world must be like for a box to be let serve.
//!
//! Drawn from a sequence of their own, so that a seed's group and faults are the same whatever is drawn here.

use crate::random::Random;
use crate::scenario::{Episode, Fault, Kind, MS, Micros, Scenario};
use crate::world::{World, id_of};
use rais_core::params::Partition;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Time between two probes of the witness.
const WITNESS_INTERVAL: Micros = 50 * MS;

/// What the group does when it falls apart (G-42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionPlan {
    /// Each part serves.
    #[default]
    Serve,
    /// The first so many boxes count; more than half of them serve.
    Majority(usize),
    /// The witness is beside this box, whatever is cut.
    Witness(usize),
}

/// The policies of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The partition policy.
    pub partition: PartitionPlan,
    /// Load moves (G-58): how long a box must have been full.
    pub hold: Option<Micros>,
    /// Load that each address brings with it, per mille of a box.
    pub address_load: u32,
}

impl Policies {
    /// Draws them for a group.
    #[must_use]
    pub fn draw(seed: u64, kind: Kind, boxes: usize) -> Self {
        let mut random = Random::new(seed ^ 0x9011_c1e5);
        let partition = match (kind, random.between(0, 9)) {
            (Kind::Mild, _) => PartitionPlan::Serve,
            (Kind::Orderly | Kind::Rough, 0..=2) if boxes >= 3 => {
                let joiners = usize::from(boxes > 3 && random.chance(500));
                PartitionPlan::Majority(boxes - joiners)
            }
            (Kind::Orderly | Kind::Rough, 3) => PartitionPlan::Witness(random.index(boxes)),
            (Kind::Orderly | Kind::Rough, _) => PartitionPlan::Serve,
        };
        let hold = (kind != Kind::Mild && random.chance(200)).then_some(400 * MS);
        Self { partition, hold, address_load: random.between(0, 150) as u32 }
    }

    /// How much longer than without a policy it takes until all is well.
    #[must_use]
    pub fn patience(&self) -> Micros {
        match self.partition {
            PartitionPlan::Serve | PartitionPlan::Majority(_) => 0,
            PartitionPlan::Witness(_) => 4 * WITNESS_INTERVAL,
        }
    }

    /// How long it takes until no box is full that need not be, of so many addresses.
    #[must_use]
    pub fn levelled(&self, addresses: usize, action: Micros) -> Micros {
        self.hold.map_or(0, |hold| (addresses as u64 + 1) * (hold + action + 20 * MS))
    }

    /// Load that comes and goes, where the group evens it out.
    #[must_use]
    pub fn episodes(&self, seed: u64, boxes: usize, begin: Micros) -> Vec<Episode> {
        let mut random = Random::new(seed ^ 0x10ad);
        let count = if self.hold.is_some() { random.between(1, 3) } else { 0 };
        let one = |_| {
            let from = begin + random.between(0, 4000 * MS);
            let until = Some(from + random.between(200, 4000) * MS);
            Episode { from, until, fault: Fault::Load(random.index(boxes), random.between(300, 900) as u32) }
        };
        (0..count).map(one).collect()
    }

    /// What the boxes are configured with.
    #[must_use]
    pub fn partition(&self) -> Partition {
        match self.partition {
            PartitionPlan::Serve => Partition::Serve,
            PartitionPlan::Majority(voters) => Partition::Majority { voters: (0..voters).map(id_of).collect() },
            PartitionPlan::Witness(_) => Partition::Witness {
                witnesses: [IpAddr::V4(Ipv4Addr::new(10, 1, 0, 254))].into(),
                interval: Duration::from_micros(WITNESS_INTERVAL),
            },
        }
    }
}

impl World {
    /// Under this group's policy an address is never served twice because of a partition, but for the time it takes a
    /// part to notice that it is one. Returns that time.
    pub(crate) fn notices_partition_within(&self) -> Option<Micros> {
        let slow = |episode: &Episode| if let Fault::Delay(longest) = episode.fault { longest } else { 0 };
        let slowest = self.scenario.episodes.iter().map(slow).max().unwrap_or(0);
        match self.scenario.policies.partition {
            PartitionPlan::Serve => None,
            PartitionPlan::Majority(_) => Some(self.scenario.dead_after + slowest),
            PartitionPlan::Witness(_) => Some(self.scenario.dead_after.max(4 * WITNESS_INTERVAL) + slowest),
        }
    }

    /// The witness answers this box.
    pub(crate) fn reaches_witness(&self, index: usize) -> bool {
        match self.scenario.policies.partition {
            PartitionPlan::Witness(beside) => !self.network.cuts(index, beside),
            PartitionPlan::Serve | PartitionPlan::Majority(_) => false,
        }
    }

    /// The policy lets the box serve, once it has noticed how things are.
    #[must_use]
    pub fn may_serve(&self, index: usize) -> bool {
        match self.scenario.policies.partition {
            PartitionPlan::Serve => true,
            PartitionPlan::Majority(voters) => {
                let runs = |at: &usize| self.boxes[*at].node.is_some() && !self.boxes[*at].stopping;
                let here = |at: &usize| *at == index || !self.network.cuts(index, *at);
                (0..voters).filter(runs).filter(here).count() * 2 > voters
            }
            PartitionPlan::Witness(_) => self.reaches_witness(index),
        }
    }
}

impl Scenario {
    /// A partition has been all that ails the group for long enough: what its policy promises can be seen.
    pub(crate) fn shows_partition(&self, ends: usize, now: Micros) -> bool {
        let bound = self.bound() + self.dead_after;
        let began = self.episodes[ends].from;
        let harmless = |(index, episode): (usize, &Episode)| {
            index == ends
                || episode.from > now
                || episode.until.is_some_and(|until| until + 4 * bound < now.min(began + bound))
        };
        let slow = self.episodes.iter().any(|episode| matches!(episode.fault, Fault::Scripts(..)));
        now > began + bound
            && self.formed < began
            && !slow
            && self.orphan_timeout.is_none()
            && self.episodes.iter().enumerate().all(harmless)
    }
}
