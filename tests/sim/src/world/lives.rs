//! How boxes come and go: starts, ends, and the configuration they have.

use super::{Event, SimBox, World, address_of, control_address, id_of};
use crate::kernel::Kernel;
use crate::scenario::{BoxPlan, Fault, MS, Micros, Scripts};
use rais_core::address::{GroupName, HostName};
use rais_core::io::Input;
use rais_core::node::Node;
use rais_core::operator::StandingOrders;
use rais_core::params::{BoxParams, Control, GroupParams, LoadParams, TestParams};
use rais_core::quantity::{Generation, Incarnation, Utilisation};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Between two runs of the test: it has failed or recovered after two.
pub const TEST_INTERVAL: Micros = 100 * MS;
/// Between two samples of the load.
pub const SAMPLE_INTERVAL: Micros = 200 * MS;

impl SimBox {
    pub(super) fn new(plan: &BoxPlan) -> Self {
        Self {
            node: None,
            kernel: Kernel::default(),
            life: 0,
            config: 0,
            frozen: false,
            well: true,
            carrier: [true; 2],
            incarnation: 0,
            guesses: false,
            highest: 0,
            began: 0,
            ended: 0,
            orders: StandingOrders::default(),
            quiesced: [false; 2],
            stopping: false,
            away_since: [Some(0); 2],
            newer: plan.newer,
            scripts: Scripts::Take(plan.script),
            load: plan.load,
            restart_when_stopped: false,
            asked: Vec::new(),
            next_tick: Micros::MAX,
            backlog: VecDeque::new(),
        }
    }
}

impl SimBox {
    /// Its disk is lost, or the last start was not counted.
    pub(super) fn forget(&mut self, counted_last: bool) {
        self.guesses = true;
        if counted_last {
            self.incarnation = self.incarnation.saturating_sub(1);
        } else {
            (self.incarnation, self.orders) = (0, StandingOrders::default());
        }
    }
}

