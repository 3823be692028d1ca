//! GetNextRequest-PDU: RFC 3416 §4.2.2.

use crate::bench::{BEFORE_LAST, Bench, LAST, RAIS, SYS_DESCR};
use crate::ber::{self, END_OF_MIB_VIEW};
use crate::sample;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rais::snmp::{AgentParams, Community, Oid, View};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

#[test]
fn the_next_instance_is_the_lexicographical_successor() {
    let table = [
        ("0.0", SYS_DESCR),
        ("1.3", SYS_DESCR),
        ("1.3.6.1.2.1.1", SYS_DESCR),
        ("1.3.6.1.2.1.1.1", SYS_DESCR),
        (SYS_DESCR, "1.3.6.1.2.1.1.2.0"),
        ("1.3.6.1.2.1.1.1.0.0", "1.3.6.1.2.1.1.2.0"),
        ("1.3.6.1.2.1.1.1.7", "1.3.6.1.2.1.1.2.0"),
        ("1.3.6.1.2.1.1.8.0", "1.3.6.1.2.1.1.9.1.2.1"),
        ("1.3.6.1.2.1.1.9.1.1.1", "1.3.6.1.2.1.1.9.1.2.1"),
        ("1.3.6.1.2.1.1.9.1.2.1", "1.3.6.1.2.1.1.9.1.2.2"),
        ("1.3.6.1.2.1.1.9.1.2.1.4", "1.3.6.1.2.1.1.9.1.2.2"),
        ("1.3.6.1.2.1.1.9.1.2.99", "1.3.6.1.2.1.1.9.1.3.1"),
        ("1.3.6.1.2.1.1.9.1.4.99", "1.3.6.1.2.1.2.1.0"),
        ("1.3.6.1.2.1.2.2.1.1.5", "1.3.6.1.2.1.2.2.1.1.70000"),
        ("1.3.6.1.2.1.2.2.1.1.5.0", "1.3.6.1.2.1.2.2.1.1.70000"),
        ("1.3.6.1.2.1.2.2.1.1.70000", "1.3.6.1.2.1.2.2.1.2.1"),
        ("1.3.6.1.2.1.4.34.1.3.1.4.10.9.0", "1.3.6.1.2.1.4.34.1.3.1.4.10.9.0.1"),
        ("1.3.6.1.2.1.11.32.0", "1.3.6.1.2.1.25.1.1.0"),
        ("1.3.6.1.4.1.2021.11.64.0", "1.3.6.1.4.1.32473.1.1.1.1.0"),
        (BEFORE_LAST, LAST),
    ];
    for (name, next) in table {
        let answer = Bench::new().get_next(&[name]);
        assert_eq!((answer.status, answer.variables[0].dotted().as_str()), (0, next), "after {name}");
    }
}

#[test]
fn after_the_last_instance_comes_end_of_mib_view_under_the_name_asked() {
    // RFC 3416 §4.2.2 (2).
    for name in [LAST, "1.3.6.1.6.3.13.1.2", "1.3.6.1.6.99", "2.0", "2.999.4294967295"] {
        let answer = Bench::new().get_next(&[name]);
        assert_eq!((answer.variables[0].tag, answer.variables[0].dotted().as_str()), (END_OF_MIB_VIEW, name));
        assert_eq!((answer.status, answer.variables[0].content.len()), (0, 0));
    }
}

#[test]
fn rows_come_in_the_order_of_their_index_not_of_their_names() {
    // RFC 2578 §7.7: a length in front makes shorter names come first.
    let names: Vec<_> = Bench::new()
        .walk(&format!("{RAIS}.2.1.10"))
        .iter()
        .map(|row| String::from_utf8(row.name[13..].iter().map(|arc| *arc as u8).collect()).unwrap())
        .collect();
    assert_eq!(names, ["z", "dns", "http", "long-name"]);
}

#[test]
fn a_walk_steps_over_a_group_without_rows() {
    // "dns" has no addresses: from the last of "z" to the first of "http".
    let last_of_z = Bench::new().walk(&format!("{RAIS}.5.1.3.1.122")).pop().unwrap();
    let answer = Bench::new().get_next(&[&last_of_z.dotted()]);
    assert_eq!(answer.variables[0].dotted(), format!("{RAIS}.5.1.3.4.104.116.116.112.1.4.10.9.0.101"));
    let answer = Bench::new().get_next(&[&format!("{RAIS}.5.1.3.3.100.110.115.1.4.10.9.0.101")]);
    assert_eq!(answer.variables[0].dotted(), format!("{RAIS}.5.1.3.4.104.116.116.112.1.4.10.9.0.101"));
}

