//! Events and who is told of them: what outlives the daemon.

use super::lab::{Lab, until};
use nix::sys::signal::Signal;

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
