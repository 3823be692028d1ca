//! What operators said of a group's policy (G-55, G-57) all boxes hold that hear each other: judged when they must agree on
//! a leader.

use super::{Violation, boxes, broken};
use crate::world::World;

/// Looks at every part of every group.
///
/// # Errors
/// Two boxes of one part hold different policies.
pub fn on_a_policy(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for side in world.sides(group) {
            let held: Vec<_> = side.iter().map(|index| world.policy(*index, group)).collect();
            if held.windows(2).any(|pair| pair[0] != pair[1]) {
                return broken(world, "one policy", format!("{} hold {held:?}", boxes(&side)));
            }
        }
    }
    Ok(())
}
