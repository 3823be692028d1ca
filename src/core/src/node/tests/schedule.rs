//! What a box does when: how often it speaks and announces, and what a test's end means to which group.

use super::*;

fn announced(lab: &Lab, n: u8, what: u8) -> usize {
    let of = |(at, action): &&(u8, Action)| {
        *at == n && matches!(action, Action::Announce { addresses, .. } if addresses.contains(&address(what)))
    };
    lab.log.iter().filter(of).count()
}

#[test]
fn what_is_served_is_announced_again_as_often_as_configured_by_who_serves_it() {
    for (every, expected) in [(None, 0), (Some(1), 10), (Some(5), 2)] {
        let boxes = [1, 2].map(|n| {
            let mut params = box_params(n, &[n], &[]);
            params.groups.get_mut(&group_name()).unwrap().announce_every = every.map(Duration::from_secs);
            params
        });
        let mut lab = Lab::of(boxes);
        // The announcements of the acquires are over then.
        lab.run_until(ms(5500));
        lab.log.clear();
        lab.run_until(ms(15_500));
        assert_eq!((announced(&lab, 1, 1), announced(&lab, 2, 1)), (expected, 0), "every {every:?}");
    }
}

#[test]
fn a_box_that_changes_all_the_time_says_so_at_once_and_at_most_once_in_five_milliseconds() {
    let mut lab = three();
    lab.run_until(ms(2050));
    let turn = |lab: &mut Lab, quiesced: bool| {
        let command = if quiesced { Command::Quiesce { group: None } } else { Command::Unquiesce { group: None } };
        assert_eq!(lab.command(3, command), Ok(()));
    };
    let known = |lab: &Lab| lab.view(1).hosts.iter().find(|host| host.id == id(3)).unwrap().quiesced;
    turn(&mut lab, true);
    assert!(known(&lab), "at once, and not with the next beat");
    let before = lab.sent;
    for step in 0..400_u64 {
        lab.run_until(Instant::from_micros(2_050_000 + 250 * step));
        turn(&mut lab, step % 2 == 0);
    }
    // 100 ms: 20 for the changes, and a beat or two of each of three boxes.
    let sent = lab.sent - before;
    assert!((15..=27).contains(&sent), "{sent} messages");
    lab.run_until(ms(2155));
    assert!(!known(&lab), "and how it ended");
}

#[test]
fn a_test_counts_in_every_group_that_links_to_it_and_a_group_needs_all_of_its_tests() {
    let [web, disk] = ["web", "disk"].map(|name| TestName::new(name).unwrap());
    let other = GroupName::new("dns").unwrap();
    let second = Duration::from_secs(1);
    let mut params = box_params(1, &[1], &[]);
    let mut both = crate::test_support::group_params(1, &[2], &[]);
    both.tests = [web.clone(), disk.clone()].into();
    params.groups.insert(other.clone(), both);
    params.groups.get_mut(&group_name()).unwrap().tests = [web.clone()].into();
    for test in [&web, &disk] {
        params.tests.insert(test.clone(), TestParams { interval: second, timeout: second, rise: 1, fall: 1 });
    }
    let mut lab = Lab::of([params]);
    let serves = |lab: &Lab| {
        let view = lab.nodes[&1].view(lab.now);
        let online = |name: &GroupName| {
            let group = view.groups.iter().find(|group| group.name == *name).unwrap();
            group.addresses.iter().any(|row| row.state == AddressState::Online)
        };
        (online(&group_name()), online(&other))
    };
    for (at, web_passes, disk_passes, expected) in [
        (0, true, true, (false, false)), // It still listens.
        (1, true, true, (true, true)),
        (2, true, false, (true, false)),
        (3, false, false, (false, false)),
        (4, false, true, (false, false)),
        (5, true, true, (true, true)),
    ] {
        // Both are run each second.
        lab.run_until(secs(at));
        lab.input(1, Input::Tick);
        for (test, passes) in [(&web, web_passes), (&disk, disk_passes)] {
            let result = if passes { Ok(()) } else { Err(String::from("refused")) };
            lab.input(1, Input::Tested { test: test.clone(), result });
        }
        lab.run_until(secs(at) + Duration::from_millis(30));
        assert_eq!(serves(&lab), expected, "at {at} s");
    }
}

