//! Walks while the rows move under them: every answer is from one picture, and the next one may be from another.

use crate::bench::{Bench, RAIS, community};
use crate::ber::{self, END_OF_MIB_VIEW};
use crate::sample;
use rais::snapshot::Snapshot;
use rais::snmp::AgentParams;
use rais_core::address::ServiceAddress;
use rais_core::view::AddressView;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

const ROWS: u32 = 10_000;
/// Between two requests of a walk: with 10 ms for each, 1,000 rows a second come or go.
const MOVES: usize = 10;

/// A sequence that looks random and is the same each time.
struct Picks(u32);

impl Picks {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.0) * u64::from(end)) >> 32) as u32
    }
}

/// Every second address is there at the start; each may come or go.
struct Group {
    template: Snapshot,
    present: BTreeSet<u32>,
    /// Those that neither came nor went.
    steady: BTreeSet<u32>,
    picks: Picks,
}

impl Group {
    fn new(seed: u32) -> Self {
        let present: BTreeSet<_> = (0..ROWS).map(|number| number * 2).collect();
        Self { template: sample::many_addresses(1), steady: present.clone(), present, picks: Picks(seed) }
    }

    fn churn(&mut self) {
        for _ in 0..MOVES {
            let number = self.picks.below(ROWS * 2);
            self.steady.remove(&number);
            if !self.present.remove(&number) {
                self.present.insert(number);
            }
        }
    }

    fn picture(&self) -> Arc<Snapshot> {
        let mut snapshot = self.template.clone();
        let row = snapshot.view.groups[0].addresses[0].clone();
        let address = |number: &u32| ServiceAddress(Ipv4Addr::from_bits((10 << 24) + number).into());
        let rows = self.present.iter().map(|number| AddressView { address: address(number), ..row.clone() });
        snapshot.view.groups[0].addresses = rows.collect();
        Arc::new(snapshot)
    }
}

/// Walks raisAddressState of the group, and returns the rows found, as numbers, in the order in which they came.
fn walk(group: &mut Group, repetitions: i64) -> Vec<u32> {
    let params = AgentParams { communities: vec![community()], ..AgentParams::default() };
    let mut bench = Bench::with(sample::many_addresses(1), params);
    let column = ber::parse(&format!("{RAIS}.5.1.3"));
    let (mut name, mut found) = (column.clone(), Vec::new());
    loop {
        bench.snapshot = group.picture();
        let answer = bench.get_bulk(0, repetitions, &[&ber::dotted(&name)]);
        assert!(!answer.variables.is_empty(), "no progress");
        for variable in answer.variables {
            if variable.tag == END_OF_MIB_VIEW || !variable.name.starts_with(&column) {
                return found;
            }
            assert!(variable.name > name, "{} after {}", variable.dotted(), ber::dotted(&name));
            let [_, b, c, d] = variable.name[variable.name.len() - 4..] else { unreachable!() };
            found.push((b << 16) + (c << 8) + d);
            name = variable.name;
        }
        assert!(found.len() <= 2 * ROWS as usize, "it does not end");
        group.churn();
    }
}

#[test]
fn a_walk_of_ten_thousand_rows_is_right_while_a_thousand_a_second_come_and_go() {
    for (seed, repetitions) in [(1, 25), (2, 50), (3, 10)] {
        let mut group = Group::new(seed);
        let found = walk(&mut group, repetitions);
        assert!(found.is_sorted_by(|one, other| one < other), "strictly increasing, so no row twice");
        let found: BTreeSet<_> = found.into_iter().collect();
        assert!(group.steady.len() > ROWS as usize / 2 && group.steady.len() < ROWS as usize, "rows did come and go");
        let missed: Vec<_> = group.steady.difference(&found).collect();
        assert_eq!(missed, [&0; 0], "what was there all the time is found");
    }
}

#[test]
fn a_walk_over_a_row_that_is_gone_goes_on_behind_it() {
    // RFC 3416 §4.2.2: the name asked need not exist.
    let mut group = Group::new(4);
    let params = AgentParams { communities: vec![community()], ..AgentParams::default() };
    let mut bench = Bench::with(sample::many_addresses(1), params);
    bench.snapshot = group.picture();
    let name = |number: u32| format!("{RAIS}.5.1.3.4.104.116.116.112.1.4.10.0.0.{number}");
    assert_eq!(bench.get_next(&[&name(2)]).variables[0].dotted(), name(4));
    group.present.remove(&4);
    group.present.insert(3);
    bench.snapshot = group.picture();
    assert_eq!(bench.get_next(&[&name(4)]).variables[0].dotted(), name(6), "4 is gone");
    assert_eq!(bench.get_next(&[&name(2)]).variables[0].dotted(), name(3), "3 is new");
}

#[test]
fn a_walk_whose_table_vanishes_ends_with_what_comes_behind_it() {
    let mut group = Group::new(5);
    let params = AgentParams { communities: vec![community()], ..AgentParams::default() };
    let mut bench = Bench::with(sample::many_addresses(1), params);
    group.present.clear();
    bench.snapshot = group.picture();
    let next = bench.get_next(&[&format!("{RAIS}.5.1.3.4.104.116.116.112.1.4.10.0.0.2")]).variables.remove(0);
    assert!(next.name > ber::parse(&format!("{RAIS}.5.1.99")) && next.tag != END_OF_MIB_VIEW, "{}", next.dotted());
}
