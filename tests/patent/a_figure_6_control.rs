//! A, figures 6A and 6B and their pseudo code: the control thread. Box 1 leads; what it decides is seen in what it sends.

use crate::bench::{
    BEAT, Bench, DEAD_AFTER, acquires, address, group, id, infos, ordered_to_acquire, ordered_to_release, params,
    releases, sent, traps,
};
use rais_core::address::{IdAddress, ServiceAddress};
use rais_core::info_message::{Body, Claim, Row};
use rais_core::io::{Action, Command, Input};
use rais_core::params::Failback;
use rais_core::view::AddressState;
use std::collections::BTreeSet;
use std::time::Duration;

/// Box 1, which leads and serves its own address.
fn leader() -> Bench {
    Bench::new(1, &[1])
}

/// Long enough to be settled and to decide, too short for an order that shows no effect to be given to another.
const DECIDED: Duration = Duration::from_millis(450);

type Orders = Vec<(IdAddress, ServiceAddress)>;

/// What box 1 orders in that time.
fn orders(bench: &mut Bench) -> (Orders, Orders) {
    bench.pass(DECIDED);
    let actions = bench.taken();
    (ordered_to_acquire(&actions), ordered_to_release(&actions))
}

/// A box dies: it says nothing more, and nobody hears it.
fn dies(bench: &mut Bench, number: u8) {
    bench.peer(number).silent = true;
    bench.pass(DEAD_AFTER + BEAT / 10);
}

/// Steps 600 and 602: the leader is the host with the lowest id; "the role may move" as hosts come and go.
#[test]
fn figure_6a_step_602_the_host_with_the_lowest_id_leads() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(3, &[3], &[3]);
    bench.pass(DECIDED);
    assert_eq!(bench.view().leader, Some(id(2)));
    bench.join(1, &[1], &[1]);
    bench.pass(BEAT * 2);
    assert_eq!(bench.view().leader, Some(id(1)));
    dies(&mut bench, 1);
    assert_eq!(bench.view().leader, Some(id(2)));
}

/// Step 604: a host that is not the leader decides nothing.
#[test]
fn figure_6a_step_604_a_host_that_does_not_lead_orders_nothing() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1, 7], &[1]);
    bench.join(3, &[3], &[3, 1]);
    bench.pass(Duration::from_secs(2));
    let actions = bench.taken();
    assert_eq!(bench.row(7).unwrap().state, AddressState::Unserved);
    assert_eq!(bench.row(1).unwrap().state, AddressState::Duplicate);
    assert_eq!((ordered_to_acquire(&actions), ordered_to_release(&actions)), (vec![], vec![]));
    assert_eq!(acquires(&actions), []);
}

/// Step 604, beyond its letter: a host that stops being the leader forgets what it had begun, and does not go on with it
/// when it leads again: the table is another one then (G-41).
#[test]
fn figure_6a_step_604_a_host_that_leads_no_more_forgets_its_pending_orders() {
    let mut params = params(2, &[2]);
    params.groups.values_mut().next().unwrap().pool_addresses = vec![address(9)];
    let mut bench = Bench::with(2, params);
    bench.input(Input::Command(Command::Quiesce { group: None }));
    for (number, serves) in [(3, &[3, 9][..]), (4, &[4]), (5, &[5])] {
        bench.join(number, &[number], serves);
    }
    bench.settle();
    dies(&mut bench, 5);
    let to_box_4 = Command::Acquire { group: group(), address: address(9), host: Some(id(4)) };
    bench.input(Input::Command(to_box_4));
    for _ in 0..2 {
        // Nobody does as told: the orders are pending, and are repeated.
        bench.taken();
        bench.pass(BEAT);
        let begun = bench.taken();
        assert_eq!(ordered_to_release(&begun), [(id(3), address(9))]);
        assert!(ordered_to_acquire(&begun).iter().any(|(_, what)| *what == address(5)));
    }
    bench.join(1, &[], &[]);
    bench.say(1);
    assert_eq!(bench.view().leader, Some(id(1)));
    bench.taken();
    bench.pass(DEAD_AFTER * 4);
    let deposed = bench.taken();
    assert_eq!((ordered_to_acquire(&deposed), ordered_to_release(&deposed)), (vec![], vec![]), "it leads no more");
    dies(&mut bench, 1);
    assert_eq!(bench.view().leader, Some(id(2)));
    bench.pass(BEAT);
    let leads_again = bench.taken();
    assert_eq!(ordered_to_release(&leads_again), [], "the operator's move was forgotten");
    let given = ordered_to_acquire(&leads_again);
    assert!(given.iter().any(|(_, what)| *what == address(5)), "it goes by what it sees now: {given:?}");
}

