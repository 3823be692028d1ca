//! S-8: after a heal, every address answers the client from its keeper within two beats: whoever was announced last is
//! who serves.
//!
//! Two beats, and the loser's release: until that is over, the loser may answer a client who asks. After any other fault
//! the same holds when S-2's bound is over. A client that learnt a box which is gone for good finds that out by itself;
//! no box could tell it. An address that is being acquired
//! just now, by a failback or an operator, answers when it is there.

use super::{Violation, broken, served};
use crate::scenario::{Micros, Scenario};
use crate::world::{Disturbance, World, address_of};

/// The bound after a fault.
#[must_use]
pub fn bound(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    match disturbance {
        Some(disturbance) if disturbance.is_heal() => {
            2 * scenario.beat() + 2 * scenario.slowest_script() + 4 * scenario.telling()
        }
        _ => served::bound_after(scenario, disturbance),
    }
}

/// Looks at all addresses that are served.
///
/// # Errors
/// Clients send to a box that does not serve.
pub fn at_any_address(world: &World) -> Result<(), Violation> {
    for address in (0..world.scenario.addresses).map(address_of) {
        let (servers, learnt) = (world.running_servers(address), world.clients.get(&address));
        if let [server] = servers.as_slice()
            && learnt.is_none_or(|learnt| world.runs(*learnt) && !world.servers(address).contains(learnt))
            && !world.is_on_its_way(address)
        {
            let learnt = learnt.map_or_else(|| String::from("nobody"), |at| format!("box {}", at + 1));
            let what = format!("{} is on box {} and clients send to {learnt}", address.0, server + 1);
            return broken(world, "S-8 no black hole", what);
        }
    }
    Ok(())
}
