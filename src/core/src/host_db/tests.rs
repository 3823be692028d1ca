//! The Host Information Database against replays, silence, newcomers and entries in pieces.

use super::*;
use crate::info_message::{Claim, EntryPart, Row};
use crate::mutation::Planted;
use crate::notification::HostState;
use crate::quantity::EntryVersion;
use crate::test_support::{address, id, ms};
use alloc::vec::Vec;

const FIRST: Incarnation = Incarnation(1);
const BEAT: Duration = Duration::from_millis(100);
const DEAD_AFTER: Duration = Duration::from_millis(300);
const TOLERANCE: Duration = Duration::from_millis(12);
const INTERVAL: Duration = Duration::from_micros(2_500);
#[cfg(not(feature = "mutations"))]
const JUDGE: Judge = Judge { beat: BEAT, dead_after: DEAD_AFTER, interval: INTERVAL, planted: Planted {} };
#[cfg(feature = "mutations")]
const JUDGE: Judge = Judge { beat: BEAT, dead_after: DEAD_AFTER, interval: INTERVAL, planted: Planted::NONE };

fn part(index: u16, count: u16, rows: &[Row]) -> EntryPart {
    EntryPart { index, count, control_addresses: Vec::new(), rows: rows.to_vec() }
}

fn host() -> Host {
    Host::new(FIRST, ReplayWindow::default(), ms(0))
}

#[test]
fn an_older_life_is_a_replay_and_a_newer_one_starts_the_numbers_anew() {
    let mut db = HostDb::default();
    let accepted = |reborn| Admission::Accepted { reborn };
    for (incarnation, sequence, admission) in [
        (5, 10, accepted(true)),
        (5, 10, Admission::Duplicate),
        (5, 9, Admission::Duplicate),
        (4, 99, Admission::Replay),
        (6, 1, accepted(true)),
        (5, 11, Admission::Replay),
        (6, 2, accepted(false)),
    ] {
        let got = db.admit(id(1), Incarnation(incarnation), Sequence(sequence), &JUDGE, ms(0));
        assert_eq!(got, admission, "{incarnation} {sequence}");
    }
}

#[test]
fn what_a_box_said_before_it_was_first_heard_is_over() {
    let mut db = HostDb::default();
    let accepted = |reborn| Admission::Accepted { reborn };
    for (incarnation, sequence, admission) in [
        (1, 500, accepted(true)),
        (1, 499, Admission::Duplicate),
        (1, 1, Admission::Duplicate),
        (1, 503, accepted(false)),
        // Overtaken on the way, or late on the other network.
        (1, 501, accepted(false)),
        (1, 502, accepted(false)),
        (2, 3, accepted(true)),
        (2, 2, Admission::Duplicate),
        (2, 4, accepted(false)),
    ] {
        let got = db.admit(id(1), Incarnation(incarnation), Sequence(sequence), &JUDGE, ms(0));
        assert_eq!(got, admission, "{incarnation} {sequence}");
    }
}

#[test]
fn a_newcomer_learns_from_others_which_messages_are_replays() {
    let mut db = HostDb::default();
    let heard = Heard {
        id: id(1),
        incarnation: Incarnation(5),
        sequence: Sequence(5000),
        age: Duration::from_millis(10),
        loss: 0,
    };
    db.heard_by_another(&heard, TOLERANCE, DEAD_AFTER, ms(100));
    assert_eq!(db.admit(id(1), Incarnation(4), Sequence(9999), &JUDGE, ms(100)), Admission::Replay);
    assert_eq!(db.admit(id(1), Incarnation(5), Sequence(100), &JUDGE, ms(100)), Admission::Replay);
    let fresh = db.admit(id(1), Incarnation(5), Sequence(5000), &JUDGE, ms(100));
    assert_eq!(fresh, Admission::Accepted { reborn: false });
}

