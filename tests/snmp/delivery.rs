//! Deliveries to receivers: repetitions, answers, forgeries, holding back; in virtual time and in raw octets. And the real
//! snmptrapd as the receiver of traps and informs in both versions.

use crate::ber;
use crate::trap_receiver::Receiver;
use rais::snmp::View;
use rais::snmp::delivery::{Delivery, DeliveryParams, MAX_WAITING, Notice, Security, Stray};
use rais::snmp::notify::Kind;
use rais::snmp::v3::{Authentication, EngineClock, EngineId, Level, Privacy, Salts, User};
use rais_core::time::{Duration, Instant};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

const TIMEOUT: Duration = Duration::from_secs(2);

pub fn at(ms: u64) -> Instant {
    Instant::from_micros(1_000_000 + ms * 1000)
}

fn notice(about: &str, number: u64) -> Arc<Notice> {
    let event = crate::traps::sample_event(number);
    let bindings = rais::snmp::notify::bindings(&event, &crate::sample::snapshot());
    Arc::new(Notice { about: about.to_owned(), bindings })
}

fn v2c(kind: Kind, throttle: Duration) -> Delivery {
    let security = Security::Community(b"public".to_vec());
    Delivery::new(params(kind, security, throttle), 100)
}

/// Of somebody who may be told everything.
pub fn params(kind: Kind, security: Security, throttle: Duration) -> DeliveryParams {
    DeliveryParams { kind, security, view: View::everything(), timeout: TIMEOUT, retries: 2, throttle }
}

fn informs() -> Delivery {
    v2c(Kind::Inform, Duration::ZERO)
}

pub fn all(delivery: &mut Delivery, now: Instant) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| delivery.poll(now)).collect()
}

fn ids(datagrams: &[Vec<u8>]) -> Vec<i64> {
    datagrams.iter().map(|datagram| ber::read(datagram).request_id).collect()
}

/// A version 2c PDU without bindings.
fn answer(community: &[u8], pdu: u8, request_id: i64, status: i64) -> Vec<u8> {
    let fields = [ber::int(request_id), ber::int(status), ber::int(0), ber::tlv(0x30, &[])].concat();
    ber::tlv(0x30, &[ber::int(1), ber::tlv(4, community), ber::tlv(pdu, &fields)].concat())
}

#[test]
fn an_inform_is_repeated_with_the_same_request_id_and_then_given_up() {
    // RFC 3413 §3.2 (5): "the retransmission ... uses the same ... request-id".
    let mut delivery = informs();
    delivery.offer(notice("a", 1), at(0));
    let first = all(&mut delivery, at(0));
    assert_eq!(ids(&first), [101]);
    for ms in [2000, 4000] {
        assert_eq!(delivery.due(), Some(at(ms)));
        assert!(all(&mut delivery, at(ms - 1)).is_empty());
        assert_eq!(all(&mut delivery, at(ms)), first, "octet by octet the same");
    }
    assert!(all(&mut delivery, at(6000)).is_empty());
    assert_eq!(delivery.due(), None);
    let counters = delivery.counters();
    assert_eq!((counters.sent, counters.repeated, counters.given_up, counters.acknowledged), (1, 2, 1, 0));
}

#[test]
fn only_a_response_with_the_community_and_a_request_id_under_way_is_an_answer() {
    // RFC 3416 §4.2.7; whoever guesses must guess the request-id, and whoever is not the peer is not heard at all.
    let table: [(&str, Vec<u8>, Stray); 8] = [
        ("another request-id", answer(b"public", 0xa2, 102, 0), Stray::Unexpected),
        ("an earlier life's", answer(b"public", 0xa2, 7, 0), Stray::Unexpected),
        ("another community", answer(b"private", 0xa2, 101, 0), Stray::Foreign),
        ("the inform itself, reflected", answer(b"public", 0xa6, 101, 0), Stray::NotAResponse),
        ("a GET", answer(b"public", 0xa0, 101, 0), Stray::NotAResponse),
        ("version 1", ber::tlv(0x30, &[ber::int(0), ber::tlv(4, b"public")].concat()), Stray::Foreign),
        ("nothing", Vec::new(), Stray::Foreign),
        ("a cut one", answer(b"public", 0xa2, 101, 0)[..10].to_vec(), Stray::Foreign),
    ];
    let mut delivery = informs();
    delivery.offer(notice("a", 1), at(0));
    all(&mut delivery, at(0));
    for (number, (what, datagram, stray)) in (1..).zip(table) {
        assert_eq!(delivery.receive(&datagram, at(1)), Err(stray), "{what}");
        assert_eq!((delivery.counters().strays, delivery.counters().acknowledged), (number, 0), "{what}");
    }
    assert_eq!(all(&mut delivery, at(2000)).len(), 1, "it waits for its answer still");
    assert_eq!(delivery.receive(&answer(b"public", 0xa2, 101, 0), at(2001)), Ok(()));
    assert_eq!(delivery.due(), None);
    assert_eq!(delivery.receive(&answer(b"public", 0xa2, 101, 0), at(2002)), Err(Stray::Unexpected), "once is enough");
}

