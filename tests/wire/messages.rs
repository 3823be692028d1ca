//! Messages: one of each kind written out, and strategies for all of them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rais_core::address::{HostName, IdAddress, ServiceAddress};
use rais_core::info_message::{Ask, Body, Claim, EntryPart, Heard, Info, Message, Order, Orders, Row, Status};
use rais_core::notification::Reason;
use rais_core::operator::{FailbackOrder, Policy};
use rais_core::params::Choice;
use rais_core::quantity::{EntryVersion, Generation, Incarnation, PassNumber, PolicyVersion, Sequence};
use rais_core::samples;
use std::net::IpAddr;
use std::time::Duration;

pub(crate) fn id(text: &str) -> IdAddress {
    text.parse().unwrap()
}

pub(crate) fn service(text: &str) -> ServiceAddress {
    text.parse().unwrap()
}

/// A heartbeat that uses every section and every kind of row.
pub(crate) fn full_info() -> Message {
    Message {
        sender: id("10.9.1.1"),
        incarnation: Incarnation(7),
        sequence: Sequence(258),
        body: Body::Info(Info {
            status: Status {
                load: 250,
                generation: Generation(3),
                digest: 0x0102_0304_0506_0708,
                ..samples::status("edge-1")
            },
            entry_version: EntryVersion(5),
            part: Some(EntryPart {
                index: 0,
                count: 1,
                control_addresses: vec!["10.9.1.1".parse().unwrap(), "fd00:9::1".parse().unwrap()],
                rows: vec![
                    Row::Preferred(service("10.9.0.101")),
                    Row::Preferred(service("fd00:9::101")),
                    Row::Claim(service("10.9.0.101"), Claim::Online),
                    Row::Claim(service("fd00:9::101"), Claim::Acquiring),
                    Row::Claim(service("10.9.0.102"), Claim::Releasing),
                    Row::Orphan {
                        address: service("10.9.0.102"),
                        preferred: id("fd00:9::2"),
                        age: Duration::from_millis(1500),
                    },
                    Row::Orphan {
                        address: service("fd00:9::103"),
                        preferred: id("10.9.1.3"),
                        age: Duration::from_micros(1),
                    },
                ],
            }),
            heard: vec![
                Heard {
                    id: id("10.9.1.2"),
                    incarnation: Incarnation(1),
                    sequence: Sequence(99),
                    age: Duration::from_micros(100_001),
                    loss: 15,
                },
                Heard {
                    id: id("fd00:9::2"),
                    incarnation: Incarnation(2),
                    sequence: Sequence(0),
                    age: Duration::ZERO,
                    loss: 0,
                },
            ],
        }),
    }
}

/// A beat that changes nothing.
pub(crate) fn short_info() -> Message {
    let mut message = full_info();
    if let Body::Info(info) = &mut message.body {
        info.part = None;
        info.heard.clear();
    }
    message
}

/// A beat of a group whose policy operators changed.
fn policy_info() -> Message {
    let mut message = short_info();
    if let Body::Info(info) = &mut message.body {
        let (failback, told) = (Some(FailbackOrder::Manual), Some(id("10.9.1.2")));
        info.status.policy = Policy { version: PolicyVersion(3), told, failback, choice: Some(Choice::Balanced) };
    }
    message
}

fn orders(reason: Reason) -> Orders {
    let order = |destination, life, address| Order {
        destination: id(destination),
        life: Incarnation(life),
        address: service(address),
        reason,
    };
    let orders = vec![order("10.9.1.2", 7, "fd00:9::101"), order("fd00:9::2", u64::MAX - 1, "10.9.0.102")];
    Orders { pass: PassNumber(41), orders }
}

pub(crate) fn with_body(body: Body) -> Message {
    Message { sender: id("fd00:9::1"), incarnation: Incarnation(u64::MAX), sequence: Sequence(1), body }
}

/// One message of each kind, with a name for it.
pub(crate) fn one_of_each() -> Vec<(&'static str, Message)> {
    vec![
        ("info-full", full_info()),
        ("info-short", short_info()),
        ("info-policy", policy_info()),
        ("acquire", with_body(Body::Acquire(orders(Reason::Unserved)))),
        ("release", with_body(Body::Release(orders(Reason::Configuration)))),
        ("leave", with_body(Body::Leave)),
        ("ask", with_body(Body::Ask(Ask { host: id("10.9.1.2"), known: EntryVersion(6) }))),
    ]
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
}

/// Any age that the format can hold.
fn age() -> impl Strategy<Value = Duration> {
    prop_oneof![0..5_000_000u64, 0..1u64 << 48].prop_map(Duration::from_micros)
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![Just(Claim::Acquiring), Just(Claim::Online), Just(Claim::Releasing)]
}

