//! `rais::os` against a real kernel: each test makes its own network namespaces and deletes them. Needs root and
//! iproute2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod announcing;
mod control_sockets;
mod leases;
mod lingering;
mod link_events;
mod namespaces;
mod own_network;
