//! A thousand addresses at once: how soon the last is back, how far the first and the last are apart, and whether any
//! stays dark.

use super::Kit;
use super::arena::{Arena, Client, Rest, spread_over_beat};
use super::figures::Outcome;
use super::progress::Progress;
use super::subject::{HOME, Setup, Subject, boxes};
use crate::interrupt::{pause, wait_for};
use crate::lab::Crowd;
use anyhow::Result;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const ADDRESSES: u16 = 1000;
/// Between two probes of one address: 50,000 of them a second for all, which leaves the boxes most of a small machine. It
/// is the resolution of "all back".
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// Between two probes of one address where it only matters whether it answers at all.
const SWEEP_EVERY: Duration = Duration::from_millis(200);
/// What does not answer for so long at the end is dark.
const DARK: Duration = Duration::from_secs(1);
/// After this long every address should answer again.
const BACK: Duration = Duration::from_secs(2);
/// How long a failback may take to end somehow.
const FAILBACK: Duration = Duration::from_secs(10);

/// The power of the box with all addresses is cut; by turns the client probes all of them, and just listens.
pub fn dead_box(kit: &Kit, subject: Subject, progress: &mut Progress) -> Result<Outcome> {
    let setup = Setup::new(100, ADDRESSES);
    let mut arena = Arena::start(kit, subject, setup, Client::Silent)?;
    let crowd = Crowd::start(&arena.network().client, &boxes(), arena.addresses())?;
    let mut lines = vec![Vec::new(); 4];
    let mut notes = Vec::new();
    let parts = spread_over_beat(kit.rounds);
    for round in 1..=kit.rounds * 2 {
        let probed = round % 2 == 1;
        let part = parts.get((round as usize - 1) / 2).copied().unwrap_or_default();
        arena.wait_home()?;
        learn(&crowd, arena.addresses())?;
        crowd.set_pace(if probed { PROBE_EVERY } else { Duration::ZERO });
        arena.settle(Rest::Acquainted)?;
        let turn = arena.turn();
        arena.await_phase(part)?;
        let since = arena.power_cut(&turn, HOME)?;
        pause(setup.dead_after() + setup.beat + BACK - DARK)?;
        let dark = dark(&crowd, arena.addresses())?;
        drop(turn);
        let back = match probed {
            true => crowd.first_answers(arena.addresses(), HOME, since)?,
            false => crowd.first_announcements(arena.addresses(), HOME, since)?,
        };
        let after = |at: Option<&Instant>| at.map_or(f64::INFINITY, |at| ms(at.duration_since(since)));
        let (mut first, mut last) = (after(back.iter().min()), after(back.iter().max()));
        if back.len() < arena.addresses().len() {
            notes.push(format!("round {round}: {} addresses were seen to move", back.len()));
            (first, last) = (first.min(f64::MAX), f64::INFINITY);
        }
        if probed {
            lines[0].push(last);
            lines[1].push(last - first);
        } else {
            lines[2].push(last - first);
        }
        lines[3].push(dark as f64);
        progress.at(round, kit.rounds * 2, &format!("{last:.0} ms, spread {:.1} ms", last - first));
        crowd.set_pace(Duration::ZERO);
        arena.bring_home()?;
    }
    Ok(Outcome { lines, notes, error: None })
}

/// The box of all addresses comes back at a beat of 10 ms, and they go home: how many are dark in the end. Half the
/// rounds: the issue wants ten of twenty. What stays dark is cleared away by a fresh start.
pub fn failback(kit: &Kit, subject: Subject, progress: &mut Progress) -> Result<Outcome> {
    let setup = Setup::new(10, ADDRESSES);
    let rounds = kit.rounds.div_ceil(2);
    let (mut darks, mut notes) = (Vec::new(), Vec::new());
    let mut standing: Option<(Crowd, Arena)> = None;
    for round in 1..=rounds {
        let (crowd, mut arena) = match standing.take() {
            Some(standing) => standing,
            None => {
                let arena = Arena::start(kit, subject, setup, Client::Silent)?;
                (Crowd::start(&arena.network().client, &boxes(), arena.addresses())?, arena)
            }
        };
        arena.settle(Rest::Brief)?;
        learn(&crowd, arena.addresses())?;
        let turn = arena.turn();
        arena.power_cut(&turn, HOME)?;
        pause(BACK)?;
        arena.power_on(&turn, HOME)?;
        pause(FAILBACK - DARK)?;
        let dark_now = dark(&crowd, arena.addresses())?;
        drop(turn);
        darks.push(dark_now as f64);
        progress.at(round, rounds, &format!("{dark_now} dark"));
        if dark_now == 0 && arena.held(HOME)? == arena.addresses().len() {
            standing = Some((crowd, arena));
            continue;
        }
        crowd.forget();
        let unheld = dark(&crowd, arena.addresses())?;
        let held = arena.machines().iter().enumerate().map(|(index, _)| arena.held(index));
        let held = held.map(|held| held.map(|held| held.to_string())).collect::<Result<Vec<_>>>()?.join(", ");
        notes.push(format!(
            "round {round}: {dark_now} dark, {unheld} of them even when asked for anew; held box by box: {held}"
        ));
    }
    Ok(Outcome { lines: vec![darks], notes, error: None })
}

/// The crowd learns where every address is.
fn learn(crowd: &Crowd, addresses: &[IpAddr]) -> Result<()> {
    crowd.forget();
    crowd.set_pace(SWEEP_EVERY);
    wait_for("every address answers", Duration::from_secs(10), || {
        Ok((crowd.answering(addresses, DARK)? == addresses.len()).then_some(()))
    })?;
    crowd.set_pace(Duration::ZERO);
    Ok(())
}

/// How many addresses do not answer for as long as [`DARK`], each asked several times, where the client believes them to
/// be.
fn dark(crowd: &Crowd, addresses: &[IpAddr]) -> Result<usize> {
    crowd.set_pace(SWEEP_EVERY);
    pause(DARK)?;
    let answering = crowd.answering(addresses, DARK)?;
    crowd.set_pace(Duration::ZERO);
    Ok(addresses.len() - answering)
}

fn ms(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
