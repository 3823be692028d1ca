//! A, figures 5A to 5C: the scripts thread. The node asks for an action with a ticket and goes on; the edge configures
//! the interface and runs the script (steps 530, 532, 560 and 562 on real kernels: `tests/daemon`, `tests/netns`), and
//! says how it ended. The SNMP traps are the node's notifications.

use crate::bench::{
    BEAT, Bench, DEAD_AFTER, Ends, acquires, address, group, id, infos, notifications, releases, traps,
};
use rais_core::info_message::{Body, Claim, Row};
use rais_core::notification::{Notification, Reason};
use std::time::Duration;

/// Box 2, ordered to acquire its address by box 1; how that ends is the test's business.
fn ordered() -> (Bench, rais_core::quantity::Ticket) {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.settle();
    bench.ends = Ends::Never;
    bench.order(1, 2, Body::Acquire, 2);
    let ticket = acquires(&bench.taken())[0].0;
    (bench, ticket)
}

/// The same, acquired, and then ordered to release it.
fn ordered_back() -> (Bench, rais_core::quantity::Ticket) {
    let (mut bench, ticket) = ordered();
    bench.finish(ticket, Ok(()));
    bench.order(1, 2, Body::Release, 2);
    let actions = bench.taken();
    (bench, releases(&actions)[0].0)
}

/// Beyond figure 5: a box that failed to acquire an address is passed over for a second, and the leader's picture says so.
#[test]
fn beyond_figure_5_a_leader_shows_who_failed_and_until_when_others_go_first() {
    let mut bench = Bench::new(1, &[1]);
    bench.ends = Ends::Never;
    bench.pass(DEAD_AFTER * 2);
    let (ticket, _) = acquires(&bench.taken())[0];
    assert_eq!(bench.row(1).unwrap().backoffs, []);
    bench.finish(ticket, Err("exit status 1"));
    let row = bench.row(1).unwrap();
    let shown: Vec<_> = row.backoffs.iter().map(|failed| (failed.host, failed.until.since(row.last_change))).collect();
    assert_eq!(shown, [(id(1), Duration::from_secs(1))]);
    bench.pass(Duration::from_millis(1001));
    assert_eq!(bench.row(1).unwrap().backoffs, []);
}

/// Figure 5A, steps 500 to 506: actions wait in a queue and are done one after the other for an address.
#[test]
fn figure_5a_steps_502_504_506_one_action_at_a_time_is_asked_for_per_address() {
    let (mut bench, ticket) = ordered();
    bench.order(1, 2, Body::Acquire, 2);
    assert_eq!(acquires(&bench.taken()), []);
    bench.order(1, 2, Body::Release, 2);
    let release = releases(&bench.taken());
    assert_eq!(release.len(), 1);
    assert!(release[0].0 > ticket, "it is behind the acquire in the queue");
    bench.finish(ticket, Ok(()));
    assert_eq!(bench.claim(2), Some(Claim::Releasing), "the acquire's end no longer matters");
    bench.finish(release[0].0, Ok(()));
    assert_eq!(bench.claim(2), None);
}

/// Page 15: "the script thread handles all events that may take too long for handling by the other threads".
#[test]
fn figure_5a_an_action_that_hangs_delays_no_message() {
    let (mut bench, _) = ordered();
    bench.pass(BEAT);
    bench.taken();
    bench.pass(BEAT * 20);
    assert_eq!(infos(&bench.taken()).len(), 20);
}

/// Figure 5A, steps 508 and 510: a "test failed" trap.
#[test]
fn figure_5a_steps_508_510_a_failed_test_is_a_trap() {
    let mut bench = Bench::new(2, &[2]);
    bench.settle();
    bench.test_passes = false;
    bench.pass(Duration::from_secs(1));
    let actions = bench.taken();
    let failed = Notification::TestFailed { test: "web".parse().unwrap(), error: String::from("refused") };
    let told: Vec<_> = notifications(&actions).into_iter().filter(|told| told.name() == "TestFailed").collect();
    assert_eq!(told, [&failed], "once, however often it is run");
}

