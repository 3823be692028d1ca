//! Bytes ↔ messages: the group protocol's datagram, authenticated (G-1 … G-6).
//!
//! It knows no socket, no clock and no state between two datagrams: replays and duplicates are the core's business,
//! which sees `(sender, incarnation, sequence)`. It comes from seed A (the info, acquire and release messages); the
//! authentication, the typed sections and everything about upgrades go beyond it.
//!
//! # The datagram
//!
//! One UDP payload, at most [`MAX_DATAGRAM`] octets, sent with TTL / hop limit 255. Numbers are unsigned and big-endian.
//! Offsets shift by `g`, the length of the group's name, and `a`, 4 or 16 octets by the sender's address family.
//!
//! | offset | octets | field | value |
//! | --- | --- | --- | --- |
//! | 0 | 4 | magic | `52 41 49 53`, "RAIS" |
//! | 4 | 1 | major version | 1. Another one is dropped: nothing behind this octet means the same. |
//! | 5 | 1 | minor version | 0. A higher one is accepted; see *Upgrades* below. |
//! | 6 | 1 | type | 1 Info, 2 Acquire, 3 Release, 4 Leave, 5 Ask |
//! | 7 | 1 | key id | the key that authenticates this datagram; 0: none does, and there is no HMAC |
//! | 8 | 1 | `g` | 1 to 32 |
//! | 9 | `g` | group | the service group's name, ASCII |
//! | 9+g | 1 | family | 4 or 6: IPv4 or IPv6 |
//! | 10+g | `a` | sender | the sender's id address |
//! | 10+g+a | 8 | incarnation | grows with each start of the sender |
//! | 18+g+a | 8 | sequence | ascends within an incarnation |
//! | 26+g+a | … | body | sections, one after the other, to 32 octets before the end; unsigned: to the end |
//! | end−32 | 32 | HMAC | HMAC-SHA-256 (RFC 2104, not truncated) under the key of every octet before it |
//!
//! ## Sections
//!
//! A section is *type* (1), *length* (2), and *length* octets of value. The order means nothing. A section that the type
//! of the message needs must be there, and none may be there twice. An *address* is a family octet (4 or 6) and 4 or 16
//! octets.
//!
//! | section | in | value |
//! | --- | --- | --- |
//! | 1 Status | Info, always | flags (1): 0x01 ok, 0x02 quiesced, 0x04 draining, 0x08 settled, 0x10 spare, and without 0x01 why not: 0x20 no carrier, 0x40 the partition policy, neither: a test, both: unknown; load (4); capacity (4); generation (8); digest (8); entry version (8); `n` (1), the box's name (`n`, 1 to 32) |
//! | 2 Entry part | Info, when the beat carries one | index (2); count (2); `c` (1): bits 0 to 3 the number of addresses that follow, 0x80 the sender's id comes before them; control addresses (that many *addresses*); then rows, as records |
//! | 3 Heard | Info, when there is something | records |
//! | 4 Orders | Acquire, Release | pass (8); then records |
//! | 5 Ask | Ask | the box asked (*address*); the version of its entry that the asker has (8), 0: none |
//! | 6 Policy | Info, when operators changed the group's | which word it is (8), at least 1; the box that was told it (*address*); failback (1): 0 as configured, 1 immediate, 2 manual; choice (1): 0 as configured, 1 balanced, 2 random; other numbers are read as 0 |
//!
//! A record is *kind* (1), *length* (1), and *length* octets of value. Bit 0x80 of the kind: the first address is IPv6;
//! 0x40: the second one is. An age is 6 octets, in microseconds; the highest value also means "longer".
//!
//! | record | in | value |
//! | --- | --- | --- |
//! | 1 Preferred | Entry part | service address (4, 16) |
//! | 2 Claim | Entry part | state (1): 1 acquiring, 2 online, 3 releasing; service address (4, 16) |
//! | 3 Orphan | Entry part | service address (4, 16); preferred box (4, 16); age (6) |
//! | 4 Heard | Heard | box (4, 16); incarnation (8); sequence (8); age (6); loss per mille (2) |
//! | 5 Order | Orders | destination (4, 16); its incarnation (8); service address (4, 16); reason (1) |
//!
//! Reasons: 1 unserved, 2 failback, 3 test, 4 operator, 5 duplicate, 6 expired, 7 stop, 8 overslept, 9 load,
//! 10 configuration, 11 lost, 12 carrier, 13 partition; 0 and every other number: unknown.
//!
//! # Upgrades (G-6)
//!
//! Two releases may run in one group. A minor version may add sections, records, message types, reasons, flags, and
//! octets at the end of a section's or record's value; this decoder ignores what it does not know of these, except that a
//! datagram of an unknown *type* is dropped with its own cause. It may not change what is tabled here, nor add a value to
//! a claim's state: a state that a peer can not name would look like an address that nobody claims.
//!
//! # Received
//!
//! [`Codec::decode`] checks in this order and allocates nothing before the signature is found good (G-2): TTL 255, size
//! and magic, major version, group, key id, HMAC (in constant time), type, body. Every refusal is one
//! [`DropCause`]. An unsigned datagram is read only where the group has not come to require signatures yet (G-70), and then
//! what is said here of signatures does not hold for it. What it allocates afterwards is bounded by 16 times the datagram.

