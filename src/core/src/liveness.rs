//! How well another box is heard, and so how long it may be silent: the measured part of failure detection (G-4).
//!
//! Counting beats alone must wait for several of them, because a beat may be late or lost. Here a box that has been
//! silent for a little more than a beat is *suspected* and asked, again and again, and everybody hears the questions.
//! It is dead when so many questions stayed without an answer that, at the loss and the lateness measured on it, an
//! answer to none of them is practically impossible in a living box. What can not be measured is not used: then the
//! plain dead interval holds, which is the upper bound in any case.
//!
//! It knows no message and no clock. All is integers, so that every box and every replay computes the same.

use crate::time::{Duration, Instant};

/// One, in the fractions used here.
const ONE: u32 = 1 << 16;
/// A new sample's weight in the loss is one in so many.
const LOSS_GAIN: u32 = 64;
/// The peaks of lateness and round trip forget one part in so many with each sample.
const PEAK_DECAY: u32 = 128;
/// So many messages in a row of one life must have been counted before the figures are trusted.
const TRUSTED_AFTER: u32 = 48;
/// Loss is taken to be at least this in each direction: it may begin at any time, and no address may move for up to a
/// fifth of all messages (S-5).
const LEAST_LOSS: u32 = ONE / 5;
/// Of so many suspicions of a living box at most one may end in its death: 1e9, as a power of two.
const FALSE_DEATHS: u32 = 30;
/// More questions than this are never asked: the dead interval is over before.
const MOST_ASKS: u32 = 64;
/// Between two questions of one box: a fortieth of a beat, but at least this.
const SHORTEST_ASK_INTERVAL: Duration = Duration::from_micros(400);

/// No box is found dead before it was silent for this long, whatever was measured. So a box that slept for less knows
/// that nobody has buried it (G-33).
pub(crate) fn shortest_death(beat: Duration, dead_after: Duration) -> Duration {
    (beat * 3 / 2).min(dead_after)
}

/// Between two questions to a silent box, of which so many others ask as well.
pub(crate) fn ask_interval(beat: Duration, askers: usize) -> Duration {
    let askers = u32::try_from(askers).unwrap_or(u32::MAX);
    (beat / 40).max(SHORTEST_ASK_INTERVAL) * (1 + askers / 8)
}

/// How long a box may be silent, as things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// It is asked whether it is still there.
    pub(crate) suspected: Duration,
    /// So many questions must stay without an answer …
    pub(crate) asks: u32,
    /// … for this long after the last of them …
    pub(crate) answer: Duration,
    /// … and it must have been silent for this long. `None`: only the dead interval counts.
    pub(crate) dead: Option<Duration>,
}

/// What was measured on the way from another box, and on the way there and back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Liveness {
    samples: u32,
    last: Option<Instant>,
    /// Share of its messages that did not arrive, and of ours that it says did not.
    loss: u32,
    loss_there: u32,
    /// The longest that it was late lately.
    lateness: Duration,
    /// The longest way there and back lately, and the usual one.
    round_trip_peak: Duration,
    round_trip: Option<Duration>,
}

impl Liveness {
    /// A message arrived, later than all before it; `missed` of those before it did not.
    pub(crate) fn arrived(&mut self, missed: u64, beat: Duration, now: Instant) {
        for _ in 0..missed.min(u64::from(LOSS_GAIN)) {
            self.loss += (ONE - self.loss) / LOSS_GAIN;
        }
        self.loss -= self.loss / LOSS_GAIN;
        if missed == 0
            && let Some(last) = self.last
        {
            // It speaks with each beat at the latest: what came after a longer wait came late.
            self.lateness = peak(self.lateness, now.since(last).saturating_sub(beat));
            self.samples = self.samples.saturating_add(1);
        }
        self.last = Some(now);
    }

    /// A message that was counted as missed arrived after all.
    pub(crate) fn overtaken(&mut self) {
        self.loss = self.loss.saturating_sub(ONE / LOSS_GAIN);
    }

    /// Our message needed so long there and back.
    pub(crate) fn returned(&mut self, round_trip: Duration) {
        self.round_trip_peak = peak(self.round_trip_peak, round_trip);
        let usual = self.round_trip.map_or(round_trip, |usual| (usual * 7 + round_trip) / 8);
        self.round_trip = Some(usual);
    }

    /// The box says that so many per mille of our messages do not reach it.
    pub(crate) fn told_of_loss(&mut self, per_mille: u16) {
        self.loss_there = u32::from(per_mille.min(1000)) * ONE / 1000;
    }

    /// This box did not listen: what arrives next was not late.
    pub(crate) fn skip(&mut self) {
        self.last = None;
    }

    /// Share of its messages that do not arrive, in per mille; `None`: too few were counted.
    pub(crate) fn loss_per_mille(&self) -> Option<u16> {
        let per_mille = u16::try_from(self.loss * 1000 / ONE).unwrap_or(1000);
        (self.samples >= TRUSTED_AFTER).then_some(per_mille)
    }

    /// The longest that it was late lately.
    pub(crate) fn lateness(&self) -> Duration {
        self.lateness
    }

