//! G-42: within S-2's bound a box that the partition policy does not let serve serves nothing.
//!
//! That the part which may serve serves all is S-2's; that no address is served in two parts is S-1's: under such a
//! policy a partition is no excuse for longer than it takes to notice.

use super::{Violation, broken};
use crate::world::World;

/// Looks at the boxes that may not serve.
///
/// # Errors
/// One does.
pub fn others_serve_nothing(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for index in (0..world.boxes.len()).filter(|index| world.takes_part(*index, group)) {
            if world.may_serve(index, group) {
                continue;
            }
            let ours = |address: &usize| world.boxes[index].kernel.has(crate::world::address_of(*address), world.now);
            if let Some(address) = world.scenario.addresses_of(group).find(ours) {
                let address = crate::world::address_of(address).0;
                let what = format!("box {} may not serve, and serves {address}", index + 1);
                return broken(world, "G-42 partition", what);
            }
        }
    }
    Ok(())
}
