//! Every system call of the product: sockets, netlink, processes, files, clocks, signals.
//!
//! Nothing here decides anything, and nothing here knows a group, a `Node`, a `View`, SNMP, DNS or the configuration's
//! file: plain parameters in, results out. All `unsafe` and all of `nix` live below this module, and all of `rtnetlink`
//! in [`netlink`] (arrow 4 of the map), so this is the place to read when the question is "what does rais do to my
//! kernel?".

pub mod announce;
pub mod batch;
pub mod bundle;
mod checksum;
pub mod claims;
pub mod clock;
pub mod datagram;
pub mod echo;
pub mod executables;
mod filter;
pub mod guardian;
pub mod load;
pub mod machine;
pub mod machine_identity;
pub mod multicast;
pub mod netlink;
pub mod network;
mod packet_socket;
pub mod probe;
pub mod process;
pub mod random;
pub mod script;
pub mod serial;
pub mod signals;
mod socket_option;
pub mod store;
pub mod unix_socket;
pub mod wait;
