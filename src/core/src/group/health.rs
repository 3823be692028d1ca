//! Who is well: this box, by its tests, carrier and operator, and the others, by what is heard of them; and so how long
//! each address has been away from its home.

use super::{Fitness, Group};
use crate::address::{IdAddress, ServiceAddress};
use crate::counters::DropCause;
use crate::flaps::Flaps;
use crate::host_db::{Host, Judge};
use crate::io::Action;
use crate::liveness;
use crate::mutation::Mutation;
use crate::notification::{HostState, Notification, Reason};
use crate::operator::Intent;
use crate::outbox::Outbox;
use crate::params::Failback;
use crate::quantity::Sequence;
use crate::service_db::{Home, Standing};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Group {
    /// Changes the fitness by `change`, and does what follows: a box that is no longer ok releases everything (G-11).
    pub(super) fn become_fit(&mut self, now: Instant, out: &mut Outbox, change: impl FnOnce(&mut Fitness)) {
        let (before, state) = (self.fitness, self.own_state());
        change(&mut self.fitness);
        if self.fitness == before {
            return;
        }
        let figures_only = Fitness { load: before.load, capacity: before.capacity, ..self.fitness } == before;
        if figures_only {
            // A leader's own load is looked at like another's.
            if self.params.load_moves.is_some() {
                self.control_stale = true;
                self.touch();
            }
            return out.changed();
        }
        self.healthy_since = if self.available() { self.healthy_since.or(Some(now)) } else { None };
        self.status_changed(out);
        self.entry_stale = true;
        if self.own_state() != state {
            self.own_transitions = self.own_transitions.saturating_add(1);
            self.own_last_change = now;
            if !self.ok() {
                if state.is_well() {
                    self.own_flaps.fell(now);
                }
                // The countdown of its addresses begins now, not when they were last looked at.
                let before_this = core::mem::replace(&mut self.fitness, before);
                self.see_home_of(self.params.id, now);
                self.fitness = before_this;
            }
            self.judge_owners(self.params.id, now);
            self.table_stale = true;
            self.notify_host_state(self.params.id, self.own_state(), out);
        }
        if let Some(trouble) = self.trouble() {
            self.release_all(trouble, now, out);
        }
    }

    /// The linked tests pass, or not (G-11).
    pub(crate) fn tests_pass(&mut self, pass: bool, now: Instant, out: &mut Outbox) {
        self.become_fit(now, out, |fitness| fitness.tests_pass = pass);
    }

    /// The service interface has a carrier, or not.
    pub(crate) fn carrier(&mut self, up: bool, now: Instant, out: &mut Outbox) {
        self.become_fit(now, out, |fitness| fitness.carrier = up);
    }

    /// Load and capacity of the linked load object.
    pub(crate) fn loaded(&mut self, (load, capacity): (u32, u32), now: Instant, out: &mut Outbox) {
        self.become_fit(now, out, |fitness| (fitness.load, fitness.capacity) = (load, capacity));
    }

    /// An operator quiesces, drains (which quiesces too, G-59), or undoes both.
    pub(crate) fn intend(&mut self, intent: Intent, now: Instant, out: &mut Outbox) {
        self.become_fit(now, out, |fitness| fitness.intent = intent);
    }

    /// By what the others' silence is judged.
    pub(super) fn judge(&self) -> Judge {
        Judge {
            beat: self.params.beat,
            dead_after: self.params.dead_after,
            interval: liveness::ask_interval(self.params.beat, self.hosts.live().count()),
            planted: self.identity.planted,
        }
    }

    /// Drops who was silent for too long (G-50).
    pub(super) fn expire_hosts(&mut self, now: Instant, out: &mut Outbox) {
        if self.identity.planted.is(Mutation::NeverExpire) {
            return;
        }
        let judge = self.judge();
        if self.hosts.timeout(&judge).is_none_or(|timeout| now < timeout) {
            return;
        }
        let silent = |host: &Host| now >= host.expires(&judge);
        let dead: Vec<_> = self.hosts.live().filter(|(_, host)| silent(host)).map(|(id, _)| id).collect();
        for id in dead {
            self.host_becomes(id, HostState::Dead, now, out);
        }
    }

    /// Takes in another box's state, and tells people.
    pub(super) fn host_becomes(&mut self, id: IdAddress, state: HostState, now: Instant, out: &mut Outbox) {
        if self.hosts.host(id).is_none_or(|host| host.state == state) {
            return;
        }
        self.see_home_of(id, now);
        let Some(host) = self.hosts.host(id) else { return };
        let was_live = host.live();
        let claims = host.entry.as_ref().map(|entry| entry.claims.clone()).unwrap_or_default();
        if let Some(host) = self.hosts.host_mut(id) {
            host.become_state(state, now);
        }
        self.judge_owners(id, now);
        if was_live && !state.is_live() {
            self.claims_changed(&claims, &[], now);
            self.forget_doubtful();
        } else if !was_live {
            // Where it was, it may have served what we serve, and clients may have learnt it.
            self.announce_everything(now);
        }
        self.touch_table();
        out.changed();
        self.notify_host_state(id, state, out);
    }

    /// Takes over whose addresses are whose from a box's entry, or this box's configuration; `news`: it just said so.
    pub(super) fn take_preferred_of(&mut self, id: IdAddress, news: bool, now: Instant) {
        if id == self.params.id {
            let preferred = self.preferred();
            return self.take_preferred(id, &preferred, news, now);
        }
        let Some(entry) = self.hosts.host(id).and_then(|host| host.entry.as_ref()) else { return };
        let preferred = entry.preferred.clone();
        self.take_preferred(id, &preferred, news, now);
    }

    fn take_preferred(&mut self, owner: IdAddress, preferred: &[ServiceAddress], news: bool, now: Instant) {
        let (me, own) = (self.params.id, (self.is_home(self.params.id), self.stage.speaks()));
        let hosts = &self.hosts;
        let standing = |id: IdAddress| {
            let (home, live) = if id == me { own } else { (hosts.is_home(id), hosts.is_live(id)) };
            match (home, live) {
                (true, _) => Standing::Home,
                (false, true) => Standing::Unwell,
                (false, false) => Standing::Gone,
            }
        };
        let proven = self.is_proven(owner);
        if !self.services.owns(owner, preferred, standing, proven, news, now) {
            self.drop_one(DropCause::OverLimit);
        }
    }

    /// Finds out anew which of the live boxes owns what: this one came, went, changed its health, or names less. What
    /// ran out comes back by its own news only.
    pub(super) fn judge_owners(&mut self, of: IdAddress, now: Instant) {
        let me = self.stage.speaks().then_some(self.params.id);
        let live: Vec<_> = self.hosts.live().map(|(id, _)| id).chain(me).collect();
        for id in live {
            self.take_preferred_of(id, id == of, now);
        }
    }

    /// For how long a box with these falls has to have been well before its addresses go home to it (G-64).
    pub(super) fn damping_of(&self, flaps: &Flaps, now: Instant) -> Duration {
        self.params.damping.map_or(Duration::ZERO, |longest| flaps.wait(longest, now))
    }

    /// Until when addresses do not go home to a box that is well again.
    pub(super) fn damped_until(&self, healthy_since: Option<Instant>, flaps: &Flaps, now: Instant) -> Option<Instant> {
        let until = healthy_since? + self.damping_of(flaps, now);
        (now < until && self.params.failback != Failback::Manual).then_some(until)
    }

    pub(super) fn notify_host_state(&self, host: IdAddress, state: HostState, out: &mut Outbox) {
        out.push(Action::Notify(Notification::HostStateChange { group: self.name.clone(), host, state }));
    }

    /// A box whose preferred address could be served by it at this moment, so that no countdown runs.
    pub(super) fn is_home(&self, id: IdAddress) -> bool {
        if id == self.params.id {
            return self.ok() && self.stage.speaks();
        }
        self.hosts.is_home(id)
    }

    /// Notes for a box's own addresses, if it is well, that they were home until now (G-22). Without an orphan timeout
    /// too: what this box tells of them others may count down, and so may this box with its next configuration.
    pub(super) fn see_home_of(&mut self, id: IdAddress, now: Instant) {
        let Some(at) = self.seen_home(id, now) else { return };
        let own: Vec<_> =
            self.services.homes().filter(|(_, home)| home.preferred == id).map(|(address, _)| address).collect();
        for address in own {
            self.services.at_home(address, at);
        }
    }

    /// The same for every box's.
    fn see_who_is_home(&mut self, now: Instant) {
        let seen = |(address, home): (ServiceAddress, Home)| Some((address, self.seen_home(home.preferred, now)?));
        let home: Vec<_> = self.services.homes().filter_map(seen).collect();
        for (address, at) in home {
            self.services.at_home(address, at);
        }
    }

    /// When a box was last known to be well, if it is held to be, and what was heard is no recording.
    pub(super) fn seen_home(&self, id: IdAddress, now: Instant) -> Option<Instant> {
        let known = self.is_home(id) && self.is_proven(id);
        known.then(|| self.hosts.host(id).map_or(now, |host| host.vouched()))
    }

    /// What a box says is said now: it has said that it heard this life of this box. Until then it may be what somebody
    /// recorded, and good enough for a dead interval in which this box decides nothing; but not for how long an address
    /// has been away.
    pub(super) fn is_proven(&self, id: IdAddress) -> bool {
        id == self.params.id || self.hosts.host(id).is_some_and(|host| self.is_said_now(host, Sequence(u64::MAX)))
    }

    /// The same for what the box said in the message with this number.
    pub(super) fn is_said_now(&self, host: &Host, sequence: Sequence) -> bool {
        self.identity.planted.is(Mutation::OpenWindow) || host.proven_from.is_some_and(|from| sequence >= from)
    }

    /// A box said in the message with this number that it heard this life.
    pub(super) fn prove(&mut self, id: IdAddress, sequence: Sequence, now: Instant) {
        // A life that repeats another's number would take what was said to that for said to it, until it is told.
        let outlived = self.told_life.is_some_and(|told| told < self.identity.incarnation);
        let in_doubt = self.may_be_taken_for_an_earlier_life() && !outlived;
        let unproven = |host: &&mut Host| host.proven_from.is_none() && !in_doubt;
        let Some(host) = self.hosts.host_mut(id).filter(unproven) else { return };
        host.proven_from = Some(sequence);
        self.see_home_of(id, now);
        self.touch_table();
    }

    /// Somebody has something to do with an address, be it this box.
    fn is_held(&self, address: ServiceAddress) -> bool {
        let claims = |host: &Host| host.entry.as_ref().is_some_and(|entry| entry.claim(address).is_some());
        self.holdings.contains_key(&address) || self.hosts.live().any(|(_, host)| claims(host))
    }

    /// An address that nobody holds, and that only boxes told of which never heard this one: as far as anybody can tell
    /// its time ran out long ago. It is given to nobody.
    pub(super) fn is_doubtful(&self, address: ServiceAddress, home: Home) -> bool {
        let runs_out = self.params.orphan_timeout.is_some();
        runs_out && !home.sure && !self.is_proven(home.preferred) && !self.is_held(address)
    }

    /// Forgets doubtful addresses whose owners are gone by the time this box decides something, or since.
    pub(super) fn forget_doubtful(&mut self) {
        let gone = |home: &Home| home.preferred != self.params.id && !self.hosts.is_live(home.preferred);
        let doubtful = self.services.homes().filter(|(address, home)| gone(home) && self.is_doubtful(*address, *home));
        let doubtful: Vec<_> = doubtful.map(|(address, _)| address).filter(|_| self.settled).collect();
        for address in doubtful {
            self.services.forget(address);
            self.touch_table();
        }
    }

    pub(super) fn expire_orphans(&mut self, now: Instant, out: &mut Outbox) {
        if self.services.timeout().is_none_or(|timeout| now < timeout) {
            return;
        }
        self.see_who_is_home(now);
        let home: BTreeSet<_> =
            self.hosts.live().map(|(id, _)| id).chain([self.params.id]).filter(|id| self.is_home(*id)).collect();
        for address in self.services.expire(|id| home.contains(&id), now) {
            out.push(Action::Notify(Notification::OrphanExpired { group: self.name.clone(), address }));
            self.release(address, Reason::Expired, now, out);
            self.touch_table();
        }
    }
}