#[test]
fn whoever_keeps_an_address_after_a_partition_announces_it_again_and_the_loser_does_not() {
    let mut lab = Lab::of([box_params(1, &[1], &[]), box_params(2, &[2], &[])]);
    lab.run_until(secs(5));
    lab.apart = [2].into();
    lab.run_until(secs(15));
    let claims = |n: u8| lab.view(n).addresses.iter().filter(|row| row.own_claim.is_some()).count();
    assert_eq!((claims(1), claims(2)), (2, 2), "each side serves everything");
    lab.log.clear();
    lab.apart.clear();
    lab.run_until(secs(17));
    assert_eq!((lab.server(1), lab.server(2)), (Some(id(1)), Some(id(2))));
    for (keeper, loser) in [(1, 2), (2, 1)] {
        assert!(announced(&lab, keeper, keeper) >= 3, "at once and twice more: {}", announced(&lab, keeper, keeper));
        let released = |(n, action): &(u8, Action)| *n == loser && matches!(action, Action::Release { .. });
        let at = lab.log.iter().position(released).unwrap();
        let announces = |(n, action): &(u8, Action)| {
            *n == loser && matches!(action, Action::Announce { addresses, .. } if addresses.contains(&address(keeper)))
        };
        assert!(!lab.log[at..].iter().any(announces), "what it gave up");
    }
}

#[test]
fn a_drained_box_gives_away_one_address_after_the_other() {
    let mut lab = Lab::of([box_params(1, &[1, 2, 3], &[4]), box_params(2, &[], &[4])]);
    lab.run_until(secs(2));
    assert_eq!(lab.command(2, Command::Drain { group: None }), Ok(()));
    lab.run_until(secs(3));
    lab.log.clear();
    assert_eq!(lab.command(1, Command::Drain { group: None }), Ok(()));
    assert_eq!(lab.command(2, Command::Unquiesce { group: None }), Ok(()));
    lab.run_until(secs(4));
    let moves: Vec<_> = lab
        .log
        .iter()
        .filter_map(|(n, action)| match action {
            Action::Release { address, .. } => Some((*n, false, *address)),
            Action::Acquire { address, .. } => Some((*n, true, *address)),
            _ => None,
        })
        .collect();
    assert_eq!(moves.len(), 8, "{moves:?}");
    for pair in moves.chunks(2) {
        let address = pair[0].2;
        assert_eq!(pair, [(1, false, address), (2, true, address)], "released, acquired, and then the next");
    }
}

#[test]
fn a_load_object_is_told_in_every_group_that_links_to_it() {
    let (cpu, other) = (crate::address::LoadName::new("cpu").unwrap(), GroupName::new("dns").unwrap());
    let mut params = box_params(1, &[1], &[]);
    params.groups.insert(other, crate::test_support::group_params(1, &[2], &[]));
    params.groups.insert(GroupName::new("ntp").unwrap(), crate::test_support::group_params(1, &[3], &[]));
    for (_, group) in params.groups.iter_mut().filter(|(name, _)| name.as_str() != "ntp") {
        group.load = Some(cpu.clone());
    }
    params.loads.insert(cpu.clone(), crate::params::LoadParams { interval: Duration::from_secs(1) });
    let mut lab = Lab::of([params]);
    lab.input(1, Input::Sampled { load: cpu, result: Ok((420, 700)) });
    let view = lab.nodes[&1].view(lab.now);
    let figures: Vec<_> = view.groups.iter().map(|group| (group.hosts[0].load, group.hosts[0].capacity)).collect();
    assert_eq!(figures, [(420, 700), (420, 700), (0, 1000)]);
}
