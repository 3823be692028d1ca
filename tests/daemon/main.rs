//! Real `raisd` and `raisctl` processes in network namespaces: what is promised of a box is looked for from outside, in
//! its kernel, on its wire and on its sockets. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod configuration;
mod edges;
mod faults;
mod fuzz;
mod journal;
mod lab;
mod managing;
mod notifying;
mod operating;
mod prober;
mod serving;
mod signing;
mod snmp;
mod terminal;
mod unicast;
