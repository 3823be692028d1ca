//! A group at the edge of what it may be: 64 boxes, 10,000 addresses, a beat of 10 ms; and one more of each.

use super::*;
use core::net::{IpAddr, Ipv4Addr};

fn nth(n: u32) -> ServiceAddress {
    ServiceAddress(IpAddr::V4(Ipv4Addr::from(0x0a63_0000 + n)))
}

/// Box `n` with the first `count` addresses of its own.
fn with_addresses(n: u8, count: u32) -> BoxParams {
    let mut params = box_params(n, &[], &[]);
    params.groups.get_mut(&group_name()).unwrap().preferred_addresses = (0..count).map(nth).collect();
    params
}

fn served(lab: &Lab, seen_by: u8, by: u8) -> usize {
    lab.view(seen_by).addresses.iter().filter(|row| row.server == Some(id(by))).count()
}

#[test]
fn ten_thousand_addresses_move_when_their_box_dies() {
    let mut lab = Lab::of([with_addresses(1, 10_000), box_params(2, &[], &[])]);
    lab.run_until(secs(1));
    assert_eq!(served(&lab, 2, 1), 10_000);
    lab.nodes.remove(&1);
    lab.run_until(secs(2));
    assert_eq!(served(&lab, 2, 2), 10_000);
}

#[test]
fn one_address_too_many_is_counted_and_all_others_are_served() {
    let mut lab = Lab::of([with_addresses(1, 10_001), box_params(2, &[], &[])]);
    lab.run_until(secs(1));
    for seen_by in [1, 2] {
        assert_eq!(served(&lab, seen_by, 1), 10_000);
        assert_ne!(lab.view(seen_by).counters.drops.of(DropCause::OverLimit), 0);
    }
    let acquired = |(_, action): &&(u8, Action)| matches!(action, Action::Acquire { .. });
    assert_eq!(lab.log.iter().filter(acquired).count(), 10_000, "and nothing else was tried");
}

/// G-5, G-20: what one pass decides leaves at once, in a few datagrams.
#[test]
fn a_thousand_addresses_of_a_dead_box_are_ordered_in_one_pass_and_a_dozen_messages() {
    let mut lab = Lab::of([box_params(1, &[], &[]), box_params(2, &[], &[]), with_addresses(3, 1000)]);
    lab.run_until(secs(1));
    assert_eq!(served(&lab, 1, 3), 1000);
    lab.spoken.clear();
    lab.nodes.remove(&3);
    let (mut orders, mut passes, mut messages) = (0, alloc::collections::BTreeSet::new(), 0);
    let mut end = secs(1);
    while served(&lab, 1, 3) > 0 {
        end = end + Duration::from_millis(5);
        assert!(end < secs(2), "nobody takes them over");
        lab.run_until(end);
        for body in core::mem::take(&mut lab.spoken) {
            if let Body::Acquire(of) = body {
                orders += of.orders.len();
                messages += 1;
                passes.insert(of.pass);
            }
        }
    }
    lab.run_until(end + Duration::from_millis(50));
    assert_eq!((served(&lab, 1, 1), served(&lab, 1, 2)), (500, 500), "shared evenly");
    assert!(orders == 500 && passes.len() == 1 && messages <= 8, "{orders} orders, {passes:?}, {messages} messages");
}

/// A beat of 10 ms, as many boxes as may be, a death, and one box too many, which is lower than all and must not lead.
#[test]
fn sixty_four_boxes_at_ten_milliseconds_lose_one_and_refuse_one_too_many() {
    let quick = |n: u8, preferred: &[u8]| {
        let mut params = box_params(n, preferred, &[]);
        let group = params.groups.get_mut(&group_name()).unwrap();
        (group.beat, group.dead_after) = (Duration::from_millis(10), Duration::from_millis(30));
        params
    };
    let mut lab = Lab::of((11..75).map(|n| quick(n, &[n])));
    lab.run_until(ms(300));
    assert!((11..75).all(|n| lab.server(n) == Some(id(n))));
    lab.start(quick(1, &[1]));
    lab.run_until(ms(500));
    for n in 11..75 {
        let view = lab.view(n);
        assert_eq!((view.leader, view.hosts.len()), (Some(id(11)), 64));
        assert_ne!(view.counters.drops.of(DropCause::OverLimit), 0, "one too many is counted");
    }
    assert!(!lab.view(1).settled, "it knows nothing and decides nothing");
    assert!(!lab.log.iter().any(|(n, action)| *n == 1 && matches!(action, Action::Acquire { .. })));
    lab.nodes.remove(&1);
    lab.nodes.remove(&11);
    lab.run_until(ms(600));
    assert!(lab.server(11).is_some_and(|server| server != id(11)), "even the leader's");
    let moved = |(_, action): &&(u8, Action)| matches!(action, Action::Release { .. });
    assert_eq!(lab.log.iter().filter(moved).count(), 0, "and nothing else moved");
}

/// G-3: a beat tells only which version of the entry holds. Who lost the entry asks, and has it within a beat.
#[test]
fn an_entry_that_was_lost_on_the_way_is_asked_for_and_there_within_a_beat() {
    let mut lab = Lab::of([box_params(1, &[1], &[7]), box_params(2, &[], &[]), box_params(3, &[3], &[])]);
    lab.run_until(secs(1));
    assert_eq!(lab.server(7), Some(id(2)));
    lab.spoken.clear();
    lab.run_until(secs(4));
    assert!(lab.spoken.iter().all(|body| matches!(body, Body::Info(info) if info.part.is_none())), "nothing changed");
    lab.apart = [3].into();
    lab.command(2, Command::Quiesce { group: None }).unwrap();
    lab.command(1, Command::Acquire { group: group_name(), address: address(7), host: Some(id(1)) }).unwrap();
    lab.run_until(ms(4_080));
    lab.apart.clear();
    lab.run_until(ms(4_180));
    assert_eq!(lab.server(7), Some(id(1)), "box 3 knows what it did not hear");
}
