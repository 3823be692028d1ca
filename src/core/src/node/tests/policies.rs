//! The group's policies: partitions, reasons, configurations that differ.

use super::*;
use crate::info_message::Claim;
use crate::notification::PartitionState;
use crate::params::Partition;
use crate::view::PartitionView;
use alloc::collections::BTreeSet;
use alloc::vec;
use core::net::IpAddr;

/// Boxes 1 to `count`, each with the address of its number; `change` makes them what the test is about.
fn lab(count: u8, change: impl Fn(u8, &mut BoxParams)) -> Lab {
    let boxes = (1..=count).map(|n| {
        let mut params = box_params(n, &[n], &[]);
        change(n, &mut params);
        params
    });
    let mut lab = Lab::of(boxes);
    lab.run_until(secs(2));
    lab
}

fn policy(params: &mut BoxParams, partition: Partition) {
    params.groups.get_mut(&group_name()).unwrap().partition = partition;
}

fn majority_of(voters: impl IntoIterator<Item = u8>) -> Partition {
    Partition::Majority { voters: voters.into_iter().map(id).collect() }
}

/// The addresses that a box has, by number.
fn has(lab: &Lab, n: u8) -> Vec<u8> {
    let own = |number: &u8| {
        let rows = lab.view(n).addresses;
        rows.iter().any(|row| row.address == address(*number) && row.own_claim.is_some())
    };
    (1..=9).filter(own).collect()
}

/// What a box was told since the last look, of which `pick` makes something.
fn told<T>(lab: &mut Lab, n: u8, pick: impl Fn(&Notification) -> Option<T>) -> Vec<T> {
    let of_box = lab.log.iter().filter(|(at, _)| *at == n);
    let told = of_box.filter_map(|(_, action)| if let Action::Notify(told) = action { pick(told) } else { None });
    let told = told.collect();
    lab.log.clear();
    told
}

fn states(lab: &mut Lab, n: u8) -> Vec<PartitionState> {
    told(lab, n, |told| if let Notification::PartitionChange { state, .. } = told { Some(*state) } else { None })
}

#[test]
fn the_part_with_the_majority_takes_over_and_the_other_serves_nothing_until_they_meet() {
    let mut lab = lab(3, |_, params| policy(params, majority_of(1..=3)));
    assert_eq!((1..=3).map(|n| has(&lab, n)).collect::<Vec<_>>(), [[1], [2], [3]]);
    assert_eq!(states(&mut lab, 1), [PartitionState::Serving]);
    lab.apart = vec![1];
    lab.run_until(secs(3));
    assert_eq!(has(&lab, 1), []);
    let view = lab.view(1);
    assert_eq!(view.partition, PartitionView::Majority { voters: (1..=3).map(id).collect(), present: 1 });
    assert!(view.hosts.iter().any(|host| host.id == id(1) && host.trouble == Some(Reason::Partition)));
    let mut served = [has(&lab, 2), has(&lab, 3)].concat();
    served.sort_unstable();
    assert_eq!(served, [1, 2, 3]);
    let command = Command::Release { group: group_name(), address: address(1) };
    let refused = CommandError::Partitioned(group_name(), PartitionState::Minority);
    assert_eq!(lab.command(1, command), Err(refused));
    let minority = told(&mut lab, 1, |told| match told {
        Notification::PartitionChange { state, .. } => Some(alloc::format!("{state}")),
        Notification::Release { reason, .. } => Some(alloc::format!("release {reason}")),
        Notification::CannotAssign { .. } => Some("cannot assign".into()),
        _ => None,
    });
    assert_eq!(minority, ["minority", "release partition"], "and the leader of nothing assigns nothing");
    lab.apart.clear();
    lab.run_until(secs(5));
    assert_eq!((1..=3).map(|n| has(&lab, n)).collect::<Vec<_>>(), [[1], [2], [3]]);
    assert_eq!(states(&mut lab, 1), [PartitionState::Serving]);
}

