//! SetRequest-PDU: RFC 3416 §4.2.5. Each of its numbered reasons, in its order; and that a SET is done whole or not at all.

use crate::bench::{Bench, SYS_NAME, SYS_UP_TIME};
use crate::ber::{self, SET, Variable};
use crate::sample;
use rais::snapshot::Snapshot;
use rais::snmp::{AgentParams, Community, Oid, View};
use rais_core::io::Command;
use rais_core::operator::FailbackOrder;
use rais_core::params::Choice;

const TOO_BIG: i64 = 1;
const NO_ACCESS: i64 = 6;
const WRONG_TYPE: i64 = 7;
const WRONG_VALUE: i64 = 10;
const NO_CREATION: i64 = 11;
const INCONSISTENT_VALUE: i64 = 12;
const COMMIT_FAILED: i64 = 14;
const UNDO_FAILED: i64 = 15;
const NOT_WRITABLE: i64 = 17;

const SERIAL: &str = "1.3.6.1.6.3.1.1.6.1.0";

/// raisHostAdminStatus of a box of a group of the sample; the box itself is number 1.
fn admin_status(group: &str, host: u8) -> String {
    let name: Vec<_> = group.bytes().map(|octet| octet.to_string()).collect();
    format!("1.3.6.1.4.1.32473.1.1.3.1.21.{}.{}.1.4.10.9.0.{host}", group.len(), name.join("."))
}

fn status(bench: &mut Bench, values: &[(&str, Vec<u8>)]) -> (i64, i64) {
    let answer = bench.ask(&set(values));
    (answer.status, answer.index)
}

fn group(name: &str) -> Option<rais_core::address::GroupName> {
    Some(name.parse().unwrap())
}

fn writing(view: View) -> Bench {
    writing_to(sample::snapshot(), view)
}

