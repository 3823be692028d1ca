//! What an operator ordered: it outlives the daemon, the group and the configuration.

use super::*;
use crate::address::HostName;
use crate::operator::{FailbackOrder, Intent, StandingOrders};
use crate::params::Choice;
use alloc::vec;

/// What box `n` was told to remember, in order.
fn remembered(lab: &Lab, n: u8) -> Vec<StandingOrders> {
    let orders = |(of, action): &(u8, Action)| match action {
        Action::Remember(orders) if *of == n => Some(orders.clone()),
        _ => None,
    };
    lab.log.iter().filter_map(orders).collect()
}

fn everywhere(intent: Intent) -> StandingOrders {
    StandingOrders { everywhere: intent, ..StandingOrders::default() }
}

fn in_the_group(intent: Intent) -> StandingOrders {
    StandingOrders { groups: [(group_name(), intent)].into(), ..StandingOrders::default() }
}

/// Box `n` is killed, found dead by the others, and started anew with what it was told to remember.
fn restart(lab: &mut Lab, n: u8, mut params: BoxParams) {
    let last = remembered(lab, n).pop().unwrap_or_default();
    lab.nodes.remove(&n);
    lab.run_until(lab.now + Duration::from_secs(1));
    lab.spoken.clear();
    lab.log.clear();
    (params.incarnation, params.orders) = (Incarnation(2), last);
    lab.start(params);
}

#[test]
fn what_changes_is_remembered_before_it_is_answered_and_nothing_else_is() {
    let mut lab = three();
    lab.log.clear();
    let group = || Some(group_name());
    for (command, told) in [
        (Command::Unquiesce { group: None }, None),
        (Command::Quiesce { group: group() }, Some(in_the_group(Intent::Quiesced))),
        (Command::Quiesce { group: group() }, None),
        (Command::Drain { group: None }, Some(everywhere(Intent::Draining))),
        (Command::Drain { group: group() }, None),
        (Command::Quiesce { group: Some(GroupName::new("other").unwrap()) }, None),
        (Command::Unquiesce { group: None }, Some(StandingOrders::default())),
    ] {
        lab.log.clear();
        let _ = lab.command(2, command.clone());
        assert_eq!(remembered(&lab, 2), Vec::from_iter(told), "{command:?}");
        let place = |wanted: fn(&Action) -> bool| lab.log.iter().position(|(_, action)| wanted(action));
        let answered = place(|action| matches!(action, Action::Answer(_)));
        assert!(
            place(|action| matches!(action, Action::Remember(_))).is_none_or(|at| Some(at) < answered),
            "{command:?}"
        );
    }
}

#[test]
fn a_box_that_was_quiesced_is_so_from_the_first_word_of_its_next_life() {
    for (command, draining) in [(Command::Quiesce { group: None }, false), (Command::Drain { group: None }, true)] {
        let mut lab = three();
        assert_eq!(lab.command(2, command), Ok(()));
        restart(&mut lab, 2, box_params(2, &[2], &[]));
        let said = lab.spoken.iter().find_map(|body| match body {
            Body::Info(info) if info.status.name.as_str() == "box-2" => {
                Some((info.status.quiesced, info.status.draining))
            }
            _ => None,
        });
        assert_eq!(said, Some((true, draining)));
        lab.run_until(lab.now + Duration::from_secs(2));
        assert_eq!(lab.server(2), Some(id(3)), "it was given nothing");
        assert_eq!(remembered(&lab, 2), vec![], "it is on disk already");
        assert_eq!(lab.command(2, Command::Unquiesce { group: None }), Ok(()));
        lab.run_until(lab.now + Duration::from_secs(1));
        assert_eq!((lab.server(2), remembered(&lab, 2)), (Some(id(2)), vec![StandingOrders::default()]));
    }
}

#[test]
fn a_box_that_joins_anew_as_another_one_stays_quiesced() {
    let mut lab = three();
    assert_eq!(lab.command(2, Command::Quiesce { group: Some(group_name()) }), Ok(()));
    let mut params = box_params(4, &[2], &[]);
    params.name = HostName::new("box-2").unwrap();
    lab.input(2, Input::Configure(params.into()));
    lab.run_until(secs(10));
    let own = lab.view(2).hosts.into_iter().find(|host| host.id == id(4)).unwrap();
    assert!(own.quiesced && own.settled);
    assert_eq!(lab.server(2), Some(id(3)), "it is the other box's while its own is quiesced");
}

#[test]
fn an_order_for_all_groups_holds_in_a_new_one_and_an_order_for_one_ends_with_it() {
    let other = || GroupName::new("other").unwrap();
    let with_other = |params: &BoxParams| {
        let mut params = params.clone();
        params.groups.insert(other(), params.groups[&group_name()].clone());
        params
    };
    let mut lab = three();
    let quiesced = |lab: &Lab| -> Vec<bool> {
        let groups = lab.nodes[&2].view(lab.now).groups;
        groups.iter().map(|group| group.hosts.iter().find(|host| host.id == id(2)).unwrap().quiesced).collect()
    };
    let params = box_params(2, &[2], &[]);
    assert_eq!(lab.command(2, Command::Quiesce { group: None }), Ok(()));
    lab.input(2, Input::Configure(with_other(&params).into()));
    assert_eq!(quiesced(&lab), [true, true]);
    assert_eq!(lab.command(2, Command::Unquiesce { group: Some(other()) }), Ok(()));
    assert_eq!(quiesced(&lab), [true, false]);
    lab.log.clear();
    lab.input(2, Input::Configure(params.into()));
    assert_eq!(remembered(&lab, 2), vec![everywhere(Intent::Quiesced)]);
    // A life that starts with orders in a group that is no more forgets them, too.
    let mut params = box_params(7, &[], &[]);
    params.orders = StandingOrders { groups: [(other(), Intent::Draining)].into(), ..StandingOrders::default() };
    lab.start(params);
    assert_eq!(remembered(&lab, 7), vec![StandingOrders::default()]);
}

