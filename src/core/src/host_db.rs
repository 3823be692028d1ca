//! The Host Information Database: what this box knows of each other box of a group, and when it last heard of it.
//!
//! A box that died or left keeps its row, for its replay window and for people to see, but its entry is forgotten: what
//! it served is anybody's. It does not know who leads or who should serve what.

use crate::address::{IdAddress, ServiceAddress};
use crate::info_message::{Claim, EntryPart, Heard, Row, Status};
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
    /// When it was last heard directly, and by anybody (G-4).
    pub(crate) heard: Instant,
    pub(crate) heard_by_others: Instant,
    /// It is not found dead before: this box itself was not listening.
    spared_until: Instant,
    /// What its status says dates from before this box slept.
    status_is_stale: bool,
    probed: Option<Instant>,
    /// When, by its own account, it last heard this box.
    pub(crate) heard_us: Option<Instant>,
    pub(crate) state: HostState,
    pub(crate) transitions: u32,
    pub(crate) last_change: Instant,
    /// Since when it has been live, ok and taking addresses without a break.
    pub(crate) healthy_since: Option<Instant>,
}

impl Host {
    fn new(incarnation: Incarnation, window: ReplayWindow, now: Instant) -> Self {
        Self {
            incarnation,
            window,
            latest_news: Sequence::default(),
            status: None,
            entry: None,
            assembly: None,
            told_version: EntryVersion::default(),
            lacking_since: Some(now),
            asked: None,
            heard: now,
            heard_by_others: now,
            spared_until: now,
            status_is_stale: false,
            probed: None,
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

    /// When it will have been silent for the dead interval.
    pub(crate) fn expires(&self, dead_after: Duration) -> Instant {
        (self.last_heard() + dead_after).max(self.spared_until)
    }

    /// This box did not listen: the other is given until `until` to be heard.
    pub(crate) fn spare(&mut self, until: Instant) {
        (self.spared_until, self.heard_us, self.status_is_stale) = (until, None, true);
    }

    /// When to ask it next whether it is still there: it has been silent for a little more than a beat.
    pub(crate) fn next_probe(&self, beat: Duration, interval: Duration) -> Instant {
        let suspected = self.last_heard() + beat * 3 / 2;
        self.probed.map_or(suspected, |probed| suspected.max(probed + interval))
    }

    /// It was asked whether it is still there.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.probed = Some(now);
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

    /// The highest sequence number received from it.
    pub(crate) fn highest_sequence(&self) -> Sequence {
        self.window.highest()
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
    entry.preferred.truncate(MAX_ADDRESSES);
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
    floors: BTreeMap<IdAddress, (Incarnation, Sequence)>,
}

impl HostDb {
    /// Takes in a message's number; a box that was not known gets a row.
    pub(crate) fn admit(
        &mut self,
        sender: IdAddress,
        incarnation: Incarnation,
        sequence: Sequence,
        now: Instant,
    ) -> Admission {
        let known = self.hosts.get(&sender).map(|host| host.incarnation);
        let reborn = match known {
            Some(known) if incarnation < known => return Admission::Replay,
            Some(known) => incarnation > known,
            None => {
                if self.floors.get(&sender).is_some_and(|(floor, _)| incarnation < *floor) {
                    return Admission::Replay;
                }
                if !self.make_room() {
                    return Admission::Full;
                }
                true
            }
        };
        if reborn {
            let window = match self.floors.remove(&sender) {
                Some((floor, heard)) if floor == incarnation => {
                    ReplayWindow::starting_at(Sequence(heard.0.saturating_sub(1)))
                }
                Some(_) | None => ReplayWindow::default(),
            };
            let mut host = Host::new(incarnation, window, now);
            if let Some(past) = self.hosts.get(&sender) {
                (host.transitions, host.last_change) = (past.transitions, past.last_change);
            }
            self.hosts.insert(sender, host);
        }
        let Some(host) = self.hosts.get_mut(&sender) else { return Admission::Full };
        match host.window.take(sequence) {
            Arrival::Newest | Arrival::Overtaken => Admission::Accepted { reborn },
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

    /// Takes in what another box heard of a third (G-4).
    pub(crate) fn heard_by_another(&mut self, heard: &Heard, now: Instant) {
        match self.hosts.get_mut(&heard.id) {
            Some(host) if host.incarnation == heard.incarnation => {
                host.heard_by_others = host.heard_by_others.max(now.before(heard.age));
            }
            Some(_) => {}
            None => {
                let floor = self.floors.entry(heard.id).or_default();
                *floor = (*floor).max((heard.incarnation, heard.sequence));
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

    /// When the next box will have been silent for the dead interval.
    pub(crate) fn timeout(&self, dead_after: Duration) -> Option<Instant> {
        self.live().map(|(_, host)| host.expires(dead_after)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{address, id, ms};

    const FIRST: Incarnation = Incarnation(1);
    const DEAD_AFTER: Duration = Duration::from_millis(300);

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
            (5, 9, accepted(false)),
            (4, 99, Admission::Replay),
            (6, 1, accepted(true)),
            (5, 11, Admission::Replay),
            (6, 2, accepted(false)),
        ] {
            let got = db.admit(id(1), Incarnation(incarnation), Sequence(sequence), ms(0));
            assert_eq!(got, admission, "{incarnation} {sequence}");
        }
    }

    #[test]
    fn a_newcomer_learns_from_others_which_messages_are_replays() {
        let mut db = HostDb::default();
        let heard =
            Heard { id: id(1), incarnation: Incarnation(5), sequence: Sequence(5000), age: Duration::from_millis(10) };
        db.heard_by_another(&heard, ms(100));
        assert_eq!(db.admit(id(1), Incarnation(4), Sequence(9999), ms(100)), Admission::Replay);
        assert_eq!(db.admit(id(1), Incarnation(5), Sequence(100), ms(100)), Admission::Replay);
        let fresh = db.admit(id(1), Incarnation(5), Sequence(5000), ms(100));
        assert_eq!(fresh, Admission::Accepted { reborn: false });
    }

    #[test]
    fn a_full_group_takes_a_newcomer_only_in_the_place_of_a_dead_box() {
        let mut db = HostDb::default();
        for n in 1..MAX_HOSTS {
            let n = u8::try_from(n).unwrap();
            db.admit(id(n), FIRST, Sequence(1), ms(0));
            db.host_mut(id(n)).unwrap().become_state(HostState::Up, ms(0));
        }
        assert_eq!(db.admit(id(200), FIRST, Sequence(1), ms(1)), Admission::Full);
        db.host_mut(id(7)).unwrap().become_state(HostState::Dead, ms(2));
        assert!(matches!(db.admit(id(200), FIRST, Sequence(1), ms(3)), Admission::Accepted { .. }));
        assert!(db.host(id(7)).is_none());
    }

    #[test]
    fn a_box_is_silent_only_if_nobody_heard_it() {
        let mut db = HostDb::default();
        db.admit(id(1), FIRST, Sequence(1), ms(0));
        db.host_mut(id(1)).unwrap().become_state(HostState::Up, ms(0));
        assert_eq!(db.timeout(DEAD_AFTER), Some(ms(300)));
        let age = Duration::from_millis(50);
        db.heard_by_another(&Heard { id: id(1), incarnation: FIRST, sequence: Sequence(3), age }, ms(250));
        assert_eq!(db.timeout(DEAD_AFTER), Some(ms(500)));
        let of_another_life = Heard { id: id(1), incarnation: Incarnation(9), sequence: Sequence(3), age };
        db.heard_by_another(&of_another_life, ms(450));
        assert_eq!(db.timeout(DEAD_AFTER), Some(ms(500)));
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
