//! G-13: a daemon that was told to stop has released everything when it says that it has stopped.

use super::{Violation, broken};
use crate::world::World;

/// A daemon stopped.
///
/// # Errors
/// Its kernel still has an address.
pub fn left_nothing(world: &World, index: usize) -> Result<(), Violation> {
    match world.boxes[index].kernel.addresses(world.now).next() {
        Some(address) => broken(world, "G-13 clean stop", format!("box {} stopped and left {address}", index + 1)),
        None => Ok(()),
    }
}
