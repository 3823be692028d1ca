//! What holds for every message and every datagram.

use crate::messages::{any_order, heard, message, row, status, with_body};
use crate::{codec, codec_with, signed, unsigned};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rais::wire::{EncodeError, MAX_DATAGRAM};
use rais_core::address::{HostName, IdAddress};
use rais_core::info_message::{Body, EntryPart, Info, Message, Orders, Row, Status};
use rais_core::quantity::{EntryVersion, PassNumber};
use std::net::IpAddr;
use std::time::Duration;

fn heartbeat(status: Status, part: Option<EntryPart>, heard: Vec<rais_core::info_message::Heard>) -> Message {
    with_body(Body::Info(Info { status, entry_version: EntryVersion(1), part, heard }))
}

fn plain_status() -> Status {
    Status { spare: true, ..rais_core::samples::status("a") }
}

fn octets_of(message: &Message) -> usize {
    codec().encode(message).unwrap().len()
}

fn part_of(rows: Vec<Row>) -> Option<EntryPart> {
    Some(EntryPart { index: 0, count: 1, control_addresses: vec![], rows })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(message in message()) {
        let datagram = codec().encode(&message).unwrap();
        prop_assert!(datagram.len() <= MAX_DATAGRAM);
        prop_assert_eq!(codec().decode(&datagram, 255), Ok(message));
    }

    #[test]
    fn random_octets_are_refused_and_never_panic(octets in vec(any::<u8>(), 0..1600), ttl in any::<u8>()) {
        prop_assert!(codec().decode(&octets, ttl).is_err());
    }

    #[test]
    fn a_datagram_with_octets_changed_is_refused(
        message in message(),
        changes in vec((any::<Index>(), 1u8..), 1..8),
    ) {
        let good = codec().encode(&message).unwrap();
        let mut bad = good.clone();
        for (at, by) in changes {
            *at.get_mut(&mut bad) ^= by;
        }
        prop_assume!(bad != good);
        prop_assert!(codec().decode(&bad, 255).is_err());
    }

    /// The body's own checks, which a good signature leaves in charge: a broken release is no reason to fall over.
    #[test]
    fn a_mutated_body_under_a_good_signature_never_panics(
        message in message(),
        changes in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
    ) {
        let mut body = unsigned(&codec().encode(&message).unwrap());
        for (at, to) in changes {
            *at.get_mut(&mut body) = to;
        }
        let _ = codec().decode(&signed(body.clone(), 1), 255);
        body.truncate(cut.index(body.len()));
        let _ = codec().decode(&signed(body, 1), 255);
    }

    #[test]
    fn unknown_sections_are_ignored_wherever_they_stand(
        message in message(),
        extra in vec((7u8.., vec(any::<u8>(), 0..20)), 1..4),
        before in any::<bool>(),
    ) {
        let unknown: Vec<u8> = extra
            .into_iter()
            .flat_map(|(section_type, value)| {
                [vec![section_type, 0, u8::try_from(value.len()).unwrap()], value].concat()
            })
            .collect();
        let mut datagram = unsigned(&codec().encode(&message).unwrap());
        // Magic, versions, type and key id; the group's name; the sender; incarnation and sequence.
        let header = 8 + 5 + if message.sender.0.is_ipv6() { 17 } else { 5 } + 16;
        let at = if before { header } else { datagram.len() };
        datagram.splice(at..at, unknown);
        prop_assume!(datagram.len() + 32 <= MAX_DATAGRAM);
        datagram[5] = 9;
        prop_assert_eq!(codec().decode(&signed(datagram, 1), 255), Ok(message));
    }

    #[test]
    fn a_row_takes_no_more_octets_than_the_core_packs_by(row in row()) {
        let without = octets_of(&heartbeat(plain_status(), part_of(vec![]), vec![]));
        let with = octets_of(&heartbeat(plain_status(), part_of(vec![row]), vec![]));
        prop_assert!(with - without <= row.octets(), "{row:?} takes {} octets", with - without);
        prop_assert!(row.octets() <= 42);
    }

    #[test]
    fn an_order_takes_no_more_octets_than_the_core_packs_by(order in any_order()) {
        let orders = |orders| octets_of(&with_body(Body::Acquire(Orders { pass: PassNumber(1), orders })));
        prop_assert!(orders(vec![order, order]) - orders(vec![order]) <= order.octets(), "{order:?}");
    }

    /// What the core leaves free when it packs orders.
    #[test]
    fn everything_but_the_orders_takes_at_most_120_octets(orders in Just(Vec::new())) {
        let message = with_body(Body::Release(Orders { pass: PassNumber(1), orders }));
        prop_assert!(codec_with(&"g".repeat(32), &[1]).encode(&message).unwrap().len() <= 120);
    }

    #[test]
    fn second_hand_knowledge_of_a_box_takes_at_most_42_octets(one in heard(), other in heard()) {
        let one_box = octets_of(&heartbeat(plain_status(), None, vec![one]));
        let two_boxes = octets_of(&heartbeat(plain_status(), None, vec![one, other]));
        prop_assert!(two_boxes - one_box <= 42);
    }

    /// 120 octets for status, 30 for a policy, 120 for the rest: the core leaves 310 free when it packs rows and second-hand
    /// ages.
    #[test]
    fn everything_but_rows_and_second_hand_ages_takes_at_most_270_octets(status in status(), one in heard()) {
        let sender = with_body(Body::Leave).sender.0;
        let control_addresses = [sender, IpAddr::from([1; 16]), IpAddr::from([2; 16]), IpAddr::from([3; 16])].to_vec();
        let name = HostName::new(&"n".repeat(32)).unwrap();
        let part = EntryPart { index: 0, count: 1, control_addresses, rows: vec![] };
        let message = heartbeat(Status { name, ..status }, Some(part), vec![one]);
        let datagram = codec_with(&"g".repeat(32), &[1]).encode(&message).unwrap();
        let heard = if one.id.0.is_ipv6() { 42 } else { 30 };
        prop_assert!(datagram.len() - heard <= 270, "{} octets", datagram.len() - heard);
    }
}

