//! A box whose start counter was lost: its peers tell it, it lives on beyond what they know, and nobody who recorded what
//! was said can make use of it.

use super::*;
use crate::info_message::{EntryPart, Heard, Info, Row};
use crate::notification::HostState;
use crate::quantity::EntryVersion;
use alloc::vec;

/// Box `n` with its own address, in a life with this number.
fn life(n: u8, incarnation: u64, guessed: bool) -> BoxParams {
    let mut params = box_params(n, &[n], &[]);
    (params.incarnation, params.incarnation_is_guessed) = (Incarnation(incarnation), guessed);
    params
}

/// Boxes 1 to 3, in life 5 each.
fn settled() -> Lab {
    let mut lab = Lab::of([1, 2, 3].map(|n| life(n, 5, false)));
    lab.run_until(secs(2));
    lab.log.clear();
    lab
}

fn outlived(lab: &Lab, n: u8) -> Vec<u64> {
    let known = |(of, action): &(u8, Action)| match action {
        Action::Outlive { known } if *of == n => Some(known.0),
        _ => None,
    };
    lab.log.iter().filter_map(known).collect()
}

/// A beat of box 1 in its life 5, which says that it heard these.
fn beat_that_heard(sequence: u64, heard: Vec<Heard>) -> Input {
    beat_of_box_1(sequence, heard, None)
}

fn beat_of_box_1(sequence: u64, heard: Vec<Heard>, part: Option<EntryPart>) -> Input {
    let status = crate::samples::status("box-1");
    let body = Body::Info(Info { status, entry_version: EntryVersion(1), part, heard });
    let message = Message { sender: id(1), incarnation: Incarnation(5), sequence: Sequence(sequence), body };
    Input::Received { group: group_name(), interface: control(), message }
}

fn heard(n: u8, incarnation: u64, sequence: u64) -> Heard {
    let (incarnation, sequence) = (Incarnation(incarnation), Sequence(sequence));
    Heard { id: id(n), incarnation, sequence, age: Duration::from_millis(50), loss: 0 }
}

#[test]
fn a_box_that_lost_its_start_counter_is_told_within_a_beat_and_takes_part_again() {
    for (away, incarnation) in [(1000, 1), (1000, 5), (50, 1), (50, 5)] {
        let mut lab = settled();
        lab.nodes.remove(&2);
        let back = lab.now + Duration::from_millis(away);
        lab.run_until(back);
        lab.start(life(2, incarnation, true));
        lab.run_until(back + Duration::from_millis(150));
        let what = alloc::format!("away for {away} ms, then in life {incarnation}");
        assert_eq!(outlived(&lab, 2), [5], "{what}");
        lab.run_until(back + Duration::from_millis(1000));
        assert_eq!(lab.server(2), Some(id(2)), "{what}");
        let seen = lab.view(1).hosts.into_iter().find(|host| host.id == id(2)).unwrap();
        assert_eq!((seen.incarnation, seen.quiesced), (Incarnation(6), false), "{what}");
        assert_eq!(lab.nodes[&2].view(lab.now).incarnation, Incarnation(6), "{what}");
    }
}

#[test]
fn a_box_that_only_others_heard_in_its_newest_life_is_told_by_who_heard_of_it() {
    let mut lab = settled();
    lab.nodes.remove(&2);
    lab.run_until(secs(3));
    // Box 3 is started anew: of box 2 it knows what box 1 says.
    lab.nodes.remove(&3);
    lab.start(life(3, 6, false));
    lab.run_until(secs(4));
    lab.nodes.remove(&1);
    lab.run_until(secs(6));
    lab.start(life(2, 1, true));
    lab.run_until(secs(7));
    assert_eq!((outlived(&lab, 2), lab.server(2)), (vec![5], Some(id(2))));
}

