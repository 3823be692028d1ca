//! How this box leads, when it does: it carries out what the control pass decides (G-41, G-50 to G-59).

use super::receive::Wish;
use super::transmit::{EXTRA_INTERVAL, ORDER_OCTETS};
use super::{Group, LeaderLife};
use crate::address::{IdAddress, ServiceAddress};
use crate::assignment::Candidate;
use crate::control::{Control, Decision, Situation, choice_patience};
use crate::host_db::Host;
use crate::info_message::{Body, Order, Orders};
use crate::io::{Action, CommandError};
use crate::mutation::Mutation;
use crate::notification::{HostState, Notification, Reason};
use crate::outbox::Outbox;
use crate::params::{Failback, MAX_ADDRESSES};
use crate::time::{Duration, Instant};
use alloc::string::String;
use alloc::vec::Vec;

/// A predecessor's last order and the news that it no longer leads may overtake each other on the way by so much.
const OVERTAKING: Duration = Duration::from_millis(3);

/// Messages of early orders kept at most: a thousand IPv4 addresses take fifteen.
const EARLY_ORDERS: usize = 128;

impl Group {
    /// Begins to lead, and goes on from the orders of a predecessor that do not show yet.
    pub(super) fn take_over(&mut self, predecessor: Option<IdAddress>, now: Instant) {
        let past = predecessor.and_then(|id| self.hosts.host(id));
        let grace = match past.map(|host| (host.state, host.status.as_ref().is_some_and(|status| status.settled))) {
            Some((HostState::Dead, _)) => Duration::ZERO,
            // It knows that it no longer leads.
            Some((HostState::Left, _) | (_, false)) => OVERTAKING,
            // It does not yet, and acts a moment longer. Or several boxes begin at the same time.
            Some((_, true)) | None => OVERTAKING + EXTRA_INTERVAL,
        };
        let mut control = Control::new(self.last_pass, now, grace);
        for (address, (host, at)) in core::mem::take(&mut self.orders_heard) {
            control.adopt(address, host, at + choice_patience(&self.params), now);
        }
        self.control = Some(control);
    }

    /// Who leads if the leader does no more, if that is another box.
    pub(super) fn heir(&self) -> Option<IdAddress> {
        let settled = |host: &Host| host.status.as_ref().is_some_and(|status| status.settled);
        let others = self.hosts.live().filter(|(id, host)| Some(*id) != self.leader && settled(host));
        others.map(|(id, _)| id).min().filter(|heir| !self.may_lead() || *heir < self.params.id)
    }

    /// Orders of the heir while the leader is silent: the heir may have found it dead a moment before us. They are kept
    /// for that moment, so that a dead leader's addresses move no later than another box's (G-67).
    pub(super) fn keep_early_orders(&mut self, sender: LeaderLife, wish: Wish, orders: &Orders, now: Instant) -> bool {
        let leader = self.leader.and_then(|id| self.hosts.host(id));
        let silent = leader.is_some_and(|host| now.since(host.last_heard()) > self.params.beat * 9 / 8);
        let keeps = silent && self.heir() == Some(sender.0) && self.early_orders.len() < EARLY_ORDERS;
        if keeps {
            self.early_orders.push((sender, wish, orders.clone(), now));
        }
        keeps
    }

    /// Another box leads: what it ordered a moment ago is to be done now.
    pub(super) fn obey_early_orders(&mut self, now: Instant, out: &mut Outbox) {
        for (sender, wish, orders, at) in core::mem::take(&mut self.early_orders) {
            if self.leader == Some(sender.0) && now.since(at) < self.params.beat {
                self.ordered(sender, wish, &orders, now, out);
            }
        }
    }

    /// Takes note of an order to acquire (`Some`) or release, this box's own or another's.
    pub(super) fn note_order(&mut self, address: ServiceAddress, acquirer: Option<IdAddress>, now: Instant) {
        // What this box is to acquire itself it does or does not, and knows; an order that it did not obey is nobody's choice.
        let acquirer = acquirer.filter(|acquirer| *acquirer != self.params.id);
        match (acquirer, &mut self.control) {
            (Some(host), Some(control)) => {
                control.adopt(address, host, now + choice_patience(&self.params), now);
            }
            (Some(host), None) => {
                if self.orders_heard.len() >= MAX_ADDRESSES {
                    self.orders_heard.pop_first();
                }
                self.orders_heard.insert(address, (host, now));
            }
            (None, _) => drop(self.orders_heard.remove(&address)),
        }
    }

