//! GetRequest-PDU: RFC 3416 §4.2.1, with §4.1 on names and RFC 2578 on types.

use crate::bench::{Bench, RAIS, SYS_DESCR, SYS_NAME, SYS_UP_TIME};
use crate::ber::{self, GET, NO_SUCH_INSTANCE, NO_SUCH_OBJECT, RESPONSE};
use crate::sample;
use rais::snmp::{AgentParams, Community, Dropped, Oid, View};
use rais_core::time::Duration;

#[test]
fn a_response_carries_version_community_and_request_id_of_the_request() {
    // RFC 3416 §4.2.1: "the same values in its request-id"; RFC 3584 §5.2: the same version and community.
    for request_id in [0, 1, 127, 128, 65_536, 2_147_483_647, -1, -2_147_483_648] {
        let answer = Bench::new().ask(&ber::request(GET, [request_id, 0, 0], &[SYS_NAME]));
        assert_eq!((answer.version, &*answer.community, answer.pdu), (1, &b"public"[..], RESPONSE));
        assert_eq!((answer.request_id, answer.status, answer.index), (request_id, 0, 0));
    }
}

#[test]
fn names_are_answered_in_the_order_asked_and_as_often() {
    // RFC 3416 §4.2.1: "the corresponding variable binding".
    let answer = Bench::new().get(&[SYS_UP_TIME, SYS_NAME, SYS_UP_TIME]);
    let names: Vec<_> = answer.variables.iter().map(ber::Variable::dotted).collect();
    assert_eq!(names, [SYS_UP_TIME, SYS_NAME, SYS_UP_TIME]);
    assert_eq!(answer.variables[1].text(), "edge-1");
}

#[test]
fn a_request_for_nothing_is_answered_with_nothing() {
    let answer = Bench::new().get(&[]);
    assert_eq!((answer.status, answer.index, answer.variables.len()), (0, 0, 0));
}

#[test]
fn values_status_and_index_of_a_request_are_ignored() {
    // RFC 3416 §4.1: the value field, error-status and error-index of a retrieval request are not looked at.
    let values = [
        ber::int(-5),
        ber::tlv(4, b""),
        ber::tlv(4, b"x"),
        ber::tlv(0x46, &[1]),
        ber::tlv(0x82, &[]),
        ber::tlv(0x44, &[0xff]),
    ];
    for value in values {
        let pdu = ber::pdu(GET, [9, -3, 77], &[ber::binding(&ber::parse(SYS_NAME), &value)]);
        let answer = Bench::new().ask(&ber::message(1, b"public", &pdu));
        assert_eq!((answer.request_id, answer.status, answer.index), (9, 0, 0));
        assert_eq!(answer.variables[0].text(), "edge-1");
    }
}

#[test]
fn exceptions_say_whether_object_or_instance_is_missing() {
    // RFC 3416 §4.2.1 (1) to (3).
    let table = [
        ("1.3.6.1.2.1.1.5", NO_SUCH_INSTANCE, "an object without its instance"),
        ("1.3.6.1.2.1.1.5.1", NO_SUCH_INSTANCE, "another instance of a scalar"),
        ("1.3.6.1.2.1.1.5.0.0", NO_SUCH_INSTANCE, "something below a scalar's instance"),
        ("1.3.6.1.2.1.1.77.0", NO_SUCH_OBJECT, "an unknown object of a known group"),
        ("1.3.6.1.2.1.1", NO_SUCH_OBJECT, "a group"),
        ("1.3.6.1.2.1.1.9.1.2.99", NO_SUCH_INSTANCE, "a row beyond the last"),
        ("1.3.6.1.2.1.1.9.1.2.0", NO_SUCH_INSTANCE, "a row before the first"),
        ("1.3.6.1.2.1.1.9.1.2.1.1", NO_SUCH_INSTANCE, "something below a row"),
        ("1.3.6.1.2.1.1.9.1.1.1", NO_SUCH_OBJECT, "a column that is not accessible"),
        ("1.3.6.1.2.1.1.9.1.5.1", NO_SUCH_OBJECT, "a column that does not exist"),
        ("1.3.6.1.2.1.1.9.1", NO_SUCH_OBJECT, "an entry"),
        ("1.3.6.1.2.1.1.9.1.2", NO_SUCH_INSTANCE, "a column without an index"),
        ("0.0", NO_SUCH_OBJECT, "zeroDotZero"),
        ("2.999.1", NO_SUCH_OBJECT, "another tree"),
        (
            "1.3.6.1.4.1.32473.1.1.5.1.3.4.104.116.116.112.1.4.10.9.0.1",
            NO_SUCH_INSTANCE,
            "an address the group has not",
        ),
        ("1.3.6.1.4.1.32473.1.1.5.1.3.4.104.116.116.112", NO_SUCH_INSTANCE, "a group without an address"),
        ("1.3.6.1.4.1.32473.1.1.5.1.3.104.116.116.112.1.4.10.9.0.101", NO_SUCH_INSTANCE, "a group without its length"),
        ("1.3.6.1.4.1.32473.1.1.2.1.10.4.104.116.116.113", NO_SUCH_INSTANCE, "an unknown group"),
    ];
    for (name, tag, what) in table {
        let answer = Bench::new().get(&[name]);
        assert_eq!((answer.status, answer.variables[0].tag, answer.variables[0].content.len()), (0, tag, 0), "{what}");
        assert_eq!(answer.variables[0].dotted(), name, "{what}");
    }
}

