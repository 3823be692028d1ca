//! The Host Information Database: what this box knows of each other box of a group, and when it last heard of it.
//!
//! A box that died or left keeps its row, for its replay window and for people to see, but its entry is forgotten: what
//! it served is anybody's. It does not know who leads or who should serve what.

mod entry;
mod host;

pub(crate) use host::{Host, Judge, Link};

use crate::address::IdAddress;
use crate::info_message::Heard;
use crate::mutation::Mutation;
use crate::params::MAX_HOSTS;
use crate::quantity::{Incarnation, Sequence};
use crate::replay_window::{Arrival, ReplayWindow};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;

/// What became of a message's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// To be acted on. `reborn`: the first of a new life.
    Accepted { reborn: bool },
    /// Received before (G-1).
    Duplicate,
    /// Of an earlier life, or too old to tell (G-1).
    Replay,
    /// There is no room for another box.
    Full,
}

/// The other boxes of a group, by id address.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostDb {
    hosts: BTreeMap<IdAddress, Host>,
    /// What others said of boxes that we never heard: their older messages are replays (G-4).
    floors: BTreeMap<IdAddress, Floor>,
    /// Lives of boxes that others hear and this box does not.
    elsewhere: BTreeMap<IdAddress, Elsewhere>,
}

/// What others heard last of a box that we never heard.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    incarnation: Incarnation,
    sequence: Sequence,
    /// Up to this number nothing can be on its way any more: the box was silent since.
    closed: Sequence,
}

/// A life of a box that is not known here, or that ended here before others heard it last.
#[derive(Clone, Copy, Debug)]
struct Elsewhere {
    incarnation: Incarnation,
    /// Others hear it without a break since then, and heard it last at that time.
    since: Instant,
    heard: Instant,
}

impl HostDb {
    /// Takes in a message's number; a box that was not known gets a row.
    pub(crate) fn admit(
        &mut self,
        sender: IdAddress,
        incarnation: Incarnation,
        sequence: Sequence,
        judge: &Judge,
        now: Instant,
    ) -> Admission {
        let known = self.hosts.get(&sender).map(|host| host.incarnation);
        let reborn = match known {
            Some(known) if incarnation < known => return Admission::Replay,
            Some(known) => incarnation > known,
            None => {
                let replayed = |floor: &Floor| {
                    incarnation < floor.incarnation || incarnation == floor.incarnation && sequence <= floor.closed
                };
                if self.floors.get(&sender).is_some_and(replayed) {
                    return Admission::Replay;
                }
                if !self.make_room() {
                    return Admission::Full;
                }
                true
            }
        };
        if reborn {
            let mut window = match self.floors.remove(&sender) {
                Some(floor) if floor.incarnation == incarnation => {
                    let mut window = ReplayWindow::starting_at(Sequence(floor.sequence.0.saturating_sub(1)));
                    window.close(floor.closed);
                    window
                }
                Some(_) | None => ReplayWindow::default(),
            };
            // What it said before was not for us: had we begun to listen now, nothing would be missing.
            if !judge.planted.is(Mutation::ObeyPastOrders) && !judge.planted.is(Mutation::OpenWindow) {
                window.close(Sequence(sequence.0.saturating_sub(1)));
            }
            let mut host = Host::new(incarnation, window, now);
            if let Some(past) = self.hosts.get(&sender) {
                host.follow(past, now);
            }
            self.hosts.insert(sender, host);
        }
        let Some(host) = self.hosts.get_mut(&sender) else { return Admission::Full };
        match host.window.take(sequence) {
            Arrival::Newest { missed } => {
                host.liveness.arrived(if reborn { 0 } else { missed }, judge.beat, now);
                Admission::Accepted { reborn }
            }
            Arrival::Overtaken => {
                host.liveness.overtaken();
                Admission::Accepted { reborn }
            }
            Arrival::Duplicate => Admission::Duplicate,
            Arrival::TooOld => Admission::Replay,
        }
    }

    /// One row must be free for a new box: the one longest dead makes room.
    fn make_room(&mut self) -> bool {
        if self.hosts.len() + 1 < MAX_HOSTS {
            return true;
        }
        let oldest = self.hosts.iter().filter(|(_, host)| !host.live()).min_by_key(|(_, host)| host.last_heard());
        match oldest.map(|(id, _)| *id) {
            Some(id) => self.hosts.remove(&id).is_some(),
            None => false,
        }
    }

