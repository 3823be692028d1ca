//! A, claims 1 to 7, on whole groups of real nodes. Load balancing by names is in `a_names_thread`.

use crate::bench::{BEAT, Bench, DEAD_AFTER, acquires, address, group, id, infos, params, releases};
use crate::cluster::Cluster;
use rais_core::info_message::Body;
use rais_core::io::{Command, Input};
use rais_core::notification::HostState;
use rais_core::time::Duration;

/// Claim 1: a computer that transmits its state, receives messages of another, and responds to messages to acquire or
/// release services.
#[test]
fn claim_1_a_host_tells_its_state_hears_others_and_acquires_and_releases_as_told() {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.pass(DEAD_AFTER * 2);
    assert!(!infos(&bench.taken()).is_empty());
    assert!(bench.view().hosts.iter().any(|host| host.id == id(1) && host.state == HostState::Up));
    bench.order(1, 2, Body::Acquire, 2);
    assert_eq!(acquires(&bench.taken()).len(), 1);
    bench.order(1, 2, Body::Release, 2);
    assert_eq!(releases(&bench.taken()).len(), 1);
}

/// Claim 2: "the messages to acquire or release computer services are the result of the failure of another host".
#[test]
fn claim_2_the_failure_of_a_host_results_in_messages_to_acquire_its_services() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[3]), (4, &[])]);
    cluster.converge();
    cluster.orders();
    cluster.converge();
    assert!(cluster.orders().is_empty(), "nothing failed");
    cluster.cut_power(3);
    cluster.converge();
    assert_eq!(cluster.orders(), [(true, id(4).to_string(), address(3))].into());
    assert_eq!(cluster.server(3), 4);
}

/// Claim 2, a service failure (page 13): the host's test fails, it releases its service, and another acquires it.
#[test]
fn claim_2_so_does_the_failure_of_the_service_on_a_living_host() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[])]);
    cluster.converge();
    cluster.unwell.insert(2);
    cluster.converge();
    assert_eq!(cluster.server(2), 3);
    let host = cluster.view(1).hosts.into_iter().find(|host| host.id == id(2)).unwrap();
    assert_eq!(host.state, HostState::NotOk, "it goes on to take part");
    cluster.unwell.remove(&2);
    cluster.converge();
    assert_eq!(cluster.server(2), 2);
}

/// Claims 3 and 6: "the messages to acquire or release computer services are the result of load balancing within the
/// service group"; "the reassigning step is the result of load balancing". Here a host that was above the high water mark
/// for long enough hands on one service at a time, to the host with the least to do (G-58).
#[test]
fn claims_3_6_a_host_that_is_too_full_for_long_enough_gives_a_service_to_the_least_utilised() {
    const HOLD: Duration = Duration::from_secs(10);
    let with_pool = |number: u8| {
        let mut params = params(number, &[number]);
        let group = params.groups.get_mut(&group()).unwrap();
        (group.load_moves, group.pool_addresses) = (Some(HOLD), [5, 6, 7, 8].map(address).into());
        params
    };
    let mut cluster = Cluster::new(&[]);
    for number in 1..=3 {
        cluster.loads.insert(number, 0);
        cluster.start_as(number, with_pool(number));
        cluster.converge();
    }
    assert_eq!([5, 6, 7, 8].map(|pool| cluster.server(pool)), [1; 4], "who came first serves what nobody owns");
    cluster.orders();
    cluster.loads = [(1, 900), (2, 500), (3, 100)].into();
    cluster.pass(HOLD - BEAT * 2);
    assert!(cluster.orders().is_empty(), "a moment's load moves nothing");
    cluster.pass(BEAT * 4);
    let orders = cluster.orders();
    // The full host leads: its order to itself is no message.
    let [(true, whom, what)] = &orders.iter().collect::<Vec<_>>()[..] else { panic!("{orders:?}") };
    assert_eq!((whom, [5, 6, 7, 8].map(address).contains(what)), (&id(3).to_string(), true));
    assert_eq!([5, 6, 7, 8].iter().filter(|pool| cluster.server(**pool) == 3).count(), 1);
    assert_eq!((1..=3).map(|own| cluster.server(own)).collect::<Vec<_>>(), [1, 2, 3], "nobody's own moves");
    cluster.loads.insert(1, 700);
    cluster.pass(HOLD * 2);
    assert!(cluster.orders().is_empty(), "it is full no longer");
}

