//! What this box says: the heartbeat, and more of it when something changed (A, figure 3; G-3, G-4, G-10, G-12).

use super::Group;
use crate::address::{IdAddress, ServiceAddress};
use crate::info_message::{Ask, Body, EntryPart, Heard, Info, Message, Row, Status};
use crate::io::Action;
use crate::mutation::Mutation;
use crate::outbox::Outbox;
use crate::quantity::Sequence;
use crate::service_db::Home;
use crate::time::{Duration, Instant};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// Between two extra messages (G-12).
pub(super) const EXTRA_INTERVAL: Duration = Duration::from_millis(5);
/// The leader looks at everything anew with every so manieth beat although nothing changed.
const LOOK_EVERY: u64 = 10;
/// A changed entry goes out in full this often in a row: one lost message costs no question.
const FULL_REPEATS: u8 = 2;
/// Between two answers to questions whether this box is still there: each question of one asker gets its own.
const ANSWER_INTERVAL: Duration = Duration::from_micros(250);
/// When so many info messages left is remembered, to know how long they took there and back.
const SENT_REMEMBERED: usize = 64;
/// Most boxes told of in one message; in a larger group they take turns. So a beat costs no more than 4 kB a second at
/// 100 ms, however large the group.
const MOST_HEARD: usize = 8;
/// Of these, boxes whose life is over.
const MOST_PAST: usize = 2;
/// A datagram's payload (G-3).
const DATAGRAM_OCTETS: usize = 1400;
/// Of it: the header and signature, the status and policy, and four control addresses.
const FIXED_OCTETS: usize = 120 + 120 + 70;
/// One [`Heard`].
const HEARD_OCTETS: usize = 42;
/// What the orders of one message may take: a datagram without its header and signature.
pub(super) const ORDER_OCTETS: usize = DATAGRAM_OCTETS - 120;

/// When this box speaks next.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    next_beat: Instant,
    beats: u64,
    last_extra: Option<Instant>,
    pub(super) last_sent: Instant,
    /// Something changed that the others should know at once.
    pub(super) urgent: bool,
    /// How many more times the entry is to go out in full.
    full_owed: u8,
    /// Where the next message's [`Heard`] begin.
    turn: usize,
    /// A question is to be answered: this box is here, and heard these lately.
    answer: bool,
    last_answer: Option<Instant>,
    vouched: BTreeSet<IdAddress>,
    /// Boxes that speak as if from a life that is over: the next beat tells what was last heard of them.
    past: BTreeSet<IdAddress>,
    /// When the last info messages left.
    sent: VecDeque<(Sequence, Instant)>,
}

impl Schedule {
    /// Speaks at once.
    pub(super) fn starting(now: Instant) -> Self {
        Self {
            next_beat: now,
            beats: 0,
            last_extra: None,
            last_sent: now,
            urgent: true,
            full_owed: 0,
            turn: 0,
            answer: false,
            last_answer: None,
            vouched: BTreeSet::new(),
            past: BTreeSet::new(),
            sent: VecDeque::new(),
        }
    }

    /// The next beat comes no later than `at`.
    pub(super) fn hasten(&mut self, at: Instant) {
        self.next_beat = self.next_beat.min(at);
    }

    /// The entry is wanted in full, soon.
    pub(super) fn owe_entry(&mut self) {
        self.full_owed = self.full_owed.max(1);
        self.urgent = true;
    }

    /// Somebody asked whether this box is still there.
    pub(super) fn answer(&mut self) {
        self.answer = true;
    }

    /// Somebody asked for a box that this one heard lately.
    pub(super) fn vouch_for(&mut self, host: IdAddress) {
        self.answer = true;
        self.greet(host);
    }

    /// A box is new here: the next message tells it that it was heard, in a large group, too, so that it knows at once whose
    /// words are no recording.
    pub(super) fn greet(&mut self, host: IdAddress) {
        self.vouched.insert(host);
    }

