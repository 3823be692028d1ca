//! G-56: an orphan whose time ran out is served by nobody, whoever led meanwhile.

use super::{Violation, broken};
use crate::scenario::Fault;
use crate::world::{World, address_of};

/// The home of some addresses has been away for the orphan timeout and the bound.
///
/// # Errors
/// A running box still serves one.
pub fn have_run_out(world: &World, home: usize) -> Result<(), Violation> {
    // A slow script may hold up a release, or a clean stop, for as long as it likes.
    if world.scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Scripts(..))) {
        return Ok(());
    }
    // Where another box names the address too, its time is that box's.
    let alone =
        |address: &&usize| world.scenario.boxes.iter().filter(|plan| plan.preferred.contains(address)).count() == 1;
    for address in world.scenario.boxes[home].preferred.iter().filter(alone) {
        let servers = world.servers(address_of(*address));
        if let Some(server) =
            servers.iter().find(|index| world.boxes[**index].node.is_some() && !world.boxes[**index].frozen)
        {
            let what = format!("{} is still on box {}", address_of(*address), server + 1);
            return broken(world, "G-56 orphans run out", what);
        }
    }
    Ok(())
}
