//! G-42: a box that the partition policy does not let serve serves nothing, and the part that may serve serves all.
//!
//! That no address is served in two parts is S-1's: under such a policy a partition is no excuse.

use super::{Violation, broken, served};
use crate::world::World;

/// Looks at the boxes that may not serve.
///
/// # Errors
/// One does.
pub fn others_serve_nothing(world: &World) -> Result<(), Violation> {
    for index in (0..world.boxes.len()).filter(|index| world.boxes[*index].node.is_some()) {
        if world.may_serve(index) {
            continue;
        }
        if let Some(address) = world.boxes[index].kernel.addresses(world.now).next() {
            return broken(world, "G-42 partition", format!("box {} may not serve, and serves {address}", index + 1));
        }
    }
    Ok(())
}

/// A partition is about to end that has lasted for long enough.
///
/// # Errors
/// The part that may serve does not serve all, or another serves something.
pub fn is_as_promised(world: &World) -> Result<(), Violation> {
    others_serve_nothing(world)?;
    served::somewhere(world)
}