#[test]
fn an_answer_with_an_error_ends_the_repetitions_and_counts_as_a_refusal() {
    // RFC 3416 §4.2.7: a receiver that can not take an inform says so in the error-status.
    for status in [1, 5, 18] {
        let mut delivery = informs();
        delivery.offer(notice("a", 1), at(0));
        all(&mut delivery, at(0));
        assert_eq!(delivery.receive(&answer(b"public", 0xa2, 101, status), at(1)), Ok(()));
        assert_eq!((delivery.counters().refused, delivery.counters().acknowledged, delivery.due()), (1, 0, None));
    }
}

#[test]
fn sixteen_informs_are_under_way_and_the_rest_follows_in_order() {
    let mut delivery = informs();
    (0..40).for_each(|number| delivery.offer(notice(&number.to_string(), number), at(0)));
    let first = all(&mut delivery, at(0));
    assert_eq!(ids(&first), (101..117).collect::<Vec<_>>());
    assert_eq!(delivery.receive(&answer(b"public", 0xa2, 110, 0), at(1)), Ok(()));
    assert_eq!(ids(&all(&mut delivery, at(1))), [117]);
    // Nobody answers: those under way are given up, and the next are tried.
    for ms in [2001, 4001] {
        assert_eq!(all(&mut delivery, at(ms)).len(), 16);
    }
    assert_eq!(ids(&all(&mut delivery, at(6001))), (118..134).collect::<Vec<_>>());
}

#[test]
fn a_dead_receiver_costs_a_bounded_queue_whose_oldest_make_room() {
    let mut delivery = informs();
    let count = MAX_WAITING as u64 + 116;
    (0..count).for_each(|number| {
        delivery.offer(notice("x", number), at(0));
        all(&mut delivery, at(0));
    });
    assert_eq!(delivery.counters().dropped, 100);
    assert_eq!(delivery.counters().sent, 16);
}

#[test]
fn the_same_row_is_told_at_once_then_held_back_and_the_last_of_it_is_told() {
    let mut delivery = v2c(Kind::Trap, Duration::from_secs(1));
    let number = |datagrams: &[Vec<u8>]| -> Vec<i64> {
        datagrams.iter().map(|datagram| ber::read(datagram).variables[3].number()).collect()
    };
    let mut step = |ms: u64, offered: &[(&str, u64)]| {
        for (about, event) in offered {
            delivery.offer(notice(about, *event), at(ms));
        }
        number(&all(&mut delivery, at(ms)))
    };
    assert_eq!(step(0, &[("http .101", 1)]), [1]);
    assert_eq!(step(100, &[("http .101", 2), ("http .102", 3)]), [3], "another row is told at once");
    assert_eq!(step(200, &[("http .101", 4)]), [0; 0]);
    assert_eq!(step(999, &[]), [0; 0]);
    assert_eq!(step(1000, &[]), [4], "the last of those held back");
    assert_eq!(step(1500, &[("http .101", 5)]), [0; 0], "and the pause begins again");
    assert_eq!(step(2000, &[]), [5]);
    assert_eq!(step(3000, &[]), [0; 0]);
    assert_eq!(step(3001, &[("http .101", 6)]), [6]);
    assert_eq!((delivery.counters().superseded, delivery.counters().sent), (1, 5));
}

const AUTH: &[u8] = b"correct horse battery";
const PRIV: &[u8] = b"staple of the battery";

/// Making keys out of pass phrases is meant to be slow: each engine's are made once.
fn user(engine: EngineId) -> User {
    static USERS: Mutex<Vec<User>> = Mutex::new(Vec::new());
    let mut users = USERS.lock().unwrap();
    if let Some(user) = users.iter().find(|user| *user.engine() == engine) {
        return user.clone();
    }
    users.push(make_user(engine));
    users.last().unwrap().clone()
}

fn make_user(engine: EngineId) -> User {
    let (authentication, privacy) = (Authentication::Sha256, Privacy::Aes128);
    let keys = [authentication.localise(AUTH, &engine), privacy.localise(authentication, PRIV, &engine)];
    let [authentication_key, privacy_key] = keys.map(Result::unwrap);
    User::new(b"noc", engine, Some((authentication, authentication_key)), Some((privacy, privacy_key))).unwrap()
}

fn v3(kind: Kind, ours: EngineId, authoritative: EngineId) -> Delivery {
    Delivery::new(v3_params(kind, ours, authoritative), 100)
}

