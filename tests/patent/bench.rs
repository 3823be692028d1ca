//! One real node on a bench: what the seeds call a service monitor, with peers that say what a test has them say.
//!
//! Time is virtual. A peer beats every 100 ms unless it is silenced, tells its whole entry each time, and says that it
//! hears this box, as a real one would. What the node wants done is answered at once unless a test wants to see it hang.

use rais_core::address::{GroupName, HostName, IdAddress, InterfaceName, ServiceAddress};
use rais_core::counters::{Counters, DropCause};
use rais_core::info_message::{Ask, Body, Claim, EntryPart, Heard, Info, Message, Order, Orders, Row, Status};
use rais_core::io::{Action, Input};
use rais_core::node::Node;
use rais_core::notification::{Notification, Reason};
use rais_core::params::{BoxParams, Choice, Control, Failback, GroupParams, LoadParams, Partition, TestParams};
use rais_core::quantity::{EntryVersion, Generation, Incarnation, PassNumber, Sequence, Ticket, Utilisation};
use rais_core::samples;
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressView, GroupView};
use std::collections::BTreeMap;

/// Time between two info messages.
pub(crate) const BEAT: Duration = Duration::from_millis(100);
/// The timeout interval of the seeds.
pub(crate) const DEAD_AFTER: Duration = Duration::from_millis(300);

/// The host with this number; the lower leads.
pub(crate) fn id(number: u8) -> IdAddress {
    format!("10.1.0.{number}").parse().unwrap()
}

/// The service address with this number.
pub(crate) fn address(number: u8) -> ServiceAddress {
    format!("10.9.0.{number}").parse().unwrap()
}

fn control() -> InterfaceName {
    "control".parse().unwrap()
}

/// The service group.
pub(crate) fn group() -> GroupName {
    "http".parse().unwrap()
}

/// Parameters of host `number` with these preferred addresses: a test object `web` and a load object `cpu` are linked.
pub(crate) fn params(number: u8, preferred: &[u8]) -> BoxParams {
    let millis = Duration::from_millis;
    let group_params = GroupParams {
        id: id(number),
        control: vec![Control { interface: control(), address: id(number).0 }],
        service_interface: "lan".parse().unwrap(),
        digest: 1,
        preferred_addresses: preferred.iter().map(|n| address(*n)).collect(),
        pool_addresses: Vec::new(),
        beat: BEAT,
        dead_after: DEAD_AFTER,
        action_timeout: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        announce_every: None,
        announce_again: vec![Duration::from_millis(100), Duration::from_millis(500)],
        orphan_timeout: None,
        damping: None,
        failback: Failback::Immediate,
        choice: Choice::Random,
        high_water_mark: Utilisation(800),
        low_water_mark: Utilisation(600),
        tests: vec!["web".parse().unwrap()],
        load: Some("cpu".parse().unwrap()),
        partition: Partition::Serve,
        load_moves: None,
    };
    BoxParams {
        name: HostName::new(&format!("box-{number}")).unwrap(),
        incarnation: Incarnation(1),
        incarnation_is_guessed: false,
        generation: Generation(1),
        groups: BTreeMap::from([(group(), group_params)]),
        tests: BTreeMap::from([(
            "web".parse().unwrap(),
            TestParams { interval: millis(50), timeout: millis(40), rise: 1, fall: 1 },
        )]),
        loads: BTreeMap::from([("cpu".parse().unwrap(), LoadParams { interval: millis(50) })]),
        orders: rais_core::operator::StandingOrders::default(),
    }
}

/// Another host, by what it says.
pub(crate) struct Peer {
    pub(crate) ok: bool,
    pub(crate) quiesced: bool,
    pub(crate) load: u32,
    pub(crate) capacity: u32,
    pub(crate) rows: Vec<Row>,
    pub(crate) silent: bool,
    number: u8,
    sequence: u64,
    version: u64,
    next_beat: Instant,
}

impl Peer {
    fn new(number: u8, rows: Vec<Row>) -> Self {
        Self {
            number,
            ok: true,
            quiesced: false,
            load: 0,
            capacity: 1000,
            rows,
            silent: false,
            sequence: 0,
            version: 0,
            next_beat: Instant::ZERO,
        }
    }

    fn message(&mut self, body: Body) -> Message {
        self.sequence += 1;
        let sequence = Sequence(self.sequence);
        Message { sender: id(self.number), incarnation: Incarnation(1), sequence, body }
    }

    fn info(&mut self, hears: Option<Heard>) -> Message {
        self.version += 1;
        let spare = !self.rows.iter().any(|row| matches!(row, Row::Preferred(_)));
        let status = Status {
            ok: self.ok,
            trouble: (!self.ok).then_some(Reason::Test),
            quiesced: self.quiesced,
            spare,
            load: self.load,
            capacity: self.capacity,
            ..samples::status(&format!("box-{}", self.number))
        };
        let control_addresses = vec![id(self.number).0];
        let part = Some(EntryPart { index: 0, count: 1, control_addresses, rows: self.rows.clone() });
        let heard = hears.into_iter().collect();
        self.message(Body::Info(Info { status, entry_version: EntryVersion(self.version), part, heard }))
    }
}

