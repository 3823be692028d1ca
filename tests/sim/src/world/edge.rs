//! What the daemon's edge would do with a node's actions: messages, scripts, addresses, announcements.

use super::{Event, Ordered, World};
use crate::invariants;
use crate::kernel::{Job, Work};
use crate::scenario::{MS, Micros, Scripts};
use rais_core::address::ServiceAddress;
use rais_core::info_message::{Body, Message};
use rais_core::io::{Action, Input};
use rais_core::notification::{HostState, Notification, Reason};
use rais_core::quantity::Ticket;
use std::rc::Rc;

/// How long netlink takes.
const NETLINK: Micros = 300;

/// An action in a line, for people.
fn line_of(action: &Action) -> String {
    match action {
        Action::Send { message: Message { sequence, body, .. }, .. } => match body {
            Body::Info(info) => {
                let status = &info.status;
                let flags = [(!status.ok, " not-ok"), (status.quiesced, " quiesced"), (!status.settled, " unsettled")];
                let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
                let heard = info.heard.iter().map(|heard| format!("{}:{}", heard.id, heard.age.as_millis()));
                let heard: Vec<_> = heard.collect();
                let part = info.part.as_ref().map(|part| format!(" {:?}", part.rows)).unwrap_or_default();
                format!("sends {sequence} info v{}{flags} heard {heard:?}{part}", info.entry_version)
            }
            Body::Acquire(orders) => format!("sends {sequence} ACQUIRE {orders:?}"),
            Body::Release(orders) => format!("sends {sequence} RELEASE {orders:?}"),
            Body::Leave => format!("sends {sequence} leave"),
            Body::Ask(ask) => format!("sends {sequence} ask {} v{}", ask.host, ask.known),
        },
        Action::Acquire { address, .. } => format!("acquire {address}"),
        Action::Release { address, .. } => format!("release {address}"),
        other => format!("{other:?}").replace("group: GroupName(\"group\"), ", ""),
    }
    .replace("ServiceAddress", "")
    .replace("IdAddress", "")
}

impl World {
    pub(super) fn act(&mut self, index: usize, action: Action, ordered: Option<&Ordered>) {
        if self.trace.is_some() {
            let line = line_of(&action);
            self.note(|| format!("  box {}: {line}", index + 1));
        }
        match action {
            Action::Send { message, .. } => self.send(index, message),
            Action::Acquire { ticket, address, .. } => {
                self.judge(|world| invariants::quiesced::takes_nothing(world, index, address));
                self.judge(|world| invariants::one_leader::was_obeyed(world, index, address, ordered));
                self.queue_job(index, address, Job { work: Work::Acquire, ticket });
            }
            Action::Release { ticket, address, .. } => {
                self.queue_job(index, address, Job { work: Work::Release, ticket });
            }
            Action::Announce { addresses, .. } => {
                for address in addresses {
                    self.clients.insert(address, index);
                }
            }
            Action::Renew { addresses, .. } => {
                let until = self.now + self.scenario.lease;
                for address in addresses {
                    self.boxes[index].kernel.renew(address, self.now, until);
                }
            }
            Action::Test { .. } => {
                let life = self.boxes[index].life;
                self.at(self.now + MS, Event::Tested { at: index, life });
            }
            Action::Witness { witness, .. } => {
                let life = self.boxes[index].life;
                self.at(self.now + MS, Event::Witnessed { at: index, life, witness });
            }
            Action::Stopped => {
                self.judge(|world| invariants::clean_stop::left_nothing(world, index));
                let restart = self.boxes[index].restart_when_stopped;
                self.down(index);
                if restart {
                    self.at(self.now + MS, Event::Start(index));
                }
            }
            Action::Notify(Notification::HostStateChange { host, state: HostState::Dead, .. }) => {
                self.deaths.push((self.now, index, host));
            }
            Action::Sample { .. } => {
                let life = self.boxes[index].life;
                self.at(self.now + MS, Event::Sampled { at: index, life });
            }
            Action::Notify(Notification::Release { reason: Reason::Load, .. }) => {
                let last = self.last_load_move.replace(self.now);
                self.judge(|world| invariants::load_moves::are_slow(world, last));
            }
            Action::Notify(_) | Action::Answer(_) => {}
        }
    }

    fn send(&mut self, from: usize, message: Message) {
        self.messages_sent += 1;
        if !matches!(message.body, Body::Info(_)) {
            self.orders_sent += 1;
        }
        let message = Rc::new(message);
        for to in (0..self.boxes.len()).filter(|to| *to != from) {
            for network in 0..self.scenario.networks {
                for delay in self.network.deliveries(from, to, network, &mut self.random).into_iter().flatten() {
                    let message = Rc::clone(&message);
                    self.at(self.now + delay, Event::Deliver { to, network, message });
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, to: usize, network: usize, message: &Message) {
        let interface = self.names.networks[network].clone();
        let group = self.names.group.clone();
        self.handle(to, Input::Received { group, interface, message: message.clone() });
    }

    fn queue_job(&mut self, index: usize, address: ServiceAddress, job: Job) {
        let jobs = self.boxes[index].kernel.jobs.entry(address).or_default();
        jobs.push_back(job);
        if jobs.len() == 1 {
            self.begin_job(index, address, job);
        }
    }

    fn begin_job(&mut self, index: usize, address: ServiceAddress, job: Job) {
        let life = self.boxes[index].life;
        let wait = match (job.work, self.boxes[index].scripts) {
            (Work::Acquire, _) => NETLINK,
            (Work::Release, Scripts::Take(time)) => time + NETLINK,
            (Work::Release, Scripts::Fail) => NETLINK,
        };
        let done = job.work == Work::Release;
        self.at(self.now + wait, Event::Step { at: index, life, address, ticket: job.ticket, done });
    }

    /// A job gets on: an acquire first configures the address, then runs the script; a release is done in one.
    pub(super) fn step(&mut self, index: usize, life: u32, address: ServiceAddress, ticket: Ticket, done: bool) {
        let current = self.boxes[index].kernel.jobs.get(&address).and_then(|jobs| jobs.front()).copied();
        let Some(job) = current.filter(|job| job.ticket == ticket && life == self.boxes[index].life) else { return };
        if !done {
            self.boxes[index].kernel.add(address, self.now + self.scenario.lease);
            self.moved(index, address, "configures");
            self.judge(|world| invariants::one_server::of(world, address));
            let time = if let Scripts::Take(time) = self.boxes[index].scripts { time } else { MS };
            return self.at(self.now + time, Event::Step { at: index, life, address, ticket, done: true });
        }
        let failed = job.work == Work::Acquire && self.boxes[index].scripts == Scripts::Fail;
        if failed || job.work == Work::Release {
            self.boxes[index].kernel.remove(address);
            self.moved(index, address, "removes");
        }
        let jobs = self.boxes[index].kernel.jobs.entry(address).or_default();
        jobs.pop_front();
        if let Some(next) = jobs.front().copied() {
            self.begin_job(index, address, next);
        }
        let result = if failed { Err(String::from("exit status 1")) } else { Ok(()) };
        self.handle(index, Input::Finished { ticket, result });
    }

    fn moved(&mut self, index: usize, address: ServiceAddress, how: &str) {
        self.moves += 1;
        self.note(|| format!("  box {} {how} {address}", index + 1));
        self.judge(|world| invariants::no_spurious_moves::when_mild(world, address));
    }
}
