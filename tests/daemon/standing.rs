//! What a box does while nothing happens, counted in what a busy machine does not change: how often it wakes up.

use super::lab::{Lab, until};
use std::fs;
use std::time::Duration;

/// A wake-up costs some 40 to 150 µs of a processor, whatever is done in it. For each beat of 100 ms there are one of the
/// beat and one of the look at the carriers; each second there are a picture and a tick of the surveyor's besides. It is
/// 2.8 of them for a beat; with the carriers looked at by the runtime's own timers it was 3.8.
const WAKE_UPS_PER_BEAT: f64 = 3.3;
/// How long they are counted.
const WINDOW: Duration = Duration::from_secs(2);

#[test]
fn a_box_at_rest_wakes_up_for_its_beats_and_for_little_else() {
    let mut lab = Lab::new(1);
    // Renewals are not counted: how many threads they pass through depends on who is awake.
    let seldom = lab.gateway(1).configuration().replace("lease = \"1000ms\"", "lease = \"60s\"");
    lab.gateway(1).write_configuration(&seldom);
    lab.start();
    let gateway = &lab.gateways()[0];
    let sent = || gateway.group().map(|group| group.counters.messages_out);
    // The start, and whatever else goes on in this machine's links, may fall into a window, but not into all of them.
    until("few wake-ups for each beat", || {
        let (before, beats) = (wake_ups(gateway.process()), sent()?);
        std::thread::sleep(WINDOW);
        let (counted, beats) = (wake_ups(gateway.process()) - before, sent()? - beats);
        println!("{counted} wake-ups in {beats} beats");
        let few = (counted as f64) < WAKE_UPS_PER_BEAT * beats as f64;
        if few { Ok(()) } else { Err(format!("{counted} wake-ups in {beats} beats")) }
    });
}

/// How often the threads of a process gave the processor up of their own accord.
fn wake_ups(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let of_thread = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).map(str::trim);
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    threads.map(|thread| of_thread(fs::read_to_string(thread.path().join("status")).unwrap_or_default())).sum()
}
