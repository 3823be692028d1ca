//! Messages with a community (RFC 1901 §3, RFC 1157 §4): from octets to a request, and from a response back to octets.
//!
//! It does not know what is behind a name, nor whether a community is good. `snmp-parser` decodes what the scanner let
//! pass. It refuses three things that are legal: a community that is not UTF-8, a negative request-id, and negative
//! fields of a GetBulkRequest (which count as 0, RFC 3416 §4.2.3). A message with one of them is decoded from a copy in
//! which just that field is another; what is echoed is always taken from the original.

use super::ber::{PduScan, Scan, ScanError, VERSION_2C, tag};
use super::oid::Oid;
use super::value::{element_octets, integer, primitive, wrap};
use snmp_parser::{SnmpGenericMessage, SnmpPdu, SnmpVariable, parse_snmp_generic_message};
use std::borrow::Cow;

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
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    variables: Vec<SnmpVariable<'a>>,
}

impl Request<'_> {
    /// The names, in the order of the request.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = Oid> + '_ {
        // The scanner has decoded every name once: none fails here.
        self.variables.iter().map(|variable| Oid::from_octets(variable.oid.as_bytes()).unwrap_or(Oid::EMPTY))
    }
}

/// The octets to decode: the datagram itself, or a copy that snmp-parser does not refuse.
pub(crate) fn digestible<'a>(datagram: &'a [u8], scan: &Scan<'a>) -> Cow<'a, [u8]> {
    let refused = scan.version != VERSION_2C
        || std::str::from_utf8(scan.community).is_err()
        || scan.pdu.fields.iter().any(|field| *field < 0);
    if !refused {
        return Cow::Borrowed(datagram);
    }
    Cow::Owned(digestible_pdu(&scan.pdu))
}

/// The octets to decode for a PDU that came in another message: as snmp-parser has no way into a ScopedPDU, it gets a
/// version 2c message of nobody's.
pub(crate) fn digestible_pdu(scan: &PduScan<'_>) -> Vec<u8> {
    let mut copy = Vec::with_capacity(scan.bindings.len() + 32);
    message(b"", scan.pdu, scan.fields.map(|field| field.max(0)), scan.bindings, &mut copy);
    copy
}

/// Decodes a request; `None` if the PDU is none that asks for something.
///
/// # Errors
/// [`ScanError::Malformed`] if snmp-parser refuses what the scanner let pass; no such message is known.
pub(crate) fn decode(digestible: &[u8]) -> Result<Option<Request<'_>>, ScanError> {
    let refused = ScanError::Malformed("refused by the decoder");
    let (_, decoded) = parse_snmp_generic_message(digestible).map_err(|_| refused)?;
    let SnmpGenericMessage::V2(decoded) = decoded else { return Err(refused) };
    let (operation, variables) = match decoded.pdu {
        SnmpPdu::Generic(pdu) => {
            let operation = match pdu.pdu_type {
                snmp_parser::PduType::GetRequest => Operation::Get,
                snmp_parser::PduType::GetNextRequest => Operation::GetNext,
                snmp_parser::PduType::SetRequest => Operation::Set,
                _ => return Ok(None),
            };
            (operation, pdu.var)
        }
        SnmpPdu::Bulk(pdu) => {
            let [non_repeaters, max_repetitions] =
                [pdu.non_repeaters, pdu.max_repetitions].map(|field| usize::try_from(field).unwrap_or(usize::MAX));
            (Operation::GetBulk { non_repeaters, max_repetitions }, pdu.var)
        }
        SnmpPdu::TrapV1(_) => return Err(refused),
    };
    Ok(Some(Request { operation, variables }))
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
    use super::super::ber::scan;
    use super::super::value::{Value, binding};
    use super::*;
    use proptest::prelude::*;

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
            pdu in prop::sample::select(vec![tag::GET, 0xa1, tag::RESPONSE, tag::SET, tag::GET_BULK, tag::TRAP, tag::REPORT]),
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
        fn scanner_and_decoder_agree_on_every_legal_message((community, pdu, fields, names, datagram) in a_message()) {
            let scan = scan(&datagram).unwrap();
            prop_assert_eq!((scan.community, scan.pdu.pdu, scan.pdu.fields), (&*community, pdu, fields));
            let digestible = digestible(&datagram, &scan);
            let request = decode(&digestible).unwrap();
            prop_assert_eq!(request.is_some(), matches!(pdu, tag::GET | 0xa1 | tag::SET | tag::GET_BULK));
            if let Some(request) = request {
                prop_assert_eq!(request.names().collect::<Vec<_>>(), names);
                if let Operation::GetBulk { non_repeaters, max_repetitions } = request.operation {
                    let expected = [fields[1], fields[2]].map(|field| usize::try_from(field).unwrap_or(0));
                    prop_assert_eq!([non_repeaters, max_repetitions], expected);
                }
            }
        }

        #[test]
        fn the_decoder_refuses_nothing_that_the_scanner_lets_pass(
            (.., mut datagram) in a_message(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for (at, octet) in changes {
                let at = at.index(datagram.len());
                datagram[at] = octet;
            }
            if let Ok(scan) = scan(&datagram) {
                prop_assert!(decode(&digestible(&datagram, &scan)).is_ok());
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
