//! A, figures 4A to 4D: the receive thread.

use crate::bench::{BEAT, Bench, DEAD_AFTER, Ends, acquires, address, id, infos, params, releases, traps};
use rais_core::counters::DropCause;
use rais_core::info_message::{Body, Claim, Orders, Row};
use rais_core::io::{Command, Input};
use rais_core::quantity::Incarnation;
use rais_core::view::AddressState;
use std::time::Duration;

/// Box 2; box 1 leads, box 3 is just another one. Address 7 is box 1's, and nobody serves it.
fn member() -> Bench {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1, 7], &[1]);
    bench.join(3, &[3], &[3]);
    bench.settle();
    assert_eq!(bench.view().leader, Some(id(1)));
    bench
}

/// The same, and it serves address 7.
fn serving() -> Bench {
    let mut bench = member();
    bench.order(1, 2, Body::Acquire, 7);
    bench.pass(BEAT);
    assert_eq!(bench.claim(7), Some(Claim::Online));
    bench.taken();
    bench
}

/// Figure 4A, steps 402 and 404: a duplicate of a message is not processed.
#[test]
fn figure_4a_steps_402_404_a_duplicate_is_dropped() {
    let mut bench = member();
    let order = bench.order(1, 2, Body::Acquire, 7);
    bench.order(1, 2, Body::Release, 7);
    assert_eq!(bench.claim(7), None);
    let (before, heard) = (bench.dropped(DropCause::Duplicate), bench.counters().messages_in);
    bench.taken();
    bench.hear(order);
    assert_eq!(acquires(&bench.taken()), []);
    assert_eq!((bench.dropped(DropCause::Duplicate), bench.counters().messages_in), (before + 1, heard));
}

/// Figure 4A, steps 406, 408 and 410: the type of a message decides what becomes of it.
#[test]
fn figure_4a_steps_406_408_410_acquire_release_and_info_go_their_own_ways() {
    let mut bench = member();
    bench.order(1, 2, Body::Acquire, 7);
    assert_eq!((acquires(&bench.taken()).len(), bench.claim(7)), (1, Some(Claim::Online)));
    bench.order(1, 2, Body::Release, 7);
    assert_eq!((releases(&bench.taken()).len(), bench.claim(7)), (1, None));
    bench.peer(3).load = 77;
    bench.say(3);
    assert_eq!(bench.view().hosts.iter().find(|host| host.id == id(3)).unwrap().load, 77);
}

/// Figure 4B, steps 412 and 414: an acquire that is for another host.
#[test]
fn figure_4b_step_412_an_acquire_for_another_host_is_left_to_it() {
    let mut bench = member();
    bench.order(1, 3, Body::Acquire, 7);
    assert_eq!((acquires(&bench.taken()), bench.claim(7)), (vec![], None));
}

/// Beyond figure 4B: an acquire or a release that is for this host, in another of its lives.
#[test]
fn beyond_figure_4b_an_order_to_another_life_of_this_host_is_dropped_as_a_replay() {
    for (wish, number) in [(Body::Acquire as fn(Orders) -> Body, 2), (Body::Release, 7)] {
        let mut bench = serving();
        let before = bench.dropped(DropCause::Replay);
        for (life, dropped) in [(0, 1), (2, 2)] {
            bench.order_to_life(1, (2, Incarnation(life)), wish, number);
            let actions = bench.taken();
            assert_eq!((acquires(&actions), releases(&actions)), (vec![], vec![]), "life {life}");
            assert_eq!(bench.dropped(DropCause::Replay), before + dropped, "life {life}");
        }
        bench.order_to_life(1, (2, Incarnation(1)), wish, number);
        let actions = bench.taken();
        assert_eq!(acquires(&actions).len() + releases(&actions).len(), 1, "in its present life it obeys");
    }
}

/// Figure 4B, steps 416 and 414: an acquire that is not from this host's leader.
#[test]
fn figure_4b_step_416_an_acquire_from_another_than_the_leader_is_dropped() {
    let mut bench = member();
    bench.order(3, 2, Body::Acquire, 7);
    assert_eq!((acquires(&bench.taken()), bench.claim(7)), (vec![], None));
    assert_eq!(bench.dropped(DropCause::NotLeader), 1);
}

