//! The Host Information Database: what this box knows of each other box of a group, and when it last heard of it.
//!
//! A box that died or left keeps its row, for its replay window and for people to see, but its entry is forgotten: what
//! it served is anybody's. It does not know who leads or who should serve what.

use crate::address::{IdAddress, ServiceAddress};
use crate::info_message::{Claim, EntryPart, Heard, Row, Status};
use crate::liveness::{Liveness, Patience};
use crate::mutation::{Mutation, Planted};
use crate::notification::HostState;
use crate::params::{MAX_ADDRESSES, MAX_HOSTS};
use crate::quantity::{EntryVersion, Incarnation, Sequence};
use crate::replay_window::{Arrival, ReplayWindow};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Most pieces of one entry: an entry may have a preferred row, a claim and an orphan row per address.
const MAX_PARTS: u16 = 1024;

/// A box's own account of itself, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) version: EntryVersion,
    pub(crate) control_addresses: Vec<IpAddr>,
    /// Ascending.
    pub(crate) preferred: Vec<ServiceAddress>,
    /// Ascending by address.
    pub(crate) claims: Vec<(ServiceAddress, Claim)>,
}

impl Entry {
    /// What the box claims of an address.
    pub(crate) fn claim(&self, address: ServiceAddress) -> Option<Claim> {
        let at = self.claims.binary_search_by_key(&address, |(claimed, _)| *claimed).ok()?;
        self.claims.get(at).map(|(_, claim)| *claim)
    }
}

/// An entry of which pieces are still missing.
#[derive(Clone, Debug)]
struct Assembly {
    version: EntryVersion,
    parts: Vec<Option<EntryPart>>,
}

/// One other box.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) incarnation: Incarnation,
    window: ReplayWindow,
    /// Up to here others said that its numbers are replays.
    closed: Sequence,
    /// The latest message about itself, an info message or a goodbye, has this number. Its commands overtake those.
    latest_news: Sequence,
    /// From its last info message; `None`: none was received in this incarnation.
    pub(crate) status: Option<Status>,
    pub(crate) entry: Option<Entry>,
    assembly: Option<Assembly>,
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
    asks: Asks,
    /// What each of our control interfaces hears of it, in the order of the configuration.
    pub(crate) links: Vec<Link>,
    /// When, by its own account, it last heard this box.
    pub(crate) heard_us: Option<Instant>,
    pub(crate) state: HostState,
    pub(crate) transitions: u32,
    pub(crate) last_change: Instant,
    /// Since when it has been live, ok and taking addresses without a break.
    pub(crate) healthy_since: Option<Instant>,
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
struct Asks {
    since: Instant,
    count: u32,
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
    fn new(incarnation: Incarnation, window: ReplayWindow, now: Instant) -> Self {
        Self {
            incarnation,
            window,
            closed: Sequence::default(),
            latest_news: Sequence::default(),
            status: None,
            entry: None,
            assembly: None,
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
            state: HostState::Dead,
            transitions: 0,
            last_change: now,
            healthy_since: None,
        }
    }

    /// Takes in the number of a message about the box itself; `false`: a later one was here before.
    pub(crate) fn is_news(&mut self, sequence: Sequence) -> bool {
        let news = sequence > self.latest_news;
        self.latest_news = self.latest_news.max(sequence);
        news
    }

    /// Neither dead nor gone.
    pub(crate) fn live(&self) -> bool {
        match self.state {
            HostState::Up | HostState::Quiesced | HostState::NotOk => true,
            HostState::Dead | HostState::Left => false,
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

    /// Takes in the state; `true` if it changed.
    pub(crate) fn become_state(&mut self, state: HostState, now: Instant) -> bool {
        if state == self.state {
            return false;
        }
        (self.state, self.last_change) = (state, now);
        self.transitions = self.transitions.saturating_add(1);
        self.healthy_since = (state == HostState::Up).then_some(now);
        if !self.live() {
            (self.entry, self.assembly, self.heard_us) = (None, None, None);
            self.lacking_since = Some(now);
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
        let newer = self.entry.as_ref().is_none_or(|entry| version > entry.version);
        if !newer || part.count == 0 || part.count > MAX_PARTS || part.index >= part.count {
            return false;
        }
        if part.count == 1 {
            self.assembly = None;
            self.entry = Some(assemble(version, core::slice::from_ref(part)));
            self.look_for_lack(now);
            return true;
        }
        let count = usize::from(part.count);
        let current = self.assembly.as_ref().map(|assembly| (assembly.version, assembly.parts.len()));
        match current {
            Some((newer, _)) if newer > version => return false,
            Some(same) if same == (version, count) => {}
            Some(_) | None => self.assembly = Some(Assembly { version, parts: alloc::vec![None; count] }),
        }
        let Some(assembly) = &mut self.assembly else { return false };
        if let Some(place) = assembly.parts.get_mut(usize::from(part.index)) {
            *place = Some(part.clone());
        }
        if assembly.parts.iter().any(Option::is_none) {
            return false;
        }
        let parts: Vec<_> = self.assembly.take().into_iter().flat_map(|assembly| assembly.parts).flatten().collect();
        self.entry = Some(assemble(version, &parts));
        self.look_for_lack(now);
        true
    }
}

fn assemble(version: EntryVersion, parts: &[EntryPart]) -> Entry {
    let mut entry = Entry { version, ..Entry::default() };
    for part in parts {
        if entry.control_addresses.is_empty() {
            entry.control_addresses.clone_from(&part.control_addresses);
        }
        for row in &part.rows {
            match *row {
                Row::Preferred(address) => entry.preferred.push(address),
                Row::Claim(address, claim) => entry.claims.push((address, claim)),
                Row::Orphan { .. } => {}
            }
        }
    }
    entry.preferred.sort_unstable();
    entry.preferred.dedup();
    // One more than fits, so that it shows that there are too many.
    entry.preferred.truncate(MAX_ADDRESSES + 1);
    entry.claims.sort_unstable();
    entry.claims.dedup_by_key(|(address, _)| *address);
    entry.claims.truncate(MAX_ADDRESSES);
    entry
}

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
}

/// What others heard last of a box that we never heard.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    incarnation: Incarnation,
    sequence: Sequence,
    /// Up to this number nothing can be on its way any more: the box was silent since.
    closed: Sequence,
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
            if !judge.planted.is(Mutation::ObeyPastOrders) {
                window.close(Sequence(sequence.0.saturating_sub(1)));
            }
            let mut host = Host::new(incarnation, window, now);
            if let Some(past) = self.hosts.get(&sender) {
                (host.transitions, host.last_change) = (past.transitions, past.last_change);
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
        self.host(id).is_some_and(|host| matches!(host.state, HostState::Up | HostState::Quiesced))
    }

    /// When the next box will have been silent for too long.
    pub(crate) fn timeout(&self, judge: &Judge) -> Option<Instant> {
        self.live().map(|(_, host)| host.expires(judge)).min()
    }
}

#[cfg(test)]
mod tests;
