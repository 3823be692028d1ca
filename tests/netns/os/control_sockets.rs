//! Control sockets between two namespaces.

use crate::namespaces::{Namespace, wait_until};
use rais::os::multicast::{ControlSocket, ControlSocketParams, LINK_LOCAL_TTL, Reach, Received};
use rais::os::netlink::{Netlink, Selector};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

fn open(namespace: &Namespace, interface: &str, group: &str, source: &str) -> ControlSocket {
    open_with(namespace, interface, group, source, Reach::Multicast)
}

fn open_with(namespace: &Namespace, interface: &str, group: &str, source: &str, reach: Reach) -> ControlSocket {
    let (group, source) = (group.parse().unwrap(), source.parse().unwrap());
    namespace.block_on(async {
        let link = Netlink::connect().unwrap().find_link(Selector::KernelName(interface.into())).await.unwrap();
        let params = ControlSocketParams { group, reach, interface: link.name, interface_index: link.index, source };
        ControlSocket::open(params).unwrap()
    })
}

fn next(socket: &ControlSocket) -> (Vec<u8>, Received) {
    let (mut buffer, mut received) = ([0; 1500], None);
    wait_until("a datagram is there", Duration::from_secs(5), || {
        received = socket.recv(&mut buffer);
        received.is_some()
    });
    let received = received.unwrap();
    (buffer[..received.length].to_vec(), received)
}

fn boxes() -> (Namespace, Namespace) {
    let (one, other) = Namespace::pair();
    one.ip("address add 10.9.0.1/24 dev eth0");
    one.ip("address add fd00:9::1/64 dev eth0 nodad");
    // What the kernel would rather send from: lower, and configured first on another box.
    one.ip("address add 10.9.0.0/32 dev eth0");
    other.ip("address add 10.9.0.2/24 dev eth0");
    other.ip("address add fd00:9::2/64 dev eth0 nodad");
    (one, other)
}

#[test]
fn a_datagram_arrives_with_its_ttl_source_and_interface_and_not_at_home() {
    let (one, other) = boxes();
    for (group, source, peer) in
        [("239.77.0.1:7077", "10.9.0.1", "10.9.0.2"), ("[ff15::77:1]:7077", "fd00:9::1", "fd00:9::2")]
    {
        let sender = open(&one, "eth0", group, source);
        let receiver = open(&other, "eth0", group, peer);
        assert!(sender.send(b"beat"));
        let (octets, received) = next(&receiver);
        assert_eq!(octets, b"beat");
        assert_eq!(received.ttl, LINK_LOCAL_TTL);
        assert_eq!(received.source, SocketAddr::new(source.parse::<IpAddr>().unwrap(), 7077));
        assert_eq!(received.interface_index, receiver.params().interface_index);
        assert!(!received.truncated);
        // The answer is the proof that nothing came back before it.
        receiver.send(b"answer");
        assert_eq!(next(&sender).0, b"answer", "it hears itself");
        assert_eq!(receiver.recv(&mut [0; 100]), None, "it hears itself");
    }
}

#[test]
fn groups_that_share_a_port_do_not_hear_each_other() {
    let (one, other) = boxes();
    for (groups, source, peer) in [
        (["239.77.0.1:7077", "239.77.0.2:7077"], "10.9.0.1", "10.9.0.2"),
        (["[ff15::77:1]:7077", "[ff15::77:2]:7077"], "fd00:9::1", "fd00:9::2"),
    ] {
        let senders = groups.map(|group| open(&one, "eth0", group, source));
        let receivers = groups.map(|group| open(&other, "eth0", group, peer));
        senders[0].send(b"for the first");
        senders[1].send(b"for the second");
        assert_eq!(next(&receivers[0]).0, b"for the first");
        assert_eq!(next(&receivers[1]).0, b"for the second");
        assert_eq!(receivers[0].recv(&mut [0; 100]), None);
        assert_eq!(receivers[1].recv(&mut [0; 100]), None);
    }
}

#[test]
fn interfaces_that_carry_the_same_group_are_kept_apart() {
    let (one, other) = boxes();
    one.connect("eth1", &other, "eth1");
    one.ip("address add 10.9.1.1/24 dev eth1");
    other.ip("address add 10.9.1.2/24 dev eth1");
    let group = "239.77.0.1:7077";
    let senders = [open(&one, "eth0", group, "10.9.0.1"), open(&one, "eth1", group, "10.9.1.1")];
    let receivers = [open(&other, "eth0", group, "10.9.0.2"), open(&other, "eth1", group, "10.9.1.2")];
    senders[1].send(b"on the second");
    assert_eq!(next(&receivers[1]).0, b"on the second");
    assert_eq!(receivers[0].recv(&mut [0; 100]), None);
    senders[0].send(b"on the first");
    assert_eq!(next(&receivers[0]).0, b"on the first");
    assert_eq!(receivers[1].recv(&mut [0; 100]), None);
}

