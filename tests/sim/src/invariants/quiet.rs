//! S-4: at equilibrium no command is sent, nothing moves, and the traffic is the heartbeat alone.

use super::{Violation, broken};
use crate::world::World;

/// Looks at what was counted since all should be well.
///
/// # Errors
/// There was more than the heartbeat.
pub fn since_converged(world: &World) -> Result<(), Violation> {
    let window = world.scenario.end - world.scenario.converged;
    let running = world.boxes.iter().filter(|a_box| a_box.node.is_some()).count() as u64;
    let beats = running * (window / world.scenario.beat + 1);
    if world.orders_sent > 0 || world.moves > 0 || world.messages_sent > beats {
        let (orders, moves, sent) = (world.orders_sent, world.moves, world.messages_sent);
        let what = format!("{orders} commands and questions, {moves} moves, {sent} messages where {beats} are beats");
        return broken(world, "S-4 quiet", what);
    }
    Ok(())
}
