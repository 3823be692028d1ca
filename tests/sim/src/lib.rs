//! Deterministic simulation of whole service groups: the very nodes that the daemon runs, in virtual time.
//!
//! A seed draws a [`Scenario`](scenario::Scenario); a [`World`](world::World) lives it; [`invariants`] judge it. It
//! knows no wire format, no socket and no real clock.

pub mod detection;
pub mod invariants;
pub mod kernel;
pub mod network;
pub mod policy;
pub mod random;
pub mod scenario;
pub mod world;

use invariants::Violation;
use rais_core::mutation::Mutation;
use scenario::Scenario;
use std::fmt::Write as _;
use world::World;

/// What came of a history.
#[derive(Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// How often a node was called.
    pub calls: u64,
}

/// Lives one history.
#[must_use]
pub fn run(seed: u64, mutation: Option<Mutation>) -> Outcome {
    let mut world = World::new(Scenario::draw(seed), mutation, false);
    world.run();
    Outcome { seed, violation: world.violation, calls: world.calls }
}

/// Lives a history again and tells it: the group, a line per event, the verdict, and how to see it once more.
#[must_use]
pub fn tell(seed: u64, mutation: Option<Mutation>) -> String {
    let scenario = Scenario::draw(seed);
    let mut text = format!("seed {seed}: {:?}\n", scenario.kind);
    for (index, plan) in scenario.boxes.iter().enumerate() {
        let _ = writeln!(text, "  box {} ({}): {plan:?}", index + 1, world::id_of(index));
    }
    let Scenario { networks, addresses, beat, dead_after, orphan_timeout, failback, choice, policies, .. } = &scenario;
    let _ = writeln!(
        text,
        "  {policies:?}, {networks} control networks, {addresses} addresses, beat {} ms, dead after {} ms, orphan timeout {orphan_timeout:?}, \
         failback {failback:?}, choice {choice:?}, formed {:.3}, converged {:.3}, end {:.3}",
        beat / 1000,
        dead_after / 1000,
        scenario.formed as f64 / 1e6,
        scenario.converged as f64 / 1e6,
        scenario.end as f64 / 1e6,
    );
    let mut world = World::new(scenario, mutation, true);
    world.run();
    for line in world.trace.iter().flatten() {
        let _ = writeln!(text, "{line}");
    }
    let now = rais_core::time::Instant::ZERO;
    for (index, node) in world.boxes.iter().enumerate().filter_map(|(index, a_box)| Some((index, a_box.node.as_ref()?)))
    {
        for group in node.view(now).groups {
            let hosts: Vec<_> = group.hosts.iter().map(|host| format!("{} {}", host.id, host.state)).collect();
            let _ = writeln!(text, "box {} sees leader {:?}, boxes {hosts:?}", index + 1, group.leader.map(|id| id.0));
            for row in group.addresses {
                let (server, preferred) = (row.server.map(|id| id.0), row.preferred.map(|id| id.0));
                let _ = writeln!(text, "  {} {} at {server:?}, home {preferred:?}", row.address, row.state.as_str());
            }
        }
    }
    let _ = match &world.violation {
        Some(violation) => writeln!(text, "{violation}\nto see it again: {}", replay_command(seed, mutation)),
        None => writeln!(text, "all promises kept"),
    };
    text
}

/// The one command that shows a history again.
#[must_use]
pub fn replay_command(seed: u64, mutation: Option<Mutation>) -> String {
    let planted = mutation.map(|mutation| format!(" --mutation {mutation:?}")).unwrap_or_default();
    format!("cargo xtask sim --seed {seed}{planted}")
}
