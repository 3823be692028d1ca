//! Malformed messages: RFC 3417 §8 (which BER is used), RFC 3416 §3 and §4.1 (which values there are), X.690 §8. Each
//! is counted by snmpInASNParseErrs and changes nothing else.

use crate::bench::{Bench, COMMUNITY, SYS_NAME};
use crate::ber::{self, GET, tlv};
use rais::snmp::{Dropped, ScanError};

fn name() -> Vec<u8> {
    ber::oid(&ber::parse(SYS_NAME))
}

/// A message with this list of variable bindings, given in octets.
fn with_list(list: &[u8]) -> Vec<u8> {
    with_pdu(&tlv(GET, &[ber::int(1), ber::int(0), ber::int(0), list.to_vec()].concat()))
}

fn with_pdu(pdu: &[u8]) -> Vec<u8> {
    ber::message(1, COMMUNITY, pdu)
}

/// A message with this one variable binding, given in octets.
fn with_binding(binding: &[u8]) -> Vec<u8> {
    with_list(&tlv(0x30, binding))
}

/// A message with this value, given in octets.
fn with_value(value: &[u8]) -> Vec<u8> {
    with_binding(&tlv(0x30, &[name(), value.to_vec()].concat()))
}

/// A message with this name, given in content octets.
fn with_name(content: &[u8]) -> Vec<u8> {
    with_binding(&tlv(0x30, &[tlv(6, content), ber::null()].concat()))
}

fn good() -> Vec<u8> {
    with_value(&ber::null())
}

fn is_malformed(datagram: &[u8]) -> bool {
    let mut bench = Bench::new();
    let outcome = bench.raw(datagram);
    let malformed = matches!(outcome, Err(Dropped::Scan(ScanError::Malformed(_))));
    assert_eq!(bench.agent.counters().asn_parse_errors, u64::from(malformed), "{outcome:?}");
    malformed
}

#[track_caller]
fn refused(what: &str, datagram: &[u8]) {
    assert!(is_malformed(datagram), "{what}: {datagram:02x?}");
}

#[track_caller]
fn accepted(what: &str, datagram: &[u8]) {
    let reply = Bench::new().raw(datagram);
    let reply = reply.unwrap_or_else(|dropped| panic!("{what}: {dropped}: {datagram:02x?}"));
    assert_eq!(ber::read(&reply).status, 0, "{what}");
}

#[test]
fn a_good_message_is_good() {
    accepted("the message that the others are spoilt from", &good());
}

#[test]
fn every_message_that_ends_early_is_malformed() {
    for end in 0..good().len() {
        refused(&format!("{end} octets of it"), &good()[..end]);
    }
}

#[test]
fn octets_after_any_structure_are_malformed() {
    refused("after the message", &[good(), vec![0]].concat());
    refused("after the message, a whole element", &[good(), ber::null()].concat());
    let pdu = ber::pdu(GET, [1, 0, 0], &[]);
    refused("after the PDU", &ber::sequence(&[ber::int(1), tlv(4, COMMUNITY), pdu.clone(), ber::null()]));
    let fields = [ber::int(1), ber::int(0), ber::int(0), ber::sequence(&[]), ber::null()].concat();
    refused("after the list", &with_pdu(&tlv(GET, &fields)));
    refused("after a value", &with_binding(&tlv(0x30, &[name(), ber::null(), ber::null()].concat())));
    refused(
        "after a binding, no binding",
        &with_list(&ber::sequence(&[ber::binding(&[1, 3], &ber::null()), vec![5, 0]])),
    );
}

#[test]
fn missing_parts_are_malformed() {
    refused("no version", &ber::sequence(&[]));
    refused("no community", &ber::sequence(&[ber::int(1)]));
    refused("no PDU", &ber::sequence(&[ber::int(1), tlv(4, COMMUNITY)]));
    for fields in 0..3 {
        refused(&format!("a PDU of {fields} fields"), &with_pdu(&tlv(GET, &vec![ber::int(1); fields].concat())));
    }
    refused("a PDU without a list", &with_pdu(&tlv(GET, &vec![ber::int(1); 3].concat())));
    refused("a binding of nothing", &with_binding(&tlv(0x30, &[])));
    refused("a binding without a value", &with_binding(&tlv(0x30, &name())));
}

