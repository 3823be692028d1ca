//! Whole groups in virtual time: real nodes, and around them networks, kernels, scripts, clocks and operators.
//!
//! An event queue drives it; nothing else moves. The same scenario gives the same history to the last event.

mod edge;
mod excuses;
mod faults;
mod lives;
mod looks;
mod tell;

pub use lives::{SAMPLE_INTERVAL, TEST_INTERVAL};
pub use looks::{Disturbance, Promise};

use crate::invariants::{self, Violation};
use crate::kernel::Kernel;
use crate::network::Network;
use crate::random::Random;
use crate::scenario::{Fault, Micros, Scenario, Scripts};
use crate::wire::Wire;
use excuses::Excuses;
use looks::Looks;
use rais_core::address::{GroupName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use rais_core::counters::DropCause;
use rais_core::info_message::{Body, Message};
use rais_core::io::{Command, Input};
use rais_core::mutation::Mutation;
use rais_core::node::Node;
use rais_core::operator::{Policy, StandingOrders};
use rais_core::quantity::Ticket;
use rais_core::time::Instant;
use rais_core::view::View;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// Most messages that wait in a frozen daemon's socket.
const SOCKET_BUFFER: usize = 400;

/// The id address of a box in a group: its address on the group's first control network.
#[must_use]
pub fn id_of(scenario: &Scenario, index: usize, group: usize) -> IdAddress {
    IdAddress(control_address(index, scenario.networks_of(group).start))
}

/// The address of a box on a control network.
#[must_use]
fn control_address(index: usize, network: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 1, network as u8, index as u8 + 1))
}

/// The service address with this index: every third is IPv6.
#[must_use]
pub fn address_of(index: usize) -> ServiceAddress {
    let number = index as u16 + 1;
    ServiceAddress(match index % 3 {
        2 => IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, number)),
        _ => IpAddr::V4(Ipv4Addr::new(10, 9, (number >> 8) as u8, number as u8)),
    })
}

/// Whose orders a box takes in, about which addresses.
pub type Ordered = (IdAddress, Vec<ServiceAddress>);

/// What became of a datagram on its way.
type Received = Rc<Result<Message, DropCause>>;

/// What is to happen.
#[derive(Clone, Debug)]
enum Event {
    Start(usize),
    Tick(usize),
    Deliver {
        to: usize,
        group: usize,
        network: usize,
        received: Received,
    },
    Step {
        at: usize,
        life: u32,
        group: usize,
        address: ServiceAddress,
        ticket: Ticket,
        done: bool,
    },
    Tested {
        at: usize,
        life: u32,
    },
    Sampled {
        at: usize,
        life: u32,
    },
    /// The edge has kept a greater incarnation, as the node wanted.
    Outlived {
        at: usize,
        life: u32,
        incarnation: u64,
    },
    /// A thawed daemon gets to read its configuration.
    Reload(usize),
    /// The kernel says that somebody removed an address.
    Removed {
        at: usize,
        address: ServiceAddress,
    },
    Witnessed {
        at: usize,
        life: u32,
        group: usize,
        witness: IpAddr,
    },
    Begin(usize),
    End(usize),
    /// Look whether an address is served twice now that that is no longer excused.
    LookForDuplicates,
    /// The countdown of an address whose home went away at this time must be over.
    LookForOrphan {
        home: usize,
        group: usize,
        since: Micros,
    },
    /// A promise's bound is over, if nothing has disturbed it since this many disturbances.
    Look(Promise, u32),
    Formed,
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
    /// Which of the scenario's configurations it has.
    pub config: usize,
    /// The daemon does not get to run.
    pub frozen: bool,
    /// The test on it passes.
    pub well: bool,
    /// Its service interfaces have a carrier: the groups' common one, and the second group's own.
    pub carrier: [bool; 2],
    /// Its start counter, as on its disk.
    pub incarnation: u64,
    /// The counter is not what the last life had.
    pub guesses: bool,
    /// The greatest number that a life of it had.
    highest: u64,
    /// When its present life began, and when the one before it ended.
    began: Micros,
    ended: Micros,
    /// What is on its disk of what an operator ordered.
    pub orders: StandingOrders,
    /// An operator quiesced it, in each group.
    pub quiesced: [bool; 2],
    /// It was told to stop.
    pub stopping: bool,
    /// Since when it could not serve its own addresses in each group, had they been given to it.
    pub away_since: [Option<Micros>; 2],
    /// It speaks for the newer release.
    pub newer: bool,
    /// How its scripts behave.
    pub scripts: Scripts,
    load: u32,
    restart_when_stopped: bool,
    /// What the operator asked for while the daemon did not run.
    asked: Vec<Command>,
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

/// The groups and everything around them.
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
    /// What was sent and moved since the last equilibrium began.
    pub traffic: Traffic,
    /// When a box found another one dead.
    pub deaths: Vec<(Micros, usize, IdAddress)>,
    last_load_move: Option<Micros>,
    /// Calls of a node.
    pub calls: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// A line per event, if wanted.
    pub trace: Option<Vec<String>>,
    /// The control networks.
    pub network: Network,
    /// Messages may still be on the way that took much longer than they should.
    network_was_slow: bool,
    /// When a box, or boxes for each other, were last lost.
    lost_at: Micros,
    /// Faults that go on, by episode.
    active: Vec<usize>,
    excuses: Vec<Excuses>,
    looks: Looks,
    clocks: Vec<Clock>,
    random: Random,
    queue: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    order: u64,
    end: Micros,
    mutation: Option<Mutation>,
    names: Names,
    wires: Vec<Wire>,
    /// What somebody recorded who will send it again.
    recorded: VecDeque<Recorded>,
    /// Somebody does.
    records: bool,
}