fn failback(failback: Option<FailbackOrder>) -> Command {
    Command::Failback { group: None, failback }
}

/// What each box holds and does: the number of the word, and when addresses go home.
fn policies(lab: &Lab) -> Vec<(u64, Failback)> {
    let of = |n: &u8| {
        let view = lab.view(*n);
        (view.policy.version.0, view.failback)
    };
    lab.nodes.keys().map(of).collect()
}

fn three_with_homes() -> Lab {
    let mut lab = Lab::of([1, 2, 3].map(|n| box_params(n, &[n], &[])));
    lab.run_until(secs(2));
    lab
}

#[test]
fn a_policy_said_to_any_box_holds_in_the_group_whoever_leads_and_over_restarts() {
    let mut lab = three_with_homes();
    // Said to a box that does not lead.
    assert_eq!(lab.command(3, failback(Some(FailbackOrder::Manual))), Ok(()));
    assert_eq!(policies(&lab), [(1, Failback::Manual); 3], "with its next message");
    restart(&mut lab, 2, box_params(2, &[2], &[]));
    lab.run_until(lab.now + Duration::from_secs(2));
    assert_ne!(lab.server(2), Some(id(2)), "it is not sent home");
    // The next leader does the same, and a leader that was away learns it.
    lab.nodes.remove(&1);
    lab.run_until(lab.now + Duration::from_secs(2));
    let mut params = box_params(1, &[1], &[]);
    params.incarnation = Incarnation(2);
    lab.start(params);
    lab.run_until(lab.now + Duration::from_secs(2));
    assert_ne!(lab.server(1), Some(id(1)));
    assert_eq!(policies(&lab), [(1, Failback::Manual); 3]);
    assert_eq!(remembered(&lab, 1).pop().unwrap().policy_of(&group_name()).version.0, 1, "learnt is kept, too");
    assert_eq!(lab.command(1, failback(None)), Ok(()));
    lab.run_until(lab.now + Duration::from_secs(2));
    assert_eq!(policies(&lab), [(2, Failback::Immediate); 3]);
    assert_eq!((lab.server(1), lab.server(2)), (Some(id(1)), Some(id(2))));
}

#[test]
fn two_words_said_apart_become_one_when_the_boxes_meet() {
    let mut lab = three_with_homes();
    lab.apart = vec![1];
    assert_eq!(lab.command(1, failback(Some(FailbackOrder::Manual))), Ok(()));
    assert_eq!(lab.command(3, Command::Choice { group: None, choice: Some(Choice::Random) }), Ok(()));
    lab.run_until(secs(4));
    assert_eq!(policies(&lab), [(1, Failback::Manual), (1, Failback::Immediate), (1, Failback::Immediate)]);
    lab.apart = vec![];
    lab.run_until(secs(6));
    // Of two first words the one that was said to the higher box.
    assert_eq!(policies(&lab), [(1, Failback::Immediate); 3]);
    assert!((1..=3).all(|n| lab.view(n).choice == Choice::Random));
}

#[test]
fn a_box_that_has_not_listened_refuses_a_word_and_one_that_says_nothing_new_is_none() {
    let mut lab = Lab::of([box_params(1, &[1], &[])]);
    let manual = || failback(Some(FailbackOrder::Manual));
    assert_eq!(lab.command(1, manual()), Err(CommandError::Unsettled(group_name())));
    assert_eq!(lab.command(1, failback(None)), Ok(()), "it is so already");
    lab.run_until(secs(2));
    for _ in 0..3 {
        assert_eq!(lab.command(1, manual()), Ok(()));
    }
    assert_eq!((policies(&lab), remembered(&lab, 1).len()), (vec![(1, Failback::Manual)], 1));
}

#[test]
fn a_new_configuration_changes_nothing_of_what_operators_said_and_is_shown_beside_it() {
    let mut lab = three_with_homes();
    assert_eq!(lab.command(1, failback(Some(FailbackOrder::Manual))), Ok(()));
    let mut params = box_params(1, &[1], &[]);
    let wait = Failback::After(Duration::from_secs(9));
    params.groups.get_mut(&group_name()).unwrap().failback = wait;
    lab.input(1, Input::Configure(params.into()));
    let view = lab.view(1);
    assert_eq!((view.failback, view.configured.failback, view.disagreeing), (Failback::Manual, wait, 0));
    assert_eq!(lab.command(1, failback(None)), Ok(()));
    assert_eq!(lab.view(1).failback, wait);
}
