//! `cargo xtask bench snmp`: the agent beside Debian's snmpd, asked the same questions by the same client, by turns.
//!
//! What is compared is taken in small slices, one of theirs and one of ours, again and again, and the median of the
//! ratios is what counts: whatever else the machine does meets both. Processor time is what the kernel says of all
//! threads of a process; of raisd nothing is taken off for what it does besides. [`HOW`] goes onto the page.

mod agents;
mod client;
mod figures;
mod notified;
mod placement;
mod polled;
mod user;

use super::Kit;
use super::machine::Surroundings;
use super::progress::Display;
use crate::cargo;
use crate::interrupt::{self, pause};
use crate::lab::{self, Namespace, Signing, remove_stale};
use crate::prerequisites::{self, Tool};
use crate::report;
use agents::{Agent, PHRASES, Programs, USER};
use anyhow::{Context, Result, ensure};
use client::{Client, Questions};
use figures::{Figures, Line, Target, per_mille};
use placement::OnOneProcessor;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TOOLS: &[Tool] = &[Tool::IP, Tool::SSH_KEYGEN, Tool::SNMPD];
/// Where `--write` puts the page.
const PAGE: &str = "docs/snmp.md";
/// Rows of the large table.
const ROWS: usize = 10_000;
/// Addresses that snmpd shows in the same table: it takes 2 s to read 500, 7 s for 1,000, 29 s for 2,000.
const FEW_ROWS: usize = 500;
/// Addresses that come and go while response times are measured.
const CHURN: usize = 5_000;
/// Slices of one round.
const SLICES: usize = 8;
/// Questions of a slice.
const GETS: usize = 256;
/// Of them so many are open at a time.
const OPEN: usize = 16;
/// Pairs of deaths of one round.
const PAIRS: u32 = 2;
/// GETBULK's max-repetitions.
const REPETITIONS: i64 = 25;
/// How long response times are taken of each agent in a round.
const LATENCY: Duration = Duration::from_secs(5);
/// How long agents are left alone before they are asked.
const REST: Duration = Duration::from_secs(5);

/// Figures of which the progress is shown.
const FIGURES: usize = 11;

/// sysUpTime.0
const SYS_UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
/// Ten objects that both have, as a poller asks for several at a time: of the system group, ifNumber, ipForwarding,
/// ipDefaultTTL and snmpInPkts.
const TEN: &[&[u32]] = &[
    &[1, 3, 6, 1, 2, 1, 1, 1, 0],
    &[1, 3, 6, 1, 2, 1, 1, 2, 0],
    SYS_UP_TIME,
    &[1, 3, 6, 1, 2, 1, 1, 4, 0],
    &[1, 3, 6, 1, 2, 1, 1, 5, 0],
    &[1, 3, 6, 1, 2, 1, 1, 6, 0],
    &[1, 3, 6, 1, 2, 1, 2, 1, 0],
    &[1, 3, 6, 1, 2, 1, 4, 1, 0],
    &[1, 3, 6, 1, 2, 1, 4, 2, 0],
    &[1, 3, 6, 1, 2, 1, 11, 1, 0],
];
/// ipAddressIfIndex: a number for each address.
const ADDRESSES: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 34, 1, 3];
/// inetCidrRouteIfIndex: a number for each route, and more in the index.
const ROUTES: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 24, 7, 1, 7];

const HOW: &str = "\
All agents are in network namespaces of one machine, and are asked over loopback by one client. snmpd is Debian's with its
defaults; raisd is built as boxes carry it, all else as it comes.

- A figure of processor time is of a slice: 256 GETs, or one walk with 25 repetitions. Slices alternate, theirs and ours;
  the ratio is the median of the ratios of all pairs. It is user and system time of all threads of the process; what raisd
  spends on its group meanwhile is not taken off. The agents and the client have one processor together, as on a box the
  processor that hears a question answers it. Left to themselves they are on one or on two as it happens, each agent for
  itself and for a part of a figure, and on two it costs several times as much: for every answer the client has to be woken
  on another processor, which a virtual machine pays dearly.
