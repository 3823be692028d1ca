//! A snapshot with something in every corner: groups whose order by name is not their order by index, addresses of both
//! families, boxes and addresses in every state, and empty tables where a walk has to step over.

use rais::event::{self, Event};
use rais::machine::{
    Address, Hardware, Interface, InterfaceCounters, InterfaceKind, IpFigures, Machine, Memory, Sample, Storage,
};
use rais::snapshot::{About, AboutGroup, AboutReceiver, AboutUser, Snapshot, ZoneView};
use rais::snmp::delivery::DeliveryCounters;
use rais::snmp::v3::Level;
use rais::snmp::{Changes, DeliverySource, EventSource, GroupHistory, ReceiverFigures};
use rais_core::address::{GroupName, HostName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use rais_core::counters::{Counters, DropCause};
use rais_core::info_message::Claim;
use rais_core::notification::{GroupState, HostState, Notification, PartitionState, Reason};
use rais_core::quantity::{Generation, Incarnation, Utilisation};
use rais_core::samples;
use rais_core::time::{Duration, Instant};
use rais_core::view::{
    AddressError, AddressState, AddressView, ContactView, GroupView, HostView, LinkView, LoadView, PartitionView,
    TestView, View,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub const STARTED: Instant = Instant::from_micros(1_000_000_000);

/// That many seconds after the start.
pub fn at(seconds: u64) -> Instant {
    STARTED + Duration::from_secs(seconds)
}

pub fn snapshot() -> Snapshot {
    // By name, as a view has them. By index it is z, dns, http, long-name.
    let names = ["dns", "http", "long-name", "z"];
    let groups: Vec<_> = names.iter().map(|name| group(name)).collect();
    let about = About {
        version: String::from("0.1.0"),
        contact: String::from("noc@example.net"),
        location: String::from("Zürich, rack 12"),
        started: STARTED,
        signer: Some(String::from("ops@example.net")),
        digest: "ab".repeat(32),
        last_reload: Some(Err(String::from("generation 6 is older than the running 7"))),
        configured: Some(at(2)),
        network_repairs: 7,
        receivers: vec![
            AboutReceiver {
                name: String::from("receiver-01"),
                address: "192.0.2.9:162".parse().unwrap(),
                user: Some(AboutUser { name: String::from("noc"), level: Level::AuthPriv }),
                community: None,
                inform: true,
                timeout: Duration::from_millis(1500),
                retries: 5,
            },
            AboutReceiver {
                name: String::from("receiver-02"),
                address: "[fd00::9]:1162".parse().unwrap(),
                user: None,
                community: None,
                inform: false,
                timeout: Duration::from_secs(2),
                retries: 0,
            },
        ],
        // Two of the groups only, and not in order.
        groups: vec![
            AboutGroup { peers: addresses_of(["10.9.0.2", "192.0.2.7"]), ..about_group("http", "239.77.0.1:7077") },
            about_group("dns", "[ff02::77]:7078"),
        ],
    };
    let view = View {
        at: at(3600),
        name: HostName::new("edge-1").unwrap(),
        incarnation: Incarnation(u64::MAX),
        generation: Generation(7),
        groups,
        tests: vec![test("db", false), test("web", true)],
        loads: vec![load("cpu", Some(at(3599))), load("sessions", None)],
    };
    Snapshot {
        view,
        about: Arc::new(about),
        zones: vec![zone("a.example.net"), zone("b.example"), zone(&"x".repeat(101))],
        latencies: BTreeMap::from([(TestName::new("web").unwrap(), Duration::from_micros(1200))]),
        learnt: BTreeMap::from([(GroupName::new("http").unwrap(), addresses_of(["10.9.0.1", "10.9.0.3"]))]),
    }
}

/// A machine with something in every table: interfaces in each state, counters beyond 32 bits, a file system beyond 31
/// bits of units.
pub fn machine() -> Machine {
    let kinds = [InterfaceKind::Loopback, InterfaceKind::Ethernet, InterfaceKind::Ethernet, InterfaceKind::Tunnel];
    let names = ["lo", "eth0", "eth1", "tun0"];
    let interface = |(number, (name, kind)): (u32, (&str, InterfaceKind))| Interface {
        index: [1, 2, 5, 70_000][number as usize],
        name: String::from(name),
        kind,
        hardware_address: if kind == InterfaceKind::Tunnel { Vec::new() } else { vec![0x52, 0x54, 0, 9, 0, 1] },
        mtu: 1500,
        up: number != 3,
        carrier: number < 2,
        promiscuous: number == 1,
        speed_mbit: (name == "eth0").then_some(10_000),
        changed: at(u64::from(number)),
        counters: InterfaceCounters {
            in_octets: (1 << 32) + 7,
            in_packets: 100,
            in_multicast: 30,
            out_octets: u64::MAX,
            ..InterfaceCounters::default()
        },
    };
    let figures = |forwarding| IpFigures {
        forwarding,
        hop_limit: 64,
        reassembly_seconds: 30,
        counters: BTreeMap::from([(String::from("InReceives"), (1 << 32) + 9), (String::from("ForwDatagrams"), 8)]),
    };
    let address = |address: &str, interface, configured| Address {
        address: address.parse().unwrap(),
        interface,
        configured,
        since: at(0),
    };
    Machine {
        interfaces: (0..).zip(names.into_iter().zip(kinds)).map(interface).collect(),
        interfaces_changed: at(77),
        configured: BTreeMap::from([(InterfaceName::new("lan").unwrap(), 2)]),
        addresses: vec![
            address("10.9.0.1", 2, true),
            address("127.0.0.1", 1, false),
            address("::1", 1, false),
            address("fe80::1", 2, false),
        ],
        hardware: Hardware {
            vendor: String::from("Rais"),
            model: String::from("Box"),
            serial: String::from("0042"),
            processor: "a processor with a name that is longer than the sixty-four octets of it that fit".into(),
            command_line: "quiet ".repeat(40),
            slot: Some(String::from("a")),
            machine_id: Some("0123456789abcdef".repeat(2)),
            ..Hardware::default()
        },
        sample: Sample {
            memory: Memory { total: 1 << 20, free: 1 << 18, available: 1 << 19, ..Memory::default() },
            load_hundredths: [7, 123, 1060],
            processes: 174,
            busy_percent: vec![0, 100],
            storage: vec![
                Storage { path: "/".into(), in_memory: false, unit_octets: 4096, units: 1 << 33, used: 1 << 32 },
                Storage { path: "/run".into(), in_memory: true, unit_octets: 4096, units: 4096, used: 5 },
            ],
            ip: [figures(true), figures(false)],
            up_hundredths: (1 << 32) + 5,
            unix_ms: 1_795_208_400_000,
            ..Sample::default()
        },
    }
}

impl DeliverySource for Happened {
    fn receiver(&self, name: &str) -> Option<ReceiverFigures> {
        let first = if name == "receiver-01" { 0 } else { 10 };
        let counters = DeliveryCounters {
            sent: first + 1,
            repeated: first + 2,
            acknowledged: first + 3,
            refused: first + 4,
            given_up: first + 5,
            dropped: first + 6,
            superseded: first + 7,
            withheld: first + 8,
            strays: 0,
        };
        Some(ReceiverFigures { counters, pending: 9, since: at(20) })
    }

    fn group(&self, name: &GroupName) -> GroupHistory {
        if name.as_str() != "http" {
            return GroupHistory::default();
        }
        let changes = |count, seconds| Changes { count, last: Some(at(seconds)) };
        let service = GroupState::Degraded;
        GroupHistory { service, service_changes: changes(3, 90), partition_changes: changes(2, 80) }
    }

    fn worst_notification_us(&self) -> u64 {
        1800
    }

    fn late_notifications(&self) -> u64 {
        2
    }
}

/// What happened: in an earlier life, in this one, and with a gap between the two.
pub struct Happened;

impl EventSource for Happened {
    fn events(&self) -> Arc<Vec<Arc<Event>>> {
        let event = |number, incarnation, notification: Notification| {
            let text = event::sentence(&notification, &snapshot());
            let (incarnation, unix_ms) = (Incarnation(incarnation), 1_795_208_400_000);
            Arc::new(Event { number, incarnation, at: at(5), unix_ms, notification, text })
        };
        let test = || TestName::new("web").unwrap();
        Arc::new(vec![
            event(7, 3, Notification::TestFailed { test: test(), error: String::from("refused") }),
            event(9, u64::MAX, Notification::ColdStart),
            event(10, u64::MAX, Notification::TestRecovered { test: test() }),
            event(1 << 32, u64::MAX, Notification::WarmStart),
        ])
    }
}

/// One group of `count` addresses, and nothing else but the box itself.
pub fn many_addresses(count: u32) -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.view.groups.retain(|group| group.name.as_str() == "http");
    for group in &mut snapshot.view.groups {
        let template = group.addresses[0].clone();
        group.addresses = (0..count)
            .map(|number| AddressView {
                address: ServiceAddress(Ipv4Addr::from_bits((10 << 24) + number).into()),
                ..template.clone()
            })
            .collect();
    }
    snapshot
}

pub fn host_id(number: u8) -> IdAddress {
    IdAddress(Ipv4Addr::new(10, 9, 0, number).into())
}

fn addresses_of<T: FromIterator<IpAddr>>(texts: [&str; 2]) -> T {
    texts.iter().map(|text| text.parse::<IpAddr>().unwrap()).collect()
}

fn about_group(name: &str, address: &str) -> AboutGroup {
    AboutGroup {
        name: GroupName::new(name).unwrap(),
        address: address.parse().unwrap(),
        peers: Vec::new(),
        control_interfaces: vec![InterfaceName::new("lan").unwrap()],
        service_interface: InterfaceName::new("lan").unwrap(),
    }
}

fn group(name: &str) -> GroupView {
    // A group that nobody has settled in, with no addresses, stands between others in index order.
    let empty = name == "dns";
    let mut counters =
        Counters { messages_in: (1 << 32) + 5, messages_out: 36_000, acquires: 3, repairs: 5, ..Counters::default() };
    for (number, cause) in (1..).zip(DropCause::ALL) {
        (0..number).for_each(|_| counters.drops.count(cause));
    }
    GroupView {
        name: GroupName::new(name).unwrap(),
        leader: (!empty).then(|| host_id(1)),
        settled: !empty,
        partition_state: if empty { PartitionState::Minority } else { PartitionState::Serving },
        partition: PartitionView::Majority {
            voters: (1..=3).map(host_id).collect(),
            present: if empty { 1 } else { 2 },
        },
        disagreeing: 1,
        counters,
        last_change: at(12),
        hosts: hosts(empty),
        addresses: if empty { Vec::new() } else { addresses() },
        ..samples::group_view(host_id(1))
    }
}

fn hosts(only_us: bool) -> Vec<HostView> {
    let states = [HostState::Up, HostState::Quiesced, HostState::NotOk, HostState::Dead, HostState::Left];
    let mut hosts: Vec<_> = (1u8..).zip(states).map(|(number, state)| host(host_id(number), number, state)).collect();
    hosts.push(host(IdAddress(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 1).into()), 6, HostState::Up));
    hosts.truncate(if only_us { 1 } else { 6 });
    hosts
}

