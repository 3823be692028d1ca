//! Which two boxes may both hold an address, and until when (S-1).
//!
//! The promise is judged for every two boxes by itself: that boxes 1 and 2 are parted excuses nothing that 2 and 3 do.
//! - Parted, by a partition, a dead network, a one-way loss between them, or a network beyond what S-5 promises to bear;
//!   or there is a box that hears only one of them, and it may be the one that leads: while it lasts, and two
//!   beats plus one release from when they hear each other again, as S-1 says; if messages still get lost or late then,
//!   from when they no longer do.
//! - Under a partition policy (G-42): only until the parts must have noticed, and let go.
//! - One was killed: for its lease, and not longer (G-33).
//! - One is frozen: for its lease, too; and two beats plus one release from the thaw, if its lease was not over.
//! - If the box that was clearing up may be gone (a new fault hits while an excuse runs), the next leader needs its dead
//!   interval first.

use super::World;
use crate::scenario::Micros;

/// The excuses of all pairs in a group.
#[derive(Clone, Debug)]
pub(super) struct Excuses {
    boxes: usize,
    parted: Vec<bool>,
    cut: Vec<bool>,
    until: Vec<Micros>,
}

impl Excuses {
    pub(super) fn new(boxes: usize) -> Self {
        Self {
            boxes,
            parted: vec![false; boxes * boxes],
            cut: vec![false; boxes * boxes],
            until: vec![0; boxes * boxes],
        }
    }

    fn at(&self, a: usize, b: usize) -> usize {
        a.min(b) * self.boxes + a.max(b)
    }

    fn excuse(&mut self, a: usize, b: usize, until: Micros) {
        let at = self.at(a, b);
        self.until[at] = self.until[at].max(until);
    }

    fn holds(&self, a: usize, b: usize, now: Micros) -> bool {
        let at = self.at(a, b);
        self.parted[at] || now < self.until[at]
    }
}

impl World {
    /// Two beats and one release: how long a duplicate may last that both boxes can know of. An acquire that still runs
    /// ends before its release begins.
    fn clearing(&self) -> Micros {
        2 * self.scenario.beat() + 2 * self.scenario.slowest_script() + self.scenario.telling()
    }

    /// Two boxes may both hold an address of the group now.
    #[must_use]
    pub fn excused(&self, group: usize, a: usize, b: usize) -> bool {
        self.excuses[group].holds(a, b, self.now)
    }

    /// Some two boxes may.
    #[must_use]
    pub fn any_excuse(&self) -> bool {
        let boxes = self.boxes.len();
        let pairs = move || (0..boxes).flat_map(move |a| (a + 1..boxes).map(move |b| (a, b)));
        (0..self.scenario.groups.len()).any(|group| pairs().any(|(a, b)| self.excused(group, a, b)))
    }

    /// Until when those who find each other again now may hold the same: if the leader was lost less than a dead interval
    /// ago, the next one must know that first.
    fn cleared_at(&self) -> Micros {
        self.now.max(self.lost_at + self.scenario.dead_after()) + self.clearing()
    }

    /// Some box hears one of the two and not the other: if it leads, it does not see that both hold an address.
    fn is_half_deaf(&self, a: usize, b: usize, networks: &std::ops::Range<usize>) -> bool {
        let mut others = (0..self.boxes.len()).filter(|other| *other != a && *other != b);
        let with = |other: usize, one: usize| self.network.connects(other, one, networks.clone());
        others.any(|other| with(other, a) != with(other, b))
    }

    /// A network fault began or ended: who is parted, and who found together?
    pub(super) fn see_who_is_parted(&mut self) {
        let cleared_at = self.cleared_at();
        let blurred = self.network.is_blurred();
        // What was sent before the end may arrive long after it.
        let late = if self.network_was_slow { self.scenario.slowest_message() } else { 0 };
        let mut healed = false;
        for group in 0..self.scenario.groups.len() {
            for a in 0..self.boxes.len() {
                for b in a + 1..self.boxes.len() {
                    let networks = self.scenario.networks_of(group);
                    let at = self.excuses[group].at(a, b);
                    let was_apart = self.excuses[group].parted[at] || self.excuses[group].cut[at];
                    let cut = !self.network.connects(a, b, networks.clone()) || self.is_half_deaf(a, b, &networks);
                    let not_healed = self.excuses[group].holds(a, b, self.now) && self.network.is_troubled();
                    let noticed =
                        self.scenario.notices_partition_within(group).filter(|_| self.policy_parts(a, b, group));
                    if let Some(noticed) =
                        noticed.filter(|_| cut && (self.excuses[group].parted[at] || !self.excuses[group].cut[at]))
                    {
                        let until = self.now + noticed + self.clearing();
                        self.excuses[group].excuse(a, b, until);
                        self.look_for_duplicates_at(until);
                    }
                    self.excuses[group].cut[at] = cut;
                    let parted = blurred || cut && noticed.is_none() || not_healed;
                    if was_apart && !parted && !cut {
                        self.excuses[group].excuse(a, b, cleared_at + late);
                        healed = true;
                    }
                    self.excuses[group].parted[at] = parted;
                }
            }
        }
        if healed {
            self.look_for_duplicates_at(cleared_at + late);
        }
    }

    /// A box may hold what others hold, until then.
    fn excuse_box(&mut self, index: usize, until: Micros) {
        for group in 0..self.scenario.groups.len() {
            for other in (0..self.boxes.len()).filter(|other| *other != index) {
                self.excuses[group].excuse(index, other, until);
            }
        }
        self.look_for_duplicates_at(until);
    }

    /// A daemon was killed or frozen: its kernel keeps its addresses for the lease.
    pub(super) fn excuse_for_the_lease(&mut self, index: usize) {
        self.excuse_box(index, self.now + self.scenario.lease());
    }

    /// A daemon runs again, and its kernel may still have its addresses.
    pub(super) fn excuse_the_thawed(&mut self, index: usize) {
        // It may take what it finds in its socket for news, and its part for larger than it is.
        let groups = 0..self.scenario.groups.len();
        let noticed = groups.filter_map(|group| self.scenario.notices_partition_within(group)).max().unwrap_or(0);
        self.excuse_box(index, self.cleared_at() + noticed);
    }

    /// Whoever was about to clear up may be gone: the next one needs the dead interval to know.
    pub(super) fn prolong_excuses(&mut self) {
        let until = self.now + self.scenario.dead_after() + self.clearing();
        let mut any = false;
        for group in 0..self.scenario.groups.len() {
            for a in 0..self.boxes.len() {
                for b in a + 1..self.boxes.len() {
                    if self.excuses[group].holds(a, b, self.now) {
                        self.excuses[group].excuse(a, b, until);
                        any = true;
                    }
                }
            }
        }
        if any {
            self.look_for_duplicates_at(until);
        }
    }
}
