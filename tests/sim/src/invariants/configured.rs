//! G-51: what no box's configuration has any more is served by nobody, within S-2's bound.

use super::{Violation, broken};
use crate::world::{World, address_of};

/// A box that is not heard once owned it: until it is heard again and says otherwise, the others keep it for it.
fn is_remembered(world: &World, side: &[usize], address: usize) -> bool {
    let once = |index: usize| world.scenario.configs.iter().any(|config| config.preferred[index].contains(&address));
    (0..world.boxes.len()).any(|index| !side.contains(&index) && once(index))
}

/// Looks at all addresses.
///
/// # Errors
/// One is in nobody's configuration, and is served.
pub fn nothing_else_is_served(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for side in world.sides(group) {
            for address in world.scenario.addresses_of(group) {
                if world.in_pool(address) || world.home_of(address).is_some() || is_remembered(world, &side, address) {
                    continue;
                }
                let servers = world.running_servers(address_of(address));
                if let Some(server) = servers.iter().find(|server| side.contains(server)) {
                    let address = address_of(address).0;
                    let what = format!("box {} serves {address}, which nobody is configured with", server + 1);
                    return broken(world, "G-51 configured", what);
                }
            }
        }
    }
    Ok(())
}
