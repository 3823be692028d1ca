//! Messages with a community (RFC 1901 §3, RFC 1157 §4): from what the scanner found to a request, and from a response back
//! to octets.
//!
//! It does not know what is behind a name, nor whether a community is good. Nothing is decoded twice but the names, and
//! nothing is copied; in the tests `snmp-parser` has to find the same in every message.

use super::ber::{self, PduScan, VERSION_2C, tag};
use super::oid::Oid;
use super::value::{element_octets, integer, primitive, wrap};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    GetNext,
    /// Negative fields are 0 already.
    GetBulk {
        non_repeaters: usize,
        max_repetitions: usize,
    },
    Set,
}

/// A request: what is asked, of which names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    /// Its variable bindings, as they were scanned.
    bindings: &'a [u8],
}

impl<'a> Request<'a> {
    /// What a PDU asks for; `None` if it is none that asks for something.
    pub(crate) fn of(scan: &PduScan<'a>) -> Option<Self> {
        let operation = match scan.pdu {
            tag::GET => Operation::Get,
            tag::GET_NEXT => Operation::GetNext,
            tag::SET => Operation::Set,
            tag::GET_BULK => {
                let [_, non_repeaters, max_repetitions] = scan.fields.map(|field| usize::try_from(field).unwrap_or(0));
                Operation::GetBulk { non_repeaters, max_repetitions }
            }
            _ => return None,
        };
        Some(Self { operation, bindings: scan.bindings })
    }

    /// The names, in the order of the request.
    pub(crate) fn names(&self) -> impl Iterator<Item = Oid> + 'a {
        ber::bindings(self.bindings).map(|(name, ..)| name)
    }
}

/// How many octets a message takes whose variable bindings take `bindings`.
pub(crate) fn message_octets(community: &[u8], fields: [i32; 3], bindings: usize) -> usize {
    element_octets(element_octets(1) + element_octets(community.len()) + pdu_octets(fields, bindings))
}

/// How many octets a PDU takes whose variable bindings take `bindings`.
pub(crate) fn pdu_octets(fields: [i32; 3], bindings: usize) -> usize {
    let fields: usize = fields.iter().map(|field| element_octets(integer_octets(*field))).sum();
    element_octets(fields + element_octets(bindings))
}

/// Content octets of an INTEGER.
pub(crate) const fn integer_octets(number: i32) -> usize {
    let magnitude = if number < 0 { !number } else { number };
    (32 - magnitude.leading_zeros() as usize) / 8 + 1
}

/// Appends a version 2c message: `fields` are request-id, error-status and error-index, or what a PDU has in their place.
pub(crate) fn message(community: &[u8], pdu: u8, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>) {
    message_of(VERSION_2C, community, pdu, fields, bindings, out);
}

/// Appends a message of a version that has communities.
pub(crate) fn message_of(
    version: i32,
    community: &[u8],
    pdu: u8,
    fields: [i32; 3],
    bindings: &[u8],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    integer(version, out);
    primitive(tag::OCTET_STRING, community, out);
    self::pdu(pdu, fields, bindings, out);
    wrap(tag::SEQUENCE, start, out);
}

/// Appends a PDU.
pub(crate) fn pdu(tag: u8, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    for field in fields {
        integer(field, out);
    }
    primitive(tag::SEQUENCE, bindings, out);
    wrap(tag, start, out);
}

#[cfg(test)]
mod tests {
    use super::super::ber::{Scan, scan};
    use super::super::value::{Value, binding};
    use super::*;
    use proptest::prelude::*;
    use snmp_parser::{PduType, SnmpGenericMessage, SnmpPdu, parse_snmp_generic_message};