/// Figure 4B, steps 418 and 414: this host is not ok.
#[test]
fn figure_4b_step_418_a_host_that_is_not_ok_acquires_nothing() {
    let mut bench = member();
    bench.test_passes = false;
    bench.pass(BEAT);
    bench.taken();
    bench.order(1, 2, Body::Acquire, 7);
    assert_eq!((acquires(&bench.taken()), bench.claim(7)), (vec![], None));
}

/// Figure 4B, steps 420 and 414: this host is quiesced; and page 12: it goes on serving what it serves.
#[test]
fn figure_4b_step_420_a_quiesced_host_acquires_nothing_and_keeps_what_it_has() {
    let mut bench = serving();
    bench.input(Input::Command(Command::Quiesce { group: None }));
    bench.order(1, 2, Body::Acquire, 2);
    bench.pass(BEAT * 5);
    let actions = bench.taken();
    assert_eq!((acquires(&actions), releases(&actions)), (vec![], vec![]));
    assert_eq!((bench.claim(2), bench.claim(7)), (None, Some(Claim::Online)));
}

/// Figure 4B, steps 422 and 414: it serves the address already, or is about to.
#[test]
fn figure_4b_step_422_what_is_served_is_not_acquired_again() {
    let mut bench = serving();
    bench.order(1, 2, Body::Acquire, 7);
    assert_eq!(acquires(&bench.taken()), []);
    bench.ends = Ends::Never;
    bench.order(1, 2, Body::Acquire, 2);
    bench.order(1, 2, Body::Acquire, 2);
    assert_eq!(acquires(&bench.taken()).len(), 1);
}

/// Figure 4B, step 424: the entry shows the address, and the others are told so; step 426: an acquire action is scheduled.
#[test]
fn figure_4b_steps_424_426_the_entry_shows_acquiring_and_an_action_is_scheduled() {
    let mut bench = member();
    bench.ends = Ends::Never;
    bench.order(1, 2, Body::Acquire, 7);
    bench.pass(Duration::from_millis(5));
    let actions = bench.taken();
    let scheduled: Vec<_> = acquires(&actions).into_iter().map(|(_, address)| address).collect();
    assert_eq!(scheduled, [address(7)]);
    assert_eq!(bench.claim(7), Some(Claim::Acquiring));
    let told = infos(&actions).into_iter().filter_map(|info| info.part.as_ref()).flat_map(|part| &part.rows);
    assert!(told.into_iter().any(|row| *row == Row::Claim(address(7), Claim::Acquiring)), "and it is told at once");
}

/// Figure 4C, steps 432 and 434: a release that is for another host.
#[test]
fn figure_4c_step_432_a_release_for_another_host_is_left_to_it() {
    let mut bench = serving();
    bench.order(1, 3, Body::Release, 7);
    assert_eq!((releases(&bench.taken()), bench.claim(7)), (vec![], Some(Claim::Online)));
}

/// Figure 4C, steps 436 and 434: a release that is not from the leader.
#[test]
fn figure_4c_step_436_a_release_from_another_than_the_leader_is_dropped() {
    let mut bench = serving();
    bench.order(3, 2, Body::Release, 7);
    assert_eq!((releases(&bench.taken()), bench.claim(7)), (vec![], Some(Claim::Online)));
    assert_eq!(bench.dropped(DropCause::NotLeader), 1);
}

/// Figure 4C, steps 440 and 434: this host does not serve the address.
#[test]
fn figure_4c_step_440_what_is_not_served_is_not_released() {
    let mut bench = serving();
    bench.order(1, 2, Body::Release, 3);
    assert_eq!(releases(&bench.taken()), []);
}

/// Figure 4C, step 442: the address is marked releasing and is no longer among those served; step 444: a release action is
/// scheduled.
#[test]
fn figure_4c_steps_442_444_the_entry_shows_releasing_and_an_action_is_scheduled() {
    let mut bench = serving();
    bench.ends = Ends::Never;
    let served = |bench: &Bench| bench.view().hosts.iter().find(|host| host.id == id(2)).unwrap().served;
    assert_eq!(served(&bench), 1);
    bench.order(1, 2, Body::Release, 7);
    let scheduled: Vec<_> = releases(&bench.taken()).into_iter().map(|(_, address)| address).collect();
    assert_eq!(scheduled, [address(7)]);
    assert_eq!((bench.claim(7), served(&bench)), (Some(Claim::Releasing), 0));
}

