//! A running group is secured, and its key replaced, box by box and with no outage (G-2, G-70).

use super::capture::codec;
use super::fuzz::in_namespace;
use super::lab::{Gateway, Lab, until};
use super::prober::Prober;
use rais_core::counters::{Counters, DropCause};
use rais_core::info_message::{Body, Message};
use rais_core::notification::Notification;
use rais_core::quantity::Sequence;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Far more than a probe may take, for a machine that runs other tests at the same time.
const NO_OUTAGE: Duration = Duration::from_secs(1);

const KEYS: &str = "keys = [{ id = 1, file = \"secrets/http.key\" }]\nsend_key = 1\n";
const BOTH: &str = "keys = [{ id = 1, file = \"secrets/http.key\" }, { id = 2, file = \"secrets/next.key\" }]\n";
const NEXT: &str = "keys = [{ id = 2, file = \"secrets/next.key\" }]\nsend_key = 2\n";

fn configure(gateway: &Gateway, keys: &str) {
    let text = gateway.configuration();
    assert!(text.contains(KEYS), "{text}");
    gateway.write_configuration(&text.replace(KEYS, keys));
}

/// Gives each box a configuration with this instead of its keys, one after the other.
fn roll_out(lab: &mut Lab, keys: &str) {
    for number in 1..=2 {
        configure(lab.gateway(number), keys);
        let output = lab.gateway(number).raisctl("reload");
        assert!(output.status.success(), "{keys}: {}", String::from_utf8_lossy(&output.stderr));
        // They hear each other by it for a while before the next step, as they would under an engineer's hand.
        let before: Vec<u64> = heard(lab);
        until("both hear each other", || {
            let now = heard(lab);
            let more = now.iter().zip(&before).all(|(now, before)| now > &(before + 4));
            if more { Ok(()) } else { Err(format!("{before:?}, {now:?}")) }
        });
    }
}

fn counters(lab: &Lab) -> Vec<Counters> {
    lab.gateways().iter().map(|gateway| gateway.group().unwrap().counters).collect()
}

fn heard(lab: &Lab) -> Vec<u64> {
    counters(lab).iter().map(|counters| counters.messages_in).collect()
}

fn moves(lab: &Lab) -> usize {
    let moved = |event: &rais::event::Event| {
        matches!(event.notification, Notification::Acquire { .. } | Notification::Release { .. })
    };
    lab.gateways().iter().flat_map(Gateway::events).filter(moved).count()
}

#[test]
fn a_running_group_is_secured_and_gets_another_key_and_no_address_moves() {
    let mut lab = Lab::new(2);
    for gateway in lab.gateways() {
        gateway.write_secret("next.key", &"6b".repeat(32));
        configure(gateway, "authentication = \"receive-any\"\nkeys = []\n");
    }
    lab.start();
    let moved = moves(&lab);
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 102));
    for step in ["receive-any", "sign"] {
        roll_out(&mut lab, &format!("authentication = \"{step}\"\n{KEYS}"));
    }
    assert!(counters(&lab).iter().all(|counters| counters.unsigned_in > 0), "it began unsigned");
    roll_out(&mut lab, KEYS);
    let unsigned = |lab: &Lab| counters(lab).iter().map(|counters| counters.unsigned_in).collect::<Vec<_>>();
    let secured = unsigned(&lab);
    // Another key: added everywhere, then used everywhere, then alone everywhere.
    roll_out(&mut lab, &format!("{BOTH}send_key = 1\n"));
    roll_out(&mut lab, &format!("{BOTH}send_key = 2\n"));
    roll_out(&mut lab, NEXT);
    let trace = probe.stop_after_answer();
    println!("secured and under another key: silent for {:?} at most", trace.longest_silence());
    assert_eq!((moves(&lab), trace.servers()), (moved, vec![2]), "nothing moved");
    assert!(trace.longest_silence() < NO_OUTAGE, "{:?}", trace.longest_silence());
    assert_eq!(unsigned(&lab), secured, "nothing is taken unsigned any more");

    // Who knows the old key alone can say nothing in anybody's name: a goodbye of box 2 is counted and no more.
    let incarnation = lab.gateways()[1].status().unwrap().0.view.incarnation;
    let sender = "10.99.0.2".parse().unwrap();
    let leave = Message { sender, incarnation, sequence: Sequence(1 << 40), body: Body::Leave };
    let unknown = |lab: &Lab| lab.gateways()[0].group().unwrap().counters.drops.of(DropCause::UnknownKey);
    let before = unknown(&lab);
    let forged = codec(&[(1, "5a")], 1).encode(&leave).unwrap();
    in_namespace(&lab.client(), move || {
        let socket = UdpSocket::bind((Ipv4Addr::new(10, 99, 0, 254), 0)).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        socket.send_to(&forged, "239.77.0.1:7077").unwrap();
    });
    until("it was counted", || if unknown(&lab) > before { Ok(()) } else { Err(String::from("it was not")) });
    lab.settle();
    assert_eq!(moves(&lab), moved);
}
