//! G-56: an orphan whose time ran out is served by nobody, whoever led meanwhile.

use super::{Violation, broken, served};
use crate::scenario::{Fault, Micros, Scenario};
use crate::world::{World, address_of};

/// How long after its home went away: the timeout, S-2's bound for the release; a test takes two runs to fail; and what
/// peers tell of an orphan may be as old as messages are slow, each way.
#[must_use]
pub fn bound(scenario: &Scenario) -> Micros {
    scenario.orphan_timeout() + served::bound(scenario) + served::TEST_PATIENCE + 2 * scenario.slowest_message()
}

/// The home of some addresses has been away for the bound.
///
/// # Errors
/// A running box still serves one.
pub fn have_run_out(world: &World, home: usize, group: usize) -> Result<(), Violation> {
    let scenario = &world.scenario;
    // A slow script may hold up a release, or a clean stop, for as long as it likes.
    let slow = scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Scripts(..)));
    let config = &scenario.configs[world.boxes[home].config];
    // Who owned it until when, and was well, is another question while a configuration is being rolled out.
    let rolled_out = scenario.configs.len() > 1;
    if slow || rolled_out || config.orphan_timeout.is_none() {
        return Ok(());
    }
    let owns = |index: usize, address| scenario.configs[world.boxes[index].config].preferred[index].contains(&address);
    for address in config.preferred[home].iter().filter(|address| scenario.group_of(**address) == group) {
        // Where another box names the address too, its time is that box's.
        let alone = (0..world.boxes.len()).filter(|index| owns(*index, *address)).count() == 1;
        if !alone || world.in_pool(*address) {
            continue;
        }
        if let Some(server) = world.running_servers(address_of(*address)).first() {
            let what = format!("{} is still on box {}", address_of(*address).0, server + 1);
            return broken(world, "G-56 orphans run out", what);
        }
    }
    Ok(())
}
