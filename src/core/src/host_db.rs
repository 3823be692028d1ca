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
mod tests {
    use super::*;
    use crate::test_support::{address, id, ms};

    const FIRST: Incarnation = Incarnation(1);
    const BEAT: Duration = Duration::from_millis(100);
    const DEAD_AFTER: Duration = Duration::from_millis(300);
    const TOLERANCE: Duration = Duration::from_millis(12);
    const INTERVAL: Duration = Duration::from_micros(2_500);
    #[cfg(not(feature = "mutations"))]
    const JUDGE: Judge = Judge { beat: BEAT, dead_after: DEAD_AFTER, interval: INTERVAL, planted: Planted {} };
    #[cfg(feature = "mutations")]
    const JUDGE: Judge = Judge { beat: BEAT, dead_after: DEAD_AFTER, interval: INTERVAL, planted: Planted::NONE };

    fn part(index: u16, count: u16, rows: &[Row]) -> EntryPart {
        EntryPart { index, count, control_addresses: Vec::new(), rows: rows.to_vec() }
    }

    fn host() -> Host {
        Host::new(FIRST, ReplayWindow::default(), ms(0))
    }

    #[test]
    fn an_older_life_is_a_replay_and_a_newer_one_starts_the_numbers_anew() {
        let mut db = HostDb::default();
        let accepted = |reborn| Admission::Accepted { reborn };
        for (incarnation, sequence, admission) in [
            (5, 10, accepted(true)),
            (5, 10, Admission::Duplicate),
            (5, 9, Admission::Duplicate),
            (4, 99, Admission::Replay),
            (6, 1, accepted(true)),
            (5, 11, Admission::Replay),
            (6, 2, accepted(false)),
        ] {
            let got = db.admit(id(1), Incarnation(incarnation), Sequence(sequence), &JUDGE, ms(0));
            assert_eq!(got, admission, "{incarnation} {sequence}");
        }
    }

    #[test]
    fn what_a_box_said_before_it_was_first_heard_is_over() {
        let mut db = HostDb::default();
        let accepted = |reborn| Admission::Accepted { reborn };
        for (incarnation, sequence, admission) in [
            (1, 500, accepted(true)),
            (1, 499, Admission::Duplicate),
            (1, 1, Admission::Duplicate),
            (1, 503, accepted(false)),
            // Overtaken on the way, or late on the other network.
            (1, 501, accepted(false)),
            (1, 502, accepted(false)),
            (2, 3, accepted(true)),
            (2, 2, Admission::Duplicate),
            (2, 4, accepted(false)),
        ] {
            let got = db.admit(id(1), Incarnation(incarnation), Sequence(sequence), &JUDGE, ms(0));
            assert_eq!(got, admission, "{incarnation} {sequence}");
        }
    }

    #[test]
    fn a_newcomer_learns_from_others_which_messages_are_replays() {
        let mut db = HostDb::default();
        let heard = Heard {
            id: id(1),
            incarnation: Incarnation(5),
            sequence: Sequence(5000),
            age: Duration::from_millis(10),
            loss: 0,
        };
        db.heard_by_another(&heard, TOLERANCE, DEAD_AFTER, ms(100));
        assert_eq!(db.admit(id(1), Incarnation(4), Sequence(9999), &JUDGE, ms(100)), Admission::Replay);
        assert_eq!(db.admit(id(1), Incarnation(5), Sequence(100), &JUDGE, ms(100)), Admission::Replay);
        let fresh = db.admit(id(1), Incarnation(5), Sequence(5000), &JUDGE, ms(100));
        assert_eq!(fresh, Admission::Accepted { reborn: false });
    }

    #[test]
    fn nothing_that_a_dead_box_said_is_news_to_a_newcomer_that_was_told_of_it() {
        let long = Duration::from_secs(60);
        let heard = Heard { id: id(1), incarnation: Incarnation(5), sequence: Sequence(70), age: long, loss: 0 };
        let told = |db: &mut HostDb| db.heard_by_another(&heard, TOLERANCE, DEAD_AFTER, ms(100));
        let admit = |db: &mut HostDb, sequence| db.admit(id(1), Incarnation(5), Sequence(sequence), &JUDGE, ms(100));
        let accepted = |reborn| Admission::Accepted { reborn };
        let mut db = HostDb::default();
        told(&mut db);
        assert_eq!(admit(&mut db, 70), Admission::Replay);
        assert_eq!(admit(&mut db, 69), Admission::Replay);
        assert_eq!(admit(&mut db, 71), accepted(true), "but when it thaws, it is heard");
        assert_eq!(admit(&mut db, 68), Admission::Duplicate);
        let mut db = HostDb::default();
        assert_eq!(admit(&mut db, 60), accepted(true), "a replay that came before the first word of a peer");
        told(&mut db);
        assert_eq!(admit(&mut db, 61), Admission::Duplicate, "was the last");
        assert_eq!(admit(&mut db, 71), accepted(false));
    }

