//! A, figures 2B to 2D: what an info message holds.

use crate::bench::{BEAT, Bench, DEAD_AFTER, Ends, acquires, address, id, infos, params, sent};
use rais_core::info_message::{Body, Claim, Row};
use rais_core::params::{Control, Failback};
use std::time::Duration;

/// Figure 2B, first row: the message sequence number is a "globally unique ascending number". Here the sender's id and
/// its incarnation make it unique; within those it ascends.
#[test]
fn figure_2b_message_sequence_numbers_ascend_and_are_never_used_twice() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.join(3, &[3], &[3]);
    bench.pass(Duration::from_secs(3));
    let actions = bench.taken();
    let messages = sent(&actions);
    assert!(messages.len() > 25, "{}", messages.len());
    assert!(messages.iter().all(|message| message.sender == id(2)));
    assert!(messages.is_sorted_by(|one, next| one.sequence < next.sequence));
}

/// Figures 2B ("my host information") and 2C: id address, control addresses, OK, quiesce, load, capacity, and the service
/// addresses; page 14, items (1) to (5): also the preferred one.
#[test]
fn figure_2c_the_host_information_entry_tells_all_of_its_fields() {
    let mut params = params(2, &[2]);
    let group = params.groups.values_mut().next().unwrap();
    let second = Control { interface: "control-2".parse().unwrap(), address: "10.2.0.2".parse().unwrap() };
    group.control.push(second);
    let mut bench = Bench::with(2, params);
    bench.figures = (40, 50);
    bench.join(1, &[1], &[]);
    bench.settle();
    bench.order(1, 2, Body::Acquire, 2);
    bench.pass(BEAT);
    let actions = bench.taken();
    let last = *infos(&actions).last().unwrap();
    assert_eq!(sent(&actions).last().unwrap().sender, id(2));
    assert_eq!((last.status.ok, last.status.quiesced), (true, false));
    assert_eq!((last.status.load, last.status.capacity), (40, 50));
    let part = infos(&actions).into_iter().rev().find_map(|info| info.part.clone()).unwrap();
    assert_eq!(part.control_addresses, [id(2).0, "10.2.0.2".parse().unwrap()]);
    assert_eq!(part.rows, [Row::Preferred(address(2)), Row::Claim(address(2), Claim::Online)]);
}

/// Figure 2C, the state of a service address: "enum of releasing, acquiring, online"; the fourth of page 14, not served,
/// is the absence of a row.
#[test]
fn figure_2c_a_service_address_is_told_as_acquiring_online_releasing_and_then_not_at_all() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.settle();
    bench.ends = Ends::Never;
    let told = |bench: &mut Bench| {
        bench.pass(BEAT);
        let actions = bench.taken();
        let part = infos(&actions).into_iter().rev().find_map(|info| info.part.clone()).unwrap();
        let claims = part.rows.iter().find_map(|row| if let Row::Claim(_, claim) = row { Some(*claim) } else { None });
        (claims, actions)
    };
    bench.order(1, 2, Body::Acquire, 2);
    let (claim, actions) = told(&mut bench);
    assert_eq!(claim, Some(Claim::Acquiring));
    bench.finish(acquires(&actions)[0].0, Ok(()));
    assert_eq!(told(&mut bench).0, Some(Claim::Online));
    bench.order(1, 2, Body::Release, 2);
    let (claim, actions) = told(&mut bench);
    assert_eq!(claim, Some(Claim::Releasing));
    bench.finish(crate::bench::releases(&actions)[0].0, Ok(()));
    assert_eq!(told(&mut bench).0, None);
}

/// Figure 2B ("other host information") and page 15: what the sender received of the others, with its age. Here it is the
/// age of the direct contact alone; the entries themselves each host tells itself (G-3, G-4).
#[test]
fn figure_2b_other_host_information_tells_how_long_ago_each_was_heard() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.join(3, &[3], &[3]);
    bench.settle();
    bench.peer(3).silent = true;
    bench.pass(BEAT * 2);
    let actions = bench.taken();
    let last = *infos(&actions).last().unwrap();
    let age = |number| last.heard.iter().find(|heard| heard.id == id(number)).map(|heard| heard.age);
    assert!(age(1).unwrap() < BEAT, "{:?}", last.heard);
    assert!(age(3).unwrap() > BEAT, "{:?}", last.heard);
}

/// Figures 2B ("service address db") and 2D: service addresses and when each was last served by its preferred host, for
/// those that are away from home.
#[test]
fn figure_2d_the_service_address_database_tells_when_an_address_was_last_at_home() {
    let mut params = params(2, &[2]);
    let group = params.groups.values_mut().next().unwrap();
    (group.orphan_timeout, group.failback) = (Some(Duration::from_secs(60)), Failback::Manual);
    let mut bench = Bench::with(2, params);
    bench.join(1, &[1], &[1]);
    bench.settle();
    bench.peer(1).silent = true;
    let away = Duration::from_secs(2);
    bench.pass(away);
    bench.join(3, &[], &[]);
    bench.ask(3);
    let actions = bench.taken();
    let part = infos(&actions).into_iter().rev().find_map(|info| info.part.clone()).unwrap();
    let told = part.rows.iter().find_map(|row| match row {
        Row::Orphan { address: orphan, preferred, age } => Some((*orphan, *preferred, *age)),
        Row::Preferred(_) | Row::Claim(..) => None,
    });
    let (orphan, preferred, age) = told.unwrap();
    assert_eq!((orphan, preferred), (address(1), id(1)));
    assert!(age > away - BEAT * 2 && age < away + DEAD_AFTER, "{age:?}");
}

/// The same of its own address, from the moment that it can not serve it: whether its own configuration has a timeout or
/// not, others may count by what it tells.
#[test]
fn figure_2d_the_age_of_a_host_s_own_address_counts_from_its_own_failure() {
    for orphan_timeout in [None, Some(Duration::from_secs(60))] {
        let mut params = params(2, &[2]);
        params.groups.values_mut().next().unwrap().orphan_timeout = orphan_timeout;
        let mut bench = Bench::with(2, params);
        bench.join(1, &[1], &[1]);
        bench.pass(Duration::from_secs(20));
        bench.taken();
        bench.test_passes = false;
        bench.pass(BEAT * 2);
        let actions = bench.taken();
        let rows = infos(&actions).into_iter().rev().find_map(|info| info.part.clone()).unwrap().rows;
        let own = |row: &Row| match row {
            Row::Orphan { address: orphan, age, .. } if *orphan == address(2) => Some(*age),
            _ => None,
        };
        let age = rows.iter().find_map(own).unwrap();
        assert!(age < BEAT * 3, "{age:?} with timeout {orphan_timeout:?}");
    }
}
