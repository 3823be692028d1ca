//! Does it matter to a failover that managers ask? A box dies again and again, by turns while nobody asks and while all
//! boxes are asked all the time.
//!
//! How long a box is dead before anybody can know depends on when in its beat it dies; so each pair dies at the same point
//! of the beat, and the pairs are spread over it.

use super::super::arena::{Arena, Client as Probing, Rest};
use super::super::subject::{HOME, Setup, Subject};
use super::agents::{OURS, Programs};
use super::client::Client;
use super::figures::{Line, Target, median};
use crate::interrupt;
use crate::lab::{self, COMMUNITY};
use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two messages of a box.
const BEAT_MS: u64 = 100;
/// GETs of a second, at each box.
const GETS_PER_SECOND: u32 = 2000;
/// Walks at a time, at each box.
const WALKS: usize = 4;
/// Between two questions of a walk: a manager is not on the box itself.
const ROUND_TRIP: Duration = Duration::from_millis(1);
/// A dead box is not waited for.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long a takeover is waited for before it counts as none.
const TAKEOVER: Duration = Duration::from_secs(6);

/// Measures it; gives what was seen besides, too.
pub fn failover(pairs: u32, programs: &Programs) -> Result<(Line, Vec<String>)> {
    let mut line = Line::new("dead box, 100 ms beat", "ms", Target::Ratio(1.05));
    let mut progress = programs.progress("dead box, by turns polled and not");
    let setup = Setup::new(BEAT_MS, 1).with_agent();
    let mut arena = Arena::start(&programs.kit, Subject::Ours, setup, Probing::Probes)?;
    let (mut rates, mut notes) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let part = (f64::from(pair) + 0.5) / f64::from(pairs);
        // Who goes first goes by turns as well.
        for polled in [pair % 2 == 1, pair % 2 == 0] {
            interrupt::check()?;
            arena.wait_home()?;
            let pollers = if polled { Some(Pollers::start(&arena)?) } else { None };
            arena.settle(Rest::Acquainted)?;
            let turn = arena.turn();
            arena.await_phase(part)?;
            let since = arena.power_cut(&turn, HOME)?;
            if !arena.wait_taken_over(TAKEOVER)? {
                notes.push(format!("pair {}: nobody took over", pair + 1));
            }
            let silence = arena.silence_ms(since)?;
            if let Some(pollers) = pollers {
                rates.push(pollers.stop()?);
            }
            if polled { &mut line.ours } else { &mut line.beside }.push(silence);
            arena.power_on(&turn, HOME)?;
        }
        progress.at(pair + 1, pairs, &line.in_short());
    }
    progress.end(&line.in_short());
    let rate = |which: fn(&Rates) -> f64| median(rates.iter().map(which).collect()).unwrap_or(0.0);
    notes.push(format!(
        "all three boxes together answered {:.0} GETs and {:.0} steps of walks a second while they were polled",
        rate(|rates| rates.gets),
        rate(|rates| rates.steps)
    ));
    Ok((line, notes))
}

/// Managers that ask all boxes.
struct Pollers {
    over: Arc<AtomicBool>,
    begun: Instant,
    gets: Vec<JoinHandle<u64>>,
    walks: Vec<JoinHandle<u64>>,
}

/// What was answered, each second.
struct Rates {
    gets: f64,
    steps: f64,
}

impl Pollers {
    fn start(arena: &Arena) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (mut gets, mut walks) = (Vec::new(), Vec::new());
        for machine in arena.machines() {
            let agent = SocketAddr::from((machine.plan().lan_v4(), OURS));
            let client = || arena.network().client.inside(|| Client::remote(agent, COMMUNITY)?.patient_for(PATIENCE));
            let (asking, ended) = (client()?, Arc::clone(&over));
            gets.push(std::thread::spawn(move || get_on(&asking, &ended)));
            for _ in 0..WALKS {
                let (asking, ended) = (client()?, Arc::clone(&over));
                walks.push(std::thread::spawn(move || walk_on(&asking, &ended)));
            }
        }
        Ok(Self { over, begun: Instant::now(), gets, walks })
    }

    fn stop(self) -> Result<Rates> {
        self.over.store(true, Ordering::Relaxed);
        let seconds = self.begun.elapsed().as_secs_f64();
        let sum = |threads: Vec<JoinHandle<u64>>| {
            let counts: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
            ensure!(counts.iter().all(Result::is_ok), "a thread of the bench panicked");
            Ok(counts.into_iter().flatten().sum::<u64>() as f64 / seconds)
        };
        Ok(Rates { gets: sum(self.gets)?, steps: sum(self.walks)? })
    }
}

/// GETs at their rate until it is over; gives how many were answered.
fn get_on(client: &Client, over: &AtomicBool) -> u64 {
    lab::go_last();
    let (every, mut due, mut answered) = (Duration::from_secs(1) / GETS_PER_SECOND, Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        answered += u64::from(client.get(super::SYS_UP_TIME));
        // What a dead box did not answer is not made up for.
        due = (due + every).max(Instant::now().checked_sub(PATIENCE).unwrap_or(due));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    answered
}

/// Walks of everything, one after the other, until it is over; gives how many steps were answered.
fn walk_on(client: &Client, over: &AtomicBool) -> u64 {
    lab::go_last();
    const EVERYTHING: &[u32] = &[1, 3];
    let (mut name, mut answered) = (EVERYTHING.to_vec(), 0);
    while !over.load(Ordering::Relaxed) {
        let names = client.step(&name, super::REPETITIONS).unwrap_or_default();
        answered += u64::from(!names.is_empty());
        // Beyond the end, and when a box was off, from the beginning.
        name = names.into_iter().next_back().filter(|last| last.starts_with(EVERYTHING)).unwrap_or(EVERYTHING.to_vec());
        std::thread::sleep(ROUND_TRIP);
    }
    answered
}
