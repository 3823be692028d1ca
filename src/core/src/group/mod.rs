//! One service group as this box lives it: A's service monitor, with its threads turned into one state machine.
//!
//! Here are its state and its clockwork; who is well is in `health`, what it says in `transmit`, what it makes of what it
//! hears in `receive`, what it does with addresses in `serving`, how it leads in `leading`, how it goes in `leaving`,
//! what it does about addresses that somebody else removes in `repair`, how it learns that its life is not its newest in `lives`, whether its part of the group may serve in `partition`, which
//! orders wait for news in `waiting`, and its picture in `picture`.
//! It knows nothing of other groups, and of the box only what it is told.

mod agreement;
mod announcer;
mod conflict;
mod health;
mod leading;
mod leaving;
mod lives;
mod partition;
mod picture;
mod policy;
mod receive;
mod repair;
mod serving;
mod transmit;
mod waiting;

use crate::address::{GroupName, HostName, IdAddress, ServiceAddress};
use crate::control::Control;
use crate::control_table::{self, ControlTable};
use crate::counters::{Counters, DropCause};
use crate::flaps::Flaps;
use crate::host_db::HostDb;
use crate::info_message::{Claim, Orders, Row};
use crate::io::Action;
use crate::leader;
use crate::liveness;
use crate::monitor::load_object;
use crate::mutation::{Mutation, Planted};
use crate::notification::{HostState, Notification, Reason};
use crate::operator::Intent;
use crate::outbox::Outbox;
use crate::params::{GroupParams, Partition};
use crate::quantity::{EntryVersion, Generation, Incarnation, PassNumber, Sequence};
use crate::service_db::ServiceDb;
use crate::time::{Duration, Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use announcer::Announcer;
use conflict::Suspect;
use leaving::Stage;
use partition::Side;
use picture::Track;
use policy::Governed;
use receive::Wish;
use repair::Repair;
use serving::Held;
use transmit::Schedule;
use waiting::Waiting;

/// What a group knows of the box that it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: HostName,
    pub(crate) incarnation: Incarnation,
    /// An earlier life may have had the incarnation, for all this box knows.
    pub(crate) guessed: bool,
    /// When this life began: nothing said earlier was said by it.
    pub(crate) began: Instant,
    pub(crate) generation: Generation,
    pub(crate) planted: Planted,
}

/// Is this box fit to serve in the group, and does it want to?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fitness {
    /// Every linked test passes.
    tests_pass: bool,
    /// The service interface has a carrier.
    carrier: bool,
    /// The partition policy lets this box serve (G-42).
    may_serve: bool,
    /// What an operator wants of it.
    intent: Intent,
    load: u32,
    capacity: u32,
}

/// From so many addresses on, building the control table takes long enough to be spared.
const LARGE_TABLE: usize = 256;

/// What a command's pass number is compared with (G-5): the last one from that leader in that life for that address.
type LastOrder = (IdAddress, Incarnation, PassNumber);

/// Who gave an order, in which of its lives.
type LeaderLife = (IdAddress, Incarnation);

/// A service group on this box.
#[derive(Debug)]
pub(crate) struct Group {
    name: GroupName,
    /// As operators changed them.
    params: GroupParams,
    governed: Governed,
    identity: Identity,
    fitness: Fitness,
    /// Since when this box could have been given addresses without a break.
    healthy_since: Option<Instant>,
    own_transitions: u32,
    own_last_change: Instant,
    own_flaps: Flaps,
    stage: Stage,
    /// What it served when it was told to leave.
    given_up: Vec<ServiceAddress>,
    /// When it began to listen, and whether that is a dead interval ago (G-40).
    listening_since: Instant,
    settled: bool,
    /// What it hears before is what piled up while it slept: old news.
    deaf_until: Instant,
    /// There are more boxes than a group may have.
    crowded: bool,
    /// It may have been taken for dead: who else holds what it serves keeps it.
    doubt_until: Instant,
    hosts: HostDb,
    services: ServiceDb,
    side: Side,
    /// Live boxes whose configuration differs: people were told (G-62).
    differing: BTreeSet<IdAddress>,
    leader: Option<IdAddress>,
    /// The leader's memory; only while this box leads (G-41).
    control: Option<Control>,
    /// Where the pass numbers go on when this box leads again in this life (G-5).
    last_pass: PassNumber,
    table: ControlTable,
    table_stale: bool,
    last_rebuild: Instant,
    control_stale: bool,
    holdings: BTreeMap<ServiceAddress, Held>,
    last_orders: BTreeMap<ServiceAddress, LastOrder>,
    /// Whom a leader last ordered to acquire an address, and when: all hear it, so the next leader can go on from there.
    orders_heard: BTreeMap<ServiceAddress, (IdAddress, Instant)>,
    /// Orders of who is about to lead, and when they came.
    early_orders: Vec<(LeaderLife, Wish, Orders, Instant)>,
    /// Orders to acquire that were here before the news that the address is free.
    waiting: BTreeMap<ServiceAddress, Waiting>,
    announcer: Announcer,
    suspects: BTreeMap<ServiceAddress, Suspect>,
    repairs: BTreeMap<ServiceAddress, Repair>,
    next_renewal: Instant,
    /// This box's own entry without ages, and its version (G-3).
    rows: Vec<Row>,
    entry_version: EntryVersion,
    entry_stale: bool,
    /// The entry differs from what was last sent.
    entry_unsent: bool,
    /// The greatest incarnation of this box that others told of and that is not before this life.
    told_life: Option<Incarnation>,
    /// What was announced since then.
    announced: BTreeSet<ServiceAddress>,
    sequence: Sequence,
    schedule: Schedule,
    tracks: BTreeMap<ServiceAddress, Track>,
    counters: Counters,
    last_change: Instant,
    due: Instant,
}