#[test]
fn half_of_the_boxes_is_no_majority_and_one_that_does_not_count_makes_none() {
    for (voters, apart, serving) in
        [(4, &[1, 2][..], &[][..]), (3, &[1, 4], &[2, 3]), (3, &[3], &[1, 2, 4]), (4, &[4], &[1, 2, 3])]
    {
        let mut lab = lab(4, |_, params| policy(params, majority_of(1..=voters)));
        lab.apart = apart.to_vec();
        lab.run_until(secs(4));
        let serves: Vec<u8> = (1..=4).filter(|n| !has(&lab, *n).is_empty()).collect();
        assert_eq!(serves, serving, "{voters} voters, {apart:?} cut off");
    }
}

#[test]
fn a_box_alone_does_not_begin_to_serve_where_a_majority_is_asked_for() {
    let mut params = box_params(1, &[1], &[]);
    policy(&mut params, majority_of(1..=3));
    let mut lab = Lab::of([params]);
    lab.run_until(secs(5));
    assert_eq!(has(&lab, 1), []);
    assert_eq!(states(&mut lab, 1), [], "it never did, so nothing changed");
}

#[test]
fn a_box_that_no_witness_answers_releases_and_is_let_serve_again_after_two_answers() {
    let witness = |n: u8| -> IpAddr { [10, 1, 0, 200 + n].into() };
    let interval = Duration::from_millis(100);
    let witnesses: BTreeSet<IpAddr> = [witness(1), witness(2)].into();
    let mut lab = lab(2, |_, params| policy(params, Partition::Witness { witnesses: witnesses.clone(), interval }));
    assert_eq!(has(&lab, 1), [], "nobody has answered yet");
    let answering = |lab: &mut Lab, who: [Option<u8>; 2], rounds: u64| {
        for _ in 0..rounds {
            for (n, answers) in [(1, who[0]), (2, who[1])] {
                for number in 1..=2 {
                    let result = if answers == Some(number) { Ok(()) } else { Err("no answer".into()) };
                    lab.input(n, Input::Witnessed { group: group_name(), witness: witness(number), result });
                }
            }
            let next = lab.now + interval;
            lab.run_until(next);
        }
    };
    answering(&mut lab, [Some(1), Some(2)], 10);
    assert_eq!([has(&lab, 1), has(&lab, 2)], [[1], [2]], "one of two witnesses is enough, whichever");
    lab.log.clear();
    answering(&mut lab, [Some(1), None], 2);
    assert_eq!(has(&lab, 2), [2], "two silences are not three");
    answering(&mut lab, [Some(1), None], 4);
    assert_eq!([has(&lab, 1), has(&lab, 2)], [vec![1, 2], vec![]]);
    assert_eq!(states(&mut lab, 2), [PartitionState::NoWitness]);
    answering(&mut lab, [Some(1), Some(1)], 6);
    assert_eq!([has(&lab, 1), has(&lab, 2)], [[1], [2]]);
    let PartitionView::Witness { witnesses } = lab.view(2).partition else { panic!("another policy") };
    let reached: Vec<bool> = witnesses.iter().map(|witness| witness.reached).collect();
    assert_eq!(reached, [true, false]);
}

#[test]
fn a_box_configured_otherwise_is_told_of_once_and_so_is_its_coming_round() {
    let mut lab = lab(3, |n, params| params.groups.get_mut(&group_name()).unwrap().digest = if n == 3 { 9 } else { 1 });
    let differ = |told: &Notification| match told {
        Notification::ConfigDiffers { host, .. } => Some((*host, true)),
        Notification::ConfigAgrees { host, .. } => Some((*host, false)),
        _ => None,
    };
    let view = lab.view(1);
    assert_eq!((view.disagreeing, view.hosts.iter().find(|host| host.differs).map(|host| host.id)), (1, Some(id(3))));
    assert_eq!(lab.view(3).disagreeing, 2);
    assert_eq!(told(&mut lab, 1, differ), [(id(3), true)]);
    lab.run_until(secs(4));
    assert_eq!(told(&mut lab, 1, differ), []);
    lab.input(3, Input::Configure(alloc::boxed::Box::new(box_params(3, &[3], &[]))));
    lab.run_until(secs(5));
    assert_eq!(told(&mut lab, 1, differ), [(id(3), false)]);
    assert_eq!(lab.view(1).disagreeing, 0);
}

