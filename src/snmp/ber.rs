//! A small strict scanner for BER as SNMP uses it: it allocates nothing and decides, before any decoder runs, whether a
//! datagram is a well-formed message.
//!
//! It does not know communities, objects or what is answered. It exists because `snmp-parser` accepts what RFC 3417 §8
//! forbids (indefinite lengths, constructed strings, wrong classes, lengths that lie, trailing octets, identifiers out
//! of range) and refuses some of what it allows; see [`super::message`]. Rules: RFC 3417 §8, RFC 3416 §3, X.690 §8.

use super::oid::Oid;
use thiserror::Error;

/// A datagram that is no well-formed SNMP message. Nothing but a counter changed; whoever sent it is broken or hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    /// Not BER as RFC 3417 §8 restricts it, or not a message of RFC 1901 §3; counted by snmpInASNParseErrs.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A version that this release does not speak or that is turned off; counted by snmpInBadVersions.
    #[error("version {0} is not spoken here")]
    BadVersion(i32),
}

/// The tags that messages are made of.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const IP_ADDRESS: u8 = 0x40;
    pub(crate) const COUNTER32: u8 = 0x41;
    pub(crate) const GAUGE32: u8 = 0x42;
    pub(crate) const TIME_TICKS: u8 = 0x43;
    pub(crate) const OPAQUE: u8 = 0x44;
    pub(crate) const COUNTER64: u8 = 0x46;
    pub(crate) const NO_SUCH_OBJECT: u8 = 0x80;
    pub(crate) const END_OF_MIB_VIEW: u8 = 0x82;
    pub(crate) const GET: u8 = 0xa0;
    pub(crate) const RESPONSE: u8 = 0xa2;
    pub(crate) const SET: u8 = 0xa3;
    pub(crate) const GET_BULK: u8 = 0xa5;
    pub(crate) const INFORM: u8 = 0xa6;
    pub(crate) const TRAP: u8 = 0xa7;
    pub(crate) const REPORT: u8 = 0xa8;
}

/// msgVersion of SNMPv1.
pub(crate) const VERSION_1: i32 = 0;
/// msgVersion of SNMPv2c.
pub(crate) const VERSION_2C: i32 = 1;
/// msgVersion of SNMPv3.
pub(crate) const VERSION_3: i32 = 3;

/// A well-formed PDU, as spans of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PduScan<'a> {
    /// Its tag.
    pub(crate) pdu: u8,
    /// request-id, error-status and error-index, or what stands in their place.
    pub(crate) fields: [i32; 3],
    /// The variable bindings: the content of their list, without its tag and length.
    pub(crate) bindings: &'a [u8],
}

/// The parts of a well-formed message with a community, as spans of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scan<'a> {
    /// [`VERSION_1`] or [`VERSION_2C`].
    pub(crate) version: i32,
    /// The community's octets.
    pub(crate) community: &'a [u8],
    /// What is asked.
    pub(crate) pdu: PduScan<'a>,
}

impl PduScan<'_> {
    /// The name in the first variable binding.
    pub(crate) fn first_name(&self) -> Option<Oid> {
        let mut list = Reader { rest: self.bindings };
        let mut first = Reader { rest: list.expect(tag::SEQUENCE, "").ok()? };
        Oid::from_octets(first.expect(tag::OBJECT_IDENTIFIER, "").ok()?)
    }
}

/// Scans a datagram of version 2c.
///
/// # Errors
/// [`ScanError`] says what is wrong. The version is looked at before what follows it, because what follows may be of a
/// form that only that version has.
pub(crate) fn scan(datagram: &[u8]) -> Result<Scan<'_>, ScanError> {
    scan_community(datagram, VERSION_2C)
}

