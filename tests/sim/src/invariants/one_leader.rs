//! S-6: one leader within a dead interval of the last fault; no command is obeyed from another.

use super::{Violation, broken};
use crate::world::{Ordered, World, id_of};
use rais_core::address::ServiceAddress;

/// Looks at whom the running boxes hold to be the leader.
///
/// # Errors
/// They disagree, or it is not the lowest of them.
pub fn for_all(world: &World) -> Result<(), Violation> {
    let running: Vec<_> = (0..world.boxes.len())
        .filter(|index| world.boxes[*index].node.is_some() && !world.boxes[*index].stopping)
        .collect();
    let lowest = running.first().map(|index| id_of(*index));
    for index in &running {
        let leader = world.leader_seen_by(*index);
        if leader != lowest {
            return broken(world, "S-6 one leader", format!("box {} takes {leader:?} for the leader", index + 1));
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
    address: ServiceAddress,
    ordered: Option<&Ordered>,
) -> Result<(), Violation> {
    let Some((sender, _)) = ordered.filter(|(_, about)| about.contains(&address)) else { return Ok(()) };
    let leader = world.leader_seen_by(index);
    if leader == Some(*sender) || leader == Some(id_of(index)) {
        return Ok(());
    }
    broken(world, "S-6 one leader", format!("box {} obeys {sender} though {leader:?} leads", index + 1))
}
