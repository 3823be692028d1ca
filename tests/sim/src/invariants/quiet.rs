//! S-4: at equilibrium no command is sent, nothing moves, and the traffic is the heartbeat alone.
//!
//! Equilibrium begins when S-2's and S-3's bounds are over; with a failback that waits, after that wait; and not before
//! the countdowns of orphans that began with the fault have run out.

use super::{Violation, broken, home, served};
use crate::scenario::{Fault, Micros, Scenario};
use crate::world::{Disturbance, World};

/// The bound after a fault.
#[must_use]
pub fn bound(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    let orphans = if scenario.orphan_timeout() > 0 { super::orphans::bound(scenario) } else { 0 };
    let load = if matches!(disturbance, Some(Disturbance { fault: Fault::Load(..), .. })) {
        crate::world::SAMPLE_INTERVAL
    } else {
        0
    };
    served::bound_after(scenario, disturbance) + home::backoff(scenario, disturbance) + orphans + load
}

/// Looks at what was counted since all should be well.
///
/// # Errors
/// There was more than the heartbeat.
pub fn since_then(world: &World) -> Result<(), Violation> {
    let (traffic, scenario) = (world.traffic, &world.scenario);
    let window = world.now - traffic.since;
    let beat = scenario.configs.iter().map(|config| config.beat).min().unwrap_or(1);
    let members = (0..scenario.groups.len()).map(|group| {
        (0..world.boxes.len())
            .filter(|index| scenario.is_member(*index, group) && world.boxes[*index].node.is_some())
            .count()
    });
    let beats = members.sum::<usize>() as u64 * ((window + scenario.skew(window)) / beat + 1);
    if traffic.orders > 0 || traffic.moves > 0 || traffic.beats > beats {
        let what = format!(
            "{} commands and questions, {} moves, {} heartbeats where {beats} are due, in {:.3} s",
            traffic.orders,
            traffic.moves,
            traffic.beats,
            window as f64 / 1e6
        );
        return broken(world, "S-4 quiet", what);
    }
    Ok(())
}