#[test]
fn what_is_missing_does_not_keep_the_rest_from_being_answered() {
    // RFC 3416 §4.2.1: each variable binding is processed on its own.
    let answer = Bench::new().get(&["1.3.6.1.2.1.1.5.1", SYS_NAME, "1.3.9"]);
    let tags: Vec<_> = answer.variables.iter().map(|variable| variable.tag).collect();
    assert_eq!((answer.status, tags), (0, vec![NO_SUCH_INSTANCE, 4, NO_SUCH_OBJECT]));
}

#[test]
fn what_a_view_does_not_hold_is_no_such_object() {
    // RFC 3416 §4.2.1 (2): "not accessible by this request".
    let view = View::of([Oid::new(&ber::parse("1.3.6.1.2.1.1.5"))]);
    let community = Community::with_views(b"public", Vec::new(), view, View::nothing()).unwrap();
    let mut bench =
        Bench::with(sample::snapshot(), AgentParams { communities: vec![community], ..AgentParams::default() });
    let answer = bench.get(&[SYS_NAME, SYS_DESCR]);
    assert_eq!((answer.variables[0].tag, answer.variables[1].tag), (4, NO_SUCH_OBJECT));
}

#[test]
fn rows_are_found_by_group_and_address() {
    // RFC 2578 §7.7: strings of variable length are preceded by their length; RFC 4001 §4.1: type, length, octets.
    let http = "4.104.116.116.112";
    let mut v6 = vec![2, 16, 0xfd, 0, 0, 9];
    v6.extend([0; 10]);
    v6.extend([1, 1]);
    let table = [
        (format!("{RAIS}.2.1.10.{http}"), 2, "raisGroupRole: leader"),
        (format!("{RAIS}.3.1.4.{http}.1.4.10.9.0.4"), 4, "raisHostState: dead"),
        (format!("{RAIS}.5.1.3.{http}.1.4.10.9.0.101"), 1, "raisAddressState: online"),
        (format!("{RAIS}.5.1.11.{http}.1.4.10.9.0.101"), 90, "raisAddressOrphanTimeLeft"),
        (format!("{RAIS}.5.1.11.{http}.1.4.10.9.0.104"), -1, "raisAddressOrphanTimeLeft: no limit"),
        (format!("{RAIS}.5.1.3.{http}.{}", ber::dotted(&v6)), 1, "IPv6"),
        (format!("{RAIS}.6.1.2.2.100.98"), 2, "raisTestState: failing"),
        (format!("{RAIS}.7.1.2.3.99.112.117"), 250, "raisLoadValue"),
    ];
    for (name, value, what) in table {
        let answer = Bench::new().get(&[&name]);
        assert_eq!(answer.variables[0].number(), value, "{what}");
    }
}

