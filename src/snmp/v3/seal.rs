//! A PDU into a version 3 message, protected as its user can (RFC 3412 §7.1, RFC 3414 §3.1).
//!
//! It does not know requests and responses, clocks or counters: whoever sends says which engine's clock counts.

use super::super::ber::{VERSION_3, tag};
use super::super::message::integer_octets;
use super::super::value::{element_octets, integer, primitive, wrap};
use super::scan::{Flags, USM};
use super::usm::{Level, User};
use thiserror::Error;

/// Why a message was not made. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The user has no key for that level, or none was given. The operator gives the user keys, or asks for less.
    #[error("the user can not do {0}")]
    UnsupportedLevel(Level),
}

/// What stands around a PDU in a version 3 message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// msgID: 0 to 2^31-1; a response has that of its request.
    pub msg_id: i32,
    /// The largest message that we take, in octets: at least 484.
    pub max_size: usize,
    /// Are reports wanted, if the receiver can make nothing of it? Yes for what is answered, no for everything else.
    pub reportable: bool,
    /// How it is protected.
    pub level: Level,
    /// The authoritative engine: the receiver of what is answered, else the sender. Empty to find it out.
    pub engine: &'a [u8],
    /// The authoritative engine's boots.
    pub boots: u32,
    /// The authoritative engine's time, in seconds.
    pub time: u32,
    /// The user's name; empty if nobody is meant.
    pub user_name: &'a [u8],
    /// The user whose keys are used; only [`Level::NoAuthNoPriv`] goes without.
    pub user: Option<&'a User>,
    /// The engine that the PDU is about.
    pub context_engine: &'a [u8],
    /// The context that the PDU is about.
    pub context_name: &'a [u8],
}

/// Salts of an engine: none is used twice in a life, and another life has other boots, which go into the initial vector
/// just as the salt does (RFC 3826 §3.1.1.1).
#[derive(Debug)]
pub struct Salts(u64);

impl Salts {
    /// Salts from a random start.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub const fn draw(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(1);
        self.0.to_be_bytes()
    }
}

impl Envelope<'_> {
    fn salt_octets(&self) -> usize {
        if self.level == Level::AuthPriv { 8 } else { 0 }
    }

    fn digest_octets(&self) -> usize {
        if self.level == Level::NoAuthNoPriv { 0 } else { self.user.map_or(0, User::digest_octets) }
    }

    /// How many octets msgData takes, with its tag and length.
    fn data_octets(&self, pdu: usize) -> usize {
        let context = element_octets(self.context_engine.len()) + element_octets(self.context_name.len());
        let scoped = element_octets(context + pdu);
        if self.level == Level::AuthPriv { element_octets(scoped) } else { scoped }
    }

    /// How many octets the message takes around a PDU of that many.
    #[must_use]
    pub fn octets(&self, pdu: usize) -> usize {
        let number = |number: u64| element_octets(integer_octets(i32::try_from(number).unwrap_or(i32::MAX)));
        let header = number(u64::from(self.msg_id.unsigned_abs())) + number(self.max_size as u64) + 3 + number(3);
        let security = element_octets(self.engine.len())
            + number(u64::from(self.boots))
            + number(u64::from(self.time))
            + element_octets(self.user_name.len())
            + element_octets(self.digest_octets())
            + element_octets(self.salt_octets());
        let security = element_octets(element_octets(security));
        element_octets(number(3) + element_octets(header) + security + self.data_octets(pdu))
    }
}

/// Appends a message to `out`, which has to be empty: a digest is over all of it.
///
/// # Errors
/// [`SealError`]; `out` is empty then.
pub fn seal(envelope: &Envelope<'_>, salt: [u8; 8], pdu: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
    out.clear();
    let level = envelope.level;
    if level > envelope.user.map_or(Level::NoAuthNoPriv, User::level) {
        return Err(SealError::UnsupportedLevel(level));
    }
    let number = |number: usize, out: &mut Vec<u8>| integer(i32::try_from(number).unwrap_or(i32::MAX), out);
    integer(VERSION_3, out);

    let start = out.len();
    integer(envelope.msg_id, out);
    number(envelope.max_size, out);
    primitive(tag::OCTET_STRING, &[Flags::new(level, envelope.reportable).0], out);
    integer(USM, out);
    wrap(tag::SEQUENCE, start, out);

    let start = out.len();
    primitive(tag::OCTET_STRING, envelope.engine, out);
    number(envelope.boots as usize, out);
    number(envelope.time as usize, out);
    primitive(tag::OCTET_STRING, envelope.user_name, out);
    primitive(tag::OCTET_STRING, [0; 64].get(..envelope.digest_octets()).unwrap_or_default(), out);
    primitive(tag::OCTET_STRING, salt.get(..envelope.salt_octets()).unwrap_or_default(), out);
    wrap(tag::SEQUENCE, start, out);
    wrap(tag::OCTET_STRING, start, out);

    let start = out.len();
    primitive(tag::OCTET_STRING, envelope.context_engine, out);
    primitive(tag::OCTET_STRING, envelope.context_name, out);
    out.extend_from_slice(pdu);
    wrap(tag::SEQUENCE, start, out);
    if level == Level::AuthPriv
        && let (Some(user), Some(scoped)) = (envelope.user, out.get_mut(start..))
    {
        user.encrypt(envelope.boots, envelope.time, salt, scoped);
        wrap(tag::OCTET_STRING, start, out);
    }
    wrap(tag::SEQUENCE, 0, out);
    if level > Level::NoAuthNoPriv
        && let Some(user) = envelope.user
    {
        user.sign(out, element_octets(envelope.salt_octets()) + envelope.data_octets(pdu.len()));
    }
    Ok(())
}
