//! raisd: the core, the operating system and everything that serves, wired together.
//!
//! ```text
//!   thread "event-loop"                      tokio, two workers
//!   ┌──────────────────────────┐  actions    executor ── netlink, scripts, test and load objects
//!   │ Node::handle             │ ──────────▶ notifier ── event table, log, traps
//!   │ sockets of all groups    │  snapshots  snmp_server, control, zones   (they read the published picture)
//!   │ deadlines                │ ──────────▶ reload ── source, network, ports
//!   └──────────────────────────┘ ◀────────── links, signals
//!                                  news
//!   thread "announcer": straight from the event loop
//!   threads "snmp", one a socket: asleep in the kernel until somebody asks
//! ```
//!
//! Only this module sees both [`Node`](rais_core::node::Node) and [`os`](crate::os); only the event loop calls
//! `Node::handle`. Heartbeats leave from its thread, which nothing else can delay (G-69).

mod announcer;
mod conflicts;
mod control;
mod engine_file;
mod event_log;
mod event_loop;
mod event_table;
mod executor;
mod figures;
mod group_states;
mod guardian;
mod journal;
mod links;
mod lives;
mod log;
mod memory;
mod notifier;
mod objects;
mod options;
mod peers;
mod places;
mod publish;
mod queue;
mod receivers;
mod reload;
mod repairs;
mod running;
mod snmp_server;
mod source;
mod start;
mod surveyor;
mod zones;

pub use options::{Exit, LogFormat, Options};
pub use start::main;