    /// A box spoke as if from a life that is over. Whoever sends recorded messages again gets nothing sent by this: it
    /// goes with the beat.
    pub(super) fn tell_past_of(&mut self, host: IdAddress) {
        if self.past.len() < MOST_PAST {
            self.past.insert(host);
        }
    }

    /// When the info message with this number left, if it was one of the last.
    pub(super) fn sent_at(&self, sequence: Sequence) -> Option<Instant> {
        self.sent.iter().rev().find(|(sent, _)| *sent == sequence).map(|(_, at)| *at)
    }

    fn note_sent(&mut self, sequence: Sequence, now: Instant) {
        if self.sent.len() >= SENT_REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, now));
    }

    /// When the next message is due.
    pub(super) fn next(&self) -> Instant {
        let extra = self.last_extra.map_or(Instant::ZERO, |last| last + EXTRA_INTERVAL);
        let answer = self.last_answer.map_or(Instant::ZERO, |last| last + ANSWER_INTERVAL);
        let asked = [self.urgent.then_some(extra), self.answer.then_some(answer)];
        asked.into_iter().flatten().fold(self.next_beat, Instant::min)
    }

    /// Takes the message that is due, if one is.
    fn take(&mut self, now: Instant, beat: Duration) -> bool {
        if now < self.next() {
            return false;
        }
        if now >= self.next_beat {
            self.beats = self.beats.wrapping_add(1);
            let next = self.next_beat + beat;
            // A late beat is not caught up with: the next one follows a beat later.
            self.next_beat = if next > now { next } else { now + beat };
        }
        if self.urgent {
            self.last_extra = Some(now);
        }
        if self.answer {
            self.last_answer = Some(now);
        }
        (self.urgent, self.answer, self.last_sent) = (false, false, now);
        true
    }
}

impl Group {
    /// Sends a message under the next number.
    pub(super) fn send(&mut self, body: Body, out: &mut Outbox) {
        self.sequence = self.sequence.next();
        if self.identity.planted.is(Mutation::ReuseSequence) && self.sequence.0 % 64 == 63 {
            self.sequence.0 -= 40;
        }
        self.counters.messages_out = self.counters.messages_out.saturating_add(1);
        let message =
            Message { sender: self.params.id, incarnation: self.identity.incarnation, sequence: self.sequence, body };
        out.push(Action::Send { group: self.name.clone(), message });
    }

    /// Speaks, if it is time to.
    pub(super) fn transmit(&mut self, now: Instant, out: &mut Outbox) {
        if !self.stage.speaks() {
            return;
        }
        // What is to be said soon need not be put together more than once.
        if self.entry_stale && !(self.schedule.urgent && now < self.schedule.next()) {
            self.renew_entry();
        }
        let beats = self.schedule.beats;
        if !self.schedule.take(now, self.params.beat) {
            return;
        }
        if self.schedule.beats != beats && self.schedule.beats.is_multiple_of(LOOK_EVERY) {
            // The safety net under the leader's event-driven passes.
            self.control_stale = true;
        }
        let announced = core::mem::take(&mut self.announced);
        if core::mem::take(&mut self.entry_unsent) {
            // Only what is sent gets a number, so that a gap in the versions is a lost message: or a claim that was made,
            // announced and given up before it could be told. Whoever serves the address announces it again (G-60).
            if announced.iter().any(|address| !self.holdings.contains_key(address)) {
                self.entry_version = self.entry_version.next();
            }
            self.entry_version = self.entry_version.next();
            self.schedule.full_owed = FULL_REPEATS;
        }
        let is_beat = self.schedule.beats != beats;
        self.schedule.urgent |= is_beat && self.identity.planted.is(Mutation::SpeakTwice);
        let heard = self.heard(self.schedule.full_owed > 0, is_beat, now);
        if self.schedule.full_owed == 0 {
            return self.send_info(None, heard, out);
        }
        self.schedule.full_owed -= 1;
        let mut parts = self.parts(heard.len(), now);
        // In one piece it goes with the beat; else before it, so that nobody asks for what is on its way.
        let last = if parts.len() == 1 { parts.pop() } else { None };
        for part in parts {
            self.send_info(Some(part), Vec::new(), out);
        }
        self.send_info(last, heard, out);
    }

