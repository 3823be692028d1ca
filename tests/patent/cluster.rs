//! Several real nodes on a network that loses nothing, whose actions succeed at once. Virtual time.

use crate::bench::{BEAT, address, group, params};
use rais_core::address::{IdAddress, ServiceAddress};
use rais_core::info_message::{Body, Message};
use rais_core::io::{Action, Input};
use rais_core::node::Node;
use rais_core::params::BoxParams;
use rais_core::quantity::Incarnation;
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressState, GroupView};
use std::collections::{BTreeMap, BTreeSet};

/// Hosts by number.
pub(crate) struct Cluster {
    nodes: BTreeMap<u8, Node>,
    /// The addresses on each host's interfaces: what was acquired and not released.
    pub(crate) configured: BTreeMap<u8, BTreeSet<ServiceAddress>>,
    /// Whether each host's test object passes.
    pub(crate) unwell: BTreeSet<u8>,
    /// What each host's load object says, of a capacity of 1000; of others it says nothing.
    pub(crate) loads: BTreeMap<u8, u32>,
    now: Instant,
    /// Every message sent.
    pub(crate) messages: Vec<Message>,
}

impl Cluster {
    /// These hosts, each with its preferred addresses.
    pub(crate) fn new(hosts: &[(u8, &[u8])]) -> Self {
        let (nodes, configured) = (BTreeMap::new(), BTreeMap::new());
        let now = Instant::from_micros(1_000_000);
        let (unwell, loads, messages) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        let mut cluster = Self { nodes, configured, unwell, loads, now, messages };
        for (number, preferred) in hosts {
            cluster.start(*number, preferred);
        }
        cluster
    }

    /// A host is added: no other is told of it by anybody but itself.
    pub(crate) fn start(&mut self, number: u8, preferred: &[u8]) {
        self.start_as(number, params(number, preferred));
    }

    /// The same with other parameters.
    pub(crate) fn start_as(&mut self, number: u8, params: BoxParams) {
        self.nodes.insert(number, Node::new(params, self.now));
        self.configured.insert(number, BTreeSet::new());
        self.settle_actions();
    }

    /// A host that lost its power has it back: a new life.
    pub(crate) fn start_again(&mut self, number: u8, preferred: &[u8]) {
        let incarnation = Incarnation(2);
        self.start_as(number, BoxParams { incarnation, ..params(number, preferred) });
    }

    /// A host loses its power.
    pub(crate) fn cut_power(&mut self, number: u8) {
        self.nodes.remove(&number);
        self.configured.remove(&number);
    }

    /// An operator, an interface or a configuration says something to a host.
    pub(crate) fn input(&mut self, number: u8, input: Input) {
        self.nodes.get_mut(&number).unwrap().handle(self.now, input);
        self.settle_actions();
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut calls = 0;
        while let Some(due) = self.nodes.values().filter_map(Node::poll_timeout).min().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            calls += 1;
            assert!(calls < 1_000 + time.as_millis(), "the nodes do not come to rest");
            for node in self.nodes.values_mut() {
                if node.poll_timeout().is_some_and(|due| due <= self.now) {
                    node.handle(self.now, Input::Tick);
                }
            }
            self.settle_actions();
        }
        self.now = end;
    }

    fn settle_actions(&mut self) {
        let interface = "control".parse().unwrap();
        loop {
            let next = self.nodes.iter_mut().find_map(|(number, node)| Some((*number, node.poll_action()?)));
            let Some((number, action)) = next else { return };
            let own = match action {
                Action::Send { message, .. } => {
                    self.messages.push(message.clone());
                    for (_, node) in self.nodes.iter_mut().filter(|(other, _)| **other != number) {
                        let (interface, message) = (Clone::clone(&interface), message.clone());
                        node.handle(self.now, Input::Received { group: group(), interface, message });
                    }
                    continue;
                }
                Action::Acquire { ticket, address, .. } => {
                    self.configured.get_mut(&number).unwrap().insert(address);
                    Input::Finished { ticket, result: Ok(()) }
                }
                Action::Release { ticket, address, .. } => {
                    self.configured.get_mut(&number).unwrap().remove(&address);
                    Input::Finished { ticket, result: Ok(()) }
                }
                Action::Test { test } => {
                    let result = if self.unwell.contains(&number) { Err(String::from("refused")) } else { Ok(()) };
                    Input::Tested { test, result }
                }
                Action::Sample { load } if self.loads.contains_key(&number) => {
                    Input::Sampled { load, result: Ok((self.loads[&number], 1000)) }
                }
                _ => continue,
            };
            self.nodes.get_mut(&number).unwrap().handle(self.now, own);
        }
    }

    /// The group as a host sees it.
    pub(crate) fn view(&self, number: u8) -> GroupView {
        self.nodes[&number].view(self.now).groups.remove(0)
    }

    /// Which host has the address on its interface; fails if it is not exactly one.
    pub(crate) fn server(&self, number: u8) -> u8 {
        let on = self.configured.iter().filter(|(_, addresses)| addresses.contains(&address(number)));
        let on: Vec<u8> = on.map(|(host, _)| *host).collect();
        assert_eq!(on.len(), 1, "{} is on hosts {on:?}", address(number));
        on[0]
    }

    /// Whose preferred address it is, as a host sees it.
    pub(crate) fn home(&self, host: u8, number: u8) -> Option<IdAddress> {
        self.view(host).addresses.into_iter().find(|row| row.address == address(number))?.preferred
    }

    /// Every host sees every address online.
    pub(crate) fn all_online(&self) -> bool {
        self.nodes.keys().all(|number| self.view(*number).addresses.iter().all(|row| row.state == AddressState::Online))
    }

    /// The orders given since this was last asked: (acquire, or else release; whom; what).
    pub(crate) fn orders(&mut self) -> BTreeSet<(bool, String, ServiceAddress)> {
        let orders = |message: Message| match message.body {
            Body::Acquire(orders) => Some((true, orders.orders)),
            Body::Release(orders) => Some((false, orders.orders)),
            Body::Info(_) | Body::Leave | Body::Ask(_) => None,
        };
        std::mem::take(&mut self.messages)
            .into_iter()
            .filter_map(orders)
            .flat_map(|(acquire, orders)| {
                orders.into_iter().map(move |order| (acquire, order.destination.to_string(), order.address))
            })
            .collect()
    }

    /// Until a death is found out and its consequences are drawn.
    pub(crate) fn converge(&mut self) {
        self.pass(BEAT * 20);
    }
}
