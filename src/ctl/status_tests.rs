//! What `raisctl status` looks like, to the character.

use super::*;
use crate::ctl::protocol::{Response, decode_response, encode_response};
use crate::snapshot::{About, AboutUser, ZoneView};
use crate::snmp::delivery::DeliveryCounters;
use crate::snmp::v3::Level;
use rais_core::address::{HostName, ServiceAddress};
use rais_core::notification::Reason;
use rais_core::quantity::{Generation, Incarnation};
use rais_core::samples;
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressError, BackoffView, LoadView, TestView, View};
use std::sync::Arc;

const NOW: Instant = Instant::from_micros(1_000_000_000);

fn ago(ms: u64) -> Instant {
    NOW.before(Duration::from_millis(ms))
}

fn host(id: &str, name: &str, state: HostState, load: u32, served: u32, heard_ms: u64) -> HostView {
    let id: IdAddress = id.parse().unwrap();
    HostView {
        name: HostName::new(name).unwrap(),
        state,
        ok: state != HostState::NotOk,
        quiesced: state == HostState::Quiesced,
        load,
        utilisation: Utilisation::of(load, 1000),
        served,
        last_heard: ago(heard_ms),
        last_change: ago(60_000),
        ..samples::host_view(id)
    }
}

fn address(text: &str, state: AddressState, server: Option<&str>, home: Option<&str>, since_ms: u64) -> AddressView {
    let address: ServiceAddress = text.parse().unwrap();
    let id = |text: &str| text.parse::<IdAddress>().unwrap();
    AddressView {
        state,
        preferred: home.map(id),
        orphan: home.is_some() && server.is_some() && server != home,
        reason: Some(Reason::Unserved),
        last_change: ago(since_ms),
        ..samples::address_view(address, server.map(id))
    }
}

fn quiet_group() -> GroupView {
    GroupView {
        last_change: ago(182_000),
        hosts: vec![
            host("10.9.0.1", "edge-1", HostState::Up, 123, 2, 0),
            host("10.9.0.2", "edge-2", HostState::Up, 55, 1, 40),
            host("10.9.0.3", "edge-3", HostState::Up, 0, 1, 12),
        ],
        addresses: vec![
            address("10.9.0.101", AddressState::Online, Some("10.9.0.1"), Some("10.9.0.1"), 182_000),
            address("10.9.0.102", AddressState::Online, Some("10.9.0.2"), Some("10.9.0.2"), 181_900),
            address("10.9.0.150", AddressState::Online, Some("10.9.0.1"), None, 182_000),
            address("fd00:9::103", AddressState::Online, Some("10.9.0.3"), Some("10.9.0.3"), 4250),
        ],
        ..samples::group_view("10.9.0.1".parse().unwrap())
    }
}