#[test]
fn lengths_may_be_longer_than_needed_but_not_indefinite() {
    // RFC 3417 §8 (1): "it is permissible to use more than the minimum number of length octets".
    let body = &good()[2..];
    assert!(body.len() < 128);
    for prefix in [&[0x30, 0x81][..], &[0x30, 0x82, 0], &[0x30, 0x83, 0, 0], &[0x30, 0x84, 0, 0, 0]] {
        accepted("a longer outer length", &[prefix, &[body.len() as u8], body].concat());
    }
    refused("a length of five octets", &[&[0x30, 0x85, 0, 0, 0, 0, body.len() as u8], body].concat());
    refused("a length of 127 octets", &[&[0x30, 0xff], body].concat());
    refused("an indefinite outer length", &[&[0x30, 0x80], body, &[0, 0]].concat());
    let pdu = &ber::pdu(GET, [1, 0, 0], &[])[2..];
    refused("an indefinite PDU", &with_pdu(&[&[GET, 0x80], pdu, &[0, 0]].concat()));
    refused("an indefinite list", &with_list(&[0x30, 0x80, 0, 0]));
    accepted("a longer length in a list", &with_list(&[0x30, 0x82, 0, 0]));
    accepted("a longer length in a name", &with_binding(&tlv(0x30, &[&[6, 0x81, 1, 0x2b], &ber::null()[..]].concat())));
    accepted("a longer length in a value", &with_value(&[5, 0x83, 0, 0, 0]));
}

#[test]
fn lengths_that_lie_are_malformed() {
    // Not the version's: a longer one reads as another version, and is counted as such.
    for (at, what) in [(1, "the message's"), (6, "the community's"), (14, "the PDU's"), (26, "the list's")] {
        for lie in [1, 0x7f] {
            let mut datagram = good();
            datagram[at] = datagram[at].wrapping_add(lie) & 0x7f;
            refused(&format!("{what} length {lie} off"), &datagram);
        }
    }
    refused("a length of 2^32 - 1", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02, 1, 1]);
}

#[test]
fn simple_types_are_primitive_and_structures_constructed() {
    // RFC 3417 §8 (2).
    for (at, what) in [
        (0, "the message"),
        (2, "the version"),
        (5, "the community"),
        (15, "the request-id"),
        (24, "the list"),
        (26, "the binding"),
    ] {
        let mut datagram = good();
        datagram[at] ^= 0x20;
        refused(&format!("{what} the other way"), &datagram);
    }
    refused("a constructed string", &with_value(&tlv(0x24, &tlv(4, b"x"))));
    refused("a constructed NULL", &with_value(&[0x25, 0]));
    refused("a primitive PDU", &with_pdu(&tlv(0x80, &[])));
}

#[test]
fn wrong_classes_and_tags_are_malformed() {
    for class in [0x40, 0x80, 0xc0] {
        for (at, what) in
            [(0, "the message"), (2, "the version"), (5, "the community"), (15, "the request-id"), (28, "the name")]
        {
            let mut datagram = good();
            datagram[at] ^= class;
            refused(&format!("{what} of another class"), &datagram);
        }
    }
    refused("a tag number above 30", &with_value(&[0x1f, 0x81, 1, 0]));
    refused("a PDU of universal class", &with_pdu(&ber::pdu(0x20, [1, 0, 0], &[])));
}

#[test]
fn pdus_that_version_2_does_not_have_are_malformed() {
    for tag in [0xa4, 0xa9, 0xaa, 0xb0, 0xbe, 0x30, 0x60, 0xe0] {
        refused(&format!("{tag:02x}"), &with_pdu(&ber::pdu(tag, [1, 0, 0], &[])));
    }
}

#[test]
fn integers_are_of_32_bits() {
    refused("a version of no octets", &ber::sequence(&[tlv(2, &[]), tlv(4, COMMUNITY), ber::pdu(GET, [1, 0, 0], &[])]));
    for position in 0..3 {
        for (content, good) in [
            (&[][..], false),
            (&[0x80, 0, 0, 0], true),
            (&[0x7f, 0xff, 0xff, 0xff], true),
            (&[0, 0, 0, 1], true),
            (&[0xff, 0xff, 0xff, 0xff], true),
            (&[0, 0x80, 0, 0, 0], false),
            (&[0, 0, 0, 0, 1], false),
        ] {
            let mut fields = [ber::int(1), ber::int(0), ber::int(0), ber::sequence(&[])];
            fields[position] = tlv(2, content);
            let datagram = with_pdu(&tlv(GET, &fields.concat()));
            assert_eq!(is_malformed(&datagram), !good, "field {position} {content:02x?}");
        }
    }
}

