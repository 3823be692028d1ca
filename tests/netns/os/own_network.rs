//! The box's own network: only the difference is changed, and only what is ours.

use crate::namespaces::Namespace;
use rais::os::netlink::{Netlink, Selector};
use rais::os::network::{Applied, Wanted, WantedInterface, WantedRoute, apply};

fn wanted() -> Wanted {
    Wanted {
        interfaces: vec![WantedInterface {
            name: "lan".into(),
            selector: Selector::KernelName("eth0".into()),
            mtu: Some(1400),
            addresses: vec![("10.9.0.1".parse().unwrap(), 24), ("fd00:9::1".parse().unwrap(), 64)],
        }],
        routes: vec![
            route("0.0.0.0", 0, "10.9.0.254"),
            route("::", 0, "fd00:9::fe"),
            route("10.8.0.0", 16, "10.9.0.253"),
        ],
        forward_ipv4: true,
        forward_ipv6: true,
    }
}

fn route(to: &str, length: u8, via: &str) -> WantedRoute {
    let to = (to.parse().unwrap(), length);
    WantedRoute { to, via: via.parse().unwrap(), interface: "lan".into(), metric: 100 }
}

fn applied(namespace: &Namespace, wanted: &Wanted) -> Applied {
    namespace.block_on(async { apply(&Netlink::connect().unwrap(), wanted.clone()).await })
}

fn changes(namespace: &Namespace, wanted: &Wanted) -> Vec<String> {
    let applied = applied(namespace, wanted);
    assert!(applied.errors.is_empty(), "{:?}", applied.errors);
    applied.changes.iter().map(ToString::to_string).collect()
}

/// A cable whose near end is still down.
fn fresh_box() -> (Namespace, Namespace) {
    let (box_, peer) = Namespace::pair();
    box_.ip("link set eth0 down");
    (box_, peer)
}

#[test]
fn everything_is_applied_at_once_and_the_second_time_nothing_is() {
    let (box_, _peer) = fresh_box();
    let first = changes(&box_, &wanted());
    println!("{first:#?}");
    let shown = box_.ip("address show dev eth0");
    assert!(shown.contains("mtu 1400") && shown.contains("10.9.0.1/24") && shown.contains("fd00:9::1/64"), "{shown}");
    assert!(!shown.lines().any(|line| line.contains("fd00:9::1") && line.contains("tentative")), "{shown}");
    assert!(box_.ip("route").contains("default via 10.9.0.254 dev eth0 proto 82 metric 100"));
    assert!(box_.ip("-6 route").contains("default via fd00:9::fe dev eth0 proto 82 metric 100"));
    for (path, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv4/conf/eth0/arp_ignore", "1"),
        ("net/ipv4/conf/eth0/arp_announce", "2"),
    ] {
        let found = box_.enter(|| std::fs::read_to_string(format!("/proc/sys/{path}")).unwrap());
        assert_eq!(found.trim(), value, "{path}");
    }
    assert_eq!(changes(&box_, &wanted()), [""; 0]);
}

#[test]
fn only_the_difference_is_changed_and_what_others_configured_stays() {
    let (box_, _peer) = fresh_box();
    changes(&box_, &wanted());
    box_.ip("address add 10.7.0.1/24 dev eth0");
    box_.ip("route add 10.6.0.0/16 via 10.9.0.250");
    let mut next = wanted();
    next.interfaces[0].addresses = vec![("10.9.0.2".parse().unwrap(), 24), ("fd00:9::1".parse().unwrap(), 56)];
    next.routes = vec![route("0.0.0.0", 0, "10.9.0.251"), route("::", 0, "fd00:9::fe")];
    assert_eq!(
        changes(&box_, &next),
        [
            "eth0: fd00:9::1/64 removed",
            "lan: 10.9.0.2/24 added",
            "lan: fd00:9::1/56 added",
            "route 0.0.0.0/0 via 10.9.0.251 metric 100 replaced",
            "route 10.8.0.0/16 via 10.9.0.253 metric 100 removed",
            "eth0: 10.9.0.1/24 removed",
        ]
    );
    assert_eq!(changes(&box_, &next), [""; 0]);
    assert!(box_.has("10.7.0.1") && box_.has("10.9.0.2") && !box_.has("10.9.0.1"));
    let routes = box_.ip("route");
    assert!(routes.contains("10.6.0.0/16 via 10.9.0.250") && routes.contains("default via 10.9.0.251"), "{routes}");
}

