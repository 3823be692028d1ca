//! S-5: loss up to 20 %, one dead control network, or one-way loss between two boxes moves no address.

use super::{Violation, broken};
use crate::scenario::Kind;
use crate::world::World;
use rais_core::address::ServiceAddress;

/// An address was just added or removed.
///
/// # Errors
/// In a history of only such faults, after the group formed.
pub fn when_mild(world: &World, address: ServiceAddress) -> Result<(), Violation> {
    if world.scenario.kind == Kind::Mild && world.now > world.scenario.formed() {
        return broken(world, "S-5 no spurious moves", format!("{address} moved"));
    }
    Ok(())
}