/// How actions end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// At once, and well.
    Well,
    /// When the test says so.
    Never,
}

/// The node, its peers, and what it wanted done.
pub(crate) struct Bench {
    node: Node,
    number: u8,
    now: Instant,
    pub(crate) peers: BTreeMap<u8, Peer>,
    /// How acquires and releases end.
    pub(crate) ends: Ends,
    /// The test object passes.
    pub(crate) test_passes: bool,
    /// What the load object measures.
    pub(crate) figures: (u32, u32),
    /// Every action since the last [`taken`](Self::taken).
    actions: Vec<Action>,
    last_sequence: Sequence,
}

impl Bench {
    /// Host `number` with these preferred addresses, just started.
    pub(crate) fn new(number: u8, preferred: &[u8]) -> Self {
        Self::with(number, params(number, preferred))
    }

    /// The same with other parameters.
    pub(crate) fn with(number: u8, params: BoxParams) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut bench = Self {
            node: Node::new(params, now),
            number,
            now,
            peers: BTreeMap::new(),
            ends: Ends::Well,
            test_passes: true,
            figures: (0, 1000),
            actions: Vec::new(),
            last_sequence: Sequence(0),
        };
        bench.drain();
        bench
    }

    /// A host that this box does not know yet; it prefers and serves these addresses.
    pub(crate) fn join(&mut self, number: u8, preferred: &[u8], serves: &[u8]) -> &mut Peer {
        let rows = preferred.iter().map(|n| Row::Preferred(address(*n)));
        let rows = rows.chain(serves.iter().map(|n| Row::Claim(address(*n), Claim::Online))).collect();
        self.peers.insert(number, Peer::new(number, rows));
        self.peer(number)
    }

    pub(crate) fn peer(&mut self, number: u8) -> &mut Peer {
        self.peers.get_mut(&number).unwrap()
    }

    /// Lets time pass: peers beat, and the node is called when it asks to be.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut calls = 0;
        loop {
            // A node that asks to be called for nothing, again and again, would hang the test.
            calls += 1;
            assert!(calls < 1_000 + time.as_millis(), "the node does not come to rest");
            let beats = self.peers.values().filter(|peer| !peer.silent).map(|peer| peer.next_beat.max(self.now));
            let next = beats.chain(self.node.poll_timeout().map(|due| due.max(self.now))).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next;
            let due: Vec<u8> = self
                .peers
                .iter()
                .filter(|(_, peer)| !peer.silent && peer.next_beat <= next)
                .map(|(number, _)| *number)
                .collect();
            for number in due {
                self.say(number);
            }
            self.input(Input::Tick);
        }
        self.now = end;
        self.input(Input::Tick);
    }

    /// Lets so much time pass that everybody is settled, and forgets what was done until then.
    pub(crate) fn settle(&mut self) {
        self.pass(DEAD_AFTER * 2);
        self.taken();
    }

    /// A peer says how it is, now.
    pub(crate) fn say(&mut self, number: u8) {
        let hears = Heard {
            id: id(self.number),
            incarnation: Incarnation(1),
            sequence: self.last_sequence,
            age: Duration::ZERO,
            loss: 0,
        };
        let now = self.now;
        let peer = self.peer(number);
        peer.next_beat = now + BEAT;
        let message = peer.info(Some(hears));
        self.hear(message);
    }

    /// A peer gives an order.
    pub(crate) fn order(&mut self, from: u8, to: u8, wish: fn(Orders) -> Body, number: u8) -> Message {
        self.order_to_life(from, (to, Incarnation(1)), wish, number)
    }

    /// A peer gives an order to a box in one of its lives. All boxes are in their first.
    pub(crate) fn order_to_life(
        &mut self,
        from: u8,
        (to, life): (u8, Incarnation),
        wish: fn(Orders) -> Body,
        number: u8,
    ) -> Message {
        let pass = PassNumber(1);
        let order = Order { destination: id(to), life, address: address(number), reason: Reason::Unserved };
        let message = self.peer(from).message(wish(Orders { pass, orders: vec![order] }));
        self.hear(message.clone());
        message
    }

    /// A peer that knows nothing asks this box for its entry, and has it a moment later.
    pub(crate) fn ask(&mut self, from: u8) {
        self.pass(BEAT / 10);
        let ask = Ask { host: id(self.number), known: EntryVersion(0) };
        let message = self.peer(from).message(Body::Ask(ask));
        self.hear(message);
        self.pass(BEAT / 10);
    }

    /// A message arrives.
    pub(crate) fn hear(&mut self, message: Message) {
        self.input(Input::Received { group: group(), interface: control(), message });
    }

    /// Something happens now.
    pub(crate) fn input(&mut self, input: Input) {
        self.node.handle(self.now, input);
        self.drain();
    }

    /// An acquire or a release ends.
    pub(crate) fn finish(&mut self, ticket: Ticket, result: Result<(), &str>) {
        self.input(Input::Finished { ticket, result: result.map_err(String::from) });
    }

    fn drain(&mut self) {
        while let Some(action) = self.node.poll_action() {
            self.actions.push(action.clone());
            let input = match action {
                Action::Send { message, .. } => {
                    self.last_sequence = message.sequence;
                    None
                }
                Action::Acquire { ticket, .. } | Action::Release { ticket, .. } => {
                    (self.ends == Ends::Well).then_some(Input::Finished { ticket, result: Ok(()) })
                }
                Action::Test { test } => {
                    let result = if self.test_passes { Ok(()) } else { Err(String::from("refused")) };
                    Some(Input::Tested { test, result })
                }
                Action::Sample { load } => Some(Input::Sampled { load, result: Ok(self.figures) }),
                _ => None,
            };
            if let Some(input) = input {
                self.node.handle(self.now, input);
            }
        }
    }

    /// What the node wanted done since this was last asked.
    pub(crate) fn taken(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The group as the box sees it.
    pub(crate) fn view(&self) -> GroupView {
        self.node.view(self.now).groups.remove(0)
    }

    /// An address as the box sees it.
    pub(crate) fn row(&self, number: u8) -> Option<AddressView> {
        self.view().addresses.into_iter().find(|row| row.address == address(number))
    }

    /// This box's own claim to an address.
    pub(crate) fn claim(&self, number: u8) -> Option<Claim> {
        self.row(number).and_then(|row| row.own_claim)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.view().counters
    }

    pub(crate) fn dropped(&self, cause: DropCause) -> u64 {
        self.counters().drops.of(cause)
    }
}

