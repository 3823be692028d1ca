//! Tables for N-10, N-11 and N-13, and what holds whatever the loads are.

use super::*;
use crate::samples;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::collection::vec;
use proptest::prelude::*;

fn v4(n: u8) -> ServiceAddress {
    ServiceAddress(IpAddr::V4(Ipv4Addr::new(10, 9, 0, n)))
}

fn v6(n: u8) -> ServiceAddress {
    ServiceAddress(IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, u16::from(n))))
}

fn id(n: u8) -> IdAddress {
    IdAddress(IpAddr::V4(Ipv4Addr::new(10, 9, 1, n)))
}

fn rules(minimum: usize, maximum: usize) -> Rules {
    Rules { minimum, maximum, exclude: Vec::new() }
}

fn marks(low: u32, high: u32) -> Marks {
    Marks { low: Utilisation(low), high: Utilisation(high) }
}

/// IPv4 candidates 10.9.0.1, .2, … with these loads.
fn loaded(loads: &[u32]) -> Vec<Candidate> {
    (1..)
        .zip(loads)
        .map(|(n, load)| Candidate { address: v4(n), host: id(n), utilisation: Utilisation(*load) })
        .collect()
}

/// The numbers of those that are in.
fn chosen(loads: &[u32], last: &[u8], marks: Marks, rules: &Rules) -> Vec<u8> {
    let last = last.iter().map(|n| v4(*n)).collect();
    let decisions = choose(&loaded(loads), &last, marks, rules);
    (1..).take(loads.len()).filter(|n| decisions.iter().any(|d| d.address == v4(*n) && d.standing.is_in())).collect()
}

#[test]
fn water_marks_decide_who_is_in() {
    type Row<'a> = (&'a str, &'a [u32], &'a [u8], (u32, u32), usize, &'a [u8]);
    let table: [Row<'_>; 17] = [
        // what, loads, in before, (low, high), minimum, in now
        ("seed B's example", &[100, 650, 700, 800], &[], (600, 600), 2, &[1, 2]),
        ("seed B's example, all in before", &[100, 650, 700, 800], &[1, 2, 3, 4], (600, 600), 2, &[1, 2]),
        ("seed B's example, any order", &[800, 650, 100, 700], &[], (600, 600), 2, &[2, 3]),
        ("seed B: enough below the mark", &[100, 200, 300, 800], &[], (600, 600), 2, &[1, 2, 3]),
        ("at the only mark is not above it", &[600, 601], &[], (600, 600), 0, &[1]),
        ("nobody", &[], &[1], (600, 800), 2, &[]),
        ("as many as the minimum stay however full", &[900, 950], &[], (600, 800), 2, &[1, 2]),
        ("between the marks and in before: stays", &[100, 700], &[2], (600, 800), 1, &[1, 2]),
        ("between the marks and not in before: waits", &[100, 700], &[1], (600, 800), 1, &[1]),
        ("at the low mark: has room again", &[100, 600], &[1], (600, 800), 1, &[1, 2]),
        ("just above the low mark: waits", &[100, 601], &[1], (600, 800), 1, &[1]),
        ("at the high mark and in before: stays", &[100, 800], &[2], (600, 800), 1, &[1, 2]),
        ("just above the high mark: leaves", &[100, 801], &[1, 2], (600, 800), 1, &[1]),
        ("the minimum prefers who was in, at equal load", &[700, 700], &[2], (600, 800), 1, &[2]),
        ("the minimum takes the lower address among equals", &[900, 900, 900], &[], (600, 800), 2, &[1, 2]),
        ("no minimum: all may be too full", &[900, 900], &[1, 2], (600, 800), 0, &[]),
        ("a low mark above the high one is the high one", &[100, 700, 900], &[], (2000, 800), 1, &[1, 2]),
    ];
    for (what, loads, last, (low, high), minimum, expected) in table {
        assert_eq!(chosen(loads, last, marks(low, high), &rules(minimum, 28)), expected, "{what}");
    }
}

