//! S-1: an address is configured on at most one of any two boxes that nothing excuses.
//!
//! The kernels are asked, not the boxes: what counts is who answers a client. It is looked at whenever an address is
//! configured and whenever an excuse ends, so it holds at every step. The excuses are listed in `world::excuses`.

use super::{Violation, boxes, broken};
use crate::world::{World, address_of};
use rais_core::address::ServiceAddress;

/// Looks at one address.
///
/// # Errors
/// It is on two boxes and nothing excuses it.
pub fn of(world: &World, group: usize, address: ServiceAddress) -> Result<(), Violation> {
    let servers = world.servers(address);
    for (place, a) in servers.iter().enumerate() {
        if let Some(b) = servers[place + 1..].iter().find(|b| !world.excused(group, *a, **b)) {
            return broken(world, "S-1 one server", format!("{} is on {}", address.0, boxes(&[*a, *b])));
        }
    }
    Ok(())
}

/// Looks at all.
///
/// # Errors
/// One is on two boxes and nothing excuses it.
pub fn everywhere(world: &World) -> Result<(), Violation> {
    let group = |address| world.scenario.group_of(address);
    (0..world.scenario.addresses).try_for_each(|address| of(world, group(address), address_of(address)))
}