    #[test]
    fn a_full_group_takes_a_newcomer_only_in_the_place_of_a_dead_box() {
        let mut db = HostDb::default();
        for n in 1..MAX_HOSTS {
            let n = u8::try_from(n).unwrap();
            db.admit(id(n), FIRST, Sequence(1), &JUDGE, ms(0));
            db.host_mut(id(n)).unwrap().become_state(HostState::Up, ms(0));
        }
        assert_eq!(db.admit(id(200), FIRST, Sequence(1), &JUDGE, ms(1)), Admission::Full);
        db.host_mut(id(7)).unwrap().become_state(HostState::Dead, ms(2));
        assert!(matches!(db.admit(id(200), FIRST, Sequence(1), &JUDGE, ms(3)), Admission::Accepted { .. }));
        assert!(db.host(id(7)).is_none());
    }

    #[test]
    fn a_box_is_silent_only_if_nobody_heard_it() {
        let mut db = HostDb::default();
        db.admit(id(1), FIRST, Sequence(1), &JUDGE, ms(0));
        db.host_mut(id(1)).unwrap().become_state(HostState::Up, ms(0));
        assert_eq!(db.timeout(&JUDGE), Some(ms(300)));
        let age = Duration::from_millis(50);
        db.heard_by_another(
            &Heard { id: id(1), incarnation: FIRST, sequence: Sequence(3), age, loss: 0 },
            TOLERANCE,
            DEAD_AFTER,
            ms(250),
        );
        assert_eq!(db.timeout(&JUDGE), Some(ms(500)));
        let of_another_life = Heard { id: id(1), incarnation: Incarnation(9), sequence: Sequence(3), age, loss: 0 };
        db.heard_by_another(&of_another_life, TOLERANCE, DEAD_AFTER, ms(450));
        assert_eq!(db.timeout(&JUDGE), Some(ms(500)));
    }

    #[test]
    fn a_measured_box_is_dead_after_enough_questions_and_not_before() {
        let mut host = host();
        for beat in 1..=100 {
            host.liveness.arrived(0, BEAT, ms(beat * 100));
            host.liveness.returned(Duration::from_micros(300));
            host.hear(Sequence(beat), ms(beat * 100));
        }
        let plain = ms(10_300);
        let patience = host.patience(&JUDGE);
        host.count_ask(&JUDGE, ms(10_050));
        assert_eq!(host.asks.count, 0, "it is not silent yet");
        for _ in 1..patience.asks {
            host.probe(&JUDGE, ms(10_120));
        }
        assert_eq!(host.expires(&JUDGE), plain, "one question is missing");
        host.count_ask(&JUDGE, ms(10_180));
        let dead = host.expires(&JUDGE);
        assert!(dead < plain && dead >= ms(10_180) + patience.answer, "{dead:?}");
        host.hear(Sequence(101), ms(10_181));
        assert_eq!(host.expires(&JUDGE), ms(10_481), "it answered");
        host.count_ask(&JUDGE, ms(10_300));
        assert_eq!(host.asks.count, 1, "and all begins anew");
    }

    #[test]
    fn a_box_heard_only_through_others_is_dead_after_the_dead_interval() {
        let mut host = host();
        for beat in 1..=100 {
            host.liveness.arrived(0, BEAT, ms(beat * 100));
            host.liveness.returned(Duration::from_micros(300));
        }
        host.hear(Sequence(100), ms(10_000));
        assert!(host.patience(&JUDGE).dead.is_some());
        host.heard_by_others = ms(10_400);
        assert_eq!(host.patience(&JUDGE).dead, None);
    }

    #[test]
    fn an_entry_in_pieces_is_taken_when_the_last_piece_is_there_in_any_order() {
        let mut host = host();
        host.told_of(EntryVersion(2), ms(0));
        let claim = |n| Row::Claim(address(n), Claim::Online);
        assert!(!host.take_part(EntryVersion(2), &part(1, 2, &[claim(2)]), ms(1)));
        assert!(!host.known(DEAD_AFTER, ms(1)));
        assert!(!host.take_part(EntryVersion(1), &part(0, 2, &[claim(9)]), ms(1)), "an older version's piece");
        assert!(host.take_part(EntryVersion(2), &part(0, 2, &[claim(1)]), ms(2)));
        assert!(host.known(DEAD_AFTER, ms(2)));
        let entry = host.entry.as_ref().unwrap();
        assert_eq!(entry.claims, [(address(1), Claim::Online), (address(2), Claim::Online)]);
        assert_eq!(entry.claim(address(2)), Some(Claim::Online));
        assert!(!host.take_part(EntryVersion(1), &part(0, 1, &[]), ms(3)), "an overtaken version");
    }

    #[test]
    fn a_box_is_asked_for_what_is_lacking_but_not_more_often_than_each_beat() {
        let mut host = host();
        let beat = Duration::from_millis(100);
        host.told_of(EntryVersion(1), ms(0));
        assert!(host.wants_asking(beat, ms(0)));
        assert!(!host.wants_asking(beat, ms(99)));
        assert!(host.wants_asking(beat, ms(100)));
        host.take_part(EntryVersion(1), &part(0, 1, &[]), ms(101));
        assert!(!host.wants_asking(beat, ms(500)));
    }

    #[test]
    fn a_piece_that_lies_about_its_number_is_ignored() {
        for (index, count) in [(0, 0), (1, 1), (5, 2), (0, u16::MAX)] {
            assert!(!host().take_part(EntryVersion(1), &part(index, count, &[]), ms(0)), "{index} of {count}");
        }
    }
}