#[test]
fn a_box_that_only_others_hear_is_waited_for_as_if_it_had_been_heard_here() {
    let patience = DEAD_AFTER * 2;
    // Of box 1, heard here last at 1 s as number 10 of its fifth life, and then dead or gone or not: what another says
    // at 1,400 ms, and until when nobody here knows what the box serves.
    for (state, life, sequence, age, until) in [
        (Some(HostState::Dead), 5, 13, 50, Some(1_650)),
        (Some(HostState::Left), 5, 13, 50, Some(1_650)),
        // Heard last by both at the same time, or by the other no later than here.
        (Some(HostState::Dead), 5, 10, 395, None),
        (Some(HostState::Dead), 5, 10, 200, None),
        (Some(HostState::Left), 5, 9, 100, None),
        // Silent to the other, too, for long enough.
        (Some(HostState::Dead), 5, 13, 300, None),
        // Known here.
        (Some(HostState::Up), 5, 13, 50, None),
        (Some(HostState::Dead), 4, 13, 50, None),
        // Another life than the one that is known, and a box that is not known at all.
        (Some(HostState::Up), 6, 1, 50, Some(1_650)),
        (None, 5, 13, 50, Some(1_650)),
    ] {
        let mut db = HostDb::default();
        if let Some(state) = state {
            db.admit(id(1), Incarnation(5), Sequence(10), &JUDGE, ms(1_000));
            let host = db.host_mut(id(1)).unwrap();
            assert!(host.is_news(Sequence(10)));
            host.hear(Sequence(10), ms(1_000));
            host.become_state(state, ms(1_200));
        }
        let mut told = |at: u64, sequence: u64| {
            let (incarnation, sequence) = (Incarnation(life), Sequence(sequence));
            let heard = Heard { id: id(1), incarnation, sequence, age: Duration::from_millis(age), loss: 0 };
            db.heard_by_another(&heard, TOLERANCE, DEAD_AFTER, ms(at));
            db.hidden_until(DEAD_AFTER, patience)
        };
        let until = until.map(ms);
        assert_eq!(told(1_400, sequence), until, "{state:?} {life} {sequence} {age}");
        if until.is_some() {
            assert_eq!(told(1_500, sequence + 1), Some(ms(1_750)), "it is still heard there");
            let last = (2..20).map(|beat| told(1_400 + beat * 100, sequence + beat)).max();
            assert_eq!(last, Some(Some(ms(1_350 + 600))), "but it is not waited for longer than for any entry");
        }
    }
}

#[test]
fn nothing_that_a_dead_box_said_is_news_to_a_newcomer_that_was_told_of_it() {
    let long = Duration::from_secs(60);
    let heard = Heard { id: id(1), incarnation: Incarnation(5), sequence: Sequence(70), age: long, loss: 0 };
    let told = |db: &mut HostDb| db.heard_by_another(&heard, TOLERANCE, DEAD_AFTER, ms(100));
    let admit = |db: &mut HostDb, sequence| db.admit(id(1), Incarnation(5), Sequence(sequence), &JUDGE, ms(100));
    let accepted = |reborn| Admission::Accepted { reborn };
    let mut db = HostDb::default();
    told(&mut db);
    assert_eq!(admit(&mut db, 70), Admission::Replay);
    assert_eq!(admit(&mut db, 69), Admission::Replay);
    assert_eq!(admit(&mut db, 71), accepted(true), "but when it thaws, it is heard");
    assert_eq!(admit(&mut db, 68), Admission::Duplicate);
    let mut db = HostDb::default();
    assert_eq!(admit(&mut db, 60), accepted(true), "a replay that came before the first word of a peer");
    told(&mut db);
    assert_eq!(admit(&mut db, 61), Admission::Duplicate, "was the last");
    assert_eq!(admit(&mut db, 71), accepted(false));
}

#[test]
fn a_full_group_takes_a_newcomer_only_in_the_place_of_a_dead_box() {
    let mut db = HostDb::default();
    for n in 1..MAX_HOSTS {
        let n = u8::try_from(n).unwrap();
        db.admit(id(n), FIRST, Sequence(1), &JUDGE, ms(0));
        db.host_mut(id(n)).unwrap().become_state(HostState::Up, ms(0));
    }
    assert_eq!(db.admit(id(200), FIRST, Sequence(1), &JUDGE, ms(1)), Admission::Full);
    db.host_mut(id(7)).unwrap().become_state(HostState::Dead, ms(2));
    assert!(matches!(db.admit(id(200), FIRST, Sequence(1), &JUDGE, ms(3)), Admission::Accepted { .. }));
    assert!(db.host(id(7)).is_none());
}

#[test]
fn a_box_is_silent_only_if_nobody_heard_it() {
    let mut db = HostDb::default();
    db.admit(id(1), FIRST, Sequence(1), &JUDGE, ms(0));
    db.host_mut(id(1)).unwrap().become_state(HostState::Up, ms(0));
    assert_eq!(db.timeout(&JUDGE), Some(ms(300)));
    let age = Duration::from_millis(50);
    db.heard_by_another(
        &Heard { id: id(1), incarnation: FIRST, sequence: Sequence(3), age, loss: 0 },
        TOLERANCE,
        DEAD_AFTER,
        ms(250),
    );
    assert_eq!(db.timeout(&JUDGE), Some(ms(500)));
    let of_another_life = Heard { id: id(1), incarnation: Incarnation(9), sequence: Sequence(3), age, loss: 0 };
    db.heard_by_another(&of_another_life, TOLERANCE, DEAD_AFTER, ms(450));
    assert_eq!(db.timeout(&JUDGE), Some(ms(500)));
}