    fn send_info(&mut self, part: Option<EntryPart>, heard: Vec<Heard>, out: &mut Outbox) {
        let info = Info { status: self.status(), entry_version: self.entry_version, part, heard };
        self.send(Body::Info(info), out);
        self.schedule.note_sent(self.sequence, self.schedule.last_sent);
    }

    fn status(&self) -> Status {
        Status {
            name: self.identity.name.clone(),
            ok: self.ok(),
            trouble: self.trouble(),
            quiesced: self.quiesced(),
            draining: self.draining(),
            settled: self.may_lead(),
            spare: self.params.preferred_addresses.is_empty(),
            load: self.fitness.load,
            capacity: self.fitness.capacity,
            generation: self.identity.generation,
            digest: self.params.digest,
            policy: self.policy(),
        }
    }

    /// Makes the entry anew; if it differs from the last, the others hear of it at once.
    fn renew_entry(&mut self) {
        self.entry_stale = false;
        let me = self.params.id;
        let leads = self.leader == Some(me);
        // Whoever serves an address of another box passes on whose it is and how old; so does the leader for all that
        // are away from home. What nobody serves everybody tells of: a leader that came later may not know it.
        let unclaimed = |address: &ServiceAddress| self.table.get(address).is_none_or(|row| row.claims.is_empty());
        let away = self.services.homes().filter(|(address, home)| {
            let missing = || home.sure && (leads || unclaimed(address)) && !self.is_home(home.preferred);
            home.preferred != me && (self.holdings.contains_key(address) || missing())
        });
        let orphan = |(address, home): (ServiceAddress, Home)| Row::Orphan {
            address,
            preferred: home.preferred,
            age: Duration::ZERO,
        };
        // Of its own, while it is not well, it knows best itself.
        let own: Vec<_> = if self.is_home(me) { Vec::new() } else { self.preferred() };
        let own = own.into_iter().map(|address| Row::Orphan { address, preferred: me, age: Duration::ZERO });
        let orphans = away.map(orphan).chain(own);
        let claims = self.own_claims().map(|(address, claim)| Row::Claim(address, claim));
        let rows: Vec<_> = self.preferred().into_iter().map(Row::Preferred).chain(claims).chain(orphans).collect();
        if rows != self.rows {
            self.rows = rows;
            self.entry_unsent = true;
            self.schedule.urgent = true;
        }
    }

    /// The entry in pieces that fit (G-3), beside `heard` others if it fits in one.
    fn parts(&self, heard: usize, now: Instant) -> Vec<EntryPart> {
        let room = DATAGRAM_OCTETS - FIXED_OCTETS;
        let total: usize = self.rows.iter().map(Row::octets).sum();
        let room_beside_heard = room.saturating_sub(heard * HEARD_OCTETS);
        let mut pieces: Vec<Vec<Row>> = alloc::vec![Vec::new()];
        let mut used = 0;
        for row in &self.rows {
            if total > room_beside_heard && used + row.octets() > room {
                pieces.push(Vec::new());
                used = 0;
            }
            used += row.octets();
            if let Some(piece) = pieces.last_mut() {
                piece.push(self.aged(*row, now));
            }
        }
        // An entry that would fit alone but not beside the others is sent in two messages.
        if total > room_beside_heard && pieces.len() == 1 {
            pieces.push(Vec::new());
        }
        let count = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        let control_addresses: Vec<_> = self.params.control.iter().map(|control| control.address).collect();
        (0..count)
            .zip(pieces)
            .map(|(index, rows)| EntryPart { index, count, control_addresses: control_addresses.clone(), rows })
            .collect()
    }