/// Tickets and addresses of the acquires among these.
pub(crate) fn acquires(actions: &[Action]) -> Vec<(Ticket, ServiceAddress)> {
    let acquire = |action: &Action| match action {
        Action::Acquire { ticket, address, .. } => Some((*ticket, *address)),
        _ => None,
    };
    actions.iter().filter_map(acquire).collect()
}

/// Tickets and addresses of the releases among these.
pub(crate) fn releases(actions: &[Action]) -> Vec<(Ticket, ServiceAddress)> {
    let release = |action: &Action| match action {
        Action::Release { ticket, address, .. } => Some((*ticket, *address)),
        _ => None,
    };
    actions.iter().filter_map(release).collect()
}

/// The messages sent among these.
pub(crate) fn sent(actions: &[Action]) -> Vec<&Message> {
    fn send(action: &Action) -> Option<&Message> {
        match action {
            Action::Send { message, .. } => Some(message),
            _ => None,
        }
    }
    actions.iter().filter_map(send).collect()
}

/// The info messages among these.
pub(crate) fn infos(actions: &[Action]) -> Vec<&Info> {
    sent(actions)
        .into_iter()
        .filter_map(|message| if let Body::Info(info) = &message.body { Some(info) } else { None })
        .collect()
}

/// Whom the leader ordered to acquire what, repetitions left out.
pub(crate) fn ordered_to_acquire(actions: &[Action]) -> Vec<(IdAddress, ServiceAddress)> {
    orders(actions, |body| if let Body::Acquire(orders) = body { Some(orders) } else { None })
}

/// Whom the leader ordered to release what, repetitions left out.
pub(crate) fn ordered_to_release(actions: &[Action]) -> Vec<(IdAddress, ServiceAddress)> {
    orders(actions, |body| if let Body::Release(orders) = body { Some(orders) } else { None })
}

fn orders(actions: &[Action], of: fn(&Body) -> Option<&Orders>) -> Vec<(IdAddress, ServiceAddress)> {
    let mut orders = Vec::new();
    for order in sent(actions).into_iter().filter_map(|message| of(&message.body)).flat_map(|orders| &orders.orders) {
        if !orders.contains(&(order.destination, order.address)) {
            orders.push((order.destination, order.address));
        }
    }
    orders
}

/// The notifications, which are SNMP traps, among these.
pub(crate) fn traps(actions: &[Action]) -> Vec<&'static str> {
    let trap =
        |action: &Action| if let Action::Notify(notification) = action { Some(notification.name()) } else { None };
    actions.iter().filter_map(trap).collect()
}

/// The notifications themselves.
pub(crate) fn notifications(actions: &[Action]) -> Vec<&Notification> {
    actions.iter().filter_map(|action| if let Action::Notify(told) = action { Some(told) } else { None }).collect()
}