- GET asks for sysUpTime.0, of a box with one service address, and asks again when it was answered, as a manager does: the
  kernel puts the agent to sleep and wakes it for each. Sixteen open are two from each of eight managers. Ten objects are
  six of the system group, ifNumber, ipForwarding, ipDefaultTTL and snmpInPkts. Version 3 is SHA-256 and AES-128 with both;
  the client's messages are made in advance.
- 10,000 rows: snmpd can not show 10,000 addresses (reading them takes it a time that grows with their square: 29 s for
  2,000). So it walks the large table that it serves well, inetCidrRouteIfIndex with 10,000 routes, after a first walk that
  filled its cache; ours walks ipAddressIfIndex with 10,000 service addresses. Both columns are an INTEGER, indexed by
  InetAddress.
- The same table: ipAddressIfIndex, with 500 addresses for snmpd and 10,000 for ours.
- Response times are of sysUpTime.0, a thousand a second, while 5,000 addresses are added and removed as fast as `ip` can
  on another interface, and another client walks the same large tables without a pause. Both have the ordinary priority;
  agents and the client that measures go before (nice -10), because on a box nobody else is there. All use all processors.
- Memory of ours is what raisd with its agent and 10,000 service addresses has more (RssAnon) than another that was started
  at the same time with the same and no agent, after each round of walks; of snmpd it is all of the process.
- A trap: of a box state, of a box that raisctl quiesces and puts to work again by turns. When that happened is what the
  event table says, when the trap came the kernel's stamp on it.
- A dead box: three boxes as in `docs/failover.md`, of which the one that serves loses its power, by turns while nobody
  asks and while every box is asked for sysUpTime.0 2,000 times a second and four walks of everything go on at it, from
  6 s before to the end of the silence; a walk waits 1 ms between two questions, and the managers run with the lowest
  priority of the one machine that all boxes share. Each pair dies at the same point of the beat.
";

/// Options of `bench snmp`.
#[derive(clap::Args)]
pub struct Snmp {
    /// How often each figure is taken; of processor times, eight slices each time.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The raisd and raisctl in this directory, instead of building what is released: to try the benchmark itself.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    programs: Option<PathBuf>,
    /// Write every single figure to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table to docs/snmp.md.
    #[arg(long)]
    write: bool,
}

/// Runs it.
pub fn run(args: &Snmp) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "root is needed for network namespaces: run it with sudo");
    interrupt::catch()?;
    prerequisites::ensure(TOOLS)?;
    remove_stale()?;
    lab::go_first();
    let snmpd = prerequisites::find(Tool::SNMPD.program).context("no snmpd")?;
    let keys = lab::directory()?;
    let [raisd, raisctl] = super::programs(args.programs.as_deref(), keys.path())?;
    let surroundings = Surroundings::now(&snmpd)?;
    println!("\n{}\n", surroundings.in_lines());
    let start = Instant::now();
    let signing = Signing::create(keys.path())?;
    // Nobody is compared with keepalived here.
    let kit = Kit { raisd, raisctl, keepalived: PathBuf::new(), signing, rounds: args.rounds, turns: Arc::default() };
    let figures =
        measure(args.rounds, &Programs { kit, snmpd, display: Display::new(FIGURES), begun: AtomicUsize::new(0) })?;
    let calm = surroundings.since()?;
    println!("\n{}{calm}", figures.text());
    println!("{} in {}", figures.summary(), report::duration(start.elapsed()));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures.to_json(&surroundings, &calm, args.rounds))?;
        std::fs::write(path, text + "\n").with_context(|| format!("can not write {}", path.display()))?;
    }
    if args.write {
        let path = cargo::repository().join(PAGE);
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::fs::write(&path, figures.page(&surroundings, &calm, args.rounds))?;
        println!("written to {PAGE}");
    }
    Ok(())
}

fn measure(rounds: u32, programs: &Programs) -> Result<Figures> {
    let mut figures = Figures::default();
    let (lines, note) = gets(rounds, programs)?;
    figures.beside_snmpd.extend(lines);
    figures.notes.push(note);
    figures.beside_snmpd.extend(tables(rounds, programs)?);
    figures.beside_snmpd.push(notified::delay(rounds, programs)?);
    let (line, notes) = polled::failover(rounds * PAIRS, programs)?;
    figures.beside_silence.push(line);
    figures.notes.extend(notes);
    Ok(figures)
}

