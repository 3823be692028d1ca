//! What the client sees when nothing happens to any box: on a quiet network, which is the noise floor of every figure, and
//! on one that loses packets of the protocol.

use super::Kit;
use super::arena::{Arena, Client, Rest};
use super::figures::Outcome;
use super::progress::Progress;
use super::subject::{HOME, Setup, Subject};
use crate::interrupt::pause;
use anyhow::Result;
use std::time::{Duration, Instant};

/// One sample of the noise floor.
const WINDOW: Duration = Duration::from_secs(1);
/// How long packets are lost in one go.
const LOSSY: Duration = Duration::from_secs(60);
/// Minutes of loss per 20 rounds.
const ROUNDS_A_MINUTE: u32 = 20;
/// An answer may take so long before its probe counts as lost.
const ANSWER: Duration = Duration::from_millis(100);

/// The longest silence in each second with no event, and the probes lost.
pub fn quiet(kit: &Kit, subject: Subject, progress: &mut Progress) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, Setup::new(100, 1), Client::Probes)?;
    arena.settle(Rest::Brief)?;
    let (mut silences, mut lost) = (Vec::new(), Vec::new());
    for round in 1..=kit.rounds {
        let since = Instant::now();
        pause(WINDOW)?;
        silences.push(arena.silence_ms(since)?);
        let until = Instant::now();
        pause(ANSWER)?;
        lost.push(per_cent(arena.prober()?.probes(arena.probed()?, since, until)?));
        progress.at(round, kit.rounds, "");
    }
    Ok(Outcome { lines: vec![silences, lost], notes: Vec::new(), error: None })
}

/// A share of the protocol's packets is lost at every box and on every network: probes lost, and takeovers though nobody
/// died.
pub fn lossy(kit: &Kit, subject: Subject, progress: &mut Progress, loss_per_cent: u8) -> Result<Outcome> {
    let mut arena = Arena::start(kit, subject, Setup::new(10, 1), Client::Probes)?;
    let rounds = kit.rounds.div_ceil(ROUNDS_A_MINUTE);
    let (mut lost, mut takeovers, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        arena.settle(Rest::Acquainted)?;
        arena.lose(loss_per_cent)?;
        let since = Instant::now();
        for second in 1..=LOSSY.as_secs() {
            pause(Duration::from_secs(1))?;
            progress.at(round, rounds, &format!("{second} s"));
        }
        let until = Instant::now();
        let dropped = arena.lose_nothing()?;
        pause(ANSWER)?;
        let address = arena.probed()?;
        lost.push(per_cent(arena.prober()?.probes(address, since, until)?));
        takeovers.push(arena.prober()?.takeovers(address, HOME, since)? as f64);
        notes.push(format!("{dropped} packets of the protocol were lost"));
    }
    Ok(Outcome { lines: vec![lost, takeovers], notes, error: None })
}

fn per_cent(probes: crate::lab::Probes) -> f64 {
    100.0 * probes.lost as f64 / probes.sent.max(1) as f64
}
