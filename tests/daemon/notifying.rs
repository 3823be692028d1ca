//! Events and who is told of them: what outlives the daemon, and receivers that are dead, that ask for an answer, or that
//! want only what matters.

use super::lab::{Lab, run, until};
use super::snmp;
use nix::sys::signal::Signal;
use rais_core::notification::{Notification, Severity};

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
    gateway.write_configuration(&gateway.configuration().replace("box-1", "box-one"));
    assert!(gateway.raisctl("reload").status.success());
    gateway.write_configuration("nonsense");
    assert!(!gateway.raisctl("reload").status.success());
    let events = gateway.events();
    assert!(events.iter().any(|event| matches!(event.notification, Notification::ConfigApplied { .. })), "{events:?}");
    assert!(events.iter().any(|event| matches!(event.notification, Notification::ConfigRejected { .. })), "{events:?}");
}