#[test]
fn without_multicast_each_peer_is_told_by_itself_with_the_same_ttl_and_source() {
    let (one, other) = boxes();
    for (group, source, peer, port) in
        [("239.77.0.1:7077", "10.9.0.1", "10.9.0.2", 7077), ("[ff15::77:1]:7078", "fd00:9::1", "fd00:9::2", 7078)]
    {
        let sender = open_with(&one, "eth0", group, source, Reach::Unicast);
        let receiver = open_with(&other, "eth0", group, peer, Reach::Unicast);
        // What is sent to the group address does not reach it: it has not joined.
        sender.send(b"to everybody");
        sender.send_to(b"to you", peer.parse().unwrap());
        let (octets, received) = next(&receiver);
        assert_eq!(octets, b"to you");
        assert_eq!((received.ttl, received.truncated), (LINK_LOCAL_TTL, false));
        assert_eq!(received.source, SocketAddr::new(source.parse::<IpAddr>().unwrap(), port));
        assert_eq!(received.interface_index, receiver.params().interface_index);
        assert_eq!(receiver.recv(&mut [0; 100]), None);
    }
}

#[test]
fn peers_that_are_off_do_not_keep_a_box_from_talking_to_one_that_is_on() {
    let (one, other) = boxes();
    let sender = open_with(&one, "eth0", "239.77.0.1:7077", "10.9.0.1", Reach::Unicast);
    let receiver = open_with(&other, "eth0", "239.77.0.1:7077", "10.9.0.2", Reach::Unicast);
    // 62 dead boxes, and more to each than the kernel keeps while it asks for them.
    let datagram = [7; 1400];
    for _ in 0..150 {
        assert!((101..=162).all(|dead| sender.send_to(&datagram, IpAddr::from([10, 9, 0, dead]))));
    }
    assert!(sender.send_to(b"alive", "10.9.0.2".parse().unwrap()));
    assert_eq!(next(&receiver).0, b"alive");
}

#[test]
fn a_socket_may_be_bound_before_its_address_is_there() {
    let (one, other) = boxes();
    let receiver = open_with(&other, "eth0", "239.77.0.1:7077", "10.9.0.2", Reach::Unicast);
    let sender = open_with(&one, "eth0", "239.77.0.1:7077", "10.9.0.7", Reach::Unicast);
    one.ip("address add 10.9.0.7/24 dev eth0");
    let mut buffer = [0; 100];
    one.wait_until("beats arrive", || {
        sender.send_to(b"beat", "10.9.0.2".parse().unwrap());
        receiver.recv(&mut buffer).is_some()
    });
}

#[test]
fn what_came_through_a_router_shows_by_its_ttl() {
    let (one, other) = boxes();
    let receiver = open(&other, "eth0", "239.77.0.1:7077", "10.9.0.2");
    one.enter(|| {
        let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
        socket.set_multicast_ttl_v4(254).unwrap();
        socket2::SockRef::from(&socket).set_multicast_if_v4(&"10.9.0.1".parse().unwrap()).unwrap();
        socket.send_to(b"from afar", "239.77.0.1:7077").unwrap();
    });
    assert_eq!(next(&receiver).1.ttl, 254);
}

#[test]
fn a_datagram_larger_than_the_buffer_is_told_to_be_cut() {
    let (one, other) = boxes();
    let receiver = open(&other, "eth0", "239.77.0.1:7077", "10.9.0.2");
    open(&one, "eth0", "239.77.0.1:7077", "10.9.0.1").send(&[7; 100]);
    let (mut buffer, mut received) = ([0; 50], None);
    one.wait_until("a datagram is there", || {
        received = receiver.recv(&mut buffer);
        received.is_some()
    });
    assert!(received.is_some_and(|received| received.truncated && received.length == 50), "{received:?}");
}

#[test]
fn a_dead_link_drops_what_is_sent_and_needs_no_new_socket_when_it_is_back() {
    let (one, other) = boxes();
    for (group, source, peer) in
        [("239.77.0.1:7077", "10.9.0.1", "10.9.0.2"), ("[ff15::77:1]:7077", "fd00:9::1", "fd00:9::2")]
    {
        for side in [&one, &other] {
            side.enter(|| std::fs::write("/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down", "1").unwrap());
        }
        let sender = open(&one, "eth0", group, source);
        let receiver = open(&other, "eth0", group, peer);
        one.ip("link set eth0 down");
        assert!(!sender.send(b"lost"), "{group}");
        one.ip("link set eth0 up");
        let mut buffer = [0; 100];
        one.wait_until("beats arrive again", || {
            sender.send(b"again");
            receiver.recv(&mut buffer).is_some()
        });
    }
}