    /// Makes a control pass if this box leads and one is due; `true`: it changed this box's own part of the table.
    pub(super) fn lead(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let Some(mut control) = self.control.take() else { return false };
        let due = control.timeout().is_some_and(|timeout| now >= timeout);
        if !self.control_stale && !due {
            self.control = Some(control);
            return false;
        }
        self.control_stale = false;
        // An entry that is not to be had within two dead intervals will not be: the box can not reach us.
        let patience = self.params.dead_after * 2;
        let known = self.hosts.live().all(|(_, host)| host.known(patience, now));
        let known_from = if known { now } else { now + self.params.beat };
        // Nor is a box dead whom somebody here heard within the dead interval, though this one did not: it may serve on.
        let hidden_until = self.hosts.hidden_until(self.params.dead_after, patience);
        let decisions = control.pass(&mut Situation {
            now,
            params: &self.params,
            table: &self.table,
            candidates: self.candidates(now),
            complete_from: known_from.max(hidden_until.unwrap_or(known_from)),
            planted: self.identity.planted,
        });
        self.last_pass = control.pass_number();
        self.control = Some(control);
        let mut for_others = (Vec::new(), Vec::new());
        for decision in decisions {
            self.carry_out(decision, &mut for_others, now, out);
        }
        self.command(Body::Release, for_others.1, out);
        self.command(Body::Acquire, for_others.0, out);
        self.table_stale
    }

    /// Sends orders of this pass, in as few messages as they fit.
    fn command(&mut self, wish: fn(Orders) -> Body, orders: Vec<Order>, out: &mut Outbox) {
        let (pass, mut octets, mut batch) = (self.last_pass, 0, Vec::new());
        for order in orders {
            if octets + order.octets() > ORDER_OCTETS {
                octets = 0;
                self.send(wish(Orders { pass, orders: core::mem::take(&mut batch) }), out);
            }
            octets += order.octets();
            batch.push(order);
        }
        if !batch.is_empty() {
            self.send(wish(Orders { pass, orders: batch }), out);
        }
    }

    /// Does what a decision asks of this box, and leaves what it asks of others: to acquire, and to release.
    fn carry_out(
        &mut self,
        decision: Decision,
        for_others: &mut (Vec<Order>, Vec<Order>),
        now: Instant,
        out: &mut Outbox,
    ) {
        let (wish, host, address, reason) = match decision {
            Decision::Acquire { host, address, reason } => (Wish::Acquire, host, address, reason),
            Decision::Release { host, address, reason } => (Wish::Release, host, address, reason),
            Decision::CannotAssign { address } => {
                return out.push(Action::Notify(Notification::CannotAssign { group: self.name.clone(), address }));
            }
        };
        let reason = if reason == Reason::Unserved { self.reason_of_loss(address) } else { reason };
        let me = (host == self.params.id).then_some(self.identity.incarnation);
        let Some(life) = me.or_else(|| self.hosts.host(host).map(|host| host.incarnation)) else { return };
        let order = Order { destination: host, life, address, reason };
        if let Some(track) = self.tracks.get_mut(&address) {
            track.reason = Some(reason);
        }
        match wish {
            _ if host == self.params.id => self.obey(wish, &order, now, out),
            Wish::Acquire => for_others.0.push(order),
            Wish::Release => for_others.1.push(order),
        }
    }

