//! Which sequence numbers of a box's present life were already received (G-1).
//!
//! The sliding bitmap of RFC 6479: a ring of words, so that advancing clears words instead of shifting bits. It never
//! looks at a clock: a replay is recognised however late it comes, and a late but new message is still welcome.

use crate::quantity::Sequence;

const WORD_BITS: u64 = u64::BITS as u64;
/// A leader may send an order per address in one go, and a second control network may lag behind the first by as
/// much: 1024 numbers are remembered at 128 octets a box.
const WORDS: u64 = 16;
const WINDOW: u64 = (WORDS - 1) * WORD_BITS;

/// What a sequence number is to the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Higher than all before; so many between did not arrive, or not yet.
    Newest { missed: u64 },
    /// New, but overtaken by a later one.
    Overtaken,
    /// Received before.
    Duplicate,
    /// Too old to tell.
    TooOld,
}

/// The numbers received, as far back as matters.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    highest: u64,
    seen: [u64; WORDS as usize],
}

impl ReplayWindow {
    /// A window for a box of which others already heard `highest`: what lies far behind is a replay (G-4).
    pub(crate) fn starting_at(highest: Sequence) -> Self {
        Self { highest: highest.0, seen: [0; WORDS as usize] }
    }

    /// Everything up to this number is a replay from now on, received or not: its sender has been silent for so long
    /// that nothing of it can still be on its way.
    pub(crate) fn close(&mut self, up_to: Sequence) {
        let up_to = up_to.0;
        let oldest = up_to.max(self.highest).saturating_sub(WINDOW - 1);
        for number in oldest..=up_to {
            self.take(Sequence(number));
        }
    }

    /// Takes in a number and says what it is.
    pub(crate) fn take(&mut self, sequence: Sequence) -> Arrival {
        let number = sequence.0;
        if self.highest.saturating_sub(number) >= WINDOW {
            return Arrival::TooOld;
        }
        let word = number / WORD_BITS;
        let newest = number > self.highest;
        let missed = number.saturating_sub(self.highest).saturating_sub(1);
        if newest {
            let steps = (word - self.highest / WORD_BITS).min(WORDS);
            for step in 0..steps {
                if let Some(old) = self.seen.get_mut(((word - step) % WORDS) as usize) {
                    *old = 0;
                }
            }
            self.highest = number;
        }
        let bit = 1 << (number % WORD_BITS);
        let Some(bits) = self.seen.get_mut((word % WORDS) as usize) else { return Arrival::TooOld };
        if *bits & bit != 0 {
            return Arrival::Duplicate;
        }
        *bits |= bit;
        if newest { Arrival::Newest { missed } } else { Arrival::Overtaken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn what_is_closed_is_a_replay_and_what_follows_is_welcome() {
        for (highest, up_to) in [(0, 5), (3, 5), (5, 3), (5, 5), (10, 5000), (5000, 10), (2000, 1900)] {
            let mut window = ReplayWindow::starting_at(Sequence(highest));
            window.close(Sequence(up_to));
            for number in 0..=up_to {
                let arrival = window.clone().take(Sequence(number));
                assert!(matches!(arrival, Arrival::Duplicate | Arrival::TooOld), "{highest} {up_to} {number}");
            }
            assert!(matches!(window.take(Sequence(highest.max(up_to) + 1)), Arrival::Newest { .. }));
        }
    }

    #[test]
    fn each_number_is_taken_once_in_any_order() {
        let mut window = ReplayWindow::default();
        for (number, arrival) in [
            (1, Arrival::Newest { missed: 0 }),
            (1, Arrival::Duplicate),
            (3, Arrival::Newest { missed: 1 }),
            (2, Arrival::Overtaken),
            (2, Arrival::Duplicate),
            (1000, Arrival::Newest { missed: 996 }),
            (41, Arrival::Overtaken),
            (40, Arrival::TooOld),
            (3, Arrival::TooOld),
            (1_000_000, Arrival::Newest { missed: 998_999 }),
            (1000, Arrival::TooOld),
            (u64::MAX, Arrival::Newest { missed: u64::MAX - 1_000_001 }),
            (u64::MAX, Arrival::Duplicate),
        ] {
            assert_eq!(window.take(Sequence(number)), arrival, "{number}");
        }
    }

    #[test]
    fn a_window_agrees_with_a_set_of_all_numbers_ever_received() {
        let (mut window, mut all, mut highest, mut state) = (ReplayWindow::default(), BTreeSet::new(), 0_u64, 1_u64);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (highest + (state >> 33) % 200).saturating_sub((state >> 20) % 900).max(1);
            let expected = if number + WINDOW <= highest {
                Arrival::TooOld
            } else if !all.insert(number) {
                Arrival::Duplicate
            } else if number > highest {
                Arrival::Newest { missed: number - highest - 1 }
            } else {
                Arrival::Overtaken
            };
            highest = highest.max(number);
            assert_eq!(window.take(Sequence(number)), expected, "{number} after {highest}");
        }
    }
}
