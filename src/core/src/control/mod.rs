//! The leader's control pass (A, steps 606 to 610; G-50 to G-59): from the control table to commands.
//!
//! It plans from its own table of plans, never from what boxes report of their intentions: a choice is remembered until
//! it shows, so a leader can not chase its own orders around. It sends nothing itself and keeps no clock: the group
//! carries the decisions out, and calls again when something changed or when [`timeout`](Control::timeout) comes.

mod load_moves;
mod plan;
#[cfg(test)]
mod tests;

use crate::address::{IdAddress, ServiceAddress};
use crate::assignment::{self, Candidate, Rule};
use crate::control_table::{ControlTable, TableRow};
use crate::info_message::Claim;
use crate::mutation::{Mutation, Planted};
use crate::notification::Reason;
use crate::params::{Failback, GroupParams};
use crate::quantity::PassNumber;
use crate::time::{Duration, Instant};
use crate::view::BackoffView;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use load_moves::LoadMoves;
use plan::{Motion, Plan};

/// What a pass decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A box is to serve an address.
    Acquire { host: IdAddress, address: ServiceAddress, reason: Reason },
    /// A box is to stop serving an address.
    Release { host: IdAddress, address: ServiceAddress, reason: Reason },
    /// Nobody can serve an address, for the first time since it was last served.
    CannotAssign { address: ServiceAddress },
}

/// What the leader sees when it makes a pass.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) now: Instant,
    pub(crate) params: &'a GroupParams,
    pub(crate) table: &'a ControlTable,
    /// Every live box, this one among them, by id; the pass counts their addresses itself.
    pub(crate) candidates: Vec<Candidate>,
    /// From then on every live box's entry is known, as things stand: what nobody claims is truly unserved.
    pub(crate) complete_from: Instant,
    pub(crate) planted: Planted,
}

impl Situation<'_> {
    fn candidate(&self, id: IdAddress) -> Option<&Candidate> {
        let at = self.candidates.binary_search_by_key(&id, |candidate| candidate.id).ok()?;
        self.candidates.get(at)
    }

    fn complete(&self) -> bool {
        self.now >= self.complete_from
    }

    fn available(&self, id: IdAddress) -> bool {
        self.candidate(id).is_some_and(|candidate| candidate.available)
    }

    fn draining(&self, id: IdAddress) -> bool {
        self.candidate(id).is_some_and(|candidate| candidate.draining)
    }

    fn count(&mut self, id: IdAddress) {
        if let Ok(at) = self.candidates.binary_search_by_key(&id, |candidate| candidate.id)
            && let Some(candidate) = self.candidates.get_mut(at)
        {
            candidate.addresses = candidate.addresses.saturating_add(1);
        }
    }
}

/// The leader's memory from pass to pass. A box that stops leading forgets it (G-41).
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pass: PassNumber,
    /// No unserved address is assigned before: orders of a predecessor that lives may still be on their way.
    may_assign_from: Instant,
    plans: BTreeMap<ServiceAddress, Plan>,
    /// Boxes that an address is on its way from, in this pass.
    moving_from: BTreeSet<IdAddress>,
    load_moves: LoadMoves,
    timeout: Option<Instant>,
}

/// How long a chosen box has to show that it acquires: five beats, so that 20 % loss almost never looks like refusal.
pub(crate) fn choice_patience(params: &GroupParams) -> Duration {
    params.dead_after.max(params.beat * 5)
}

impl Control {
    /// The memory of a box that begins to lead, with its first pass number; `grace` is how long to let a living
    /// predecessor's last orders show.
    pub(crate) fn new(pass: PassNumber, now: Instant, grace: Duration) -> Self {
        Self {
            pass,
            may_assign_from: now + grace,
            plans: BTreeMap::new(),
            moving_from: BTreeSet::new(),
            load_moves: LoadMoves::new(now),
            timeout: Some(now),
        }
    }

    /// Who failed to acquire an address and is passed over now (G-55).
    pub(crate) fn backoffs(&self, address: ServiceAddress, now: Instant) -> Vec<BackoffView> {
        self.plans.get(&address).map(|plan| plan.backoffs_at(now)).unwrap_or_default()
    }

    /// Assigns nothing before.
    pub(crate) fn hold_until(&mut self, until: Instant) {
        self.may_assign_from = self.may_assign_from.max(until);
    }