/// One of theirs, one of ours, so many times. `before` is called before each round.
fn by_turns(
    programs: &Programs,
    rounds: u32,
    line: &mut Line,
    mut before: impl FnMut() -> Result<()>,
    mut theirs: impl FnMut() -> Result<f64>,
    mut ours: impl FnMut() -> Result<f64>,
) -> Result<()> {
    let mut progress = programs.progress(line.what);
    for round in 1..=rounds {
        before()?;
        for _ in 0..SLICES {
            interrupt::check()?;
            line.beside.push(theirs()?);
            line.ours.push(ours()?);
        }
        progress.at(round, rounds, "");
    }
    progress.end(&line.in_short());
    Ok(())
}

/// How a client makes its questions.
type Made = dyn Fn(&Client) -> Result<Questions>;

/// GETs in both versions, of agents that have little to do besides: one after the other, and many at a time.
fn gets(rounds: u32, programs: &Programs) -> Result<(Vec<Line>, String)> {
    let namespace = agents::namespace("snmp-gets")?;
    let theirs = Agent::theirs(programs, &namespace)?;
    let ours = Agent::ours(programs, &namespace, 1, true)?;
    let (ask_theirs, ask_ours) = (theirs.client(&namespace)?, ours.client(&namespace)?);
    let _one = OnOneProcessor::with(&[&theirs, &ours])?;
    let plain = |client: &Client| Ok(client.plain_questions(&[SYS_UP_TIME]));
    let ten = |client: &Client| Ok(client.plain_questions(TEN));
    let sealed = |client: &Client| client.sealed_questions(USER, PHRASES, &[SYS_UP_TIME]);
    let kinds: [(_, _, _, &Made); 5] = [
        ("processor time of a GET", 1, Target::Ratio(0.20), &plain),
        ("processor time of a GET, v3 authPriv", 1, Target::Ratio(0.40), &sealed),
        ("processor time of a GET, sixteen open", OPEN, Target::Ratio(0.20), &plain),
        ("processor time of a GET, v3 authPriv, sixteen open", OPEN, Target::Ratio(0.40), &sealed),
        ("processor time of a GET of ten objects, sixteen open", OPEN, Target::None, &ten),
    ];
    let mut lines = Vec::new();
    for (what, open, target, questions) in kinds {
        let mut line = Line::new(what, "µs", target);
        let (of_theirs, of_ours) = (questions(&ask_theirs)?, questions(&ask_ours)?);
        by_turns(
            programs,
            rounds,
            &mut line,
            || ask_theirs.gets(&of_theirs, GETS, open).and_then(|_| ask_ours.gets(&of_ours, GETS, open)).map(drop),
            || theirs.cost(|| ask_theirs.gets(&of_theirs, GETS, open)),
            || ours.cost(|| ask_ours.gets(&of_ours, GETS, open)),
        )?;
        lines.push(line);
    }
    let kernel = |open| agents::kernel_share(&namespace, GETS * SLICES, open);
    let note = format!(
        "of a GET the kernel takes {:.1} µs, and {:.1} µs while sixteen are open: what a program takes that only sends back \
         what it hears, one by one",
        kernel(1)?,
        kernel(OPEN)?
    );
    Ok((lines, note))
}

