//! G-20, G-53: a quiesced box takes no new address.

use super::{Violation, broken};
use crate::world::World;
use rais_core::address::ServiceAddress;

/// A box begins to acquire an address.
///
/// # Errors
/// It is quiesced in that group.
pub fn takes_nothing(world: &World, index: usize, group: usize, address: ServiceAddress) -> Result<(), Violation> {
    if world.boxes[index].quiesced[group] {
        return broken(world, "G-20 quiesced", format!("quiesced box {} acquires {}", index + 1, address.0));
    }
    Ok(())
}
