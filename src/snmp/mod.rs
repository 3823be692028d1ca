//! The SNMP agent: octets and a snapshot in, octets out. It never touches the core, a socket or a clock.
//!
//! From the outside in, each knowing nothing of what is further out:
//!
//! ```text
//! agent        one datagram: source, rate, form, who asks, PDU; counts what became    (RFC 3412 §7.2)
//! ├ limit      how often may a source ask?
//! ├ ber        is it a well-formed message? strict, allocates nothing                 (RFC 3417 §8)
//! ├ community  the security model of versions 1 and 2c: whose secret, from there?    (RFC 1901, RFC 3584)
//! ├ v3/…       version 3: messages, users, keys, engines, reports                     (RFC 3412, RFC 3414)
//! ├ access     views, groups, contexts: what may they see?                            (RFC 3415)
//! ├ message    versions 1 and 2c: octets ↔ request and response                        (RFC 1901 §3)
//! ├ v1         what version 1 does otherwise, where it is enabled                      (RFC 1157, RFC 3584 §4)
//! └ pdu        GET, GETNEXT, GETBULK, SET                                             (RFC 3416 §4.2)
//!   └ registry the ordered list of objects
//!     ├ table  rows in index order
//!     ├ set    what may be written, and what carries it out
//!     └ snmpv2_mib, if_mib, …, rais_mib/…   a file per module or table
//! notify       events as notifications                                                (RFC 3416 §4.2.6)
//! └ delivery   to one receiver: traps, informs, repetitions, answers                 (RFC 3413 §3.3)
//! ```

mod access;
mod agent;
mod ber;
mod community;
mod counters;
pub mod delivery;
mod entity_mib;
mod framework_mib;
mod host_resources_mib;
mod if_mib;
mod ip_mib;
mod limit;
mod listed;
mod message;
pub mod notify;
mod oid;
mod pdu;
mod prepared;
mod rais_mib;
mod registry;
mod set;
mod snmpv2_mib;
mod table;
mod target_mib;
mod ucd_snmp_mib;
mod usm_mib;
mod v1;
pub mod v3;
mod vacm_mib;
mod value;

pub use access::{Access, AccessControl, ContextMatch, Denied, Family, Member, Rights, SecurityModel, View};
pub use agent::{Agent, AgentParams, Answered, MAX_MESSAGE_OCTETS};
pub use ber::ScanError;
pub use community::{BadCommunity, Community, MAX_COMMUNITY_OCTETS};
pub use counters::{Counters, Dropped, Fault};
pub use limit::DEFAULT_REQUESTS_PER_SECOND;
pub use oid::{MAX_ARCS, Oid};
pub use rais_mib::{Changes, DeliverySource, EventSource, GroupHistory, ReceiverFigures};
pub use set::{Change, Pending};