#[test]
fn what_is_said_of_lives_that_a_box_did_count_changes_nothing_however_often_it_is_sent_again() {
    let table = [
        (heard(2, 4, 1_000_000), vec![]),
        (heard(2, 5, 1), vec![]),
        (heard(3, 9, 1), vec![]),
        // Nobody ever counted as far: there would be no number left.
        (heard(2, u64::MAX - 1, 1), vec![]),
        (heard(2, 5, 1_000_000), vec![5]),
        (heard(2, 7, 1), vec![7]),
    ];
    for (heard, expected) in table {
        let mut lab = settled();
        for sequence in [1000, 1001, 1001] {
            lab.input(2, beat_that_heard(sequence, vec![heard]));
        }
        assert_eq!(outlived(&lab, 2), expected, "{heard:?}");
        assert_eq!(lab.server(2), Some(id(2)), "it serves on: {heard:?}");
    }
}

#[test]
fn an_old_message_sent_again_has_nobody_send_anything_but_the_beat_that_was_due() {
    let mut lab = settled();
    // Between two beats.
    lab.run_until(ms(2050));
    let sent = lab.sent;
    for _ in 0..100 {
        let old = Message { sender: id(1), incarnation: Incarnation(4), sequence: Sequence(9), body: Body::Leave };
        lab.input(2, Input::Received { group: group_name(), interface: control(), message: old });
    }
    assert_eq!(lab.sent, sent);
    let from = lab.now;
    lab.run_until(from + Duration::from_millis(1000));
    assert_eq!(lab.sent - sent, 30, "three boxes, ten beats each");
}

#[test]
fn a_guessed_life_takes_nothing_before_its_peers_had_time_to_tell() {
    for (guessed, obeys) in [(true, false), (false, true)] {
        let mut lab = Lab::of([life(2, 1, guessed)]);
        // What box 1 once said, sent again by somebody else.
        lab.input(2, beat_that_heard(10, vec![]));
        let (incarnation, sequence, body) = (Incarnation(5), Sequence(11), Body::Acquire(to(2, 2, 1, 1)));
        let message = Message { sender: id(1), incarnation, sequence, body };
        lab.input(2, Input::Received { group: group_name(), interface: control(), message });
        // The life in the order is the one that this box has.
        let acquires = lab.log.iter().filter(|(_, action)| matches!(action, Action::Acquire { .. })).count();
        assert_eq!(acquires > 0, obeys, "guessed: {guessed}");
        lab.run_until(secs(2));
        assert_eq!(lab.server(2), Some(id(2)), "guessed: {guessed}");
    }
}

#[test]
fn an_address_that_runs_out_is_not_served_because_of_a_box_that_may_be_a_recording() {
    // Box 2 hears box 1, once, before or after it is settled; the address runs out or not; box 1 says that it heard box 2
    // or not: is its address taken over then?
    for (at, runs_out, proven, taken_over) in
        [(10, true, false, false), (1000, true, false, false), (10, false, false, true), (10, true, true, true)]
    {
        let mut params = life(2, 7, false);
        params.groups.get_mut(&group_name()).unwrap().orphan_timeout = runs_out.then_some(Duration::from_secs(60));
        let mut lab = Lab::of([params]);
        lab.run_until(ms(at));
        let heard = if proven { vec![Heard { age: Duration::ZERO, ..heard(2, 7, 1) }] } else { vec![] };
        let rows = [Row::Preferred(address(1))].into();
        let entry = EntryPart { index: 0, count: 1, control_addresses: Vec::new(), rows };
        lab.input(2, beat_of_box_1(10, heard, Some(entry)));
        lab.run_until(secs(2));
        let what = alloc::format!("heard at {at} ms, runs out: {runs_out}, proven: {proven}");
        assert_eq!(lab.view(2).hosts.iter().find(|host| host.id == id(1)).unwrap().state, HostState::Dead, "{what}");
        assert_eq!(lab.server(1), taken_over.then_some(id(2)), "{what}");
        assert_eq!(lab.server(2), Some(id(2)), "{what}");
    }
}

#[test]
fn a_life_that_is_not_greater_is_not_lived() {
    let mut lab = settled();
    for incarnation in [1, 5] {
        lab.input(2, Input::Outlived { incarnation: Incarnation(incarnation) });
        assert_eq!(lab.nodes[&2].view(lab.now).incarnation, Incarnation(5));
        assert!(lab.view(2).settled);
    }
}
