//! S-6: one leader within a dead interval of the last fault; no command is obeyed from another. Each side of a
//! partition has its own.
//!
//! What is added to the dead interval: the message that tells of it, and the clocks' drift; and as late as messages
//! were that were sent while the network was slow; and a newcomer may take a second copy of what a dead box said last
//! for its first. Who sends recorded datagrams again is at it for a while: so long the fault lasts, and the dead interval
//! begins when it is over.

use super::{Violation, broken};
use crate::scenario::{Fault, Hearing, Micros, REPLAYING, Scenario};
use crate::world::{Disturbance, Ordered, World, id_of};
use rais_core::address::ServiceAddress;

/// The bound after a fault.
#[must_use]
pub fn bound(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    let late = match disturbance {
        Some(Disturbance { fault, lasted: Some(_) }) if fault.hearing() == Hearing::Blurred => {
            scenario.slowest_message()
        }
        Some(Disturbance { fault: Fault::Replay(_), .. }) => REPLAYING,
        _ => 0,
    };
    let dead_after = scenario.dead_after();
    dead_after + scenario.telling() + scenario.skew(dead_after) + late + scenario.latest_copy()
}

/// Looks at whom the boxes of each side hold to be the leader.
///
/// # Errors
/// They disagree, or it is not the lowest of them.
pub fn for_all(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for side in world.sides(group) {
            let lowest = side.first().map(|index| id_of(&world.scenario, *index, group));
            for index in &side {
                let leader = world.leader_seen_by(*index, group);
                if leader != lowest {
                    let leader = leader.map_or_else(|| String::from("nobody"), |leader| leader.to_string());
                    let what = format!("box {} takes {leader} for the leader of group {}", index + 1, group + 1);
                    return broken(world, "S-6 one leader", what);
                }
            }
        }
    }
    Ok(())
}

/// A box just began to acquire an address while taking in an order (if it did) of that sender about that address.
///
/// # Errors
/// The sender is not its leader.
pub fn was_obeyed(
    world: &World,
    index: usize,
    group: usize,
    address: ServiceAddress,
    ordered: Option<&Ordered>,
) -> Result<(), Violation> {
    let Some((sender, _)) = ordered.filter(|(_, about)| about.contains(&address)) else { return Ok(()) };
    let leader = world.leader_seen_by(index, group);
    if leader == Some(*sender) || leader == Some(id_of(&world.scenario, index, group)) {
        return Ok(());
    }
    broken(world, "S-6 one leader", format!("box {} obeys {sender} though {leader:?} leads", index + 1))
}
