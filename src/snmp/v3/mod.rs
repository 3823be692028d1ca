//! SNMP version 3: messages that say who sent them, and keep to themselves what they say.
//!
//! Octets in, octets out, as everything in [`snmp`](super): the clock, the salts' seed and the persisted number of
//! starts are handed in. From the outside in:
//!
//! ```text
//! scan     is it a well-formed message? strict, allocates nothing           (RFC 3412 §6, RFC 3414 §2.4, RFC 3417 §8)
//! usm      who sent it, unchanged, now, to us? and the other way round      (RFC 3414 §3)
//! ├ keys   pass phrases, localised keys, digests, encryption                (RFC 3414 §2.6, RFC 7860, RFC 3826)
//! └ engine who we are, how often we started, for how long we have run       (RFC 3411 §5, RFC 3414 §2.2)
//! seal     a message into octets, protected                                 (RFC 3414 §3.1)
//! local    our own engine: is it for us, from whom, in time?                (RFC 3412 §7.2, RFC 3414 §3.2)
//! peer     the other side of it: an engine that we ask, and its clock       (RFC 3414 §3.2 7b, §4)
//! respond  what becomes of a request; reports                               (RFC 3412 §7)
//! ```

mod engine;
mod keys;
mod local;
mod peer;
mod respond;
mod scan;
mod seal;
mod usm;

pub use engine::{BadEngineId, EngineClock, EngineId, MAX_BOOTS};
pub use keys::{Authentication, BadPassPhrase, BadSecret, MIN_PASS_PHRASE_OCTETS, Privacy, Secret};
pub(crate) use local::Local;
pub use local::V3Params;
pub use peer::{OpenError, Opened, Peer};
pub(crate) use respond::Responder;
pub use seal::{Envelope, Salts, SealError, seal};
pub use usm::{BadUser, Level, MAX_USER_NAME_OCTETS, User};
