//! Version 1, where it is enabled: RFC 1157 §4.1, and RFC 3584 §4 on what stands behind it.

use crate::bench::{Bench, RAIS, SYS_NAME, SYS_UP_TIME, community};
use crate::ber::{self, GET, GET_BULK, GET_NEXT, Message, RESPONSE, SET};
use crate::sample;
use rais::snmp::{AgentParams, Community, Dropped, Oid, ScanError, View};
use rais_core::io::Command;

const COUNTER64: u8 = 0x46;
const NO_SUCH_NAME: i64 = 2;
const BAD_VALUE: i64 = 3;
const GEN_ERR: i64 = 5;
/// ifHCInOctets and what comes before it, of the first interface: a Counter64 behind a Counter32.
const IF_IN_BROADCAST: &str = "1.3.6.1.2.1.31.1.1.1.3.1";
const ADMIN_STATUS: &str = "1.3.6.1.4.1.32473.1.1.3.1.21.4.104.116.116.112.1.4.10.9.0.1";

fn bench() -> Bench {
    let params = AgentParams { communities: vec![community()], allow_v1: true, ..AgentParams::default() };
    Bench::with(sample::snapshot(), params)
}

/// Reads everything and writes everything.
fn writing() -> Bench {
    let all = || View::of([Oid::new(&[1, 3, 6, 1])]);
    let communities = vec![Community::with_views(b"public", Vec::new(), all(), all()).unwrap()];
    Bench::with(sample::snapshot(), AgentParams { communities, allow_v1: true, ..AgentParams::default() })
}

fn request(pdu: u8, variables: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let variables: Vec<_> = variables.iter().map(|(name, value)| ber::binding(&ber::parse(name), value)).collect();
    ber::message(0, b"public", &ber::pdu(pdu, [7, 0, 0], &variables))
}

fn ask(bench: &mut Bench, pdu: u8, names: &[&str]) -> Message {
    let variables: Vec<_> = names.iter().map(|name| (*name, ber::null())).collect();
    bench.ask(&request(pdu, &variables))
}

fn names(answer: &Message) -> Vec<String> {
    answer.variables.iter().map(ber::Variable::dotted).collect()
}

#[test]
fn an_answer_is_of_version_1_with_the_community_and_request_id() {
    // RFC 1157 §4.1.2: a GetResponse-PDU of identical form.
    let answer = ask(&mut bench(), GET, &[SYS_NAME, SYS_UP_TIME]);
    assert_eq!((answer.version, &*answer.community, answer.pdu), (0, &b"public"[..], RESPONSE));
    assert_eq!((answer.request_id, answer.status, answer.index), (7, 0, 0));
    assert_eq!(
        (answer.variables[0].text(), names(&answer)),
        ("edge-1".into(), vec![SYS_NAME.into(), SYS_UP_TIME.into()])
    );
}

#[test]
fn it_is_off_unless_enabled() {
    // RFC 3412 §7.2 (2): counted by snmpInBadVersions.
    let mut bench = Bench::new();
    let refused = Err(Dropped::Scan(ScanError::BadVersion(0)));
    assert_eq!(bench.raw(&request(GET, &[(SYS_NAME, ber::null())])), refused);
    assert_eq!(bench.agent.counters().bad_versions, 1);
}

#[test]
fn what_is_missing_is_no_such_name_at_its_place_and_the_request_comes_back() {
    // RFC 1157 §4.1.2 (1): the same names, error-status noSuchName, error-index the variable to blame.
    for missing in ["1.3.6.1.2.1.1.5.1", "1.3.6.1.2.1.1.77.0", "1.3.6.1.2.1.1"] {
        let answer = ask(&mut bench(), GET, &[SYS_NAME, missing, SYS_UP_TIME]);
        assert_eq!((answer.status, answer.index), (NO_SUCH_NAME, 2), "{missing}");
        assert_eq!(names(&answer), [SYS_NAME, missing, SYS_UP_TIME]);
        assert!(answer.variables.iter().all(|variable| variable.content.is_empty()), "values are the request's own");
    }
}