/// What many rows cost: processor time, patience, memory.
fn tables(rounds: u32, programs: &Programs) -> Result<[Line; 4]> {
    // 2 MB, and 200 octets for each row.
    let limit = (2 << 20) as f64 / 1024.0 + 200.0 * ROWS as f64 / 1024.0;
    let mut memory = Line::new("memory of the agent with 10,000 rows", "KiB", Target::AtMost(limit));
    let [rows, without, routes, few] = ["snmp-rows", "snmp-without", "snmp-routes", "snmp-few"].map(agents::namespace);
    let (rows, without, routes, few) = (rows?, without?, routes?, few?);
    routes.ip("addr add 10.9.0.1/24 dev lan\n")?;
    routes.ip(&agents::for_each_address(ROWS, |to| format!("route add {to}/32 via 10.9.0.2 dev lan")))?;
    few.ip(&agents::for_each_address(FEW_ROWS, |address| format!("addr add {address}/32 dev lan")))?;
    let (ours, no_agent) = (Agent::ours(programs, &rows, ROWS, true)?, Agent::ours(programs, &without, ROWS, false)?);
    let (theirs, theirs_few) = (Agent::theirs(programs, &routes)?, Agent::theirs(programs, &few)?);
    pause(REST)?;

    let (ask_ours, ask_theirs, ask_few) = (ours.client(&rows)?, theirs.client(&routes)?, theirs_few.client(&few)?);
    let one = OnOneProcessor::with(&[&ours, &theirs, &theirs_few])?;
    let mut walk = Line::new("processor time of a row, 10,000 rows", "µs", Target::Ratio(0.30));
    by_turns(
        programs,
        rounds,
        &mut walk,
        || walk_of(&ask_theirs, ROUTES, ROWS).map(drop),
        || theirs.cost(|| walk_of(&ask_theirs, ROUTES, ROWS)),
        || ours.cost(|| walk_of(&ask_ours, ADDRESSES, ROWS)),
    )?;
    let mut same = Line::new("processor time of a row, the same table", "µs", Target::Ratio(0.30));
    by_turns(
        programs,
        rounds,
        &mut same,
        || walk_of(&ask_few, ADDRESSES, FEW_ROWS).map(drop),
        || theirs_few.cost(|| walk_of(&ask_few, ADDRESSES, FEW_ROWS)),
        || ours.cost(|| walk_of(&ask_ours, ADDRESSES, ROWS)),
    )?;

    // Whoever makes them wait has the other processors.
    drop(one);
    let mut latency = Line::new("sysUpTime, p99.9 under churn", "ms", Target::AtMost(5.0));
    let mut progress = programs.progress(latency.what);
    for round in 1..=rounds {
        latency.beside.push(slow_answer(&routes, &theirs, ROUTES)?);
        latency.ours.push(slow_answer(&rows, &ours, ADDRESSES)?);
        memory.beside.push(theirs.memory()?);
        memory.ours.push(ours.memory()? - no_agent.memory()?);
        progress.at(round, rounds, "");
    }
    progress.end(&latency.in_short());
    programs.progress(memory.what).end(&memory.in_short());
    Ok([walk, same, latency, memory])
}

/// Walks; an agent that does not show all rows has not done the work.
fn walk_of(client: &Client, column: &[u32], least: usize) -> Result<usize> {
    let rows = client.walk(column, REPETITIONS)?;
    ensure!(rows >= least, "{rows} rows were walked, not {least}");
    Ok(rows)
}

/// The 999th of a thousand answers to sysUpTime, in milliseconds, while addresses come and go and another client walks.
fn slow_answer(namespace: &Namespace, agent: &Agent, column: &[u32]) -> Result<f64> {
    let over = AtomicBool::new(false);
    let times = std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            lab::go_along();
            while !over.load(Ordering::Relaxed) {
                for word in ["add", "del"] {
                    let line =
                        |number| format!("addr {word} 10.200.{}.{}/32 dev churn\n", number / 250, 1 + number % 250);
                    namespace.ip(&(0..CHURN).map(line).collect::<String>())?;
                }
            }
            Ok(())
        });
        let walker = scope.spawn(|| {
            lab::go_along();
            let client = agent.client(namespace)?;
            while !over.load(Ordering::Relaxed) {
                // Its table changes under it: that it ends is the other tests' business.
                let _ = client.walk(column, REPETITIONS);
            }
            Ok(())
        });
        // A second attempt would be too late anyway.
        let client = agent.client(namespace).and_then(|client| client.patient_for(LATENCY));
        let times = client.and_then(|client| client.response_times(SYS_UP_TIME, LATENCY));
        over.store(true, Ordering::Relaxed);
        let joined = [churn.join(), walker.join()];
        ensure!(joined.iter().all(Result::is_ok), "a thread of the bench panicked");
        joined.into_iter().flatten().collect::<Result<Vec<()>>>()?;
        times
    })?;
    per_mille(times, 999).context("no answer at all")
}
