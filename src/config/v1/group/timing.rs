//! The times of a group, and what they owe to each other.

use crate::config::fault::{Checked, Collector, Placed};
use crate::config::reader::{List, Table};
use crate::config::values::{duration, duration_or, show};
use rais_core::params::{Failback, MAX_REPEATS};
use std::ops::RangeInclusive;
use std::time::Duration;

const fn millis(from: u64, to: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(from)..=Duration::from_millis(to)
}

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const BEAT: RangeInclusive<Duration> = millis(10, 60 * SECOND);
const DEAD_AFTER: RangeInclusive<Duration> = millis(20, HOUR);
const ACTION_TIMEOUT: RangeInclusive<Duration> = millis(SECOND, HOUR);
/// The kernel counts address lifetimes in whole seconds.
const LEASE: RangeInclusive<Duration> = millis(SECOND, HOUR);
const ANNOUNCE_EVERY: RangeInclusive<Duration> = millis(SECOND, HOUR);
const ANNOUNCE_AGAIN: RangeInclusive<Duration> = millis(10, HOUR);
const ORPHAN_TIMEOUT: RangeInclusive<Duration> = millis(SECOND, 30 * 24 * HOUR);
const FAILBACK: RangeInclusive<Duration> = millis(100, 24 * HOUR);
/// Falls are remembered for no longer.
const DAMPING: RangeInclusive<Duration> = millis(SECOND, 300 * SECOND);
const SCRIPT_TIMEOUT: RangeInclusive<Duration> = millis(100, 600 * SECOND);

const DEFAULT_BEAT: Duration = Duration::from_millis(100);
const DEFAULT_DEAD_BEATS: u32 = 3;
const DEFAULT_ACTION_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_LEASE: Duration = Duration::from_secs(3);
const DEFAULT_ANNOUNCE_EVERY: Duration = Duration::from_secs(60);
const DEFAULT_ANNOUNCE_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
pub(super) const DEFAULT_DAMPING: Duration = Duration::from_secs(60);
const DEFAULT_SCRIPT_TIMEOUT: Duration = Duration::from_secs(10);
/// What hangs on the beat lasts at least this many of them: one may be lost.
const LEAST_BEATS: u32 = 2;

const NEVER: &[(&str, Option<Duration>)] = &[("never", None)];
const OFF: &[(&str, Option<Duration>)] = &[("off", None)];
const FAILBACK_WORDS: &[(&str, Failback)] = &[("immediate", Failback::Immediate), ("manual", Failback::Manual)];

/// The times of `[[group]]` as the file has them.
pub(in crate::config::v1) struct TimingEntry {
    beat: Checked<Duration>,
    dead_after: Checked<Option<Placed<Duration>>>,
    action_timeout: Checked<Option<Placed<Duration>>>,
    lease: Checked<Option<Placed<Duration>>>,
    announce_every: Checked<Option<Duration>>,
    announce_again: Option<List<Duration>>,
    orphan_timeout: Checked<Option<Duration>>,
    failback: Checked<Failback>,
    damping: Checked<Option<Duration>>,
    script_timeout: Checked<Option<Placed<Duration>>>,
}

/// The times of a group, all of them there and in harmony.
pub(super) struct Timing {
    pub(super) beat: Duration,
    pub(super) dead_after: Duration,
    pub(super) action_timeout: Duration,
    pub(super) lease: Duration,
    pub(super) announce_every: Option<Duration>,
    pub(super) announce_again: Vec<Duration>,
    pub(super) orphan_timeout: Option<Duration>,
    pub(super) failback: Failback,
    pub(super) damping: Option<Duration>,
    pub(super) script_timeout: Duration,
}

impl TimingEntry {
    pub(super) fn read(table: &mut Table) -> Self {
        let every = Some(DEFAULT_ANNOUNCE_EVERY);
        Self {
            beat: table.defaulted("beat", DEFAULT_BEAT, duration(BEAT)),
            dead_after: table.optional("dead_after", duration(DEAD_AFTER)),
            action_timeout: table.optional("action_timeout", duration(ACTION_TIMEOUT)),
            lease: table.optional("lease", duration(LEASE)),
            announce_again: table.list("announce_again", MAX_REPEATS, duration(ANNOUNCE_AGAIN)).map(|(list, _)| list),
            announce_every: table.defaulted("announce_every", every, duration_or(NEVER, ANNOUNCE_EVERY, Some)),
            orphan_timeout: table.defaulted("orphan_timeout", None, duration_or(NEVER, ORPHAN_TIMEOUT, Some)),
            failback: table.defaulted(
                "failback",
                Failback::Immediate,
                duration_or(FAILBACK_WORDS, FAILBACK, Failback::After),
            ),
            damping: table.defaulted("damping", Some(DEFAULT_DAMPING), duration_or(OFF, DAMPING, Some)),
            script_timeout: table.optional("script_timeout", duration(SCRIPT_TIMEOUT)),
        }
    }

    /// The beat, for those who depend on it.
    pub(in crate::config::v1) fn beat(&self) -> Checked<Duration> {
        self.beat
    }

    pub(super) fn build(&self, faults: &Collector) -> Checked<Timing> {
        let beat = self.beat?;
        let three_beats = beat * DEFAULT_DEAD_BEATS;
        let dead_after = at_least_beats(&self.dead_after, three_beats, beat, faults);
        let action_timeout =
            at_least_beats(&self.action_timeout, DEFAULT_ACTION_TIMEOUT.max(three_beats), beat, faults);
        let lease = at_least_beats(&self.lease, DEFAULT_LEASE.max(three_beats), beat, faults);
        let script_timeout = script_timeout(&self.script_timeout, action_timeout, faults);
        Ok(Timing {
            beat,
            dead_after: dead_after?,
            action_timeout: action_timeout?,
            lease: lease?,
            announce_every: self.announce_every?,
            announce_again: match &self.announce_again {
                Some(list) => list.clone().values()?,
                None => DEFAULT_ANNOUNCE_AGAIN.to_vec(),
            },
            orphan_timeout: self.orphan_timeout?,
            failback: self.failback?,
            damping: self.damping?,
            script_timeout: script_timeout?,
        })
    }
}

fn at_least_beats(
    given: &Checked<Option<Placed<Duration>>>,
    default: Duration,
    beat: Duration,
    faults: &Collector,
) -> Checked<Duration> {
    let Some(given) = given.clone()? else { return Ok(default) };
    let least = beat * LEAST_BEATS;
    if given.value >= least {
        return Ok(given.value);
    }
    let message = format!("must be at least {LEAST_BEATS} beats ({}), is {}", show(least), show(given.value));
    Err(faults.report_whole(&given.place, message))
}

/// A script that outlives the action timeout would still run when the leader has sent the address elsewhere.
fn script_timeout(
    given: &Checked<Option<Placed<Duration>>>,
    action_timeout: Checked<Duration>,
    faults: &Collector,
) -> Checked<Duration> {
    let (given, action_timeout) = (given.clone()?, action_timeout?);
    let Some(given) = given else { return Ok(DEFAULT_SCRIPT_TIMEOUT.min(action_timeout)) };
    if given.value <= action_timeout {
        return Ok(given.value);
    }
    let (most, is) = (show(action_timeout), show(given.value));
    Err(faults.report_whole(&given.place, format!("must be at most the action_timeout ({most}), is {is}")))
}
