//! The zone's text, its serial, and every fault of a header with its line.

use super::*;
use proptest::prelude::*;

const PLAIN: &str = include_str!("../../tests/dns/headers/plain.header");
const GOOD: [&str; 5] = [
    PLAIN,
    include_str!("../../tests/dns/headers/one-line-without-end.header"),
    include_str!("../../tests/dns/headers/units.header"),
    include_str!("../../tests/dns/headers/soa-everywhere.header"),
    include_str!("../../tests/dns/headers/origin-moves.header"),
];

fn params(header: &str) -> ZoneParams<'_> {
    ZoneParams { name: "www.example.net", record: "@", ttl: 5, header }
}

fn zone(header: &str) -> Zone {
    Zone::new(params(header)).unwrap_or_else(|faults| panic!("{faults}\n{header}"))
}

fn set(addresses: &[&str]) -> BTreeSet<ServiceAddress> {
    addresses.iter().map(|text| text.parse().unwrap()).collect()
}

/// Unix time of the tests.
const NOW: u64 = 1_800_000_000;

#[test]
fn a_zone_is_the_header_with_our_serial_and_then_the_addresses() {
    let text = zone(PLAIN).update(&set(&["fd00:9::101", "10.9.0.102", "10.9.0.11"]), NOW).unwrap();
    let expected = PLAIN.replace("\t\t1\t;", "\t\t1800000000\t;")
        + "; Below: written by raisd. Changes made here are lost.\n\
           www.example.net.\t5\tIN\tA\t10.9.0.11\n\
           www.example.net.\t5\tIN\tA\t10.9.0.102\n\
           www.example.net.\t5\tIN\tAAAA\tfd00:9::101\n";
    assert_eq!(text.text, expected);
    assert_eq!((text.serial, text.records), (1_800_000_000, 3));
}

#[test]
fn the_serial_is_found_however_the_soa_is_written() {
    for header in GOOD {
        let mut zone = zone(header);
        let text = zone.update(&set(&["10.9.0.1"]), 0).unwrap();
        let body = &text.text;
        let read = header::read_back(body, &zone.header, &zone.owner).unwrap();
        assert_eq!((read.serial, read.addresses), (text.serial, set(&["10.9.0.1"])), "{body}");
    }
}