#[test]
fn a_move_says_what_became_of_the_box_that_served() {
    type Loss = fn(&mut Lab);
    let carrier: Loss = |lab| lab.input(2, Input::Carrier { interface: lan(), up: false });
    let power: Loss = |lab| drop(lab.nodes.remove(&2));
    let stop: Loss = |lab| lab.input(2, Input::Stop);
    let drain: Loss = |lab| lab.command(2, Command::Drain { group: None }).unwrap();
    for (loss, reason) in
        [(carrier, Reason::Carrier), (power, Reason::Lost), (stop, Reason::Stop), (drain, Reason::Operator)]
    {
        let mut lab = lab(2, |_, _| {});
        lab.log.clear();
        loss(&mut lab);
        lab.run_until(secs(4));
        let acquired =
            |told: &Notification| if let Notification::Acquire { reason, .. } = told { Some(*reason) } else { None };
        assert_eq!(told(&mut lab, 1, acquired), [reason]);
        assert_eq!(lab.view(1).addresses[1].reason, Some(reason));
    }
}

/// G-64: an address does not follow a box that comes and goes, and it can be seen for how long.
#[test]
fn a_box_that_comes_and_goes_gets_its_address_back_later_each_time_and_at_once_when_an_operator_says_so() {
    for leads in [false, true] {
        let mut lab = Lab::of([box_params(1, &[1], &[]), box_params(2, &[2], &[])]);
        lab.run_until(secs(1));
        let flaps = if leads { 1 } else { 2 };
        let carrier = |lab: &mut Lab, up| lab.input(flaps, Input::Carrier { interface: lan(), up });
        for (fall, wait) in [0, 0, 0, 1, 2, 4].into_iter().enumerate() {
            carrier(&mut lab, false);
            lab.run_until(lab.now + Duration::from_secs(1));
            assert_eq!(lab.server(flaps), Some(id(3 - flaps)), "fall {fall}");
            carrier(&mut lab, true);
            let back = lab.now;
            let wait = Duration::from_secs(wait);
            let damped_until = |lab: &Lab| {
                let mut hosts = lab.view(3 - flaps).hosts.into_iter();
                hosts.find(|host| host.id == id(flaps)).unwrap().damped_until
            };
            assert_eq!(damped_until(&lab), (!wait.is_zero()).then_some(back + wait), "fall {fall}");
            if !wait.is_zero() {
                lab.run_until((back + wait).before(Duration::from_millis(1)));
                assert_eq!(lab.server(flaps), Some(id(3 - flaps)), "fall {fall}: not yet");
            }
            lab.run_until(back + wait + Duration::from_millis(200));
            assert_eq!(lab.server(flaps), Some(id(flaps)), "fall {fall}: at home");
            assert_eq!(damped_until(&lab), None);
        }
        carrier(&mut lab, false);
        lab.run_until(lab.now + Duration::from_secs(1));
        carrier(&mut lab, true);
        lab.run_until(lab.now + Duration::from_secs(1));
        assert_eq!(lab.server(flaps), Some(id(3 - flaps)));
        let home = Command::Acquire { group: group_name(), address: address(flaps), host: Some(id(flaps)) };
        lab.command(1, home).unwrap();
        lab.run_until(lab.now + Duration::from_millis(200));
        assert_eq!(lab.server(flaps), Some(id(flaps)), "an operator knows better");
    }
}

/// G-62: they work by the leader's view, and never both serve.
#[test]
fn boxes_whose_lists_differ_never_both_serve() {
    let mut lab = Lab::of([box_params(1, &[1, 7], &[9]), box_params(2, &[2, 7], &[8])]);
    let servers = |lab: &Lab, n: u8| {
        let serves = |host: &u8| {
            lab.view(*host)
                .addresses
                .iter()
                .any(|row| row.address == address(n) && row.own_claim == Some(Claim::Online))
        };
        [1, 2].into_iter().filter(serves).collect::<Vec<u8>>()
    };
    while lab.now < secs(10) {
        lab.run_until(lab.now + Duration::from_millis(50));
        for n in [1, 2, 7, 8, 9] {
            let servers = servers(&lab, n);
            assert!(servers.len() < 2, "{} is on {servers:?} at {:?}", address(n), lab.now);
        }
    }
    assert_eq!(
        [1, 2, 7].map(|n| servers(&lab, n)),
        [vec![1], vec![2], vec![1]],
        "the lower of two that name it owns it"
    );
    assert_eq!((servers(&lab, 9).len(), servers(&lab, 8).len()), (1, 0), "the leader's pool counts");
}
