//! How faults and operators' deeds begin and end, and what they excuse.

use super::{Event, World, address_of, id_of};
use crate::invariants;
use crate::scenario::{Episode, Fault, MS, Micros, Scripts};
use rais_core::address::GroupName;
use rais_core::io::{Command, Input};

impl World {
    /// Until two beats and one release from now it is excused if an address is served twice (S-1).
    fn excuse(&mut self, longer: Micros) {
        let slow = |episode: &Episode| match episode.fault {
            Fault::Scripts(_, Scripts::Take(time)) => time,
            _ => 0,
        };
        // An acquire that runs ends before the release begins.
        let release = 2 * self.scenario.episodes.iter().map(slow).max().unwrap_or(0) + self.scenario.action();
        self.excused_until = self.excused_until.max(self.now + longer + 2 * self.scenario.beat + release + 5 * MS);
        self.at(self.excused_until, Event::LookForDuplicates);
    }

    /// Whoever was about to clear up after a fault may be gone: the next one needs the dead interval to know.
    fn prolong_excuse(&mut self) {
        if self.excused() {
            self.excuse(self.scenario.dead_after);
        }
    }

    pub(super) fn see_who_is_away(&mut self) {
        for index in 0..self.boxes.len() {
            let a_box = &mut self.boxes[index];
            let home = a_box.node.is_some() && !a_box.stopping && a_box.well && a_box.carrier;
            if home {
                a_box.away_since = None;
            } else if a_box.away_since.is_none() {
                a_box.away_since = Some(self.now);
                if let Some(timeout) = self.scenario.orphan_timeout {
                    // A test takes two runs to fail. What peers tell of an orphan may be as old as messages are slow.
                    let slow = |episode: &Episode| if let Fault::Delay(longest) = episode.fault { longest } else { 0 };
                    let slowest = self.scenario.episodes.iter().map(slow).max().unwrap_or(0) + 50 * MS;
                    let by = self.now + timeout + self.scenario.bound() + 250 * MS + 2 * slowest;
                    self.at(by, Event::LookForOrphan(index, self.now));
                }
            }
        }
    }

    pub(super) fn begin(&mut self, episode: usize) {
        let fault = self.scenario.episodes[episode].fault.clone();
        self.note(|| format!("{fault:?} begins"));
        match self.notices_partition_within() {
            Some(noticed) if matches!(fault, Fault::Partition(_)) => self.excuse(noticed),
            _ if fault.blinds() => self.blinding += 1,
            _ => {}
        }
        self.network.begin(&fault);
        match fault {
            Fault::PowerCut(index) => {
                self.boxes[index].kernel.clear();
                self.down(index);
                self.prolong_excuse();
            }
            Fault::Kill(index) => {
                self.down(index);
                self.excuse(self.scenario.lease);
            }
            Fault::Freeze(index) if self.boxes[index].node.is_some() => self.boxes[index].frozen = true,
            Fault::Stop(index) if !self.boxes[index].frozen => {
                self.boxes[index].stopping = self.boxes[index].node.is_some();
                self.prolong_excuse();
                self.handle(index, Input::Stop);
            }
            Fault::Load(index, more) => self.boxes[index].burden += more,
            Fault::Test(index) => self.boxes[index].well = false,
            Fault::Carrier(index) => self.set_carrier(index, false),
            Fault::Quiesce(index) => self.quiesce(index, true, |group| Command::Quiesce { group }),
            Fault::Drain(index) => self.quiesce(index, true, |group| Command::Drain { group }),
            Fault::Scripts(index, scripts) => self.boxes[index].scripts = scripts,
            Fault::Move(host, address) => self.ask_leader(|group| Command::Acquire {
                group,
                address: address_of(address),
                host: Some(id_of(host)),
            }),
            Fault::Release(address) => {
                self.ask_leader(|group| Command::Release { group, address: address_of(address) });
            }
            _ => {}
        }
        self.see_who_is_away();
    }

    pub(super) fn end(&mut self, episode: usize) {
        let fault = self.scenario.episodes[episode].fault.clone();
        self.note(|| format!("{fault:?} ends"));
        let policy = self.notices_partition_within();
        if policy.is_some() && matches!(fault, Fault::Partition(_)) {
            if self.scenario.shows_partition(episode, self.now) {
                self.judge(invariants::partition::is_as_promised);
            }
        } else if fault.blinds() {
            self.blinding -= 1;
            // A thawed box may take what it finds in its socket for news, and its part for larger than it is.
            let thawed = policy.filter(|_| matches!(fault, Fault::Freeze(_)));
            self.excuse(thawed.unwrap_or(0));
        }
        self.network.end(&fault);
        match fault {
            Fault::PowerCut(index) | Fault::Kill(index) | Fault::Stop(index) => self.start(index),
            Fault::Freeze(index) if std::mem::take(&mut self.boxes[index].frozen) => {
                for event in std::mem::take(&mut self.boxes[index].backlog) {
                    self.happen(event);
                }
                match self.boxes[index].asked.take() {
                    Some(Command::Unquiesce { .. }) => {
                        self.quiesce(index, false, |group| Command::Unquiesce { group });
                    }
                    Some(Command::Drain { .. }) => self.quiesce(index, true, |group| Command::Drain { group }),
                    Some(_) => self.quiesce(index, true, |group| Command::Quiesce { group }),
                    None => {}
                }
                // It counts as well again until its test has failed anew.
                self.boxes[index].away_since = None;
                // The kernel's news of the link waited in another socket.
                self.set_carrier(index, self.boxes[index].carrier);
            }
            Fault::Load(index, more) => self.boxes[index].burden -= more,
            Fault::Test(index) => self.boxes[index].well = true,
            Fault::Carrier(index) => self.set_carrier(index, true),
            Fault::Quiesce(index) | Fault::Drain(index) => {
                self.quiesce(index, false, |group| Command::Unquiesce { group });
            }
            Fault::Scripts(index, _) => {
                self.boxes[index].scripts = Scripts::Take(self.scenario.boxes[index].script);
            }
            _ => {}
        }
        self.see_who_is_away();
    }

    fn set_carrier(&mut self, index: usize, up: bool) {
        self.boxes[index].carrier = up;
        if !self.boxes[index].frozen {
            self.handle(index, Input::Carrier { interface: self.names.lan.clone(), up });
        }
    }

    fn quiesce(&mut self, index: usize, quiesced: bool, command: impl Fn(Option<GroupName>) -> Command) {
        let a_box = &mut self.boxes[index];
        if a_box.node.is_none() {
            return;
        }
        if a_box.frozen {
            a_box.asked = Some(command(None));
            return;
        }
        a_box.quiesced &= quiesced;
        self.handle(index, Input::Command(command(None)));
        self.boxes[index].quiesced = quiesced;
    }

    fn ask_leader(&mut self, command: impl Fn(GroupName) -> Command) {
        let leads = |index: &usize| self.leader_seen_by(*index) == Some(id_of(*index)) && !self.boxes[*index].frozen;
        if let Some(leader) = (0..self.boxes.len()).find(leads) {
            self.handle(leader, Input::Command(command(self.names.group.clone())));
        }
    }
}
