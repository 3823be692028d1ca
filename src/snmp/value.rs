//! What an object may hold, and how it is put into octets.
//!
//! It does not know which object a value belongs to. Types: RFC 2578 §7.1, exceptions: RFC 3416 §3; octets: X.690 §8, each
//! length in as few octets as it takes. The writer is its own because a table's rows are most of what the agent does; in
//! the tests `asn1-rs` has to write the same.

use super::ber::tag;
use super::oid::Oid;
use rais_core::time::Instant;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

/// The longest text served or sent, in octets: that of SnmpAdminString and DisplayString. Longer ones are cut between
/// two characters; with it a variable binding always fits into a message.
pub(crate) const MAX_TEXT_OCTETS: usize = 255;

/// RowStatus of what is there.
pub(crate) const ACTIVE: Value<'_> = Value::Integer(1);
/// StorageType of what only the configuration changes: readOnly(5).
pub(crate) const READ_ONLY: Value<'_> = Value::Integer(5);

/// One value, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// INTEGER, Integer32 and every enumeration.
    Integer(i32),
    /// OCTET STRING.
    Octets(Cow<'a, [u8]>),
    /// InetAddress: 4 or 16 octets, or none.
    Address(Option<IpAddr>),
    /// OBJECT IDENTIFIER.
    Identifier(&'a [u32]),
    /// OBJECT IDENTIFIER, made up for the occasion.
    OwnedIdentifier(Box<Oid>),
    /// Counter32.
    Counter32(u32),
    /// Gauge32 and Unsigned32.
    Gauge32(u32),
    /// TimeTicks: hundredths of a second.
    TimeTicks(u32),
    /// Counter64.
    Counter64(u64),
    /// The agent does not know the object.
    NoSuchObject,
    /// The agent knows the object, but there is no such instance.
    NoSuchInstance,
    /// There is nothing after the name.
    EndOfMibView,
}

impl<'a> Value<'a> {
    /// Text, cut at [`MAX_TEXT_OCTETS`].
    #[must_use]
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Octets(Cow::Borrowed(cut(text).as_bytes()))
    }

    /// Text of few octets, cut; what is not ASCII becomes a question mark.
    #[must_use]
    pub(crate) fn short_text(text: &str, octets: usize) -> Self {
        Self::owned_text(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).take(octets).collect())
    }

    /// Text that was made up for the occasion, cut at [`MAX_TEXT_OCTETS`].
    #[must_use]
    pub(crate) fn owned_text(mut text: String) -> Self {
        text.truncate(cut(&text).len());
        Self::Octets(Cow::Owned(text.into_bytes()))
    }

    /// Text for a DisplayString, which is ASCII: anything else becomes a question mark.
    #[must_use]
    pub(crate) fn ascii(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self::text(text);
        }
        Self::owned_text(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect())
    }

    /// A counter's low 32 bits: Counter32 wraps.
    #[must_use]
    pub(crate) const fn counter(count: u64) -> Self {
        Self::Counter32(count as u32)
    }

    /// A number of things, latched at the most a Gauge32 can say.
    #[must_use]
    pub(crate) fn gauge(number: usize) -> Self {
        Self::Gauge32(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// A duration in milliseconds, latched.
    #[must_use]
    pub(crate) fn milliseconds(duration: Duration) -> Self {
        Self::Gauge32(u32::try_from(duration.as_millis()).unwrap_or(u32::MAX))
    }

    /// TruthValue.
    #[must_use]
    pub(crate) const fn truth(yes: bool) -> Self {
        Self::Integer(if yes { 1 } else { 2 })
    }

    /// InetAddressType of [`Value::Address`].
    #[must_use]
    pub(crate) const fn address_type(address: Option<IpAddr>) -> Self {
        Self::Integer(match address {
            None => 0,
            Some(address) => inet_address_type(address) as i32,
        })
    }

    /// sysUpTime at `at`, for a daemon that started at `started`: it wraps after 497 days.
    #[must_use]
    pub(crate) const fn up_time(at: Instant, started: Instant) -> Self {
        Self::TimeTicks((at.since(started).as_millis() / 10) as u32)
    }

    /// Appends its tag, length and content.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => integer(*number, out),
            Self::Octets(octets) => primitive(tag::OCTET_STRING, octets, out),
            Self::Address(None) => primitive(tag::OCTET_STRING, &[], out),
            Self::Address(Some(IpAddr::V4(address))) => primitive(tag::OCTET_STRING, &address.octets(), out),
            Self::Address(Some(IpAddr::V6(address))) => primitive(tag::OCTET_STRING, &address.octets(), out),
            Self::Identifier(arcs) => name(arcs, out),
            Self::OwnedIdentifier(oid) => name(oid.arcs(), out),
            Self::Counter32(number) => unsigned(tag::COUNTER32, u64::from(*number), out),
            Self::Gauge32(number) => unsigned(tag::GAUGE32, u64::from(*number), out),
            Self::TimeTicks(number) => unsigned(tag::TIME_TICKS, u64::from(*number), out),
            Self::Counter64(number) => unsigned(tag::COUNTER64, *number, out),
            Self::NoSuchObject => primitive(tag::NO_SUCH_OBJECT, &[], out),
            Self::NoSuchInstance => primitive(tag::NO_SUCH_OBJECT + 1, &[], out),
            Self::EndOfMibView => primitive(tag::END_OF_MIB_VIEW, &[], out),
        }
    }
}

