//! Deterministic simulation of whole service groups: the very nodes that the daemon runs, in virtual time.
//!
//! A seed draws a [`Scenario`]; a [`World`] lives it; [`invariants`] judge it. A history that breaks a promise can be
//! told line by line, made smaller ([`shrink`]) and kept ([`history`]). It knows no socket and no real clock.

pub mod detection;
pub mod history;
pub mod invariants;
pub mod kernel;
pub mod network;
pub mod policy;
pub mod random;
pub mod scenario;
pub mod shrink;
pub mod wire;
pub mod world;

use invariants::Violation;
use rais_core::mutation::Mutation;
use scenario::Scenario;
use std::fmt::Write as _;
use world::{World, id_of};

/// What came of a history.
#[derive(Debug)]
pub struct Outcome {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// How often a node was called.
    pub calls: u64,
}

/// Lives one history.
#[must_use]
pub fn run(scenario: Scenario, mutation: Option<Mutation>) -> Outcome {
    let mut world = World::new(scenario, mutation, false);
    world.run();
    Outcome { violation: world.violation, calls: world.calls }
}

/// Lives a history again and tells it: the group, a line per event, who saw what in the end, and the verdict.
#[must_use]
pub fn tell(scenario: Scenario, mutation: Option<Mutation>) -> String {
    let mut text = introduce(&scenario);
    let mut world = World::new(scenario, mutation, true);
    world.run();
    for line in world.trace.iter().flatten() {
        let _ = writeln!(text, "{line}");
    }
    describe(&world, &mut text);
    let _ = match &world.violation {
        Some(violation) => writeln!(text, "{violation}"),
        None => writeln!(text, "all promises kept"),
    };
    text
}

/// The group and what will befall it.
fn introduce(scenario: &Scenario) -> String {
    let mut text = format!("{:?} history, network's luck {}\n", scenario.kind, scenario.seed);
    for (index, plan) in scenario.boxes.iter().enumerate() {
        let own: Vec<_> =
            scenario.configs[0].preferred[index].iter().map(|address| world::address_of(*address)).collect();
        let own: Vec<_> = own.iter().map(|address| address.0.to_string()).collect();
        let start = plan
            .start
            .map_or_else(|| String::from("is switched on later"), |at| format!("starts at {:.6} s", at as f64 / 1e6));
        let _ = writeln!(
            text,
            "  box {} is {}, {start}, owns [{}], scripts take {:.1} ms, load {} of {}, clock {} ppm fast{}",
            index + 1,
            id_of(scenario, index, 0),
            own.join(", "),
            plan.script as f64 / 1e3,
            plan.load,
            plan.capacity,
            plan.drift_ppm,
            if plan.newer { ", of a newer release" } else { "" },
        );
    }
    for (index, config) in scenario.configs.iter().enumerate() {
        let pool: Vec<_> = config.pool.iter().map(|address| world::address_of(*address).0.to_string()).collect();
        let pool = if pool.len() > 12 { format!("{} addresses", pool.len()) } else { format!("[{}]", pool.join(", ")) };
        let _ = writeln!(
            text,
            "  configuration {}: pool {pool}, beat {} ms, dead after {} ms, orphan timeout {:?} ms, failback {:?}, choice {:?}",
            index + 1,
            config.beat / scenario::MS,
            config.dead_after / scenario::MS,
            config.orphan_timeout.map(|timeout| timeout / scenario::MS),
            config.failback,
            config.choice,
        );
    }
    let _ = writeln!(
        text,
        "  {} control networks, {} groups: {:?}",
        scenario.networks,
        scenario.groups.len(),
        scenario.groups
    );
    for episode in &scenario.episodes {
        let until = episode.until.map_or_else(String::new, |until| format!(" to {:.6}", until as f64 / 1e6));
        let _ = writeln!(text, "  {:.6}{until}: {}", episode.from as f64 / 1e6, episode.fault.in_words());
    }
    text
}

/// Who sees what in the end.
fn describe(world: &World, text: &mut String) {
    let now = rais_core::time::Instant::ZERO;
    for (index, node) in world.boxes.iter().enumerate().filter_map(|(index, a_box)| Some((index, a_box.node.as_ref()?)))
    {
        for group in node.view(now).groups {
            let hosts: Vec<_> = group.hosts.iter().map(|host| format!("{} {}", host.id, host.state)).collect();
            let leader = group.leader.map_or_else(|| String::from("nobody"), |id| id.to_string());
            let _ = writeln!(text, "box {} in {} sees {leader} lead, and {}", index + 1, group.name, hosts.join(", "));
            for row in group.addresses.iter().take(20) {
                let named = |id: Option<rais_core::address::IdAddress>| {
                    id.map_or_else(|| String::from("-"), |id| id.to_string())
                };
                let _ = writeln!(
                    text,
                    "  {} {} at {}, home {}",
                    row.address,
                    row.state.as_str(),
                    named(row.server),
                    named(row.preferred)
                );
            }
        }
    }
}