#[test]
fn values_fit_their_types() {
    // RFC 3416 §3, RFC 2578 §7.1.
    let nine = [0x7f; 9];
    let table: [(&str, u8, &[u8], bool); 31] = [
        ("NULL", 5, &[], true),
        ("NULL with content", 5, &[0], false),
        ("INTEGER", 2, &[0xff], true),
        ("INTEGER of no octets", 2, &[], false),
        ("INTEGER of 40 bits", 2, &[1, 0, 0, 0, 0], false),
        ("OCTET STRING", 4, b"x", true),
        ("OCTET STRING of no octets", 4, &[], true),
        ("OBJECT IDENTIFIER", 6, &[0x2b], true),
        ("OBJECT IDENTIFIER of no octets", 6, &[], false),
        ("OBJECT IDENTIFIER cut short", 6, &[0x2b, 0x80], false),
        ("IpAddress", 0x40, &[10, 9, 0, 1], true),
        ("IpAddress of 3 octets", 0x40, &[10, 9, 0], false),
        ("IpAddress of 16 octets", 0x40, &[0; 16], false),
        ("Counter32", 0x41, &[0, 0xff, 0xff, 0xff, 0xff], true),
        ("Counter32 of no octets", 0x41, &[], false),
        ("Counter32 of 33 bits", 0x41, &[1, 0, 0, 0, 0], false),
        ("Counter32 below zero", 0x41, &[0xff], false),
        ("Gauge32", 0x42, &[0], true),
        ("Gauge32 below zero", 0x42, &[0x80, 0, 0, 0], false),
        ("TimeTicks", 0x43, &[1], true),
        ("TimeTicks of 33 bits", 0x43, &[0x7f, 0, 0, 0, 0], false),
        ("Opaque", 0x44, &[1, 2, 3], true),
        ("Counter64", 0x46, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], true),
        ("Counter64 of 72 bits", 0x46, &nine, false),
        ("noSuchObject", 0x80, &[], true),
        ("endOfMibView", 0x82, &[], true),
        ("endOfMibView with content", 0x82, &[0], false),
        ("NsapAddress, which version 2 dropped", 0x45, &[1, 2], false),
        ("UInteger32, which version 2 dropped", 0x47, &[1], false),
        ("BIT STRING", 3, &[0, 1], false),
        ("an unknown exception", 0x83, &[], false),
    ];
    for (what, tag, content, good) in table {
        assert_eq!(is_malformed(&with_value(&tlv(tag, content))), !good, "{what}");
    }
}

#[test]
fn names_have_at_most_128_sub_identifiers_of_32_bits() {
    // RFC 3416 §4.1; X.690 §8.19.
    let table: [(&str, Vec<u8>, bool); 9] = [
        ("one octet", vec![0x2b], true),
        ("nothing", vec![], false),
        ("128 sub-identifiers", vec![1; 127], true),
        ("129 sub-identifiers", vec![1; 128], false),
        ("2^32 - 1", vec![0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f], true),
        ("2^32", vec![0x2b, 0x90, 0x80, 0x80, 0x80, 0], false),
        ("an idle octet in front", vec![0x2b, 0x80, 1], false),
        ("an end within a sub-identifier", vec![0x2b, 0x81], false),
        ("2.999", vec![0x88, 0x37], true),
    ];
    for (what, content, good) in table {
        assert_eq!(is_malformed(&with_name(&content)), !good, "{what}");
    }
}

#[test]
fn a_name_of_128_sub_identifiers_is_answered_under_that_name() {
    let mut name = vec![1, 3];
    name.resize(128, u32::MAX);
    let datagram =
        ber::message(1, COMMUNITY, &ber::pdu(ber::GET_NEXT, [1, 0, 0], &[ber::binding(&name, &ber::null())]));
    let answer = Bench::new().ask(&datagram);
    assert_eq!((answer.variables[0].tag, &answer.variables[0].name), (ber::END_OF_MIB_VIEW, &name));
}

#[test]
fn a_negative_request_id_is_legal_in_every_request() {
    for pdu in [GET, ber::GET_NEXT, ber::GET_BULK] {
        let answer = Bench::new().ask(&ber::request(pdu, [-77, 1, 1], &[SYS_NAME]));
        assert_eq!((answer.request_id, answer.variables.len()), (-77, 1), "{pdu:02x}");
    }
}