impl Group {
    /// Joins a group: nothing is known of it yet.
    pub(crate) fn new(name: GroupName, params: GroupParams, identity: Identity, intent: Intent, now: Instant) -> Self {
        let (load, capacity) = load_object::UNMEASURED;
        let willing = !intent.quiesces() && !identity.guessed;
        let mut group = Self {
            name,
            governed: Governed::by(&params),
            identity,
            fitness: Fitness {
                tests_pass: true,
                carrier: true,
                may_serve: params.partition == Partition::Serve,
                intent,
                load,
                capacity,
            },
            healthy_since: willing.then_some(now),
            own_transitions: 0,
            own_last_change: now,
            own_flaps: Flaps::default(),
            stage: Stage::Running,
            given_up: Vec::new(),
            listening_since: now,
            settled: false,
            deaf_until: now,
            crowded: false,
            doubt_until: now,
            hosts: HostDb::default(),
            services: ServiceDb::default(),
            side: Side::new(&params.partition, now),
            differing: BTreeSet::new(),
            leader: None,
            control: None,
            last_pass: PassNumber::default(),
            table: ControlTable::new(),
            table_stale: true,
            last_rebuild: Instant::ZERO,
            control_stale: true,
            holdings: BTreeMap::new(),
            last_orders: BTreeMap::new(),
            orders_heard: BTreeMap::new(),
            early_orders: Vec::new(),
            waiting: BTreeMap::new(),
            announcer: Announcer::new(&params, now),
            suspects: BTreeMap::new(),
            repairs: BTreeMap::new(),
            next_renewal: now + params.lease / 3,
            rows: Vec::new(),
            entry_version: EntryVersion::default(),
            entry_stale: true,
            entry_unsent: true,
            told_life: None,
            announced: BTreeSet::new(),
            sequence: Sequence::default(),
            schedule: Schedule::starting(now),
            tracks: BTreeMap::new(),
            counters: Counters::default(),
            last_change: now,
            due: now,
            params,
        };
        group.take_addresses(now);
        group
    }

    /// Takes a new configuration in place: what did not change is not touched.
    pub(crate) fn configure(&mut self, mut params: GroupParams, identity: Identity, now: Instant, out: &mut Outbox) {
        self.governed.configure(&mut params);
        if params == self.params && identity == self.identity {
            return;
        }
        let schedule = |params: &GroupParams| (params.announce_every, params.announce_again.clone());
        if schedule(&params) != schedule(&self.params) {
            self.announcer = Announcer::new(&params, now);
        }
        (self.params, self.identity) = (params, identity);
        self.schedule.hasten(now + self.params.beat);
        self.next_renewal = self.next_renewal.min(now + self.params.lease / 3);
        self.side.configure(&self.params.partition, now);
        self.take_addresses(now);
        let gone: Vec<_> = self.holdings.keys().copied().filter(|held| !self.services.contains(*held)).collect();
        for address in gone {
            self.release(address, Reason::Configuration, now, out);
        }
        self.status_changed(out);
        self.touch_table();
    }

    fn take_addresses(&mut self, now: Instant) {
        if self.identity.planted.is(Mutation::KeepTakenAway) {
            self.params.pool_addresses.extend(self.services.pool());
        }
        self.services.configure(&self.params.pool_addresses, self.params.orphan_timeout, self.params.dead_after);
        let _ = self.services.disowns(self.params.id, &self.preferred());
        self.judge_owners(self.params.id, now);
    }

    /// This box's preferred addresses, ascending.
    fn preferred(&self) -> Vec<ServiceAddress> {
        let mut preferred = self.params.preferred_addresses.clone();
        preferred.sort_unstable();
        preferred.dedup();
        preferred
    }

    /// Its configuration.
    pub(crate) fn params(&self) -> &GroupParams {
        &self.params
    }

