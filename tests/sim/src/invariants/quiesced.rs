//! G-20, G-53: a quiesced box takes no new address.

use super::{Violation, broken};
use crate::world::World;
use rais_core::address::ServiceAddress;

/// A box begins to acquire an address.
///
/// # Errors
/// It is quiesced.
pub fn takes_nothing(world: &World, index: usize, address: ServiceAddress) -> Result<(), Violation> {
    if world.boxes[index].quiesced {
        return broken(world, "G-20 quiesced", format!("quiesced box {} acquires {address}", index + 1));
    }
    Ok(())
}
