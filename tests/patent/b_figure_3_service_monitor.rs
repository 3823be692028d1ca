//! B, figures 3, 4 and 7: the service monitor, which tells how a host is. B broadcasts only for a service that is there;
//! here, as in A, the message is the heartbeat too: it goes on and says that the service is not there.

use crate::bench::{BEAT, Bench, address, group, infos, params};
use rais::config::{BundleFiles, Trust, load};
use rais_core::info_message::{Body, Claim, Row};
use rais_core::io::Action;
use rais_core::quantity::Incarnation;
use std::time::Duration;

/// Box 2, which serves its address as box 1 has told it.
fn serving() -> Bench {
    let mut bench = Bench::new(2, &[2]);
    bench.join(1, &[1], &[1]);
    bench.settle();
    bench.order(1, 2, Body::Acquire, 2);
    bench.pass(BEAT);
    bench.taken();
    bench
}

fn rows(actions: &[Action]) -> Vec<Row> {
    infos(actions).into_iter().rev().find_map(|info| info.part.clone()).map(|part| part.rows).unwrap()
}

/// Steps 302, 308 and 310: each time the service's timer runs out, a message is broadcast and the timer starts anew.
#[test]
fn steps_302_308_310_a_message_is_broadcast_each_time_the_timer_runs_out() {
    let mut bench = serving();
    bench.pass(BEAT * 7 + BEAT / 2);
    assert_eq!(infos(&bench.taken()).len(), 7);
}

/// Step 304, and claims 10, 22 and 27: whether the service is available is found out (the port is probed), and only then
/// does the message hold an address that can provide it.
#[test]
fn step_304_the_message_holds_addresses_only_while_the_service_is_available() {
    let mut bench = serving();
    bench.pass(BEAT * 2);
    bench.ask(1);
    assert!(rows(&bench.taken()).contains(&Row::Claim(address(2), Claim::Online)));
    bench.test_passes = false;
    bench.pass(BEAT * 2);
    bench.ask(1);
    let actions = bench.taken();
    assert!(!rows(&actions).iter().any(|row| matches!(row, Row::Claim(..))), "{:?}", rows(&actions));
    assert!(!infos(&actions).last().unwrap().status.ok);
}

/// Figure 4: service id, host workload, list of host addresses.
#[test]
fn figure_4_a_message_holds_the_service_the_workload_and_the_addresses() {
    let mut bench = serving();
    bench.figures = (37, 100);
    bench.pass(BEAT * 2);
    bench.ask(1);
    let actions = bench.taken();
    assert!(actions.iter().any(|action| matches!(action, Action::Send { group: name, .. } if *name == group())));
    let last = *infos(&actions).last().unwrap();
    assert_eq!((last.status.load, last.status.capacity), (37, 100));
    assert_eq!(rows(&actions), [Row::Preferred(address(2)), Row::Claim(address(2), Claim::Online)]);
}

/// Figure 7 and claims 7, 19 and 26: the service's interval, its port and the sampling interval are those of the
/// configuration file.
#[test]
fn figure_7_the_timers_are_set_in_accordance_with_the_configuration_file() {
    let text = r#"
version = 1
[box]
name = "web-1"
[[interface]]
name = "lan"
kernel_name = "eth0"
addresses = ["10.1.0.2/24"]
[[test]]
name = "http"
type = "tcp-connect"
target = "127.0.0.1:80"
interval = "100ms"
timeout = "50ms"
[[load]]
name = "cpu"
type = "cpu"
interval = "200ms"
[[group]]
name = "http"
address = "239.77.0.1"
port = 7077
control_interfaces = ["lan"]
service_interface = "lan"
preferred_addresses = ["10.1.0.102"]
beat = "BEAT"
dead_after = "900ms"
tests = ["http"]
load = "cpu"
keys = [{ id = 1, file = "http.key" }]
send_key = 1
[snmp]
listen = []
"#;
    let count = |beat: &str| {
        let files = BundleFiles::from_iter([
            (String::from("rais.toml"), text.replace("BEAT", beat).into_bytes(), 0o600),
            (String::from("http.key"), "5a".repeat(32).into_bytes(), 0o600),
        ]);
        let configuration = load(&files, &Trust::InsecureUnsigned).unwrap();
        let mut bench = Bench::with(2, configuration.box_params(Incarnation(1)));
        bench.pass(Duration::from_secs(20));
        bench.taken();
        bench.pass(Duration::from_secs(4));
        let actions = bench.taken();
        let tests = actions.iter().filter(|action| matches!(action, Action::Test { .. })).count();
        let samples = actions.iter().filter(|action| matches!(action, Action::Sample { .. })).count();
        (infos(&actions).len(), tests, samples)
    };
    assert_eq!(count("50ms"), (80, 40, 20));
    assert_eq!(count("200ms"), (20, 40, 20));
    assert_ne!(params(2, &[]).groups[&group()].beat, Duration::from_millis(50), "it is not the bench's own");
}
