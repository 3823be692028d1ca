//! Not written yet.

pub mod config_command;
