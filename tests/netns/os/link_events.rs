//! The stream of what changes without raisd asking.

use crate::namespaces::Namespace;
use rais::os::netlink::{Event, Events, Netlink, NetlinkError, Owner, Selector};
use std::net::IpAddr;
use std::time::{Duration, Instant};

async fn next_matching(events: &mut Events, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    let search = async {
        loop {
            let event = events.next().await.unwrap();
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), search).await.expect("the event never came")
}

#[test]
fn a_lost_carrier_is_told_at_once_even_behind_a_thousand_renewals() {
    let (box_, peer) = Namespace::pair();
    let many: Vec<_> = (0..1000).map(|n| IpAddr::from(std::net::Ipv4Addr::from(0x0a0a_0000 + n))).collect();
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap();
        assert!(eth0.carrier);
        let lease = Duration::from_secs(60);
        assert_eq!(netlink.acquire(eth0.index, &many, lease).await, []);
        let mut events = Events::open().unwrap();
        assert_eq!(netlink.renew(eth0.index, &many, lease).await, []);
        for round in 0..3 {
            let start = Instant::now();
            peer.ip("link set eth0 down");
            let asked = start.elapsed();
            let event = next_matching(&mut events, |event| matches!(event, Event::Link(link) if !link.carrier)).await;
            assert!(start.elapsed() < Duration::from_millis(500), "told only after {:?}", start.elapsed());
            println!(
                "round {round}: carrier lost, told {:?} after it was asked for ({asked:?} of which ip)",
                start.elapsed()
            );
            let Event::Link(link) = event else { unreachable!() };
            assert_eq!((link.index, link.up), (eth0.index, true));
            let start = Instant::now();
            peer.ip("link set eth0 up");
            next_matching(&mut events, |event| matches!(event, Event::Link(link) if link.carrier)).await;
            println!("round {round}: carrier back, told after {:?}", start.elapsed());
        }
    });
}

#[test]
fn an_address_that_is_removed_behind_our_back_is_told() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.block_on(async {
        let mut events = Events::open().unwrap();
        box_.ip("address del 10.9.0.1/24 dev eth0");
        let gone: IpAddr = "10.9.0.1".parse().unwrap();
        next_matching(&mut events, |event| matches!(event, Event::AddressGone(entry) if entry.address == gone)).await;
    });
}

#[test]
fn a_nic_that_is_pulled_out_is_told() {
    let (box_, peer) = Namespace::pair();
    box_.block_on(async {
        let mut events = Events::open().unwrap();
        peer.ip("link del eth0");
        let event = next_matching(&mut events, |event| matches!(event, Event::LinkGone(_))).await;
        assert!(matches!(event, Event::LinkGone(link) if link.name == "eth0"));
    });
}

#[test]
fn of_addresses_and_routes_only_removals_are_told_and_not_those_of_what_lingered() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap().index;
        let mut events = Events::open().unwrap();
        let [lingering, gone, v6] = ["10.9.0.101", "10.9.0.102", "fd00:9::102"].map(|text| text.parse().unwrap());
        let (lease, all) = (Duration::from_secs(60), [lingering, gone, v6]);
        assert_eq!(netlink.acquire(eth0, &all, lease).await, []);
        assert_eq!(netlink.renew(eth0, &all, lease).await, []);
        assert_eq!(netlink.linger(eth0, &[lingering], Duration::from_secs(60)).await, []);
        box_.ip("address del 10.9.0.101/32 dev lo");
        box_.ip("route add 10.8.0.0/16 via 10.9.0.254");
        box_.ip("route del 10.8.0.0/16");
        box_.ip("route add 10.7.0.0/16 via 10.9.0.254 proto 82 metric 7");
        box_.ip("route del 10.7.0.0/16");
        box_.ip("address del 10.9.0.102/32 dev eth0");
        box_.ip("address del fd00:9::102/128 dev eth0");
        let mut told = Vec::new();
        while told.len() < 4 {
            match tokio::time::timeout(Duration::from_secs(10), events.next()).await.expect("an event").unwrap() {
                Event::AddressGone(address) => {
                    assert_eq!((address.interface_index, address.owner), (eth0, Owner::Service));
                    told.push(address.address.to_string());
                }
                Event::RouteGone(route) => told.push(route.to_string()),
                Event::Link(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, ["10.9.0.101", "10.7.0.0/16 via 10.9.0.254 metric 7", "10.9.0.102", "fd00:9::102"]);
        // The first was released, as the kernel tells all the same.
        let of = all.map(|address| (eth0, address)).to_vec();
        assert_eq!(netlink.missing(of.clone()).await.unwrap(), [(eth0, gone), (eth0, v6)]);
        assert_eq!(netlink.restore(eth0, &all, lease).await, []);
        assert!(!box_.has("10.9.0.101") && box_.has("10.9.0.102") && box_.has("fd00:9::102"));
        assert_eq!(netlink.missing(of.clone()).await.unwrap(), []);
        // What somebody else put in its place is not taken, and not removed as ours later.
        box_.ip("address del 10.9.0.102/32 dev eth0");
        box_.ip("address add 10.9.0.102/32 dev eth0");
        assert_eq!(netlink.restore(eth0, &[gone], lease).await, [(gone, NetlinkError::ForeignAddress(gone))]);
        assert_eq!(netlink.release(eth0, &[gone]).await, [(gone, NetlinkError::ForeignAddress(gone))]);
        assert!(box_.has("10.9.0.102"));
        // A link that is down takes its IPv6 addresses with it.
        box_.ip("link set eth0 down");
        assert_eq!(netlink.missing(of).await.unwrap(), []);
    });
}
