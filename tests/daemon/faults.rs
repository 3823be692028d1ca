//! What a rack does to boxes: partitions that no NIC shows, paths that work one way, several boxes at once, restarts one
//! upon the other (S-1, S-2, S-5, S-8).

use super::lab::{DEAD_AFTER, Gateway, Lab, run, until};
use super::prober::Prober;
use nix::sys::signal::Signal;
use rais_core::counters::{Counters, DropCause};
use rais_core::notification::Notification;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Beyond what the protocol promises, for a machine that runs other tests at the same time.
const GENEROUS: Duration = Duration::from_millis(1500);

/// Longer than the slow beat, and much shorter than the dead interval that goes with it.
const BEAT_AND_MORE: Duration = Duration::from_millis(1300);

/// Cuts a box off on both networks, or takes it back; it sees no carrier go.
pub(super) fn isolate(lab: &Lab, number: u8, isolated: bool) {
    for bridge in ["lan", "control"] {
        lab.set_port(number, bridge, &if isolated { String::from("nomaster") } else { format!("master {bridge}") });
    }
}

fn serves(gateway: &Gateway, address: &str) -> Result<(), String> {
    if gateway.has(address) { Ok(()) } else { Err(format!("{address} is not on box {}", gateway.number)) }
}

#[test]
fn a_partition_that_nobody_sees_is_survived_on_both_sides_and_heals_without_a_black_hole() {
    let mut lab = Lab::new(3);
    lab.start();
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    isolate(&lab, 3, true);
    until("both sides serve everything", || {
        (serves(&lab.gateways()[2], "10.99.0.101"))?;
        serves(&lab.gateways()[0], "10.99.0.103").or_else(|_| serves(&lab.gateways()[1], "10.99.0.103"))
    });
    let cut = probe.stop_after_answer();
    assert!(cut.longest_silence() < DEAD_AFTER + GENEROUS, "{:?}", cut.longest_silence());
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    isolate(&lab, 3, false);
    lab.settle();
    until("10.99.0.103 is at home", || serves(&lab.gateways()[2], "10.99.0.103"));
    let healed = probe.stop_after_answer();
    println!("healed: silent for {:?}, answered by boxes {:?}", healed.longest_silence(), healed.servers());
    assert!(healed.longest_silence() < GENEROUS, "{:?}", healed.longest_silence());
    assert_eq!(healed.servers().last(), Some(&3));
}

#[test]
fn a_control_network_that_fails_alone_moves_nothing_and_is_used_again_when_it_is_back() {
    let mut lab = Lab::new(3);
    lab.start();
    let of_box_1 = |lab: &Lab| lab.gateways()[0].group().map(|group| group.counters);
    let moved = moves(&lab);
    let ports = |lab: &Lab, state: &str| (1..=3).for_each(|number| lab.set_port(number, "control", state));
    ports(&lab, "down");
    let before = of_box_1(&lab).unwrap();
    // Two others send ten a second each: several dead intervals.
    until("it has heard the others by the other network for long enough", || {
        let heard = of_box_1(&lab)?.messages_in - before.messages_in;
        if heard > 60 { Ok(()) } else { Err(format!("{heard} messages")) }
    });
    assert_eq!(moves(&lab), moved, "nothing moved");
    ports(&lab, "up");
    let duplicates = |counters: &Counters| counters.drops.of(DropCause::Duplicate);
    let alone = duplicates(&of_box_1(&lab).unwrap());
    until("messages come twice again", || {
        let more = duplicates(&of_box_1(&lab)?) - alone;
        if more > 10 { Ok(()) } else { Err(format!("{more} duplicates")) }
    });
    assert_eq!(moves(&lab), moved, "nothing moved");
    lab.each_on_one_kernel().unwrap();
}

/// How often the boxes acquired and released.
fn moves(lab: &Lab) -> usize {
    let events = lab.gateways().iter().flat_map(Gateway::events);
    let moved = |event: &rais::event::Event| {
        matches!(event.notification, Notification::Acquire { .. } | Notification::Release { .. })
    };
    events.filter(moved).count()
}

