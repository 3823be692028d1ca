//! What this box makes of one service address: the states of G-30 and G-31, and the ways between them.
//!
//! ```text
//!            acquire                 finished Ok
//! Released ──────────▶ Acquiring ──────────────────▶ Online
//!     ▲ ▲                 │  │                         │
//!     │ └─ finished Err ──┘  └── release ─┐   release  │
//!     └── finished, Ok or Err ────── Releasing ◀───────┘
//! ```
//! Actions on one address are run by the edge in the order they were asked for, so an acquire that is overtaken by a
//! release ends first and its result no longer matters.

use crate::info_message::Claim;
use crate::quantity::Ticket;
use crate::time::Instant;

/// The state of one service address on this box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// Not ours.
    #[default]
    Released,
    /// The acquire action runs.
    Acquiring {
        /// Its ticket.
        ticket: Ticket,
        /// When it was asked for.
        since: Instant,
    },
    /// Served.
    Online {
        /// Since when.
        since: Instant,
    },
    /// The release action runs.
    Releasing {
        /// Its ticket.
        ticket: Ticket,
        /// When it was asked for.
        since: Instant,
    },
}

/// What the end of an action means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The address is served now.
    Acquired,
    /// It is not, the acquire failed.
    AcquireFailed,
    /// It is given up; the release may have failed, the address is gone all the same (G-31).
    Released,
    /// An action that no longer matters.
    Stale,
}

impl Holding {
    /// What the others are told.
    #[must_use]
    pub const fn claim(&self) -> Option<Claim> {
        match self {
            Self::Released => None,
            Self::Acquiring { .. } => Some(Claim::Acquiring),
            Self::Online { .. } => Some(Claim::Online),
            Self::Releasing { .. } => Some(Claim::Releasing),
        }
    }

    /// Starts an acquire; `false` and no change if the address is not [`Released`](Self::Released) (G-20).
    #[must_use]
    pub fn acquire(&mut self, ticket: Ticket, now: Instant) -> bool {
        let can = *self == Self::Released;
        if can {
            *self = Self::Acquiring { ticket, since: now };
        }
        can
    }

    /// Starts a release; `false` and no change if there is nothing to release (G-21).
    #[must_use]
    pub fn release(&mut self, ticket: Ticket, now: Instant) -> bool {
        let can = matches!(self, Self::Acquiring { .. } | Self::Online { .. });
        if can {
            *self = Self::Releasing { ticket, since: now };
        }
        can
    }

    /// Takes in the end of an action.
    pub fn finished(&mut self, ended: Ticket, ok: bool, now: Instant) -> Ended {
        match *self {
            Self::Acquiring { ticket, .. } if ticket == ended && ok => {
                *self = Self::Online { since: now };
                Ended::Acquired
            }
            Self::Acquiring { ticket, .. } if ticket == ended => {
                *self = Self::Released;
                Ended::AcquireFailed
            }
            Self::Releasing { ticket, .. } if ticket == ended => {
                *self = Self::Released;
                Ended::Released
            }
            Self::Released | Self::Acquiring { .. } | Self::Online { .. } | Self::Releasing { .. } => Ended::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::ZERO;
    const OLD: Ticket = Ticket(1);
    const NEW: Ticket = Ticket(2);

    #[test]
    fn every_state_answers_every_event() {
        let released = Holding::Released;
        let acquiring = Holding::Acquiring { ticket: OLD, since: T0 };
        let online = Holding::Online { since: T0 };
        let releasing = Holding::Releasing { ticket: OLD, since: T0 };
        // state, after acquire(NEW), after release(NEW), after OLD ended well, after OLD ended badly
        let table = [
            (
                released,
                Some(Holding::Acquiring { ticket: NEW, since: T0 }),
                None,
                (released, Ended::Stale),
                (released, Ended::Stale),
            ),
            (
                acquiring,
                None,
                Some(Holding::Releasing { ticket: NEW, since: T0 }),
                (online, Ended::Acquired),
                (released, Ended::AcquireFailed),
            ),
            (
                online,
                None,
                Some(Holding::Releasing { ticket: NEW, since: T0 }),
                (online, Ended::Stale),
                (online, Ended::Stale),
            ),
            (releasing, None, None, (released, Ended::Released), (released, Ended::Released)),
        ];
        for (state, acquired, release, well, badly) in table {
            let mut holding = state;
            assert_eq!(holding.acquire(NEW, T0), acquired.is_some());
            assert_eq!(holding, acquired.unwrap_or(state));
            let mut holding = state;
            assert_eq!(holding.release(NEW, T0), release.is_some());
            assert_eq!(holding, release.unwrap_or(state));
            for (ok, (after, ended)) in [(true, well), (false, badly)] {
                let mut holding = state;
                assert_eq!(holding.finished(OLD, ok, T0), ended);
                assert_eq!(holding, after);
            }
        }
    }

    #[test]
    fn an_acquire_overtaken_by_a_release_changes_nothing_when_it_ends() {
        let mut holding = Holding::Acquiring { ticket: OLD, since: T0 };
        assert!(holding.release(NEW, T0));
        assert_eq!(holding.finished(OLD, true, T0), Ended::Stale);
        assert_eq!(holding.claim(), Some(Claim::Releasing));
        assert_eq!(holding.finished(NEW, true, T0), Ended::Released);
    }
}
