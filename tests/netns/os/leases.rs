//! Service addresses: leases, marks, and a thousand of them.

use crate::namespaces::Namespace;
use rais::os::netlink::{Event, Events, LeftBehind, Netlink, NetlinkError, Owner, Selector, remove_service_addresses};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

const V4: &str = "10.9.0.101";
const V6: &str = "fd00:9::101";

fn both() -> [IpAddr; 2] {
    [V4.parse().unwrap(), V6.parse().unwrap()]
}

async fn index_of(netlink: &Netlink, name: &str) -> u32 {
    netlink.find_link(Selector::KernelName(name.into())).await.unwrap().index
}

#[test]
fn an_address_that_is_not_renewed_is_dropped_by_the_kernel_and_nothing_else_is() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.ip("address add 10.9.0.77/32 dev eth0");
    box_.ip("address add fd00:9::1/64 dev eth0 nodad");
    let acquired = Instant::now();
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        assert_eq!(netlink.acquire(eth0, &both(), Duration::from_secs(2)).await, []);
    });
    // The daemon is dead from here on.
    assert!(box_.has(V4) && box_.has(V6));
    for address in [V4, V6] {
        box_.wait_until("the lease has ended", || !box_.has(address));
        let lived = acquired.elapsed();
        println!("{address}: lease of 2 s ended after {lived:?}");
        assert!(lived >= Duration::from_millis(1900), "{address} lived only {lived:?}");
        assert!(lived <= Duration::from_millis(3500), "{address} outlived its lease: {lived:?}");
    }
    for foreign in ["10.9.0.1", "10.9.0.77", "fd00:9::1"] {
        assert!(box_.has(foreign), "{foreign} was touched");
    }
}

#[test]
fn a_renewed_address_stays_beyond_its_first_lease() {
    let (box_, _peer) = Namespace::pair();
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        let lease = Duration::from_secs(1);
        assert_eq!(netlink.acquire(eth0, &both(), lease).await, []);
        let mut beat = tokio::time::interval(Duration::from_millis(250));
        for _ in 0..14 {
            beat.tick().await;
            assert_eq!(netlink.renew(eth0, &both(), lease).await, []);
            let present = netlink.addresses().await.unwrap();
            for address in both() {
                let entry = present.iter().find(|entry| entry.address == address).expect("it was dropped");
                assert_eq!(entry.owner, Owner::Service);
                assert!(entry.lifetime.is_some_and(|left| left <= lease));
            }
        }
        assert_eq!(netlink.release(eth0, &both()).await, []);
    });
    assert!(!box_.has(V4) && !box_.has(V6));
}

#[test]
fn a_service_address_is_not_chosen_as_the_source_of_a_connection() {
    let (box_, peer) = Namespace::pair();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.ip("address add fd00:9::1/64 dev eth0 nodad");
    peer.ip("address add 10.9.0.102/24 dev eth0");
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        assert_eq!(netlink.acquire(eth0, &both(), Duration::from_secs(60)).await, []);
    });
    // Both destinations match a service address longer than the box's own.
    assert!(box_.ip("route get 10.9.0.102").contains("src 10.9.0.1 "));
    assert!(box_.ip("-6 route get fd00:9::102").contains("src fd00:9::1 "));
}

#[test]
fn an_address_that_somebody_else_configured_is_neither_taken_nor_removed() {
    let (box_, _peer) = Namespace::pair();
    box_.ip(&format!("address add {V4}/32 dev eth0"));
    box_.ip(&format!("address add {V6}/64 dev eth0 nodad"));
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        let mut expected = both().map(|address| (address, NetlinkError::ForeignAddress(address))).to_vec();
        expected.sort_by_key(|(address, _)| *address);
        let mut acquired = netlink.acquire(eth0, &both(), Duration::from_secs(1)).await;
        acquired.sort_by_key(|(address, _)| *address);
        assert_eq!(acquired, expected);
        assert_eq!(netlink.renew(eth0, &both(), Duration::from_secs(1)).await, []);
        let mut released = netlink.release(eth0, &both()).await;
        released.sort_by_key(|(address, _)| *address);
        assert_eq!(released, expected);
        assert_eq!(netlink.left_behind().await.unwrap(), []);
        assert_eq!(remove_service_addresses().unwrap(), 0);
    });
    let shown = box_.ip("-o address show dev eth0");
    for address in [V4, V6] {
        let line = shown.lines().find(|line| line.contains(address)).expect("it was removed");
        assert!(line.contains("valid_lft forever"), "{line}");
    }
}

