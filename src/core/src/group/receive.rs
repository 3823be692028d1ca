//! What this box makes of what it hears (A, figures 4A to 4D; G-20 to G-22).

use super::{Group, LastOrder, LeaderLife};
use crate::address::{IdAddress, InterfaceName, ServiceAddress};
use crate::counters::DropCause;
use crate::host_db::{Admission, Host};
use crate::info_message::{Ask, Body, Claim, EntryPart, Heard, Info, Message, Order, Orders, Row, Status};
use crate::mutation::Mutation;
use crate::notification::{HostState, Reason};
use crate::outbox::Outbox;
use crate::params::MAX_ADDRESSES;
use crate::quantity::{EntryVersion, Incarnation, Sequence};
use crate::time::{Duration, Instant};

/// So many boxes answer a question about a silent one, besides itself.
const VOUCHERS: usize = 3;

/// What an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Acquire,
    Release,
}

fn state_of(status: &Status) -> HostState {
    match (status.ok, status.quiesced) {
        (false, _) => HostState::NotOk,
        (true, true) => HostState::Quiesced,
        (true, false) => HostState::Up,
    }
}

impl Group {
    /// Takes in an authentic message.
    pub(crate) fn receive(&mut self, message: Message, interface: &InterfaceName, now: Instant, out: &mut Outbox) {
        let Message { sender, incarnation, sequence, body } = message;
        if sender == self.params.id {
            return self.drop_one(DropCause::OwnId);
        }
        if now < self.deaf_until {
            return self.drop_one(DropCause::Replay);
        }
        let past = self.hosts.host(sender).filter(|host| host.live() && host.incarnation < incarnation);
        let past_claims = past.and_then(|host| Some(host.entry.as_ref()?.claims.clone()));
        let admission = self.hosts.admit(sender, incarnation, sequence, &self.judge(), now);
        self.note_link(sender, incarnation, sequence, interface, now);
        let reborn = match admission {
            Admission::Accepted { reborn } => reborn,
            Admission::Duplicate => return self.drop_old(sender, DropCause::Duplicate, now),
            Admission::Replay => return self.drop_old(sender, DropCause::Replay, now),
            Admission::Full => {
                self.crowded = true;
                return self.drop_one(DropCause::OverLimit);
            }
        };
        self.counters.messages_in = self.counters.messages_in.saturating_add(1);
        self.touch();
        if reborn {
            // What the box claimed in its last life it does not hold in this one (G-22).
            self.claims_changed(&past_claims.unwrap_or_default(), &[], now);
            self.touch_table();
        }
        let about_itself = matches!(body, Body::Info(_) | Body::Leave);
        let news = about_itself && self.hosts.host_mut(sender).is_some_and(|host| host.is_news(sequence));
        match body {
            Body::Info(info) => self.informed((sender, sequence), info, news, now, out),
            Body::Acquire(orders) => self.ordered((sender, incarnation), Wish::Acquire, &orders, now, out),
            Body::Release(orders) => self.ordered((sender, incarnation), Wish::Release, &orders, now, out),
            Body::Leave if news => self.host_becomes(sender, HostState::Left, now, out),
            Body::Leave => {}
            Body::Ask(ask) => self.asked(sender, ask, now),
        }
    }