fn troubled_group() -> GroupView {
    let mut group = quiet_group();
    group.name = "edge-gateway".parse().unwrap();
    group.leader = Some("10.9.0.2".parse().unwrap());
    group.disagreeing = 1;
    let voters = (1..=5).map(|n| IdAddress([10, 9, 0, n].into())).collect();
    (group.partition_state, group.partition) =
        (PartitionState::Minority, PartitionView::Majority { voters, present: 2 });
    (group.counters.unsigned_in, group.counters.repairs) = (17, 4);
    for (cause, count) in [(DropCause::BadSignature, 12), (DropCause::Malformed, 9988), (DropCause::Duplicate, 777)] {
        (0..count).for_each(|_| group.counters.drops.count(cause));
    }
    group.hosts = vec![
        HostView { trouble: Some(Reason::Partition), ..host("10.9.0.1", "edge-1", HostState::NotOk, 999, 0, 0) },
        host("10.9.0.2", "edge-2", HostState::Quiesced, 550, 1, 20),
        HostView { draining: true, ..host("10.9.0.3", "edge-3", HostState::Quiesced, 1204, 2, 31) },
        HostView { settled: false, spare: true, differs: true, ..host("10.9.0.4", "edge-4", HostState::Up, 0, 0, 99) },
        HostView {
            damped_until: Some(NOW + Duration::from_secs(12)),
            ..host("10.9.0.6", "edge-6", HostState::Up, 0, 0, 99)
        },
        host("fd00:9::5", "a-box-with-a-very-long-name-5", HostState::Dead, 0, 0, 99_000),
    ];
    group.addresses = vec![
        AddressView {
            orphan_time_left: Some(Duration::from_secs(20)),
            reason: Some(Reason::Test),
            ..address("10.9.0.101", AddressState::Online, Some("10.9.0.2"), Some("10.9.0.1"), 4000)
        },
        AddressView {
            last_error: Some(AddressError::Failed(String::from(
                "acquire script: exit status 1, standard error: no such table: nat",
            ))),
            backoffs: vec![
                BackoffView { host: "10.9.0.3".parse().unwrap(), until: NOW + Duration::from_secs(8) },
                BackoffView { host: "10.9.0.9".parse().unwrap(), until: NOW + Duration::from_millis(600) },
            ],
            ..address("10.9.0.102", AddressState::Unserved, None, Some("fd00:9::5"), 60_000)
        },
        address("10.9.0.103", AddressState::Releasing, Some("10.9.0.3"), None, 8),
        address("2001:db8:1234:5678:9abc:def0:1234:5678", AddressState::Duplicate, Some("10.9.0.3"), None, 90),
    ];
    group
}

fn snapshot(groups: Vec<GroupView>) -> Snapshot {
    let about = groups.iter().map(|group| AboutGroup {
        name: group.name.clone(),
        address: "239.77.0.1:7077".parse().unwrap(),
        peers: Vec::new(),
        control_interfaces: vec!["lan".parse().unwrap(), "control".parse().unwrap()],
        service_interface: "lan".parse().unwrap(),
    });
    let about = About {
        version: String::from("0.1.0"),
        contact: String::new(),
        location: String::new(),
        started: ago(183_000),
        signer: Some(String::from("noc@example.net")),
        digest: String::new(),
        last_reload: None,
        configured: None,
        network_repairs: 0,
        receivers: Vec::new(),
        groups: about.collect(),
    };
    let view = View {
        at: NOW,
        name: "edge-1".parse().unwrap(),
        incarnation: Incarnation(3),
        generation: Generation(7),
        groups,
        tests: vec![],
        loads: vec![],
    };
    let (zones, latencies, learnt) = Default::default();
    Snapshot { view, about: Arc::new(about), zones, latencies, learnt }
}

fn troubled() -> (Snapshot, Runtime) {
    let mut snapshot = snapshot(vec![troubled_group()]);
    let about = Arc::make_mut(&mut snapshot.about);
    (about.signer, about.network_repairs) = (None, 2);
    // The first is known by name, the second never answered; one more was learnt, and so was this box.
    about.groups[0].peers = vec!["10.9.0.2".parse().unwrap(), "10.9.0.77".parse().unwrap()];
    let learnt = ["10.9.0.1".parse().unwrap(), "10.9.0.3".parse().unwrap()].into();
    snapshot.learnt.insert("edge-gateway".parse().unwrap(), learnt);
    about.last_reload = Some(Err(String::from("box.nmae: unknown key\ngroup[0].beat: 5ms is below 10ms")));
    snapshot.view.tests = vec![TestView {
        name: "web".parse().unwrap(),
        passing: false,
        runs: 1200,
        failures: 17,
        transitions: 1,
        last_change: ago(4100),
        last_error: Some(String::from("127.0.0.1:80: connection refused")),
    }];
    snapshot.view.loads = vec![LoadView {
        name: "cpu".parse().unwrap(),
        load: 999,
        capacity: 1000,
        sampled: Some(ago(640)),
        last_error: None,
    }];
    snapshot.zones = vec![ZoneView {
        addresses: Vec::new(),
        name: String::from("www.example.net"),
        group: "edge-gateway".parse().unwrap(),
        serial: 1_774_101_909,
        bounds: (1, 28),
        records: 2,
        updates: 3,
        last_update: Some(ago(3900)),
        last_error: None,
    }];
    let receiver = |address: &str, user: Option<(&str, Level)>| AboutReceiver {
        name: address.to_owned(),
        address: address.parse().unwrap(),
        user: user.map(|(name, level)| AboutUser { name: name.to_owned(), level }),
        community: None,
        inform: user.is_some(),
        timeout: Duration::from_secs(2),
        retries: 5,
    };
    Arc::make_mut(&mut snapshot.about).receivers =
        vec![receiver("10.9.0.254:162", None), receiver("[fd00:9::254]:162", Some(("noc", Level::AuthPriv)))];
    let sent = DeliveryCounters { sent: 40, withheld: 2, ..DeliveryCounters::default() };
    let informed = DeliveryCounters { acknowledged: 21, repeated: 17, given_up: 3, ..sent };
    let receivers = [(sent, 0), (informed, 16)];
    let receivers =
        receivers.map(|(counters, pending)| ReceiverFigures { counters, pending, since: Instant::ZERO }).to_vec();
    (snapshot, Runtime { log_lines_dropped: 3, receivers, ..Runtime::default() })
}

