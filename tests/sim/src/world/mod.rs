//! A whole group in virtual time: real nodes, and around them a network, kernels, scripts, clocks and operators.
//!
//! An event queue drives it; nothing else moves. The same scenario gives the same history to the last event.

use crate::invariants::{self, Violation};
use crate::kernel::Kernel;
use crate::network::Network;
use crate::random::Random;
use crate::scenario::{Fault, MS, Micros, Scenario, Scripts};
use rais_core::address::{GroupName, HostName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use rais_core::info_message::{Body, Message};
use rais_core::io::{Command, Input};
use rais_core::mutation::Mutation;
use rais_core::node::Node;
use rais_core::params::{BoxParams, Control, GroupParams, LoadParams, TestParams};
use rais_core::quantity::{Generation, Incarnation, Ticket, Utilisation};
use rais_core::time::Instant;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

/// Most messages that wait in a frozen daemon's socket.
const SOCKET_BUFFER: usize = 400;

/// The id address of the box with this index.
#[must_use]
pub fn id_of(index: usize) -> IdAddress {
    IdAddress(IpAddr::V4(Ipv4Addr::new(10, 1, 0, index as u8 + 1)))
}

/// The service address with this index: every third is IPv6.
#[must_use]
pub fn address_of(index: usize) -> ServiceAddress {
    ServiceAddress(match index % 3 {
        2 => IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, index as u16 + 1)),
        _ => IpAddr::V4(Ipv4Addr::new(10, 9, 0, index as u8 + 1)),
    })
}

mod edge;
mod faults;

/// Who gave the orders just taken in, and about which addresses.
pub type Ordered = (IdAddress, BTreeSet<ServiceAddress>);

/// What is to happen.
#[derive(Clone, Debug)]
enum Event {
    Start(usize),
    Tick(usize),
    Deliver {
        to: usize,
        network: usize,
        message: Rc<Message>,
    },
    Step {
        at: usize,
        life: u32,
        address: ServiceAddress,
        ticket: Ticket,
        done: bool,
    },
    Tested {
        at: usize,
        life: u32,
    },
    Witnessed {
        at: usize,
        life: u32,
        witness: IpAddr,
    },
    Sampled {
        at: usize,
        life: u32,
    },
    Begin(usize),
    End(usize),
    /// Look whether an address is served twice now that that is no longer excused.
    LookForDuplicates,
    /// The countdown of an address whose home went away at this time must be over.
    LookForOrphan(usize, Micros),
    Formed,
    Converged,
}

/// One box.
#[derive(Debug)]
pub struct SimBox {
    /// Its daemon, while it runs.
    pub node: Option<Node>,
    /// Its kernel.
    pub kernel: Kernel,
    /// Starts so far.
    pub life: u32,
    /// The daemon does not get to run.
    pub frozen: bool,
    /// The test on it passes.
    pub well: bool,
    /// Its service interface has a carrier.
    pub carrier: bool,
    /// An operator quiesced it.
    pub quiesced: bool,
    /// It was told to stop.
    pub stopping: bool,
    /// Since when it could not serve its own addresses, had they been given to it.
    pub away_since: Option<Micros>,
    restart_when_stopped: bool,
    /// What the operator asked for while the daemon did not run.
    asked: Option<Command>,
    /// Load that does not come from its addresses, per mille.
    pub burden: u32,
    scripts: Scripts,
    next_tick: Micros,
    backlog: VecDeque<Event>,
}

/// The clocks of a box and of the world.
#[derive(Clone, Copy, Debug)]
struct Clock {
    offset: u64,
    per_million: u64,
}

impl Clock {
    fn local(self, world: Micros) -> Instant {
        Instant::from_micros(self.offset + world * self.per_million / 1_000_000)
    }

    fn world(self, local: Instant) -> Micros {
        (local.as_micros().saturating_sub(self.offset)).saturating_mul(1_000_000).div_ceil(self.per_million)
    }
}

/// The group and everything around it.
#[derive(Debug)]
pub struct World {
    /// What happens.
    pub scenario: Scenario,
    /// Now.
    pub now: Micros,
    /// The boxes.
    pub boxes: Vec<SimBox>,
    /// Who clients think serves each address: who announced it last.
    pub clients: BTreeMap<ServiceAddress, usize>,
    /// Faults running that may make two boxes hold an address, and until when the last of them is an excuse.
    blinding: u32,
    excused_until: Micros,
    /// Since the group formed, or since it converged: messages that were not a heartbeat, and all of them.
    pub orders_sent: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Times an address was added to or removed from a kernel.
    pub moves: u64,
    /// When a box took another one for dead: (when, who, whom).
    pub deaths: Vec<(Micros, usize, IdAddress)>,
    /// When an address was last released because its box was too full.
    pub last_load_move: Option<Micros>,
    /// Calls of a node.
    pub calls: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// A line per event, if wanted.
    pub trace: Option<Vec<String>>,
    clocks: Vec<Clock>,
    pub(crate) network: Network,
    random: Random,
    queue: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    order: u64,
    mutation: Option<Mutation>,
    names: Names,
}

