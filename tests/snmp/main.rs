//! The SNMP agent from the outside: raw BER against the sentences of the RFCs, every object against the MIB, and the
//! tools of net-snmp and libsmi as they are.
//!
//! Nothing here uses the agent's own encoder or decoder: what is sent and expected is put together octet by octet.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bench;
mod ber;
mod churn;
mod citations;
mod community;
mod delivery;
mod get;
mod get_bulk;
mod get_next;
mod integrations;
mod malformed;
mod mib;
mod mutation;
mod net_snmp;
mod net_snmp_v3;
mod notify_views;
mod python_clients;
mod rais_tables;
mod sample;
mod set;
mod smi;
mod speed;
mod standard;
mod tools;
mod trap_receiver;
mod traps;
mod v1;
mod v3_manager;
mod v3_messages;
mod v3_mutation;
mod v3_users;