/// Scans a datagram of a version that has communities.
///
/// # Errors
/// As for [`scan`].
pub(crate) fn scan_community(datagram: &[u8], spoken: i32) -> Result<Scan<'_>, ScanError> {
    let mut outer = Reader { rest: datagram };
    let mut message = Reader { rest: outer.expect(tag::SEQUENCE, "the message is no SEQUENCE")? };
    let version = signed(message.expect(tag::INTEGER, "the version is no INTEGER")?)?;
    if version != spoken {
        return Err(ScanError::BadVersion(version));
    }
    outer.end("octets after the message")?;
    let community = message.expect(tag::OCTET_STRING, "the community is no OCTET STRING")?;
    let pdu = scan_pdu(&mut message)?;
    message.end("octets after the PDU")?;
    Ok(Scan { version, community, pdu })
}

/// The version of a message, before anything that only one version has is looked at.
///
/// # Errors
/// [`ScanError::Malformed`] if it does not even begin as a message.
pub(crate) fn version(datagram: &[u8]) -> Result<i32, ScanError> {
    let mut message = Reader { rest: Reader { rest: datagram }.expect(tag::SEQUENCE, "the message is no SEQUENCE")? };
    signed(message.expect(tag::INTEGER, "the version is no INTEGER")?)
}

/// Scans the PDU that comes next.
pub(crate) fn scan_pdu<'a>(message: &mut Reader<'a>) -> Result<PduScan<'a>, ScanError> {
    let (pdu, content) = message.next()?;
    if !matches!(pdu, tag::GET..=tag::SET | tag::GET_BULK..=tag::REPORT) {
        return Err(ScanError::Malformed("no PDU of this version"));
    }
    let mut fields = Reader { rest: content };
    let request_id = signed(fields.expect(tag::INTEGER, "the request-id is no INTEGER")?)?;
    let second = signed(fields.expect(tag::INTEGER, "the PDU's second field is no INTEGER")?)?;
    let third = signed(fields.expect(tag::INTEGER, "the PDU's third field is no INTEGER")?)?;
    let bindings = fields.expect(tag::SEQUENCE, "the variable bindings are no SEQUENCE")?;
    fields.end("octets after the variable bindings")?;
    let mut list = Reader { rest: bindings };
    while !list.rest.is_empty() {
        binding(list.expect(tag::SEQUENCE, "a variable binding is no SEQUENCE")?)?;
    }
    Ok(PduScan { pdu, fields: [request_id, second, third], bindings })
}

/// Checks one variable binding: a name, and a value of a type that RFC 3416 §3 knows.
fn binding(content: &[u8]) -> Result<(), ScanError> {
    let mut parts = Reader { rest: content };
    let name = parts.expect(tag::OBJECT_IDENTIFIER, "a name is no OBJECT IDENTIFIER")?;
    let (kind, value) = parts.next()?;
    parts.end("octets after a value")?;
    let good = match kind {
        tag::NULL | tag::NO_SUCH_OBJECT..=tag::END_OF_MIB_VIEW => value.is_empty(),
        tag::INTEGER => signed(value).is_ok(),
        tag::OCTET_STRING | tag::OPAQUE => true,
        tag::OBJECT_IDENTIFIER => Oid::from_octets(value).is_some(),
        tag::IP_ADDRESS => value.len() == 4,
        tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS => unsigned(value, 4),
        tag::COUNTER64 => unsigned(value, 8),
        _ => return Err(ScanError::Malformed("a value of a type that SNMP does not have")),
    };
    match (Oid::from_octets(name), good) {
        (None, _) => Err(ScanError::Malformed("a name that is no valid OBJECT IDENTIFIER")),
        (_, false) => Err(ScanError::Malformed("a value that does not fit its type")),
        (Some(_), true) => Ok(()),
    }
}

/// The variable bindings in a list that was scanned: name, tag and content of the value.
pub(crate) fn bindings(list: &[u8]) -> impl Iterator<Item = (Oid, u8, &[u8])> {
    let mut list = Reader { rest: list };
    std::iter::from_fn(move || {
        let mut parts = Reader { rest: list.expect(tag::SEQUENCE, "no variable binding").ok()? };
        let name = parts.expect(tag::OBJECT_IDENTIFIER, "no name").ok().and_then(Oid::from_octets)?;
        let (tag, content) = parts.next().ok()?;
        Some((name, tag, content))
    })
}