#[test]
fn drops_are_served_by_cause_and_in_sum() {
    let columns: Vec<_> = (33..=47).map(|column| format!("{RAIS}.2.1.{column}.1.122")).collect();
    let answer = Bench::new().get(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    let values: Vec<_> = answer.variables.iter().map(ber::Variable::number).collect();
    assert_eq!(values, [105, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
}

#[test]
fn a_counter_wraps_at_32_bits() {
    // RFC 2578 §7.1.6; the sample's messages_in is 2^32 + 5.
    let answer = Bench::new().get(&[&format!("{RAIS}.2.1.27.1.122")]);
    assert_eq!((answer.variables[0].tag, answer.variables[0].number()), (0x41, 5));
}

#[test]
fn up_time_runs_on_and_time_stamps_stand_still() {
    // RFC 3418 sysUpTime; RFC 2579 TimeStamp.
    let mut bench = Bench::new();
    let changed = format!("{RAIS}.2.1.26.1.122");
    assert_eq!(bench.get(&[SYS_UP_TIME]).variables[0].number(), 360_000);
    bench.now = bench.now + Duration::from_millis(1_234);
    let answer = bench.get(&[SYS_UP_TIME, &changed]);
    assert_eq!((answer.variables[0].number(), answer.variables[1].number()), (360_123, 1_200));
}

#[test]
fn an_answer_is_from_the_snapshot_it_is_given() {
    let mut bench = Bench::new();
    let served = format!("{RAIS}.2.1.15.4.104.116.116.112");
    assert_eq!(bench.get(&[&served]).variables[0].number(), 10);
    for count in [3, 4, 5] {
        bench.snapshot = std::sync::Arc::new(sample::many_addresses(count));
        assert_eq!(bench.get(&[&served]).variables[0].number(), i64::from(count));
    }
}

#[test]
fn too_big_comes_with_neither_index_nor_variable_bindings() {
    // RFC 3416 §4.2.1: "tooBig, and the value of its error-index field is zero", with an empty list.
    let answer = Bench::new().get(&[SYS_DESCR; 60]);
    assert_eq!((answer.request_id, answer.status, answer.index, answer.variables.len()), (1, 1, 0, 0));
}

#[test]
fn too_big_is_decided_at_exactly_the_largest_message() {
    // Every size around the limit: what just fits is answered whole, one octet less of room is tooBig.
    let datagram = ber::request(GET, [1, 0, 0], &[SYS_DESCR; 9]);
    let whole = Bench::new().raw(&datagram).unwrap().len();
    for (room, status) in [(whole, 0), (whole - 1, 1), (whole + 1, 0)] {
        let params = AgentParams {
            communities: vec![crate::bench::community()],
            max_message_octets: room,
            ..AgentParams::default()
        };
        let mut bench = Bench::with(sample::snapshot(), params);
        let reply = bench.raw(&datagram).unwrap();
        assert!(reply.len() <= room);
        assert_eq!(ber::read(&reply).status, status, "{room} octets");
    }
}

#[test]
fn no_answer_is_larger_than_1472_octets() {
    // The largest UDP payload that Ethernet carries unfragmented behind an IPv4 header.
    for count in 1..120 {
        let reply = Bench::new().raw(&ber::request(GET, [1, 0, 0], &vec![SYS_DESCR; count])).unwrap();
        assert!(reply.len() <= 1472, "{} octets for {count} names", reply.len());
        let answer = ber::read(&reply);
        assert!(answer.status == 1 || answer.variables.len() == count);
    }
}

#[test]
fn a_request_to_which_even_too_big_would_be_too_big_is_dropped_and_counted() {
    // RFC 3416 §4.2.1: "snmpSilentDrops is incremented and the resultant message is discarded".
    let params =
        AgentParams { communities: vec![crate::bench::community()], max_message_octets: 24, ..AgentParams::default() };
    let mut bench = Bench::with(sample::snapshot(), params);
    assert_eq!(bench.raw(&ber::request(GET, [1, 0, 0], &[SYS_NAME])), Err(Dropped::SilentDrop));
    assert_eq!(bench.agent.counters().silent_drops, 1);
}