/// InetAddressType of an address: ipv4(1) or ipv6(2).
pub(crate) const fn inet_address_type(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_OCTETS)).unwrap_or(text)
}

/// Appends a variable binding.
pub(crate) fn binding(oid: &Oid, value: &Value<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    name(oid.arcs(), out);
    value.encode(out);
    wrap(tag::SEQUENCE, start, out);
}

/// Appends an OBJECT IDENTIFIER. One of fewer than two sub-identifiers has no encoding of its own and is sent as `0.0`.
fn name(arcs: &[u32], out: &mut Vec<u8>) {
    let (head, rest) = match arcs {
        [top, second, rest @ ..] => (u64::from(*top) * 40 + u64::from(*second), rest),
        [] | [_] => (0, &[][..]),
    };
    let all = || std::iter::once(head).chain(rest.iter().map(|arc| u64::from(*arc)));
    header(tag::OBJECT_IDENTIFIER, all().map(septets).sum(), out);
    for arc in all() {
        for septet in (0..septets(arc)).rev() {
            let more = if septet > 0 { 0x80 } else { 0 };
            out.push(((arc >> (septet * 7)) & 0x7f) as u8 | more);
        }
    }
}

/// How many octets a sub-identifier takes: seven bits in each.
const fn septets(arc: u64) -> usize {
    if arc < 0x80 { 1 } else { (64 - arc.leading_zeros() as usize).div_ceil(7) }
}

/// Appends an INTEGER.
pub(crate) fn integer(number: i32, out: &mut Vec<u8>) {
    signed(tag::INTEGER, i128::from(number), out);
}

fn unsigned(tag: u8, number: u64, out: &mut Vec<u8>) {
    signed(tag, i128::from(number), out);
}

/// Appends a number in as few octets as it takes.
fn signed(tag: u8, number: i128, out: &mut Vec<u8>) {
    let magnitude = if number < 0 { !number } else { number };
    let octets = (128 - magnitude.leading_zeros() as usize) / 8 + 1;
    header(tag, octets, out);
    out.extend((0..octets).rev().map(|octet| (number >> (octet * 8)) as u8));
}

/// Appends an element that holds no others.
pub(crate) fn primitive(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    header(tag, content.len(), out);
    out.extend_from_slice(content);
}

/// Makes what stands from `start` on the content of an element with this tag.
pub(crate) fn wrap(tag: u8, start: usize, out: &mut Vec<u8>) {
    let end = out.len();
    let content = end.saturating_sub(start);
    header(tag, content, out);
    let length = out.len() - end;
    // The header stands behind its content.
    let mut written = [0; MAX_HEADER_OCTETS];
    written.iter_mut().zip(out.drain(end..)).for_each(|(to, from)| *to = from);
    out.resize(end + length, 0);
    out.copy_within(start..end, start + length);
    if let Some(place) = out.get_mut(start..start + length) {
        place.iter_mut().zip(written).for_each(|(to, from)| *to = from);
    }
}

/// How many octets an element takes with its tag and length.
pub(crate) const fn element_octets(content: usize) -> usize {
    let length = match content {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 4,
    };
    1 + length + content
}

/// Tag, and at most four octets of length.
const MAX_HEADER_OCTETS: usize = 5;