#[derive(Debug)]
struct Names {
    group: GroupName,
    test: TestName,
    load: LoadName,
    networks: Vec<InterfaceName>,
    lan: InterfaceName,
}

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name of this file")
}

impl World {
    /// The world of a scenario, before anything happened; `mutation` is planted in every box.
    #[must_use]
    pub fn new(scenario: Scenario, mutation: Option<Mutation>, trace: bool) -> Self {
        let mut random = Random::new(scenario.seed ^ 0xfeed);
        let a_box = || SimBox {
            node: None,
            kernel: Kernel::default(),
            life: 0,
            frozen: false,
            well: true,
            carrier: true,
            quiesced: false,
            stopping: false,
            away_since: Some(0),
            restart_when_stopped: false,
            asked: None,
            burden: 200,
            scripts: Scripts::Take(0),
            next_tick: Micros::MAX,
            backlog: VecDeque::new(),
        };
        let clock = |plan: &crate::scenario::BoxPlan| Clock {
            offset: random.between(0, 1 << 40),
            per_million: 1_000_000_u64.saturating_add_signed(plan.drift_ppm),
        };
        let clocks = scenario.boxes.iter().map(clock).collect();
        let names = Names {
            group: name("group"),
            test: name("test"),
            load: name("load"),
            networks: vec![name("control-1"), name("control-2")],
            lan: name("lan"),
        };
        let boxes: Vec<_> =
            scenario.boxes.iter().map(|plan| SimBox { scripts: Scripts::Take(plan.script), ..a_box() }).collect();
        let mut world = Self {
            now: 0,
            boxes,
            clients: BTreeMap::new(),
            blinding: 0,
            excused_until: 0,
            orders_sent: 0,
            messages_sent: 0,
            moves: 0,
            deaths: Vec::new(),
            last_load_move: None,
            calls: 0,
            violation: None,
            trace: trace.then(Vec::new),
            clocks,
            network: Network::default(),
            random,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            order: 0,
            mutation,
            names,
            scenario,
        };
        for index in 0..world.boxes.len() {
            world.at(world.scenario.boxes[index].start, Event::Start(index));
        }
        for index in 0..world.scenario.episodes.len() {
            world.at(world.scenario.episodes[index].from, Event::Begin(index));
            if let Some(until) = world.scenario.episodes[index].until {
                world.at(until, Event::End(index));
            }
        }
        world.at(world.scenario.formed, Event::Formed);
        world.at(world.scenario.converged, Event::Converged);
        world
    }

    fn at(&mut self, time: Micros, event: Event) {
        self.order += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.events[slot] = Some(event);
                slot
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.queue.push(Reverse((time.max(self.now), self.order, slot)));
    }

    /// Runs the history to its end, or to the first broken promise.
    pub fn run(&mut self) {
        while let Some(Reverse((time, _, slot))) = self.queue.pop() {
            let Some(event) = self.events[slot].take() else { continue };
            self.free.push(slot);
            if time > self.scenario.end || self.violation.is_some() {
                break;
            }
            self.now = time;
            self.happen(event);
        }
        if self.violation.is_none() {
            self.now = self.scenario.end;
            self.judge(invariants::at_the_end);
        }
    }

    /// Lets everything happen that happens until then, whether promises are broken or not.
    pub fn run_until(&mut self, until: Micros) {
        while self.queue.peek().is_some_and(|Reverse((time, ..))| *time <= until) {
            let Some(Reverse((time, _, slot))) = self.queue.pop() else { return };
            let Some(event) = self.events[slot].take() else { continue };
            self.free.push(slot);
            self.now = time;
            self.happen(event);
        }
        self.now = until;
    }

