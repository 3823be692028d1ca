//! What happens to the box that serves, and how long the client is without an answer.
//!
//! An event falls into any phase of the beat: [`Arena::settle`] ends at a random one, and where the phase matters they are
//! spread over it ([`Arena::await_phase`]). The silence is the longest gap
//! between two answers that touches the time from the event to well after the takeover, the tail included.

use super::Kit;
use super::arena::{Arena, Client, Rest, spread_over_beat};
use super::figures::Outcome;
use super::lanes::Turn;
use super::progress::Progress;
use super::subject::{HOME, Setup, Subject};
use crate::interrupt::pause;
use anyhow::Result;
use rand::Rng;
use std::time::{Duration, Instant};

/// How long a takeover is waited for beyond the dead interval before it counts as none.
const TAKEOVER: Duration = Duration::from_secs(5);
/// How long a client watches after a partition healed: longer than keepalived's second round of announcements.
const WATCH_HEALED: Duration = Duration::from_secs(7);
/// Two holders that last longer than this last for ever.
const FOR_EVER: Duration = Duration::from_secs(10);
/// Between two looks at who holds an address: the resolution of how long two do.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The rounds of one scenario: `event` does it, and gives the instant before.
fn silences(
    kit: &Kit,
    subject: Subject,
    progress: &mut Progress,
    setup: Setup,
    rest: Rest,
    mut event: impl FnMut(&mut Arena, &Turn) -> Result<Instant>,
    mut undo: impl FnMut(&mut Arena) -> Result<()>,
) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, setup, Client::Probes)?;
    let mut silences = Vec::new();
    let mut notes = Vec::new();
    for (round, part) in (1..).zip(spread_over_beat(kit.rounds)) {
        arena.settle(rest)?;
        let turn = arena.turn();
        if rest == Rest::Acquainted {
            arena.await_phase(part)?;
        }
        let since = event(&mut arena, &turn)?;
        if !arena.wait_taken_over(setup.dead_after() + setup.beat + TAKEOVER)? {
            notes.push(format!("round {round}: nobody took over"));
        }
        let silence = arena.silence_ms(since)?;
        drop(turn);
        silences.push(silence);
        progress.at(round, kit.rounds, &format!("{silence:.0} ms"));
        undo(&mut arena)?;
    }
    Ok(Outcome { lines: vec![silences], notes, error: None })
}

/// Its power is cut.
pub fn dead_box(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let event = |arena: &mut Arena, turn: &Turn| arena.power_cut(turn, HOME);
    silences(kit, subject, progress, setup, Rest::Acquainted, event, Arena::bring_home)
}

/// It is stopped cleanly.
pub fn clean_stop(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let event = |arena: &mut Arena, turn: &Turn| arena.stop(turn, HOME);
    silences(kit, subject, progress, setup, Rest::Brief, event, Arena::bring_home)
}

/// The cable of its service NIC is pulled.
pub fn carrier_loss(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let event = |arena: &mut Arena, turn: &Turn| arena.plug(turn, HOME, false);
    silences(kit, subject, progress, setup, Rest::Brief, event, |arena| {
        let turn = arena.turn();
        arena.plug(&turn, HOME, true).map(drop)
    })
}

/// It comes back, and its address goes home: probes lost from before it was turned on to well after.
pub fn failback(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, setup, Client::Probes)?;
    let mut lost = Vec::new();
    let mut notes = Vec::new();
    for round in 1..=kit.rounds {
        arena.settle(Rest::Brief)?;
        let turn = arena.turn();
        arena.power_cut(&turn, HOME)?;
        drop(turn);
        if !arena.wait_taken_over(setup.dead_after() + TAKEOVER)? {
            notes.push(format!("round {round}: nobody took over"));
        }
        random_pause(setup.beat * 5)?;
        let turn = arena.turn();
        let since = arena.power_on(&turn, HOME)?;
        arena.wait_home()?;
        let until = Instant::now() + Duration::from_millis(500);
        // A moment longer than is counted: answers take their time.
        pause(Duration::from_millis(700))?;
        drop(turn);
        let probes = arena.prober()?.probes(arena.probed()?, since, until)?;
        lost.push(probes.lost as f64);
        progress.at(round, kit.rounds, &format!("{} of {} probes lost", probes.lost, probes.sent));
    }
    Ok(Outcome { lines: vec![lost], notes, error: None })
}

/// It is cut off with no sign of it at any NIC, served elsewhere, and back again: the silence from the healing on. Two and
/// a half times the rounds: the issue wants fifty of twenty.
pub fn healed_partition(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, setup, Client::Probes)?;
    let rounds = kit.rounds * 5 / 2;
    let mut silences = Vec::new();
    let mut notes = Vec::new();
    for round in 1..=rounds {
        arena.settle(if round == 1 { Rest::Brief } else { Rest::Done })?;
        arena.isolate(&arena.turn(), HOME, true)?;
        if !arena.wait_taken_over(setup.dead_after() + TAKEOVER)? {
            notes.push(format!("round {round}: nobody took over"));
        }
        random_pause(Duration::from_secs(1))?;
        // No longer than the event itself: it is about seconds.
        let since = arena.isolate(&arena.turn(), HOME, false)?;
        pause(WATCH_HEALED)?;
        let silence = arena.silence_ms(since)?;
        silences.push(silence);
        progress.at(round, rounds, &format!("{silence:.0} ms"));
    }
    Ok(Outcome { lines: vec![silences], notes, error: None })
}

/// Its daemon is killed and its kernel lives on: how long two kernels have the address, and how long the client is silent.
pub fn daemon_killed(kit: &Kit, subject: Subject, progress: &mut Progress, setup: Setup) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, setup, Client::Probes)?;
    let (mut both, mut silences, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=kit.rounds {
        arena.settle(Rest::Brief)?;
        let mut turn = Some(arena.turn());
        let since = arena.kill_daemon(HOME)?;
        let (mut begun, mut ended) = (None, None);
        while ended.is_none() && since.elapsed() < setup.dead_after() + FOR_EVER {
            pause(LOOK_EVERY)?;
            // Who holds on for longer than a lease does so for seconds: nobody need be quiet for that.
            turn = turn.filter(|_| since.elapsed() < setup.dead_after() + setup.lease());
            let others = (0..arena.machines().len()).filter(|index| *index != HOME);
            let elsewhere = others.map(|index| arena.held(index)).sum::<Result<usize>>()? > 0;
            let here = arena.held(HOME)? > 0;
            match (here, elsewhere) {
                (true, true) => drop(begun.get_or_insert_with(Instant::now)),
                (false, true) => ended = Some(Instant::now()),
                (true | false, false) => {}
            }
        }
        let held_by_two = match (begun, ended) {
            (Some(begun), Some(ended)) => ended.duration_since(begun).as_secs_f64() * 1e3,
            (None, Some(_)) => 0.0,
            (Some(_), None) => f64::INFINITY,
            (None, None) => {
                notes.push(format!("round {round}: nobody took over"));
                continue;
            }
        };
        both.push(held_by_two);
        silences.push(arena.silence_ms(since)?);
        progress.at(round, kit.rounds, &format!("{held_by_two:.0} ms"));
        let turn = turn.unwrap_or_else(|| arena.turn());
        arena.power_cut(&turn, HOME)?;
        drop(turn);
        arena.bring_home()?;
    }
    Ok(Outcome { lines: vec![both, silences], notes, error: None })
}

fn random_pause(most: Duration) -> Result<()> {
    pause(most.mul_f64(rand::thread_rng().gen_range(0.0..1.0)))
}
