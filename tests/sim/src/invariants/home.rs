//! S-3: with failback immediate, within S-2's bound every address whose preferred box is available is served there.
//!
//! What is added to S-2's bound: a box that failed to acquire an address, or seemed to because orders or their effects
//! were lost, gets it back when its back-off is over and not before (G-55). Back-offs double, so the last one is never
//! longer than all the trouble before it and the first, and never longer than a minute.

use super::{Violation, boxes, broken, served};
use crate::scenario::{Fault, Hearing, Micros, SECOND, Scenario};
use crate::world::{Disturbance, World, address_of};
use rais_core::params::Failback;

/// The longest back-off (G-55).
const LONGEST_BACKOFF: Micros = 60 * SECOND;

/// The bound after a fault.
#[must_use]
pub fn bound(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    served::bound_after(scenario, disturbance) + backoff(scenario, disturbance)
}

/// The longest back-off that may run when a fault is over.
#[must_use]
pub fn backoff(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    let fails = |fault: &Fault| matches!(fault, Fault::Scripts(..)) || fault.hearing() == Hearing::Blurred;
    match disturbance {
        Some(Disturbance { fault, lasted: Some(_) }) if fails(fault) => {
            let trouble = scenario.episodes.iter().filter(|episode| fails(&episode.fault));
            let time: Micros = trouble.map(|episode| episode.until.unwrap_or(episode.from) - episode.from).sum();
            (time + 2 * served::FIRST_BACKOFF).min(LONGEST_BACKOFF)
        }
        _ => 0,
    }
}

/// Looks at all preferred addresses.
///
/// # Errors
/// One is not at home.
pub fn is_served_there(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for side in world.sides(group) {
            let config = |index: usize| &world.scenario.configs[world.boxes[index].config];
            // What operators said counts, else the leader's configuration (G-62).
            let failback = |leader: usize| {
                let said = world.policy(leader, group).and_then(|policy| policy.failback);
                said.map_or(config(leader).failback, Failback::from)
            };
            if side.first().is_some_and(|leader| failback(*leader) != Failback::Immediate) {
                continue;
            }
            for address in world.scenario.addresses_of(group) {
                let Some(home) = world.home_among(address, side.iter().copied()) else { continue };
                let mut servers = world.running_servers(address_of(address));
                servers.retain(|server| side.contains(server));
                if world.available(home, group) && servers != [home] {
                    let what = format!("{} of box {} is on {}", address_of(address).0, home + 1, boxes(&servers));
                    return broken(world, "S-3 home", what);
                }
            }
        }
    }
    Ok(())
}
