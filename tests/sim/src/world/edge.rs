//! What the daemon's edge would do with a node's actions: messages, scripts, addresses, announcements.

use super::{Event, Ordered, Received, Recorded, World};
use crate::invariants;
use crate::kernel::{Job, Work};
use crate::scenario::{MS, Micros, NETLINK, Scripts};
use crate::wire;
use rais_core::address::{GroupName, ServiceAddress};
use rais_core::info_message::{Body, Message};
use rais_core::io::{Action, Input};
use rais_core::notification::{HostState, Notification, Reason};
use rais_core::quantity::Ticket;
use std::rc::Rc;

/// Most datagrams that somebody records.
const RECORDER: usize = 3000;

impl World {
    pub(super) fn act(&mut self, index: usize, action: Action, ordered: Option<&Ordered>) {
        self.note_action(index, &action);
        match action {
            Action::Send { group, message } => self.send(index, self.group_named(&group), &message),
            Action::Acquire { ticket, group, address } => {
                let group = self.group_named(&group);
                self.judge(|world| invariants::quiesced::takes_nothing(world, index, group, address));
                self.judge(|world| invariants::one_leader::was_obeyed(world, index, group, address, ordered));
                self.queue_job(index, group, address, Job { work: Work::Acquire, ticket });
            }
            Action::Release { ticket, group, address, .. } => {
                let group = self.group_named(&group);
                self.queue_job(index, group, address, Job { work: Work::Release, ticket });
            }
            Action::Restore { ticket, group, address, .. } => {
                let group = self.group_named(&group);
                self.queue_job(index, group, address, Job { work: Work::Restore, ticket });
            }
            Action::Announce { addresses, .. } => {
                for address in addresses {
                    self.clients.insert(address, index);
                }
            }
            Action::Renew { addresses, .. } => {
                let until = self.now + self.scenario.configs[self.boxes[index].config].lease;
                for address in addresses {
                    self.boxes[index].kernel.renew(address, self.now, until);
                }
            }
            Action::Test { .. } => {
                let life = self.boxes[index].life;
                self.at(self.now + MS, Event::Tested { at: index, life });
            }
            Action::Sample { .. } => {
                let life = self.boxes[index].life;
                self.at(self.now + MS, Event::Sampled { at: index, life });
            }
            Action::Witness { group, witness, .. } => {
                let (life, group) = (self.boxes[index].life, self.group_named(&group));
                self.at(self.now + MS, Event::Witnessed { at: index, life, group, witness });
            }
            Action::Stopped => {
                self.judge(|world| invariants::clean_stop::left_nothing(world, index));
                self.stopped(index);
            }
            Action::Notify(Notification::HostStateChange { host, state: HostState::Dead, .. }) => {
                self.deaths.push((self.now, index, host));
            }
            Action::Notify(Notification::Release { reason: Reason::Load, .. }) => {
                let last = self.last_load_move.replace(self.now);
                self.judge(|world| invariants::load_moves::are_slow(world, last));
            }
            Action::Outlive { known } => {
                let life = self.boxes[index].life;
                let incarnation = known.0 + self.random.between(1, 3);
                let written = self.now + self.random.between(MS, 20 * MS);
                self.at(written, Event::Outlived { at: index, life, incarnation });
            }
            Action::Remember(orders) => self.boxes[index].orders = orders,
            Action::Notify(_) | Action::Answer(_) => {}
        }
    }

    fn group_named(&self, name: &GroupName) -> usize {
        usize::from(self.names.groups[1] == *name)
    }

    fn send(&mut self, from: usize, group: usize, message: &Message) {
        match &message.body {
            Body::Info(info) if info.part.as_ref().is_some_and(|part| part.count > 1) => self.traffic.pieces += 1,
            Body::Info(_) => self.traffic.beats += 1,
            _ => self.traffic.orders += 1,
        }
        if self.wires.is_empty() {
            return self.carry(from, group, &Rc::new(Ok(message.clone())), None);
        }
        let newer = self.boxes[from].newer;
        let datagram = match self.wires[group].encode(message, newer) {
            Ok(datagram) => datagram,
            Err(error) => return self.judge(|world| invariants::authentic::fits(world, from, &error)),
        };
        if newer && message.sequence.0.is_multiple_of(7) {
            let received = self.wires[group].decode(&wire::of_newer_type(&datagram));
            self.carry(from, group, &Rc::new(received), None);
        }
        let received = self.wires[group].decode(&datagram);
        self.judge(|world| invariants::authentic::is_understood(world, from, message, received.as_ref()));
        self.carry(from, group, &Rc::new(received), Some(&datagram));
    }

