//! What this box does with service addresses: acquire, release, announce, renew (A, figures 5A to 5C; G-30 to G-33).

use super::Group;
use super::repair::Repair;
use crate::address::ServiceAddress;
use crate::holding::{Ended, Holding};
use crate::info_message::Claim;
use crate::io::Action;
use crate::mutation::Mutation;
use crate::notification::{Notification, Reason};
use crate::outbox::Outbox;
use crate::quantity::Ticket;
use crate::time::Instant;
use crate::view::AddressError;
use alloc::string::String;
use alloc::vec::Vec;

/// An address that this box has something to do with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(super) holding: Holding,
    /// Why it is being acquired or released.
    reason: Reason,
}

impl Held {
    /// It is in this state.
    pub(super) fn serves(&self, claim: Claim) -> bool {
        self.holding.claim() == Some(claim)
    }
}

impl Group {
    /// Starts to acquire an address that is not held.
    pub(super) fn acquire(&mut self, address: ServiceAddress, reason: Reason, now: Instant, out: &mut Outbox) {
        let held = self.holdings.entry(address).or_insert(Held { holding: Holding::Released, reason });
        let ticket = out.ticket();
        if held.holding.acquire(ticket, now) {
            held.reason = reason;
            out.push(Action::Acquire { ticket, group: self.name.clone(), address });
            self.holding_changed(out);
        }
    }

    /// Starts to release an address that is held.
    pub(super) fn release(&mut self, address: ServiceAddress, reason: Reason, now: Instant, out: &mut Outbox) {
        let Some(held) = self.holdings.get_mut(&address) else { return };
        let ticket = out.ticket();
        if held.holding.release(ticket, now) {
            held.reason = reason;
            self.repairs.remove(&address);
            out.push(Action::Release { ticket, group: self.name.clone(), address, reason });
            self.holding_changed(out);
        }
    }

    /// Starts to release everything (G-11).
    pub(super) fn release_all(&mut self, reason: Reason, now: Instant, out: &mut Outbox) {
        let all: Vec<_> = self.holdings.keys().copied().collect();
        for address in all {
            self.release(address, reason, now, out);
        }
    }

    fn holding_changed(&mut self, out: &mut Outbox) {
        self.touch_table();
        out.changed();
    }

    /// Takes in the end of an action.
    pub(crate) fn finished(
        &mut self,
        address: ServiceAddress,
        ticket: Ticket,
        result: Result<(), String>,
        now: Instant,
        out: &mut Outbox,
    ) {
        if self.restored(address, ticket, &result, now, out) {
            return;
        }
        let Some(held) = self.holdings.get_mut(&address) else { return };
        let (ended, reason) = (held.holding.finished(ticket, result.is_ok(), now), held.reason);
        if held.holding == Holding::Released {
            self.holdings.remove(&address);
            self.repairs.remove(&address);
        }
        let group = self.name.clone();
        let error = result.err();
        if let Some(error) = error.clone().filter(|_| ended != Ended::Stale) {
            self.tracks.entry(address).or_default().last_error = Some(AddressError::Failed(error));
        }
        match (ended, error) {
            (Ended::Stale, _) => return,
            (Ended::Acquired, _) => {
                self.counters.acquires = self.counters.acquires.saturating_add(1);
                self.announcer.announce(address, now);
                out.push(Action::Notify(Notification::Acquire { group, address, reason }));
            }
            (Ended::AcquireFailed, error) => {
                self.counters.acquire_failures = self.counters.acquire_failures.saturating_add(1);
                let error = error.unwrap_or_default();
                out.push(Action::Notify(Notification::AcquireFailed { group, address, error }));
            }
            (Ended::Released, error) => {
                self.forget_suspect(address);
                if let Some(error) = error {
                    self.counters.release_failures = self.counters.release_failures.saturating_add(1);
                    let group = group.clone();
                    out.push(Action::Notify(Notification::ReleaseFailed { group, address, error }));
                }
                self.counters.releases = self.counters.releases.saturating_add(1);
                out.push(Action::Notify(Notification::Release { group, address, reason }));
            }
        }
        self.holding_changed(out);
    }

    /// Another box's claims changed from `before` to `after` (both ascending): where it meets an address that this box
    /// serves, clients may have learnt the other as its server. They are told again, and so is the group (G-60, G-68).
    pub(super) fn claims_changed(
        &mut self,
        before: &[(ServiceAddress, Claim)],
        after: &[(ServiceAddress, Claim)],
        now: Instant,
    ) {
        let missing_in =
            |claims: &[(ServiceAddress, Claim)], claim: &(ServiceAddress, Claim)| claims.binary_search(claim).is_err();
        let changed = before
            .iter()
            .filter(|claim| missing_in(after, claim))
            .chain(after.iter().filter(|claim| missing_in(before, claim)));
        for (address, _) in changed.filter(|_| !self.identity.planted.is(Mutation::StaySilent)) {
            if self.holdings.get(address).is_some_and(|held| held.holding.claim() == Some(Claim::Online)) {
                self.announcer.announce(*address, now);
                self.schedule.urgent = true;
            }
        }
    }

    /// Announces everything served, now and twice more.
    pub(super) fn announce_everything(&mut self, now: Instant) {
        for (address, held) in &self.holdings {
            if held.holding.claim() == Some(Claim::Online) && !self.identity.planted.is(Mutation::StaySilent) {
                self.announcer.announce(*address, now);
            }
        }
    }

    /// Announces what is due (G-10), and renews the leases (G-33).
    pub(super) fn announce_and_renew(&mut self, now: Instant, out: &mut Outbox) {
        let served = |held: &Held| held.holding.claim() == Some(Claim::Online);
        if self.announcer.timeout().is_some_and(|timeout| now >= timeout) {
            let (asked, all) = self.announcer.due(now);
            let due = self.holdings.iter().filter(|(address, held)| served(held) && (all || asked.contains(address)));
            let addresses: Vec<_> = due.map(|(address, _)| *address).collect();
            if !addresses.is_empty() {
                self.announced.extend(&addresses);
                out.push(Action::Announce { group: self.name.clone(), addresses });
            }
        }
        if now < self.next_renewal {
            return;
        }
        self.next_renewal = now + self.params.lease / 3;
        // An address that is still being acquired is configured already while its script runs. A renewal would put one
        // back that somebody removed, too soon and uncounted.
        let kept = |held: &Held| !matches!(held.holding, Holding::Releasing { .. } | Holding::Released);
        let gone = |address| self.repairs.get(address).is_some_and(Repair::is_needed);
        let kept = self.holdings.iter().filter(|(address, held)| kept(held) && !gone(address));
        let addresses: Vec<_> = kept.map(|(address, _)| *address).collect();
        if !addresses.is_empty() {
            out.push(Action::Renew { group: self.name.clone(), addresses });
        }
    }
}
