//! When a box that is too full hands an address on (G-58): one at a time, and slowly.
//!
//! A box must have been above the high water mark for the whole of `hold`; then one address that is not its own goes to
//! the least utilised box below the low water mark, and for another `hold` nothing else is moved in the group. A new
//! leader begins to count anew. What the address would bring with it is estimated by its share of the box's load: a move
//! that would only fill the next box is not made, or an address that carries much load would wander for ever (S-4).

use super::Situation;
use crate::address::{IdAddress, ServiceAddress};
use crate::assignment::Candidate;
use crate::info_message::Claim;
use crate::mutation::Mutation;
use crate::quantity::Utilisation;
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;

/// What the leader remembers for load moves.
#[derive(Clone, Debug)]
pub(super) struct LoadMoves {
    /// Boxes above the high water mark, and since when without a break.
    full_since: BTreeMap<IdAddress, Instant>,
    /// When an address was last moved, or the leader began to lead.
    last: Instant,
    /// Where addresses were moved from, and when: they do not go back at once.
    moved: BTreeMap<ServiceAddress, (IdAddress, Instant)>,
}

/// An address, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoadMove {
    pub(super) address: ServiceAddress,
    pub(super) from: IdAddress,
    pub(super) to: IdAddress,
}

fn utilisation(candidate: &Candidate) -> Utilisation {
    Utilisation::of(candidate.load, candidate.capacity)
}

impl LoadMoves {
    /// A leader that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { full_since: BTreeMap::new(), last: now, moved: BTreeMap::new() }
    }

    /// The move to make now, if one is due; and when to look again, if something is under way.
    pub(super) fn next(&mut self, situation: &Situation<'_>, busy: bool) -> (Option<LoadMove>, Option<Instant>) {
        let Some(mut hold) = situation.params.load_moves else {
            self.full_since.clear();
            return (None, None);
        };
        if situation.planted.is(Mutation::MoveLoadAtOnce) {
            hold = Duration::ZERO;
        }
        let now = situation.now;
        self.moved.retain(|_, (_, at)| now < *at + hold);
        let full = |candidate: &&Candidate| utilisation(candidate) > situation.params.high_water_mark;
        let before = core::mem::take(&mut self.full_since);
        let since = |id| before.get(&id).copied().unwrap_or(now);
        self.full_since = situation.candidates.iter().filter(full).map(|c| (c.id, since(c.id))).collect();
        let Some(earliest) = self.full_since.values().min() else { return (None, None) };
        let due = (*earliest + hold).max(self.last + hold);
        if now < due {
            return (None, Some(due));
        }
        let found = if situation.complete() && !busy { self.choose(situation, hold) } else { None };
        if found.is_some() {
            self.last = now;
        }
        // A box that is full and can not be helped now: something has to change first, and then there is a pass.
        let later = self.full_since.values().map(|since| *since + hold).filter(|at| now < *at).min();
        (found, if found.is_some() { Some(now + hold) } else { later })
    }

    /// The fullest box that has been full for long enough goes first.
    fn choose(&mut self, situation: &Situation<'_>, hold: Duration) -> Option<LoadMove> {
        let long = |id: IdAddress| self.full_since.get(&id).is_some_and(|since| situation.now >= *since + hold);
        let mut full: alloc::vec::Vec<_> =
            situation.candidates.iter().filter(|candidate| long(candidate.id) && !candidate.draining).collect();
        full.sort_by_key(|candidate| (core::cmp::Reverse(utilisation(candidate)), candidate.id));
        let found = full.into_iter().find_map(|from| self.off(from, situation))?;
        self.moved.insert(found.address, (found.from, situation.now));
        Some(found)
    }

    fn off(&self, from: &Candidate, situation: &Situation<'_>) -> Option<LoadMove> {
        let share = from.load / from.addresses.max(1);
        let room = |to: &&Candidate| {
            let after = Utilisation::of(to.load.saturating_add(share), to.capacity);
            let fits = after <= situation.params.high_water_mark || situation.planted.is(Mutation::MoveLoadAtOnce);
            to.available && to.id != from.id && utilisation(to) < situation.params.low_water_mark && fits
        };
        // Its own addresses stay: they would only come home again.
        let movable = situation.table.iter().filter(|(_, row)| {
            row.valid
                && row.preferred != Some(from.id)
                && matches!(row.claims.as_slice(), [(holder, Claim::Online)] if *holder == from.id)
        });
        movable
            .filter_map(|(address, _)| {
                let back = |to: &&Candidate| self.moved.get(address).is_none_or(|(origin, _)| *origin != to.id);
                let to = situation.candidates.iter().filter(room).filter(back);
                let to = to.min_by_key(|to| (utilisation(to), to.addresses, to.id))?;
                Some(LoadMove { address: *address, from: from.id, to: to.id })
            })
            .next()
    }
}

