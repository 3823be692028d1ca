//! S-3: with failback immediate, within the bound every address whose preferred box is available is served there.

use super::{Violation, broken};
use crate::world::{World, address_of};
use rais_core::params::Failback;

/// Looks at all preferred addresses.
///
/// # Errors
/// One is not at home.
pub fn is_served_there(world: &World) -> Result<(), Violation> {
    if world.scenario.failback != Failback::Immediate {
        return Ok(());
    }
    for address in 0..world.scenario.addresses {
        let Some(home) = world.home_of(address).filter(|home| world.available(*home)) else { continue };
        let servers = world.servers(address_of(address));
        if servers != [home] {
            let boxes: Vec<_> = servers.iter().map(|index| index + 1).collect();
            let what = format!("{} of box {} is on {boxes:?}", address_of(address), home + 1);
            return broken(world, "S-3 home", what);
        }
    }
    Ok(())
}
