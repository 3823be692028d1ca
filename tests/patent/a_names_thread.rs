//! A, figure 6C and the pseudo code of the DNS thread (pages 26 and 27): which service addresses a zone advertises. The
//! views are those of a real node; scaling factor 1000, delta = high − low water mark = 800 − 600.

use crate::bench::{BEAT, Bench, DEAD_AFTER, address, id};
use rais_core::address::ServiceAddress;
use rais_core::dns_table::{DnsTable, Rules, Standing};
use rais_core::info_message::{Claim, Row};
use rais_core::quantity::Utilisation;
use std::collections::BTreeSet;

fn table(minimum: usize, last: &[u8]) -> DnsTable {
    DnsTable::new(Rules { minimum, maximum: 28, exclude: Vec::new() }, last.iter().map(|number| address(*number)))
}

fn set(numbers: &[u8]) -> BTreeSet<ServiceAddress> {
    numbers.iter().map(|number| address(*number)).collect()
}

/// Box 9, a spare that only watches, and boxes 1 to 4, each of which serves its own address at this load of 1000.
fn loaded(loads: [u32; 4]) -> Bench {
    let mut bench = Bench::new(9, &[]);
    for (number, load) in (1..).zip(loads) {
        bench.join(number, &[number], &[number]).load = load;
    }
    bench.settle();
    bench
}

fn standing(table: &DnsTable, number: u8) -> Standing {
    table.decisions().iter().find(|decision| decision.address == address(number)).unwrap().standing
}

/// "if entry expired or host quiesced or preferred_service_address = 0 then continue"; page 11: orphans are not advertised.
#[test]
fn hosts_that_timed_out_are_quiesced_or_have_no_preferred_address_are_left_out() {
    let mut bench = loaded([100; 4]);
    bench.join(5, &[], &[]);
    bench.peer(2).quiesced = true;
    bench.peer(3).silent = true;
    bench.pass(DEAD_AFTER + BEAT);
    // A spare serves the address of the one that died: an orphan.
    bench.peer(5).rows = vec![Row::Claim(address(3), Claim::Online)];
    bench.pass(BEAT * 2);
    let mut table = table(1, &[1, 2, 3, 4]);
    assert_eq!(table.update(&bench.view()), Some(&set(&[1, 4])));
    assert_eq!((standing(&table, 2), standing(&table, 3)), (Standing::HostQuiesced, Standing::Orphan));
}

/// "util = (load * scaling factor) / capacity", an integer.
#[test]
fn utilisation_is_load_times_the_scaling_factor_by_capacity() {
    let mut bench = loaded([100; 4]);
    (bench.peer(1).load, bench.peer(1).capacity) = (2, 3);
    bench.pass(BEAT * 2);
    let mut table = table(1, &[]);
    table.update(&bench.view());
    let decision = table.decisions().iter().find(|decision| decision.host == Some(id(1))).unwrap();
    assert_eq!(decision.utilisation, Some(Utilisation(666)));
}

/// "if util > high water mark then weighted_util = util + delta … if weighted_util > high water mark then remove entry".
#[test]
fn a_host_above_the_high_water_mark_is_removed() {
    let bench = loaded([799, 800, 801, 100]);
    let mut table = table(1, &[1, 2, 3, 4]);
    assert_eq!(table.update(&bench.view()), Some(&set(&[1, 2, 4])));
    assert_eq!(standing(&table, 3), Standing::Full);
}

/// "else if util > low water mark: if service_address is in M then weighted_util = util else … + delta": between the marks
/// who was in stays in, and who was out stays out, until it falls to the low water mark.
#[test]
fn a_removed_host_comes_back_at_the_low_water_mark_and_not_before() {
    let mut bench = loaded([100; 4]);
    let mut table = table(1, &[]);
    let mut at = |load: u32| {
        bench.peer(3).load = load;
        bench.pass(BEAT * 2);
        table.update(&bench.view()).unwrap().contains(&address(3))
    };
    let course = [(100, true), (700, true), (850, false), (799, false), (601, false), (600, true), (800, true)];
    for (load, expected) in course {
        assert_eq!(at(load), expected, "at {load}");
    }
}

/// "sort BB by weighted_util in ascending order; for each entry starting at the minimum number of service addresses": the
/// least utilised stay, however full they are.
#[test]
fn the_minimum_number_of_addresses_stays_and_it_is_the_least_utilised() {
    let bench = loaded([990, 950, 900, 970]);
    let mut table = table(2, &[1, 2, 3, 4]);
    assert_eq!(table.update(&bench.view()), Some(&set(&[2, 3])));
    assert_eq!((standing(&table, 3), standing(&table, 4)), (Standing::Minimum, Standing::Full));
}

/// "if number of entries in BB > minimum number of service addresses": if there are no more than that, nothing is removed.
#[test]
fn nothing_is_removed_when_there_are_no_more_than_the_minimum() {
    let bench = loaded([990, 950, 900, 970]);
    assert_eq!(table(4, &[]).update(&bench.view()), Some(&set(&[1, 2, 3, 4])));
}