    fn informed(
        &mut self,
        (sender, sequence): (IdAddress, Sequence),
        info: Info,
        news: bool,
        now: Instant,
        out: &mut Outbox,
    ) {
        let Some(host) = self.hosts.host_mut(sender) else { return };
        if !news && !host.live() {
            return; // A straggler of a box that died or left does not bring it back.
        }
        let Info { status, entry_version, part, heard } = info;
        self.hear_policy(status.policy, out);
        let Some(host) = self.hosts.host_mut(sender) else { return };
        let unknown = !host.live();
        let reachable = host.reachable(self.params.dead_after, now);
        if news {
            let state = state_of(&status);
            if host.status.as_ref() != Some(&status) {
                self.control_stale = true;
                out.changed();
            }
            // Until now it was as its last status said: that goes first.
            self.host_becomes(sender, state, now, out);
            if let Some(host) = self.hosts.host_mut(sender) {
                host.take_status(status);
            }
            self.hear_of_others((sender, sequence), &heard, now, out);
        }
        let Some(host) = self.hosts.host_mut(sender) else { return };
        // Only now: until it was heard last the box was as it was before. What comes after later news proves nothing: it
        // may have been lost, and recorded, and sent again by somebody else.
        if news {
            host.hear(sequence, now);
        }
        self.control_stale |= reachable != host.reachable(self.params.dead_after, now);
        host.told_of(entry_version, now);
        if host.wants_asking_again(self.params.beat, now) {
            self.send(Body::Ask(Ask { host: sender, known: EntryVersion::default() }), out);
        }
        match part {
            Some(part) => {
                self.hear_of_orphans((sender, sequence), &part.rows, news, now);
                self.take_part(sender, entry_version, &part, now, out);
            }
            None => self.ask_for_entry(sender, now, out),
        }
        if unknown {
            // It may know as little of us.
            self.schedule.owe_entry();
            self.schedule.greet(sender);
        }
    }

    /// Asks a box for its entry, if that is lacking and it was not asked just now (G-3).
    fn ask_for_entry(&mut self, id: IdAddress, now: Instant, out: &mut Outbox) {
        let Some(host) = self.hosts.host_mut(id) else { return };
        if host.wants_asking(self.params.beat, now) {
            let known = host.known_version();
            self.send(Body::Ask(Ask { host: id, known }), out);
        }
    }

    /// Notes by which of our control interfaces a message came, be it the second copy.
    fn note_link(
        &mut self,
        sender: IdAddress,
        incarnation: Incarnation,
        sequence: Sequence,
        interface: &InterfaceName,
        now: Instant,
    ) {
        let link = self.params.control.iter().position(|control| control.interface == *interface);
        if let (Some(link), Some(host)) = (link, self.hosts.host_mut(sender))
            && host.incarnation == incarnation
        {
            host.came_by(link, sequence, self.params.beat, now);
        }
    }

    /// A box is asked to speak (G-3, G-4). All hear it: who heard a silent box lately says so.
    fn asked(&mut self, sender: IdAddress, ask: Ask, now: Instant) {
        if ask.host == self.params.id {
            // Whoever asks may mean an earlier life: each answer would be taken for another of its words, until its numbers
            // are overtaken and the two lives are one to the others.
            if self.may_be_taken_for_an_earlier_life() {
                return;
            }
            if ask.known == self.entry_version {
                self.schedule.answer();
            } else {
                self.schedule.owe_entry();
            }
            return;
        }
        let judge = self.judge();
        let Some(host) = self.hosts.host_mut(ask.host).filter(|host| host.live()) else { return };
        host.count_ask(&judge, now);
        if now.since(host.heard) < self.params.beat * 9 / 8 && self.vouches(ask.host, sender) {
            self.schedule.vouch_for(ask.host);
        }
    }

    /// In a large group not all need say that they heard a box: those whose ids follow its own do.
    fn vouches(&self, host: IdAddress, asker: IdAddress) -> bool {
        let witness = |id: &IdAddress| *id != host && *id != asker;
        let others = || self.hosts.live().map(|(id, _)| id).chain([self.params.id]).filter(witness);
        let (me, all) = (self.params.id, others().count());
        let before_me = others().filter(|id| if me > host { *id > host && *id < me } else { *id > host || *id < me });
        all <= VOUCHERS || before_me.count() < VOUCHERS
    }