#[test]
fn a_counter_of_64_bits_is_missing_and_passed_over_by_a_walk() {
    // RFC 3584 §4.2.2.1: "as if the object was not in view".
    let wide = {
        let mut all = Bench::new();
        let found = all.walk("1.3.6.1");
        assert!(found.iter().any(|variable| variable.tag == COUNTER64));
        found
    };
    let first = wide.iter().find(|variable| variable.tag == COUNTER64).unwrap();
    let answer = ask(&mut bench(), GET, &[&first.dotted()]);
    assert_eq!((answer.status, answer.index), (NO_SUCH_NAME, 1));

    let (mut bench, mut walked, mut name) = (bench(), Vec::new(), "1.3.6.1".to_owned());
    loop {
        let answer = ask(&mut bench, GET_NEXT, &[&name]);
        if answer.status == NO_SUCH_NAME {
            // RFC 1157 §4.1.3 (1): nothing comes after it, and the name asked for comes back.
            assert_eq!((answer.index, names(&answer)), (1, vec![name]));
            break;
        }
        name = answer.variables[0].dotted();
        walked.push(name.clone());
    }
    let narrow = wide.iter().filter(|variable| variable.tag != COUNTER64).map(ber::Variable::dotted);
    assert_eq!(walked, narrow.collect::<Vec<_>>());
}

#[test]
fn a_next_name_may_lie_behind_many_wide_counters() {
    let answer = ask(&mut bench(), GET_NEXT, &[IF_IN_BROADCAST]);
    assert_eq!(answer.status, 0);
    assert_ne!(answer.variables[0].tag, COUNTER64);
}

#[test]
fn what_version_1_does_not_have_is_malformed() {
    // RFC 1157 §4.1: five PDUs, of which an agent takes three; RFC 1155 §3.2.3 on types.
    let malformed = |datagram: &[u8]| {
        let found = bench().raw(datagram);
        assert!(matches!(found, Err(Dropped::Scan(ScanError::Malformed(_)))), "{found:?}");
    };
    malformed(&request(GET_BULK, &[(SYS_NAME, ber::null())]));
    for pdu in [0xa4, 0xa6, 0xa7, 0xa8] {
        malformed(&request(pdu, &[(SYS_NAME, ber::null())]));
    }
    for (tag, content) in [(0x46, &[1][..]), (0x80, &[]), (0x81, &[]), (0x82, &[])] {
        malformed(&request(GET, &[(SYS_NAME, ber::tlv(tag, content))]));
    }
    let response = bench().raw(&request(RESPONSE, &[(SYS_NAME, ber::null())]));
    assert_eq!(response, Err(Dropped::UnexpectedPdu));
}

#[test]
fn errors_of_a_set_are_those_that_version_1_has() {
    // RFC 3584 §4.4.
    let table = [
        (SYS_NAME, ber::tlv(4, b"x"), NO_SUCH_NAME, "notWritable"),
        (ADMIN_STATUS, ber::tlv(4, b"x"), BAD_VALUE, "wrongType"),
        (ADMIN_STATUS, ber::int(9), BAD_VALUE, "wrongValue"),
    ];
    for (name, value, status, what) in table {
        let answer = writing().ask(&request(SET, &[(name, value)]));
        assert_eq!((answer.version, answer.status, answer.index), (0, status, 1), "{what}");
        assert_eq!(names(&answer), [name], "{what}");
    }
    let answer = bench().ask(&request(SET, &[(ADMIN_STATUS, ber::int(2))]));
    assert_eq!((answer.status, answer.index), (NO_SUCH_NAME, 1), "a community that only reads");
}

#[test]
fn a_set_is_carried_out_and_a_refusal_is_a_general_error() {
    let answer = writing().ask(&request(SET, &[(ADMIN_STATUS, ber::int(2))]));
    assert_eq!((answer.status, names(&answer)), (0, vec![ADMIN_STATUS.to_owned()]));
    let mut bench = writing();
    let _ = bench.ask(&request(SET, &[(ADMIN_STATUS, ber::int(2))]));
    let command: Command = bench.commands[0].clone();
    bench.refused.push(command);
    // RFC 3584 §4.4: commitFailed is genErr.
    let answer = bench.ask(&request(SET, &[(ADMIN_STATUS, ber::int(2))]));
    assert_eq!((answer.status, answer.index), (GEN_ERR, 1));
}

#[test]
fn an_answer_that_does_not_fit_is_too_big_with_the_request_in_it() {
    // RFC 1157 §4.1.2 (3): the message of identical form.
    let column = format!("{RAIS}.2.1.10.4.104.116.116.112");
    let text: Vec<_> = std::iter::repeat_n(SYS_NAME, 60).chain([column.as_str()]).collect();
    let answer = ask(&mut bench(), GET, &text);
    assert_eq!((answer.status, answer.index), (0, 0), "it fits");
    let long: Vec<_> = std::iter::repeat_n("1.3.6.1.2.1.1.1.0", 75).collect();
    let answer = ask(&mut bench(), GET, &long);
    assert_eq!((answer.status, answer.index, answer.variables.len()), (1, 0, 75));
}