#[test]
fn the_cap_takes_the_fullest_first_and_leaves_who_was_in() {
    type Row<'a> = (&'a str, &'a [u32], &'a [u8], usize, usize, &'a [u8]);
    let table: [Row<'_>; 6] = [
        // what, loads, in before, minimum, maximum, in now
        ("the fullest goes", &[300, 100, 200], &[], 1, 2, &[2, 3]),
        ("the higher address goes, among equals", &[100, 100, 100], &[], 1, 2, &[1, 2]),
        ("who was in stays, though a newcomer has more room", &[300, 100, 200], &[1, 3], 1, 2, &[1, 3]),
        ("a newcomer takes the place of one that got full", &[900, 100, 200], &[1, 3], 1, 2, &[2, 3]),
        ("a newcomer with room goes before a full one kept for the minimum", &[900, 100], &[1], 2, 1, &[2]),
        ("a cap below the minimum wins", &[900, 901, 902], &[], 3, 1, &[1]),
    ];
    for (what, loads, last, minimum, maximum, expected) in table {
        assert_eq!(chosen(loads, last, marks(600, 800), &rules(minimum, maximum)), expected, "{what}");
    }
}

#[test]
fn each_decision_says_why() {
    let candidates = loaded(&[100, 700, 700, 950, 200]);
    let last = [v4(2), v4(1)].into_iter().collect();
    let standings = |minimum, maximum| {
        let decisions = choose(&candidates, &last, marks(600, 800), &rules(minimum, maximum));
        let by_address: BTreeMap<_, _> = decisions.iter().map(|d| (d.address, d.standing.as_str())).collect();
        by_address.into_values().collect::<Vec<_>>()
    };
    assert_eq!(standings(1, 28), ["room", "kept", "not-yet-room", "full", "room"]);
    assert_eq!(standings(5, 28), ["room", "kept", "minimum", "minimum", "room"]);
    assert_eq!(standings(1, 2), ["room", "kept", "not-yet-room", "full", "maximum"]);
}

#[test]
fn the_families_are_pruned_each_on_its_own() {
    let candidate = |address, load| Candidate { address, host: id(1), utilisation: Utilisation(load) };
    let candidates = [candidate(v4(1), 900), candidate(v4(2), 950), candidate(v6(1), 100), candidate(v6(2), 950)];
    let decisions = choose(&candidates, &BTreeSet::new(), marks(600, 800), &rules(1, 28));
    let chosen: Vec<_> = decisions.iter().filter(|d| d.standing.is_in()).map(|d| (d.address, d.standing)).collect();
    assert_eq!(chosen, [(v4(1), Standing::Minimum), (v6(1), Standing::Room)]);
}

fn host(n: u8, load: u32) -> HostView {
    HostView { load, utilisation: Utilisation(load), served: 1, ..samples::host_view(id(n)) }
}

fn at_home(address: ServiceAddress, n: u8) -> AddressView {
    AddressView { preferred: Some(id(n)), ..samples::address_view(address, Some(id(n))) }
}

/// Box n serves its own address 10.9.0.n, with these loads.
fn group(loads: &[u32]) -> GroupView {
    GroupView {
        hosts: (1..).zip(loads).map(|(n, load)| host(n, *load)).collect(),
        addresses: (1..).take(loads.len()).map(|n| at_home(v4(n), n)).collect(),
        ..samples::group_view(id(1))
    }
}