    /// The number of the last pass (G-5).
    pub(crate) fn pass_number(&self) -> PassNumber {
        self.pass
    }

    /// When the next pass is due though nothing changes.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn wake(&mut self, at: Instant) {
        self.timeout = Some(self.timeout.map_or(at, |timeout| timeout.min(at)));
    }

    /// An operator wants an address moved, to a box or (`None`) wherever the leader chooses.
    pub(crate) fn move_address(&mut self, address: ServiceAddress, from: Option<IdAddress>, to: Option<IdAddress>) {
        let plan = self.plans.entry(address).or_default();
        // A box already ordered to acquire it can not be called back: it acquires, and then it is moved.
        let from = from.or(plan.choice.map(|choice| choice.host).filter(|chosen| Some(*chosen) != to));
        plan.reason = Some(Reason::Operator);
        plan.motion = Some(Motion { from, to, reason: Reason::Operator });
        plan.backoffs.retain(|backoff| Some(backoff.host) != to);
        self.timeout = Some(Instant::ZERO);
    }

    /// Goes on from an order that another leader gave: until it shows or `deadline` passes, that box is the choice.
    pub(crate) fn adopt(&mut self, address: ServiceAddress, host: IdAddress, deadline: Instant, now: Instant) {
        let plan = self.plans.entry(address).or_default();
        if plan.choice.is_none() && now < deadline {
            plan.adopt(host, deadline, now);
            self.timeout = Some(now);
        }
    }

    /// One pass over the table.
    pub(crate) fn pass(&mut self, situation: &mut Situation<'_>) -> Vec<Decision> {
        self.pass = self.pass.next();
        self.timeout = None;
        let table = situation.table;
        self.plans.retain(|address, _| table.contains_key(address));
        self.count_addresses(situation);
        self.move_load(situation);
        self.moving_from = self.plans.values().filter_map(|plan| plan.motion.and_then(|motion| motion.from)).collect();
        let mut decisions = Vec::new();
        for (address, row) in table {
            if !self.plans.contains_key(address) && at_rest(row, situation) {
                continue;
            }
            let mut plan = self.plans.remove(address).unwrap_or_default();
            self.decide(*address, row, &mut plan, situation, &mut decisions);
            if plan != Plan::default() {
                self.plans.insert(*address, plan);
            }
        }
        decisions
    }

    /// What each box serves, acquires, or has been chosen for.
    fn count_addresses(&self, situation: &mut Situation<'_>) {
        for (address, row) in situation.table {
            for (id, claim) in &row.claims {
                if *claim != Claim::Releasing {
                    situation.count(*id);
                }
            }
            if situation.planted.is(Mutation::PlanFromReports) {
                continue;
            }
            let Some(plan) = self.plans.get(address) else { continue };
            let intended = plan.choice.map(|choice| choice.host).or(plan.motion.and_then(|motion| motion.to));
            if let Some(host) = intended.filter(|host| row.claim_of(*host).is_none()) {
                situation.count(host);
            }
        }
    }

    fn decide(
        &mut self,
        address: ServiceAddress,
        row: &TableRow,
        plan: &mut Plan,
        situation: &mut Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        plan.observe(row, situation);
        let now = situation.now;
        let (mut online, mut acquiring, mut releasing) = (Vec::new(), Vec::new(), false);
        for (id, claim) in &row.claims {
            let until = plan.busy_since(*id).map(|since| since + situation.params.action_timeout);
            let stuck = until.is_some_and(|until| now >= until);
            if let (Some(until), false) = (until, stuck) {
                self.wake(until);
            }
            match claim {
                Claim::Online => online.push(*id),
                Claim::Acquiring if stuck => {
                    plan.give_up(*id, now);
                    self.release(address, plan, &[*id], Reason::Unserved, situation, decisions);
                    // Its kernel may answer for the address until it has let go of it: nobody else does meanwhile (S-1).
                    let lost = until.map(|until| until + situation.params.action_timeout);
                    if let Some(lost) = lost.filter(|lost| now < *lost) {
                        releasing = true;
                        self.wake(lost);
                    }
                }
                Claim::Acquiring => acquiring.push(*id),
                Claim::Releasing => releasing |= !stuck,
            }
        }
        let held = [online.as_slice(), acquiring.as_slice()].concat();
        if !row.valid {
            (plan.choice, plan.motion) = (None, None);
            self.release(address, plan, &held, Reason::Expired, situation, decisions);
        } else if acquiring.is_empty() && !online.is_empty() && self.goes_home(row, plan, &held, situation) {
            plan.motion = None;
            plan.reason = Some(Reason::Failback);
            self.release(address, plan, &held, Reason::Failback, situation, decisions);
            if situation.planted.is(Mutation::AcquireBeforeRelease) {
                self.assign(address, row, plan, situation, decisions);
            }
        } else if held.len() > 1 {
            self.resolve(address, row, plan, [&online, &acquiring], situation, decisions);
        } else if let Some(holder) = online.first() {
            self.served(address, row, *holder, plan, situation, decisions);
        } else if acquiring.is_empty() && !releasing {
            self.unserved(address, row, plan, situation, decisions);
        }
    }

    /// Its preferred box is available, does not serve it, and it is time to go home (G-52, G-57).
    fn goes_home(&mut self, row: &TableRow, plan: &Plan, held: &[IdAddress], situation: &Situation<'_>) -> bool {
        let Some(home) = row.preferred.and_then(|preferred| situation.candidate(preferred)) else { return false };
        if !home.available || held.contains(&home.id) {
            return false;
        }
        if plan.barred(Some(home), situation.now) {
            // Lifted by its own end, or by news of the box: then there is a pass anyway.
            self.wake(plan.barred_until(home.id).unwrap_or(situation.now + situation.params.beat));
            return false;
        }
        let unbroken = match situation.params.failback {
            Failback::Immediate if home.damped_for.is_zero() => return true,
            Failback::Immediate => home.damped_for,
            Failback::Manual => return false,
            Failback::After(unbroken) => unbroken.max(home.damped_for),
        };
        let Some(since) = home.healthy_since else { return false };
        if situation.now < since + unbroken {
            self.wake(since + unbroken);
            return false;
        }
        true
    }

    /// More than one box holds it (G-54). Who serves it already goes before who is only about to.
    fn resolve(
        &mut self,
        address: ServiceAddress,
        row: &TableRow,
        plan: &mut Plan,
        [online, acquiring]: [&Vec<IdAddress>; 2],
        situation: &Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        let contenders = if online.is_empty() { acquiring } else { online };
        let remembered = plan.keeper.filter(|keeper| contenders.contains(keeper));
        let keeper = remembered.or_else(|| {
            assignment::keeper(address, row.preferred, contenders, &situation.candidates, self.rule(situation))
        });
        plan.keeper = keeper.filter(|_| !situation.planted.is(Mutation::PlanFromReports));
        let others: Vec<_> = online.iter().chain(acquiring).copied().filter(|id| Some(*id) != keeper).collect();
        self.release(address, plan, &others, Reason::Duplicate, situation, decisions);
    }

    /// Exactly one box serves it: all is well, unless it is on its way elsewhere.
    fn served(
        &mut self,
        address: ServiceAddress,
        row: &TableRow,
        holder: IdAddress,
        plan: &mut Plan,
        situation: &mut Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        plan.at_rest(holder);
        if let Some(motion) = plan.motion {
            let over = motion.to == Some(holder)
                || motion.from != Some(holder)
                || motion.to.is_some_and(|to| !situation.available(to));
            plan.motion = (!over).then_some(motion);
        }
        // One at a time: the next leaves when the one before it is served elsewhere (G-59).
        if plan.motion.is_none() && situation.draining(holder) && !self.moving_from.contains(&holder) {
            let may = |id| id != holder && !plan.barred(situation.candidate(id), situation.now);
            let to = assignment::choose(address, row.preferred, &situation.candidates, self.rule(situation), may);
            if to.is_some() && situation.complete() {
                plan.motion = Some(Motion { from: Some(holder), to, reason: Reason::Operator });
                self.moving_from.insert(holder);
            }
        }
        if let Some(motion) = plan.motion {
            plan.reason = Some(motion.reason);
            self.release(address, plan, &[holder], motion.reason, situation, decisions);
        }
    }

    /// Nobody holds it (G-53).
    fn unserved(
        &mut self,
        address: ServiceAddress,
        row: &TableRow,
        plan: &mut Plan,
        situation: &mut Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        let since = *plan.unserved_since.get_or_insert(situation.now);
        if situation.planted.is(Mutation::ForgetPending) {
            plan.choice = None;
        }
        if let Some(choice) = plan.choice {
            let available = situation.available(choice.host);
            if available && situation.now < choice.deadline {
                return self.acquire(address, plan, situation, decisions);
            }
            let out_of_reach = situation.candidate(choice.host).and_then(|candidate| candidate.out_of_reach);
            let may_obey =
                out_of_reach.is_some_and(|heard| choice.told.may_be_unheard_at(heard, situation.params.beat));
            if may_obey && situation.now < choice.deadline {
                // It may have said that it acquires, and that was lost: nobody else does before it is heard again (S-1).
                return self.wake(choice.deadline.min(situation.now + situation.params.beat / 4));
            }
            if available {
                plan.did_not_show(choice.host, situation.now);
            }
            plan.choice = None;
        }
        if situation.now < self.may_assign_from {
            return self.wake(self.may_assign_from);
        }
        if !situation.complete() {
            return self.wake(situation.complete_from);
        }
        if self.assign(address, row, plan, situation, decisions) {
            return;
        }
        if let Some(until) = plan.next_unbarred() {
            self.wake(until.max(situation.now + situation.params.beat));
        }
        let patience = since + situation.params.dead_after;
        if plan.cannot_assign {
        } else if situation.now < patience {
            self.wake(patience);
        } else {
            plan.cannot_assign = true;
            decisions.push(Decision::CannotAssign { address });
        }
    }

    /// Chooses a box and orders it to acquire; `false`: there is none.
    fn assign(
        &mut self,
        address: ServiceAddress,
        row: &TableRow,
        plan: &mut Plan,
        situation: &mut Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) -> bool {
        let now = situation.now;
        let (rule, candidates) = (self.rule(situation), &situation.candidates);
        let wanted = plan.motion.and_then(|motion| motion.to).filter(|to| situation.available(*to));
        plan.motion = None;
        let host = wanted
            .or_else(|| {
                let may = |id| !plan.barred(situation.candidate(id), now);
                assignment::choose(address, row.preferred, candidates, rule, may)
            })
            .or_else(|| {
                let may = |id| plan.barred_at_least_until(id).is_none_or(|until| now >= until);
                assignment::choose(address, row.preferred, candidates, rule, may)
            });
        let Some(host) = host else { return false };
        plan.choose(host, now + choice_patience(situation.params));
        if !situation.planted.is(Mutation::PlanFromReports) {
            situation.count(host);
        }
        self.acquire(address, plan, situation, decisions);
        true
    }

    fn rule(&self, situation: &Situation<'_>) -> Rule {
        Rule { choice: situation.params.choice, pass: self.pass }
    }

    fn acquire(
        &mut self,
        address: ServiceAddress,
        plan: &mut Plan,
        situation: &Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        let reason = plan.reason.unwrap_or(Reason::Unserved);
        let Some(choice) = &mut plan.choice else { return };
        let (host, deadline) = (choice.host, choice.deadline);
        // Not in the last beat: the box might obey and show just after it was given up.
        let shows_in_time = choice.told.is_first() || situation.now + situation.params.beat < deadline;
        if shows_in_time && choice.told.again(situation.now, situation.params.beat) {
            decisions.push(Decision::Acquire { host, address, reason });
        }
        let next = if shows_in_time { choice.told.next(situation.params.beat) } else { deadline };
        self.wake(next.min(deadline));
    }

    fn release(
        &mut self,
        address: ServiceAddress,
        plan: &mut Plan,
        hosts: &[IdAddress],
        reason: Reason,
        situation: &Situation<'_>,
        decisions: &mut Vec<Decision>,
    ) {
        for host in hosts {
            let told = plan.release_of(*host);
            if told.again(situation.now, situation.params.beat) {
                decisions.push(Decision::Release { host: *host, address, reason });
            }
            let next = told.next(situation.params.beat);
            self.wake(next);
        }
    }
}

/// Nothing to decide and nothing to remember: one box serves it, and that is where it should be.
fn at_rest(row: &TableRow, situation: &Situation<'_>) -> bool {
    match row.claims.as_slice() {
        [(holder, Claim::Online)] => {
            let home = row.preferred == Some(*holder);
            let may_go_home = !home && row.preferred.is_some_and(|preferred| situation.available(preferred));
            row.valid && !may_go_home && !situation.draining(*holder)
        }
        _ => false,
    }
}