/// A datagram that somebody recorded.
#[derive(Clone, Debug)]
struct Recorded {
    group: usize,
    network: usize,
    received: Received,
    /// A bit for each box that it arrived at, the first time.
    arrived: u32,
}

/// What S-4 counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Since when.
    pub since: Micros,
    /// Heartbeats.
    pub beats: u64,
    /// Pieces of entries that went before their heartbeat.
    pub pieces: u64,
    /// Messages that are no info messages.
    pub orders: u64,
    /// Times an address was added to or removed from a kernel.
    pub moves: u64,
}

#[derive(Debug)]
struct Names {
    groups: Vec<GroupName>,
    test: TestName,
    load: LoadName,
    networks: Vec<InterfaceName>,
    lans: [InterfaceName; 2],
}

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a name of this file")
}

impl Names {
    fn new() -> Self {
        Self {
            groups: vec![name("group-1"), name("group-2")],
            test: name("test"),
            load: name("load"),
            networks: vec![name("control-1"), name("control-2"), name("control-3")],
            lans: [name("lan-1"), name("lan-2")],
        }
    }
}

impl World {
    /// The world of a scenario, before anything happened; `mutation` is planted in every box.
    #[must_use]
    pub fn new(scenario: Scenario, mutation: Option<Mutation>, trace: bool) -> Self {
        let mut random = Random::new(scenario.seed ^ 0xfeed);
        let mut clocks = Vec::new();
        for plan in &scenario.boxes {
            let per_million = 1_000_000_u64.saturating_add_signed(plan.drift_ppm);
            clocks.push(Clock { offset: random.between(0, 1 << 40), per_million });
        }
        let names = Names::new();
        let wires = if scenario.on_the_wire() { names.groups.iter().map(Wire::of).collect() } else { Vec::new() };
        let mut world = Self {
            now: 0,
            boxes: scenario.boxes.iter().map(SimBox::new).collect(),
            clients: BTreeMap::new(),
            traffic: Traffic::default(),
            deaths: Vec::new(),
            last_load_move: None,
            calls: 0,
            violation: None,
            trace: trace.then(Vec::new),
            network: Network::default(),
            network_was_slow: false,
            lost_at: 0,
            active: Vec::new(),
            excuses: vec![Excuses::new(scenario.boxes.len()); scenario.groups.len()],
            looks: Looks::default(),
            clocks,
            random,
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            order: 0,
            end: scenario.formed(),
            mutation,
            names,
            wires,
            recorded: VecDeque::new(),
            records: scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Replay(_))),
            scenario,
        };
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        for index in 0..self.boxes.len() {
            if let Some(start) = self.scenario.boxes[index].start {
                self.at(start, Event::Start(index));
            }
        }
        for index in 0..self.scenario.episodes.len() {
            let (from, until) = (self.scenario.episodes[index].from, self.scenario.episodes[index].until);
            self.at(from, Event::Begin(index));
            self.end = self.end.max(from).max(until.unwrap_or(0));
            if let Some(until) = until {
                self.at(until, Event::End(index));
            }
        }
        self.at(self.scenario.formed(), Event::Formed);
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
            if time > self.end || self.violation.is_some() {
                break;
            }
            self.now = time;
            self.happen(event);
        }
        if self.violation.is_none() {
            self.now = self.end;
            self.judge(invariants::at_the_end);
        }
    }

    /// Lives on until that time, whatever promises are broken: to measure, not to judge.
    pub fn run_until(&mut self, until: Micros) {
        while let Some(Reverse((time, _, _))) = self.queue.peek()
            && *time <= until
            && let Some(Reverse((time, _, slot))) = self.queue.pop()
        {
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

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(index) => {
                self.promise_again(0);
                self.start(index);
            }
            Event::Tick(index) if self.boxes[index].next_tick != self.now => {}
            Event::Deliver { to, .. } | Event::Tick(to) if self.boxes[to].frozen => {
                let backlog = &mut self.boxes[to].backlog;
                if backlog.len() < SOCKET_BUFFER && !matches!(event, Event::Tick(_)) {
                    backlog.push_back(event);
                }
            }
            Event::Step { at, .. }
            | Event::Tested { at, .. }
            | Event::Sampled { at, .. }
            | Event::Outlived { at, .. }
            | Event::Witnessed { at, .. }
                if self.boxes[at].frozen =>
            {
                self.boxes[at].backlog.push_back(event);
            }
            Event::Tick(index) => self.handle(index, Input::Tick),
            Event::Deliver { to, group, network, received } => self.deliver(to, group, network, &received),
            Event::Step { at, life, group, address, ticket, done } => self.step(at, life, group, address, ticket, done),
            Event::Tested { at, life } if self.boxes[at].life == life => {
                let result = if self.boxes[at].well { Ok(()) } else { Err(String::from("refused")) };
                self.handle(at, Input::Tested { test: self.names.test.clone(), result });
            }
            Event::Sampled { at, life } if self.boxes[at].life == life => {
                let of_addresses = self.boxes[at].kernel.addresses(self.now).count() as u32;
                let load = self.boxes[at].load + of_addresses * self.scenario.address_load;
                let result = Ok((load, self.scenario.boxes[at].capacity));
                self.handle(at, Input::Sampled { load: self.names.load.clone(), result });
            }
            Event::Witnessed { at, life, group, witness } if self.boxes[at].life == life => {
                let result = if self.reaches_witness(at, group) { Ok(()) } else { Err(String::from("no answer")) };
                self.handle(at, Input::Witnessed { group: self.names.groups[group].clone(), witness, result });
            }
            Event::Outlived { at, life, incarnation } if self.boxes[at].life == life => {
                self.live_on(at, incarnation);
            }
            Event::Tested { .. } | Event::Sampled { .. } | Event::Witnessed { .. } | Event::Outlived { .. } => {}
            Event::Removed { at, address } => self.tell_of_removal(at, address),
            Event::Reload(index) => self.reload(index),
            Event::Begin(episode) => self.begin(episode),
            Event::End(episode) => self.finish(episode),
            Event::LookForDuplicates => self.judge(invariants::one_server::everywhere),
            Event::LookForOrphan { home, group, since } => {
                if self.boxes[home].away_since[group] == Some(since) && !self.any_excuse() {
                    self.judge(|world| invariants::orphans::have_run_out(world, home, group));
                }
            }
            Event::Look(promise, disturbances) => self.look(promise, disturbances),
            Event::Formed => {
                self.note(|| String::from("the group should have formed by now"));
                if self.scenario.episodes.first().is_none_or(|first| first.from > self.now) {
                    self.judge(invariants::spread::evenly);
                }
            }
        }
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
        if self.boxes[index].node.is_some() {
            self.note_input(index, &input);
        }
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
            if next != Micros::MAX {
                self.at(next, Event::Tick(index));
            }
        }
    }

    fn look_for_duplicates_at(&mut self, time: Micros) {
        self.at(time, Event::LookForDuplicates);
    }

    /// Who leads a group, as a box sees it; `None`: it does not run, or knows none.
    #[must_use]
    pub fn leader_seen_by(&self, index: usize, group: usize) -> Option<IdAddress> {
        self.boxes[index].node.as_ref().and_then(|node| node.leader(&self.names.groups[group]))
    }

    /// What operators changed of a group's policy, as a box holds it; `None`: it does not run.
    #[must_use]
    pub fn policy(&self, index: usize, group: usize) -> Option<Policy> {
        self.boxes[index].node.as_ref().and_then(|node| node.policy(&self.names.groups[group]))
    }

    /// What a box knows, if its daemon runs.
    #[must_use]
    pub fn view(&self, index: usize) -> Option<View> {
        let node = self.boxes[index].node.as_ref()?;
        Some(node.view(self.clocks[index].local(self.now)))
    }

    /// The boxes whose kernels answer for an address, their daemons well or not.
    #[must_use]
    pub fn servers(&self, address: ServiceAddress) -> Vec<usize> {
        (0..self.boxes.len()).filter(|index| self.boxes[*index].kernel.has(address, self.now)).collect()
    }

    /// The boxes that serve an address with a daemon that runs.
    #[must_use]
    pub fn running_servers(&self, address: ServiceAddress) -> Vec<usize> {
        let mut servers = self.servers(address);
        servers.retain(|index| self.runs(*index));
        servers
    }

    /// Some box is acquiring or releasing the address just now.
    #[must_use]
    pub fn is_on_its_way(&self, address: ServiceAddress) -> bool {
        self.boxes.iter().any(|a_box| a_box.kernel.jobs.get(&address).is_some_and(|jobs| !jobs.is_empty()))
    }

    /// The faults that go on, by episode.
    pub fn active_faults(&self) -> impl Iterator<Item = usize> + '_ {
        self.active.iter().copied()
    }

    /// Its daemon runs.
    #[must_use]
    pub fn runs(&self, index: usize) -> bool {
        self.boxes[index].node.is_some() && !self.boxes[index].frozen
    }

    /// It runs, is in the group, and is not on its way out.
    #[must_use]
    pub fn takes_part(&self, index: usize, group: usize) -> bool {
        self.scenario.is_member(index, group) && self.runs(index) && !self.boxes[index].stopping
    }

    /// The box is well in the group: its addresses are at home there.
    #[must_use]
    pub fn is_healthy(&self, index: usize, group: usize) -> bool {
        let (a_box, plan) = (&self.boxes[index], &self.scenario.groups[group]);
        self.takes_part(index, group) && (a_box.well || !plan.tested) && a_box.carrier[usize::from(plan.own_lan)]
    }

    /// The box could be given an address of the group.
    #[must_use]
    pub fn available(&self, index: usize, group: usize) -> bool {
        self.is_healthy(index, group) && !self.boxes[index].quiesced[group] && self.may_serve(index, group)
    }

    /// The box whose preferred address it is: of those that name it the first that is well, else the first that runs,
    /// else the first.
    #[must_use]
    pub fn home_of(&self, address: usize) -> Option<usize> {
        self.home_among(address, 0..self.boxes.len())
    }

    /// The same, of some boxes.
    #[must_use]
    pub fn home_among(&self, address: usize, boxes: impl IntoIterator<Item = usize>) -> Option<usize> {
        let owns = |index: &usize| {
            let config = &self.scenario.configs[self.boxes[*index].config];
            self.boxes[*index].life > 0 && config.preferred[*index].contains(&address)
        };
        let group = self.scenario.group_of(address);
        boxes
            .into_iter()
            .filter(owns)
            .min_by_key(|index| (!self.is_healthy(*index, group), !self.takes_part(*index, group), *index))
    }

    /// The address is in the pool of a box that runs.
    #[must_use]
    pub fn in_pool(&self, address: usize) -> bool {
        let configs = self.boxes.iter().filter(|a_box| a_box.node.is_some()).map(|a_box| a_box.config);
        configs.into_iter().any(|config| self.scenario.configs[config].pool.contains(&address))
    }

    /// The boxes that take part in a group, in parts that hear each other, directly or through others.
    #[must_use]
    pub fn sides(&self, group: usize) -> Vec<Vec<usize>> {
        let mut left: Vec<_> = (0..self.boxes.len()).filter(|index| self.takes_part(*index, group)).collect();
        let mut sides = Vec::new();
        while let Some(first) = left.first().copied() {
            let (mut side, mut next) = (vec![first], 0);
            left.remove(0);
            while let Some(here) = side.get(next).copied() {
                let networks = self.scenario.networks_of(group);
                let hears = |there: &usize| self.network.connects(here, *there, networks.clone());
                let (near, far): (Vec<_>, Vec<_>) = left.iter().copied().partition(hears);
                side.extend(near);
                (left, next) = (far, next + 1);
            }
            side.sort_unstable();
            sides.push(side);
        }
        sides
    }
}