/// Appends tag and length.
fn header(tag: u8, content: usize, out: &mut Vec<u8>) {
    let [.., third, second, first] = content.to_be_bytes();
    match content {
        0..0x80 => out.extend_from_slice(&[tag, first]),
        0x80..0x100 => out.extend_from_slice(&[tag, 0x81, first]),
        0x100..0x1_0000 => out.extend_from_slice(&[tag, 0x82, second, first]),
        // No message is near 2^24 octets.
        _ => out.extend_from_slice(&[tag, 0x83, third, second, first]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asn1_rs::{Any, Class, Header, Integer, Length, Tag, ToDer};
    use proptest::prelude::*;

    /// What asn1-rs makes of a tag and content.
    fn theirs(tag: u8, content: &[u8]) -> Vec<u8> {
        let class = [Class::Universal, Class::Application, Class::ContextSpecific][usize::from(tag >> 6)];
        let header = Header::new(class, tag & 0x20 != 0, Tag(u32::from(tag & 0x1f)), Length::Definite(content.len()));
        Any::new(header, content).to_der_vec().unwrap()
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_asn1_rs_does(number: i32, count: u32, large: u64, bits in 0_u32..64) {
            let (number, count, large) = (number >> (bits / 2), count >> (bits / 2), large >> bits);
            let table = [
                (Value::Integer(number), theirs(tag::INTEGER, Integer::from(number).as_ref())),
                (Value::Counter32(count), theirs(tag::COUNTER32, Integer::from(count).as_ref())),
                (Value::Gauge32(count), theirs(tag::GAUGE32, Integer::from(count).as_ref())),
                (Value::TimeTicks(count), theirs(tag::TIME_TICKS, Integer::from(count).as_ref())),
                (Value::Counter64(large), theirs(tag::COUNTER64, Integer::from(large).as_ref())),
            ];
            for (value, octets) in table {
                prop_assert_eq!(encoded(&value), octets);
            }
        }

        #[test]
        fn identifiers_are_written_as_asn1_rs_does(
            top in 0..3_u64, second in 0..40_u64, rest in prop::collection::vec(any::<u32>(), 0..126), bits in 0_u32..32,
        ) {
            let arcs: Vec<u64> = [top, second].into_iter().chain(rest.iter().map(|arc| u64::from(arc >> bits))).collect();
            let narrow: Vec<u32> = arcs.iter().map(|arc| *arc as u32).collect();
            prop_assert_eq!(encoded(&Value::Identifier(&narrow)), asn1_rs::Oid::from(&arcs).unwrap().to_der_vec().unwrap());
        }

        #[test]
        fn text_is_written_and_wrapped_as_asn1_rs_does(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let string = theirs(tag::OCTET_STRING, &text);
            prop_assert_eq!(encoded(&Value::Octets(Cow::Borrowed(&text))), string.clone());
            let mut wrapped = [&[7, 7][..], &string].concat();
            wrap(tag::SEQUENCE, 2, &mut wrapped);
            prop_assert_eq!(&wrapped[2..], theirs(tag::SEQUENCE, &string));
        }
    }

    fn encoded(value: &Value<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    }

    #[test]
    fn values_are_encoded_as_rfc_3417_has_them() {
        let table: [(Value<'_>, &[u8]); 15] = [
            (Value::Integer(0), &[0x02, 1, 0]),
            (Value::Integer(-1), &[0x02, 1, 0xff]),
            (Value::Integer(128), &[0x02, 2, 0, 0x80]),
            (Value::Integer(i32::MIN), &[0x02, 4, 0x80, 0, 0, 0]),
            (Value::Integer(i32::MAX), &[0x02, 4, 0x7f, 0xff, 0xff, 0xff]),
            (Value::Counter32(u32::MAX), &[0x41, 5, 0, 0xff, 0xff, 0xff, 0xff]),
            (Value::Gauge32(0), &[0x42, 1, 0]),
            (Value::TimeTicks(256), &[0x43, 2, 1, 0]),
            (Value::Counter64(u64::MAX), &[0x46, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            (Value::text(""), &[0x04, 0]),
            (Value::Identifier(&[0, 0]), &[0x06, 1, 0]),
            (Value::Address("10.9.0.1".parse().ok()), &[0x04, 4, 10, 9, 0, 1]),
            (Value::NoSuchObject, &[0x80, 0]),
            (Value::NoSuchInstance, &[0x81, 0]),
            (Value::EndOfMibView, &[0x82, 0]),
        ];
        for (value, octets) in table {
            assert_eq!(encoded(&value), octets, "{value:?}");
        }
    }

    #[test]
    fn text_is_cut_between_two_characters() {
        let long = format!("{}é", "a".repeat(254));
        assert_eq!(Value::text(&long), Value::Octets(Cow::Borrowed("a".repeat(254).as_bytes())));
        assert_eq!(Value::owned_text(long.clone()), Value::text(&long));
        assert_eq!(Value::ascii("Zürich"), Value::Octets(Cow::Borrowed(b"Z?rich")));
    }

    #[test]
    fn wrapping_puts_the_header_in_front_and_element_octets_foretells_the_size() {
        for content in [0, 1, 127, 128, 255, 256, 1400, 65535] {
            let mut out = vec![9, 9];
            out.resize(2 + content, 7);
            wrap(tag::SEQUENCE, 2, &mut out);
            assert_eq!(out.len(), 2 + element_octets(content));
            assert_eq!(out[..3], [9, 9, 0x30]);
            assert!(out[out.len() - content..].iter().all(|octet| *octet == 7));
        }
    }

    #[test]
    fn up_time_counts_hundredths_since_the_start_and_wraps() {
        let started = Instant::from_micros(5_000_000);
        assert_eq!(Value::up_time(Instant::from_micros(6_234_567), started), Value::TimeTicks(123));
        assert_eq!(Value::up_time(Instant::ZERO, started), Value::TimeTicks(0));
        let late = started + Duration::from_millis((u64::from(u32::MAX) + 3) * 10);
        assert_eq!(Value::up_time(late, started), Value::TimeTicks(2));
    }
}