pub(crate) fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        ip().prop_map(|a| Row::Preferred(ServiceAddress(a))),
        (ip(), claim()).prop_map(|(a, claim)| Row::Claim(ServiceAddress(a), claim)),
        (ip(), ip(), age()).prop_map(|(a, p, age)| Row::Orphan {
            address: ServiceAddress(a),
            preferred: IdAddress(p),
            age
        }),
    ]
}

pub(crate) fn heard() -> impl Strategy<Value = Heard> {
    (ip(), any::<u64>(), any::<u64>(), age(), any::<u16>()).prop_map(|(id, incarnation, sequence, age, loss)| Heard {
        id: IdAddress(id),
        incarnation: Incarnation(incarnation),
        sequence: Sequence(sequence),
        age,
        loss,
    })
}

pub(crate) fn status() -> impl Strategy<Value = Status> {
    ("[a-z0-9][a-z0-9._-]{0,31}", any::<[bool; 5]>(), any::<[u32; 2]>(), any::<[u64; 2]>(), policy()).prop_map(
        |(name, [ok, quiesced, draining, settled, spare], [load, capacity], [generation, digest], policy)| Status {
            name: HostName::new(&name).unwrap(),
            ok,
            // The last is one that a later release has a word for.
            trouble: [Some(Reason::Test), Some(Reason::Carrier), Some(Reason::Partition), None][load as usize % 4]
                .filter(|_| !ok),
            quiesced,
            draining,
            settled,
            spare,
            load,
            capacity,
            generation: Generation(generation),
            digest,
            policy,
        },
    )
}

/// What operators changed; none of it with the number 0, as the core has it.
fn policy() -> impl Strategy<Value = Policy> {
    let failback = [None, Some(FailbackOrder::Immediate), Some(FailbackOrder::Manual)];
    let choice = [None, Some(Choice::Balanced), Some(Choice::Random)];
    (any::<u64>(), ip(), 0..3_usize, 0..3_usize).prop_map(move |(version, told, at, by)| match version {
        0 => Policy::default(),
        version => Policy {
            version: PolicyVersion(version),
            told: Some(IdAddress(told)),
            failback: failback[at],
            choice: choice[by],
        },
    })
}

/// A piece of an entry. Half of them start their control addresses with the sender's id, as the core's do.
fn part(sender: IpAddr, rows: usize) -> impl Strategy<Value = EntryPart> {
    (any::<u16>(), 1..=u16::MAX, any::<bool>(), vec(ip(), 0..4), vec(row(), 0..rows)).prop_map(
        move |(index, count, id_first, listed, rows)| EntryPart {
            index: index % count,
            count,
            control_addresses: id_first.then_some(sender).into_iter().chain(listed).collect(),
            rows,
        },
    )
}

const REASONS: [Reason; 15] = [
    Reason::Unserved,
    Reason::Failback,
    Reason::Test,
    Reason::Operator,
    Reason::Duplicate,
    Reason::Expired,
    Reason::Stop,
    Reason::Overslept,
    Reason::Load,
    Reason::Configuration,
    Reason::Lost,
    Reason::Carrier,
    Reason::Partition,
    Reason::Removed,
    Reason::Unknown,
];

pub(crate) fn any_order() -> impl Strategy<Value = Order> {
    (ip(), any::<u64>(), ip(), proptest::sample::select(&REASONS[..])).prop_map(|(d, life, a, reason)| Order {
        destination: IdAddress(d),
        life: Incarnation(life),
        address: ServiceAddress(a),
        reason,
    })
}

fn any_orders() -> impl Strategy<Value = Orders> {
    (any::<u64>(), vec(any_order(), 0..30)).prop_map(|(pass, orders)| Orders { pass: PassNumber(pass), orders })
}

fn info(sender: IpAddr) -> impl Strategy<Value = Info> {
    (status(), any::<u64>(), option::of(part(sender, 18)), vec(heard(), 0..8))
        .prop_map(|(status, version, part, heard)| Info { status, entry_version: EntryVersion(version), part, heard })
}

/// Any message that fits a datagram.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    ip().prop_flat_map(|sender| {
        let body = prop_oneof![
            4 => info(sender).prop_map(Body::Info),
            1 => any_orders().prop_map(Body::Acquire),
            1 => any_orders().prop_map(Body::Release),
            1 => Just(Body::Leave),
            1 => (ip(), any::<u64>()).prop_map(|(a, known)| {
                Body::Ask(Ask { host: IdAddress(a), known: EntryVersion(known) })
            }),
        ];
        (any::<u64>(), any::<u64>(), body).prop_map(move |(incarnation, sequence, body)| Message {
            sender: IdAddress(sender),
            incarnation: Incarnation(incarnation),
            sequence: Sequence(sequence),
            body,
        })
    })
}