    /// Who leads, as seen here.
    pub(crate) fn leader(&self) -> Option<IdAddress> {
        self.leader
    }

    /// Something went in: [`advance`](Self::advance) has to look.
    pub(crate) fn touch(&mut self) {
        self.due = Instant::ZERO;
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(crate) fn timeout(&self) -> Instant {
        self.due
    }

    /// Counts something dropped.
    pub(crate) fn drop_one(&mut self, cause: DropCause) {
        self.counters.drops.count(cause);
    }

    /// Counts an unsigned message that is taken all the same (G-70).
    pub(crate) fn count_unsigned(&mut self) {
        self.counters.unsigned_in = self.counters.unsigned_in.saturating_add(1);
    }

    fn touch_table(&mut self) {
        (self.table_stale, self.control_stale, self.entry_stale) = (true, true, true);
    }

    fn status_changed(&mut self, out: &mut Outbox) {
        self.schedule.urgent = true;
        self.control_stale = true;
        out.changed();
    }

    fn ok(&self) -> bool {
        self.trouble().is_none()
    }

    /// Why it may not serve, if so.
    fn trouble(&self) -> Option<Reason> {
        match self.fitness {
            Fitness { may_serve: false, .. } => Some(Reason::Partition),
            Fitness { carrier: false, .. } => Some(Reason::Carrier),
            Fitness { tests_pass: false, .. } => Some(Reason::Test),
            Fitness { .. } => None,
        }
    }

    fn quiesced(&self) -> bool {
        // Orders to an earlier life, recorded and sent again, would be orders to one that has its incarnation.
        self.fitness.intent.quiesces() || self.stage != Stage::Running || self.may_be_taken_for_an_earlier_life()
    }

    /// Nobody has told yet whether an earlier life of this box had its incarnation.
    fn may_be_taken_for_an_earlier_life(&self) -> bool {
        self.identity.guessed && !self.settled
    }

    fn draining(&self) -> bool {
        self.fitness.intent == Intent::Draining
    }

    /// It may be given addresses.
    fn available(&self) -> bool {
        self.ok()
            && (!self.quiesced() || self.identity.planted.is(Mutation::IgnoreQuiesce) && self.stage == Stage::Running)
    }

    fn own_state(&self) -> HostState {
        match (self.stage, self.ok(), self.quiesced()) {
            (Stage::Left { .. } | Stage::Gone, _, _) => HostState::Left,
            (_, false, _) => HostState::NotOk,
            (_, true, true) => HostState::Quiesced,
            (_, true, false) => HostState::Up,
        }
    }

    /// Lets time pass: everything that is due, or follows from what was taken in.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        if now < self.due || self.stage == Stage::Gone {
            return;
        }
        self.expire_hosts(now, out);
        self.take_sides(now, out);
        self.compare_configurations(out);
        self.settle(now, out);
        self.expire_orphans(now, out);
        // Orders to itself change the table; a handful of rounds is the most that can follow from each other.
        for _ in 0..4 {
            self.elect(now, out);
            if self.table_stale && now >= self.next_rebuild() {
                self.rebuild_table(now, out);
            }
            if self.table_stale || !self.lead(now, out) {
                break;
            }
        }
        self.probe(now, out);
        self.leave_when_done(now, out);
        self.restore(now, out);
        self.announce_and_renew(now, out);
        self.transmit(now, out);
        self.due = self.next_due();
    }

    /// A box that overslept its own dead interval can not know who serves its addresses now: they are lost, and it
    /// listens again before it acts (G-33). Measured from what it last said, because that is what the others go by.
    pub(crate) fn wake_up(&mut self, now: Instant, out: &mut Outbox) {
        let slept = now.since(self.schedule.last_sent);
        if slept < liveness::shortest_death(self.params.beat, self.params.dead_after) || !self.stage.speaks() {
            return;
        }
        self.touch();
        if slept < self.params.dead_after {
            return self.wake_in_doubt(now);
        }
        self.schedule.hasten(now);
        (self.listening_since, self.settled) = (now, false);
        self.deaf_until = now + self.params.beat / 2;
        self.control = None;
        self.announcer.forget();
        // It was us who did not listen: the others get a dead interval to be heard again.
        for (_, host) in self.hosts.iter_mut().filter(|(_, host)| host.live()) {
            host.spare(now + self.params.dead_after);
        }
        self.release_all(Reason::Overslept, now, out);
        self.status_changed(out);
    }

    /// It slept for so long that some may have buried it, and it can not know who did. It keeps what it serves, because
    /// most likely nothing happened; but for as long as the others need to say what they did meanwhile, an address that
    /// another says it holds is the other's, and it assigns none itself.
    fn wake_in_doubt(&mut self, now: Instant) {
        self.schedule.hasten(now);
        self.schedule.last_sent = now; // Once for one sleep.
        self.doubt_until = now + self.params.beat;
        if let Some(control) = &mut self.control {
            control.hold_until(now + self.params.beat / 2);
        }
        for (_, host) in self.hosts.iter_mut().filter(|(_, host)| host.live()) {
            host.spare_briefly(now + self.params.beat * 3 / 2);
        }
    }

    /// It has listened long enough and is not on its way out.
    fn may_lead(&self) -> bool {
        self.settled && self.stage == Stage::Running
    }

    fn settle(&mut self, now: Instant, out: &mut Outbox) {
        let listened = now.since(self.listening_since) >= self.params.dead_after;
        // One box too many sees too little of the group to decide anything; it is the one that nobody listens to.
        if self.crowded && !self.settled {
            self.crowded = self.hosts.live().all(|(_, host)| host.heard_us.is_none());
        }
        let listened = listened && !self.crowded;
        if !self.settled && (listened || self.identity.planted.is(Mutation::ActUnsettled)) {
            self.settled = true;
            if self.available() {
                self.healthy_since = self.healthy_since.or(Some(now));
            }
            self.forget_doubtful();
            self.status_changed(out);
        }
    }

    /// Finds out who leads (G-40).
    fn elect(&mut self, now: Instant, out: &mut Outbox) {
        let own = self.stage.speaks().then_some((self.params.id, self.may_lead()));
        let others =
            self.hosts.live().map(|(id, host)| (id, host.status.as_ref().is_some_and(|status| status.settled)));
        let leader = leader::elect(others.chain(own));
        if leader == self.leader {
            return;
        }
        let predecessor = core::mem::replace(&mut self.leader, leader);
        self.last_change = now;
        if leader.is_some_and(|leader| leader != self.params.id) {
            self.counters.leader_changes = self.counters.leader_changes.saturating_add(1);
        }
        self.control = None;
        if leader == Some(self.params.id) && self.fitness.may_serve {
            self.take_over(predecessor, now);
        }
        if self.identity.planted.is(Mutation::LoseOrphanTimer) {
            self.services.restart_countdowns(now);
        }
        (self.control_stale, self.entry_stale) = (true, true);
        out.changed();
        out.push(Action::Notify(Notification::LeaderChange { group: self.name.clone(), leader }));
        self.obey_early_orders(now, out);
    }

    /// When the table may be built anew. A large one changes by many actions that end one by one: it is not built for each.
    fn next_rebuild(&self) -> Instant {
        if self.table.len() < LARGE_TABLE { Instant::ZERO } else { self.last_rebuild + transmit::EXTRA_INTERVAL }
    }

    /// Builds the control table anew from both databases (G-51).
    fn rebuild_table(&mut self, now: Instant, out: &mut Outbox) {
        (self.table_stale, self.last_rebuild) = (false, now);
        let homes = self.services.homes().filter(|(address, home)| !self.is_doubtful(*address, *home));
        let homes = homes.map(|(address, home)| (address, Some(home.preferred)));
        let pool = self.services.pool().filter(|address| self.services.home(*address).is_none());
        let own: Vec<_> = self.own_claims().collect();
        let others = self.hosts.live().filter_map(|(id, host)| Some((id, host.entry.as_ref()?.claims.as_slice())));
        self.table = control_table::build(
            homes.chain(pool.map(|address| (address, None))),
            others.chain([(self.params.id, own.as_slice())]),
        );
        let shows =
            |address: &ServiceAddress, host| self.table.get(address).is_some_and(|row| row.claim_of(host).is_some());
        self.orders_heard.retain(|address, (host, _)| !shows(address, *host));
        self.control_stale = true;
        self.track(now, out);
    }

    fn own_claims(&self) -> impl Iterator<Item = (ServiceAddress, Claim)> + '_ {
        self.holdings.iter().filter_map(|(address, held)| Some((*address, held.holding.claim()?)))
    }

    fn next_due(&self) -> Instant {
        let settles = (!self.settled && !self.crowded).then(|| self.listening_since + self.params.dead_after);
        let renewal = (!self.holdings.is_empty()).then_some(self.next_renewal);
        let hosts = self.hosts.timeout(&self.judge());
        let hosts = hosts.filter(|_| !self.identity.planted.is(Mutation::NeverExpire));
        let speaks = self.stage.speaks().then(|| self.schedule.next());
        let timeouts = [
            self.table_stale.then(|| self.next_rebuild()),
            speaks,
            self.next_probe(),
            self.side.timeout(),
            settles,
            renewal,
            hosts,
            self.services.timeout(),
            self.control.as_ref().and_then(Control::timeout),
            self.announcer.timeout(),
            self.next_restore(),
            self.stage.timeout(&self.params),
        ];
        timeouts.into_iter().flatten().min().unwrap_or(Instant::ZERO + Duration::MAX)
    }
}