fn host(id: IdAddress, number: u8, state: HostState) -> HostView {
    HostView {
        name: HostName::new(&format!("edge-{number}")).unwrap(),
        state,
        ok: state != HostState::NotOk,
        trouble: (state == HostState::NotOk).then_some(Reason::Carrier),
        differs: number == 2,
        quiesced: state == HostState::Quiesced,
        spare: number == 6,
        load: 100 * u32::from(number),
        utilisation: Utilisation::of(100 * u32::from(number), 1000),
        // The second control network's comes before the first's in the order of an index.
        control_addresses: if number == 1 { vec![id.0, Ipv4Addr::new(10, 8, 0, 1).into()] } else { vec![id.0] },
        preferred: vec![ServiceAddress(Ipv4Addr::new(10, 9, 0, 100 + number).into())],
        served: 1,
        last_heard: at(3599),
        incarnation: Incarnation(41),
        transitions: 2,
        last_change: at(100),
        damped_until: (number == 1).then(|| at(3611) + Duration::from_millis(1)),
        contact: ContactView {
            links: vec![LinkView {
                interface: InterfaceName::new("lan").unwrap(),
                last_heard: (number != 5).then(|| at(3500)),
                loss: (number == 2).then_some(17),
            }],
            ..ContactView::default()
        },
        ..samples::host_view(id)
    }
}

