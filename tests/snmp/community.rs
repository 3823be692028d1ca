//! Who is answered: sources, communities, versions and PDU types, and what counts them (RFC 3412 §7.2, RFC 3418,
//! RFC 3584 §5.2).

use crate::bench::{Bench, SYS_NAME};
use crate::ber::{self, GET};
use crate::sample;
use rais::snmp::{AgentParams, Community, Counters, Dropped, ScanError};

fn guarded() -> Bench {
    let lan = vec!["10.9.0.0/24".parse().unwrap(), "fd00:9::/64".parse().unwrap()];
    let office = vec!["192.0.2.0/25".parse().unwrap()];
    let communities =
        vec![Community::read_only(b"public", lan).unwrap(), Community::read_only(b"office", office).unwrap()];
    Bench::with(sample::snapshot(), AgentParams { communities, ..AgentParams::default() })
}

fn request(community: &[u8]) -> Vec<u8> {
    ber::message(1, community, &ber::pdu(GET, [1, 0, 0], &[ber::binding(&ber::parse(SYS_NAME), &ber::null())]))
}

#[test]
fn a_community_is_answered_from_its_sources_only() {
    let table = [
        ("public", "10.9.0.77", Ok(())),
        ("public", "::ffff:10.9.0.77", Ok(())),
        ("public", "fd00:9::5", Ok(())),
        ("office", "192.0.2.1", Ok(())),
        ("office", "10.9.0.77", Err(Dropped::BadCommunity)),
        ("public", "192.0.2.1", Err(Dropped::BadCommunity)),
        ("wrong", "10.9.0.77", Err(Dropped::BadCommunity)),
        ("", "10.9.0.77", Err(Dropped::BadCommunity)),
        ("public", "10.9.1.1", Err(Dropped::ForeignSource)),
        ("public", "192.0.2.128", Err(Dropped::ForeignSource)),
        ("public", "fd00:9:0:1::5", Err(Dropped::ForeignSource)),
    ];
    for (community, source, outcome) in table {
        let found = guarded().raw_from(&request(community.as_bytes()), source).map(|_| ());
        assert_eq!(found, outcome, "{community} from {source}");
    }
}

#[test]
fn a_source_that_nobody_is_open_to_is_not_even_parsed() {
    assert_eq!(guarded().raw_from(b"rubbish", "10.9.1.1"), Err(Dropped::ForeignSource));
    assert!(matches!(guarded().raw_from(b"rubbish", "10.9.0.1"), Err(Dropped::Scan(ScanError::Malformed(_)))));
}

#[test]
fn a_community_that_is_not_utf_8_is_legal() {
    // RFC 1901 §3: the community is an OCTET STRING.
    let community = Community::read_only(b"\xff\xfe\x00", Vec::new()).unwrap();
    let params = AgentParams { communities: vec![community], ..AgentParams::default() };
    let mut bench = Bench::with(sample::snapshot(), params);
    let answer = ber::read(&bench.raw(&request(b"\xff\xfe\x00")).unwrap());
    assert_eq!((&*answer.community, answer.variables[0].text()), (&b"\xff\xfe\x00"[..], String::from("edge-1")));
}

#[test]
fn other_versions_are_counted_as_bad_versions() {
    // RFC 3412 §7.2 (2): version 1 is off, version 3 not spoken yet; both before what follows is looked at.
    for version in [0, 2, 3, -1, i64::from(i32::MAX)] {
        let mut bench = Bench::new();
        let expected = Err(Dropped::Scan(ScanError::BadVersion(version as i32)));
        assert_eq!(bench.raw(&ber::message(version, b"public", b"\xa0\x00")), expected);
        assert_eq!(bench.agent.counters().bad_versions, 1);
    }
}

#[test]
fn a_pdu_that_is_not_for_an_agent_is_dropped() {
    for pdu in [0xa2, 0xa6, 0xa7, 0xa8] {
        let mut bench = Bench::new();
        assert_eq!(bench.raw(&ber::request(pdu, [1, 0, 0], &[SYS_NAME])), Err(Dropped::UnexpectedPdu), "{pdu:02x}");
    }
}

#[test]
fn every_cause_has_its_counter_and_is_served() {
    let mut bench = guarded();
    let sysname = request(b"public");
    let from_lan: [&[u8]; 6] = [
        &sysname,
        &sysname[..20],
        &ber::message(3, b"public", b""),
        &request(b"wrong"),
        &ber::request(0xa2, [1, 0, 0], &[]),
        &ber::request(ber::SET, [1, 0, 0], &[SYS_NAME]),
    ];
    for datagram in from_lan {
        let _ = bench.raw_from(datagram, "10.9.0.1");
    }
    let _ = bench.raw_from(&sysname, "10.10.0.1");
    let expected = Counters {
        in_packets: 7,
        answered: 2,
        bad_versions: 1,
        bad_community_names: 1,
        bad_community_uses: 1,
        asn_parse_errors: 1,
        silent_drops: 0,
        foreign_sources: 1,
        unexpected_pdus: 1,
        authentication_failures: 1,
        ..Counters::default()
    };
    assert_eq!(*bench.agent.counters(), expected);
    assert_eq!(expected.answered + expected.dropped(), expected.in_packets);
    let table = [
        ("1.3.6.1.2.1.11.1.0", 8, "snmpInPkts, with the one that asks"),
        ("1.3.6.1.2.1.11.3.0", 1, "snmpInBadVersions"),
        ("1.3.6.1.2.1.11.4.0", 1, "snmpInBadCommunityNames"),
        ("1.3.6.1.2.1.11.5.0", 1, "snmpInBadCommunityUses"),
        ("1.3.6.1.2.1.11.6.0", 1, "snmpInASNParseErrs"),
        ("1.3.6.1.2.1.11.31.0", 0, "snmpSilentDrops"),
        ("1.3.6.1.4.1.32473.1.1.12.1.0", 1, "raisAgentForeignSources"),
        ("1.3.6.1.4.1.32473.1.1.12.2.0", 1, "raisAgentUnexpectedPdus"),
    ];
    let names = table.map(|(name, _, _)| name);
    let answer = ber::read(&bench.raw_from(&ber::request(GET, [1, 0, 0], &names), "10.9.0.1").unwrap());
    for ((_, value, what), variable) in table.iter().zip(&answer.variables) {
        assert_eq!(variable.number(), *value, "{what}");
    }
}

#[test]
fn new_parameters_keep_the_counters() {
    let mut bench = Bench::new();
    bench.get(&[SYS_NAME]);
    bench.agent.reconfigure(AgentParams::default());
    assert_eq!(bench.raw(&request(b"public")), Err(Dropped::ForeignSource), "nobody is answered any more");
    assert_eq!(bench.agent.counters().in_packets, 2);
}
