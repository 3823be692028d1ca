//! S-1: while no fault blinds the boxes to each other, an address is configured on at most one of them.
//!
//! The kernels are asked, not the boxes: what counts is who answers a client.

use super::{Violation, broken};
use crate::world::{World, address_of};
use rais_core::address::ServiceAddress;

/// Looks at one address.
///
/// # Errors
/// It is on two boxes and nothing excuses it.
pub fn of(world: &World, address: ServiceAddress) -> Result<(), Violation> {
    let servers = world.servers(address);
    if servers.len() < 2 || world.excused() {
        return Ok(());
    }
    let boxes: Vec<_> = servers.iter().map(|index| index + 1).collect();
    broken(world, "S-1 one server", format!("{address} is on boxes {boxes:?}"))
}

/// Looks at all.
///
/// # Errors
/// One is on two boxes and nothing excuses it.
pub fn everywhere(world: &World) -> Result<(), Violation> {
    (0..world.scenario.addresses).try_for_each(|address| of(world, address_of(address)))
}
