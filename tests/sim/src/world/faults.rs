//! How faults and people's deeds begin and end.

use super::looks::Disturbance;
use super::{Event, Recorded, World, address_of, id_of};
use crate::scenario::{Fault, REPLAYING, Scripts};
use rais_core::address::{GroupName, ServiceAddress};
use rais_core::counters::DropCause;
use rais_core::io::{Command, Input};

impl World {
    pub(super) fn begin(&mut self, episode: usize) {
        let fault = self.scenario.episodes[episode].fault.clone();
        self.note(|| format!("FAULT: {}", fault.in_words()));
        if !fault.is_a_moment() {
            self.active.push(episode);
        }
        self.disturbed(Disturbance { fault: &fault, lasted: None });
        if fault.loses_somebody() {
            self.lost_at = self.now;
            self.prolong_excuses();
        }
        self.network.begin(&fault);
        self.see_who_is_parted();
        self.inflict(&fault);
        self.see_who_is_away();
    }

    fn inflict(&mut self, fault: &Fault) {
        match *fault {
            Fault::PowerCut(index) => {
                self.boxes[index].kernel.clear();
                self.down(index);
            }
            Fault::Forget(index, counted_last) => {
                self.boxes[index].kernel.clear();
                self.down(index);
                self.boxes[index].forget(counted_last);
            }
            Fault::Kill(index) => {
                self.down(index);
                self.excuse_for_the_lease(index);
            }
            Fault::Freeze(index) if self.boxes[index].node.is_some() => {
                self.boxes[index].frozen = true;
                self.excuse_for_the_lease(index);
            }
            Fault::Stop(index) => self.stop(index),
            Fault::Upgrade(index) => {
                self.boxes[index].newer = true;
                if self.boxes[index].node.is_some() && !self.boxes[index].frozen {
                    self.boxes[index].restart_when_stopped = true;
                    self.stop(index);
                }
            }
            Fault::SwitchOn(index) => self.start(index),
            Fault::Test(index) => self.boxes[index].well = false,
            Fault::Carrier(index, lan) => self.set_carrier(index, lan, false),
            Fault::Quiesce(index, group) => {
                self.quiesce(index, group, true, &|group| Command::Quiesce { group });
            }
            Fault::Drain(index, group) => self.quiesce(index, group, true, &|group| Command::Drain { group }),
            // Said to a box that does not run, or still listens, it is refused.
            Fault::Failback(index, failback) if !self.boxes[index].frozen => {
                self.handle(index, Input::Command(Command::Failback { group: None, failback }));
            }
            Fault::Scripts(index, scripts) => self.boxes[index].scripts = scripts,
            Fault::Load(index, load) => self.boxes[index].load = load,
            Fault::Reload(index, config) => {
                self.boxes[index].config = config;
                if self.boxes[index].frozen {
                    self.boxes[index].backlog.push_back(Event::Reload(index));
                } else {
                    self.reload(index);
                }
            }
            Fault::Move(host, address) => self.ask_leader(address, |group, id| Command::Acquire {
                group,
                address: address_of(address),
                host: Some(id(host)),
            }),
            Fault::Release(address) => {
                self.ask_leader(address, |group, _| Command::Release { group, address: address_of(address) });
            }
            Fault::Replay(count) => self.replay(count),
            Fault::Remove(index, address) => self.remove_behind_its_back(index, address),
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, episode: usize) {
        let fault = self.scenario.episodes[episode].fault.clone();
        self.note(|| format!("no longer: {}", fault.in_words()));
        self.active.retain(|active| *active != episode);
        let lasted = self.now - self.scenario.episodes[episode].from;
        self.disturbed(Disturbance { fault: &fault, lasted: Some(lasted) });
        self.network.end(&fault);
        self.network_was_slow |= matches!(fault, Fault::Delay(_) | Fault::Duplication(_));
        self.see_who_is_parted();
        match fault {
            Fault::PowerCut(index) | Fault::Forget(index, _) | Fault::Kill(index) | Fault::Stop(index) => {
                self.start(index);
            }
            Fault::Freeze(index) if std::mem::take(&mut self.boxes[index].frozen) => self.thaw(index),
            Fault::Test(index) => self.boxes[index].well = true,
            Fault::Carrier(index, lan) => {
                self.set_carrier(index, lan, true);
                // It may be well now, until a test that has only begun to fail has failed.
                self.boxes[index].away_since = [None; 2];
            }
            Fault::Quiesce(index, group) | Fault::Drain(index, group) => {
                self.quiesce(index, group, false, &|group| Command::Unquiesce { group });
            }
            Fault::Scripts(index, _) => {
                self.boxes[index].scripts = Scripts::Take(self.scenario.boxes[index].script);
            }
            _ => {}
        }
        self.see_who_is_away();
    }

    fn stop(&mut self, index: usize) {
        if !self.boxes[index].frozen && self.boxes[index].node.is_some() && !self.boxes[index].stopping {
            self.boxes[index].stopping = true;
            self.handle(index, Input::Stop);
        }
    }

    fn thaw(&mut self, index: usize) {
        self.excuse_the_thawed(index);
        // The kernel's news may be heard before anything else.
        for gone in self.boxes[index].kernel.expire(self.now) {
            self.tell_of_removal(index, gone);
        }
        for event in std::mem::take(&mut self.boxes[index].backlog) {
            self.happen(event);
        }
        for command in std::mem::take(&mut self.boxes[index].asked) {
            self.command_box(index, command);
        }
        // It counts as well again until its test has failed anew.
        self.boxes[index].away_since = [None; 2];
        // The kernel's news of the links waited in another socket.
        for lan in 0..2 {
            self.set_carrier(index, lan, self.boxes[index].carrier[lan]);
        }
    }

    fn remove_behind_its_back(&mut self, index: usize, address: usize) {
        let address = address_of(address);
        if self.boxes[index].kernel.has(address, self.now) {
            self.boxes[index].kernel.remove(address);
            if self.boxes[index].frozen {
                self.boxes[index].backlog.push_back(Event::Removed { at: index, address });
            } else {
                self.tell_of_removal(index, address);
            }
        }
    }

    pub(super) fn tell_of_removal(&mut self, index: usize, address: ServiceAddress) {
        let number = (0..self.scenario.addresses).find(|number| address_of(*number) == address);
        let group = number.map_or(0, |number| self.scenario.group_of(number));
        let lan = usize::from(self.scenario.groups[group].own_lan);
        self.handle(index, Input::Removed { interface: self.names.lans[lan].clone(), address });
    }

    fn set_carrier(&mut self, index: usize, lan: usize, up: bool) {
        self.boxes[index].carrier[lan] = up;
        if !self.boxes[index].frozen {
            self.handle(index, Input::Carrier { interface: self.names.lans[lan].clone(), up });
        }
    }

    fn quiesce(
        &mut self,
        index: usize,
        group: Option<usize>,
        quiesced: bool,
        command: &dyn Fn(Option<GroupName>) -> Command,
    ) {
        if self.boxes[index].node.is_none() || group.is_some_and(|group| !self.scenario.is_member(index, group)) {
            return;
        }
        let command = command(group.map(|group| self.names.groups[group].clone()));
        if self.boxes[index].frozen {
            return self.boxes[index].asked.push(command);
        }
        for (which, now) in self.boxes[index].quiesced.iter_mut().enumerate() {
            if group.is_none_or(|group| group == which) {
                // It may be told to take something by the very command that lets it.
                *now &= quiesced;
            }
        }
        self.command_box(index, command);
    }

    fn command_box(&mut self, index: usize, command: Command) {
        let (group, quiesced) = match &command {
            Command::Quiesce { group } | Command::Drain { group } => (group.clone(), true),
            Command::Unquiesce { group } => (group.clone(), false),
            _ => return self.handle(index, Input::Command(command)),
        };
        self.handle(index, Input::Command(command));
        for which in 0..2 {
            if group.as_ref().is_none_or(|group| *group == self.names.groups[which]) {
                self.boxes[index].quiesced[which] = quiesced;
            }
        }
    }

    fn ask_leader(
        &mut self,
        address: usize,
        command: impl Fn(GroupName, &dyn Fn(usize) -> rais_core::address::IdAddress) -> Command,
    ) {
        let group = self.scenario.group_of(address);
        let leads = |index: &usize| {
            self.leader_seen_by(*index, group) == Some(id_of(&self.scenario, *index, group))
                && !self.boxes[*index].frozen
        };
        if let Some(leader) = (0..self.boxes.len()).find(leads) {
            let id = |index: usize| id_of(&self.scenario, index, group);
            let command = command(self.names.groups[group].clone(), &id);
            self.handle(leader, Input::Command(command));
        }
    }

    /// Somebody who recorded datagrams sends some of them again, old ones and new, to everybody.
    fn replay(&mut self, count: usize) {
        for _ in 0..count {
            if self.recorded.is_empty() {
                return;
            }
            let which = self.random.index(self.recorded.len());
            let Recorded { group, network, received, arrived } = self.recorded[which].clone();
            // What never arrived there before would be no replay.
            for to in (0..self.boxes.len()).filter(|to| (arrived >> to) & 1 == 1) {
                let received = std::rc::Rc::clone(&received);
                let at = self.now + self.random.between(0, REPLAYING);
                self.at(at, Event::Deliver { to, group, network, received });
            }
        }
    }

    /// Counts what a box would count for a datagram that is no message.
    pub(super) fn dropped(&mut self, to: usize, group: usize, cause: DropCause) {
        self.handle(to, Input::Dropped { group: self.names.groups[group].clone(), cause });
    }
}