fn writing_to(snapshot: Snapshot, view: View) -> Bench {
    let community = Community::with_views(b"public", Vec::new(), View::everything(), view).unwrap();
    Bench::with(snapshot, AgentParams { communities: vec![community], ..AgentParams::default() })
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

#[test]
fn a_value_of_another_type_is_a_wrong_type_whoever_the_row_is() {
    // (3) comes before (7) and (9): neither the row nor its existence is looked at.
    for name in [&admin_status("http", 1), &admin_status("http", 2), &admin_status("none", 1), SERIAL] {
        for value in [ber::tlv(4, b"1"), ber::tlv(0x42, &[1]), ber::null(), ber::tlv(0x40, &[10, 0, 0, 1])] {
            let answer = status(&mut writing(View::everything()), &[(name, value)]);
            assert_eq!(answer, (WRONG_TYPE, 1), "{name}");
        }
    }
}

#[test]
fn a_value_outside_its_syntax_is_a_wrong_value_whoever_the_row_is() {
    // (6) comes before (7) and (9).
    let table = [
        (admin_status("http", 1), vec![0, 4, -1, 257, i64::from(i32::MIN)]),
        (admin_status("http", 2), vec![0, 4]),
        (admin_status("none", 1), vec![0, 4]),
        (String::from(SERIAL), vec![-1]),
    ];
    for (name, values) in table {
        for value in values {
            let answer = status(&mut writing(View::everything()), &[(&name, ber::int(value))]);
            assert_eq!(answer, (WRONG_VALUE, 1), "{name} = {value}");
        }
    }
}

#[test]
fn what_is_not_there_can_not_be_created() {
    // (7): no row of a configured table and no second instance of a scalar could ever be made.
    let longer = format!("{}.1", admin_status("http", 1));
    for name in
        [&admin_status("none", 1), &admin_status("http", 77), &longer, "1.3.6.1.6.3.1.1.6.1", "1.3.6.1.6.3.1.1.6.1.1"]
    {
        let answer = status(&mut writing(View::everything()), &[(name, ber::int(1))]);
        assert_eq!(answer, (NO_CREATION, 1), "{name}");
    }
}

#[test]
fn another_box_is_not_writable() {
    // (9): the column can be written, and this row never.
    for host in 2..=5 {
        let answer = status(&mut writing(View::everything()), &[(&admin_status("http", host), ber::int(1))]);
        assert_eq!(answer, (NOT_WRITABLE, 1), "host {host}");
    }
}

#[test]
fn a_serial_number_that_is_not_the_current_one_is_inconsistent() {
    // (10), and TestAndIncr of RFC 2579.
    let mut bench = writing(View::everything());
    assert_eq!(status(&mut bench, &[(SERIAL, ber::int(1))]), (INCONSISTENT_VALUE, 1));
    assert_eq!(status(&mut bench, &[(SERIAL, ber::int(0))]), (0, 0));
    assert_eq!(bench.get(&[SERIAL]).variables[0].number(), 1);
    assert_eq!(status(&mut bench, &[(SERIAL, ber::int(0))]), (INCONSISTENT_VALUE, 1));
    assert_eq!(status(&mut bench, &[(SERIAL, ber::int(1))]), (0, 0));
    assert_eq!(bench.get(&[SERIAL]).variables[0].number(), 2);
}

#[test]
fn what_is_outside_the_view_is_no_access_before_it_is_anything_else() {
    // (1) comes before (2) to (10).
    let view = View::of([Oid::new(&ber::parse("1.3.6.1.2"))]);
    for (name, value) in [(admin_status("http", 1), ber::null()), (admin_status("none", 9), ber::int(9))] {
        assert_eq!(status(&mut writing(view.clone()), &[(&name, value)]), (NO_ACCESS, 1), "{name}");
    }
}

#[test]
fn quiesce_drain_and_active_become_the_commands_that_raisctl_sends() {
    let commands = [
        (1, Command::Unquiesce { group: group("http") }),
        (2, Command::Quiesce { group: group("http") }),
        (3, Command::Drain { group: group("http") }),
    ];
    for (value, command) in commands {
        // From a state in which none of them is the present one.
        let mut snapshot = sample::snapshot();
        for group in &mut snapshot.view.groups {
            (group.hosts[0].quiesced, group.hosts[0].draining) = (true, value == 2);
        }
        let mut bench = writing_to(snapshot, View::everything());
        let answer = bench.ask(&set(&[(&admin_status("http", 1), ber::int(value))]));
        assert_eq!((answer.status, answer.index), (0, 0));
        assert_eq!(answer.variables[0].number(), value, "the response repeats what was set");
        assert_eq!(bench.commands, [command]);
    }
}

#[test]
fn what_is_so_already_needs_no_command() {
    let mut bench = writing(View::everything());
    assert_eq!(status(&mut bench, &[(&admin_status("http", 1), ber::int(1))]), (0, 0));
    assert_eq!(bench.commands, []);
}

#[test]
fn a_set_is_validated_whole_before_anything_is_done() {
    // "if all variable bindings are validated": the last one alone keeps all from being done.
    let values = [
        (admin_status("http", 1), ber::int(2)),
        (String::from(SERIAL), ber::int(0)),
        (admin_status("dns", 1), ber::int(7)),
    ];
    let values = values.each_ref().map(|(name, value)| (name.as_str(), value.clone()));
    let mut bench = writing(View::everything());
    assert_eq!(status(&mut bench, &values), (WRONG_VALUE, 3));
    assert_eq!(bench.commands, []);
    assert_eq!(bench.get(&[SERIAL]).variables[0].number(), 0);
}

#[test]
fn a_change_that_fails_takes_back_those_before_it_the_last_one_first() {
    // "commitFailed", with the index of the binding that failed; "all other assignments are undone".
    let values = [
        (String::from(SERIAL), ber::int(0)),
        (admin_status("http", 1), ber::int(2)),
        (admin_status("dns", 1), ber::int(3)),
        (admin_status("z", 1), ber::int(2)),
    ];
    let values = values.each_ref().map(|(name, value)| (name.as_str(), value.clone()));
    let mut bench = writing(View::everything());
    bench.refused = vec![Command::Quiesce { group: group("z") }];
    let answer = bench.ask(&set(&values));
    assert_eq!((answer.status, answer.index, answer.variables.len()), (COMMIT_FAILED, 4, 4));
    let expected = [
        Command::Quiesce { group: group("http") },
        Command::Drain { group: group("dns") },
        Command::Unquiesce { group: group("dns") },
        Command::Unquiesce { group: group("http") },
    ];
    assert_eq!(bench.commands, expected);
    assert_eq!(bench.get(&[SERIAL]).variables[0].number(), 0, "the serial number was not taken");
}

#[test]
fn a_change_that_can_not_be_taken_back_is_undo_failed_without_an_index() {
    let values = [(admin_status("http", 1), ber::int(2)), (admin_status("z", 1), ber::int(2))];
    let values = values.each_ref().map(|(name, value)| (name.as_str(), value.clone()));
    let mut bench = writing(View::everything());
    bench.refused = vec![Command::Quiesce { group: group("z") }, Command::Unquiesce { group: group("http") }];
    assert_eq!(status(&mut bench, &values), (UNDO_FAILED, 0));
}

/// raisGroupFailbackAdmin (51) and raisGroupChoiceAdmin (53) of a group of the sample.
fn policy(column: u32, group: &str) -> String {
    let name: Vec<_> = group.bytes().map(|octet| octet.to_string()).collect();
    format!("1.3.6.1.4.1.32473.1.1.2.1.{column}.{}.{}", group.len(), name.join("."))
}

#[test]
fn a_policy_becomes_the_command_that_raisctl_sends_and_is_taken_back_to_what_it_was() {
    let (failback, choice) = (
        |failback| Command::Failback { group: group("http"), failback },
        |choice| Command::Choice { group: group("http"), choice },
    );
    let table = [
        (51, 1, failback(None)),
        (51, 2, failback(Some(FailbackOrder::Immediate))),
        (51, 3, failback(Some(FailbackOrder::Manual))),
        (53, 1, choice(None)),
        (53, 2, choice(Some(Choice::Balanced))),
        (53, 3, choice(Some(Choice::Random))),
    ];
    for (column, value, command) in table {
        // From a state in which this is not the present one.
        let mut snapshot = sample::snapshot();
        for group in snapshot.view.groups.iter_mut().filter(|_| value == 1) {
            (group.policy.failback, group.policy.choice) = (Some(FailbackOrder::Manual), Some(Choice::Random));
        }
        let mut bench = writing_to(snapshot, View::everything());
        let present = bench.get(&[&policy(column, "http")]).variables[0].number();
        bench.refused = vec![Command::Quiesce { group: group("z") }];
        let values = [(policy(column, "http"), ber::int(value)), (admin_status("z", 1), ber::int(2))];
        let values = values.each_ref().map(|(name, value)| (name.as_str(), value.clone()));
        assert_eq!(status(&mut bench, &values), (COMMIT_FAILED, 2), "{column} = {value}");
        assert_eq!(bench.commands[0], command);
        let undo = table_command(column, present);
        assert_eq!(bench.commands[1..], [undo], "{column} = {value}: back to {present}");
    }

    fn table_command(column: u32, value: i64) -> Command {
        let group = group("http");
        match (column, value) {
            (51, 1) => Command::Failback { group, failback: None },
            (51, 3) => Command::Failback { group, failback: Some(FailbackOrder::Manual) },
            (53, 1) => Command::Choice { group, choice: None },
            (53, 3) => Command::Choice { group, choice: Some(Choice::Random) },
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_policy_of_a_group_in_which_the_box_still_listens_is_inconsistent_unless_it_is_so_already() {
    // (10), after (3), (6) and (7). Nobody is settled in the group dns of the sample.
    let mut bench = writing(View::everything());
    for column in [51, 53] {
        let dns = policy(column, "dns");
        assert_eq!(status(&mut bench, &[(&dns, ber::int(2))]), (INCONSISTENT_VALUE, 1));
        assert_eq!(status(&mut bench, &[(&dns, ber::int(1))]), (0, 0));
        assert_eq!(status(&mut bench, &[(&dns, ber::int(4))]), (WRONG_VALUE, 1));
        assert_eq!(status(&mut bench, &[(&dns, ber::tlv(0x42, &[2]))]), (WRONG_TYPE, 1));
        assert_eq!(status(&mut bench, &[(&policy(column, "none"), ber::int(2))]), (NO_CREATION, 1));
        assert_eq!(status(&mut bench, &[(&policy(column - 1, "http"), ber::int(2))]), (NOT_WRITABLE, 1));
        let view = View::of([Oid::new(&ber::parse("1.3.6.1.2"))]);
        assert_eq!(status(&mut writing(view), &[(&dns, ber::int(2))]), (NO_ACCESS, 1));
    }
    assert_eq!(bench.commands, []);
}
