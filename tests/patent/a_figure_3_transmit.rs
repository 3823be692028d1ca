//! A, figure 3: the transmit thread. Beyond A, test and load objects run on schedules of their own, so that a slow one
//! delays no message.

use crate::bench::{BEAT, Bench, DEAD_AFTER, address, group, infos, params, releases, sent};
use rais_core::address::GroupName;
use rais_core::info_message::Body;
use rais_core::io::Action;
use std::time::Duration;

/// A box that serves its own address and that of box 1, which leads.
fn serving() -> Bench {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[]);
    bench.settle();
    bench.order(1, 2, Body::Acquire, 2);
    bench.order(1, 2, Body::Acquire, 1);
    bench.pass(BEAT);
    bench.taken();
    bench
}

/// Steps 300 and 370: it sleeps, wakes after the group's interval, and sends a control message.
#[test]
fn steps_300_370_an_info_message_goes_out_once_in_each_interval() {
    let mut bench = serving();
    bench.pass(BEAT * 20);
    let actions = bench.taken();
    assert_eq!(infos(&actions).len(), 20, "{:?}", infos(&actions));
}

/// Step 300, page 15: "each host begins one transmit thread for each service".
#[test]
fn step_300_each_service_group_keeps_its_own_interval() {
    let mut params = params(2, &[2]);
    let mut news = params.groups[&group()].clone();
    news.beat = BEAT * 4;
    news.dead_after = DEAD_AFTER * 4;
    news.preferred_addresses = vec![address(22)];
    let name: GroupName = "news".parse().unwrap();
    params.groups.insert(name.clone(), news);
    let mut bench = Bench::with(2, params);
    bench.pass(Duration::from_secs(5));
    bench.taken();
    bench.pass(BEAT * 40);
    let actions = bench.taken();
    let count = |wanted: &GroupName| {
        actions.iter().filter(|action| matches!(action, Action::Send { group, .. } if group == wanted)).count()
    };
    assert_eq!((count(&group()), count(&name)), (40, 10));
}

/// Step 305: the test objects of the service are invoked.
#[test]
fn step_305_the_linked_test_objects_are_invoked_again_and_again() {
    let mut bench = serving();
    bench.pass(Duration::from_secs(1));
    let runs = bench.taken().iter().filter(|action| matches!(action, Action::Test { .. })).count();
    assert!((19..=21).contains(&runs), "{runs} runs in a second, each 50 ms");
}

/// Steps 310 (NO), 320 and 330: the test fails; the release of all current service addresses is scheduled, and the control
/// message says that the host is not ok.
#[test]
fn steps_310_320_330_a_failed_test_releases_every_service_address_and_is_told() {
    let mut bench = serving();
    bench.test_passes = false;
    bench.pass(BEAT);
    let actions = bench.taken();
    let mut released: Vec<_> = releases(&actions).into_iter().map(|(_, address)| address).collect();
    released.sort_unstable();
    assert_eq!(released, [address(1), address(2)]);
    assert!(!infos(&actions).last().unwrap().status.ok);
    assert!(bench.view().hosts.iter().any(|host| host.id == crate::bench::id(2) && !host.ok));
}

/// Steps 310 (YES) and 350: load and capacity are gathered from the load objects, and told.
#[test]
fn steps_310_350_load_and_capacity_are_gathered_and_told() {
    let mut bench = serving();
    for figures in [(10, 100), (90, 100)] {
        bench.figures = figures;
        bench.pass(BEAT * 2);
        let actions = bench.taken();
        assert!(actions.iter().any(|action| matches!(action, Action::Sample { .. })));
        let status = &infos(&actions).last().unwrap().status;
        assert_eq!((status.load, status.capacity), figures);
    }
}

/// Step 360: "service address and timer data is then written if an I'm alive time-out timer requires it". Here the
/// timer is the lease of the addresses in the kernel: what is served is written anew before it runs out (G-33).
#[test]
fn step_360_what_is_served_is_written_anew_whenever_its_timer_requires_it() {
    let mut bench = serving();
    bench.pass(Duration::from_secs(9));
    let actions = bench.taken();
    let renewals: Vec<_> = actions
        .iter()
        .filter_map(|action| if let Action::Renew { addresses, .. } = action { Some(addresses.clone()) } else { None })
        .collect();
    assert_eq!(renewals, vec![vec![address(1), address(2)]; 9], "each third of a lease of 3 s");
}

/// Step 380: ARP packets are sent for what is served; here each `announce_every`, and not with each message.
#[test]
fn step_380_arp_packets_are_sent_for_what_is_served_and_for_nothing_else() {
    let mut params = params(2, &[2]);
    params.groups.values_mut().next().unwrap().announce_every = Some(Duration::from_secs(1));
    let mut bench = Bench::with(2, params);
    bench.join(1, &[1], &[1]);
    bench.settle();
    bench.order(1, 2, Body::Acquire, 2);
    bench.pass(Duration::from_secs(2));
    bench.taken();
    bench.pass(Duration::from_secs(5));
    let actions = bench.taken();
    let announced: Vec<_> = actions
        .iter()
        .filter_map(
            |action| if let Action::Announce { addresses, .. } = action { Some(addresses.clone()) } else { None },
        )
        .collect();
    assert_eq!(announced, vec![vec![address(2)]; 5]);
    assert_eq!(sent(&actions).len(), 50, "and the messages are not more for it");
}
