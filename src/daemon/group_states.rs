//! Groups as a whole: whether every address is served by exactly one box, told when it has been so, or not, for long enough.
//!
//! Pure: it looks at one picture after the other. An address moves in milliseconds, and a box is dead for a dead interval
//! before anybody knows; what lasts longer is worth an alarm.

use rais_core::address::GroupName;
use rais_core::notification::{GroupState, Notification};
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressState, GroupView, View};
use std::collections::BTreeMap;

/// How much longer than a dead interval a state lasts before it is told.
const HOLD: Duration = Duration::from_secs(2);

/// What was told of each group, and since when it is otherwise.
#[derive(Debug, Default)]
pub(super) struct GroupStates(BTreeMap<GroupName, Known>);

#[derive(Debug)]
struct Known {
    told: GroupState,
    otherwise_since: Option<Instant>,
}

impl GroupStates {
    /// What the next picture is worth telling.
    pub(super) fn observe(&mut self, view: &View) -> Vec<Notification> {
        self.0.retain(|name, _| view.group(name).is_some());
        let observe = |group: &GroupView| {
            let count = |state| group.addresses.iter().filter(|address| address.state == state).count();
            let count = |state| u32::try_from(count(state)).unwrap_or(u32::MAX);
            let (unserved, duplicate) = (count(AddressState::Unserved), count(AddressState::Duplicate));
            self.observe_group(&group.name, group.dead_after + HOLD, [unserved, duplicate], view.at)
        };
        view.groups.iter().filter_map(observe).collect()
    }

    fn observe_group(
        &mut self,
        group: &GroupName,
        hold: Duration,
        [unserved, duplicate]: [u32; 2],
        now: Instant,
    ) -> Option<Notification> {
        let state = if unserved == 0 && duplicate == 0 { GroupState::Ok } else { GroupState::Degraded };
        // Nobody was told that a group is well that was never otherwise.
        let known = Known { told: GroupState::Ok, otherwise_since: None };
        let known = self.0.entry(group.clone()).or_insert(known);
        if state == known.told {
            known.otherwise_since = None;
            return None;
        }
        let since = *known.otherwise_since.get_or_insert(now);
        if now.since(since) < hold {
            return None;
        }
        (known.told, known.otherwise_since) = (state, None);
        Some(Notification::GroupStateChange { group: group.clone(), state, unserved, duplicate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_when_it_has_lasted_and_only_if_it_is_another_than_was_told() {
        // Milliseconds, unserved and duplicate addresses, what is told. What lasts 2.3 s is.
        let table = [
            (0, [2, 0], None),
            (2_299, [2, 0], None),
            (2_299, [0, 0], None),
            (9_000, [1, 0], None),
            (11_299, [0, 1], None),
            (11_300, [0, 1], Some(GroupState::Degraded)),
            (20_000, [1, 1], None),
            (30_000, [0, 0], None),
            (31_000, [1, 0], None),
            (32_000, [0, 0], None),
            (34_299, [0, 0], None),
            (34_300, [0, 0], Some(GroupState::Ok)),
        ];
        let (mut states, group, hold) = (GroupStates::default(), "http".parse().unwrap(), Duration::from_millis(2_300));
        for (ms, [unserved, duplicate], told) in table {
            let found = states.observe_group(&group, hold, [unserved, duplicate], Instant::from_micros(ms * 1000));
            let expected =
                told.map(|state| Notification::GroupStateChange { group: group.clone(), state, unserved, duplicate });
            assert_eq!(found, expected, "at {ms} ms");
        }
    }
}
