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
mod assignment;
mod control;
mod control_table;
pub mod counters;
pub mod dns_table;
mod flaps;
mod group;
pub mod holding;
mod host_db;
pub mod info_message;
pub mod io;
mod leader;
mod liveness;
mod monitor;
pub mod mutation;
pub mod node;
pub mod notification;
pub mod operator;
mod outbox;
pub mod pace;
pub mod params;
pub mod quantity;
mod replay_window;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
mod service_db;
#[cfg(test)]
mod test_support;
pub mod time;
pub mod view;
pub mod what_if;
