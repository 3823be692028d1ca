//! What is refused, why, and in which order (G-2); and what must not be refused, so that releases can be mixed (G-6).

use crate::messages::{full_info, one_of_each, short_info};
use crate::{codec, codec_with, key, signed, unsigned};
use rais::wire::{Codec, CodecError, KeyId, MAX_DATAGRAM};
use rais_core::counters::DropCause;
use rais_core::info_message::{Body, Message};
use rais_core::notification::Reason;
use std::collections::BTreeMap;

/// Octets of the header of a datagram of group "http" by an IPv4 sender.
const HEADER: usize = 8 + 5 + 5 + 16;

fn datagram(message: &Message) -> Vec<u8> {
    codec().encode(message).unwrap()
}

#[test]
fn every_flipped_bit_is_refused() {
    for (name, message) in one_of_each() {
        let good = datagram(&message);
        assert_eq!(codec().decode(&good, 255).as_ref(), Ok(&message));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(codec().decode(&bad, 255).is_err(), "{name}: bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_every_lengthening_is_refused() {
    for (name, message) in one_of_each() {
        let good = datagram(&message);
        for length in 0..good.len() {
            assert!(codec().decode(&good[..length], 255).is_err(), "{name}: {length} octets");
            assert!(codec().decode(&good[good.len() - length..], 255).is_err(), "{name}: last {length} octets");
        }
        for more in 1..40 {
            let longer = [good.clone(), vec![0; more]].concat();
            assert!(codec().decode(&longer, 255).is_err(), "{name}: {more} more octets");
        }
    }
}

/// Each row spoils one thing more than the row before; the cause stays the one that is checked first.
#[test]
fn causes_are_checked_from_the_cheapest_to_the_dearest() {
    type Spoil = fn(&mut Vec<u8>);
    let table: [(DropCause, Spoil); 6] = [
        (DropCause::BadSignature, |d| *d.last_mut().unwrap() ^= 1),
        (DropCause::UnknownKey, |d| d[7] = 3),
        (DropCause::ForeignGroup, |d| d[9] = b'x'),
        (DropCause::Version, |d| d[4] = 2),
        (DropCause::Malformed, |d| d[0] = b'r'),
        (DropCause::Malformed, |d| d.resize(MAX_DATAGRAM + 1, 0)),
    ];
    let mut bad = datagram(&full_info());
    for (cause, spoil) in table {
        spoil(&mut bad);
        assert_eq!(codec().decode(&bad, 255), Err(cause));
        for ttl in [0, 1, 64, 254] {
            assert_eq!(codec().decode(&bad, ttl), Err(DropCause::OffLink), "ttl {ttl}");
        }
    }
}

#[test]
fn a_datagram_of_another_group_is_foreign_even_under_the_same_key() {
    for other in ["https", "htt", "xttp", "h"] {
        let foreign = codec_with(other, &[1]).encode(&full_info()).unwrap();
        assert_eq!(codec().decode(&foreign, 255), Err(DropCause::ForeignGroup), "{other}");
    }
}

#[test]
fn a_key_is_rotated_without_a_message_lost() {
    let [old, both_send_old, both_send_new, new] =
        [&[1][..], &[1, 2], &[2, 1], &[2]].map(|ids: &[u8]| codec_with("http", ids));
    let message = short_info();
    for (from, to, heard) in [
        (&old, &both_send_old, true),
        (&both_send_old, &old, true),
        (&both_send_old, &both_send_new, true),
        (&both_send_new, &both_send_old, true),
        (&both_send_new, &new, true),
        (&new, &both_send_new, true),
        (&old, &new, false),
        (&new, &old, false),
    ] {
        let received = to.decode(&from.encode(&message).unwrap(), 255);
        assert_eq!(received, if heard { Ok(message.clone()) } else { Err(DropCause::UnknownKey) });
    }
}

#[test]
fn the_right_key_under_the_wrong_id_is_a_bad_signature() {
    let mut body = unsigned(&datagram(&short_info()));
    body[7] = 2;
    assert_eq!(codec().decode(&signed(body.clone(), 1), 255), Err(DropCause::BadSignature));
    assert!(codec().decode(&signed(body, 2), 255).is_ok());
}

#[test]
fn a_codec_needs_the_key_it_sends_with() {
    let keys = BTreeMap::from([(KeyId(1), key(1))]);
    let error = Codec::new("http".parse().unwrap(), &keys, KeyId(2)).unwrap_err();
    assert_eq!(error, CodecError::NoSendKey(KeyId(2)));
    assert_eq!(error.to_string(), "send_key is 2, but there is no key with that id");
}

#[test]
fn a_codec_shows_no_key_when_it_is_debugged() {
    assert_eq!(format!("{:?}", codec()), "Codec { group: GroupName(\"http\"), send_key: KeyId(1), .. }");
}

#[test]
fn a_type_of_a_newer_release_is_a_cause_of_its_own_and_only_if_authentic() {
    for message_type in [0, 6, 200] {
        let mut body = unsigned(&datagram(&short_info()));
        body[6] = message_type;
        assert_eq!(codec().decode(&signed(body.clone(), 1), 255), Err(DropCause::UnknownType));
        assert_eq!(codec().decode(&signed(body, 9), 255), Err(DropCause::BadSignature));
    }
}

/// Replaces the section of a short heartbeat by these octets.
fn with_body_octets(body: &[u8]) -> Vec<u8> {
    let mut octets = unsigned(&datagram(&short_info()));
    octets.truncate(HEADER);
    octets.extend_from_slice(body);
    signed(octets, 1)
}

fn status_section() -> Vec<u8> {
    unsigned(&datagram(&short_info()))[HEADER..].to_vec()
}

/// A status section and a section of this type and value.
fn status_and(section_type: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    with_body_octets(&[&status_section(), &[section_type][..], &length, value].concat())
}

#[test]
fn an_authentic_body_that_lies_is_malformed() {
    let status = status_section();
    let named = |name: &[u8]| {
        let mut section = status[..status.len() - 7].to_vec();
        section.push(u8::try_from(name.len()).unwrap());
        section.extend_from_slice(name);
        section[2] = u8::try_from(section.len() - 3).unwrap();
        with_body_octets(&section)
    };
    assert_eq!(codec().decode(&named(b"edge-1"), 255), Ok(short_info()));
    let part = |tail: &[u8]| status_and(2, &[&[0, 0, 0, 1, 0], tail].concat());
    assert!(codec().decode(&part(&[1, 4, 10, 0, 0, 1]), 255).is_ok());
    let table = [
        ("no status", with_body_octets(&[])),
        ("status twice", with_body_octets(&[status.clone(), status.clone()].concat())),
        ("half a section header", with_body_octets(&[&status[..], &[3, 0]].concat())),
        ("a section longer than the datagram", with_body_octets(&[&status[..], &[3, 0, 1]].concat())),
        ("a section longer than any datagram", with_body_octets(&[&status[..], &[3, 255, 255]].concat())),
        ("a status cut short", with_body_octets(&[1, 0, 5, 0, 0, 0, 0, 0])),
        ("an empty name", named(b"")),
        ("a name with a capital", named(b"Edge-1")),
        ("a name that is no UTF-8", named(b"\xff\xff")),
        ("a name too long", named(&[b'a'; 33])),
        ("piece 1 of 1", status_and(2, &[0, 1, 0, 1, 0])),
        ("piece 0 of 0", status_and(2, &[0, 0, 0, 0, 0])),
        ("a control address missing", status_and(2, &[0, 0, 0, 1, 1])),
        ("a control address of no family", status_and(2, &[0, 0, 0, 1, 1, 5, 10, 0, 0, 1])),
        ("half a record header", part(&[1])),
        ("a record longer than its section", part(&[1, 4, 10, 0, 0])),
        ("a record shorter than its address", part(&[1, 3, 10, 0, 0])),
        ("an IPv6 record with an IPv4 address", part(&[0x81, 4, 10, 0, 0, 1])),
        ("a claim of no state", part(&[2, 5, 0, 10, 0, 0, 1])),
        ("a claim of a state from the future", part(&[2, 5, 4, 10, 0, 0, 1])),
        ("an orphan with no age", part(&[3, 8, 10, 0, 0, 1, 10, 0, 0, 2])),
        ("a box heard with no age", status_and(3, &[4, 4, 10, 0, 0, 1])),
    ];
    for (what, datagram) in table {
        assert_eq!(codec().decode(&datagram, 255), Err(DropCause::Malformed), "{what}");
    }
}

#[test]
fn a_command_without_its_order_and_a_question_without_its_box_are_malformed() {
    for message_type in [2, 3, 5] {
        let mut octets = unsigned(&datagram(&short_info()));
        octets[6] = message_type;
        assert_eq!(codec().decode(&signed(octets, 1), 255), Err(DropCause::Malformed), "type {message_type}");
    }
}

#[test]
fn a_sender_of_no_family_is_malformed() {
    let mut octets = unsigned(&datagram(&short_info()));
    octets[13] = 5;
    assert_eq!(codec().decode(&signed(octets, 1), 255), Err(DropCause::Malformed));
}

#[test]
fn unknown_records_and_unknown_octets_at_the_end_of_known_ones_are_ignored() {
    let part = status_and(
        2,
        &[
            &[0, 0, 0, 1, 0x80][..],
            // A kind of the next release, then addresses with something behind them, then an empty unknown record.
            &[0x3f, 3, 1, 2, 3],
            &[1, 6, 10, 0, 0, 1, 99, 99],
            &[2, 6, 2, 10, 0, 0, 1, 99],
            &[0x04, 0],
        ]
        .concat(),
    );
    let Body::Info(info) = codec().decode(&part, 255).unwrap().body else { panic!("not an info message") };
    assert_eq!(
        format!("{:?}", info.part.unwrap().rows),
        "[Preferred(ServiceAddress(10.0.0.1)), Claim(ServiceAddress(10.0.0.1), Online)]"
    );

    let mut longer_status = status_section();
    longer_status.extend_from_slice(&[1, 2, 3]);
    longer_status[2] += 3;
    assert_eq!(codec().decode(&with_body_octets(&longer_status), 255), Ok(short_info()));
}

#[test]
fn unknown_flags_and_reasons_are_ignored() {
    let mut status = status_section();
    status[3] |= 0xe0;
    assert_eq!(codec().decode(&with_body_octets(&status), 255), Ok(short_info()));

    let mut all = one_of_each().into_iter().map(|(_, message)| message);
    let acquire = all.find(|message| matches!(message.body, Body::Acquire(_))).unwrap();
    let mut octets = unsigned(&datagram(&acquire));
    *octets.last_mut().unwrap() = 77;
    match codec().decode(&signed(octets, 1), 255).unwrap().body {
        Body::Acquire(orders) => assert_eq!(orders.orders.last().unwrap().reason, Reason::Unknown),
        other => panic!("{other:?}"),
    }
}
