//! Events and who is told of them: what outlives the daemon, and receivers that are dead, that ask for an answer, or that
//! want only what matters.

use super::fuzz::in_namespace;
use super::lab::{Lab, run, until};
use super::snmp;
use super::trap_receiver::Receiver;
use super::version3::{LAB_COMMUNITY, snmp_get};
use nix::sys::signal::Signal;
use rais::event::Event;
use rais_core::notification::{Notification, Severity};
use std::net::TcpListener;

#[test]
fn events_outlive_a_killed_daemon_and_no_number_is_used_again() {
    let mut lab = Lab::new(1);
    lab.start();
    let gateway = lab.gateway(1);
    let first = gateway.events();
    assert!(first.len() >= 4, "{first:?}");
    // What was told a moment ago may still be on its way to the kernel.
    let log = gateway.state().join("events").join(format!("{:020}.log", 1));
    until("the last event is written", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let last = format!("\"number\":{},", first.last().unwrap().number);
        if text.contains(&last) { Ok(()) } else { Err(text) }
    });
    gateway.kill();
    lab.start();
    let gateway = lab.gateway(1);
    let all = gateway.all_events();
    assert_eq!(all[..first.len()], first, "those of the life before, unchanged");
    assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number), "{all:?}");
    assert!(all[first.len()].incarnation > first[0].incarnation);
    // The other way to end: then there is no gap.
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait(), Some(0));
    let newest = std::fs::read_to_string(&log).unwrap().lines().last().unwrap().to_owned();
    assert!(newest.contains(r#""line":"closed""#), "{newest}");
    lab.start();
    let gateway = lab.gateway(1);
    let next = gateway.events()[0].number;
    assert!(newest.ends_with(&format!("\"newest\":{}}}", next - 1)), "{newest}, then {next}");
    let shown = gateway.raisctl("events --count 1000");
    assert_eq!(String::from_utf8(shown.stdout).unwrap().lines().count(), gateway.all_events().len());
}

/// A receiver that answers nobody, one that answers informs, and one that wants only what is critical.
const RECEIVERS: &str = r#"
[[snmp.receiver]]
address = "10.99.0.253:162"
community_file = "secrets/community"
inform = true
timeout = "200ms"
retries = 2
[[snmp.receiver]]
address = "10.99.0.254:1162"
community_file = "secrets/community"
inform = true
throttle = "0ms"
[[snmp.receiver]]
address = "10.99.0.254:2162"
community_file = "secrets/community"
severity = "critical"
throttle = "0ms"
[[snmp.receiver]]
address = "10.99.0.254:3162"
community_file = "secrets/community"
only = ["LinkDown", "LinkUp", "AuthenticationFailure"]
"#;

#[test]
fn a_dead_receiver_delays_no_other_informs_are_answered_and_each_hears_what_it_wants() {
    let mut lab = Lab::new(1);
    let trap_receiver = snmp::Receiver::start(&lab.client(), "10.99.0.254:162");
    let informed = snmp::Receiver::answering(&lab.client(), "10.99.0.254:1162");
    let critical = snmp::Receiver::start(&lab.client(), "10.99.0.254:2162");
    let picked = snmp::Receiver::start(&lab.client(), "10.99.0.254:3162");
    let gateway = lab.gateway(1);
    gateway.write_configuration(&(gateway.configuration() + RECEIVERS));
    lab.start();
    assert!(snmp::get_next(&lab.client(), "10.99.0.1", b"a-guess").is_none());
    for state in ["down", "up"] {
        run(&format!("ip -n {} link set control {state}", lab.gateway(1).namespace));
    }
    let gateway = lab.gateway(1);
    let events = until("the failed question and the link's two changes are told", || {
        let events = gateway.events();
        let has = |wanted: fn(&Notification) -> bool| events.iter().any(|event| wanted(&event.notification));
        let all = has(|n| matches!(n, Notification::LinkDown { .. }))
            && has(|n| matches!(n, Notification::LinkUp { .. }))
            && has(|n| matches!(n, Notification::AuthenticationFailure { .. }));
        if all { Ok(events) } else { Err(format!("{events:?}")) }
    });
    let count =
        |wanted: &dyn Fn(&Notification) -> bool| events.iter().filter(|event| wanted(&event.notification)).count();
    let rows = [
        ("traps", &trap_receiver, events.len()),
        ("informs", &informed, events.len()),
        ("picked", &picked, count(&|n| ["LinkDown", "LinkUp", "AuthenticationFailure"].contains(&n.name()))),
    ];
    for (what, receiver, expected) in rows {
        until(&format!("{what}: {expected} heard"), || {
            let heard = receiver.sources().len();
            if heard >= expected { Ok(()) } else { Err(format!("{heard}")) }
        });
    }
    assert_eq!(critical.sources().len(), count(&|n| n.ends().max(Some(n.severity())) >= Some(Severity::Critical)));
    let runtime = until("every inform was answered", || {
        let (_, runtime) = gateway.status()?;
        let all = runtime.informs_acknowledged >= events.len() as u64;
        if all { Ok(runtime) } else { Err(format!("{runtime:?}")) }
    });
    println!("the slowest first datagram left {} µs after its event", runtime.worst_notification_us);
    until("what the dead receiver was not told is counted", || {
        let (_, runtime) = gateway.status()?;
        if runtime.traps_dropped > 0 { Ok(()) } else { Err(format!("{runtime:?}")) }
    });
    // The same configuration after a restart, and another one.
    let told = |gateway: &super::lab::Gateway| gateway.events()[0].notification.clone();
    assert_eq!(told(gateway), Notification::ColdStart);
    gateway.kill();
    gateway.start();
    assert_eq!(told(gateway), Notification::WarmStart);
    let updates = |event: &Event| matches!(event.notification, Notification::ImageUpdated { .. });
    assert!(!gateway.all_events().iter().any(updates), "it is the version that it was");
    gateway.kill();
    std::fs::write(gateway.state().join("version"), "0.0.9\n").unwrap();
    gateway.start();
    let (version, before) = (env!("CARGO_PKG_VERSION").to_owned(), String::from("0.0.9"));
    let updated = Notification::ImageUpdated { version, before };
    assert_eq!([told(gateway), gateway.events()[1].notification.clone()], [Notification::WarmStart, updated]);
    gateway.write_configuration(&gateway.configuration().replace("box-1", "box-one"));
    assert!(gateway.raisctl("reload").status.success());
    gateway.write_configuration("nonsense");
    assert!(!gateway.raisctl("reload").status.success());
    let events = gateway.events();
    assert!(events.iter().any(|event| matches!(event.notification, Notification::ConfigApplied { .. })), "{events:?}");
    assert!(events.iter().any(|event| matches!(event.notification, Notification::ConfigRejected { .. })), "{events:?}");
}

/// Something to test, on which the group depends.
const TEST: &str = r#"
[[test]]
name = "web"
type = "tcp-connect"
target = "127.0.0.1:8080"
interval = "100ms"
fall = 1
rise = 1
"#;

/// Waits until a box has told of all of that: each is a notification's name and a part of its sentence.
fn until_told(receiver: &Receiver, lines: &mut Vec<String>, expected: &[(&str, &str)]) {
    until(&format!("{expected:?} was told"), || {
        lines.extend(receiver.said());
        let told = |(name, part): &&(&str, &str)| {
            lines.iter().any(|line| line.contains(&format!("RAIS-MIB::{name}|")) && line.contains(part))
        };
        match expected.iter().find(|expected| !told(expected)) {
            None => Ok(()),
            Some(missing) => Err(format!("{missing:?} of {lines:#?}")),
        }
    });
}

#[test]
fn snmptrapd_is_told_of_a_dead_leader_of_a_group_in_trouble_and_of_a_bad_configuration() {
    let mut lab = Lab::new(2);
    let address = "10.99.0.254:162".parse().unwrap();
    let receiver =
        in_namespace(&lab.client(), move || Receiver::start_at(&[address], "authCommunity log lab-community\n"));
    let gateway = lab.gateway(2);
    let tested = gateway.configuration().replace("[[group]]\n", &format!("{TEST}\n[[group]]\ntests = [\"web\"]\n"));
    gateway.write_configuration(&tested);
    let namespace = gateway.namespace.clone();
    let listen = move || in_namespace(&namespace, || TcpListener::bind("127.0.0.1:8080").unwrap());
    let service = listen();
    lab.start();
    let mut lines = Vec::new();
    until_told(&receiver, &mut lines, &[("raisLeaderChange", "box-2: box-1 (10.99.0.1) leads group http")]);
    lines.clear();

    lab.cut_power(1);
    let expected = [
        ("raisHostStateChange", "box-2: box-1 (10.99.0.1) of group http is dead"),
        ("raisLeaderChange", "box-2: box-2 (10.99.0.2) leads group http"),
    ];
    until_told(&receiver, &mut lines, &expected);
    // Nobody is left who could serve: that is told once it has lasted.
    drop(service);
    let expected =
        [("raisTestFailed", "box-2: test web failed"), ("raisGroupStateChange", "box-2: group http is degraded: ")];
    until_told(&receiver, &mut lines, &expected);
    let service = listen();
    let expected = [
        ("raisTestRecovered", "box-2: test web passes again"),
        ("raisGroupStateChange", "box-2: every address of group http is served by one box"),
    ];
    until_told(&receiver, &mut lines, &expected);
    // Who did not listen can see that it happened.
    let read = |object: &str| snmp_get(&lab, "10.99.0.2", object, LAB_COMMUNITY).unwrap();
    assert_eq!(read("raisGroupServiceState.\"http\""), "1");
    let transitions: u32 = read("raisGroupServiceTransitions.\"http\"").parse().unwrap();
    assert!(transitions >= 2 && transitions.is_multiple_of(2), "there and back: {transitions}");
    assert_ne!(read("raisGroupServiceLastChange.\"http\""), "0");
    assert_eq!(read("raisGroupPartitionTransitions.\"http\""), "0");
    drop(service);

    let gateway = lab.gateway(2);
    gateway.write_configuration("nonsense");
    assert!(!gateway.raisctl("reload").status.success());
    until_told(&receiver, &mut lines, &[("raisConfigRejected", "box-2: a configuration was refused: ")]);
}
