//! GetBulkRequest-PDU: RFC 3416 §4.2.3.

use crate::bench::{BEFORE_LAST, Bench, LAST, SYS_DESCR, community};
use crate::ber::{self, END_OF_MIB_VIEW, GET_BULK, Variable};
use crate::sample;
use rais::snmp::AgentParams;

const SYSTEM: &str = "1.3.6.1.2.1.1";
const SNMP: &str = "1.3.6.1.2.1.11";

fn names(variables: &[Variable]) -> Vec<String> {
    variables.iter().map(Variable::dotted).collect()
}

#[test]
fn non_repeaters_and_repetitions_follow_the_arithmetic_of_the_rfc() {
    // "N is the minimum of: a) the value of the non-repeaters field in the request, and b) the number of variable
    // bindings in the request", "M is the value of the max-repetitions field", "R is the maximum of a) number of
    // variable bindings in the request - N, and b) zero"; "If the value in either field is less than zero, then the
    // value of the field is set to zero". The response has N + (M * R) variable bindings.
    let table = [
        // (non-repeaters, max-repetitions, names, N + M * R)
        (0, 1, 1, 1),
        (0, 3, 2, 6),
        (1, 3, 3, 7),
        (2, 2, 2, 2),
        (5, 2, 2, 2),
        (i64::from(i32::MAX), 7, 2, 2),
        (0, 0, 3, 0),
        (1, 0, 3, 1),
        (-1, 2, 2, 4),
        (-2_147_483_648, 2, 2, 4),
        (1, -1, 3, 1),
        (0, -2_147_483_648, 3, 0),
        (0, 5, 0, 0),
        (3, 3, 0, 0),
    ];
    for (non_repeaters, max_repetitions, count, expected) in table {
        let asked = &[SYSTEM, SNMP, "1.3.6.1.4.1.32473.1.1.1"][..count];
        let answer = Bench::new().get_bulk(non_repeaters, max_repetitions, asked);
        let what = format!("non-repeaters {non_repeaters}, max-repetitions {max_repetitions}, {count} names");
        assert_eq!((answer.status, answer.index, answer.variables.len()), (0, 0, expected), "{what}");
    }
}

#[test]
fn repetitions_are_interleaved() {
    // "the successor of each of the R names, then of their successors, and so on".
    let answer = Bench::new().get_bulk(1, 3, &[SYSTEM, SYSTEM, SNMP]);
    let expected = [
        SYS_DESCR,
        SYS_DESCR,
        "1.3.6.1.2.1.11.1.0",
        "1.3.6.1.2.1.1.2.0",
        "1.3.6.1.2.1.11.3.0",
        "1.3.6.1.2.1.1.3.0",
        "1.3.6.1.2.1.11.4.0",
    ];
    assert_eq!(names(&answer.variables), expected);
}

#[test]
fn it_finds_what_get_next_finds() {
    let expected = names(&Bench::new().walk("1.3"));
    for repetitions in [1, 2, 7, 25, 1000] {
        let mut found: Vec<String> = Vec::new();
        let mut bench = Bench::new();
        loop {
            let from = found.last().map_or("1.3", String::as_str).to_owned();
            let answer = bench.get_bulk(0, repetitions, &[&from]);
            let ended = answer.variables.iter().any(|variable| variable.tag == END_OF_MIB_VIEW);
            found.extend(
                answer.variables.iter().filter(|variable| variable.tag != END_OF_MIB_VIEW).map(Variable::dotted),
            );
            if ended {
                break;
            }
        }
        assert_eq!(found, expected, "{repetitions} repetitions");
    }
}

#[test]
fn the_end_is_repeated_under_the_last_name_and_does_not_end_other_columns() {
    // "the variable binding ... with the value endOfMibView" under the name of the last successor.
    let answer = Bench::new().get_bulk(0, 3, &[BEFORE_LAST, SYSTEM]);
    let expected = [LAST, SYS_DESCR, LAST, "1.3.6.1.2.1.1.2.0", LAST, "1.3.6.1.2.1.1.3.0"];
    assert_eq!(names(&answer.variables), expected);
    let ends: Vec<_> = answer.variables.iter().map(|variable| variable.tag == END_OF_MIB_VIEW).collect();
    assert_eq!(ends, [false, false, true, false, true, false]);
}