#[test]
fn what_an_earlier_life_left_is_found_adopted_or_removed() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("address add 10.9.0.77/32 dev eth0");
    let [v4, v6] = both();
    box_.block_on(async {
        let earlier = Netlink::connect().unwrap();
        let eth0 = index_of(&earlier, "eth0").await;
        let left = |address| LeftBehind { interface_index: eth0, address };
        assert_eq!(earlier.acquire(eth0, &[v4, v6], Duration::from_secs(60)).await, []);
        assert_eq!(earlier.left_behind().await.unwrap(), [], "its own are not left behind");
        drop(earlier);

        let later = Netlink::connect().unwrap();
        assert_eq!(later.left_behind().await.unwrap(), [left(v4), left(v6)]);
        // Not ours yet: a renewal leaves them to their lease.
        assert_eq!(later.renew(eth0, &[v4], Duration::from_secs(3600)).await, []);
        let present = later.addresses().await.unwrap();
        let entry = present.iter().find(|entry| entry.address == v4).unwrap();
        assert!(entry.lifetime.unwrap() <= Duration::from_secs(60));
        // Adopted with a new lease, without a moment in which it was not there.
        let mut events = Events::open().unwrap();
        assert_eq!(later.acquire(eth0, &[v4], Duration::from_secs(600)).await, []);
        let present = later.addresses().await.unwrap();
        let entry = present.iter().find(|entry| entry.address == v4).unwrap();
        assert!(entry.lifetime.unwrap() > Duration::from_secs(60));
        let quiet = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
        assert!(quiet.is_err(), "{quiet:?}");

        // One that lingers is a service address too.
        assert_eq!(later.linger(eth0, &[v6], Duration::from_secs(60)).await, []);
        assert!(box_.has(V4) && box_.has(V6));
        // As the guardian does when raisd is gone.
        assert_eq!(remove_service_addresses().unwrap(), 2);
    });
    assert!(!box_.has(V4) && box_.has("10.9.0.77") && !box_.has(V6));
}

#[test]
fn a_renewal_that_comes_after_the_release_does_not_bring_the_address_back() {
    let (box_, _peer) = Namespace::pair();
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        let (lease, addresses) = (Duration::from_secs(60), both());
        assert_eq!(netlink.acquire(eth0, &addresses, lease).await, []);
        let (released, renewed) =
            tokio::join!(netlink.release(eth0, &addresses), netlink.renew(eth0, &addresses, lease));
        assert_eq!((released, renewed), (vec![], vec![]));
        assert_eq!(netlink.renew(eth0, &both(), lease).await, []);
        assert_eq!(netlink.release(eth0, &both()).await, [], "an address that is gone counts as released");
    });
    assert!(!box_.has(V4) && !box_.has(V6));
}

#[test]
fn an_interface_that_is_not_there_is_named_for_every_address() {
    let box_ = Namespace::new();
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let failures = netlink.acquire(4711, &both(), Duration::from_secs(1)).await;
        assert_eq!(failures.len(), 2);
        for (address, error) in failures {
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        assert_eq!(netlink.release(4711, &both()).await, [], "where there is no link there is no address");
    });
}

#[test]
fn a_thousand_addresses_are_acquired_renewed_and_released_in_bulk() {
    let (box_, _peer) = Namespace::pair();
    let many = |make: &dyn Fn(u16) -> IpAddr| (0..1000).map(make).collect::<Vec<_>>();
    let v4 = many(&|n| Ipv4Addr::from(0x0a0a_0000 + u32::from(n)).into());
    let v6 = many(&|n| Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, n).into());
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = index_of(&netlink, "eth0").await;
        let mut events = Events::open().unwrap();
        let lease = Duration::from_secs(60);
        for (family, addresses) in [("IPv4", &v4[..100]), ("IPv6", &v6[..100]), ("IPv4", &v4), ("IPv6", &v6)] {
            let mut times = Vec::new();
            let mut start = Instant::now();
            let mut lap = |what| {
                times.push(format!("{what} {:.1} ms", start.elapsed().as_secs_f64() * 1e3));
                start = Instant::now();
            };
            assert_eq!(netlink.acquire(eth0, addresses, lease).await, []);
            lap("acquired in");
            assert_eq!(netlink.renew(eth0, addresses, lease).await, []);
            lap("renewed in");
            let present = netlink.addresses().await.unwrap();
            lap("listed in");
            assert_eq!(present.iter().filter(|entry| entry.owner == Owner::Service).count(), addresses.len());
            assert_eq!(netlink.release(eth0, addresses).await, []);
            lap("released in");
            println!("{} {family} addresses: {}", addresses.len(), times.join(", "));
            assert_eq!(
                netlink.addresses().await.unwrap().iter().filter(|entry| addresses.contains(&entry.address)).count(),
                0
            );
        }
        // Every removal is told, and neither they nor the renewals before them overran the stream.
        let mut told = 0;
        while told < 2200 {
            match events.next().await.unwrap() {
                Event::AddressGone(entry) if entry.owner == Owner::Service => told += 1,
                Event::Overrun => panic!("events were lost after {told}"),
                // The link and its own address, coming up.
                _ => {}
            }
        }
    });
}