#[test]
fn a_minimum_above_the_ttl_is_lowered_and_one_below_is_left() {
    let minimum = |ttl, minimum: &str| {
        let header = PLAIN.replace("\t\t5 )\t; minimum", &format!("\t\t{minimum} ) ; minimum"));
        let text = Zone::new(ZoneParams { ttl, ..params(&header) }).unwrap().update(&set(&[]), NOW).unwrap().text;
        let line = text.lines().find(|line| line.contains("; minimum")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(minimum(5, "3600"), "5");
    assert_eq!(minimum(5, "1h"), "5");
    assert_eq!(minimum(3600, "1h"), "1h");
    assert_eq!(minimum(60, "5"), "5");
}

#[test]
fn the_owner_may_be_below_the_origin() {
    for (record, owner) in [
        ("@", "www.example.net."),
        ("web", "web.www.example.net."),
        ("a.b", "a.b.www.example.net."),
        ("*", "*.www.example.net."),
        ("web.WWW.example.net.", "web.WWW.example.net."),
    ] {
        let mut zone = Zone::new(ZoneParams { record, ..params(PLAIN) }).unwrap();
        let text = zone.update(&set(&["10.9.0.1"]), NOW).unwrap().text;
        assert_eq!(text.lines().last().unwrap(), format!("{owner}\t5\tIN\tA\t10.9.0.1"));
    }
}

#[test]
fn a_zone_is_written_when_the_set_changed_and_not_otherwise() {
    let mut zone = zone(PLAIN);
    let (one, two) = (set(&["10.9.0.1"]), set(&["10.9.0.1", "10.9.0.2"]));
    let mut serials = Vec::new();
    for (addresses, now, is_written) in [
        (&one, NOW, true),
        (&one, NOW + 1, false),
        (&two, NOW + 1, true),
        (&two, NOW + 9, false),
        (&one, NOW + 1, true),
        (&two, NOW - 500, true),
        (&set(&[]), NOW, true),
    ] {
        let text = zone.update(addresses, now);
        assert_eq!(text.is_some(), is_written);
        if let Some(text) = text {
            zone.written(&text);
            serials.push(u64::from(text.serial) - NOW);
        }
    }
    assert_eq!(serials, [0, 1, 2, 3, 4]);
    assert_eq!(u64::from(zone.last_serial()), NOW + 4);
}

#[test]
fn a_text_that_could_not_be_written_is_offered_again_under_a_later_serial() {
    let mut zone = zone(PLAIN);
    let first = zone.update(&set(&["10.9.0.1"]), NOW).unwrap();
    let second = zone.update(&set(&["10.9.0.1"]), NOW).unwrap();
    assert_eq!((first.serial + 1, first.digest), (second.serial, second.digest));
    zone.written(&second);
    assert_eq!(zone.update(&set(&["10.9.0.1"]), NOW), None);
    // A write that was given up on leaves nobody knows what behind: the same set is written again.
    let lost = zone.update(&set(&["10.9.0.2"]), NOW);
    assert!(lost.is_some() && zone.update(&set(&["10.9.0.1"]), NOW).is_some());
}

#[test]
fn a_restart_goes_on_where_the_file_stands() {
    let addresses = set(&["10.9.0.1", "fd00::1"]);
    let mut before = zone(PLAIN);
    let file = before.update(&addresses, NOW).unwrap().text;

    let mut after = zone(PLAIN);
    assert_eq!(after.resume(&file), addresses);
    assert_eq!(after.update(&addresses, NOW + 60), None, "the same set is not written again");
    assert_eq!(after.update(&set(&["10.9.0.1"]), NOW - 60).map(|t| u64::from(t.serial)), Some(NOW + 1));
}

#[test]
fn a_changed_header_or_ttl_or_a_touched_file_is_a_change() {
    let addresses = set(&["10.9.0.1"]);
    let file = zone(PLAIN).update(&addresses, NOW).unwrap().text;
    let new_header = PLAIN.replace("ns2", "ns3");
    for (what, params, file) in [
        ("header", params(&new_header), file.clone()),
        ("ttl", ZoneParams { ttl: 6, ..params(PLAIN) }, file.clone()),
        ("file", params(PLAIN), file + "; a hand was here\n"),
    ] {
        let mut zone = Zone::new(params).unwrap();
        assert_eq!(zone.resume(&file), addresses, "{what}");
        assert_eq!(zone.update(&addresses, NOW).map(|t| u64::from(t.serial)), Some(NOW + 1), "{what}");
    }
}

#[test]
fn a_file_that_is_no_zone_of_this_origin_is_ignored() {
    let other = Zone::new(ZoneParams { name: "other.example.net", ..params(PLAIN) })
        .unwrap()
        .update(&set(&["10.9.0.1"]), NOW + 1000)
        .unwrap()
        .text
        .replace("@\tIN SOA", "other.example.net.\tIN SOA");
    for file in ["", "\0\u{1}", "no zone at all", "@ IN SOA a b 1 2 3", other.as_str()] {
        let mut zone = zone(PLAIN);
        assert_eq!(zone.resume(file), set(&[]), "{file:?}");
        assert_eq!(zone.update(&set(&["10.9.0.1"]), NOW).map(|t| u64::from(t.serial)), Some(NOW), "{file:?}");
    }
}

#[test]
fn a_serial_that_the_operators_zone_had_before_is_not_gone_below() {
    let dated = PLAIN.replace("\t\t1\t;", "\t\t2026010203\t;");
    assert_eq!(zone(&dated).update(&set(&["10.9.0.1"]), NOW).unwrap().serial, 2_026_010_204);
}

const SOA: &str = "@ 60 SOA ns.example.net. root.example.net. 1 3600 600 604800 5\n";
const NS: &str = "@ 60 NS ns.example.net.\n";

fn clash(owner: &str, record_type: &str) -> Fault {
    Fault::Clash { owner: owner.to_owned(), record_type: record_type.to_owned() }
}

fn hides(owner: &str, record_type: &str) -> Fault {
    Fault::Hides { owner: owner.to_owned(), record_type: record_type.to_owned() }
}

/// Faults of a header that follows a good SOA (line 1) and NS (line 2), for record `web`.
fn after_good_start() -> Vec<(&'static str, Vec<HeaderFault>)> {
    let web = "web.www.example.net";
    let dot =
        |written: &str| Fault::FinalDot { written: written.to_owned(), meaning: format!("{written}.www.example.net") };
    let both = |name: &str| Fault::CnameAndMore(name.to_owned());
    let odd = |name: &str| Fault::OddName(name.to_owned());
    let twice = Fault::Twice { owner: "a.www.example.net".to_owned(), record_type: "A".to_owned(), first: 3 };
    let mixed = Fault::MixedTtl { owner: "a.www.example.net".to_owned(), record_type: "A".to_owned() };
    vec![
        ("$INCLUDE other", vec![Fault::Directive("$INCLUDE".to_owned()).on(3)]),
        ("\n$include other", vec![Fault::Directive("$include".to_owned()).on(4)]),
        ("$ORIGIN relative", vec![Fault::RelativeOrigin.on(3)]),
        ("a 60 \\TXT x", vec![odd("\\TXT").on(3)]),
        ("a 60 TXT x @", vec![odd("@").on(3)]),
        ("a 60 TXT \"@\"", vec![]),
        ("a\\.b 60 TXT x", vec![odd("a\\.b").on(3)]),
        ("$ORIGIN a..www.example.net.", vec![Fault::RelativeOrigin.on(3)]),
        ("a@b 60 TXT x", vec![odd("a@b.www.example.net").on(3)]),
        ("a 60 MX 10 mail@example.org.", vec![odd("mail@example.org").on(3)]),
        ("a 60 MX 10 $mail", vec![Fault::MisplacedSign('$').on(3)]),
        ("a..b 60 TXT x", vec![odd("a..b").on(3)]),
        ("a 60 NS b..", vec![odd("b..").on(3)]),
        ("a 60 AAAA 2001\\:db8::1", vec![odd("2001\\:db8::1").on(3)]),
        ("$ORIGIN b.www.example.net.\na 60 MX 10 @\nc 60 CNAME @", vec![]),
        ("$ORIGIN b.www.example.net.\n@ 60 CNAME @\n@ 60 TXT x", vec![both("b.www.example.net").on(5)]),
        ("a 60 TXT a..b .x @$", vec![]),
        ("$GENERATE 1-9 a$ A 192.0.2.$", vec![Fault::Directive("$GENERATE".to_owned()).on(3)]),
        ("@ 60 SOA a. b. 1 2 3 4 5", vec![Fault::SecondSoa(1).on(3)]),
        ("web 60 CNAME elsewhere.example.", vec![clash(web, "CNAME").on(3)]),
        ("WEB 60 A 192.0.2.1", vec![clash("WEB.www.example.net", "A").on(3)]),
        ("web 60 AAAA ::1", vec![clash(web, "AAAA").on(3)]),
        ("web 60 NS ns.example.net.", vec![clash(web, "NS").on(3)]),
        ("@ 60 DNAME elsewhere.example.", vec![hides("www.example.net", "DNAME").on(3)]),
        ("a.web 60 CNAME elsewhere.example.", vec![]),
        ("a 60 CNAME b\n\nA 60 TXT x", vec![Fault::CnameAndMore("A.www.example.net".to_owned()).on(5)]),
        ("a 60 A 192.0.2.1\na 60 A 192.0.2.1", vec![twice.on(4)]),
        ("a 60 A 192.0.2.1\na 61 A 192.0.2.2", vec![mixed.on(4)]),
        ("a 60 A 192.0.2.1\na 61 AAAA ::1", vec![]),
        ("a 0 A 192.0.2.1", vec![Fault::ZeroTtl.on(3)]),
        ("a A 192.0.2.1", vec![Fault::NoTtl.on(3)]),
        ("$TTL 5\na A 192.0.2.1", vec![]),
        ("example.net. 60 A 192.0.2.1", vec![Fault::OutOfZone("example.net".to_owned()).on(3)]),
        ("a 60 CH TXT x", vec![Fault::Class("CH".to_owned()).on(3)]),
        ("a 60 MX 10 mail.example.net", vec![dot("mail.example.net").on(3)]),
        ("a.example.net 60 MX 10 mail.example.net.", vec![dot("a.example.net").on(3)]),
        ("a 60 CNAME Example.NET", vec![]),
        (
            "@ 60 NS ns.www.example.net",
            vec![
                dot("ns.www.example.net").on(3),
                Fault::NsWithoutAddress("ns.www.example.net.www.example.net".to_owned()).on(3),
            ],
        ),
        ("@ 60 NS ns", vec![Fault::NsWithoutAddress("ns.www.example.net".to_owned()).on(3)]),
        ("@ 60 NS web", vec![]),
        ("\n\na 60 A ( 192.0.2.1", vec![Fault::OpenParenthesis.on(5)]),
        ("a 60 TXT \"x", vec![Fault::OpenQuote.on(3)]),
        ("a A 192.0.2.1\nb 0 A 192.0.2.1", vec![Fault::NoTtl.on(3), Fault::ZeroTtl.on(4)]),
    ]
}

#[test]
fn each_fault_of_a_header_is_told_with_its_line() {
    for (more, expected) in after_good_start() {
        let header = format!("{SOA}{NS}{more}\n");
        let found =
            Zone::new(ZoneParams { record: "web", ..params(&header) }).map_or_else(|faults| faults.0, |_| vec![]);
        assert_eq!(found, expected, "{more}");
    }
}

#[test]
fn a_record_that_can_not_be_read_is_told_with_its_line() {
    for more in ["a 60 A 192.0.2.256", "a 60 A", "a 60 MX mail", "a 60 NOSUCHTYPE x", "a 60", "a 60 A 192.0.2.1 x"] {
        let header = format!("{SOA}; comment\n{NS}\n{more}\nb 60 A 192.0.2.1\n");
        let faults = Zone::new(params(&header)).unwrap_err();
        assert!(
            matches!(&faults.0[..], [HeaderFault { line: Some(5), fault: Fault::Syntax(_) }]),
            "{more}: {faults:?}"
        );
    }
}

#[test]
fn a_soa_that_does_not_serve_is_refused() {
    let syntax = |header: &str| match Zone::new(params(header)).unwrap_err().0.remove(0) {
        HeaderFault { line, fault: Fault::Syntax(_) } => line,
        other => panic!("{other:?}"),
    };
    let table = [
        ("", Fault::NoSoa.nowhere()),
        (NS, Fault::NoSoa.nowhere()),
        ("; @ 60 SOA a. b. 1 2 3 4 5", Fault::NoSoa.nowhere()),
        (SOA, Fault::NoNs.nowhere()),
        ("@ 60 SOA a. b. 1 2 3 4", Fault::SoaNumbers.on(1)),
        ("@ 60 SOA a. b. 1 2 3 4 5 6", Fault::SoaNumbers.on(1)),
        ("\n@ 60 SOA a. b. +1 2 3 4 5", Fault::SoaNumbers.on(2)),
        ("@ 60 SOA a. b. 4294967296 2 3 4 5", Fault::SoaNumbers.on(1)),
        ("@ 60 SOA a. b. 1h 2 3 4 5", Fault::SoaNumbers.on(1)),
        ("@ 60 SOA a. b. 1 2 3 4 five", Fault::SoaNumbers.on(1)),
    ];
    for (header, expected) in table {
        assert_eq!(Zone::new(params(header)).unwrap_err(), Faults(vec![expected]), "{header:?}");
    }
    assert_eq!(syntax("@ 60 SOA a. b. 1 two 3 4 5"), Some(1));
    let below = format!("below 60 SOA a. b. 1 2 3 4 5\n{NS}");
    let expected = Fault::SoaElsewhere("below.www.example.net".to_owned()).on(1);
    assert_eq!(Zone::new(params(&below)).unwrap_err(), Faults(vec![expected]));
}

#[test]
fn bad_names_ttls_and_sizes_are_refused() {
    let good = params(PLAIN);
    let long = "a".repeat(64);
    let huge = format!("{PLAIN};{}", "x".repeat(MAX_HEADER));
    for name in ["", ".", "..", "a..b", &long] {
        let faults = Zone::new(ZoneParams { name, ..good }).unwrap_err();
        assert_eq!(faults.0, [Fault::Origin(name.to_owned()).nowhere()]);
    }
    for record in ["", ".", "a..b", "www.example.com.", "example.net.", &long] {
        let faults = Zone::new(ZoneParams { record, ..good }).unwrap_err();
        assert_eq!(faults.0, [Fault::Record(record.to_owned()).nowhere()]);
    }
    for ttl in [0, 86_401] {
        assert_eq!(Zone::new(ZoneParams { ttl, ..good }).unwrap_err().0, [Fault::Ttl(ttl).nowhere()]);
    }
    let faults = Zone::new(ZoneParams { header: &huge, ..good }).unwrap_err();
    assert_eq!(faults.0, [Fault::TooLong(huge.len()).nowhere()]);
}

#[test]
fn a_fault_reads_like_a_sentence_for_an_operator() {
    let faults = Zone::new(params(&format!("{SOA}@ 60 NS ns1.example.net\n@ 60 A 192.0.2.1\n"))).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "line 2: 'ns1.example.net' becomes ns1.example.net.www.example.net: is a final dot missing?; \
         line 2: name server ns1.example.net.www.example.net lies in this zone and has no address in it; \
         line 3: A at www.example.net clashes with the addresses that raisd writes there"
    );
}

fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), prop::sample::select(b"\n\r\t ();\"\\$@.*109aSO\xff\0".to_vec()));
    (prop::sample::select(GOOD.to_vec()), prop::collection::vec(change, 0..6)).prop_map(|(header, changes)| {
        let mut octets = header.as_bytes().to_vec();
        for (at, to) in changes {
            *at.get_mut(&mut octets) = to;
        }
        String::from_utf8_lossy(&octets).into_owned()
    })
}

proptest! {
    #[test]
    fn no_header_makes_the_check_panic(header in mutated(), noise in ".{0,80}") {
        let _ = Zone::new(params(&header));
        let _ = Zone::new(params(&noise));
        let _ = zone(PLAIN).resume(&header);
    }

    /// Whatever is accepted can be written and read back: the serial is where it was looked for, and so are the addresses.
    #[test]
    fn what_is_accepted_reads_back(header in mutated(), now in any::<u64>(), numbers in prop::collection::btree_set(any::<u32>(), 0..64)) {
        let Ok(mut zone) = Zone::new(params(&header)) else { return Ok(()) };
        let addresses: BTreeSet<_> = numbers.into_iter().map(|n| ServiceAddress(IpAddr::from(n.to_be_bytes()))).collect();
        let text = zone.update(&addresses, now).unwrap();
        let read = header::read_back(&text.text, &zone.header, &zone.owner).unwrap();
        prop_assert_eq!(read.serial, text.serial);
        prop_assert_eq!(read.addresses, addresses);
    }
}