#[test]
fn it_stops_after_a_repetition_in_which_everything_has_ended() {
    // "the variable bindings ... may be truncated" once all have endOfMibView.
    let answer = Bench::new().get_bulk(0, 1000, &[LAST, "2.5"]);
    assert_eq!(names(&answer.variables), [LAST, "2.5"]);
    let answer = Bench::new().get_bulk(0, 1000, &[BEFORE_LAST, "2.5"]);
    assert_eq!(names(&answer.variables), [LAST, "2.5", LAST, "2.5"]);
}

#[test]
fn it_is_cut_short_at_exactly_the_largest_message_and_never_too_big() {
    // "approximately equal to but no greater than" the limit; here: not one variable binding more would fit, and not
    // one less was sent. "the number of variable bindings removed has no relationship to the values of N, M, or R".
    let datagram = ber::request(GET_BULK, [1, 0, 1000], &["1.3.6.1.4.1.32473.1.1.2", "1.3.6.1.4.1.32473.1.1.5"]);
    let params =
        |room| AgentParams { communities: vec![community()], max_message_octets: room, ..AgentParams::default() };
    let longest = Bench::with(sample::snapshot(), params(60_000)).ask(&datagram).variables;
    for room in (484..800).chain(1400..=1472) {
        let reply = Bench::with(sample::snapshot(), params(room)).raw(&datagram).unwrap();
        assert!(reply.len() <= room);
        let answer = ber::read(&reply);
        let sent = answer.variables.len();
        assert_eq!((answer.status, &answer.variables[..]), (0, &longest[..sent]));
        let bindings: Vec<_> =
            longest[..=sent].iter().map(|next| ber::binding(&next.name, &ber::tlv(next.tag, &next.content))).collect();
        let one_more = ber::message(1, b"public", &ber::pdu(ber::RESPONSE, [1, 0, 0], &bindings));
        assert!(one_more.len() > room, "{sent} were sent into {room} octets, though one more makes {}", one_more.len());
    }
}

#[test]
fn non_repeaters_too_are_cut_short() {
    let answer = Bench::new().get_bulk(100, 1, &[SYSTEM; 100]);
    assert_eq!(answer.status, 0);
    assert!((30..100).contains(&answer.variables.len()), "{}", answer.variables.len());
}

#[test]
fn many_names_with_many_repetitions_cost_no_more_than_one_message() {
    let mut bench = Bench::new();
    let datagram = ber::request(GET_BULK, [1, 0, 2_147_483_647], &["1.3"; 2000]);
    let reply = bench.raw(&datagram).unwrap();
    assert!(reply.len() <= 1472);
}

#[test]
fn ten_thousand_rows_are_walked_in_order_and_each_once() {
    let params = AgentParams { communities: vec![community()], ..AgentParams::default() };
    let mut bench = Bench::with(sample::many_addresses(10_000), params);
    let column = ber::parse("1.3.6.1.4.1.32473.1.1.5.1.3");
    let mut found: Vec<Vec<u32>> = Vec::new();
    'walk: loop {
        let from = ber::dotted(found.last().unwrap_or(&column));
        for variable in bench.get_bulk(0, 25, &[&from]).variables {
            if !variable.name.starts_with(&column) {
                break 'walk;
            }
            found.push(variable.name);
        }
    }
    assert!(found.is_sorted_by(|one, other| one < other));
    let expected: Vec<_> = (0..10_000u32).map(|number| [10, 0, number >> 8, number & 0xff]).collect();
    let octets: Vec<_> = found.iter().map(|name| <[u32; 4]>::try_from(&name[name.len() - 4..]).unwrap()).collect();
    assert_eq!(octets, expected);
}
