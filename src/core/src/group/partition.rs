//! Whether this box's part of the group may serve when the group has fallen apart (G-42).
//!
//! Each box judges for itself, by what it hears: the boxes that count for a majority, or the witnesses that answer it.
//! A box that may not serve is not ok: it releases what it serves, is given nothing, and does not command. So a part
//! with a majority takes over a dead interval after it lost the other boxes, and these have begun to release by then.
//!
//! The boxes that count are a list and not a number: with a number, a box more than that would let two parts each have
//! what the other takes for the majority. A box that is not in the list serves where the majority is, and does not count.

use super::Group;
use crate::address::IdAddress;
use crate::io::Action;
use crate::monitor::test_object::TestObject;
use crate::mutation::Mutation;
use crate::notification::{Notification, PartitionState};
use crate::outbox::Outbox;
use crate::params::{Partition, TestParams};
use crate::time::Instant;
use crate::view::{PartitionView, WitnessView};
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::net::IpAddr;

/// A witness has fallen silent after three probes without an answer, and is back after two with one.
const FALL: u32 = 3;
const RISE: u32 = 2;

/// What this box goes by.
#[derive(Debug)]
pub(super) struct Side {
    state: PartitionState,
    witnesses: BTreeMap<IpAddr, TestObject>,
}

fn schedule(partition: &Partition) -> Option<TestParams> {
    match partition {
        Partition::Witness { interval, .. } => {
            Some(TestParams { interval: *interval, timeout: *interval, rise: RISE, fall: FALL })
        }
        Partition::Serve | Partition::Majority { .. } => None,
    }
}

impl Side {
    /// A box that has heard nobody and probed nothing yet: it may serve only where nothing is asked of it.
    pub(super) fn new(partition: &Partition, now: Instant) -> Self {
        let state = match partition {
            Partition::Serve => PartitionState::Serving,
            Partition::Majority { .. } => PartitionState::Minority,
            Partition::Witness { .. } => PartitionState::NoWitness,
        };
        let mut side = Self { state, witnesses: BTreeMap::new() };
        side.configure(partition, now);
        side
    }

    /// Takes another policy; what is known of a witness that stays is kept.
    pub(super) fn configure(&mut self, partition: &Partition, now: Instant) {
        let (Partition::Witness { witnesses, .. }, Some(params)) = (partition, schedule(partition)) else {
            return self.witnesses.clear();
        };
        self.witnesses.retain(|address, _| witnesses.contains(address));
        for address in witnesses {
            match self.witnesses.get_mut(address) {
                Some(object) => object.configure(params.clone(), now),
                None => drop(self.witnesses.insert(*address, TestObject::unproven(params.clone(), now))),
            }
        }
    }

    /// What this box's part of the group may do.
    pub(super) fn state(&self) -> PartitionState {
        self.state
    }

    /// When the next probe is due, or overdue.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.witnesses.values().map(TestObject::timeout).min()
    }
}

/// More than half.
fn majority(present: usize, voters: usize) -> bool {
    present * 2 > voters
}

impl Group {
    /// Probes witnesses that are due, and finds out whether this box may serve.
    pub(super) fn take_sides(&mut self, now: Instant, out: &mut Outbox) {
        self.probe_witnesses(now, out);
        let state = match &self.params.partition {
            Partition::Serve => PartitionState::Serving,
            Partition::Majority { .. } if self.identity.planted.is(Mutation::MinorityServes) => PartitionState::Serving,
            Partition::Majority { voters } if majority(self.present(), voters.len()) => PartitionState::Serving,
            Partition::Majority { .. } => PartitionState::Minority,
            Partition::Witness { .. } if self.side.witnesses.values().any(TestObject::passing) => {
                PartitionState::Serving
            }
            Partition::Witness { .. } => PartitionState::NoWitness,
        };
        if state == self.side.state {
            return;
        }
        self.side.state = state;
        out.changed();
        out.push(Action::Notify(Notification::PartitionChange { group: self.name.clone(), state }));
        let may_serve = state == PartitionState::Serving;
        if may_serve == self.fitness.may_serve {
            return;
        }
        self.become_fit(now, out, |fitness| fitness.may_serve = may_serve);
        self.control = None;
        if may_serve && self.leader == Some(self.params.id) {
            self.take_over(None, now);
        }
        self.touch_table();
    }

    /// How many of the boxes that count are in this part, this one among them if it counts.
    fn present(&self) -> usize {
        let Partition::Majority { voters } = &self.params.partition else { return 0 };
        let here = |id: &&IdAddress| **id == self.params.id || self.hosts.host(**id).is_some_and(|host| host.live());
        voters.iter().filter(here).count()
    }

    fn probe_witnesses(&mut self, now: Instant, out: &mut Outbox) {
        let Some(TestParams { timeout, .. }) = schedule(&self.params.partition) else { return };
        for (witness, object) in &mut self.side.witnesses {
            if now < object.timeout() {
                continue;
            }
            if object.tick(now).0 {
                let (group, witness) = (self.name.clone(), *witness);
                out.push(Action::Witness { group, witness, timeout });
            }
        }
    }

    /// Takes in the end of a probe.
    pub(crate) fn witnessed(&mut self, witness: IpAddr, result: Result<(), String>, now: Instant, out: &mut Outbox) {
        if let Some(object) = self.side.witnesses.get_mut(&witness) {
            object.tested(result, now);
            out.changed();
            self.touch();
        }
    }

    /// The policy's part of the view.
    pub(super) fn partition_view(&self) -> PartitionView {
        match &self.params.partition {
            Partition::Serve => PartitionView::Serve,
            Partition::Majority { voters } => PartitionView::Majority {
                voters: voters.iter().copied().collect(),
                present: u32::try_from(self.present()).unwrap_or(u32::MAX),
            },
            Partition::Witness { .. } => {
                let view = |(address, object): (&IpAddr, &TestObject)| {
                    let (reached, last_change, last_error) = object.outcome();
                    WitnessView { address: *address, reached, last_change, last_error }
                };
                PartitionView::Witness { witnesses: self.side.witnesses.iter().map(view).collect() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_more_than_half_so_that_no_two_parts_have_one() {
        for voters in 1..=64 {
            for present in 0..=voters {
                assert!(!(majority(present, voters) && majority(voters - present, voters)), "{present} of {voters}");
            }
            assert!(majority(voters, voters));
            assert!(!majority(voters / 2, voters), "half of {voters}");
        }
    }
}
