//! What must hold in every history: one file per promise, with its bound and the reason for every part of the bound.
//!
//! When each is looked at: S-1, S-5, S-7 and what is said of quiesced and stopped boxes at every step; the others when
//! their bounds end ([`Promise`](crate::world::Promise)).

pub mod agreed;
pub mod authentic;
pub mod clean_stop;
pub mod configured;
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
use serde::Serialize;
use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// Boxes in words, counted from 1.
fn boxes(indices: &[usize]) -> String {
    match indices {
        [] => String::from("no box"),
        [one] => format!("box {}", one + 1),
        many => format!("boxes {:?}", many.iter().map(|index| index + 1).collect::<Vec<_>>()),
    }
}

/// When nothing happened for a while after all bounds.
///
/// # Errors
/// The first promise that is broken.
pub fn at_the_end(world: &World) -> Result<(), Violation> {
    one_server::everywhere(world)?;
    world.still_holds()
}
