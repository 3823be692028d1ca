//! S-7 and G-6, as far as a whole group shows them: a damaged datagram is no message; a newer release's message says to
//! this one what this one's would; and none is too long. What replays do is left to the other promises: they must do
//! nothing. `tests/wire` has the rest.

use super::{Violation, broken};
use crate::world::World;
use rais_core::counters::DropCause;
use rais_core::info_message::Message;

/// A message could not be encoded.
///
/// # Errors
/// Always.
pub fn fits(world: &World, from: usize, error: &str) -> Result<(), Violation> {
    broken(world, "G-3 one datagram", format!("box {}: {error}", from + 1))
}

/// A datagram was made of a message, and read again.
///
/// # Errors
/// What was read is not what was said.
pub fn is_understood(
    world: &World,
    from: usize,
    said: &Message,
    read: Result<&Message, &DropCause>,
) -> Result<(), Violation> {
    match read {
        Ok(read) if read == said => Ok(()),
        Ok(read) => broken(world, "G-6 understood", format!("box {} said {said:?} and was heard {read:?}", from + 1)),
        Err(cause) => broken(world, "G-6 understood", format!("box {} said {said:?}: {cause:?}", from + 1)),
    }
}

/// A bit of a datagram was flipped.
///
/// # Errors
/// It was taken for a message.
pub fn is_refused(world: &World, read: Result<&Message, &DropCause>) -> Result<(), Violation> {
    match read {
        Ok(read) => broken(world, "S-7 authentic", format!("a damaged datagram was taken for {read:?}")),
        Err(_) => Ok(()),
    }
}