#[test]
fn a_measured_box_is_dead_after_enough_questions_and_not_before() {
    let mut host = host();
    for beat in 1..=100 {
        host.liveness.arrived(0, BEAT, ms(beat * 100));
        host.liveness.returned(Duration::from_micros(300));
        host.hear(Sequence(beat), ms(beat * 100));
    }
    let plain = ms(10_300);
    let patience = host.patience(&JUDGE);
    host.count_ask(&JUDGE, ms(10_050));
    assert_eq!(host.asks.count, 0, "it is not silent yet");
    for _ in 1..patience.asks {
        host.probe(&JUDGE, ms(10_120));
    }
    assert_eq!(host.expires(&JUDGE), plain, "one question is missing");
    host.count_ask(&JUDGE, ms(10_180));
    let dead = host.expires(&JUDGE);
    assert!(dead < plain && dead >= ms(10_180) + patience.answer, "{dead:?}");
    host.hear(Sequence(101), ms(10_181));
    assert_eq!(host.expires(&JUDGE), ms(10_481), "it answered");
    host.count_ask(&JUDGE, ms(10_300));
    assert_eq!(host.asks.count, 1, "and all begins anew");
}

#[test]
fn a_box_heard_only_through_others_is_dead_after_the_dead_interval() {
    let mut host = host();
    for beat in 1..=100 {
        host.liveness.arrived(0, BEAT, ms(beat * 100));
        host.liveness.returned(Duration::from_micros(300));
    }
    host.hear(Sequence(100), ms(10_000));
    assert!(host.patience(&JUDGE).dead.is_some());
    host.heard_by_others = ms(10_400);
    assert_eq!(host.patience(&JUDGE).dead, None);
}

#[test]
fn an_entry_in_pieces_is_taken_when_the_last_piece_is_there_in_any_order() {
    let mut host = host();
    host.told_of(EntryVersion(2), ms(0));
    let claim = |n| Row::Claim(address(n), Claim::Online);
    assert!(!host.take_part(EntryVersion(2), &part(1, 2, &[claim(2)]), ms(1)));
    assert!(!host.known(DEAD_AFTER, ms(1)));
    assert!(!host.take_part(EntryVersion(1), &part(0, 2, &[claim(9)]), ms(1)), "an older version's piece");
    assert!(host.take_part(EntryVersion(2), &part(0, 2, &[claim(1)]), ms(2)));
    assert!(host.known(DEAD_AFTER, ms(2)));
    let entry = host.entry.as_ref().unwrap();
    assert_eq!(entry.claims, [(address(1), Claim::Online), (address(2), Claim::Online)]);
    assert_eq!(entry.claim(address(2)), Some(Claim::Online));
    assert!(!host.take_part(EntryVersion(1), &part(0, 1, &[]), ms(3)), "an overtaken version");
}

#[test]
fn a_box_is_asked_for_what_is_lacking_but_not_more_often_than_each_beat() {
    let mut host = host();
    let beat = Duration::from_millis(100);
    host.told_of(EntryVersion(1), ms(0));
    assert!(host.wants_asking(beat, ms(0)));
    assert!(!host.wants_asking(beat, ms(99)));
    assert!(host.wants_asking(beat, ms(100)));
    host.take_part(EntryVersion(1), &part(0, 1, &[]), ms(101));
    assert!(!host.wants_asking(beat, ms(500)));
}

#[test]
fn a_late_piece_of_an_older_entry_does_not_undo_the_newer_one_begun() {
    let mut host = host();
    let row = |index| [Row::Preferred(address(index))];
    assert!(!host.take_part(EntryVersion(3), &part(0, 2, &row(1)), ms(0)));
    // Whole, and newer than what was known.
    assert!(host.take_part(EntryVersion(2), &part(0, 1, &row(9)), ms(1)));
    assert!(!host.take_part(EntryVersion(2), &part(1, 3, &row(8)), ms(1)));
    assert!(host.take_part(EntryVersion(3), &part(1, 2, &row(2)), ms(2)));
    assert_eq!(host.known_version(), EntryVersion(3));
}

#[test]
fn a_piece_that_lies_about_its_number_is_ignored() {
    for (index, count) in [(0, 0), (1, 1), (5, 2), (0, u16::MAX)] {
        assert!(!host().take_part(EntryVersion(1), &part(index, count, &[]), ms(0)), "{index} of {count}");
    }
}
