//! Gratuitous ARP and neighbour advertisements, judged by a neighbour's kernel.

use crate::namespaces::Namespace;
use rais::os::announce::{Announcer, Neighbour, Role};
use rais::os::netlink::{Netlink, Selector};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

const OLD: &str = "02:00:00:00:00:99";
const NEW: [u8; 6] = [2, 0, 0, 0, 0, 1];
const NEW_TEXT: &str = "02:00:00:00:00:01";

/// A box, and a neighbour that believes the service addresses to be at another box.
fn deceived_neighbour() -> (Namespace, Namespace) {
    let (box_, neighbour) = Namespace::pair();
    box_.ip(&format!("link set eth0 address {NEW_TEXT}"));
    neighbour.ip("link set eth0 address 02:00:00:00:00:fe");
    neighbour.ip("address add 10.9.0.254/24 dev eth0");
    neighbour.ip("address add fd00:9::fe/64 dev eth0 nodad");
    for address in ["10.9.0.101", "fd00:9::101"] {
        neighbour.ip(&format!("neighbour replace {address} lladdr {OLD} dev eth0 nud stale"));
    }
    (box_, neighbour)
}

fn announcer(namespace: &Namespace, role: Role) -> Announcer {
    namespace.block_on(async {
        let link = Netlink::connect().unwrap().find_link(Selector::KernelName("eth0".into())).await.unwrap();
        Announcer::open(link.index, link.mac.unwrap(), role).unwrap()
    })
}

fn both() -> [IpAddr; 2] {
    ["10.9.0.101".parse().unwrap(), "fd00:9::101".parse().unwrap()]
}

#[test]
fn a_neighbour_learns_the_new_place_of_an_address_the_box_does_not_even_have_yet() {
    let (box_, neighbour) = deceived_neighbour();
    let announced = announcer(&box_, Role::Router).announce(&both());
    assert_eq!((announced.sent, announced.dropped), (5, 0));
    for address in ["10.9.0.101", "fd00:9::101"] {
        let entry = || neighbour.ip(&format!("neighbour show {address}"));
        neighbour.wait_until("it has learnt the new place", || entry().contains(NEW_TEXT));
    }
    assert!(neighbour.ip("neighbour show fd00:9::101").contains("router"));
}

#[test]
fn a_box_that_does_not_forward_does_not_call_itself_a_router() {
    let (box_, neighbour) = deceived_neighbour();
    announcer(&box_, Role::Host).announce(&both());
    neighbour
        .wait_until("it has learnt the new place", || neighbour.ip("neighbour show fd00:9::101").contains(NEW_TEXT));
    assert!(!neighbour.ip("neighbour show fd00:9::101").contains("router"));
}

#[test]
fn a_neighbour_can_be_told_in_person() {
    let (box_, neighbour) = deceived_neighbour();
    let mac = [2, 0, 0, 0, 0, 0xfe];
    let neighbours = ["10.9.0.254", "fd00:9::fe"].map(|address| Neighbour { address: address.parse().unwrap(), mac });
    // The addresses of each family go to the neighbour of that family alone.
    let announced = announcer(&box_, Role::Host).announce_to(&neighbours, &both());
    assert_eq!((announced.sent, announced.dropped), (2, 0));
    for address in ["10.9.0.101", "fd00:9::101"] {
        neighbour.wait_until("it has learnt the new place", || {
            neighbour.ip(&format!("neighbour show {address}")).contains(NEW_TEXT)
        });
    }
}

#[test]
fn where_a_neighbour_is_the_kernel_finds_out() {
    let (box_, _neighbour) = deceived_neighbour();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.ip("address add fd00:9::1/64 dev eth0 nodad");
    let wanted: [IpAddr; 3] = ["10.9.0.254", "fd00:9::fe", "10.9.0.253"].map(|address| address.parse().unwrap());
    box_.block_on(async {
        let netlink = Netlink::connect().unwrap();
        let eth0 = netlink.find_link(Selector::KernelName("eth0".into())).await.unwrap().index;
        let limit = Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let located = netlink.locate(eth0, &wanted).await.unwrap();
            let mac = [2, 0, 0, 0, 0, 0xfe];
            if located == wanted[..2].iter().map(|address| (*address, mac)).collect() {
                break;
            }
            assert!(Instant::now() < limit, "{located:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn a_dead_link_does_not_hold_the_announcer_up() {
    let (box_, _neighbour) = deceived_neighbour();
    let announcer = announcer(&box_, Role::Host);
    box_.ip("link set eth0 down");
    let announced = announcer.announce(&both());
    assert_eq!((announced.sent, announced.dropped), (0, 5));
}

#[test]
fn a_thousand_addresses_are_announced_without_loss() {
    let (box_, _neighbour) = deceived_neighbour();
    let announcer = announcer(&box_, Role::Host);
    let v4 = (0..1000).map(|n| IpAddr::from(Ipv4Addr::from(0x0a0a_0000 + n))).collect::<Vec<_>>();
    let v6 = (0..1000).map(|n| IpAddr::from(Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, n))).collect::<Vec<_>>();
    for (family, addresses, frames) in [("IPv4", v4, 3000), ("IPv6", v6, 2000)] {
        let start = Instant::now();
        let announced = announcer.announce(&addresses);
        println!("1000 {family} addresses announced in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        assert_eq!((announced.sent, announced.dropped), (frames, 0));
    }
}

#[test]
fn the_box_s_own_mac_is_what_is_announced() {
    let (box_, _neighbour) = deceived_neighbour();
    let link = box_.block_on(async { Netlink::connect().unwrap().find_link(Selector::Mac(NEW)).await.unwrap() });
    assert_eq!(link.name, "eth0");
}