    fn hear_of_others(
        &mut self,
        (sender, sequence): (IdAddress, Sequence),
        heard: &[Heard],
        now: Instant,
        out: &mut Outbox,
    ) {
        for heard in heard {
            if heard.id != self.params.id {
                let told_now = self.identity.planted.is(Mutation::DoubleCountAges);
                let age = if told_now { Duration::ZERO } else { heard.age };
                let (tolerance, dead_after) = (self.params.beat / 8, self.params.dead_after);
                self.hosts.heard_by_another(&Heard { age, ..*heard }, tolerance, dead_after, now);
            } else if self.is_of_this_life(heard, now, out)
                && let Some(host) = self.hosts.host_mut(sender)
            {
                host.heard_us = host.heard_us.max(Some(now.before(heard.age)));
                host.liveness.told_of_loss(heard.loss);
                if let Some(sent) = self.schedule.sent_at(heard.sequence) {
                    host.liveness.returned(now.since(sent).saturating_sub(heard.age));
                }
                self.prove(sender, sequence, now);
            }
        }
    }

    fn hear_of_orphans(&mut self, (sender, sequence): (IdAddress, Sequence), rows: &[Row], news: bool, now: Instant) {
        let proven = self.hosts.host(sender).is_some_and(|host| self.is_said_now(host, sequence));
        let news = news || self.identity.planted.is(Mutation::OpenWindow);
        for row in rows {
            let Row::Orphan { address, preferred, age } = *row else { continue };
            // Whether a box that we hear owns an address it says itself.
            let disowns = |host: &Host| {
                let entry = host.entry.as_ref().filter(|_| host.live());
                entry.is_some_and(|entry| entry.preferred.binary_search(&address).is_err())
            };
            if preferred == self.params.id || self.hosts.host(preferred).is_some_and(disowns) {
                continue;
            }
            let known = self.services.contains(address);
            // What comes after later news may be a recording of what was lost on the way.
            if !(proven && news) && self.services.knows(address) {
                continue;
            }
            if let Some(host) = self.hosts.host_mut(sender) {
                host.told_doubtful |= !proven;
            }
            if !self.services.told(address, preferred, age, proven, now) {
                self.drop_one(DropCause::OverLimit);
            }
            if known != self.services.contains(address) {
                self.touch_table();
            }
        }
    }

    fn take_part(
        &mut self,
        sender: IdAddress,
        version: EntryVersion,
        part: &EntryPart,
        now: Instant,
        out: &mut Outbox,
    ) {
        let whole = || EntryPart { index: 0, count: 1, ..part.clone() };
        let whole = self.identity.planted.is(Mutation::TakePieceForWhole).then(whole);
        let part = whole.as_ref().unwrap_or(part);
        let Some(host) = self.hosts.host_mut(sender) else { return };
        let known = host.entry.as_ref().map(|entry| entry.version);
        let before = host.entry.as_ref().map(|entry| entry.claims.clone()).unwrap_or_default();
        if !host.take_part(version, part, now) {
            return;
        }
        let after = host.entry.as_ref().map(|entry| entry.claims.clone()).unwrap_or_default();
        self.claims_changed(&before, &after, now);
        self.yield_in_doubt(&before, &after, now, out);
        self.obey_waiting(now, out);
        if known.is_none_or(|known| version > known.next()) {
            // What it claimed in versions that did not reach us nobody can tell.
            self.announce_everything(now);
        }
        let entry = self.hosts.host(sender).and_then(|host| host.entry.as_ref());
        if entry.is_some_and(|entry| self.services.disowns(sender, &entry.preferred)) {
            self.judge_owners(sender, now);
        } else {
            self.take_preferred_of(sender, true, now);
        }
        self.touch_table();
        out.changed();
    }