    /// Carries a datagram to everybody in the group.
    fn carry(&mut self, from: usize, group: usize, received: &Received, datagram: Option<&[u8]>) {
        for network in self.scenario.networks_of(group) {
            let mut arrived = 0_u32;
            for to in (0..self.boxes.len()).filter(|to| *to != from) {
                for copy in self.network.deliveries(from, to, network, &mut self.random).into_iter().flatten() {
                    let mut received = Rc::clone(received);
                    if let (true, Some(datagram)) = (copy.damaged, datagram) {
                        let flipped = self.wires[group].decode(&wire::damaged(datagram, &mut self.random));
                        self.judge(|world| invariants::authentic::is_refused(world, flipped.as_ref()));
                        received = Rc::new(flipped);
                    }
                    arrived |= u32::from(!copy.damaged) << to;
                    self.at(self.now + copy.after, Event::Deliver { to, group, network, received });
                }
            }
            if self.records {
                self.recorded.push_back(Recorded { group, network, received: Rc::clone(received), arrived });
                if self.recorded.len() > RECORDER {
                    self.recorded.pop_front();
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, to: usize, group: usize, network: usize, received: &Received) {
        if !self.scenario.is_member(to, group) {
            return;
        }
        let message = match received.as_ref() {
            Ok(message) => message.clone(),
            Err(cause) => return self.dropped(to, group, *cause),
        };
        let interface = self.names.networks[network].clone();
        self.handle(to, Input::Received { group: self.names.groups[group].clone(), interface, message });
    }

    fn queue_job(&mut self, index: usize, group: usize, address: ServiceAddress, job: Job) {
        let jobs = self.boxes[index].kernel.jobs.entry(address).or_default();
        jobs.push_back(job);
        if jobs.len() == 1 {
            self.begin_job(index, group, address, job);
        }
    }

    /// How long a script takes that starts now.
    fn script(&self, index: usize) -> Micros {
        match self.boxes[index].scripts {
            Scripts::Take(time) => time,
            Scripts::Fail => MS,
            Scripts::Hang => self.scenario.configs[self.boxes[index].config].action_timeout,
        }
    }

    /// Scripts that start now come to no good end.
    fn scripts_fail(&self, index: usize) -> bool {
        matches!(self.boxes[index].scripts, Scripts::Fail | Scripts::Hang)
    }

    fn begin_job(&mut self, index: usize, group: usize, address: ServiceAddress, job: Job) {
        let (life, ticket) = (self.boxes[index].life, job.ticket);
        let (wait, done) = match job.work {
            Work::Acquire => (NETLINK, false),
            Work::Release => (self.script(index) + NETLINK, true),
            Work::Restore => (NETLINK, true),
        };
        let fails = job.work == Work::Release && self.scripts_fail(index);
        self.boxes[index].kernel.fails.insert(ticket, fails);
        self.at(self.now + wait, Event::Step { at: index, life, group, address, ticket, done });
    }

    /// A job gets on: an acquire first configures the address, then runs the script; a release is done in one.
    pub(super) fn step(
        &mut self,
        index: usize,
        life: u32,
        group: usize,
        address: ServiceAddress,
        ticket: Ticket,
        done: bool,
    ) {
        let current = self.boxes[index].kernel.jobs.get(&address).and_then(|jobs| jobs.front()).copied();
        let Some(job) = current.filter(|job| job.ticket == ticket && life == self.boxes[index].life) else { return };
        if !done {
            let lease = self.scenario.configs[self.boxes[index].config].lease;
            self.boxes[index].kernel.add(address, self.now + lease);
            self.moved(index, address, "configures");
            self.judge(|world| invariants::one_server::of(world, group, address));
            let (time, fails) = (self.script(index), self.scripts_fail(index));
            self.boxes[index].kernel.fails.insert(ticket, fails);
            return self.at(self.now + time, Event::Step { at: index, life, group, address, ticket, done: true });
        }
        let failed = self.boxes[index].kernel.fails.remove(&ticket) == Some(true);
        if failed || job.work == Work::Release {
            self.boxes[index].kernel.remove(address);
            self.moved(index, address, "removes");
        }
        if job.work == Work::Restore {
            let lease = self.scenario.configs[self.boxes[index].config].lease;
            self.boxes[index].kernel.add(address, self.now + lease);
            self.note(|| format!("  box {} puts {} back", index + 1, address.0));
            self.judge(|world| invariants::one_server::of(world, group, address));
        }
        let jobs = self.boxes[index].kernel.jobs.entry(address).or_default();
        jobs.pop_front();
        if let Some(next) = jobs.front().copied() {
            self.begin_job(index, group, address, next);
        }
        let result = if failed { Err(String::from("exit status 1")) } else { Ok(()) };
        self.handle(index, Input::Finished { ticket, result });
    }

    fn moved(&mut self, index: usize, address: ServiceAddress, how: &str) {
        self.traffic.moves += 1;
        self.note(|| format!("  box {} {how} {}", index + 1, address.0));
        self.judge(|world| invariants::no_spurious_moves::when_mild(world, address));
    }
}
