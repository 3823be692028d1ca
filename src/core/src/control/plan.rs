//! What the leader remembers of one address that is not at rest: whom it chose, whom it told what, and who failed.

use super::Situation;
use crate::address::IdAddress;
use crate::assignment::Candidate;
use crate::control_table::TableRow;
use crate::info_message::Claim;
use crate::notification::Reason;
use crate::time::{Duration, Instant};
use crate::view::BackoffView;
use alloc::vec::Vec;

/// A box that failed to acquire an address is not offered it again for this long …
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// … doubling with each failure up to this (G-55).
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// An order that shows no effect is repeated after a quarter of a beat, but no sooner than this …
const SHORTEST_RETRY: Duration = Duration::from_millis(5);

/// When an order was given. It is repeated until it shows: soon at first, because a box may learn a moment after us
/// that we lead; then with each beat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    last: Option<Instant>,
    times: u32,
}

impl Told {
    /// May it be given (again) now? Records it if so.
    pub(super) fn again(&mut self, now: Instant, beat: Duration) -> bool {
        let due = now >= self.next(beat);
        if due {
            self.last = Some(now);
            self.times = self.times.saturating_add(1);
        }
        due
    }

    /// It was never given.
    pub(super) fn is_first(&self) -> bool {
        self.last.is_none()
    }

    /// It was given, and what the box said last, heard at that time, may have been said before it was there.
    pub(super) fn may_be_unheard_at(&self, heard: Instant, beat: Duration) -> bool {
        self.last.is_some_and(|last| heard < last + beat / 8)
    }

    /// When it is due.
    pub(super) fn next(&self, beat: Duration) -> Instant {
        let Some(last) = self.last else { return Instant::ZERO };
        let quarter = beat / 4;
        let wait = quarter.saturating_mul(1 << self.times.saturating_sub(1).min(2));
        last + wait.max(SHORTEST_RETRY)
    }
}

/// The box chosen to serve an address, until it shows (G-55).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) host: IdAddress,
    /// If it has not shown by then it counts as failed.
    pub(super) deadline: Instant,
    pub(super) told: Told,
}

/// A planned move: release, then acquire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Motion {
    pub(super) from: Option<IdAddress>,
    /// `None`: wherever the rule says.
    pub(super) to: Option<IdAddress>,
    pub(super) reason: Reason,
}

/// A box seen acquiring or releasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Busy {
    host: IdAddress,
    claim: Claim,
    since: Instant,
    /// It took longer than the action timeout, and that was counted as a failure.
    given_up: bool,
}

/// A box that failed to acquire the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    pub(super) host: IdAddress,
    failed: Instant,
    /// `None`: it did not show at all. The order or its effect may have been lost on the way, so the bar is lifted as
    /// soon as the box is known to have heard us since.
    wait: Option<Duration>,
}

/// One address's plan; the default means there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) choice: Option<Chosen>,
    pub(super) motion: Option<Motion>,
    /// Who keeps it of several that hold it.
    pub(super) keeper: Option<IdAddress>,
    pub(super) backoffs: Vec<Backoff>,
    /// Why it is on the move.
    pub(super) reason: Option<Reason>,
    pub(super) unserved_since: Option<Instant>,
    /// The operator was told that nobody can serve it.
    pub(super) cannot_assign: bool,
    released: Vec<(IdAddress, Told)>,
    busy: Vec<Busy>,
}

impl Plan {
    /// Takes in the table's row: who is busy since when, and who has tried to acquire and failed.
    pub(super) fn observe(&mut self, row: &TableRow, situation: &Situation<'_>) {
        let now = situation.now;
        let failures: Vec<_> = self
            .busy
            .iter()
            .filter(|busy| busy.claim == Claim::Acquiring && row.claim_of(busy.host).is_none())
            .map(|busy| busy.host)
            .filter(|host| situation.available(*host) && !self.released.iter().any(|(told, _)| told == host))
            .collect();
        for host in failures {
            self.failed(host, now);
        }
        self.busy.retain(|busy| row.claim_of(busy.host) == Some(busy.claim));
        self.released.retain(|(host, _)| row.claim_of(*host).is_some());
        for (host, claim) in &row.claims {
            if *claim != Claim::Online && self.busy_since(*host).is_none() {
                self.busy.push(Busy { host: *host, claim: *claim, since: now, given_up: false });
            }
            if self.choice.is_some_and(|choice| choice.host == *host) && *claim != Claim::Releasing {
                self.choice = None;
            }
        }
        if row.online().next().is_some() {
            (self.unserved_since, self.cannot_assign) = (None, false);
        }
        if row.claims.len() < 2 {
            self.keeper = None;
        }
    }