#[test]
fn a_box_that_one_other_can_not_hear_keeps_its_addresses() {
    let mut lab = Lab::new(3);
    lab.start();
    let deaf = lab.gateway(1).namespace.clone();
    let before = lab.gateways()[0].group().unwrap().counters.messages_in;
    let moved = moves(&lab);
    let probe = Prober::start(&lab.client(), Ipv4Addr::new(10, 99, 0, 103));
    // What claims to come from box 1 itself its kernel drops: so it hears nothing of box 3, and box 3 everything of it.
    for address in ["10.99.0.3", "10.99.1.3"] {
        run(&format!("ip -n {deaf} route add local {address}/32 dev lo"));
    }
    // Box 2 alone sends ten a second: several dead intervals.
    until("it has heard of box 3 by box 2 for long enough", || {
        let heard = lab.gateways()[0].group()?.counters.messages_in - before;
        if heard > 30 { Ok(()) } else { Err(format!("{heard} messages")) }
    });
    let trace = probe.stop_after_answer();
    assert_eq!(trace.servers(), [3]);
    assert_eq!(moves(&lab), moved, "nothing moved");
    lab.settle();
}

#[test]
fn five_boxes_lose_two_at_once_their_leader_among_them_and_get_them_back() {
    let mut lab = Lab::new(5);
    lab.start();
    for number in [1, 2] {
        lab.cut_power(number);
    }
    lab.settle();
    for number in [1, 2] {
        isolate(&lab, number, false);
        lab.gateway(number).start();
    }
    lab.settle();
    for gateway in lab.gateways() {
        let home = format!("10.99.0.{}", 100 + gateway.number);
        until("every box has its own back", || serves(gateway, &home));
    }
}

#[test]
fn a_storm_of_restarts_ends_with_each_address_on_one_box() {
    let mut lab = Lab::new(3);
    lab.start();
    for round in 0..3 {
        for number in 1..=3 {
            // By turns: a crash, a crash that takes the guardian with it, a clean stop.
            match (round + number) % 3 {
                0 => lab.gateway(number).kill(),
                1 => lab.gateway(number).kill_with_guardian(),
                _ => {
                    lab.gateway(number).signal(Signal::SIGTERM);
                    assert_eq!(lab.gateway(number).wait(), Some(0), "{}", lab.gateway(number).log());
                }
            }
            lab.gateway(number).start();
        }
    }
    lab.settle();
    for gateway in lab.gateways() {
        let home = format!("10.99.0.{}", 100 + gateway.number);
        until("every box has its own", || serves(gateway, &home));
    }
    lab.settle();
}

#[test]
fn a_nic_that_comes_back_as_another_is_put_to_work_again() {
    let mut lab = Lab::new(2);
    lab.start();
    let index = |lab: &Lab| run(&format!("ip -n {} -o link show dev lan", lab.gateways()[1].namespace));
    let before = index(&lab);
    lab.pull_out(2, "lan");
    until("box 1 serves everything", || serves(&lab.gateways()[0], "10.99.0.102"));
    lab.plug_in(2, "lan");
    assert_ne!(index(&lab).split(':').next(), before.split(':').next(), "it is another one to the kernel");
    until("10.99.0.102 is at home again", || serves(&lab.gateways()[1], "10.99.0.102"));
    lab.settle();
}

#[test]
fn a_box_that_stood_still_for_a_moment_says_so_and_nothing_moves() {
    let mut lab = Lab::new(2);
    for gateway in lab.gateways() {
        // A slow beat: nobody misses a box within seconds.
        let slow = "beat = \"1s\"\ndead_after = \"6s\"\nlease = \"9s\"";
        let text = gateway.configuration();
        let text = text.replace("beat = \"100ms\"\ndead_after = \"300ms\"\nlease = \"1000ms\"", slow);
        assert!(text.contains(slow), "{text}");
        gateway.write_configuration(&text);
    }
    lab.start();
    let moves: Vec<usize> = lab.gateways().iter().map(Gateway::moves).collect();
    lab.gateway(2).signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    until("it has missed a beat", || if stopped.elapsed() > BEAT_AND_MORE { Ok(()) } else { Err(String::new()) });
    lab.gateway(2).signal(Signal::SIGCONT);
    until("it says that it was late", || {
        let (_, runtime) = lab.gateways()[1].status()?;
        let log = lab.gateways()[1].log();
        let warned = log.contains("late for a deadline: the box is too busy for its beat");
        if warned && runtime.worst_lateness_us > 50_000 { Ok(()) } else { Err(format!("{runtime:?}")) }
    });
    lab.settle();
    assert_eq!(lab.gateways().iter().map(Gateway::moves).collect::<Vec<_>>(), moves);
}