    fn aged(&self, row: Row, now: Instant) -> Row {
        match row {
            Row::Orphan { address, preferred, .. } => {
                let seen = self.seen_home(preferred, now);
                let last_home = self.services.last_home(address);
                let age = seen.max(last_home).map_or(Duration::ZERO, |at| now.since(at));
                Row::Orphan { address, preferred, age }
            }
            Row::Preferred(_) | Row::Claim(..) => row,
        }
    }

    /// When the next silent box is to be asked.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        let judge = self.judge();
        let next = self.hosts.live().map(|(_, host)| host.next_probe(&judge)).min();
        next.filter(|_| self.stage.speaks())
    }

    /// Asks boxes that have been silent for a little more than a beat: lost messages must not look like death (S-5).
    pub(super) fn probe(&mut self, now: Instant, out: &mut Outbox) {
        if self.next_probe().is_none_or(|next| now < next) {
            return;
        }
        let judge = self.judge();
        let mut silent = Vec::new();
        for (id, host) in self.hosts.iter_mut().filter(|(_, host)| host.live()) {
            if now >= host.next_probe(&judge) {
                host.probe(&judge, now);
                silent.push(Ask { host: id, known: host.known_version() });
            }
        }
        for ask in silent {
            self.send(Body::Ask(ask), out);
        }
    }

    /// What this box heard of the others directly, the leader always among them, the rest taking turns (G-4). Of the
    /// dead, too, when the entry goes out `in_full`, as it does for a newcomer: nobody shall sell it their old words for
    /// new ones.
    fn heard(&mut self, in_full: bool, is_beat: bool, now: Instant) -> Vec<Heard> {
        let planted = self.identity.planted;
        let tell = |(id, host): (IdAddress, &crate::host_db::Host)| {
            let heard = if planted.is(Mutation::DoubleCountAges) { host.last_heard() } else { host.heard };
            let age = now.since(heard);
            let (incarnation, sequence) = (host.incarnation, host.heard_sequence);
            let loss = host.liveness.loss_per_mille().unwrap_or(0);
            (in_full || age < self.params.dead_after).then_some(Heard { id, incarnation, sequence, age, loss })
        };
        let leader = self.leader.and_then(|id| Some((id, self.hosts.host(id).filter(|host| host.live())?)));
        let vouched = core::mem::take(&mut self.schedule.vouched);
        let asked = vouched.iter().filter(|id| Some(**id) != self.leader).take(MOST_HEARD / 2);
        let asked = asked.filter_map(|id| Some((*id, self.hosts.host(*id).filter(|host| host.live())?)));
        // Whoever leads next must know at once whom it reaches.
        let heir = self.heir().filter(|heir| !vouched.contains(heir));
        let heir = heir.and_then(|id| Some((id, self.hosts.host(id)?)));
        let mut heard: Vec<_> = leader.into_iter().chain(heir).chain(asked).filter_map(tell).collect();
        let past = if is_beat { core::mem::take(&mut self.schedule.past) } else { BTreeSet::new() };
        let untold = past.into_iter().filter(|id| heard.iter().all(|heard| heard.id != *id)).collect::<Vec<_>>();
        heard.extend(untold.into_iter().filter_map(|id| self.hosts.last_words(id, self.params.dead_after, now)));
        let told: BTreeSet<_> = heard.iter().map(|heard| heard.id).chain(self.leader).collect();
        let untold = |(id, host): &(IdAddress, &crate::host_db::Host)| !told.contains(id) && (in_full || host.live());
        let others: Vec<_> = self.hosts.iter().filter(untold).filter_map(tell).collect();
        let room = MOST_HEARD - heard.len();
        let first = if others.len() > room { self.schedule.turn % others.len() } else { 0 };
        heard.extend(others.iter().cycle().skip(first).take(room.min(others.len())));
        self.schedule.turn = first + room;
        heard
    }
}