#[test]
fn an_address_is_a_candidate_only_at_home_on_a_box_that_takes_work() {
    type Change = fn(&mut GroupView);
    let table: [(&str, Change, Result<(), Standing>); 17] = [
        ("at home and well", |_| {}, Ok(())),
        ("acquiring", |g| g.addresses[0].state = AddressState::Acquiring, Err(Standing::NotOnline)),
        ("releasing", |g| g.addresses[0].state = AddressState::Releasing, Err(Standing::NotOnline)),
        ("unserved", |g| g.addresses[0].state = AddressState::Unserved, Err(Standing::NotOnline)),
        ("duplicate", |g| g.addresses[0].state = AddressState::Duplicate, Err(Standing::NotOnline)),
        ("online with nobody", |g| g.addresses[0].server = None, Err(Standing::NotOnline)),
        ("an orphan", |g| g.addresses[0].orphan = true, Err(Standing::Orphan)),
        ("served elsewhere", |g| g.addresses[0].preferred = Some(id(2)), Err(Standing::Orphan)),
        ("a dead box", |g| g.hosts[0].state = HostState::Dead, Err(Standing::HostDead)),
        ("a box that left", |g| g.hosts[0].state = HostState::Left, Err(Standing::HostDead)),
        ("a box nobody knows", |g| g.hosts.clear(), Err(Standing::HostDead)),
        ("a failed test", |g| g.hosts[0].state = HostState::NotOk, Err(Standing::HostNotOk)),
        ("not ok", |g| g.hosts[0].ok = false, Err(Standing::HostNotOk)),
        ("quiesced", |g| g.hosts[0].quiesced = true, Err(Standing::HostQuiesced)),
        ("draining", |g| g.hosts[0].draining = true, Err(Standing::HostQuiesced)),
        ("a pool address", |g| g.addresses[0].preferred = None, Ok(())),
        (
            "a pool address on a quiesced box",
            |g| {
                g.addresses[0].preferred = None;
                g.hosts[0].quiesced = true;
                g.hosts[0].state = HostState::Quiesced;
            },
            Ok(()),
        ),
    ];
    for (what, change, expected) in table {
        let mut group = group(&[100]);
        change(&mut group);
        let (fit, unfit) = candidates(&group, &rules(1, 28));
        match expected {
            Ok(()) => assert_eq!((fit.len(), unfit.len(), fit[0].address), (1, 0, v4(1)), "{what}"),
            Err(standing) => assert_eq!((fit.len(), unfit[0].standing), (0, standing), "{what}"),
        }
    }
}

#[test]
fn an_excluded_address_or_subnet_is_never_advertised() {
    let mut table = DnsTable::new(
        Rules { exclude: ["10.9.0.2", "10.9.0.128/25"].map(|p| p.parse().unwrap()).to_vec(), ..rules(5, 28) },
        [v4(2)],
    );
    let mut group = group(&[100, 100, 100]);
    group.addresses[2].address = v4(129);
    assert_eq!(table.update(&group), Some(&[v4(1)].into()));
    let standings: Vec<_> = table.decisions().iter().map(|d| d.standing).collect();
    assert_eq!(standings, [Standing::Room, Standing::Excluded, Standing::Excluded]);
}

#[test]
fn hysteresis_runs_on_the_tables_own_last_choice() {
    let mut table = DnsTable::new(rules(1, 28), []);
    let both: BTreeSet<_> = [v4(1), v4(2)].into();
    let first: BTreeSet<_> = [v4(1)].into();
    for (load, expected) in [(700, &first), (600, &both), (700, &both), (801, &first), (700, &first), (599, &both)] {
        assert_eq!(table.update(&group(&[100, load])), Some(expected), "at {load}");
    }
}

#[test]
fn when_nothing_is_left_the_last_good_set_stays() {
    let mut table = DnsTable::new(rules(1, 28), []);
    let both: BTreeSet<_> = [v4(1), v4(2)].into();
    assert_eq!(table.update(&group(&[100, 100])), Some(&both));
    let mut lost = group(&[100, 100]);
    lost.hosts[0].ok = false;
    lost.addresses.truncate(1);
    assert_eq!(table.update(&lost), Some(&both));
    let standings: Vec<_> = table.decisions().iter().map(|d| (d.address, d.standing)).collect();
    assert_eq!(standings, [(v4(1), Standing::Last), (v4(2), Standing::Last)]);
    assert_eq!(table.update(&group(&[100])), Some(&[v4(1)].into()), "and goes when there is a better one");
}