/// Figure 5A, steps 512 and 514: a "cannot assign" trap.
#[test]
fn figure_5a_steps_512_514_an_address_that_nobody_can_serve_is_a_trap() {
    let mut bench = Bench::new(1, &[1]);
    bench.join(2, &[2], &[2]);
    bench.settle();
    bench.test_passes = false;
    bench.peer(2).quiesced = true;
    bench.pass(Duration::from_secs(3));
    let actions = bench.taken();
    let told = Notification::CannotAssign { group: group(), address: address(1) };
    assert_eq!(notifications(&actions).into_iter().filter(|other| **other == told).count(), 1);
}

/// Figure 5B, steps 530 and 532: the interface is to be configured and the script run, for that address.
#[test]
fn figure_5b_steps_530_532_the_edge_is_asked_to_configure_and_to_run_the_script() {
    let (mut bench, _) = ordered();
    assert_eq!(bench.claim(2), Some(Claim::Acquiring), "it is not served before both are done");
    bench.pass(DEAD_AFTER);
    assert_eq!((bench.claim(2), acquires(&bench.taken())), (Some(Claim::Acquiring), vec![]));
}

/// Figure 5B, steps 534 (no error), 536, 538 and 540: the entry says on-line, and an "acquire" trap is sent.
#[test]
fn figure_5b_steps_534_536_538_an_acquire_without_error_is_online_and_a_trap() {
    let (mut bench, ticket) = ordered();
    bench.finish(ticket, Ok(()));
    bench.pass(Duration::from_millis(10));
    let actions = bench.taken();
    assert_eq!(bench.claim(2), Some(Claim::Online));
    let told = Notification::Acquire { group: group(), address: address(2), reason: Reason::Unserved };
    assert_eq!(notifications(&actions), [&told]);
    let rows = infos(&actions).into_iter().filter_map(|info| info.part.as_ref()).flat_map(|part| part.rows.clone());
    assert_eq!(rows.last(), Some(Row::Claim(address(2), Claim::Online)), "and the others are told");
}

/// Figure 5B, steps 534 (error), 542, 544 and 546: the address is removed again (by the edge), the entry says not served,
/// and an "acquire fail" trap is sent.
#[test]
fn figure_5b_steps_542_544_546_a_failed_acquire_is_not_served_and_a_trap() {
    let (mut bench, ticket) = ordered();
    bench.finish(ticket, Err("no such device"));
    let actions = bench.taken();
    assert_eq!(bench.claim(2), None);
    let error = String::from("no such device");
    let told = Notification::AcquireFailed { group: group(), address: address(2), error };
    assert_eq!(notifications(&actions), [&told]);
}

/// Figure 5C, steps 560 and 562: the release script and the removal; until both are done the address is told as
/// releasing, so that nobody else takes it.
#[test]
fn figure_5c_steps_560_562_until_the_release_is_done_it_is_told_as_releasing() {
    let (mut bench, ticket) = ordered_back();
    bench.pass(DEAD_AFTER);
    assert_eq!(bench.claim(2), Some(Claim::Releasing));
    bench.finish(ticket, Ok(()));
    assert_eq!(bench.claim(2), None);
}

/// Figure 5C, steps 564, 566 and 568: an error is a "release fail" trap; step 570: whether or not there was one, there
/// is a "release" trap, and the address is gone from the entry.
#[test]
fn figure_5c_steps_564_566_570_a_release_drops_the_address_whether_or_not_it_failed() {
    for (result, expected) in [(Ok(()), vec!["Release"]), (Err("hung"), vec!["ReleaseFailed", "Release"])] {
        let (mut bench, ticket) = ordered_back();
        bench.finish(ticket, result);
        assert_eq!(traps(&bench.taken()), expected);
        assert_eq!(bench.claim(2), None);
        assert_eq!(bench.view().hosts.iter().find(|host| host.id == id(2)).unwrap().served, 0);
    }
}