#[test]
fn an_age_beyond_what_six_octets_hold_is_sent_as_the_longest() {
    let age = |age| {
        let heard = rais_core::info_message::Heard {
            id: IdAddress(IpAddr::from([10, 0, 0, 1])),
            incarnation: Default::default(),
            sequence: Default::default(),
            age,
            loss: 0,
        };
        let datagram = codec().encode(&heartbeat(plain_status(), None, vec![heard])).unwrap();
        match codec().decode(&datagram, 255).unwrap().body {
            Body::Info(info) => info.heard[0].age,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(age(Duration::MAX), Duration::from_micros((1 << 48) - 1));
    assert_eq!(age(Duration::from_nanos(1_999)), Duration::from_micros(1));
}

#[test]
fn a_message_that_does_not_fit_a_datagram_is_not_encoded() {
    let row = Row::Preferred("10.0.0.1".parse().unwrap());
    let fits = |rows: usize| codec().encode(&heartbeat(plain_status(), part_of(vec![row; rows]), vec![]));
    let most = (0..).take_while(|rows| fits(*rows).is_ok()).last().unwrap();
    assert!(most > 190, "only {most} addresses fit");
    assert!(matches!(fits(most + 1), Err(EncodeError::TooLong { octets }) if octets > MAX_DATAGRAM));
    assert!(matches!(fits(20_000), Err(EncodeError::TooLong { .. })));
}

#[test]
fn more_control_addresses_than_the_format_counts_are_not_encoded() {
    let address = IpAddr::from([10, 0, 0, 1]);
    let part = |count| EntryPart { index: 0, count: 1, control_addresses: vec![address; count], rows: vec![] };
    assert!(codec().encode(&heartbeat(plain_status(), Some(part(15)), vec![])).is_ok());
    let error = codec().encode(&heartbeat(plain_status(), Some(part(16)), vec![])).unwrap_err();
    assert_eq!(error, EncodeError::TooManyControlAddresses(16));
}
