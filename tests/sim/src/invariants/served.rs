//! S-2: within `dead interval + 2 beats + action time` of the last fault, every address that some live, ok, unquiesced
//! box may serve is served. Each side of a partition is held to it by itself.
//!
//! What is added to the bound as worded, and why no protocol could do without:
//! - Messages travel, and a box sends at most one extra message per 5 ms (G-12): the goodbye or silence, the order, the
//!   claim and the end of it are four tellings. Clocks drift apart meanwhile.
//! - A witness is believed lost, or back, after some probes (G-42).
//! - A test notices after two runs, which are an interval apart.
//! - A script that runs when it is mended runs to its end; one that hangs, to its timeout.
//! - A box whose script failed is not offered the address again for a second (G-55), be it the only one. An order that
//!   was lost on the way again and again looks the same to the leader: so after more loss than S-5 promises to bear.
//! - Messages that were sent while the network was slow arrive as late as it was slow.
//! - With a failback that waits, an address may be on its way home just when the bound ends. So it may be to a box that
//!   came and went too often, at a time that no bound knows (G-64): then the leader says so, and not for longer than a move
//!   takes.
//! - Load moves come one by one, each after a box was full for long enough (G-58).
//! - A drained box gives away one address at a time (G-59).

use super::{Violation, broken};
use crate::scenario::{Fault, Hearing, Micros, SECOND, Scenario, Scripts};
use crate::world::{Disturbance, World, address_of};
use rais_core::notification::Reason;

/// The first back-off (G-55).
pub const FIRST_BACKOFF: Micros = SECOND;
/// Two runs of a test, and the wait for the first.
pub const TEST_PATIENCE: Micros = 3 * crate::world::TEST_INTERVAL;

/// The bound as worded, with travel and drift.
#[must_use]
pub fn bound(scenario: &Scenario) -> Micros {
    let worded = scenario.dead_after() + 2 * scenario.beat() + scenario.action();
    worded + 4 * scenario.telling() + scenario.skew(worded) + scenario.witness_patience()
}

/// The bound after a certain fault.
#[must_use]
pub fn bound_after(scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
    let aftermath = disturbance.map_or(0, |disturbance| aftermath(scenario, disturbance));
    bound(scenario) + aftermath + failback(scenario) + super::load_moves::levelled(scenario)
}

/// The wait for a failback, and then the move.
fn failback(scenario: &Scenario) -> Micros {
    let wait = scenario.failback_wait();
    if wait > 0 { wait + scenario.action() + 4 * scenario.telling() } else { 0 }
}

/// What a fault leaves behind for longer than itself.
fn aftermath(scenario: &Scenario, disturbance: Disturbance<'_>) -> Micros {
    let over = disturbance.lasted.is_some();
    match *disturbance.fault {
        Fault::Test(_) => TEST_PATIENCE,
        Fault::Scripts(_, Scripts::Take(time)) if over => time,
        Fault::Scripts(_, Scripts::Fail) if over => FIRST_BACKOFF,
        Fault::Scripts(_, Scripts::Hang) if over => scenario.action_timeout() + FIRST_BACKOFF,
        Fault::Drain(..) if !over => drain(scenario),
        ref fault if over && fault.hearing() == Hearing::Blurred => FIRST_BACKOFF + scenario.slowest_message(),
        _ => 0,
    }
}

/// How long a drained box needs to be rid of everything.
#[must_use]
pub fn drain(scenario: &Scenario) -> Micros {
    scenario.addresses as u64 * (scenario.action() + 4 * scenario.telling())
}

/// Looks at all addresses that a side can know.
///
/// # Errors
/// Nobody serves one.
pub fn somewhere(world: &World) -> Result<(), Violation> {
    for group in 0..world.scenario.groups.len() {
        for side in world.sides(group) {
            if !side.iter().any(|index| world.available(*index, group)) {
                continue;
            }
            for address in world.scenario.addresses_of(group) {
                let served = world.running_servers(address_of(address)).iter().any(|server| side.contains(server));
                if !served && is_known(world, group, &side, address) && !goes_home(world, &side, address) {
                    return broken(world, "S-2 served", format!("nobody serves {}", address_of(address).0));
                }
            }
        }
    }
    Ok(())
}

/// The leader is moving it to a box that has been well for long enough just now (G-64).
fn goes_home(world: &World, side: &[usize], address: usize) -> bool {
    if world.scenario.configs.iter().all(|config| config.damping.is_none()) {
        return false;
    }
    let Some(view) = side.first().and_then(|leader| world.view(*leader)) else { return false };
    let rows = view.groups.iter().flat_map(|group| &group.addresses);
    let mut rows = rows.filter(|row| row.address == address_of(address));
    let a_move = world.scenario.action() + 4 * world.scenario.telling();
    rows.any(|row| {
        let since = view.at.since(row.last_change).as_micros() as Micros;
        row.reason == Some(Reason::Failback) && since <= a_move
    })
}

/// The side must know that the group has the address.
fn is_known(world: &World, group: usize, side: &[usize], address: usize) -> bool {
    // The leader's pool counts (G-62).
    let pool = |index: &usize| world.scenario.configs[world.boxes[*index].config].pool.contains(&address);
    if side.first().is_some_and(pool) {
        return true;
    }
    let Some(home) = world.home_of(address) else { return false };
    if side.contains(&home) && world.is_healthy(home, group) {
        return true;
    }
    // An address whose home is gone is known to boxes that knew its home: surely to those that never restarted, if it
    // was there from the beginning.
    let from_the_beginning = |index: usize| world.scenario.boxes[index].start.is_some();
    let remembers = |index: &usize| world.boxes[*index].life == 1 && from_the_beginning(*index);
    let first = &world.scenario.configs[0].preferred;
    let alone = first.iter().filter(|own| own.contains(&address)).count() == 1;
    let there = from_the_beginning(home) && alone && first[home].contains(&address);
    let knows = side.contains(&home) || there && side.iter().any(remembers);
    world.scenario.orphan_timeout() == 0 && knows
}