    /// Takes in what another box heard of a third (G-4). What is later than known by no more than `tolerance` is the
    /// same, told after another time on the way. What the third said before a silence of `dead_after` is over and done
    /// with: who says it again replays it.
    pub(crate) fn heard_by_another(&mut self, heard: &Heard, tolerance: Duration, dead_after: Duration, now: Instant) {
        let silent = heard.age >= dead_after;
        if !silent && self.is_news_of_elsewhere(heard, tolerance, now) {
            self.note_elsewhere(heard, dead_after, now);
        }
        match self.hosts.get_mut(&heard.id) {
            Some(host) if host.incarnation == heard.incarnation => {
                if silent && heard.sequence > host.closed {
                    host.closed = heard.sequence;
                    host.window.close(heard.sequence);
                }
                let at = now.before(heard.age);
                if at > host.last_heard() + tolerance {
                    host.heard_by_others = at;
                }
            }
            Some(_) => {}
            None => {
                let floor = self.floors.entry(heard.id).or_default();
                if heard.incarnation > floor.incarnation {
                    *floor = Floor { incarnation: heard.incarnation, ..Floor::default() };
                }
                if heard.incarnation == floor.incarnation {
                    floor.sequence = floor.sequence.max(heard.sequence);
                    floor.closed = if silent { floor.closed.max(heard.sequence) } else { floor.closed };
                }
                if self.floors.len() > MAX_HOSTS {
                    self.floors.pop_last();
                }
            }
        }
    }

    /// A box was heard that is not live here, and later than this box or anybody it knows of heard it: else it is dead or
    /// gone there, too, and was heard before.
    fn is_news_of_elsewhere(&self, heard: &Heard, tolerance: Duration, now: Instant) -> bool {
        self.hosts.get(&heard.id).is_none_or(|host| {
            let later = || now.before(heard.age) > host.last_heard() + tolerance;
            let same = heard.incarnation == host.incarnation;
            heard.incarnation > host.incarnation || same && !host.live() && host.lacks(heard.sequence) && later()
        })
    }

    fn note_elsewhere(&mut self, heard: &Heard, dead_after: Duration, now: Instant) {
        let at = now.before(heard.age);
        self.elsewhere.retain(|_, kept| now.since(kept.heard) < dead_after);
        let kept = self.elsewhere.get(&heard.id).filter(|kept| kept.incarnation == heard.incarnation);
        let (since, latest) = kept.map_or((at, at), |kept| (kept.since, kept.heard.max(at)));
        self.elsewhere.insert(heard.id, Elsewhere { incarnation: heard.incarnation, since, heard: latest });
        if self.elsewhere.len() > MAX_HOSTS {
            self.elsewhere.pop_last();
        }
    }

    /// Until when a box may be alive that only others heard, so that nobody here knows what it serves: until it was
    /// silent for the dead interval; or, if they go on hearing it, `patience` from when they began.
    pub(crate) fn hidden_until(&self, dead_after: Duration, patience: Duration) -> Option<Instant> {
        let known = |id: &IdAddress, incarnation: Incarnation| {
            self.hosts.get(id).is_some_and(|host| host.live() && host.incarnation >= incarnation)
        };
        let hidden = self.elsewhere.iter().filter(|(id, kept)| !known(id, kept.incarnation));
        hidden.map(|(_, kept)| (kept.heard + dead_after).min(kept.since + patience)).max()
    }

    /// What is known here of a box's newest life, by itself or by others. What others said is told as too old to count
    /// for more than its incarnation: second-hand ages are never passed on (G-4).
    pub(crate) fn last_words(&self, id: IdAddress, dead_after: Duration, now: Instant) -> Option<Heard> {
        if let Some(Host { incarnation, heard_sequence: sequence, heard, .. }) = self.hosts.get(&id) {
            let (incarnation, sequence, age) = (*incarnation, *sequence, now.since(*heard));
            return Some(Heard { id, incarnation, sequence, age, loss: 0 });
        }
        let floor = self.floors.get(&id)?;
        Some(Heard { id, incarnation: floor.incarnation, sequence: floor.closed, age: dead_after, loss: 0 })
    }

    /// A box.
    pub(crate) fn host(&self, id: IdAddress) -> Option<&Host> {
        self.hosts.get(&id)
    }

    /// A box, to be changed.
    pub(crate) fn host_mut(&mut self, id: IdAddress) -> Option<&mut Host> {
        self.hosts.get_mut(&id)
    }

    /// All boxes ever heard and not forgotten, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (IdAddress, &Host)> + '_ {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    /// All boxes, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (IdAddress, &mut Host)> + '_ {
        self.hosts.iter_mut().map(|(id, host)| (*id, host))
    }

    /// The live ones.
    pub(crate) fn live(&self) -> impl Iterator<Item = (IdAddress, &Host)> + '_ {
        self.iter().filter(|(_, host)| host.live())
    }

    /// It is known, and neither dead nor gone.
    pub(crate) fn is_live(&self, id: IdAddress) -> bool {
        self.host(id).is_some_and(Host::live)
    }

    /// It could serve its own addresses.
    pub(crate) fn is_home(&self, id: IdAddress) -> bool {
        self.host(id).is_some_and(|host| host.state.is_well())
    }

    /// When the next box will have been silent for too long.
    pub(crate) fn timeout(&self, judge: &Judge) -> Option<Instant> {
        self.live().map(|(_, host)| host.expires(judge)).min()
    }
}

#[cfg(test)]
mod tests;