pub fn v3_params(kind: Kind, ours: EngineId, authoritative: EngineId) -> DeliveryParams {
    let security = Security::User {
        user: user(authoritative),
        level: Level::AuthPriv,
        engine: ours,
        clock: EngineClock::new(3, at(0)),
        salts: Salts::new(7),
    };
    params(kind, security, Duration::ZERO)
}

pub fn engine(text: &[u8]) -> EngineId {
    EngineId::new(&[&[0x80, 0, 0x7e, 0xd9, 5], text].concat()).unwrap()
}

#[test]
fn nobody_who_lacks_the_keys_can_answer_a_version_3_inform() {
    let mut delivery = v3(Kind::Inform, engine(b"box"), engine(b"nms"));
    delivery.offer(notice("a", 1), at(0));
    let sent = all(&mut delivery, at(0));
    assert_eq!(sent.len(), 1);
    // The right request-id in version 2c, what was sent reflected, and what was sent with any one bit changed.
    let forged = answer(b"public", 0xa2, 101, 0);
    assert_eq!(delivery.receive(&forged, at(1)), Err(Stray::Foreign));
    assert!(delivery.receive(&sent[0], at(1)).is_err());
    for bit in 0..sent[0].len() * 8 {
        let mut bad = sent[0].clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(delivery.receive(&bad, at(1)).is_err(), "bit {bit}");
    }
    assert_eq!((delivery.counters().acknowledged, delivery.counters().refused), (0, 0));
    assert_eq!(delivery.due(), Some(at(2000)), "it waits for its answer still");
}

/// Talks to a real receiver until everything was answered or given up, in real time.
fn converse(delivery: &mut Delivery, receiver: &Receiver) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", receiver.port)).unwrap();
    let start = std::time::Instant::now();
    let now = || at(u64::try_from(start.elapsed().as_millis()).unwrap());
    let mut buffer = [0; 2048];
    loop {
        for datagram in all(delivery, now()) {
            socket.send(&datagram).unwrap();
        }
        let Some(due) = delivery.due() else { return };
        socket.set_read_timeout(Some(due.since(now()).max(Duration::from_millis(1)))).unwrap();
        if let Ok(length) = socket.recv(&mut buffer) {
            let _ = delivery.receive(&buffer[..length], now());
        }
    }
}

#[test]
fn snmptrapd_takes_traps_and_informs_in_both_versions_and_acknowledges_informs() {
    let (ours, theirs) = (engine(b"box"), engine(b"snmptrapd"));
    let receiver = Receiver::start_with(&format!(
        "authCommunity log public\nexactEngineID 0x{}\nauthUser log noc\n\
         createUser -e 0x{} noc SHA-256 \"{auth}\" AES \"{privacy}\"\n\
         createUser noc SHA-256 \"{auth}\" AES \"{privacy}\"\n",
        hex(theirs.as_bytes()),
        hex(ours.as_bytes()),
        auth = str::from_utf8(AUTH).unwrap(),
        privacy = str::from_utf8(PRIV).unwrap(),
    ));
    let deliveries = [
        ("v2c trap", v2c(Kind::Trap, Duration::ZERO)),
        ("v2c inform", informs()),
        ("v3 trap", v3(Kind::Trap, ours, ours)),
        ("v3 inform", v3(Kind::Inform, ours, theirs)),
    ];
    for (number, (what, mut delivery)) in (1..).zip(deliveries) {
        delivery.offer(notice("a", number), at(0));
        converse(&mut delivery, &receiver);
        let heard = receiver.line();
        println!("{what}: {heard}");
        assert!(heard.contains("RAIS-MIB::raisAcquire|"), "{what}: {heard}");
        assert!(heard.contains(&format!("raisNotifyNumber.0 = Counter64: {number}")), "{what}: {heard}");
        let informs = u64::from(what.ends_with("inform"));
        assert_eq!((delivery.counters().sent, delivery.counters().acknowledged), (1, informs), "{what}");
        assert_eq!(delivery.counters().given_up, 0, "{what}");
        assert_eq!(receiver.said().count(), 0, "{what}: once");
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What a receiver can send, good and bad: the start of the fuzzer's corpus, and run here as it stands, cut anywhere.
#[test]
fn every_answer_of_the_corpus_is_believed_or_counted_and_does_no_harm() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/answers");
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        for cut in 0..=octets.len() {
            for mut delivery in [informs(), v3(Kind::Inform, engine(b"box"), engine(b"nms"))] {
                delivery.offer(notice("a", 1), at(0));
                all(&mut delivery, at(0));
                let believed = delivery.receive(&octets[..cut], at(1)).is_ok();
                let counters = *delivery.counters();
                assert_eq!(counters.strays, u64::from(!believed));
                assert_eq!(counters.acknowledged + counters.refused, u64::from(believed));
                all(&mut delivery, at(2000));
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}