    pub(super) fn ordered(
        &mut self,
        (sender, life): LeaderLife,
        wish: Wish,
        orders: &Orders,
        now: Instant,
        out: &mut Outbox,
    ) {
        // The sender may know a moment before us that it leads now.
        self.expire_hosts(now, out);
        self.take_sides(now, out);
        self.elect(now, out);
        let leads = self.leader == Some(sender) || self.identity.planted.is(Mutation::ObeyAnyone);
        let early = !leads && self.keep_early_orders((sender, life), wish, orders, now);
        for order in &orders.orders {
            if self.is_to_a_past_life(order) {
                // What was ordered then says nothing of now, neither to the box itself nor to who goes on from it.
                if order.destination == self.params.id {
                    self.drop_one(DropCause::Replay);
                }
                continue;
            }
            self.no_longer_waits(order.address, orders.pass);
            // From whoever led a moment ago, too: its order may be obeyed by who does not know better yet.
            self.note_order(order.address, (wish == Wish::Acquire).then_some(order.destination), now);
            if leads && let Some(track) = self.tracks.get_mut(&order.address) {
                track.reason = Some(order.reason);
            }
            if order.destination != self.params.id || early {
            } else if !leads {
                self.drop_one(DropCause::NotLeader);
            } else if self.is_stale(order.address, (sender, life, orders.pass)) {
                self.drop_one(DropCause::StalePass);
            } else if wish == Wish::Acquire && self.held_elsewhere(order.address, now) {
                self.keep_waiting(order, orders.pass, now);
            } else {
                self.obey(wish, order, now, out);
            }
        }
    }

    /// An order to another life of its destination than the one known here: late, or recorded and sent again. A leader
    /// that does not know of this box's present life yet has not heard it, and repeats the order once it has.
    fn is_to_a_past_life(&self, order: &Order) -> bool {
        if self.identity.planted.is(Mutation::ObeyPastOrders) {
            return false;
        }
        if order.destination == self.params.id {
            return order.life != self.identity.incarnation;
        }
        self.hosts.host(order.destination).is_some_and(|host| order.life < host.incarnation)
    }

    /// An order about this address in an older pass of that leader's life than one before it; else it is noted (G-5).
    fn is_stale(&mut self, address: ServiceAddress, order: LastOrder) -> bool {
        let last = self.last_orders.get(&address);
        if last.is_some_and(|(leader, life, pass)| (*leader, *life) == (order.0, order.1) && order.2 < *pass) {
            return true;
        }
        if self.last_orders.len() >= MAX_ADDRESSES && last.is_none() {
            self.last_orders.pop_first();
        }
        self.last_orders.insert(address, order);
        false
    }

    /// Another box took addresses of ours while we slept: they are its own now (G-33).
    fn yield_in_doubt(
        &mut self,
        before: &[(ServiceAddress, Claim)],
        after: &[(ServiceAddress, Claim)],
        now: Instant,
        out: &mut Outbox,
    ) {
        if now >= self.doubt_until {
            return;
        }
        for (address, claim) in after {
            if *claim != Claim::Releasing && before.binary_search_by_key(address, |(claimed, _)| *claimed).is_err() {
                self.release(*address, Reason::Overslept, now, out);
            }
        }
    }

    /// Carries out an order, this box's own or another's (G-20, G-21).
    ///
    /// Beyond seed A, a box does not acquire what it hears another box serve: the leader may not hear that box, or its
    /// order may be old. It waits a moment for the news that the address is free; and the leader repeats an order that shows
    /// no effect.
    pub(super) fn obey(&mut self, wish: Wish, order: &Order, now: Instant, out: &mut Outbox) {
        match wish {
            Wish::Acquire if self.available() && !self.held_elsewhere(order.address, now) => {
                self.acquire(order.address, order.reason, now, out);
            }
            Wish::Acquire => {}
            Wish::Release => self.release(order.address, order.reason, now, out),
        }
    }

    pub(super) fn held_elsewhere(&self, address: ServiceAddress, now: Instant) -> bool {
        let holds = |host: &Host| {
            let claim = host.entry.as_ref().and_then(|entry| entry.claim(address));
            matches!(claim, Some(Claim::Online | Claim::Acquiring)) && now.since(host.heard) < self.params.dead_after
        };
        self.hosts.live().any(|(_, host)| holds(host)) && !self.identity.planted.is(Mutation::AcquireBeforeRelease)
    }
}
