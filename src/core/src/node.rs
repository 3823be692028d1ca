//! The one door into the core: a whole box, with its groups, test objects and load objects.
//!
//! The contract: after every [`handle`](Node::handle) drain [`poll_action`](Node::poll_action) to `None`, then wait for
//! the next input, but no longer than [`poll_timeout`](Node::poll_timeout) says, and hand in [`Input::Tick`] when that
//! comes. The timeout may change with every `handle` and only then. Actions on one address are to be run in the order
//! they come; everything else may run in parallel.

use crate::address::{GroupName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use crate::group::{Group, Identity};
use crate::io::{Action, Command, CommandError, Input};
use crate::monitor::load_object::{self, LoadObject};
use crate::monitor::test_object::{TestObject, Verdict};
use crate::mutation::{Mutation, Planted};
use crate::notification::Notification;
use crate::operator::{Intent, Policy, StandingOrders};
use crate::outbox::Outbox;
use crate::params::{BoxParams, GroupParams};
use crate::quantity::Ticket;
use crate::time::{Duration, Instant};
use crate::view::View;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

#[cfg(test)]
mod tests;

/// A box: everything it decides.
#[derive(Debug)]
pub struct Node {
    identity: Identity,
    groups: BTreeMap<GroupName, Group>,
    /// Groups that are to be joined anew once the old life in them has ended.
    rejoin: BTreeMap<GroupName, GroupParams>,
    /// What an operator ordered in its groups: it survives them.
    orders: StandingOrders,
    tests: BTreeMap<TestName, TestObject>,
    loads: BTreeMap<LoadName, LoadObject>,
    /// Interfaces without a carrier.
    down: BTreeSet<InterfaceName>,
    /// Running actions.
    tickets: BTreeMap<Ticket, (GroupName, ServiceAddress)>,
    now: Instant,
    stop: Stop,
    out: Outbox,
}

/// How far the whole box is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    Asked,
    Done,
}

impl Node {
    /// A box that starts now, knowing nothing of its groups. The first actions are ready at once.
    #[must_use]
    pub fn new(params: BoxParams, now: Instant) -> Self {
        Self::started(params, Planted::default(), now)
    }

    /// A box with a planted bug, to test the tests.
    #[cfg(feature = "mutations")]
    #[must_use]
    pub fn with_mutation(params: BoxParams, mutation: crate::mutation::Mutation, now: Instant) -> Self {
        Self::started(params, Planted::of(mutation), now)
    }

    fn started(params: BoxParams, planted: Planted, now: Instant) -> Self {
        let BoxParams { name, incarnation, incarnation_is_guessed, generation, groups, tests, loads, mut orders } =
            params;
        let ordered = orders.clone();
        orders.keep_groups(|group| groups.contains_key(group));
        let guessed = incarnation_is_guessed;
        let identity = Identity { name, incarnation, guessed, began: now, generation, planted };
        let join = |(name, params): (GroupName, GroupParams)| {
            let group = Group::new(name.clone(), params, identity.clone(), orders.of(&name), now);
            (name.clone(), group.governed_by(orders.policy_of(&name)))
        };
        let mut node = Self {
            groups: groups.into_iter().map(join).collect(),
            identity,
            rejoin: BTreeMap::new(),
            orders,
            tests: tests.into_iter().map(|(name, params)| (name, TestObject::new(params, now))).collect(),
            loads: loads.into_iter().map(|(name, params)| (name, LoadObject::new(params, now))).collect(),
            down: BTreeSet::new(),
            tickets: BTreeMap::new(),
            now,
            stop: Stop::No,
            out: Outbox::default(),
        };
        node.remember(&ordered);
        node.handle(now, Input::Tick);
        node
    }