    /// The usual way there and back.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// How long it may be silent.
    pub(crate) fn patience(&self, beat: Duration, dead_after: Duration, interval: Duration) -> Patience {
        let late = self.lateness.saturating_mul(2);
        let suspected = beat + late.clamp(beat / 8, beat / 2);
        let answer = self.round_trip_peak.saturating_mul(2) + interval;
        let plain = Patience { suspected, asks: MOST_ASKS, answer, dead: None };
        if self.samples < TRUSTED_AFTER || self.round_trip.is_none() {
            return plain;
        }
        let Some(asks) = asks_needed(self.loss, self.loss_there) else { return plain };
        let asked = suspected + interval.saturating_mul(asks);
        let dead = asked.max(beat + late).max(shortest_death(beat, dead_after)).saturating_add(answer);
        Patience { suspected, asks, answer, dead: Some(dead).filter(|dead| *dead < dead_after) }
    }
}

/// The larger of a sample and the remembered peak, which fades.
fn peak(peak: Duration, sample: Duration) -> Duration {
    (peak - peak / PEAK_DECAY).max(sample)
}

/// How many questions a living box leaves without an answer with a probability of less than one in 1e9, if each way
/// loses this share of the messages; `None`: too many.
fn asks_needed(here: u32, there: u32) -> Option<u32> {
    // Half as much again as was measured: a mean says little of the next moment.
    let worse = |loss: u32| u64::from((loss + loss / 2).clamp(LEAST_LOSS, ONE));
    let one = u64::from(ONE);
    let unanswered = one - (one - worse(here)) * (one - worse(there)) / one;
    // As a fraction of 2^46, so that what rounding loses is nothing.
    let (mut all_lost, mut asks) = (1_u64 << 46, 0);
    while all_lost >= 1 << (46 - FALSE_DEATHS) && asks <= MOST_ASKS {
        all_lost = all_lost * unanswered / one;
        asks += 1;
    }
    (asks <= MOST_ASKS).then_some(asks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::ms;

    const BEAT: Duration = Duration::from_millis(100);
    const DEAD_AFTER: Duration = Duration::from_millis(300);

    /// So many beats of which each `lost`-th is lost and each `late`-th is late by half a beat.
    fn heard(beats: u64, lost: u64, late: u64) -> Liveness {
        let (mut liveness, mut missed) = (Liveness::default(), 0);
        for beat in 1..=beats {
            if lost > 0 && beat % lost == 0 {
                missed += 1;
                continue;
            }
            let by = if late > 0 && beat % late == 0 { 50 } else { 0 };
            liveness.arrived(core::mem::take(&mut missed), BEAT, ms(beat * 100 + by));
        }
        liveness.returned(Duration::from_micros(300));
        liveness
    }

    fn dead(liveness: &Liveness) -> Option<u128> {
        let patience = liveness.patience(BEAT, DEAD_AFTER, ask_interval(BEAT, 1));
        patience.dead.map(|dead| dead.as_millis())
    }

    #[test]
    fn what_was_not_measured_is_not_used() {
        assert_eq!(dead(&Liveness::default()), None);
        assert_eq!(dead(&heard(40, 0, 0)), None, "too few messages");
        let never_back = Liveness { round_trip: None, ..heard(100, 0, 0) };
        assert_eq!(dead(&never_back), None, "it may not hear us");
        assert!(dead(&heard(100, 0, 0)).is_some());
    }

    #[test]
    fn the_more_is_lost_or_late_the_longer_a_box_may_be_silent_and_never_longer_than_the_dead_interval() {
        let patience =
            [heard(1000, 0, 0), heard(1000, 4, 0), heard(1000, 3, 0)].map(|liveness| dead(&liveness).unwrap());
        assert!(patience[0] < 185 && patience[0] < patience[1] && patience[1] < patience[2], "{patience:?}");
        assert_eq!(dead(&heard(1000, 2, 0)), None, "half is lost");
        assert!(dead(&heard(1000, 0, 40)).unwrap() > 200, "it is late by half a beat now and then");
        let mut far = heard(1000, 0, 0);
        far.returned(Duration::from_millis(80));
        assert_eq!(dead(&far), None, "an answer may take longer than there is time");
    }

    #[test]
    fn a_living_box_leaves_all_questions_without_an_answer_less_than_once_in_a_thousand_million_times() {
        for (loss, worst) in [(0.0, 0.2), (0.1, 0.2), (0.2, 0.3), (0.3, 0.45)] {
            let asks = asks_needed((loss * f64::from(ONE)) as u32, (loss * f64::from(ONE)) as u32).unwrap();
            let unanswered: f64 = 1.0 - (1.0 - worst) * (1.0 - worst);
            assert!(unanswered.powi(asks as i32) < 1e-9, "{loss}: {asks} questions");
        }
        assert_eq!(asks_needed(ONE * 7 / 10, 0), None);
    }

    #[test]
    fn a_message_that_was_only_overtaken_does_not_count_as_lost() {
        let mut liveness = heard(200, 0, 0);
        liveness.arrived(3, BEAT, ms(30_000));
        let lost = liveness.loss_per_mille().unwrap();
        (0..3).for_each(|_| liveness.overtaken());
        assert!(lost > 40 && liveness.loss_per_mille().unwrap() < 5, "{lost}");
    }
}
