//! S-8: after a heal, every address answers the client from its keeper: whoever was announced last is who serves.

use super::{Violation, broken};
use crate::world::{World, address_of};

/// Looks at all addresses that are served.
///
/// A client that learnt a box that is gone for good finds that out by itself; no box could tell it.
///
/// # Errors
/// Clients send to a box that does not serve.
pub fn at_any_address(world: &World) -> Result<(), Violation> {
    for address in (0..world.scenario.addresses).map(address_of) {
        let (servers, learnt) = (world.servers(address), world.clients.get(&address));
        if let ([server], learnt) = (servers.as_slice(), learnt)
            && learnt != Some(server)
            && learnt.is_none_or(|learnt| world.boxes[*learnt].node.is_some())
        {
            let what = format!("{address} is on box {} and clients send to {:?}", server + 1, learnt.map(|at| at + 1));
            return broken(world, "S-8 no black hole", what);
        }
    }
    Ok(())
}