    /// Takes in what happened at `now`. A time before the last one counts as the last one.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.handle_all(now, [input]);
    }

    /// Takes in several things that happened at about the same time, and draws the consequences of all of them once: a
    /// thousand actions that ended together cost one control pass and not a thousand.
    pub fn handle_all(&mut self, now: Instant, inputs: impl IntoIterator<Item = Input>) {
        if self.stop == Stop::Done {
            return;
        }
        self.now = self.now.max(now);
        let now = self.now;
        for group in self.groups.values_mut() {
            group.wake_up(now, &mut self.out);
        }
        for input in inputs {
            self.take(input, now);
        }
        self.run_monitors(now);
        for group in self.groups.values_mut() {
            group.advance(now, &mut self.out);
        }
        self.remember_policies();
        self.retire_groups(now);
    }

    fn take(&mut self, input: Input, now: Instant) {
        let out = &mut self.out;
        match input {
            Input::Tick => {}
            Input::Received { group, interface, message } => {
                let mixed = self.identity.planted.is(Mutation::MixGroups).then(|| self.groups.keys().next().cloned());
                let group = mixed.flatten().unwrap_or(group);
                if let Some(group) = self.groups.get_mut(&group) {
                    group.receive(message, &interface, now, out);
                }
            }
            Input::Unsigned { group } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.count_unsigned();
                }
            }
            Input::Dropped { group, cause } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.drop_one(cause);
                }
            }
            Input::Finished { ticket, result } => {
                if let Some((group, address)) = self.tickets.remove(&ticket)
                    && let Some(group) = self.groups.get_mut(&group)
                {
                    group.finished(address, ticket, result, now, out);
                    group.touch();
                }
            }
            Input::Tested { test, result } => {
                if let Some(object) = self.tests.get_mut(&test) {
                    let verdict = object.tested(result, now);
                    out.changed();
                    self.judge(&test, verdict, now);
                }
            }
            Input::Witnessed { group, witness, result } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.witnessed(witness, result, now, out);
                }
            }
            Input::Sampled { load, result } => {
                if let Some(object) = self.loads.get_mut(&load) {
                    object.take(result, now);
                    out.changed();
                    self.link_loads(now);
                }
            }
            Input::Claimed { interface, address, mac } => {
                for group in self.groups.values_mut() {
                    group.claimed(&interface, address, mac.clone(), now, out);
                    group.touch();
                }
            }
            Input::Removed { interface, address } => {
                for group in self.groups.values_mut() {
                    group.removed(&interface, address, now);
                    group.touch();
                }
            }
            Input::Carrier { interface, up } => {
                let changed = if up { self.down.remove(&interface) } else { self.down.insert(interface) };
                if changed {
                    self.link_carriers(now);
                }
            }
            Input::Outlived { incarnation } if incarnation > self.identity.incarnation => {
                (self.identity.incarnation, self.identity.began) = (incarnation, now);
                for group in self.groups.values_mut() {
                    group.outlive(incarnation, now, out);
                }
            }
            Input::Outlived { .. } => {}
            Input::Command(command) => {
                let answer = self.command(command, now);
                self.out.push(Action::Answer(answer));
            }
            Input::Configure(params) => self.configure(*params, now),
            Input::Stop => {
                self.stop = Stop::Asked;
                self.rejoin.clear();
                for group in self.groups.values_mut() {
                    group.stop(now, out);
                }
            }
        }
    }

    /// The next thing to do, in order; `None`: nothing until the next input.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.out.pop()?;
        if let Action::Acquire { ticket, group, address }
        | Action::Release { ticket, group, address, .. }
        | Action::Restore { ticket, group, address, .. } = &action
        {
            self.tickets.insert(*ticket, (group.clone(), *address));
        }
        Some(action)
    }

    /// When the next [`Input::Tick`] is due if nothing else happens before; may lie in the past. `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stop == Stop::Done {
            return None;
        }
        let groups = self.groups.values().map(Group::timeout);
        let tests = self.tests.values().map(TestObject::timeout);
        let loads = self.loads.values().map(LoadObject::timeout);
        groups.chain(tests).chain(loads).min()
    }

    /// A picture of everything the box knows.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        View {
            at: now,
            name: self.identity.name.clone(),
            incarnation: self.identity.incarnation,
            generation: self.identity.generation,
            groups: self.groups.values().map(|group| group.view(now)).collect(),
            tests: self.tests.iter().map(|(name, test)| test.view(name)).collect(),
            loads: self.loads.iter().map(|(name, load)| load.view(name)).collect(),
        }
    }

    /// Grows whenever the content of [`view`](Self::view) changed in more than ages and counters.
    #[must_use]
    pub fn view_version(&self) -> u64 {
        self.out.version()
    }

    /// How a group decides, where operators changed it; cheaper than a view.
    #[must_use]
    pub fn policy(&self, group: &GroupName) -> Option<Policy> {
        self.groups.get(group).map(Group::policy)
    }

    /// Who leads a group, as seen here; cheaper than a view.
    #[must_use]
    pub fn leader(&self, group: &GroupName) -> Option<IdAddress> {
        self.groups.get(group).and_then(Group::leader)
    }

    /// The shortest beat of its groups: what it is late for it is late by in parts of this (G-66).
    #[must_use]
    pub fn shortest_beat(&self) -> Option<Duration> {
        self.groups.values().map(|group| group.params().beat).min()
    }

    fn run_monitors(&mut self, now: Instant) {
        let due: alloc::vec::Vec<_> =
            self.tests.iter().filter(|(_, test)| now >= test.timeout()).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(test) = self.tests.get_mut(&name) else { continue };
            let (start, verdict) = test.tick(now);
            if start {
                self.out.push(Action::Test { test: name.clone() });
            }
            self.judge(&name, verdict, now);
        }
        for (name, load) in &mut self.loads {
            if load.tick(now) {
                self.out.push(Action::Sample { load: name.clone() });
            }
        }
    }

    /// Does what follows from a test's result (G-11).
    fn judge(&mut self, name: &TestName, verdict: Verdict, now: Instant) {
        let test = name.clone();
        let notification = match verdict {
            Verdict::Unchanged => return,
            Verdict::Failed => {
                let error = self.tests.get(name).map_or_else(String::new, |test| String::from(test.last_error()));
                Notification::TestFailed { test, error }
            }
            Verdict::Recovered => Notification::TestRecovered { test },
        };
        self.out.changed();
        self.out.push(Action::Notify(notification));
        self.link_tests(now);
    }

    fn link_tests(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            let failed = |name| self.tests.get(name).is_some_and(|test| !test.passing());
            let pass = !group.params().tests.iter().any(failed);
            group.tests_pass(pass, now, &mut self.out);
            group.touch();
        }
    }

    fn link_loads(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            let object = group.params().load.as_ref().and_then(|name| self.loads.get(name));
            group.loaded(object.map_or(load_object::UNMEASURED, LoadObject::figures), now, &mut self.out);
        }
    }

    fn link_carriers(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            let up = !self.down.contains(&group.params().service_interface);
            group.carrier(up, now, &mut self.out);
            group.touch();
        }
    }

    fn command(&mut self, command: Command, now: Instant) -> Result<(), CommandError> {
        let (group, intent) = match command {
            Command::Quiesce { group } => (group, Intent::Quiesced),
            Command::Unquiesce { group } => (group, Intent::Active),
            Command::Drain { group } => (group, Intent::Draining),
            Command::Failback { group, failback } => {
                return self.change_policy(group.as_ref(), |policy| policy.failback = failback);
            }
            Command::Choice { group, choice } => {
                return self.change_policy(group.as_ref(), |policy| policy.choice = choice);
            }
            Command::Acquire { group, address, host } => {
                return self.group(&group)?.operator_acquire(address, host, now);
            }
            Command::Release { group, address } => return self.group(&group)?.operator_release(address),
        };
        if let Some(name) = &group {
            self.group(name)?;
        }
        for (name, member) in &mut self.groups {
            if group.as_ref().is_none_or(|group| group == name) {
                member.intend(intent, now, &mut self.out);
                member.touch();
            }
        }
        let before = self.orders.clone();
        self.orders.take(group.as_ref(), intent);
        self.remember(&before);
        Ok(())
    }

    /// Changes the policy of a group, or (`None`) of all: of all or of none.
    fn change_policy(&mut self, group: Option<&GroupName>, change: impl Fn(&mut Policy)) -> Result<(), CommandError> {
        if let Some(name) = group {
            self.group(name)?;
        }
        let asked = |name: &GroupName| group.is_none_or(|group| group == name);
        for (_, member) in self.groups.iter().filter(|(name, _)| asked(name)) {
            member.may_change_policy(&change)?;
        }
        for (_, member) in self.groups.iter_mut().filter(|(name, _)| asked(name)) {
            member.change_policy(&change, &mut self.out);
        }
        self.remember_policies();
        Ok(())
    }

    /// Has policies kept that changed, be it because another box was told so.
    fn remember_policies(&mut self) {
        let mut changed = false;
        for (name, group) in self.groups.iter_mut().filter_map(|(name, group)| Some((name, group.new_policy()?))) {
            self.orders.policies.insert(name.clone(), group);
            changed = true;
        }
        if changed {
            self.out.push(Action::Remember(self.orders.clone()));
        }
    }

    /// Has the operator's orders kept if they are not what they were.
    fn remember(&mut self, before: &StandingOrders) {
        if self.orders != *before {
            self.out.push(Action::Remember(self.orders.clone()));
        }
    }

    fn group(&mut self, name: &GroupName) -> Result<&mut Group, CommandError> {
        self.groups.get_mut(name).ok_or_else(|| CommandError::NoSuchGroup(name.clone()))
    }

    /// Takes a new configuration in place: what is in both keeps running, what is gone is released and left.
    fn configure(&mut self, params: BoxParams, now: Instant) {
        let BoxParams { name, generation, mut groups, tests, loads, .. } = params;
        let ordered = self.orders.clone();
        self.orders.keep_groups(|group| groups.contains_key(group));
        self.remember(&ordered);
        self.identity = Identity { name, generation, ..self.identity.clone() };
        self.tests.retain(|name, _| tests.contains_key(name));
        for (name, params) in tests {
            match self.tests.get_mut(&name) {
                Some(test) => test.configure(params, now),
                None => drop(self.tests.insert(name, TestObject::new(params, now))),
            }
        }
        self.loads.retain(|name, _| loads.contains_key(name));
        for (name, params) in loads {
            match self.loads.get_mut(&name) {
                Some(load) => load.configure(params, now),
                None => drop(self.loads.insert(name, LoadObject::new(params, now))),
            }
        }
        self.rejoin.clear();
        for (name, group) in &mut self.groups {
            match groups.remove(name) {
                Some(params) if params.id == group.params().id && !group.leaving() => {
                    group.configure(params, self.identity.clone(), now, &mut self.out);
                    group.touch();
                }
                // Another id is another box to the others: it leaves as the one and joins as the other.
                Some(params) => {
                    group.stop(now, &mut self.out);
                    self.rejoin.insert(name.clone(), params);
                }
                None => group.stop(now, &mut self.out),
            }
        }
        for (name, params) in groups {
            let group = Group::new(name.clone(), params, self.identity.clone(), self.orders.of(&name), now);
            let group = group.governed_by(self.orders.policy_of(&name));
            self.groups.insert(name, group);
        }
        self.out.changed();
        self.link_tests(now);
        self.link_loads(now);
        self.link_carriers(now);
    }

    /// Forgets the groups that were left; when the box was told to stop and all are, it has stopped (G-13).
    fn retire_groups(&mut self, now: Instant) {
        let gone = |group: &Group| group.gone();
        if self.stop == Stop::No && self.groups.values().any(gone) {
            self.groups.retain(|_, group| !group.gone());
            let rejoined: alloc::vec::Vec<_> =
                self.rejoin.keys().filter(|name| !self.groups.contains_key(*name)).cloned().collect();
            for name in rejoined {
                let Some(params) = self.rejoin.remove(&name) else { continue };
                let group = Group::new(name.clone(), params, self.identity.clone(), self.orders.of(&name), now);
                let mut group = group.governed_by(self.orders.policy_of(&name));
                group.advance(now, &mut self.out);
                self.groups.insert(name, group);
            }
            self.link_tests(now);
            self.link_loads(now);
            self.link_carriers(now);
        }
        if self.stop == Stop::Asked && self.groups.values().all(gone) {
            self.stop = Stop::Done;
            self.out.push(Action::Stopped);
        }
    }
}
