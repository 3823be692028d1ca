//! Addresses that move by plan: served to who still sends here, shown to nobody who asks (G-63).

use crate::namespaces::Namespace;
use rais::os::netlink::{Netlink, Selector};
use std::net::IpAddr;
use std::time::Duration;

const ADDRESSES: [&str; 2] = ["10.9.0.101", "fd00:9::101"];

/// A box and a client that know each other's own addresses.
fn box_and_client() -> (Namespace, Namespace) {
    let (box_, client) = Namespace::pair();
    for (namespace, last) in [(&box_, 1), (&client, 2)] {
        namespace.ip(&format!("address add 10.9.0.{last}/24 dev eth0"));
        namespace.ip(&format!("address add fd00:9::{last}/64 dev eth0 nodad"));
    }
    // As raisd sets them on every interface of its configuration.
    for setting in ["arp_ignore=1", "arp_announce=2"] {
        box_.execute(&format!("sysctl -qw net.ipv4.conf.eth0.{setting}")).unwrap();
    }
    (box_, client)
}

fn answers(client: &Namespace, address: &str) -> bool {
    client.execute(&format!("ping -n -c 1 -W 1 {address}")).is_ok()
}

#[test]
fn a_lingering_address_is_served_to_who_knows_it_hidden_from_who_asks_and_ends_by_itself() {
    let (box_, client) = box_and_client();
    let addresses = ADDRESSES.map(|address| address.parse::<IpAddr>().unwrap());
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap().index;
        assert_eq!(netlink.acquire(eth0, &addresses, Duration::from_secs(60)).await, []);
        for address in ADDRESSES {
            client.wait_until("it answers", || answers(&client, address));
        }
        assert_eq!(netlink.linger(eth0, &addresses, Duration::from_secs(5)).await, []);
        assert!(!box_.ip("-o address show dev eth0").contains("101"), "it is not on the NIC any more");
        for address in ADDRESSES {
            assert!(answers(&client, address), "{address} is not served any more");
            // A longer match must not make it the source of the box's own connections.
            let route =
                box_.ip(&format!("route get {}", if address.contains(':') { "fd00:9::102" } else { "10.9.0.102" }));
            assert!(!route.contains(&format!("src {address} ")), "{route}");
        }
        assert_eq!(netlink.left_behind().await.unwrap(), [], "what ends by itself is not left behind");
    });
    client.ip("neigh flush dev eth0");
    for address in ADDRESSES {
        assert!(!answers(&client, address), "{address} was shown to somebody who asked");
        box_.wait_until("it ends by itself", || !box_.has(address));
    }
}

#[test]
fn an_address_that_lingers_may_be_acquired_again_and_outlives_its_lingering() {
    let (box_, client) = box_and_client();
    let addresses = ADDRESSES.map(|address| address.parse::<IpAddr>().unwrap());
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap().index;
        assert_eq!(netlink.acquire(eth0, &addresses, Duration::from_secs(60)).await, []);
        assert_eq!(netlink.linger(eth0, &addresses, Duration::from_secs(1)).await, []);
        assert_eq!(netlink.acquire(eth0, &addresses, Duration::from_secs(60)).await, []);
        box_.wait_until("the lingering ends", || !box_.ip("-o address show dev lo").contains("101"));
        for address in ADDRESSES {
            client.wait_until("it answers", || answers(&client, address));
        }
        assert_eq!(netlink.release(eth0, &addresses).await, []);
    });
    for address in ADDRESSES {
        assert!(!box_.has(address) && !answers(&client, address));
    }
}

#[test]
fn what_is_not_ours_does_not_linger() {
    let (box_, _client) = box_and_client();
    let foreign: IpAddr = ADDRESSES[0].parse().unwrap();
    box_.ip(&format!("address add {foreign}/32 dev eth0"));
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap().index;
        assert_eq!(netlink.linger(eth0, &[foreign], Duration::from_secs(5)).await.len(), 1);
    });
    assert!(box_.ip("-o address show dev eth0").contains(ADDRESSES[0]));
    assert!(!box_.ip("-o address show dev lo").contains(ADDRESSES[0]));
}