/// Claims 4 and 5: a group is established, responsibility assigned, messages sent, received and evaluated; the absence of
/// a host's messages results in the reassignment of its services to another of the plurality: any other, whoever led.
#[test]
fn claims_4_5_whichever_host_falls_silent_its_services_are_reassigned_to_the_others() {
    for dead in 1..=4 {
        let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[3]), (4, &[4])]);
        cluster.converge();
        assert!((1..=4).all(|number| cluster.server(number) == number), "each serves its own");
        cluster.cut_power(dead);
        cluster.converge();
        let heir = cluster.server(dead);
        assert_ne!(heir, dead);
        assert!((1..=4).filter(|number| *number != dead).all(|number| cluster.server(number) == number));
        assert!(cluster.all_online());
        cluster.cut_power(heir);
        cluster.converge();
        assert!(![dead, heir].contains(&cluster.server(dead)), "many to many: the next one takes it");
        assert_ne!(cluster.server(heir), heir, "and the heir's own");
    }
}

/// Claim 7: at least three hosts, a message portion, and a leader portion that assigns each service to any host.
#[test]
fn claim_7_the_leader_of_three_hosts_assigns_a_service_to_any_of_them() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[3])]);
    cluster.converge();
    for (quiesced, host) in [(vec![3, 2], 1), (vec![3, 1], 2)] {
        for number in quiesced.iter().rev() {
            cluster.input(*number, Input::Command(Command::Drain { group: None }));
        }
        cluster.converge();
        assert_eq!(cluster.server(3), host);
        for number in quiesced {
            cluster.input(number, Input::Command(Command::Unquiesce { group: None }));
        }
        cluster.converge();
        assert!((1..=3).all(|number| cluster.server(number) == number), "home again");
    }
}

/// Page 7: "the present invention permits new hosts to be added and configured without reconfiguring existing hosts", and
/// failed ones to be removed.
#[test]
fn page_7_a_host_that_is_added_brings_its_address_and_nobody_is_reconfigured() {
    let mut cluster = Cluster::new(&[(2, &[2]), (3, &[3])]);
    cluster.converge();
    assert_eq!(cluster.view(3).leader, Some(id(2)));
    cluster.start(1, &[1]);
    cluster.converge();
    assert_eq!((cluster.server(1), cluster.view(3).leader), (1, Some(id(1))));
    assert!(cluster.all_online());
}

/// Page 10: a host that failed and rejoins gets its preferred address back from whoever served it meanwhile.
#[test]
fn page_10_a_host_that_comes_back_is_given_its_preferred_address_again() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[3])]);
    cluster.converge();
    cluster.cut_power(2);
    cluster.converge();
    assert_ne!(cluster.server(2), 2);
    let mut params = crate::bench::params(2, &[2]);
    params.incarnation = params.incarnation.next();
    cluster.start_as(2, params);
    cluster.converge();
    assert_eq!(cluster.server(2), 2);
}

/// Page 10: a host introduces its preferred service addresses by its info message alone. One that replaces a dead host
/// under a higher id gets the dead one's address, and the dead one has it back when it returns, whoever is lower.
#[test]
fn a_host_that_replaces_a_dead_one_under_another_id_gets_its_preferred_address() {
    let mut cluster = Cluster::new(&[(1, &[1]), (2, &[2]), (3, &[])]);
    cluster.converge();
    cluster.cut_power(2);
    cluster.converge();
    assert_eq!(cluster.server(2), 3, "the spare");
    cluster.start(5, &[2]);
    cluster.converge();
    assert_eq!(cluster.server(2), 5, "its home is the lowest live box that names it");
    assert!([1, 3, 5].iter().all(|host| cluster.home(*host, 2) == Some(id(5))));
    cluster.start_again(2, &[2]);
    cluster.converge();
    assert_eq!(cluster.server(2), 2);
    cluster.cut_power(2);
    cluster.converge();
    assert_eq!(cluster.server(2), 5, "judged anew at each death");
    assert!(cluster.all_online());
}

/// The same without the replacement being a second owner: it stops naming the address, and the next one that does has it.
#[test]
fn an_address_that_its_owner_names_no_longer_is_the_next_live_host_s_that_names_it() {
    let mut cluster = Cluster::new(&[(1, &[]), (2, &[2]), (5, &[2])]);
    cluster.converge();
    assert_eq!(cluster.server(2), 2);
    cluster.input(2, Input::Configure(Box::new(params(2, &[7]))));
    cluster.converge();
    assert_eq!((cluster.server(2), cluster.server(7)), (5, 2));
    assert!([1, 2, 5].iter().all(|host| cluster.home(*host, 2) == Some(id(5))));
}