#[test]
fn what_somebody_else_configured_as_wanted_counts_as_present_and_is_never_removed() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("address add 10.9.0.1/24 dev eth0");
    box_.ip("route add default via 10.9.0.254 metric 100");
    let changed = changes(&box_, &wanted());
    assert!(
        !changed.iter().any(|change| change.contains("10.9.0.1/24") || change.contains("0.0.0.0/0")),
        "{changed:?}"
    );
    changes(&box_, &Wanted::default());
    assert!(box_.has("10.9.0.1") && box_.ip("route").contains("default via 10.9.0.254"));
    assert!(!box_.has("fd00:9::1") && !box_.ip("route").contains("10.8.0.0/16"));
}

#[test]
fn what_was_taken_away_behind_its_back_is_put_back() {
    let (box_, _peer) = Namespace::pair();
    changes(&box_, &wanted());
    box_.ip("address del 10.9.0.1/24 dev eth0");
    box_.ip("link set eth0 down");
    let mut changed = changes(&box_, &wanted());
    changed.sort();
    for expected in ["lan: 10.9.0.1/24 added", "lan: set up", "route 0.0.0.0/0 via 10.9.0.254 metric 100 added"] {
        assert!(changed.iter().any(|change| change == expected), "{expected} not in {changed:?}");
    }
    assert_eq!(changes(&box_, &wanted()), [""; 0]);
}

#[test]
fn all_faults_are_told_together_and_the_rest_is_done() {
    let (box_, _peer) = Namespace::pair();
    let mut faulty = wanted();
    faulty.interfaces.push(WantedInterface {
        name: "control".into(),
        selector: Selector::Mac([2, 0, 0, 0, 0, 0x99]),
        mtu: None,
        addresses: vec![],
    });
    faulty.interfaces[0].mtu = Some(70_000);
    faulty.routes.push(WantedRoute { interface: "control".into(), ..route("10.5.0.0", 16, "10.9.1.254") });
    faulty.routes.push(route("10.4.0.0", 16, "192.0.2.1"));
    let applied = applied(&box_, &faulty);
    let errors: Vec<_> = applied.errors.iter().map(ToString::to_string).collect();
    println!("{errors:#?}");
    assert_eq!(errors.len(), 4);
    for fault in ["MAC address 02:00:00:00:00:99", "70000", "10.5.0.0/16", "10.4.0.0/16"] {
        assert!(errors.iter().any(|error| error.contains(fault)), "{fault} not in {errors:?}");
    }
    assert!(box_.has("10.9.0.1") && box_.ip("route").contains("default via 10.9.0.254"));
}

#[test]
fn an_interface_whose_nic_is_missing_loses_nothing_it_had() {
    let (box_, _peer) = Namespace::pair();
    changes(&box_, &wanted());
    let mut missing = wanted();
    missing.interfaces[0].selector = Selector::KernelName("eth7".into());
    let applied = applied(&box_, &missing);
    assert_eq!(applied.changes, []);
    assert_eq!(applied.errors.len(), 4, "{:?}", applied.errors);
    assert!(box_.has("10.9.0.1") && box_.ip("route").contains("10.8.0.0/16"));
}

#[test]
fn a_nic_is_found_by_its_mac_address() {
    let (box_, _peer) = Namespace::pair();
    box_.ip("link set eth0 address 02:00:00:00:00:42");
    let mut by_mac = wanted();
    by_mac.interfaces[0].selector = Selector::Mac([2, 0, 0, 0, 0, 0x42]);
    let applied = applied(&box_, &by_mac);
    assert!(applied.errors.is_empty(), "{:?}", applied.errors);
    assert_eq!(applied.interfaces["lan"].name, "eth0");
}
