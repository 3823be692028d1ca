//! One other box: what is known of it, and how its silence is judged.
//!
//! It does not know whether a message's number was seen before, nor the other boxes.

use super::entry::{Assembly, Entry};
use crate::flaps::Flaps;
use crate::info_message::{EntryPart, Status};
use crate::liveness::{Liveness, Patience};
use crate::mutation::{Mutation, Planted};
use crate::notification::HostState;
use crate::quantity::{EntryVersion, Incarnation, Sequence};
use crate::replay_window::ReplayWindow;
use crate::time::{Duration, Instant};
use alloc::vec::Vec;

/// One other box.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) incarnation: Incarnation,
    pub(super) window: ReplayWindow,
    /// Up to here others said that its numbers are replays.
    pub(super) closed: Sequence,
    /// The latest message about itself, an info message or a goodbye, has this number. Its commands overtake those.
    latest_news: Sequence,
    /// From its last info message; `None`: none was received in this incarnation.
    pub(crate) status: Option<Status>,
    pub(crate) entry: Option<Entry>,
    assembly: Assembly,
    /// The version its last info message spoke of, and since when we lack it.
    told_version: EntryVersion,
    lacking_since: Option<Instant>,
    asked: Option<Instant>,
    /// When it was last heard directly, by which message, and when by anybody (G-4).
    pub(crate) heard: Instant,
    pub(crate) heard_sequence: Sequence,
    pub(crate) heard_by_others: Instant,
    /// It is not found dead before: this box itself was not listening.
    spared_until: Instant,
    /// What its status says dates from before this box slept.
    status_is_stale: bool,
    /// What was measured on it.
    pub(crate) liveness: Liveness,
    /// When this box last asked whether it is still there.
    probed: Option<Instant>,
    /// Questions that went unanswered since it was heard at the time given, and when there were enough of them.
    pub(super) asks: Asks,
    /// What each of our control interfaces hears of it, in the order of the configuration.
    pub(crate) links: Vec<Link>,
    /// When, by its own account, it last heard this box.
    pub(crate) heard_us: Option<Instant>,
    /// The first message in which it said so of this box's present life: this one and what follows are no recordings of
    /// an earlier time.
    pub(crate) proven_from: Option<Sequence>,
    /// It told of orphans before that: how long they have been away it is to say again.
    pub(crate) told_doubtful: bool,
    pub(crate) state: HostState,
    pub(crate) transitions: u32,
    pub(crate) last_change: Instant,
    /// Since when it has been live, ok and taking addresses without a break.
    pub(crate) healthy_since: Option<Instant>,
    /// How often it fell.
    pub(crate) flaps: Flaps,
}

/// What one of our control interfaces hears of another box.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) heard: Option<Instant>,
    highest: Sequence,
    loss: Liveness,
}

impl Link {
    /// Share of the box's messages that do not arrive here, in per mille; `None`: too few were counted.
    pub(crate) fn loss_per_mille(&self) -> Option<u16> {
        self.loss.loss_per_mille()
    }
}

/// Questions to a silent box, whoever asked them: all hear them, and all would hear the answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asks {
    since: Instant,
    pub(super) count: u32,
    enough: Option<Instant>,
}

/// By what a box's silence is judged: the group's times, and how often it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    pub(crate) beat: Duration,
    pub(crate) dead_after: Duration,
    pub(crate) interval: Duration,
    pub(crate) planted: Planted,
}
impl Host {
    pub(super) fn new(incarnation: Incarnation, window: ReplayWindow, now: Instant) -> Self {
        Self {
            incarnation,
            window,
            closed: Sequence::default(),
            latest_news: Sequence::default(),
            status: None,
            entry: None,
            assembly: Assembly::default(),
            told_version: EntryVersion::default(),
            lacking_since: Some(now),
            asked: None,
            heard: now,
            heard_sequence: Sequence::default(),
            heard_by_others: now,
            spared_until: now,
            status_is_stale: false,
            liveness: Liveness::default(),
            probed: None,
            asks: Asks::default(),
            links: Vec::new(),
            heard_us: None,
            proven_from: None,
            told_doubtful: false,
            state: HostState::Dead,
            transitions: 0,
            last_change: now,
            healthy_since: None,
            flaps: Flaps::default(),
        }
    }

