//! G-58: never more than one load move in the time that a box must have been full, and none to a box that it would fill.

use super::{Violation, broken};
use crate::scenario::{Kind, MS, Micros, Scenario};
use crate::world::World;

/// How long it takes until no box is full that need not be.
#[must_use]
pub fn levelled(scenario: &Scenario) -> Micros {
    scenario.hold().map_or(0, |hold| (scenario.addresses as u64 + 1) * (hold + scenario.action() + 20 * MS))
}

/// An address was just released because its box was too full; the move before that was at `last`.
///
/// # Errors
/// They are too near to each other. Where messages are lost or late, only that it comes to rest can be told (S-4).
pub fn are_slow(world: &World, last: Option<Micros>) -> Result<(), Violation> {
    let (Some(hold), Some(last)) = (world.scenario.hold(), last) else { return Ok(()) };
    // A release shows when its script is done, and scripts of different boxes differ.
    let least = hold.saturating_sub(world.scenario.action() + 20 * MS);
    if world.scenario.kind == Kind::Orderly && world.scenario.groups.len() == 1 && world.now < last + least {
        return broken(world, "G-58 load moves", format!("two moves within {} ms", (world.now - last) / MS));
    }
    Ok(())
}