    fn judge(&mut self, invariant: impl Fn(&Self) -> Result<(), Violation>) {
        if let (None, Err(violation)) = (&self.violation, invariant(self)) {
            self.note(|| format!("BROKEN {violation}"));
            self.violation = Some(violation);
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.6} {}", self.now as f64 / 1e6, line()));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(index) => self.start(index),
            Event::Tick(index) if self.boxes[index].next_tick != self.now => {}
            Event::Deliver { to, .. } | Event::Tick(to) if self.boxes[to].frozen => {
                let backlog = &mut self.boxes[to].backlog;
                if backlog.len() < SOCKET_BUFFER && !matches!(event, Event::Tick(_)) {
                    backlog.push_back(event);
                }
            }
            Event::Step { at, .. }
            | Event::Tested { at, .. }
            | Event::Witnessed { at, .. }
            | Event::Sampled { at, .. }
                if self.boxes[at].frozen =>
            {
                self.boxes[at].backlog.push_back(event);
            }
            Event::Tick(index) => self.handle(index, Input::Tick),
            Event::Deliver { to, network, message } => self.deliver(to, network, &message),
            Event::Step { at, life, address, ticket, done } => self.step(at, life, address, ticket, done),
            Event::Tested { at, life } if self.boxes[at].life == life => {
                let result = if self.boxes[at].well { Ok(()) } else { Err(String::from("refused")) };
                self.handle(at, Input::Tested { test: self.names.test.clone(), result });
            }
            Event::Witnessed { at, life, witness } if self.boxes[at].life == life => {
                let result = if self.reaches_witness(at) { Ok(()) } else { Err(String::from("no answer")) };
                self.handle(at, Input::Witnessed { group: self.names.group.clone(), witness, result });
            }
            Event::Sampled { at, life } if self.boxes[at].life == life => {
                let of_addresses = self.boxes[at].kernel.addresses(self.now).count() as u32;
                let load = self.boxes[at].burden + of_addresses * self.scenario.policies.address_load;
                self.handle(at, Input::Sampled { load: self.names.load.clone(), result: Ok((load, 1000)) });
            }
            Event::Tested { .. } | Event::Witnessed { .. } | Event::Sampled { .. } => {}
            Event::Begin(episode) => self.begin(episode),
            Event::End(episode) => self.end(episode),
            Event::LookForDuplicates => self.judge(invariants::one_server::everywhere),
            Event::LookForOrphan(home, since) => {
                if self.boxes[home].away_since == Some(since) && !self.excused() {
                    self.judge(|world| invariants::orphans::have_run_out(world, home));
                }
            }
            Event::Formed => self.judge(invariants::when_formed),
            Event::Converged => {
                self.note(|| String::from("all should be well now"));
                (self.orders_sent, self.messages_sent, self.moves) = (0, 0, 0);
                self.judge(invariants::when_converged);
            }
        }
    }

    fn params(&self, index: usize) -> BoxParams {
        let scenario = &self.scenario;
        let own = &scenario.boxes[index].preferred;
        let preferred = |address: &usize| scenario.boxes.iter().any(|plan| plan.preferred.contains(address));
        let micros = Duration::from_micros;
        let tested = scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Test(_)));
        let control = |network: usize| Control {
            interface: self.names.networks[network].clone(),
            address: IpAddr::V4(Ipv4Addr::new(10, 1, network as u8, index as u8 + 1)),
        };
        let group = GroupParams {
            id: id_of(index),
            control: (0..scenario.networks).map(control).collect(),
            service_interface: self.names.lan.clone(),
            digest: 7,
            preferred_addresses: own.iter().copied().map(address_of).collect(),
            pool_addresses: (0..scenario.addresses).filter(|address| !preferred(address)).map(address_of).collect(),
            beat: micros(scenario.beat),
            dead_after: micros(scenario.dead_after),
            action_timeout: micros(scenario.action_timeout),
            lease: micros(scenario.lease),
            announce_every: None,
            announce_again: vec![Duration::from_millis(100), Duration::from_millis(500)],
            orphan_timeout: scenario.orphan_timeout.map(micros),
            failback: scenario.failback,
            choice: scenario.choice,
            high_water_mark: Utilisation(800),
            low_water_mark: Utilisation(600),
            tests: if tested { vec![self.names.test.clone()] } else { Vec::new() },
            load: scenario.policies.hold.map(|_| self.names.load.clone()),
            partition: scenario.policies.partition(),
            load_moves: scenario.policies.hold.map(micros),
        };
        let test = TestParams { interval: micros(100 * MS), timeout: micros(50 * MS), rise: 2, fall: 2 };
        BoxParams {
            name: HostName::new(&format!("box-{}", index + 1)).expect("a good name"),
            incarnation: Incarnation(u64::from(self.boxes[index].life)),
            generation: Generation(1),
            groups: BTreeMap::from([(self.names.group.clone(), group)]),
            tests: if tested { BTreeMap::from([(self.names.test.clone(), test)]) } else { BTreeMap::new() },
            loads: match scenario.policies.hold {
                Some(_) => BTreeMap::from([(self.names.load.clone(), LoadParams { interval: micros(100 * MS) })]),
                None => BTreeMap::new(),
            },
        }
    }

    fn start(&mut self, index: usize) {
        if self.boxes[index].node.is_some() {
            self.boxes[index].restart_when_stopped |= self.boxes[index].stopping;
            return;
        }
        let now = self.now;
        let a_box = &mut self.boxes[index];
        a_box.life += 1;
        a_box.kernel.clear(); // What an earlier life left is removed (G-34).
        a_box.backlog.clear();
        (a_box.frozen, a_box.stopping, a_box.restart_when_stopped, a_box.quiesced) = (false, false, false, false);
        a_box.asked = None;
        self.note(|| format!("box {} starts", index + 1));
        let (params, local) = (self.params(index), self.clocks[index].local(now));
        self.boxes[index].node = Some(match self.mutation {
            None => Node::new(params, local),
            #[cfg(feature = "mutations")]
            Some(mutation) => Node::with_mutation(params, mutation, local),
            #[cfg(not(feature = "mutations"))]
            Some(_) => unreachable!("built without mutations"),
        });
        if !self.boxes[index].carrier {
            self.handle(index, Input::Carrier { interface: self.names.lan.clone(), up: false });
        }
        self.drain(index, None);
        // A starting box counts as well until its test has failed anew.
        self.boxes[index].away_since = None;
        self.see_who_is_away();
    }

    fn down(&mut self, index: usize) {
        let a_box = &mut self.boxes[index];
        (a_box.node, a_box.frozen, a_box.stopping, a_box.next_tick) = (None, false, false, Micros::MAX);
        a_box.kernel.jobs.clear();
        self.see_who_is_away();
    }

    /// Hands an input to a node and does what it wants.
    fn handle(&mut self, index: usize, input: Input) {
        let local = self.clocks[index].local(self.now);
        let from = match &input {
            Input::Received {
                message: Message { sender, body: Body::Acquire(orders) | Body::Release(orders), .. },
                ..
            } => Some((*sender, orders.orders.iter().map(|order| order.address).collect())),
            _ => None,
        };
        let Some(node) = &mut self.boxes[index].node else { return };
        self.calls += 1;
        node.handle(local, input);
        self.drain(index, from.as_ref());
    }

    fn drain(&mut self, index: usize, ordered: Option<&Ordered>) {
        while let Some(action) = self.boxes[index].node.as_mut().and_then(Node::poll_action) {
            self.act(index, action, ordered);
        }
        let timeout = self.boxes[index].node.as_ref().and_then(Node::poll_timeout);
        let next = timeout.map_or(Micros::MAX, |local| self.clocks[index].world(local).max(self.now + 1));
        if next != self.boxes[index].next_tick {
            self.boxes[index].next_tick = next;
            if next <= self.scenario.end {
                self.at(next, Event::Tick(index));
            }
        }
    }

    /// Two boxes may hold an address now: a fault keeps them from knowing, or did until a moment ago.
    #[must_use]
    pub fn excused(&self) -> bool {
        self.blinding > 0 || self.now < self.excused_until
    }

    /// Who leads, as a box sees it; `None`: it does not run, or knows none.
    #[must_use]
    pub fn leader_seen_by(&self, index: usize) -> Option<IdAddress> {
        self.boxes[index].node.as_ref().and_then(|node| node.leader(&self.names.group))
    }

    /// The boxes whose kernels answer for an address.
    #[must_use]
    pub fn servers(&self, address: ServiceAddress) -> Vec<usize> {
        (0..self.boxes.len()).filter(|index| self.boxes[*index].kernel.has(address, self.now)).collect()
    }

    /// The box could be given an address.
    #[must_use]
    pub fn available(&self, index: usize) -> bool {
        let a_box = &self.boxes[index];
        a_box.node.is_some()
            && !a_box.frozen
            && !a_box.stopping
            && a_box.well
            && a_box.carrier
            && !a_box.quiesced
            && self.may_serve(index)
    }

    /// The box whose preferred address it is, by index: of those that name it the first that is well, else the first
    /// that runs, else the first.
    #[must_use]
    pub fn home_of(&self, address: usize) -> Option<usize> {
        let standing = |index: &usize| {
            let a_box = &self.boxes[*index];
            let runs = a_box.node.is_some() && !a_box.stopping;
            (!(runs && a_box.well && a_box.carrier), !runs)
        };
        let names = |index: &usize| self.scenario.boxes[*index].preferred.contains(&address);
        (0..self.boxes.len()).filter(names).min_by_key(standing)
    }
}
