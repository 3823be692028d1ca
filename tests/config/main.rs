//! The configuration as operators meet it: files that must be taken, files that must be refused and in which words,
//! signed bundles, and the commands of `raisctl config`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bundles;
mod commands;
mod files;
mod fixture;
mod snmp_users;