    /// Since when a box is acquiring or releasing the address.
    pub(super) fn busy_since(&self, host: IdAddress) -> Option<Instant> {
        self.busy.iter().find(|busy| busy.host == host).map(|busy| busy.since)
    }

    /// Forgets what led to where the address is now.
    pub(super) fn at_rest(&mut self, holder: IdAddress) {
        self.choice = None;
        self.reason = None;
        self.backoffs.retain(|backoff| backoff.host != holder);
    }

    /// Remembers a choice.
    pub(super) fn choose(&mut self, host: IdAddress, deadline: Instant) {
        self.choice = Some(Chosen { host, deadline, told: Told::default() });
    }

    /// Remembers a choice that another leader told the box of.
    pub(super) fn adopt(&mut self, host: IdAddress, deadline: Instant, now: Instant) {
        self.choice = Some(Chosen { host, deadline, told: Told { last: Some(now), times: 1 } });
    }

    /// What a box was told about giving the address up.
    pub(super) fn release_of(&mut self, host: IdAddress) -> &mut Told {
        let at = self.released.iter().position(|(told, _)| *told == host).unwrap_or_else(|| {
            self.released.push((host, Told::default()));
            self.released.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or made in the line before")]
        &mut self.released[at].1
    }

    /// A box failed to acquire the address: it is not offered it again for a while.
    pub(super) fn failed(&mut self, host: IdAddress, now: Instant) {
        match self.backoffs.iter_mut().find(|backoff| backoff.host == host) {
            Some(backoff) => {
                let wait = backoff.wait.map_or(FIRST_BACKOFF, |wait| (wait * 2).min(LONGEST_BACKOFF));
                (backoff.failed, backoff.wait) = (now, Some(wait));
            }
            None => self.backoffs.push(Backoff { host, failed: now, wait: Some(FIRST_BACKOFF) }),
        }
    }

    /// A chosen box did not show. The first time that may be the network's fault; then it is the box's.
    pub(super) fn did_not_show(&mut self, host: IdAddress, now: Instant) {
        if self.backoff(host).is_some() {
            self.failed(host, now);
        } else {
            self.backoffs.push(Backoff { host, failed: now, wait: None });
        }
    }

    /// Others go before this box: it failed, and its back-off is not over.
    pub(super) fn barred(&self, candidate: Option<&Candidate>, now: Instant) -> bool {
        let Some(candidate) = candidate else { return false };
        let Some(backoff) = self.backoff(candidate.id) else { return false };
        match backoff.wait {
            Some(wait) => now < backoff.failed + wait,
            None => candidate.heard_us.is_none_or(|heard| heard <= backoff.failed),
        }
    }

    /// When the bar on a box ends of itself.
    pub(super) fn barred_until(&self, host: IdAddress) -> Option<Instant> {
        self.backoff(host).and_then(|backoff| Some(backoff.failed + backoff.wait?))
    }

    /// Who failed and is passed over now, by id, and until when. Not who did not show: its order may have been lost.
    pub(super) fn backoffs_at(&self, now: Instant) -> Vec<BackoffView> {
        let all = self.backoffs.iter().filter_map(|backoff| {
            let (host, until) = (backoff.host, backoff.failed + backoff.wait?);
            Some(BackoffView { host, until })
        });
        let mut backoffs: Vec<_> = all.filter(|backoff| now < backoff.until).collect();
        backoffs.sort_unstable_by_key(|backoff| backoff.host);
        backoffs
    }

    /// A box has been acquiring for too long: that is a failure, once.
    pub(super) fn give_up(&mut self, host: IdAddress, now: Instant) {
        let busy = self.busy.iter_mut().find(|busy| busy.host == host && !busy.given_up);
        if let Some(busy) = busy {
            busy.given_up = true;
            self.failed(host, now);
        }
    }

    fn backoff(&self, host: IdAddress) -> Option<&Backoff> {
        self.backoffs.iter().find(|backoff| backoff.host == host)
    }

    /// Until when this box is not tried even if nobody else is left.
    pub(super) fn barred_at_least_until(&self, host: IdAddress) -> Option<Instant> {
        self.backoff(host).map(|backoff| backoff.failed + FIRST_BACKOFF)
    }

    /// When the next box that failed may be tried again for want of another.
    pub(super) fn next_unbarred(&self) -> Option<Instant> {
        self.backoffs.iter().map(|backoff| backoff.failed + FIRST_BACKOFF).min()
    }
}