/// Step 606: a host that sent no message within the time-out is dropped, and its addresses are unserved.
#[test]
fn figure_6a_step_606_a_silent_host_is_removed_after_the_time_out_and_not_before() {
    let mut bench = leader();
    bench.join(2, &[2], &[2]);
    bench.join(3, &[], &[]);
    bench.settle();
    bench.peer(2).silent = true;
    bench.pass(DEAD_AFTER - BEAT);
    assert_eq!(ordered_to_acquire(&bench.taken()), []);
    bench.pass(BEAT * 2);
    assert_eq!(ordered_to_acquire(&bench.taken()), [(id(3), address(2))]);
}

/// Step 608, outer loop: "if host is OK … if not quiesced, add host to Spare_Host_List / Non_Spare_Eligible_List". A host
/// that is in neither list is given nothing.
#[test]
fn figure_6a_step_608_only_a_host_that_is_ok_and_not_quiesced_is_on_a_list() {
    for (ok, quiesced, listed) in
        [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
    {
        for spare in [true, false] {
            let mut bench = leader();
            bench.join(2, if spare { &[] } else { &[2] }, if spare { &[] } else { &[2] });
            (bench.peer(2).ok, bench.peer(2).quiesced) = (ok, quiesced);
            bench.join(3, &[3], &[3]);
            bench.settle();
            // Box 1 would be eligible itself.
            bench.input(Input::Command(Command::Quiesce { group: None }));
            dies(&mut bench, 3);
            bench.pass(DEAD_AFTER);
            let given = ordered_to_acquire(&bench.taken()).contains(&(id(2), address(3)));
            assert_eq!(given, listed, "ok {ok}, quiesced {quiesced}, spare {spare}");
        }
    }
}

/// Step 608, outer loop, and figure 6B: the table has the preferred id address of each preferred address.
#[test]
fn figure_6b_the_table_tells_states_preferred_host_and_who_claims_an_address() {
    let mut bench = leader();
    let rows = vec![Row::Preferred(address(2)), Row::Claim(address(2), Claim::Releasing)];
    bench.join(2, &[], &[]).rows = rows;
    bench.join(3, &[], &[1]);
    bench.settle();
    let two = bench.row(2).unwrap();
    assert_eq!((two.state, two.preferred, two.server), (AddressState::Releasing, Some(id(2)), Some(id(2))));
    let one = bench.row(1).unwrap();
    assert_eq!((one.state, one.preferred, one.server), (AddressState::Online, Some(id(1)), Some(id(3))));
    assert!(one.orphan, "not served by preferred");
}

/// Step 608, inner loop: "send release message to host to release expired service addresses".
#[test]
fn figure_6a_step_608_whoever_serves_an_expired_or_unknown_address_is_told_to_release_it() {
    let timeout = Duration::from_secs(2);
    let mut params = params(1, &[1]);
    params.groups.values_mut().next().unwrap().orphan_timeout = Some(timeout);
    let mut bench = Bench::with(1, params);
    bench.join(2, &[2], &[2]);
    bench.join(3, &[3], &[3, 99]);
    let (_, released) = orders(&mut bench);
    assert_eq!(released, [(id(3), address(99))], "never heard of");
    bench.input(Input::Command(Command::Quiesce { group: None }));
    dies(&mut bench, 2);
    bench.peer(3).rows =
        vec![Row::Preferred(address(3)), Row::Claim(address(3), Claim::Online), Row::Claim(address(2), Claim::Online)];
    bench.say(3);
    bench.taken();
    bench.pass(BEAT);
    assert_eq!(ordered_to_release(&bench.taken()), [], "an orphan is served until its time is over");
    bench.pass(timeout);
    assert_eq!(ordered_to_release(&bench.taken()), [(id(3), address(2))]);
}

/// Step 610, states: "if state including acquiring or releasing, continue".
#[test]
fn figure_6a_step_610_an_address_that_somebody_acquires_or_releases_is_left_alone() {
    // Who acquired it and then does not serve it has failed, and is not asked again at once: that is beyond A.
    for (claim, next) in [(Claim::Acquiring, 3), (Claim::Releasing, 2)] {
        let mut bench = leader();
        bench.join(2, &[2], &[]).rows.push(Row::Claim(address(2), claim));
        bench.join(3, &[], &[]);
        assert_eq!(orders(&mut bench), (vec![], vec![]), "{claim:?}");
        bench.peer(2).rows.pop();
        assert_eq!(orders(&mut bench).0, [(id(next), address(2))], "and not when it is over");
    }
}

/// Step 610, unserved: "if preferred … is not quiesced then choice = preferred_id_address", before any spare.
#[test]
fn figure_6a_unserved_goes_to_its_preferred_host_first() {
    let mut bench = leader();
    bench.join(2, &[2], &[]);
    bench.join(3, &[], &[]);
    assert_eq!(orders(&mut bench).0, [(id(2), address(2))]);
    assert_eq!(bench.claim(1), Some(Claim::Online), "the leader orders itself like any other");
}

/// Step 610, unserved: "else if spare_host count > 0, choice = random pick from Spare_Host_List": any of them, and no other.
#[test]
fn figure_6a_unserved_then_goes_to_a_spare_and_which_is_a_matter_of_chance() {
    let mut bench = leader();
    let lost: Vec<u8> = (20..40).collect();
    bench.join(2, &lost, &lost);
    bench.join(3, &[3], &[3]);
    bench.join(4, &[], &[]);
    bench.join(5, &[], &[]);
    bench.settle();
    dies(&mut bench, 2);
    let chosen = ordered_to_acquire(&bench.taken());
    assert_eq!(chosen.len(), lost.len());
    let spares: BTreeSet<_> = chosen.iter().map(|(host, _)| *host).collect();
    assert_eq!(spares, BTreeSet::from([id(4), id(5)]));
}

/// Step 610, unserved: "else if Non_Spare_Eligible count > 0, choice = random pick from Non_Spare_Eligible_List".
#[test]
fn figure_6a_unserved_then_goes_to_a_host_that_has_its_own_address() {
    let mut bench = leader();
    let lost: Vec<u8> = (20..40).collect();
    bench.join(2, &lost, &lost);
    bench.join(3, &[3], &[3]);
    bench.join(4, &[], &[]).quiesced = true;
    bench.settle();
    dies(&mut bench, 2);
    let actions = bench.taken();
    let own = acquires(&actions).into_iter().map(|(_, address)| (id(1), address));
    let chosen: Vec<_> = ordered_to_acquire(&actions).into_iter().chain(own).collect();
    assert_eq!(chosen.len(), lost.len());
    let hosts: BTreeSet<_> = chosen.iter().map(|(host, _)| *host).collect();
    assert_eq!(hosts, BTreeSet::from([id(1), id(3)]));
}

/// Step 610, unserved: "else schedule cannot assign action".
#[test]
fn figure_6a_unserved_and_nobody_left_is_a_cannot_assign() {
    let mut bench = leader();
    bench.join(2, &[2], &[]).quiesced = true;
    bench.test_passes = false;
    bench.pass(Duration::from_secs(2));
    let actions = bench.taken();
    assert_eq!((ordered_to_acquire(&actions), acquires(&actions)), (vec![], vec![]));
    assert_eq!(traps(&actions).into_iter().filter(|trap| *trap == "CannotAssign").count(), 2, "one per address");
}

/// Step 610: an address that is served by another than its preferred host, which has not quiesced: the preferred host is
/// put among the claimants "artificially", the others release, and it "is not told to release". Page 10: the leader waits
/// for the release before it assigns.
#[test]
fn figure_6a_an_address_away_from_home_is_released_and_then_acquired_by_its_preferred_host() {
    let mut bench = leader();
    bench.join(2, &[2], &[]);
    bench.join(3, &[3], &[3, 2]);
    assert_eq!(orders(&mut bench), (vec![], vec![(id(3), address(2))]));
    let rows = &mut bench.peer(3).rows;
    *rows.last_mut().unwrap() = Row::Claim(address(2), Claim::Releasing);
    bench.say(3);
    bench.taken();
    assert_eq!(orders(&mut bench), (vec![], vec![]), "not before it is released");
    bench.peer(3).rows.pop();
    assert_eq!(orders(&mut bench), (vec![(id(2), address(2))], vec![]));
}

/// Step 610: "… and preferred id_address has not quiesced"; beyond A, an engineer may ask for it to stay (G-57).
#[test]
fn figure_6a_an_address_away_from_home_stays_if_its_preferred_host_is_quiesced() {
    for (quiesced, failback) in [(true, Failback::Immediate), (false, Failback::Manual)] {
        let mut params = params(1, &[1]);
        params.groups.values_mut().next().unwrap().failback = failback;
        let mut bench = Bench::with(1, params);
        bench.join(2, &[2], &[]).quiesced = quiesced;
        bench.join(3, &[3], &[3, 2]);
        assert_eq!(orders(&mut bench), (vec![], vec![]), "{failback:?}");
    }
}

/// Duplicate: "if preferred_id_address != 0 and preferred host not quiesced, choice = preferred_id_address … release all
/// others".
#[test]
fn figure_6a_of_several_that_serve_an_address_its_preferred_host_keeps_it() {
    let mut bench = leader();
    bench.join(2, &[2], &[2]);
    bench.join(3, &[3], &[3, 2]);
    bench.join(4, &[], &[2]);
    assert_eq!(orders(&mut bench), (vec![], vec![(id(3), address(2)), (id(4), address(2))]));
}

/// Duplicate: else "random pick from Spare_Host_List serving service_address".
#[test]
fn figure_6a_of_several_that_serve_an_address_else_a_spare_keeps_it() {
    let mut bench = leader();
    bench.join(2, &[2], &[]).quiesced = true;
    bench.join(3, &[3], &[3, 2]);
    bench.join(4, &[], &[2]);
    assert_eq!(orders(&mut bench), (vec![], vec![(id(3), address(2))]));
}

/// Duplicate: else "random pick from id_addresses"; exactly one is left.
#[test]
fn figure_6a_of_several_that_serve_an_address_else_any_one_keeps_it() {
    let mut bench = leader();
    bench.join(2, &[2], &[]).quiesced = true;
    for number in 3..=5 {
        bench.join(number, &[number], &[number, 2]);
    }
    let (acquired, released) = orders(&mut bench);
    assert_eq!((acquired, released.len()), (vec![], 2), "{released:?}");
    assert!(released.iter().all(|(_, other)| *other == address(2)));
}

/// Page 10: "it does not own that service address until the leader assigns it": a host that starts serves nothing of
/// itself, and the leader assigns it its address if nobody serves it.
#[test]
fn page_10_a_host_acquires_even_its_own_address_only_when_the_leader_assigns_it() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.pass(Duration::from_secs(2));
    assert_eq!(acquires(&bench.taken()), []);
    bench.order(1, 2, Body::Acquire, 2);
    assert_eq!(acquires(&bench.taken()).len(), 1);
}