    /// Takes in the number of a message about the box itself; `false`: a later one was here before.
    pub(crate) fn is_news(&mut self, sequence: Sequence) -> bool {
        let news = sequence > self.latest_news;
        self.latest_news = self.latest_news.max(sequence);
        news
    }

    /// No message about itself with this number or a later one was here.
    pub(super) fn lacks(&self, sequence: Sequence) -> bool {
        sequence > self.latest_news
    }

    /// Neither dead nor gone.
    pub(crate) fn live(&self) -> bool {
        self.state.is_live()
    }

    /// It is what another life of the box was, which ended without a word if it was well.
    pub(super) fn follow(&mut self, past: &Self, now: Instant) {
        (self.transitions, self.last_change, self.flaps) = (past.transitions, past.last_change, past.flaps);
        if past.state.is_well() {
            self.flaps.fell(now);
        }
    }

    /// When it was last heard by anybody.
    pub(crate) fn last_heard(&self) -> Instant {
        self.heard.max(self.heard_by_others)
    }

    /// Until when what its status says is known to have held. After a sleep this box may hear *of* the other and never
    /// hear what became of it meanwhile.
    pub(crate) fn vouched(&self) -> Instant {
        if self.status_is_stale { self.heard } else { self.last_heard() }
    }

    /// Takes in its status.
    pub(crate) fn take_status(&mut self, status: Status) {
        (self.status, self.status_is_stale) = (Some(status), false);
    }

    /// How long it may be silent, as things stand.
    pub(crate) fn patience(&self, judge: &Judge) -> Patience {
        let patience = self.liveness.patience(judge.beat, judge.dead_after, judge.interval);
        // Who hears of it only through others can not ask it.
        let direct = self.last_heard().since(self.heard) < judge.dead_after;
        Patience { dead: patience.dead.filter(|_| direct), ..patience }
    }

    /// When it will have been silent for too long: without an answer to enough questions, or for the dead interval.
    pub(crate) fn expires(&self, judge: &Judge) -> Instant {
        let last = self.last_heard();
        let plain = last + judge.dead_after;
        let patience = self.patience(judge);
        let asked = self.asks.enough.filter(|_| self.asks.since == last && self.asks.count >= patience.asks);
        let dead = match (patience.dead, asked) {
            _ if judge.planted.is(Mutation::DeadAtFirstMiss) => last + patience.suspected,
            (Some(dead), Some(asked)) => (last + dead).max(asked + patience.answer).min(plain),
            _ => plain,
        };
        dead.max(self.spared_until)
    }

    /// Somebody asked whether it is still there.
    pub(crate) fn count_ask(&mut self, judge: &Judge, now: Instant) {
        let last = self.last_heard();
        if now.since(last) < judge.beat {
            return;
        }
        if self.asks.since != last {
            self.asks = Asks { since: last, ..Asks::default() };
        }
        self.asks.count = self.asks.count.saturating_add(1);
        if self.asks.enough.is_none() && self.asks.count >= self.patience(judge).asks {
            self.asks.enough = Some(now);
        }
    }

    /// It was heard directly, by a message with this number.
    pub(crate) fn hear(&mut self, sequence: Sequence, now: Instant) {
        (self.heard, self.heard_sequence) = (now, sequence);
    }

    /// A message came in by this of our control interfaces, in their order.
    pub(crate) fn came_by(&mut self, link: usize, sequence: Sequence, beat: Duration, now: Instant) {
        if self.links.len() <= link {
            self.links.resize(link + 1, Link::default());
        }
        let Some(link) = self.links.get_mut(link) else { return };
        link.heard = Some(now);
        if sequence > link.highest {
            let first = link.highest == Sequence::default();
            let missed = if first { 0 } else { sequence.0 - link.highest.0 - 1 };
            link.loss.arrived(missed, beat, now);
            link.highest = sequence;
        } else {
            link.loss.overtaken();
        }
    }

