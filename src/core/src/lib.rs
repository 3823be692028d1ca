//! `rais-core`: every decision of rais, and no effect.
//!
//! The one door is [`Node`](node::Node): feed it an [`Input`](io::Input) and the time, drain its
//! [`Action`](io::Action)s, and call it again no later than it asks. It knows no clock, no randomness, no socket and
//! no file: the same inputs at the same times give the same actions, in a daemon, in a simulation and in a replay.
//!
//! Requirement ids (`G-12`, `N-11`, `S-4`) are those of the protocol's specification; see `src/ARCHITECTURE.md`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

pub mod address;
pub mod counters;
pub mod dns_table;
pub mod info_message;
pub mod io;
pub mod node;
pub mod notification;
pub mod params;
pub mod quantity;
pub mod time;
pub mod view;