mod authentication;
mod decode;
mod encode;
mod key;
mod reader;

pub use authentication::Authentication;
pub use encode::EncodeError;
pub use key::{BadKey, Key, KeyId};

use hmac::{Hmac, Mac};
use rais_core::address::GroupName;
use rais_core::counters::DropCause;
use rais_core::info_message::Message;
use reader::Reader;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// Most octets of UDP payload in a message: with every header around it, it fits the 1500 octets of an Ethernet frame
/// over IPv4 and IPv6 unfragmented, and leaves room for a tunnel (G-3).
pub const MAX_DATAGRAM: usize = 1400;

/// TTL or hop limit of every datagram, sent and received: no router can have passed it on (RFC 5082).
pub const ON_LINK_TTL: u8 = 255;

const MAGIC: [u8; 4] = *b"RAIS";
const MAJOR: u8 = 1;
const MINOR: u8 = 0;
const MAC_OCTETS: usize = 32;

/// Numbers of the format, by the tables above.
mod number {
    pub(super) const INFO: u8 = 1;
    pub(super) const ACQUIRE: u8 = 2;
    pub(super) const RELEASE: u8 = 3;
    pub(super) const LEAVE: u8 = 4;
    pub(super) const ASK: u8 = 5;

    pub(super) const SECTION_STATUS: u8 = 1;
    pub(super) const SECTION_PART: u8 = 2;
    pub(super) const SECTION_HEARD: u8 = 3;
    pub(super) const SECTION_ORDERS: u8 = 4;
    pub(super) const SECTION_ASK: u8 = 5;
    pub(super) const SECTION_POLICY: u8 = 6;

    pub(super) const ROW_PREFERRED: u8 = 1;
    pub(super) const ROW_CLAIM: u8 = 2;
    pub(super) const ROW_ORPHAN: u8 = 3;
    pub(super) const ROW_HEARD: u8 = 4;
    pub(super) const ROW_ORDER: u8 = 5;
    /// In a record's kind: its first address is IPv6.
    pub(super) const FIRST_IS_V6: u8 = 0x80;
    /// In a record's kind: its second address is IPv6.
    pub(super) const SECOND_IS_V6: u8 = 0x40;

    pub(super) const OK: u8 = 0x01;
    pub(super) const QUIESCED: u8 = 0x02;
    pub(super) const DRAINING: u8 = 0x04;
    pub(super) const SETTLED: u8 = 0x08;
    pub(super) const SPARE: u8 = 0x10;
    pub(super) const NO_CARRIER: u8 = 0x20;
    pub(super) const PARTITIONED: u8 = 0x40;
    /// With [`OK`] unset: why.
    pub(super) const TROUBLE_MASK: u8 = NO_CARRIER | PARTITIONED;

    /// In the count of control addresses: the sender's id is the first and not repeated.
    pub(super) const ID_FIRST: u8 = 0x80;
    /// In the count of control addresses: how many follow.
    pub(super) const COUNT_MASK: u8 = 0x0f;

    pub(super) const FAMILY_V4: u8 = 4;
    pub(super) const FAMILY_V6: u8 = 6;

    /// The longest age, about 8.9 years: six octets hold it.
    pub(super) const MAX_AGE_MICROS: u64 = (1 << 48) - 1;
}

/// Why a [`Codec`] could not be made. The configuration's check finds these first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// No key under the id to send with. Nothing was made; the operator adds the key or names another.
    #[error("send_key is {0}, but there is no key with that id")]
    NoSendKey(KeyId),
    /// It is to sign and has no key. Nothing was made; the operator adds a key.
    #[error("there is no key to sign with")]
    NoKey,
}

/// A message, and whether anybody vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub message: Message,
    /// It was signed under one of the group's keys. If not, the group takes unsigned messages for now (G-70).
    pub signed: bool,
}

/// The key id of a datagram that nobody signed.
const UNSIGNED: KeyId = KeyId(0);
/// Where the key id is.
const KEY_ID_AT: usize = 7;

/// Encodes and decodes the messages of one group, under its keys.
///
/// Every key is accepted, one is used to send: a key is rotated by adding the new one everywhere, then sending with it
/// everywhere, then removing the old one (G-2).
#[derive(Clone)]
pub struct Codec {
    group: GroupName,
    /// Each key with its two HMAC blocks already hashed: half the work per datagram.
    keys: BTreeMap<KeyId, Hmac<Sha256>>,
    send_key: KeyId,
    /// `None`: it sends unsigned.
    send_mac: Option<Hmac<Sha256>>,
    authentication: Authentication,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("group", &self.group).field("send_key", &self.send_key).finish_non_exhaustive()
    }
}

