//! SetRequest-PDU: RFC 3416 §4.2.5. Nothing can be written in this release; what is checked is that the right one of
//! the reasons is given, in the order of the RFC.

use crate::bench::{Bench, SYS_NAME, SYS_UP_TIME};
use crate::ber::{self, SET, Variable};
use crate::sample;
use rais::snmp::{AgentParams, Community, Oid, View};

const TOO_BIG: i64 = 1;
const NO_ACCESS: i64 = 6;
const NOT_WRITABLE: i64 = 17;

fn writing(view: View) -> Bench {
    let community = Community::with_views(b"public", Vec::new(), View::everything(), view).unwrap();
    Bench::with(sample::snapshot(), AgentParams { communities: vec![community], ..AgentParams::default() })
}

fn set(values: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let bindings: Vec<_> = values.iter().map(|(name, value)| ber::binding(&ber::parse(name), value)).collect();
    ber::message(1, b"public", &ber::pdu(SET, [5, 0, 0], &bindings))
}

#[test]
fn what_is_outside_the_write_view_is_no_access_existing_or_not() {
    // (1): "specifies an existing or non-existent variable to which this request is/would be denied access".
    for name in [SYS_NAME, "1.3.6.1.2.1.1.77.0", "2.5.1"] {
        let answer = Bench::new().ask(&set(&[(name, ber::tlv(4, b"x"))]));
        assert_eq!((answer.status, answer.index), (NO_ACCESS, 1), "{name}");
    }
}

#[test]
fn what_is_in_the_write_view_is_not_writable_existing_or_not() {
    // (2): no variable of that prefix can be created or modified, whatever the value, its type or length.
    for name in [SYS_NAME, SYS_UP_TIME, "1.3.6.1.2.1.1.77.0"] {
        for value in [ber::tlv(4, b"x"), ber::int(7), ber::null()] {
            let answer = writing(View::everything()).ask(&set(&[(name, value)]));
            assert_eq!((answer.status, answer.index), (NOT_WRITABLE, 1), "{name}");
        }
    }
}

#[test]
fn the_first_variable_binding_to_blame_is_named() {
    let view = View::of([Oid::new(&ber::parse("1.3.6.1.2.1.1.5"))]);
    let values = [(SYS_NAME, ber::tlv(4, b"x")), (SYS_UP_TIME, ber::int(7))];
    let answer = writing(view.clone()).ask(&set(&values));
    assert_eq!((answer.status, answer.index), (NOT_WRITABLE, 1));
    let swapped = [values[1].clone(), values[0].clone()];
    let answer = writing(view).ask(&set(&swapped));
    assert_eq!((answer.status, answer.index), (NO_ACCESS, 1));
}

#[test]
fn a_refused_set_echoes_request_id_and_variable_bindings() {
    // "the same values in its request-id and variable-bindings fields as the received SetRequest-PDU".
    let values = [(SYS_NAME, ber::tlv(4, b"")), ("0.0", ber::int(-1)), ("2.999.4294967295", ber::tlv(0x46, &[0]))];
    let answer = Bench::new().ask(&set(&values));
    let expected: Vec<_> = values
        .iter()
        .map(|(name, value)| Variable { name: ber::parse(name), tag: value[0], content: value[2..].to_vec() })
        .collect();
    assert_eq!((answer.request_id, answer.variables), (5, expected));
}

#[test]
fn too_big_is_found_before_anything_is_looked_at() {
    // The first sentence of §4.2.5's procedure.
    let answer = Bench::new().ask(&set(&[(SYS_NAME, ber::tlv(4, &[b'x'; 1500]))]));
    assert_eq!((answer.status, answer.index, answer.variables.len()), (TOO_BIG, 0, 0));
}

#[test]
fn a_set_of_nothing_succeeds() {
    let answer = Bench::new().ask(&set(&[]));
    assert_eq!((answer.status, answer.index, answer.variables.len()), (0, 0, 0));
}

#[test]
fn a_set_changes_nothing() {
    let mut bench = writing(View::everything());
    bench.ask(&set(&[(SYS_NAME, ber::tlv(4, b"changed"))]));
    assert_eq!(bench.get(&[SYS_NAME]).variables[0].text(), "edge-1");
}

#[test]
fn a_set_by_a_community_that_may_write_nothing_is_a_bad_use() {
    // RFC 3418 snmpInBadCommunityUses; it is answered all the same.
    let mut bench = Bench::new();
    bench.ask(&set(&[(SYS_NAME, ber::tlv(4, b"x"))]));
    assert_eq!((bench.agent.counters().bad_community_uses, bench.agent.counters().answered), (1, 1));
    let mut bench = writing(View::everything());
    bench.ask(&set(&[(SYS_NAME, ber::tlv(4, b"x"))]));
    assert_eq!(bench.agent.counters().bad_community_uses, 0);
}