impl World {
    pub(super) fn params(&self, index: usize) -> BoxParams {
        let tested = self.scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Test(_)));
        let loads = self.scenario.hold().is_some()
            || self.scenario.boxes.iter().any(|plan| plan.load > 0)
            || self.scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Load(..)));
        let micros = Duration::from_micros;
        let test = TestParams { interval: micros(TEST_INTERVAL), timeout: micros(50 * MS), rise: 2, fall: 2 };
        let load = LoadParams { interval: micros(SAMPLE_INTERVAL) };
        let members = (0..self.scenario.groups.len()).filter(|group| self.scenario.is_member(index, *group));
        let group = |group: usize| (self.names.groups[group].clone(), self.group_params(index, group, tested, loads));
        BoxParams {
            name: HostName::new(&format!("box-{}", index + 1)).expect("a good name"),
            incarnation: Incarnation(self.boxes[index].incarnation),
            incarnation_is_guessed: self.boxes[index].guesses,
            generation: Generation(self.boxes[index].config as u64 + 1),
            groups: members.map(group).collect::<BTreeMap<GroupName, _>>(),
            tests: if tested { BTreeMap::from([(self.names.test.clone(), test)]) } else { BTreeMap::new() },
            loads: if loads { BTreeMap::from([(self.names.load.clone(), load)]) } else { BTreeMap::new() },
            orders: self.boxes[index].orders.clone(),
        }
    }

    fn group_params(&self, index: usize, group: usize, tested: bool, loads: bool) -> GroupParams {
        let (scenario, plan) = (&self.scenario, &self.scenario.groups[group]);
        let config = &scenario.configs[self.boxes[index].config];
        let micros = Duration::from_micros;
        let ours = |addresses: &[usize]| {
            addresses.iter().copied().filter(|address| scenario.group_of(*address) == group).map(address_of).collect()
        };
        let control = |network: usize| Control {
            interface: self.names.networks[network].clone(),
            address: control_address(index, network),
        };
        GroupParams {
            id: id_of(scenario, index, group),
            control: scenario.networks_of(group).map(control).collect(),
            service_interface: self.names.lans[usize::from(plan.own_lan)].clone(),
            digest: self.boxes[index].config as u64 + 1,
            preferred_addresses: ours(&config.preferred[index]),
            pool_addresses: ours(&config.pool),
            beat: micros(config.beat),
            dead_after: micros(config.dead_after),
            action_timeout: micros(config.action_timeout),
            lease: micros(config.lease),
            announce_every: None,
            announce_again: vec![micros(100 * MS), micros(500 * MS)],
            orphan_timeout: config.orphan_timeout.map(micros),
            damping: config.damping.map(micros),
            failback: config.failback,
            choice: config.choice,
            high_water_mark: Utilisation(config.high_water_mark),
            low_water_mark: Utilisation(config.low_water_mark),
            tests: if tested && plan.tested { vec![self.names.test.clone()] } else { Vec::new() },
            load: loads.then(|| self.names.load.clone()),
            partition: plan.partition.params(scenario, group),
            load_moves: config.load_moves.map(micros),
        }
    }

    pub(super) fn start(&mut self, index: usize) {
        if self.boxes[index].node.is_some() {
            self.boxes[index].restart_when_stopped |= self.boxes[index].stopping;
            return;
        }
        let now = self.now;
        let remembered = self.is_remembered(index);
        let a_box = &mut self.boxes[index];
        a_box.life += 1;
        a_box.incarnation += 1;
        if a_box.guesses && !remembered {
            a_box.incarnation = a_box.highest + 1;
        }
        (a_box.began, a_box.highest) = (now, a_box.highest.max(a_box.incarnation));
        a_box.kernel.clear(); // What an earlier life left is removed (G-34).
        a_box.backlog.clear();
        (a_box.frozen, a_box.stopping, a_box.restart_when_stopped) = (false, false, false);
        // What the operator ordered it remembers (the disk is flushed before he is told that it is done).
        let ordered = [0, 1].map(|group| a_box.orders.of(&self.names.groups[group]).quiesces());
        (a_box.quiesced, a_box.asked) = (ordered, Vec::new());
        let life = a_box.life;
        self.note(|| format!("box {} starts, for the {life}. time", index + 1));
        let (params, local) = (self.params(index), self.clocks[index].local(now));
        self.boxes[index].node = Some(match self.mutation {
            None => Node::new(params, local),
            #[cfg(feature = "mutations")]
            Some(mutation) => Node::with_mutation(params, mutation, local),
            #[cfg(not(feature = "mutations"))]
            Some(_) => unreachable!("built without mutations"),
        });
        self.boxes[index].guesses = false;
        for lan in 0..2 {
            if !self.boxes[index].carrier[lan] {
                self.handle(index, Input::Carrier { interface: self.names.lans[lan].clone(), up: false });
            }
        }
        self.drain(index, None);
        // A starting box counts as well until its test has failed anew.
        self.boxes[index].away_since = [None; 2];
        self.see_who_is_away();
    }

    /// Somebody is there who heard the life before this one. The edge draws a guess by chance, so that it is a number of an
    /// earlier life once in 65,536 times. It is here each time that somebody can tell; what was recorded of a life with
    /// this one's number nobody else could tell from this one's words, whatever the protocol.
    fn is_remembered(&self, index: usize) -> bool {
        let ended = self.boxes[index].ended;
        let others = self.boxes.iter().enumerate().filter(|(other, _)| *other != index);
        others.filter(|(_, other)| other.node.is_some()).any(|(_, other)| other.began < ended)
    }

    /// A box goes on under an incarnation that its peers do not know.
    pub(super) fn live_on(&mut self, index: usize, incarnation: u64) {
        if incarnation <= self.boxes[index].incarnation {
            return;
        }
        self.boxes[index].incarnation = incarnation;
        self.boxes[index].highest = incarnation;
        // Only now do the others hear it, and it listens anew.
        self.promise_again(0);
        self.prolong_excuses();
        self.handle(index, Input::Outlived { incarnation: Incarnation(incarnation) });
        self.see_who_is_away();
    }

    pub(super) fn down(&mut self, index: usize) {
        let a_box = &mut self.boxes[index];
        if a_box.node.is_some() {
            a_box.ended = self.now;
        }
        (a_box.node, a_box.frozen, a_box.stopping, a_box.next_tick) = (None, false, false, Micros::MAX);
        a_box.kernel.jobs.clear();
        self.see_who_is_away();
    }

    /// The daemon said that it has stopped.
    pub(super) fn stopped(&mut self, index: usize) {
        let restart = self.boxes[index].restart_when_stopped;
        self.down(index);
        if restart {
            self.at(self.now + MS, Event::Start(index));
            self.promise_again(MS);
        } else {
            self.promise_again(0);
        }
    }

    pub(super) fn see_who_is_away(&mut self) {
        for index in 0..self.boxes.len() {
            for group in 0..self.scenario.groups.len() {
                // A frozen daemon does not know; its peers find out within the bound.
                let home = self.is_healthy(index, group);
                let away_since = &mut self.boxes[index].away_since[group];
                if home {
                    *away_since = None;
                } else if away_since.is_none() {
                    *away_since = Some(self.now);
                    if self.scenario.orphan_timeout() > 0 {
                        let by = self.now + crate::invariants::orphans::bound(&self.scenario);
                        self.at(by, Event::LookForOrphan { home: index, group, since: self.now });
                    }
                }
            }
        }
    }

    /// A box takes the newest configuration that it was given.
    pub(super) fn reload(&mut self, index: usize) {
        if self.boxes[index].node.is_some() {
            let params = self.params(index);
            self.handle(index, Input::Configure(Box::new(params)));
        }
    }
}
