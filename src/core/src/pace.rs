//! How soon something is put right again that somebody else keeps undoing: at once the first time, then after pauses that
//! grow, so that two managers of one machine do not fight at full speed.

use crate::time::{Duration, Instant};

/// Between the first and the second time; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No longer than this: what is put right is needed, whoever else is to blame.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What was left alone for so long is put right at once again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The pace of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    times: u32,
    last: Option<Instant>,
}

impl Pace {
    /// When something undone `now` may be put right.
    #[must_use]
    pub fn earliest(&self, now: Instant) -> Instant {
        let Some(last) = self.last.filter(|_| !self.is_forgiven(now)) else { return now };
        let doublings = self.times.saturating_sub(1).min(8);
        now.max(last + (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE))
    }

    /// It is put right now.
    pub fn step(&mut self, now: Instant) {
        let before = if self.is_forgiven(now) { 0 } else { self.times };
        (self.times, self.last) = (before.saturating_add(1), Some(now));
    }

    /// How often it was put right without having been left alone between.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times
    }

    fn is_forgiven(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.since(last) >= FORGIVEN_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::ms;

    #[test]
    fn the_pauses_grow_to_a_second_and_a_minute_of_peace_ends_them() {
        let (mut pace, mut now) = (Pace::default(), ms(0));
        for (times, wait) in [(1, 0), (2, 100), (3, 200), (4, 400), (5, 800), (6, 1000), (7, 1000)] {
            let due = pace.earliest(now);
            assert_eq!(due.since(now), Duration::from_millis(wait), "before the {times}th time");
            now = due;
            pace.step(now);
            assert_eq!(pace.times(), times);
        }
        let later = now + FORGIVEN_AFTER;
        assert_eq!(pace.earliest(now + Duration::from_secs(5)), now + Duration::from_secs(5), "the pause is over");
        assert_eq!(pace.earliest(later), later);
        pace.step(later);
        assert_eq!(pace.times(), 1);
    }
}
