//! How soon a dead box is found dead, and how often a living one is: what decides the defaults of failure detection.
//!
//! A group at rest, on a network that loses a given share of all messages all the while, with boxes that stall now and
//! then; at last one loses its power.

use crate::scenario::{BoxPlan, Config, Episode, Fault, GroupPlan, Kind, MS, Micros, SECOND, Scenario};
use crate::world::World;

/// The circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Boxes in the group; the first leads.
    pub boxes: usize,
    /// The one that loses its power.
    pub dies: usize,
    /// Control networks.
    pub networks: usize,
    /// The heartbeat; the dead interval is three of them.
    pub beat: Micros,
    /// Messages lost, in per mille, on each network and way by itself.
    pub loss: u64,
    /// The daemon of each box does not run for this long, once in two seconds.
    pub stall: Micros,
    /// How long the group lives so.
    pub time: Micros,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Times a living box was taken for dead by another.
    pub false_deaths: u64,
    /// Times an address moved though nothing was wrong.
    pub moves: u64,
    /// From the loss of power until another box served what the first had.
    pub outage: Option<Micros>,
}

/// Lives it.
#[must_use]
pub fn measure(setting: Setting, seed: u64) -> Measured {
    let begin = 2 * SECOND + 100 * setting.beat;
    let cut = begin + setting.time + (seed * 7919) % setting.beat;
    let config = Config {
        preferred: (0..setting.boxes).map(|index| vec![index]).collect(),
        beat: setting.beat,
        dead_after: 3 * setting.beat,
        ..Config::default()
    };
    let mut scenario = Scenario {
        seed,
        kind: Kind::Orderly,
        boxes: (0..setting.boxes).map(|index| plan(index, seed)).collect(),
        groups: vec![GroupPlan::default()],
        networks: setting.networks,
        addresses: setting.boxes,
        configs: vec![config],
        ..Scenario::default()
    };
    let lossy = Episode { from: begin, until: None, fault: Fault::Loss(setting.loss) };
    let stalls = (0..setting.time / (2 * SECOND)).flat_map(|round| {
        (0..setting.boxes).map(move |index| {
            let from = begin + round * 2 * SECOND + (seed * 31 + index as u64 * 577) % 1900 * MS;
            Episode { from, until: Some(from + setting.stall), fault: Fault::Freeze(index) }
        })
    });
    let stalls = stalls.filter(|_| setting.stall > 0);
    let power_cut = Episode { from: cut, until: None, fault: Fault::PowerCut(setting.dies) };
    scenario.episodes = [lossy].into_iter().filter(|_| setting.loss > 0).chain(stalls).chain([power_cut]).collect();
    let end = cut + 10 * setting.beat + 100 * MS;
    let mut world = World::new(scenario, None, false);
    world.run_until(begin);
    world.traffic.moves = 0;
    world.deaths.clear();
    world.run_until(cut - 1);
    let (false_deaths, moves) = (world.deaths.len() as u64, world.traffic.moves);
    let address = crate::world::address_of(setting.dies);
    let mut outage = None;
    while outage.is_none() && world.now < end {
        let next = world.now + 50;
        world.run_until(next);
        if world.now > cut && !world.servers(address).is_empty() {
            outage = Some(world.now - cut);
        }
    }
    Measured { false_deaths, moves, outage }
}

fn plan(index: usize, seed: u64) -> BoxPlan {
    let drift_ppm = ((seed * 37 + index as u64 * 101) % 400) as i64 - 200;
    BoxPlan { start: Some(index as u64 * 7 * MS), drift_ppm, ..BoxPlan::default() }
}
