//! `rais-sim`: lives many seeded histories, or tells one. Called by `cargo xtask sim`.
//!
//! It ends with 0 if every promise was kept, 1 if one was broken, 2 if it was asked for something that does not exist.

use clap::Parser;
use rais_core::mutation::Mutation;
use rais_sim::detection::{Setting, measure};
use rais_sim::history::{self, History};
use rais_sim::invariants::Violation;
use rais_sim::scenario::{MS, Micros, SECOND, Scenario};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
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
    /// Tell a kept history: a file of tests/sim/histories, or one that was written by hand.
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    history: Option<PathBuf>,
    /// With --seed or --history: leave out faults as long as it breaks the same promise, and print the rest as a file
    /// for --history.
    #[arg(long)]
    shrink: bool,
    /// Only histories with this fault: powercut, freeze, partition, reload, upgrade … A wrong word lists them.
    #[arg(long, value_name = "FAULT")]
    only: Option<String>,
    /// How many at a time; default: one per processor.
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after a broken promise, and list all.
    #[arg(long)]
    all: bool,
    /// Instead of histories: how soon the dead and how often the living are found dead, over so many seeds per setting.
    #[arg(long)]
    detection: bool,
    /// Plant this bug in every box (needs the feature `mutations`). A wrong word lists them.
    #[arg(long)]
    mutation: Option<String>,
    /// Say the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// It was asked for something that does not exist.
const USAGE: u8 = 2;

/// Every fault by the name that `--only` takes.
const FAULTS: &str = "powercut, kill, freeze, stop, upgrade, switchon, partition, partitionon, oneway, networkdown, loss, \
                      delay, duplication, damage, replay, test, carrier, quiesce, drain, scripts, load, reload, move, release, \
                      remove, forget, failback";

fn mutation(word: &str) -> Option<Mutation> {
    Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}").eq_ignore_ascii_case(word))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let planted = match args.mutation.as_deref().map(|word| (word, mutation(word))) {
        Some((word, None)) => {
            eprintln!("error: no such mutation: {word}; there are {:?}", Mutation::ALL);
            return ExitCode::from(USAGE);
        }
        Some(_) if !cfg!(feature = "mutations") => {
            eprintln!("error: built without the feature `mutations`; use cargo xtask sim --mutation");
            return ExitCode::from(USAGE);
        }
        Some((_, planted)) => planted,
        None => None,
    };
    if args.detection {
        detection(args.seeds);
        return ExitCode::SUCCESS;
    }
    let only = args.only.as_deref().map(str::to_lowercase);
    if let Some(word) = only.as_deref().filter(|word| !FAULTS.split(", ").any(|fault| fault == *word)) {
        eprintln!("error: no such fault: {word}; there are {FAULTS}");
        return ExitCode::from(USAGE);
    }
    match (&args.history, args.seed) {
        (Some(path), _) => match history::read(path) {
            Ok(history) => one(history.scenario, planted, &format!("--history {}", path.display()), &args),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(USAGE)
            }
        },
        (None, Some(seed)) => one(Scenario::draw(seed), planted, &format!("--seed {seed}"), &args),
        (None, None) => many(&args, planted, only.as_deref()),
    }
}

/// The one command that shows a history again.
fn replay_command(which: &str, planted: Option<Mutation>) -> String {
    let planted = planted.map(|mutation| format!(" --mutation {mutation:?}")).unwrap_or_default();
    format!("cargo xtask sim {which}{planted}")
}

/// Tells one history.
fn one(mut scenario: Scenario, planted: Option<Mutation>, which: &str, args: &Args) -> ExitCode {
    if args.shrink {
        scenario = rais_sim::shrink::shrink(scenario, planted);
        let violation = rais_sim::run(scenario.clone(), planted).violation;
        let taught = violation.as_ref().map_or_else(|| String::from("keeps every promise"), Violation::to_string);
        print!("{}", history::to_json(&History { taught, scenario }));
        return if violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let violation = rais_sim::run(scenario.clone(), planted).violation;
    if args.json {
        println!("{}", serde_json::json!({ "scenario": scenario, "violation": violation }));
    } else {
        print!("{}", rais_sim::tell(scenario, planted));
        println!("to see it again: {}", replay_command(which, planted));
    }
    if violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What many histories came to.
#[derive(Default)]
struct Tally {
    done: AtomicU64,
    calls: AtomicU64,
    found: Mutex<Vec<(u64, Violation)>>,
}

fn many(args: &Args, planted: Option<Mutation>, only: Option<&str>) -> ExitCode {
    let (started, next, tally) = (Instant::now(), AtomicU64::new(0), Tally::default());
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| live(args, planted, only, &next, &tally, started));
        }
    });
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    let mut found = tally.found.into_inner().unwrap_or_default();
    found.sort_by_key(|(seed, _)| *seed);
    let (done, calls, seconds) = (tally.done.into_inner(), tally.calls.into_inner(), started.elapsed().as_secs_f64());
    if args.json {
        let found: Vec<_> = found
            .iter()
            .map(|(seed, violation)| {
                let again = replay_command(&format!("--seed {seed}"), planted);
                serde_json::json!({ "seed": seed, "violation": violation, "command": again })
            })
            .collect();
        println!("{}", serde_json::json!({ "histories": done, "steps": calls, "seconds": seconds, "broken": found }));
    } else {
        for (seed, violation) in &found {
            println!("seed {seed}: {violation}\n  to see it: {}", replay_command(&format!("--seed {seed}"), planted));
        }
        println!("{done} histories, {calls} steps, {} broke a promise, {seconds:.1} s", found.len());
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives histories until there are no more, or one is enough.
fn live(args: &Args, planted: Option<Mutation>, only: Option<&str>, next: &AtomicU64, tally: &Tally, started: Instant) {
    let enough = || !args.all && tally.found.lock().is_ok_and(|found| !found.is_empty());
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= args.seeds || enough() {
            return;
        }
        let seed = args.from + index;
        let scenario = Scenario::draw(seed);
        if only.is_some_and(|only| !scenario.episodes.iter().any(|episode| episode.fault.name() == only)) {
            continue;
        }
        let outcome = rais_sim::run(scenario, planted);
        tally.calls.fetch_add(outcome.calls, Ordering::Relaxed);
        if let (Some(violation), Ok(mut found)) = (outcome.violation, tally.found.lock()) {
            found.push((seed, violation));
        }
        let done = tally.done.fetch_add(1, Ordering::Relaxed) + 1;
        // To a person at each thousand, to a log at each tenth.
        let often = if std::io::stderr().is_terminal() { 1000 } else { (args.seeds / 10).max(1000) };
        if done.is_multiple_of(often) {
            let rate = done as f64 / started.elapsed().as_secs_f64();
            let (begin, end) = if std::io::stderr().is_terminal() { ("\r", "") } else { ("", "\n") };
            eprint!("{begin}{done} of {} histories, {rate:.0} a second {end}", args.seeds);
            let _ = std::io::stderr().flush();
        }
    }
}

/// The table by which the defaults of failure detection were chosen.
fn detection(seeds: u64) {
    println!("boxes networks beat  loss stall | box-minutes  false deaths  moves | outage median  worst");
    for (boxes, networks) in [(2, 1), (3, 1), (3, 2)] {
        for beat in [10 * MS, 100 * MS] {
            for (loss, stall) in [(0, 0), (50, 0), (100, 0), (200, 0), (300, 0), (0, beat / 2), (100, beat / 2)] {
                let setting = Setting { boxes, dies: boxes - 1, networks, beat, loss, stall, time: 20 * SECOND };
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
