//! The journal: everything that went into a node and everything that came out, so that a box's life can be lived again.
//!
//! ```text
//!   raisd --journal FILE        raisctl replay FILE
//!   event loop ─ records ─▶ FILE ─ records ─▶ a node of its own ─▶ the same actions, or the first that differs
//! ```
//!
//! Here are the format and the replay; writing without delaying anybody is the daemon's business. It knows no socket, no
//! file and no clock. No secret can get in: a [`Message`](rais_core::info_message::Message) has been authenticated
//! and decoded before it is an input, and the node's parameters hold no key.

mod record;
mod replay;
#[cfg(test)]
mod tests;

pub use record::{End, FORMAT, Record, Start, append_line};
pub use replay::{Difference, Ending, MAX_LINE, ReplayError, Replayed, Seen, replay};
