//! `rais-sim`: lives many seeded histories, or tells one. Called by `cargo xtask sim`.

use clap::Parser;
use rais_core::mutation::Mutation;
use rais_sim::detection::{Setting, measure};
use rais_sim::scenario::{MS, Micros, SECOND};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lives many seeded histories of whole groups, or tells one.
#[derive(Parser)]
struct Args {
    /// How many histories.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Tell this one history, a line per event, instead of living many.
    #[arg(long)]
    seed: Option<u64>,
    /// How many at a time; default: one per processor.
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after a broken promise, and list all.
    #[arg(long)]
    all: bool,
    /// Instead of histories: how soon the dead and how often the living are found dead, over so many seeds per setting.
    #[arg(long)]
    detection: bool,
    /// Plant this bug in every box (needs the feature `mutations`).
    #[arg(long)]
    mutation: Option<String>,
}

fn mutation(word: &str) -> Option<Mutation> {
    Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}").eq_ignore_ascii_case(word))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let planted = match args.mutation.as_deref().map(|word| (word, mutation(word))) {
        Some((word, None)) => {
            eprintln!("error: no such mutation: {word}; there are {:?}", Mutation::ALL);
            return ExitCode::FAILURE;
        }
        Some((_, planted)) => planted,
        None => None,
    };
    if args.detection {
        detection(args.seeds);
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = args.seed {
        print!("{}", rais_sim::tell(seed, planted));
        return if rais_sim::run(seed, planted).violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let started = Instant::now();
    let (next, done, calls, found) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let enough = || !args.all && found.lock().is_ok_and(|found: std::sync::MutexGuard<'_, Vec<_>>| !found.is_empty());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= args.seeds || enough() {
                        return;
                    }
                    let outcome = rais_sim::run(args.from + index, planted);
                    calls.fetch_add(outcome.calls, Ordering::Relaxed);
                    if let (Some(violation), Ok(mut found)) = (outcome.violation, found.lock()) {
                        found.push((outcome.seed, violation));
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(1000) || done == args.seeds {
                        let seconds = started.elapsed().as_secs_f64();
                        eprint!("\r{done} of {} histories, {:.0} a second ", args.seeds, done as f64 / seconds);
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    eprintln!();
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(seed, _)| *seed);
    for (seed, violation) in &found {
        println!("seed {seed}: {violation}\n  to see it: {}", rais_sim::replay_command(*seed, planted));
    }
    let (done, calls) = (done.into_inner(), calls.into_inner());
    println!(
        "{done} histories, {calls} steps, {} broke a promise, {:.1} s",
        found.len(),
        started.elapsed().as_secs_f64()
    );
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The table by which the defaults of failure detection were chosen.
fn detection(seeds: u64) {
    println!("boxes networks beat  loss stall | box-minutes  false deaths  moves | outage median  worst");
    for (boxes, networks) in [(2, 1), (3, 1), (3, 2)] {
        for beat in [10 * MS, 100 * MS] {
            for (loss, stall) in [(0, 0), (50, 0), (100, 0), (200, 0), (300, 0), (0, beat / 2), (100, beat / 2)] {
                let setting = Setting { boxes, networks, beat, loss, stall, time: 20 * SECOND };
                let all: Vec<_> = (0..seeds).map(|seed| measure(setting, seed)).collect();
                let deaths: u64 = all.iter().map(|one| one.false_deaths).sum();
                let moves: u64 = all.iter().map(|one| one.moves).sum();
                let mut outages: Vec<_> = all.iter().map(|one| one.outage.unwrap_or(Micros::MAX)).collect();
                outages.sort_unstable();
                let ms = |at: usize| outages.get(at).map_or(0.0, |outage| *outage as f64 / MS as f64);
                println!(
                    "{boxes:>5} {networks:>8} {:>4} {:>5} {:>5} | {:>11} {deaths:>13} {moves:>6} | {:>13.1} {:>6.1}",
                    beat / MS,
                    loss,
                    stall / MS,
                    seeds * setting.time * boxes as u64 / (60 * SECOND),
                    ms(outages.len() / 2),
                    ms(outages.len().saturating_sub(1)),
                );
            }
        }
    }
}