/// Writes the file anew with `RAIS_BLESS=1`; the difference is then for a reviewer to judge.
fn assert_golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ctl/golden").join(name);
    if std::env::var_os("RAIS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs from the golden file; it is now:\n{text}");
}

#[test]
fn a_quiet_group_looks_like_this() {
    let text = render(&snapshot(vec![quiet_group()]), &Runtime::default(), Palette::Mono, 80);
    assert_golden("quiet.txt", &text);
}

#[test]
fn a_group_in_trouble_looks_like_this() {
    let (snapshot, runtime) = troubled();
    assert_golden("troubled.txt", &render(&snapshot, &runtime, Palette::Mono, 80));
}

#[test]
fn in_colour_the_text_is_the_same() {
    let (snapshot, runtime) = troubled();
    let mut plain = String::new();
    let mut escaped = false;
    for character in render(&snapshot, &runtime, Palette::Colour, 80).chars() {
        match character {
            '\x1b' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => plain.push(character),
        }
    }
    assert_eq!(plain, render(&snapshot, &runtime, Palette::Mono, 80));
}

#[test]
fn no_line_is_wider_than_the_terminal_or_ends_in_a_blank() {
    let (snapshot, runtime) = troubled();
    for width in [80, 100, 140] {
        for line in render(&snapshot, &runtime, Palette::Mono, width).lines() {
            // An IPv6 address in full needs 39 columns and may push one row over a narrow terminal's edge.
            assert!(line.chars().count() <= width.max(94), "{width}: {line}");
            assert_eq!(line, line.trim_end(), "{width}");
        }
    }
}

#[test]
fn the_status_survives_the_control_protocol() {
    let (snapshot, runtime) = troubled();
    let response = Response::Status { snapshot: Box::new(snapshot), runtime };
    let line = encode_response(5, response.clone());
    assert_eq!(decode_response(&line, 5).unwrap(), Some(response));
}

#[test]
fn what_operators_changed_of_a_policy_is_shown_with_what_is_configured() {
    use rais_core::operator::{FailbackOrder, Policy};
    use rais_core::params::Failback;
    let mut group = quiet_group();
    let told = Some(group.id);
    let policy = Policy { told, failback: Some(FailbackOrder::Manual), choice: None, ..Policy::default() };
    (group.policy, group.failback) = (policy, Failback::Manual);
    group.configured.failback = Failback::After(Duration::from_secs(30));
    let text = render(&snapshot(vec![group]), &Runtime::default(), Palette::Mono, 100);
    let line = text.lines().find(|line| line.contains("failback")).unwrap();
    assert!(line.contains("manual") && line.contains("configured here: after 30"), "{text}");
    assert!(!text.contains("choice"), "{text}");
}