fn addresses() -> Vec<AddressView> {
    let states = [
        (AddressState::Online, Some(Claim::Online), Some(Reason::Failback)),
        (AddressState::Acquiring, Some(Claim::Acquiring), Some(Reason::Unserved)),
        (AddressState::Releasing, Some(Claim::Releasing), Some(Reason::Configuration)),
        (AddressState::Unserved, None, None),
        (AddressState::Duplicate, None, Some(Reason::Duplicate)),
    ];
    let v4 = (0u8..).map(|number| ServiceAddress(Ipv4Addr::new(10, 9, 0, 101 + number).into()));
    let v6 = (0u16..).map(|number| ServiceAddress(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 0x101 + number).into()));
    let row = |(address, (state, own_claim, reason)): (ServiceAddress, (AddressState, _, _))| AddressView {
        address,
        state,
        server: (state != AddressState::Unserved).then(|| host_id(1)),
        preferred: address.0.is_ipv4().then(|| host_id(2)),
        orphan: address.0.is_ipv4() && state == AddressState::Online,
        orphan_time_left: (state == AddressState::Online).then_some(Duration::from_secs(90)),
        reason,
        own_claim,
        transitions: 4,
        last_change: at(1800),
        last_error: (state == AddressState::Unserved)
            .then(|| AddressError::Failed(String::from("acquire script: exit status 1"))),
        backoffs: Vec::new(),
    };
    v4.zip(states).map(row).chain(v6.zip(states).map(row)).collect()
}

fn test(name: &str, passing: bool) -> TestView {
    TestView {
        name: TestName::new(name).unwrap(),
        passing,
        runs: 3600,
        failures: 3,
        transitions: 1,
        last_change: at(60),
        last_error: (!passing).then(|| String::from("connection refused")),
    }
}

fn load(name: &str, sampled: Option<Instant>) -> LoadView {
    let last_error = sampled.is_none().then(|| String::from("no such process"));
    LoadView { name: LoadName::new(name).unwrap(), load: 250, capacity: 1000, sampled, last_error }
}

fn zone(name: &str) -> ZoneView {
    ZoneView {
        name: String::from(name),
        group: GroupName::new("http").unwrap(),
        serial: 4_000_000_000,
        addresses: vec![Ipv4Addr::new(10, 9, 0, 101).into()],
        bounds: (2, 28),
        records: 3,
        updates: 9,
        last_update: Some(at(3000)),
        last_error: None,
    }
}