#[test]
fn an_agent_with_nothing_configured_is_walked_to_its_end() {
    let mut snapshot = sample::snapshot();
    snapshot.view.groups.clear();
    snapshot.view.tests.clear();
    snapshot.view.loads.clear();
    snapshot.zones.clear();
    let about = Arc::make_mut(&mut snapshot.about);
    about.receivers.clear();
    let mut bench =
        Bench::with(snapshot, AgentParams { communities: vec![crate::bench::community()], ..AgentParams::default() });
    let walk = bench.walk("1.3");
    assert_eq!(bench.walk(RAIS).len(), 14 + 3 * 6 + 5, "raisBox, raisEventTable, raisAgent");
    assert_eq!(walk.last().unwrap().dotted(), "1.3.6.1.6.3.12.1.1.0", "snmpTargetSpinLock");
}

#[test]
fn a_walk_of_everything_ends_and_finds_what_get_finds() {
    let mut bench = Bench::new();
    let walk = bench.walk("1.3");
    assert_eq!(walk.last().unwrap().dotted(), LAST);
    // 4 groups; hosts 1 + 3 × 6; addresses 3 × 10; 2 tests, 2 loads, 2 zones whose names fit an index, 2 receivers, 3 peers.
    let rais = 14 + 4 * 61 + 19 * 22 + 23 * 3 + 30 * 15 + 2 * 7 + 2 * 5 + 2 * 9 + 3 * 6 + 5 + 2 * 10 + 3 * 3;
    assert_eq!(walk.iter().filter(|found| found.name.starts_with(&ber::parse(RAIS))).count(), rais);
    for found in &walk {
        // What counts the asking itself has moved on.
        if !found.dotted().starts_with("1.3.6.1.2.1.11.1.") {
            assert_eq!(&bench.get(&[&found.dotted()]).variables[0], found);
        }
    }
}

#[test]
fn a_view_hides_what_it_does_not_hold_at_every_level() {
    // RFC 3416 §4.2.2: the next name "accessible by this request".
    let http = format!("{RAIS}.5.1.3.4.104.116.116.112");
    let table = [
        (vec!["1.3.6.1.2.1.1.5"], 1, "one object"),
        (vec!["1.3.6.1.2.1.2.2.1.8"], 4, "one column"),
        (vec![&*http], 10, "a column's rows of one group"),
        (vec![&*http, "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.11.1"], 12, "bits of everything"),
        (vec!["1.3.6.1.5"], 0, "nothing that is served"),
    ];
    for (subtrees, count, what) in table {
        let view = View::of(subtrees.iter().map(|subtree| Oid::new(&ber::parse(subtree))));
        let community = Community::with_views(b"public", Vec::new(), view, View::nothing()).unwrap();
        let params = AgentParams { communities: vec![community], ..AgentParams::default() };
        let walk = Bench::with(sample::snapshot(), params).walk("1.3");
        assert_eq!(walk.len(), count, "{what}");
        assert!(walk.iter().all(|found| subtrees.iter().any(|subtree| found.name.starts_with(&ber::parse(subtree)))));
    }
}

#[test]
fn too_big_comes_with_neither_index_nor_variable_bindings() {
    // RFC 3416 §4.2.2.
    let answer = Bench::new().get_next(&["1.3.6.1.2.1.1"; 60]);
    assert_eq!((answer.status, answer.index, answer.variables.len()), (1, 0, 0));
}

/// A name near an instance: the instance itself, cut, grown, or with a sub-identifier changed.
fn near(walk: Vec<Vec<u32>>) -> impl Strategy<Value = Vec<u32>> {
    let arc = prop_oneof![Just(0), Just(1), Just(2), Just(4), Just(16), Just(u32::MAX), 0..300u32];
    (prop::sample::select(walk), 0..40usize, prop::collection::vec(arc, 0..4), any::<bool>()).prop_map(
        |(mut name, keep, tail, cut)| {
            if cut {
                name.truncate(keep.max(2));
            } else if let (Some(arc), Some(at @ 2..)) = (tail.first(), name.len().checked_sub(1 + keep % 8)) {
                name[at] = *arc;
            }
            name.extend(tail);
            name
        },
    )
}

#[test]
fn from_anywhere_the_next_instance_is_the_successor_in_the_sorted_set() {
    let all: BTreeSet<_> = Bench::new().walk("1.3").into_iter().map(|found| found.name).collect();
    let bench = RefCell::new(Bench::new());
    let config = ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&near(all.iter().cloned().collect()), |name| {
        let mut bench = bench.borrow_mut();
        let next = bench.get_next(&[&ber::dotted(&name)]).variables.remove(0);
        match all.range((Bound::Excluded(name.clone()), Bound::Unbounded)).next() {
            Some(expected) => prop_assert_eq!(&next.name, expected),
            None => prop_assert_eq!((next.tag, &next.name), (END_OF_MIB_VIEW, &name)),
        }
        let exact = bench.get(&[&ber::dotted(&name)]);
        prop_assert_eq!(exact.variables[0].tag & 0x80 == 0, all.contains(&name));
        Ok(())
    });
    outcome.unwrap();
}
