//! A box that comes and goes (G-64). Each of its falls costs clients a move away, each return a move home: so one that
//! fell again and again has to be well for a while before its addresses go home, each time for twice as long as before.
//! Until then they stay where they are served well; nothing else about the box is different.
//!
//! Everybody counts the falls of every box, so that a change of leader forgets none. It does not know why a box fell.

use crate::time::{Duration, Instant};

/// So many falls cost nothing: a reboot or two, a cable that is put in anew.
const FREE: u32 = 3;
/// Without another fall for so long all are forgotten.
const REMEMBERED: Duration = Duration::from_secs(300);
/// What the first fall too many costs.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// More doublings than it takes to reach any limit.
const MOST_DOUBLINGS: u32 = 16;

/// How often a box fell lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flaps {
    falls: u32,
    last: Option<Instant>,
}

impl Flaps {
    /// It was well and is not any more.
    pub(crate) fn fell(&mut self, now: Instant) {
        (self.falls, self.last) = (self.remembered(now).saturating_add(1), Some(now));
    }

    fn remembered(&self, now: Instant) -> u32 {
        self.last.filter(|last| now.since(*last) < REMEMBERED).map_or(0, |_| self.falls)
    }

    /// For how long it has to have been well before its addresses go home to it, at most `longest`.
    pub(crate) fn wait(&self, longest: Duration, now: Instant) -> Duration {
        match self.remembered(now).saturating_sub(FREE) {
            0 => Duration::ZERO,
            too_many => FIRST_WAIT.saturating_mul(1 << (too_many - 1).min(MOST_DOUBLINGS)).min(longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::secs;

    #[test]
    fn each_fall_too_many_doubles_the_wait_and_a_long_peace_forgets_all() {
        let longest = Duration::from_secs(60);
        let mut flaps = Flaps::default();
        for (fall, wait) in [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            let now = secs(20 * (fall as u64 + 1));
            flaps.fell(now);
            assert_eq!(flaps.wait(longest, now).as_secs(), wait, "fall {}", fall + 1);
        }
        assert_eq!(flaps.wait(longest, secs(220 + 299)), longest);
        assert_eq!(flaps.wait(longest, secs(220 + 300)), Duration::ZERO);
        flaps.fell(secs(220 + 300));
        assert_eq!(flaps, Flaps { falls: 1, last: Some(secs(520)) });
    }
}