/// An INTEGER of 32 bits. Idle leading octets are let pass up to four in all: X.690 §8.3.2 forbids them, but managers
/// that always send four octets are in the field, and nothing is ambiguous about them.
pub(crate) fn signed(content: &[u8]) -> Result<i32, ScanError> {
    match content {
        [first, ..] if content.len() <= 4 => {
            let sign = if first & 0x80 == 0 { 0 } else { -1 };
            Ok(content.iter().fold(sign, |sum, octet| (sum << 8) | i32::from(*octet)))
        }
        _ => Err(ScanError::Malformed("an INTEGER of no octets or of more than 32 bits")),
    }
}

/// Is it a non-negative INTEGER of at most `octets` octets, not counting the zero that keeps the sign away?
fn unsigned(content: &[u8], octets: usize) -> bool {
    match content {
        [] => false,
        [0, rest @ ..] => rest.len() <= octets,
        [first, ..] => first & 0x80 == 0 && content.len() <= octets,
    }
}

/// Reads one tag, length and content after the other.
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next tag and its content.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), ScanError> {
        let (tag, length, rest) = match self.rest {
            [tag, ..] if tag & 0x1f == 0x1f => return Err(ScanError::Malformed("a tag number above 30")),
            [tag, short @ 0..0x80, rest @ ..] => (*tag, usize::from(*short), rest),
            [_, 0x80, ..] => return Err(ScanError::Malformed("an indefinite length")),
            // More octets than needed are legal (RFC 3417 §8), more than four are not needed for any datagram.
            [tag, long @ 0x81..=0x84, rest @ ..] => {
                let (length, rest) = rest
                    .split_at_checked(usize::from(long & 0x7f))
                    .ok_or(ScanError::Malformed("it ends within a length"))?;
                (*tag, length.iter().fold(0, |sum, octet| (sum << 8) | usize::from(*octet)), rest)
            }
            [_, _, ..] => return Err(ScanError::Malformed("a length of more than four octets")),
            [] | [_] => return Err(ScanError::Malformed("it ends too early")),
        };
        let (content, rest) =
            rest.split_at_checked(length).ok_or(ScanError::Malformed("a length beyond what is there"))?;
        self.rest = rest;
        Ok((tag, content))
    }

    /// The content of the next element, which has to have this tag.
    pub(crate) fn expect(&mut self, tag: u8, otherwise: &'static str) -> Result<&'a [u8], ScanError> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(ScanError::Malformed(otherwise)),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(&self, otherwise: &'static str) -> Result<(), ScanError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ScanError::Malformed(otherwise)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_of_32_bits_and_may_have_idle_octets() {
        let table: [(&[u8], Option<i32>); 8] = [
            (&[], None),
            (&[0], Some(0)),
            (&[0xff], Some(-1)),
            (&[0x80, 0, 0, 0], Some(i32::MIN)),
            (&[0x7f, 0xff, 0xff, 0xff], Some(i32::MAX)),
            (&[0, 0, 0, 5], Some(5)),
            (&[0, 0, 0, 0, 5], None),
            (&[0, 0x80, 0, 0, 0], None),
        ];
        for (octets, value) in table {
            assert_eq!(signed(octets).ok(), value, "{octets:02x?}");
        }
    }

    #[test]
    fn unsigned_integers_are_not_negative_and_fit() {
        let table: [(&[u8], usize, bool); 8] = [
            (&[], 4, false),
            (&[0], 4, true),
            (&[0x80], 4, false),
            (&[0, 0xff, 0xff, 0xff, 0xff], 4, true),
            (&[1, 0, 0, 0, 0], 4, false),
            (&[0, 0, 0, 0, 0, 0], 4, false),
            (&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 8, true),
            (&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 8, false),
        ];
        for (octets, size, good) in table {
            assert_eq!(unsigned(octets, size), good, "{octets:02x?}");
        }
    }
}
