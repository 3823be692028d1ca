//! A group's partition policy in a history: what it is, and what the world must be like for a box to be let serve (G-42).

use crate::random::Random;
use crate::scenario::{Fault, Hearing, Kind, MS, Micros, Scenario};
use crate::world::{World, id_of};
use rais_core::params::Partition;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Time between two probes of the witness.
const WITNESS_INTERVAL: Micros = 50 * MS;
/// So many of them it takes to notice, and to believe, that it is lost or back.
const PROBES: Micros = 4;

/// What the group does when it falls apart (G-42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartitionPlan {
    /// Each part serves.
    #[default]
    Serve,
    /// The first so many boxes count; more than half of them serve.
    Majority(usize),
    /// The witness is beside this box, whatever is cut.
    Witness(usize),
}

impl PartitionPlan {
    /// Draws one for a group that all `boxes` are in.
    #[must_use]
    pub fn draw(random: &mut Random, kind: Kind, boxes: usize) -> Self {
        match (kind, random.between(0, 9)) {
            (Kind::Mild, _) => Self::Serve,
            (Kind::Orderly | Kind::Rough, 0..=2) if boxes >= 3 => {
                Self::Majority(boxes - usize::from(boxes > 3 && random.chance(500)))
            }
            (Kind::Orderly | Kind::Rough, 3) => Self::Witness(random.index(boxes)),
            (Kind::Orderly | Kind::Rough, _) => Self::Serve,
        }
    }

    /// What the boxes are configured with.
    #[must_use]
    pub fn params(self, scenario: &Scenario, group: usize) -> Partition {
        match self {
            Self::Serve => Partition::Serve,
            Self::Majority(voters) => {
                Partition::Majority { voters: (0..voters).map(|index| id_of(scenario, index, group)).collect() }
            }
            Self::Witness(_) => Partition::Witness {
                witnesses: [IpAddr::V4(Ipv4Addr::new(10, 1, 0, 254))].into(),
                interval: Duration::from_micros(WITNESS_INTERVAL),
            },
        }
    }
}

impl Scenario {
    /// How much longer than without witnesses it takes to notice what happened.
    #[must_use]
    pub fn witness_patience(&self) -> Micros {
        let witnessed = self.groups.iter().any(|group| matches!(group.partition, PartitionPlan::Witness(_)));
        if witnessed { PROBES * WITNESS_INTERVAL } else { 0 }
    }

    /// Under a policy two parts of a group do not serve alike, but for the time that it takes a part to notice that it is
    /// one. Returns that time.
    pub(crate) fn notices_partition_within(&self, group: usize) -> Option<Micros> {
        match self.groups[group].partition {
            PartitionPlan::Serve => None,
            PartitionPlan::Majority(_) => Some(self.dead_after() + self.slowest_message()),
            PartitionPlan::Witness(_) => {
                Some(self.dead_after().max(PROBES * WITNESS_INTERVAL) + self.slowest_message())
            }
        }
    }
}

impl World {
    /// The witness of a group answers this box.
    #[must_use]
    pub fn reaches_witness(&self, index: usize, group: usize) -> bool {
        match self.scenario.groups[group].partition {
            PartitionPlan::Witness(beside) => !self.network.is_parted(index, beside),
            PartitionPlan::Serve | PartitionPlan::Majority(_) => false,
        }
    }

    /// The policy lets the box serve, once it has noticed how things are.
    #[must_use]
    pub fn may_serve(&self, index: usize, group: usize) -> bool {
        match self.scenario.groups[group].partition {
            PartitionPlan::Serve => true,
            PartitionPlan::Majority(voters) => {
                let networks = self.scenario.networks_of(group);
                let here = |at: &usize| *at == index || self.network.connects(index, *at, networks.clone());
                (0..voters).filter(|at| self.takes_part(*at, group)).filter(here).count() * 2 > voters
            }
            PartitionPlan::Witness(_) => self.reaches_witness(index, group),
        }
    }

    /// Under the group's policy these two can not both serve for long: what parts them is noticed.
    pub(crate) fn policy_parts(&self, a: usize, b: usize, group: usize) -> bool {
        let one_way = |episode: &usize| self.scenario.episodes[*episode].fault.hearing() == Hearing::Blurred;
        let blurred = self.active_faults().any(|episode| one_way(&episode));
        match self.scenario.groups[group].partition {
            PartitionPlan::Serve => false,
            PartitionPlan::Majority(_) => !blurred,
            PartitionPlan::Witness(_) => !blurred && self.network.is_parted(a, b),
        }
    }
}

impl crate::network::Network {
    /// A partition of everything is between the two boxes.
    #[must_use]
    pub fn is_parted(&self, a: usize, b: usize) -> bool {
        self.active().any(|fault| matches!(fault, Fault::Partition(mask) if (mask >> a) & 1 != (mask >> b) & 1))
    }
}