impl super::Control {
    /// Plans a load move if one is due and nothing else moves.
    pub(super) fn move_load(&mut self, situation: &Situation<'_>) {
        // What moves is looked at again when it has arrived.
        let busy = self.plans.values().any(|plan| plan.motion.is_some() || plan.choice.is_some());
        let (found, again) = self.load_moves.next(situation, busy);
        if let Some(LoadMove { address, from, to }) = found {
            let plan = self.plans.entry(address).or_default();
            plan.motion =
                Some(super::Motion { from: Some(from), to: Some(to), reason: crate::notification::Reason::Load });
        }
        if let Some(again) = again {
            self.wake(again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_table::{ControlTable, TableRow};
    use crate::mutation::Planted;
    use crate::params::GroupParams;
    use crate::test_support::{address, group_params, id, secs};
    use alloc::vec::Vec;

    const HOLD: Duration = Duration::from_secs(30);

    fn params() -> GroupParams {
        GroupParams { load_moves: Some(HOLD), ..group_params(1, &[1], &[]) }
    }

    /// Boxes 1, 2 … with these loads of 1000; a pair is an address by number and the box that serves it. Address 1 is
    /// box 1's own.
    fn next(moves: &mut LoadMoves, at: u64, loads: &[u32], served: &[(u8, u8)]) -> Option<(u8, u8, u8)> {
        let params = params();
        let row = |(number, holder): &(u8, u8)| {
            let preferred = (*number == 1).then_some(id(1));
            (address(*number), TableRow { preferred, valid: true, claims: [(id(*holder), Claim::Online)].into() })
        };
        let table: ControlTable = served.iter().map(row).collect();
        let candidate = |(n, load): (u8, &u32)| Candidate {
            id: id(n),
            available: true,
            spare: false,
            draining: false,
            load: *load,
            capacity: 1000,
            healthy_since: None,
            damped_for: Duration::ZERO,
            heard_us: None,
            out_of_reach: None,
            addresses: served.iter().map(|(_, holder)| u32::from(*holder == n)).sum(),
        };
        let situation = Situation {
            now: secs(at),
            params: &params,
            table: &table,
            candidates: (1..).zip(loads).map(candidate).collect(),
            complete_from: Instant::ZERO,
            planted: Planted::default(),
        };
        let (found, _) = moves.next(&situation, false);
        let number = |wanted: IdAddress| (1..=9).find(|n| id(*n) == wanted).unwrap();
        let found = found?;
        let moved = (1..=9).find(|n| address(*n) == found.address).unwrap();
        Some((moved, number(found.from), number(found.to)))
    }

    #[test]
    fn a_box_that_has_been_full_for_long_enough_hands_on_what_is_not_its_own_to_the_least_utilised() {
        for (loads, served, moved) in [
            (&[900, 100, 50][..], &[(1, 1), (2, 1), (3, 1), (4, 1)][..], Some((2, 1, 3))),
            // Not above the mark; nobody below the low one; only its own; it would fill the other; nobody else.
            (&[800, 100, 50], &[(1, 1), (2, 1), (3, 1), (4, 1)], None),
            (&[900, 600, 700], &[(1, 1), (2, 1), (3, 1), (4, 1)], None),
            (&[900, 100, 50], &[(1, 1)], None),
            (&[900, 100, 50], &[(1, 1), (2, 1)], Some((2, 1, 3))),
            (&[900, 500, 400], &[(1, 1), (2, 1)], None),
            (&[900], &[(1, 1), (2, 1)], None),
            // Of two full boxes the fuller.
            (&[850, 990, 50], &[(2, 1), (3, 1), (4, 2), (5, 2)], Some((4, 2, 3))),
        ] {
            let mut moves = LoadMoves::new(secs(0));
            assert_eq!(next(&mut moves, 0, loads, served), None);
            assert_eq!(next(&mut moves, 29, loads, served), None, "not for long enough: {loads:?}");
            assert_eq!(next(&mut moves, 30, loads, served), moved, "{loads:?} {served:?}");
            assert_eq!(next(&mut moves, 59, loads, served), None, "one in the time: {loads:?}");
        }
    }

    #[test]
    fn a_break_begins_the_time_anew() {
        let mut moves = LoadMoves::new(secs(0));
        let served = [(2, 1), (3, 1), (4, 1)];
        for (at, load, moved) in
            [(0, 900, false), (20, 700, false), (40, 900, false), (69, 900, false), (70, 900, true)]
        {
            assert_eq!(next(&mut moves, at, &[load, 0], &served).is_some(), moved, "at {at} s");
        }
    }

    #[test]
    fn a_leader_that_has_just_begun_moves_nothing_though_it_knew_the_box_to_be_full() {
        let mut moves = LoadMoves::new(secs(100));
        let served = [(2, 1), (3, 1), (4, 1)];
        let moved: Vec<u64> = (100..200).filter(|at| next(&mut moves, *at, &[900, 0], &served).is_some()).collect();
        assert_eq!(moved, [130, 160, 190]);
    }
}
