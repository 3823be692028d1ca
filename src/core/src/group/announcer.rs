//! When served addresses are announced on the service network: after an acquire or a conflict, and now and then.
//!
//! Announcements can be lost, and a switch or a client may learn a loser's last one after the keeper's first: so each is
//! made at once and again, twice by default (G-60). One queue for all addresses, not a timer each (G-69).

use crate::address::ServiceAddress;
use crate::params::GroupParams;
use crate::time::{Duration, Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Announcements to come.
#[derive(Debug)]
pub(crate) struct Announcer {
    queue: BTreeMap<Instant, BTreeSet<ServiceAddress>>,
    every: Option<Duration>,
    /// How long after an announcement it is repeated.
    again: Vec<Duration>,
    next_round: Option<Instant>,
}

impl Announcer {
    /// Announces everything served each `announce_every`, besides what is asked for.
    pub(crate) fn new(params: &GroupParams, now: Instant) -> Self {
        let (every, again) = (params.announce_every, params.announce_again.clone());
        Self { queue: BTreeMap::new(), every, again, next_round: every.map(|every| now + every) }
    }

    /// Announces an address now and again.
    pub(crate) fn announce(&mut self, address: ServiceAddress, now: Instant) {
        for wait in self.again.iter().copied().chain([Duration::ZERO]) {
            self.queue.entry(now + wait).or_default().insert(address);
        }
    }

    /// Drops what was asked for.
    pub(crate) fn forget(&mut self) {
        self.queue.clear();
    }

    /// When something is due.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.queue.keys().next().copied().into_iter().chain(self.next_round).min()
    }

    /// What is due: the addresses asked for, and whether everything is.
    pub(crate) fn due(&mut self, now: Instant) -> (BTreeSet<ServiceAddress>, bool) {
        let mut addresses = BTreeSet::new();
        while let Some(first) = self.queue.first_entry().filter(|first| *first.key() <= now) {
            addresses.append(&mut first.remove());
        }
        let round = self.next_round.is_some_and(|next| now >= next);
        if round {
            self.next_round = self.every.map(|every| now + every);
        }
        (addresses, round)
    }
}
