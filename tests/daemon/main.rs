//! Real `raisd` and `raisctl` processes in network namespaces: what is promised of a box is looked for from outside, in
//! its kernel, on its wire and on its sockets. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod announcing;
mod authentication;
mod capture;
mod configuration;
mod edges;
mod faults;
mod fuzz;
mod journal;
mod lab;
mod managing;
mod notifying;
mod operating;
mod policies;
mod prober;
mod repairing;
mod serving;
mod signing;
mod snmp;
mod standing;
mod terminal;
#[path = "../snmp/tools.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests of the agent use the rest, and share it")]
mod tools;
#[path = "../snmp/trap_receiver.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests of the agent use the rest, and share it")]
mod trap_receiver;
mod unicast;
mod version3;
