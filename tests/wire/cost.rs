//! What a group at rest costs on the wire (G-3): the same whether a box serves one address or a thousand.

use crate::codec;
use rais_core::address::{IdAddress, ServiceAddress};
use rais_core::io::{Action, Input};
use rais_core::node::Node;
use rais_core::params::{BoxParams, Choice, Control, Failback, GroupParams, Partition};
use rais_core::quantity::{Generation, Incarnation, Utilisation};
use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Ethernet, IPv4 and UDP around a payload.
const HEADERS: usize = 14 + 20 + 8;

fn node(number: u8, addresses: u32, now: Instant) -> Node {
    let group = GroupParams {
        preferred_addresses: (0..addresses)
            .map(|n| ServiceAddress(IpAddr::V4(Ipv4Addr::from(0x0a63_0000 + n))))
            .collect(),
        ..params(number)
    };
    let params = BoxParams {
        name: format!("edge-{number}").parse().unwrap(),
        incarnation: Incarnation(1),
        incarnation_is_guessed: false,
        generation: Generation(1),
        groups: BTreeMap::from([("http".parse().unwrap(), group)]),
        tests: BTreeMap::new(),
        loads: BTreeMap::new(),
        orders: rais_core::operator::StandingOrders::default(),
    };
    Node::new(params, now)
}

/// Datagrams and octets that box 1 of three sends in each of the ten seconds after the first ten.
fn cost(addresses: u32) -> (u32, usize) {
    let mut now = Instant::from_micros(0);
    let mut nodes = vec![node(1, addresses, now), node(2, 0, now), node(3, 0, now)];
    let (mut datagrams, mut octets) = (0, 0);
    let (begin, end) = (Instant::from_micros(10_000_000), Instant::from_micros(20_000_000));
    while now < end {
        while let Some((from, action)) =
            nodes.iter_mut().enumerate().find_map(|(index, node)| Some((index, node.poll_action()?)))
        {
            match action {
                Action::Send { group, message } => {
                    if from == 0 && now >= begin {
                        datagrams += 1;
                        octets += codec().encode(&message).unwrap().len() + HEADERS;
                    }
                    for node in nodes.iter_mut().enumerate().filter(|(to, _)| *to != from).map(|(_, node)| node) {
                        let interface = "control".parse().unwrap();
                        let (group, message) = (group.clone(), message.clone());
                        node.handle(now, Input::Received { group, interface, message });
                    }
                }
                Action::Acquire { ticket, .. } | Action::Release { ticket, .. } => {
                    nodes[from].handle(now, Input::Finished { ticket, result: Ok(()) });
                }
                _ => {}
            }
        }
        let next = nodes.iter().filter_map(Node::poll_timeout).min().unwrap_or(end);
        now = now.max(next);
        for node in &mut nodes {
            if node.poll_timeout().is_some_and(|due| due <= now) {
                node.handle(now, Input::Tick);
            }
        }
    }
    (datagrams / 10, octets / 10)
}

#[test]
fn a_box_at_rest_sends_its_beats_and_nothing_else_however_many_addresses_it_serves() {
    let (datagrams, octets) = cost(1);
    assert!(datagrams <= 12 && octets <= 4_000, "{datagrams} datagrams, {octets} octets a second");
    for addresses in [100, 1000] {
        assert_eq!(cost(addresses), (datagrams, octets), "{addresses} addresses");
    }
    println!("{datagrams} datagrams, {octets} octets a second");
}

fn params(number: u8) -> GroupParams {
    let id = IdAddress(IpAddr::V4(Ipv4Addr::new(10, 1, 0, number)));
    GroupParams {
        id,
        control: vec![Control { interface: "control".parse().unwrap(), address: id.0 }],
        service_interface: "lan".parse().unwrap(),
        digest: 1,
        preferred_addresses: Vec::new(),
        pool_addresses: Vec::new(),
        beat: Duration::from_millis(100),
        dead_after: Duration::from_millis(300),
        action_timeout: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        announce_every: None,
        announce_again: vec![Duration::from_millis(100), Duration::from_millis(500)],
        orphan_timeout: None,
        damping: None,
        failback: Failback::Immediate,
        choice: Choice::Random,
        high_water_mark: Utilisation(800),
        low_water_mark: Utilisation(600),
        tests: Vec::new(),
        load: None,
        partition: Partition::Serve,
        load_moves: None,
    }
}