impl Codec {
    /// A codec for the group, which accepts any of `keys` and sends with `send_key`.
    ///
    /// # Errors
    /// [`CodecError::NoSendKey`] if `send_key` is not among them.
    pub fn new(group: GroupName, keys: &BTreeMap<KeyId, Key>, send_key: KeyId) -> Result<Self, CodecError> {
        Self::rolling(group, keys, Some(send_key), Authentication::Require)
    }

    /// A codec for a group that may still be on its way to requiring signatures (G-70).
    ///
    /// # Errors
    /// [`CodecError::NoSendKey`] if `send_key` is not among the keys, [`CodecError::NoKey`] if it is to sign without one.
    pub fn rolling(
        group: GroupName,
        keys: &BTreeMap<KeyId, Key>,
        send_key: Option<KeyId>,
        authentication: Authentication,
    ) -> Result<Self, CodecError> {
        let keys: BTreeMap<_, _> = keys.iter().map(|(id, key)| (*id, key.mac())).collect();
        let mac = |id: KeyId| keys.get(&id).cloned().ok_or(CodecError::NoSendKey(id));
        let (send_key, send_mac) = match send_key {
            Some(id) if authentication.signs() => (id, Some(mac(id)?)),
            None if authentication.signs() => return Err(CodecError::NoKey),
            Some(_) | None => (UNSIGNED, None),
        };
        Ok(Self { group, keys, send_key, send_mac, authentication })
    }

    /// The datagram that says `message`.
    ///
    /// # Errors
    /// See [`encode_into`](Self::encode_into).
    pub fn encode(&self, message: &Message) -> Result<Vec<u8>, EncodeError> {
        let mut datagram = Vec::with_capacity(MAX_DATAGRAM);
        self.encode_into(message, &mut datagram)?;
        Ok(datagram)
    }

    /// Replaces the buffer's content by the datagram that says `message`. Ages are kept to the microsecond; one above
    /// about 8.9 years is sent as that.
    ///
    /// # Errors
    /// [`EncodeError`] if it does not fit one datagram; the buffer's content is then of no use.
    pub fn encode_into(&self, message: &Message, datagram: &mut Vec<u8>) -> Result<(), EncodeError> {
        datagram.clear();
        encode::message(message, &self.group, self.send_key, datagram)?;
        // Unsigned ones leave the room too: a group that signs from now on must not outgrow its datagrams.
        let octets = datagram.len().saturating_add(MAC_OCTETS);
        if octets > MAX_DATAGRAM {
            return Err(EncodeError::TooLong { octets });
        }
        if let Some(send_mac) = &self.send_mac {
            let mac = send_mac.clone().chain_update(&*datagram).finalize().into_bytes();
            datagram.extend_from_slice(&mac);
        }
        Ok(())
    }

    /// The message that an authentic datagram says, received with this TTL or hop limit.
    ///
    /// # Errors
    /// Why it was dropped. Nothing but a counter may change because of it (S-7).
    pub fn decode(&self, datagram: &[u8], ttl: u8) -> Result<Message, DropCause> {
        self.receive(datagram, ttl).map(|received| received.message)
    }

    /// As [`decode`](Self::decode), and says whether the datagram was signed.
    ///
    /// # Errors
    /// As that.
    pub fn receive(&self, datagram: &[u8], ttl: u8) -> Result<Received, DropCause> {
        if ttl != ON_LINK_TTL {
            return Err(DropCause::OffLink);
        }
        if datagram.len() > MAX_DATAGRAM {
            return Err(DropCause::Malformed);
        }
        let unsigned = datagram.get(KEY_ID_AT) == Some(&UNSIGNED.0);
        let (signed, mac) = match datagram.split_last_chunk::<MAC_OCTETS>() {
            _ if unsigned => (datagram, None),
            Some((signed, mac)) => (signed, Some(mac)),
            None => return Err(DropCause::Malformed),
        };
        let mut reader = Reader::new(signed);
        if reader.array().ok_or(DropCause::Malformed)? != MAGIC {
            return Err(DropCause::Malformed);
        }
        let [major, _minor, message_type, key_id] = reader.array().ok_or(DropCause::Malformed)?;
        if major != MAJOR {
            return Err(DropCause::Version);
        }
        let group = reader.short_octets().ok_or(DropCause::Malformed)?;
        if group != self.group.as_str().as_bytes() {
            return Err(DropCause::ForeignGroup);
        }
        match mac {
            Some(mac) => {
                let key = self.keys.get(&KeyId(key_id)).ok_or(DropCause::UnknownKey)?;
                key.clone().chain_update(signed).verify_slice(mac).map_err(|_| DropCause::BadSignature)?;
            }
            None if self.authentication.takes_unsigned() => {}
            None => return Err(DropCause::Unsigned),
        }
        let message = decode::message(message_type, reader)?;
        Ok(Received { message, signed: mac.is_some() })
    }
}