/// Page 9, the conditions at equilibrium: each address served, by one host, at home. Then the leader has nothing to say.
#[test]
fn page_9_at_equilibrium_the_leader_orders_nothing() {
    let mut bench = leader();
    bench.join(2, &[2], &[2]);
    bench.join(3, &[], &[]);
    bench.settle();
    bench.pass(Duration::from_secs(10));
    let actions = bench.taken();
    assert!(sent(&actions).iter().all(|message| matches!(message.body, Body::Info(_))));
    assert_eq!((acquires(&actions), releases(&actions)), (vec![], vec![]));
}

/// Page 10: an order that shows no effect is not an assignment. Beyond A: after a bounded wait another host is chosen.
#[test]
fn page_10_an_address_whose_chosen_host_does_not_acquire_it_is_offered_to_another() {
    let mut bench = leader();
    bench.join(2, &[2], &[2]);
    bench.join(3, &[], &[]);
    bench.join(4, &[], &[]);
    bench.settle();
    dies(&mut bench, 2);
    bench.pass(Duration::from_secs(2));
    let asked: BTreeSet<_> = ordered_to_acquire(&bench.taken()).into_iter().map(|(host, _)| host).collect();
    assert!(asked.is_superset(&BTreeSet::from([id(3), id(4)])), "{asked:?}");
}

/// Beyond figure 6: whoever gives up an address that this host serves is answered, on both networks: the group hears at once
/// that it is served here, and clients are told (G-68).
#[test]
fn beyond_figure_6_who_gives_an_address_up_is_answered_by_who_keeps_it() {
    let mut bench = leader();
    bench.join(2, &[2], &[2]);
    bench.settle();
    let own = bench.peer(2).rows.clone();
    bench.peer(2).rows.push(Row::Claim(address(1), Claim::Online));
    bench.pass(BEAT * 2);
    bench.taken();
    while infos(&bench.taken()).is_empty() {
        bench.pass(BEAT / 100);
    }
    // A moment after a beat: the next one is far away.
    bench.pass(BEAT / 10);
    bench.taken();
    bench.peer(2).rows = own;
    bench.say(2);
    bench.pass(BEAT / 100);
    let actions = bench.taken();
    assert_eq!(bench.claim(1), Some(Claim::Online));
    assert_eq!(infos(&actions).len(), 1, "to the group");
    let announced =
        |action: &Action| matches!(action, Action::Announce { addresses, .. } if *addresses == [address(1)]);
    assert!(actions.iter().any(announced), "to clients: {actions:?}");
}
