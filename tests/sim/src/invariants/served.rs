//! S-2: within the bound, every address that some live, ok, unquiesced box may serve is served.

use super::{Violation, broken};
use crate::world::{World, address_of};

/// Looks at all addresses that the group can still know.
///
/// # Errors
/// Nobody serves one.
pub fn somewhere(world: &World) -> Result<(), Violation> {
    if !(0..world.boxes.len()).any(|index| world.available(index)) {
        return Ok(());
    }
    // An address whose home is gone is known only to boxes that knew its home: surely to those that never restarted.
    let remembers = world.boxes.iter().any(|a_box| a_box.node.is_some() && !a_box.stopping && a_box.life == 1);
    for address in 0..world.scenario.addresses {
        let known = world.home_of(address).is_none_or(|home| {
            let there = world.boxes[home].node.is_some() && !world.boxes[home].stopping;
            let healthy = there && world.boxes[home].well && world.boxes[home].carrier;
            healthy || world.scenario.orphan_timeout.is_none() && (there || remembers)
        });
        if known && world.servers(address_of(address)).is_empty() {
            return broken(world, "S-2 served", format!("nobody serves {}", address_of(address)));
        }
    }
    Ok(())
}
