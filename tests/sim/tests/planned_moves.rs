//! How long an address is nobody's while it moves by an operator's order, release to acquire, on a network whose messages
//! overtake each other: the order to take it often arrives before the news that it was let go.

use rais_sim::scenario::{
    BoxPlan, Config, Episode, Fault, GroupPlan, Kind, MS, Micros, NETLINK, SECOND, Scenario, TRAVEL,
};
use rais_sim::world::{World, address_of};

/// Between two moves: long enough for each to end, and at another place in the beat each time.
const EVERY: Micros = 337 * MS;
const MOVES: u64 = 20;
const BEGIN: Micros = 2 * SECOND;

/// Three boxes, of which the first leads, and an address of the pool that goes to and fro between the others.
fn to_and_fro(seed: u64, networks: usize, delay: Micros) -> Scenario {
    let plan = |index: u64| BoxPlan { start: Some(index * 7 * MS), ..BoxPlan::default() };
    let go = |turn: u64| Episode {
        from: BEGIN + turn * EVERY + seed * 1009 % EVERY,
        until: None,
        fault: Fault::Move(1 + turn as usize % 2, 0),
    };
    let slow = Episode { from: BEGIN / 2, until: None, fault: Fault::Delay(delay) };
    Scenario {
        seed,
        kind: Kind::Orderly,
        boxes: (0..3).map(plan).collect(),
        groups: vec![GroupPlan::default()],
        networks,
        addresses: 1,
        configs: vec![Config { preferred: vec![Vec::new(); 3], pool: vec![0], ..Config::default() }],
        episodes: [slow].into_iter().filter(|_| delay > 0).chain((0..MOVES).map(go)).collect(),
        ..Scenario::default()
    }
}

/// Every time for which nobody had the address.
fn gaps(scenario: Scenario) -> Vec<Micros> {
    let (mut world, mut gaps, mut since) = (World::new(scenario, None, false), Vec::new(), None);
    world.run_until(BEGIN);
    while world.now < BEGIN + (MOVES + 2) * EVERY {
        let next = world.now + 50;
        world.run_until(next);
        let served = !world.servers(address_of(0)).is_empty();
        match since {
            None if !served => since = Some(world.now),
            Some(at) if served => {
                gaps.push(world.now - at);
                since = None;
            }
            _ => {}
        }
    }
    gaps
}

#[test]
fn a_planned_move_waits_for_the_news_and_the_order_and_for_no_beat() {
    for (networks, delay) in [(1, 0), (2, 0), (1, 3 * MS), (1, 10 * MS)] {
        // The news may have to wait for its turn to be sent; the order goes at once. Whoever the order overtakes the news
        // at waits for the news.
        let scenario = |seed| to_and_fro(seed, networks, delay);
        let bound = scenario(0).telling() + TRAVEL + NETLINK + 2 * delay + MS;
        let mut all: Vec<Micros> = (0..40).flat_map(|seed| gaps(scenario(seed))).collect();
        all.sort_unstable();
        let (median, worst) = (all[all.len() / 2], all[all.len() - 1]);
        let over = all.iter().filter(|gap| **gap > bound).count();
        println!(
            "{networks} networks, {delay} µs: {} moves, {median} and {worst} µs, {over} over {bound} µs",
            all.len()
        );
        assert!(all.len() as u64 > 40 * (MOVES - 2), "{} moves", all.len());
        assert_eq!(over, 0, "{worst} µs is more than {bound}");
    }
}