    /// This box did not listen: the other is given until `until` to be heard.
    pub(crate) fn spare(&mut self, until: Instant) {
        (self.spared_until, self.heard_us, self.status_is_stale) = (until, None, true);
        self.liveness.skip();
    }

    /// The same for a moment only: what it is known to be still holds.
    pub(crate) fn spare_briefly(&mut self, until: Instant) {
        self.spared_until = self.spared_until.max(until);
        self.liveness.skip();
    }

    /// When to ask it next whether it is still there: it has been silent for a little more than a beat.
    pub(crate) fn next_probe(&self, judge: &Judge) -> Instant {
        let suspected = self.last_heard() + self.patience(judge).suspected;
        self.probed.map_or(suspected, |probed| suspected.max(probed + judge.interval))
    }

    /// This box asks whether it is still there.
    pub(crate) fn probe(&mut self, judge: &Judge, now: Instant) {
        self.probed = Some(now);
        self.count_ask(judge, now);
    }

    /// It heard us and we heard it within the dead interval: a command would arrive and its effect be seen.
    pub(crate) fn reachable(&self, dead_after: Duration, now: Instant) -> bool {
        let within = |heard: Instant| now.since(heard) < dead_after;
        self.live() && within(self.heard) && self.heard_us.is_some_and(within)
    }

    /// Its entry is known in the version that it last spoke of, or was not to be had for `patience`.
    pub(crate) fn known(&self, patience: Duration, now: Instant) -> bool {
        self.lacking_since.is_none_or(|since| now.since(since) >= patience)
    }

    /// The version of its entry that is known here, whole.
    pub(crate) fn known_version(&self) -> EntryVersion {
        self.entry.as_ref().map(|entry| entry.version).unwrap_or_default()
    }

    /// Says whether to ask the box for its entry now: it is lacking, and was not asked for within `interval` (G-3).
    pub(crate) fn wants_asking(&mut self, interval: Duration, now: Instant) -> bool {
        let due = self.lacking_since.is_some() && self.asked.is_none_or(|asked| now.since(asked) >= interval);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// Says whether to ask the box for its entry now to know how old is what it told of, if it was not asked within
    /// `interval`.
    pub(crate) fn wants_asking_again(&mut self, interval: Duration, now: Instant) -> bool {
        let wants = self.proven_from.is_some() && self.told_doubtful;
        let due = wants && self.asked.is_none_or(|asked| now.since(asked) >= interval);
        if due {
            (self.asked, self.told_doubtful) = (Some(now), false);
        }
        due
    }

    /// Takes in the state; `true` if it changed.
    pub(crate) fn become_state(&mut self, state: HostState, now: Instant) -> bool {
        if state == self.state {
            return false;
        }
        if self.state.is_well() && matches!(state, HostState::NotOk | HostState::Dead) {
            self.flaps.fell(now);
        }
        (self.state, self.last_change) = (state, now);
        self.transitions = self.transitions.saturating_add(1);
        self.healthy_since = (state == HostState::Up).then_some(now);
        if !self.live() {
            (self.entry, self.assembly, self.heard_us) = (None, Assembly::default(), None);
            // What comes back may be a life that repeats this one's number, whose entry has changed less often.
            (self.told_version, self.lacking_since) = (EntryVersion::default(), Some(now));
            self.asked = None;
        }
        true
    }

    /// Takes in the version that an info message speaks of.
    pub(crate) fn told_of(&mut self, version: EntryVersion, now: Instant) {
        self.told_version = self.told_version.max(version);
        self.look_for_lack(now);
    }

    fn look_for_lack(&mut self, now: Instant) {
        let known = self.entry.as_ref().is_some_and(|entry| entry.version >= self.told_version);
        self.lacking_since = if known { None } else { self.lacking_since.or(Some(now)) };
    }

    /// Takes in a piece of an entry; `true` if the entry is whole by it and newer than the one known.
    pub(crate) fn take_part(&mut self, version: EntryVersion, part: &EntryPart, now: Instant) -> bool {
        if self.entry.as_ref().is_some_and(|entry| version <= entry.version) {
            return false;
        }
        let Some(entry) = self.assembly.take_part(version, part) else { return false };
        self.entry = Some(entry);
        self.look_for_lack(now);
        true
    }
}