    /// Every live box as a candidate, by id.
    fn candidates(&self, now: Instant) -> Vec<Candidate> {
        let me = Candidate {
            id: self.params.id,
            available: self.available(),
            spare: self.params.preferred_addresses.is_empty(),
            draining: self.draining(),
            load: self.fitness.load,
            capacity: self.fitness.capacity,
            healthy_since: self.healthy_since,
            damped_for: self.damping_of(&self.own_flaps, now),
            heard_us: Some(now),
            out_of_reach: None,
            addresses: 0,
        };
        let other = |(id, host): (IdAddress, &Host)| {
            let status = host.status.as_ref()?;
            let takes = host.state == HostState::Up
                || self.identity.planted.is(Mutation::IgnoreQuiesce) && host.state == HostState::Quiesced;
            let (takes, reachable) = (takes && host.entry.is_some(), host.reachable(self.params.dead_after, now));
            Some(Candidate {
                id,
                available: takes && reachable,
                out_of_reach: (takes && !reachable).then_some(host.heard),
                spare: status.spare,
                draining: status.draining,
                load: status.load,
                capacity: status.capacity,
                healthy_since: host.healthy_since,
                damped_for: self.damping_of(&host.flaps, now),
                heard_us: host.heard_us,
                addresses: 0,
            })
        };
        let mut candidates: Vec<_> = self.hosts.live().filter_map(other).chain([me]).collect();
        candidates.sort_unstable_by_key(|candidate| candidate.id);
        candidates
    }

    fn check_command(&self, address: ServiceAddress) -> Result<(), CommandError> {
        if self.leader != Some(self.params.id) {
            return Err(CommandError::NotLeader { group: self.name.clone(), leader: self.leader });
        }
        if !self.services.contains(address) {
            return Err(CommandError::NoSuchAddress(self.name.clone(), address));
        }
        if !self.fitness.may_serve {
            return Err(CommandError::Partitioned(self.name.clone(), self.side.state()));
        }
        Ok(())
    }

    /// An operator wants an address served by a box, or (`None`) by whichever the leader chooses.
    ///
    /// # Errors
    /// Why it will not be; nothing was changed.
    pub(crate) fn operator_acquire(
        &mut self,
        address: ServiceAddress,
        host: Option<IdAddress>,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.check_command(address)?;
        let candidates = self.candidates(now);
        let find = |id| candidates.iter().find(|candidate| candidate.id == id);
        if let Some(id) = host {
            let Some(candidate) = find(id) else { return Err(CommandError::NoSuchHost(self.name.clone(), id)) };
            if !candidate.available {
                return Err(CommandError::NotEligible(id, String::from("it is not ok, quiesced, or not reached")));
            }
            let home = self.services.home(address).map(|home| home.preferred).and_then(find);
            if let Some(home) = home.filter(|home| home.id != id && home.available)
                && self.params.failback != Failback::Manual
            {
                let why = alloc::format!("the address would go home to {}; quiesce that box first", home.id);
                return Err(CommandError::NotEligible(id, why));
            }
        }
        let Some(row) = self.table.get(&address) else { return Ok(()) };
        let holder = row.online().next();
        if holder.is_some() && (host.is_none() || holder == host) {
            return Ok(()); // It is served, and where it should be.
        }
        if let Some(control) = &mut self.control {
            control.move_address(address, holder, host);
        }
        self.touch();
        Ok(())
    }

    /// An operator wants whoever serves an address to release it.
    ///
    /// # Errors
    /// Why it will not be; nothing was changed.
    pub(crate) fn operator_release(&mut self, address: ServiceAddress) -> Result<(), CommandError> {
        self.check_command(address)?;
        let holder = self.table.get(&address).and_then(|row| row.online().next());
        if let (Some(holder), Some(control)) = (holder, &mut self.control) {
            control.move_address(address, Some(holder), None);
        }
        self.touch();
        Ok(())
    }

    /// Why nobody serves an address: what became of the box that did (G-64).
    fn reason_of_loss(&self, address: ServiceAddress) -> Reason {
        let Some(last) = self.tracks.get(&address).and_then(|track| track.last_online) else { return Reason::Unserved };
        let trouble = |host: &Host| host.status.as_ref().and_then(|status| status.trouble);
        match self.hosts.host(last) {
            Some(host) => match host.state {
                HostState::Dead => Reason::Lost,
                HostState::Left => Reason::Stop,
                HostState::NotOk => trouble(host).unwrap_or(Reason::Test),
                HostState::Up | HostState::Quiesced => Reason::Unserved,
            },
            None if last == self.params.id => self.trouble().unwrap_or(Reason::Unserved),
            None => Reason::Unserved,
        }
    }
}