/// Figure 4D, step 450: the databases take over what the info message says of its sender.
#[test]
fn figure_4d_step_450_an_info_message_updates_what_is_known_of_its_sender() {
    let mut bench = member();
    assert_eq!(bench.row(3).unwrap().state, AddressState::Online);
    let peer = bench.peer(3);
    (peer.quiesced, peer.load, peer.capacity) = (true, 5, 6);
    peer.rows = vec![Row::Preferred(address(3)), Row::Claim(address(3), Claim::Releasing)];
    bench.say(3);
    let view = bench.view();
    let host = view.hosts.iter().find(|host| host.id == id(3)).unwrap();
    assert_eq!((host.ok, host.quiesced, host.load, host.capacity, host.served), (true, true, 5, 6, 0));
    assert_eq!(host.preferred, [address(3)]);
    assert_eq!(bench.row(3).unwrap().state, AddressState::Releasing);
}

/// Figure 4D, steps 452 and 454: the list of addresses that should be served takes over a new preferred one, and each
/// message of its well host resets the address's time-out.
#[test]
fn figure_4d_step_452_the_time_out_of_an_address_starts_anew_with_each_message_of_its_host() {
    let timeout = Duration::from_secs(1);
    let mut params = params(1, &[1]);
    params.groups.values_mut().next().unwrap().orphan_timeout = Some(timeout);
    let mut bench = Bench::with(1, params);
    bench.join(2, &[2], &[2]);
    bench.settle();
    assert!(bench.row(2).is_some(), "it should be served");
    bench.pass(timeout * 5);
    assert!(bench.row(2).is_some(), "its host is alive and well");
    assert!(!traps(&bench.taken()).contains(&"OrphanExpired"), "all the while");
    bench.peer(2).silent = true;
    bench.pass(timeout - BEAT * 2);
    assert!(bench.row(2).is_some_and(|row| row.orphan), "it counts from the last message");
    bench.pass(BEAT * 4);
    assert_eq!(bench.row(2), None);
}

/// Beyond A: who is about to lead may know a moment before us that the leader is dead. What it orders is done when we know
/// it too, and only then (G-67).
#[test]
fn an_order_of_who_leads_next_waits_until_the_leader_is_dead_here_too() {
    for (dies, acquired) in [(true, 1), (false, 0)] {
        let mut bench = Bench::new(3, &[]);
        bench.join(1, &[1], &[1]);
        bench.join(2, &[2], &[2]);
        bench.settle();
        bench.peer(1).silent = true;
        bench.pass(DEAD_AFTER - BEAT / 2);
        bench.order(2, 3, Body::Acquire, 1);
        assert_eq!(acquires(&bench.taken()).len(), 0, "the leader may yet be heard");
        if !dies {
            bench.peer(1).silent = false;
            bench.say(1);
        }
        bench.pass(BEAT);
        assert_eq!(acquires(&bench.taken()).len(), acquired, "dies: {dies}");
    }
}

/// Beyond figure 4B: the leader may hear sooner than this host that an address was released. Its order waits here for the
/// news, for a quarter of a beat, unless another order takes its place.
#[test]
fn an_acquire_that_overtook_the_news_of_the_release_is_done_when_the_news_is_there() {
    type Wish = fn(Orders) -> Body;
    for (wait, between, acquired) in [
        (BEAT / 8, None, 1),
        (BEAT / 2, None, 0),
        (BEAT / 8, Some((3, Body::Release as Wish)), 0),
        (BEAT / 8, Some((4, Body::Acquire as Wish)), 0),
    ] {
        let mut bench = Bench::new(3, &[]);
        bench.join(1, &[1], &[1]);
        bench.join(2, &[], &[9]);
        bench.peer(1).rows.push(Row::Preferred(address(9)));
        bench.settle();
        bench.order(1, 3, Body::Acquire, 9);
        bench.pass(wait);
        if let Some((to, wish)) = between {
            bench.order(1, to, wish, 9);
        }
        assert_eq!(acquires(&bench.taken()).len(), 0, "it hears another serve it");
        bench.peer(2).rows.clear();
        bench.say(2);
        assert_eq!(acquires(&bench.taken()).len(), acquired, "after {wait:?}, between {}", between.is_some());
    }
}
