//! What must hold in every history: one file per promise, and when each is looked at.

pub mod clean_stop;
pub mod home;
pub mod load_moves;
pub mod no_black_hole;
pub mod no_spurious_moves;
pub mod one_leader;
pub mod one_server;
pub mod orphans;
pub mod partition;
pub mod quiesced;
pub mod quiet;
pub mod served;
pub mod spread;

use crate::scenario::Micros;
use crate::world::World;
use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// When, in virtual time.
    pub at: Micros,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.6} s: {}", self.promise, self.at as f64 / 1e6, self.what)
    }
}

fn broken(world: &World, promise: &'static str, what: String) -> Result<(), Violation> {
    Err(Violation { promise, at: world.now, what })
}

/// When all boxes were switched on and had time to find each other.
///
/// # Errors
/// The first promise that is broken.
pub fn when_formed(world: &World) -> Result<(), Violation> {
    served::somewhere(world)?;
    home::is_served_there(world)?;
    one_leader::for_all(world)?;
    spread::evenly(world)
}

/// When the last fault is over and the bound has passed.
///
/// # Errors
/// The first promise that is broken.
pub fn when_converged(world: &World) -> Result<(), Violation> {
    one_server::everywhere(world)?;
    partition::others_serve_nothing(world)?;
    served::somewhere(world)?;
    home::is_served_there(world)?;
    one_leader::for_all(world)?;
    no_black_hole::at_any_address(world)
}

/// A while later.
///
/// # Errors
/// The first promise that is broken.
pub fn at_the_end(world: &World) -> Result<(), Violation> {
    quiet::since_converged(world)?;
    when_converged(world)
}
