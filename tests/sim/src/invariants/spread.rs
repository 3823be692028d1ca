//! G-55: a group that forms with equal spares spreads its pool addresses over them evenly.

use super::{Violation, broken};
use crate::world::{World, address_of};
use rais_core::params::Choice;

/// Looks at the spares of a group whose boxes were switched on together.
///
/// # Errors
/// One has two addresses more than another.
pub fn evenly(world: &World) -> Result<(), Violation> {
    let scenario = &world.scenario;
    let plans = || scenario.boxes.iter().filter(|plan| plan.start.is_some());
    let together = plans().all(|plan| plan.start < Some(scenario.configs[0].beat / 2) && plan.load == 0);
    if scenario.configs[0].choice != Choice::Balanced
        || !together
        || scenario.groups.len() > 1
        || scenario.hold().is_some()
    {
        return Ok(());
    }
    let mut served = vec![0_u32; world.boxes.len()];
    for server in (0..scenario.addresses).flat_map(|address| world.servers(address_of(address))) {
        served[server] += 1;
    }
    let boxes = scenario.boxes.iter().zip(&scenario.configs[0].preferred).zip(&served);
    let spares = boxes.filter(|((plan, own), _)| plan.start.is_some() && own.is_empty());
    let counts: Vec<_> = spares.map(|(_, count)| *count).collect();
    let (most, least) = (counts.iter().max().unwrap_or(&0), counts.iter().min().unwrap_or(&0));
    if most - least > 1 {
        return broken(world, "G-55 spread", format!("equal spares serve {counts:?} addresses"));
    }
    Ok(())
}