    /// What snmp-parser finds: what is asked, and the names. It refuses three things that are legal: a community that is
    /// not UTF-8, a negative request-id, and negative fields of a GetBulkRequest (which count as 0, RFC 3416 §4.2.3). So
    /// it is given a message in which these are others.
    fn theirs(scan: &Scan<'_>) -> (Option<Operation>, Vec<Oid>) {
        let mut digestible = Vec::new();
        message(b"", scan.pdu.pdu, scan.pdu.fields.map(|field| field.max(0)), scan.pdu.bindings, &mut digestible);
        let (_, SnmpGenericMessage::V2(decoded)) = parse_snmp_generic_message(&digestible).unwrap() else { panic!() };
        let (operation, variables) = match decoded.pdu {
            SnmpPdu::Generic(pdu) => {
                let operation = match pdu.pdu_type {
                    PduType::GetRequest => Some(Operation::Get),
                    PduType::GetNextRequest => Some(Operation::GetNext),
                    PduType::SetRequest => Some(Operation::Set),
                    _ => None,
                };
                (operation, pdu.var)
            }
            SnmpPdu::Bulk(pdu) => {
                let [non_repeaters, max_repetitions] =
                    [pdu.non_repeaters, pdu.max_repetitions].map(|field| field as usize);
                (Some(Operation::GetBulk { non_repeaters, max_repetitions }), pdu.var)
            }
            SnmpPdu::TrapV1(_) => panic!("no PDU of version 2c"),
        };
        (operation, variables.iter().map(|variable| Oid::from_octets(variable.oid.as_bytes()).unwrap()).collect())
    }

    fn ours(scan: &Scan<'_>) -> (Option<Operation>, Vec<Oid>) {
        let names = ber::bindings(scan.pdu.bindings).map(|(name, ..)| name).collect();
        let request = Request::of(&scan.pdu);
        if let Some(request) = request {
            assert_eq!(request.names().collect::<Vec<_>>(), names);
        }
        (request.map(|request| request.operation), names)
    }

    fn value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            any::<i32>().prop_map(Value::Integer),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|octets| Value::Octets(octets.into())),
            any::<Option<std::net::IpAddr>>().prop_map(Value::Address),
            Just(Value::Identifier(&[2, 999, u32::MAX])),
            any::<u32>().prop_map(Value::Counter32),
            any::<u32>().prop_map(Value::Gauge32),
            any::<u32>().prop_map(Value::TimeTicks),
            any::<u64>().prop_map(Value::Counter64),
            Just(Value::NoSuchObject),
            Just(Value::NoSuchInstance),
            Just(Value::EndOfMibView),
        ]
    }

    prop_compose! {
        fn a_message()(
            community in prop::collection::vec(any::<u8>(), 0..70),
            pdu in prop::sample::select(vec![tag::GET, tag::GET_NEXT, tag::RESPONSE, tag::SET, tag::GET_BULK, tag::TRAP, tag::REPORT]),
            fields in any::<[i32; 3]>(),
            variables in prop::collection::vec((prop::collection::vec(any::<u32>(), 0..126), value()), 0..6),
        ) -> (Vec<u8>, u8, [i32; 3], Vec<Oid>, Vec<u8>) {
            let mut bindings = Vec::new();
            let names: Vec<_> = variables.iter().map(|(arcs, value)| {
                let mut name = Oid::new(&[1, 3]);
                name.extend(arcs.iter().copied());
                binding(&name, value, &mut bindings);
                name
            }).collect();
            let mut datagram = Vec::new();
            message(&community, pdu, fields, &bindings, &mut datagram);
            (community, pdu, fields, names, datagram)
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_found_and_snmp_parser_finds_it_too((community, pdu, fields, names, datagram) in a_message()) {
            let scan = scan(&datagram).unwrap();
            prop_assert_eq!((scan.community, scan.pdu.pdu, scan.pdu.fields), (&*community, pdu, fields));
            prop_assert_eq!(ours(&scan).1, names);
            prop_assert_eq!(ours(&scan), theirs(&scan));
        }

        #[test]
        fn snmp_parser_finds_the_same_in_whatever_the_scanner_lets_pass(
            (.., mut datagram) in a_message(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for (at, octet) in changes {
                let at = at.index(datagram.len());
                datagram[at] = octet;
            }
            if let Ok(scan) = scan(&datagram) {
                prop_assert_eq!(ours(&scan), theirs(&scan));
            }
        }
    }

    #[test]
    fn the_size_of_a_message_is_foretold_exactly() {
        for community in [&b""[..], b"public", &[b'x'; 64]] {
            for field in [0, -1, 127, 128, -128, -129, 32767, 32768, 1 << 23, i32::MAX, i32::MIN] {
                for bindings in [0, 1, 80, 100, 120, 127, 128, 200, 240, 255, 256, 1400, 65_000] {
                    let fields = [field, 0, field];
                    let mut out = Vec::new();
                    message(community, tag::RESPONSE, fields, &vec![0; bindings], &mut out);
                    assert_eq!(out.len(), message_octets(community, fields, bindings), "{fields:?} {bindings}");
                }
            }
        }
    }
}
