//! rais: the firmware of a gateway box. The decisions are [`rais_core`]'s; this library is everything around them.
//!
//! `src/ARCHITECTURE.md` is the map: what each module knows, and what it must never know.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod config;
pub mod ctl;
pub mod daemon;
pub mod dns;
pub mod event;
pub mod journal;
pub mod machine;
pub mod os;
pub mod snapshot;
pub mod snmp;
pub mod wire;
