//! What an answer costs. A measurement, not a check:
//! `cargo test --release --test snmp speed -- --ignored --nocapture`.

use crate::bench::{Bench, SYS_NAME, community};
use crate::ber::{self, GET, GET_BULK};
use crate::sample;
use nix::time::{ClockId, clock_gettime};
use rais::snmp::AgentParams;
use std::hint::black_box;
use std::time::Duration;

/// Processor time of this thread: what else runs on the machine does not count.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn nanoseconds(rounds: u32, mut once: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = spent();
        (0..rounds).for_each(|_| once());
        best = best.min((spent() - start).as_nanos() as f64 / f64::from(rounds));
    }
    best
}

#[test]
#[ignore = "a measurement: run it in release"]
fn speed() {
    let params = || AgentParams { communities: vec![community()], ..AgentParams::default() };
    let mut bench = Bench::with(sample::many_addresses(10_000), params());
    let source = "192.0.2.7".parse().unwrap();
    let mut reply = Vec::new();
    let mut run = |what: &str, per: f64, datagram: &[u8]| {
        let cost = nanoseconds(5_000, || {
            let outcome = bench.agent.answer(black_box(datagram), source, &bench.snapshot, bench.now, &mut reply);
            let _ = black_box(outcome).unwrap();
        });
        println!("{what}: {cost:.0} ns, {:.0} ns each, {} octets", cost / per, reply.len());
    };
    run("GET sysName.0", 1.0, &ber::request(GET, [1, 0, 0], &[SYS_NAME]));
    let middle = "1.3.6.1.4.1.32473.1.1.5.1.3.4.104.116.116.112.1.4.10.0.19.136";
    run("GET of one row of 10,000", 1.0, &ber::request(GET, [1, 0, 0], &[middle]));
    run("GETBULK, 25 rows of 10,000", 25.0, &ber::request(GET_BULK, [1, 0, 25], &[middle]));
    let columns =
        [3, 6, 12, 15].map(|column| format!("1.3.6.1.4.1.32473.1.1.5.1.{column}.4.104.116.116.112.1.4.10.0.19.136"));
    let columns = columns.each_ref().map(String::as_str);
    run("GETBULK, 4 columns, until it is full", 35.0, &ber::request(GET_BULK, [1, 0, 100], &columns));
}