#[test]
fn after_a_start_the_last_set_stays_until_the_box_has_listened() {
    let mut unsettled = group(&[100, 100]);
    unsettled.settled = false;
    let mut table = DnsTable::new(rules(1, 28), [v4(7)]);
    assert_eq!(table.update(&unsettled), Some(&[v4(7)].into()));
    assert_eq!(table.update(&group(&[100])), Some(&[v4(1)].into()));
}

#[test]
fn a_name_that_never_had_an_address_is_left_alone() {
    let mut table = DnsTable::new(rules(1, 28), []);
    assert_eq!(table.update(&group(&[])), None);
    assert_eq!(table.advertised(), &BTreeSet::new());
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    vec((any::<bool>(), 0..1200u32), 0..40).prop_map(|boxes| {
        (1..)
            .zip(boxes)
            .map(|(n, (is_v6, load))| Candidate {
                address: if is_v6 { v6(n) } else { v4(n) },
                host: id(n),
                utilisation: Utilisation(load),
            })
            .collect()
    })
}

fn in_of(decisions: &[Decision], is_v4: bool) -> BTreeSet<ServiceAddress> {
    decisions.iter().filter(|d| d.standing.is_in() && d.address.0.is_ipv4() == is_v4).map(|d| d.address).collect()
}

proptest! {
    #[test]
    fn whatever_the_loads_the_bounds_hold_in_each_family(
        all in any_candidates(),
        was_in in vec(any::<bool>(), 40),
        minimum in 0..10usize,
        maximum in 1..64usize,
        low in 0..1000u32,
        high in 0..1000u32,
    ) {
        let last: BTreeSet<_> = all.iter().zip(&was_in).filter(|(_, was)| **was).map(|(c, _)| c.address).collect();
        let rules = rules(minimum, maximum);
        let marks = marks(low.min(high), high);
        let decisions = choose(&all, &last, marks, &rules);
        prop_assert_eq!(decisions.len(), all.len());
        let mut backwards = all.clone();
        backwards.reverse();
        let mirrored = choose(&backwards, &last, marks, &rules);
        for is_v4 in [true, false] {
            let family: Vec<_> = all.iter().filter(|c| c.address.0.is_ipv4() == is_v4).collect();
            let chosen = in_of(&decisions, is_v4);
            prop_assert_eq!(&chosen, &in_of(&mirrored, is_v4), "the order of the boxes matters");
            prop_assert!(chosen.len() <= maximum);
            prop_assert!(chosen.len() >= minimum.min(family.len()).min(maximum));
            for candidate in family {
                let is_in = chosen.contains(&candidate.address);
                if candidate.utilisation > marks.high && is_in {
                    prop_assert!(chosen.len() <= minimum, "a full box is in beyond the minimum");
                }
                if candidate.utilisation <= marks.low && !is_in {
                    prop_assert_eq!(chosen.len(), maximum, "a box with room is out below the maximum");
                }
                if candidate.utilisation <= marks.high && last.contains(&candidate.address) && !is_in {
                    prop_assert_eq!(chosen.len(), maximum, "hysteresis does not hold");
                }
            }
        }
    }

    /// The same loads again change nothing: a zone is written when something happened, not on every pass.
    #[test]
    fn a_choice_is_its_own_successor(
        all in any_candidates(), minimum in 0..10usize, maximum in 1..64usize, low in 0..1000u32, high in 0..1000u32,
    ) {
        let (rules, marks) = (rules(minimum, maximum), marks(low.min(high), high));
        let once: BTreeSet<_> = choose(&all, &BTreeSet::new(), marks, &rules)
            .iter().filter(|d| d.standing.is_in()).map(|d| d.address).collect();
        let twice: BTreeSet<_> = choose(&all, &once, marks, &rules)
            .iter().filter(|d| d.standing.is_in()).map(|d| d.address).collect();
        prop_assert_eq!(once, twice);
    }
}
