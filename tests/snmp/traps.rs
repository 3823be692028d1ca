//! Notifications: octet by octet against RFC 3416 §4.2.6 and the MIB, and through the real snmptrapd.

use crate::ber::{self, Message};
use crate::sample;
use crate::smi::Mib;
use crate::trap_receiver::Receiver;
use rais::event::{Event, sentence};
use rais::snapshot::Snapshot;
use rais::snmp::notify::{Kind, bindings, v2c};
use rais_core::address::{GroupName, IdAddress, InterfaceName, ServiceAddress, TestName};
use rais_core::notification::{GroupState, HostState, Notification, PartitionState, Reason};
use rais_core::quantity::{Generation, Incarnation};

const HOUR_ONE: u64 = 1_767_229_200_000; // 2026-01-01 01:00:00 UTC

fn group() -> GroupName {
    GroupName::new("http").unwrap()
}

fn address() -> ServiceAddress {
    "10.9.0.101".parse().unwrap()
}

pub fn notifications() -> Vec<Notification> {
    let (group, address, v6) = (group(), address(), "fd00:9::101".parse().unwrap());
    let error = String::from("acquire script: exit status 1");
    let test = TestName::new("web").unwrap();
    vec![
        Notification::Acquire { group: group.clone(), address, reason: Reason::Failback },
        Notification::AcquireFailed { group: group.clone(), address: v6, error: error.clone() },
        Notification::Release { group: group.clone(), address, reason: Reason::Test },
        Notification::ReleaseFailed { group: group.clone(), address, error: error.clone() },
        Notification::TestFailed { test: test.clone(), error },
        Notification::CannotAssign { group: group.clone(), address },
        Notification::TestRecovered { test },
        Notification::LeaderChange { group: group.clone(), leader: Some(sample::host_id(1)) },
        Notification::HostStateChange { group: group.clone(), host: sample::host_id(4), state: HostState::Dead },
        Notification::OrphanExpired { group: group.clone(), address },
        Notification::GroupStateChange { group: group.clone(), state: GroupState::Degraded, unserved: 3, duplicate: 1 },
        Notification::AddressConflict { group, address, interface: lan(), mac: String::from("02:00:5e:00:00:01") },
        Notification::ConfigApplied { generation: Generation(12), signer: Some(String::from("alice")) },
        Notification::ConfigRejected { error: String::from("rais.toml:3:1: nonsense") },
        Notification::PartitionChange { group: self::group(), state: PartitionState::Minority },
        Notification::ConfigDiffers { group: self::group(), host: sample::host_id(2) },
        Notification::ConfigAgrees { group: self::group(), host: sample::host_id(2) },
        Notification::ImageUpdated { version: String::from("0.2.0"), before: String::from("0.1.0") },
        Notification::ColdStart,
        Notification::WarmStart,
        Notification::LinkUp { interface: lan(), index: 2, admin_up: true },
        Notification::LinkDown { interface: lan(), index: 2, admin_up: true },
        Notification::AuthenticationFailure { source: "192.0.2.7".parse().unwrap() },
    ]
}

fn lan() -> InterfaceName {
    InterfaceName::new("lan").unwrap()
}

/// Ours are declared in RAIS-MIB, the others in those that every management station has.
fn mib_name(notification: &Notification) -> String {
    match notification {
        Notification::ColdStart => String::from("coldStart"),
        Notification::WarmStart => String::from("warmStart"),
        Notification::LinkUp { .. } => String::from("linkUp"),
        Notification::LinkDown { .. } => String::from("linkDown"),
        Notification::AuthenticationFailure { .. } => String::from("authenticationFailure"),
        ours => format!("rais{}", ours.name()),
    }
}

fn trap(event: &Event, snapshot: &Snapshot, community: &[u8], request_id: i32) -> Vec<u8> {
    v2c(Kind::Trap, community, request_id, &bindings(event, snapshot))
}

pub fn event(number: u64, notification: Notification) -> Event {
    let text = sentence(&notification, &sample::snapshot());
    Event { number, incarnation: Incarnation(41), at: sample::at(90), unix_ms: HOUR_ONE + 500, notification, text }
}

/// An event of the first kind.
pub fn sample_event(number: u64) -> Event {
    event(number, notifications().remove(0))
}

fn sent(notification: Notification) -> Message {
    ber::read(&trap(&event(41, notification), &sample::snapshot(), b"public", -7))
}

#[test]
fn a_trap_is_a_v2_trap_with_up_time_and_identity_first() {
    // RFC 3416 §4.2.6: "the first two variable bindings ... are sysUpTime.0 and snmpTrapOID.0 respectively".
    for notification in notifications() {
        let trap = sent(notification);
        assert_eq!((trap.version, &*trap.community, trap.pdu), (1, &b"public"[..], 0xa7));
        assert_eq!((trap.request_id, trap.status, trap.index), (-7, 0, 0));
        assert_eq!((trap.variables[0].dotted().as_str(), trap.variables[0].tag), ("1.3.6.1.2.1.1.3.0", 0x43));
        assert_eq!(trap.variables[0].number(), 9000, "the up-time at the event");
        assert_eq!((trap.variables[1].dotted().as_str(), trap.variables[1].tag), ("1.3.6.1.6.3.1.1.4.1.0", 6));
    }
}

#[test]
fn a_trap_carries_the_objects_of_its_objects_clause_in_order_and_of_their_syntax() {
    // RFC 3416 §4.2.6: "If the OBJECTS clause is present ..., then each corresponding variable".
    let mib = Mib::load();
    for notification in notifications() {
        let name = mib_name(&notification);
        if !name.starts_with("rais") {
            continue;
        }
        let trap = sent(notification);
        let identity = ber::read_oid(&trap.variables[1].content);
        let (declared, ..) = mib.names.iter().find(|(_, oid, _)| *oid == identity).unwrap();
        assert_eq!(*declared, name);
        let names: Vec<_> = trap.variables[2..]
            .iter()
            .map(|variable| {
                let object = mib.objects.iter().find(|object| variable.name == [&object.oid[..], &[0]].concat());
                let object = object.unwrap_or_else(|| panic!("{} is not declared", variable.dotted()));
                assert_eq!(mib.wire(object).check(variable.tag, &variable.content), Ok(()), "{}", object.name);
                object.name.clone()
            })
            .collect();
        assert_eq!(names, mib.notifications[&name], "{name}");
    }
}

#[test]
fn every_notification_that_the_capabilities_include_is_one_that_is_sent_and_the_other_way_round() {
    let mib = Mib::load();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let declared = mib.notifications.keys().filter(|name| name.starts_with("rais") && !mib.is_left_out(name));
    let declared = sorted(declared.cloned().collect());
    let sent: Vec<_> = notifications().iter().map(mib_name).collect();
    let ours = sorted(sent.iter().filter(|name| name.starts_with("rais")).cloned().collect());
    assert_eq!(declared, ours);
    // The standard ones are in modules that every management station has.
    for standard in sent.iter().filter(|name| !name.starts_with("rais")) {
        assert!(mib.notifications.contains_key(standard), "{standard}");
    }
    // What the configuration and raisctl know by name, and what is sent here, is all there is.
    let known = sorted(Notification::NAMES.iter().map(|name| (*name).to_owned()).collect());
    let named = sorted(notifications().iter().map(|notification| notification.name().to_owned()).collect());
    assert_eq!(known, named);
    assert!(mib.is_left_out("raisImageRolledBack"), "nobody raises it yet");
}

#[test]
fn an_unknown_host_and_a_missing_leader_are_sent_as_empty_text() {
    let trap = sent(Notification::LeaderChange { group: group(), leader: None });
    assert_eq!(trap.variables.iter().rev().take(2).map(ber::Variable::text).collect::<Vec<_>>(), ["", ""]);
    let stranger: IdAddress = "10.9.0.99".parse().unwrap();
    let trap = sent(Notification::LeaderChange { group: group(), leader: Some(stranger) });
    assert_eq!(trap.variables.iter().rev().take(2).map(ber::Variable::text).collect::<Vec<_>>(), ["", "10.9.0.99"]);
}

#[test]
fn the_longest_error_leaves_a_trap_within_one_datagram() {
    let error = "é".repeat(10_000);
    let trap = trap(
        &event(u64::MAX, Notification::AcquireFailed { group: group(), address: address(), error }),
        &sample::snapshot(),
        &[b'x'; 64],
        1,
    );
    assert!(trap.len() <= 1472, "{}", trap.len());
    let error = ber::read(&trap).variables.pop().unwrap();
    assert_eq!(error.text(), "é".repeat(127));
}

#[test]
fn a_standard_notification_carries_what_its_own_mib_wants_and_then_who_says_so() {
    // RFC 3418 coldStart, warmStart, authenticationFailure; RFC 2863 linkDown, linkUp.
    let tail =
        ["1.1.0", "11.1.0", "11.2.0", "11.3.0", "11.12.0"].map(|object| format!("1.3.6.1.4.1.32473.1.1.{object}"));
    let link = ["2.2.1.1.2", "2.2.1.7.2", "2.2.1.8.2", "31.1.1.1.1.2"].map(|object| format!("1.3.6.1.2.1.{object}"));
    let none: &[String] = &[];
    let source = [String::from("1.3.6.1.4.1.32473.1.1.11.20.0")];
    let table = [
        ("coldStart", 1, none, none),
        ("warmStart", 2, none, none),
        ("linkDown", 3, &link, none),
        ("linkUp", 4, &link, none),
        ("authenticationFailure", 5, none, &source),
    ];
    for (name, number, before, after) in table {
        let notification = notifications().into_iter().find(|one| mib_name(one) == name).unwrap();
        let trap = sent(notification);
        assert_eq!(ber::read_oid(&trap.variables[1].content), ber::parse(&format!("1.3.6.1.6.3.1.1.5.{number}")));
        let names: Vec<_> = trap.variables[2..].iter().map(ber::Variable::dotted).collect();
        assert_eq!(names, [before, &tail, after].concat(), "{name}");
        if name == "linkDown" {
            let values: Vec<_> = trap.variables[2..5].iter().map(ber::Variable::number).collect();
            assert_eq!(values, [2, 1, 2], "index, admin up, oper down");
        }
    }
}

#[test]
fn an_inform_is_the_same_in_another_pdu() {
    // RFC 3416 §4.2.7: "the contents of the variable bindings ... as for the SNMPv2-Trap-PDU".
    let event = event(41, notifications().remove(0));
    let bindings = bindings(&event, &sample::snapshot());
    let [trap, inform] = [Kind::Trap, Kind::Inform].map(|kind| v2c(kind, b"public", 9, &bindings));
    let (trap, inform) = (ber::read(&trap), ber::read(&inform));
    assert_eq!((trap.pdu, inform.pdu), (0xa7, 0xa6));
    assert_eq!(trap.variables, inform.variables);
}

#[test]
fn snmptrapd_decodes_every_notification_by_name() {
    let expected = [
        (
            "raisAcquire",
            "edge-1: serves 10.9.0.101 of group http (failback)",
            "raisNotifyReason.0 = INTEGER: failback(3)",
        ),
        (
            "raisAcquireFailed",
            "edge-1: could not acquire fd00:9::101 of group http: acquire script: exit status 1",
            "raisNotifyError.0 = STRING: acquire script: exit status 1",
        ),
        ("raisRelease", "edge-1: released 10.9.0.101 of group http (test)", "raisNotifyAddress.0 = STRING: 10.9.0.101"),
        (
            "raisReleaseFailed",
            "edge-1: released 10.9.0.101 of group http, but not cleanly: acquire script: exit status 1",
            "raisNotifyGroup.0 = STRING: http",
        ),
        ("raisTestFailed", "edge-1: test web failed: acquire script: exit status 1", "raisNotifyTest.0 = STRING: web"),
        (
            "raisCannotAssign",
            "edge-1: no box of group http can serve 10.9.0.101",
            "raisNotifyAddress.0 = STRING: 10.9.0.101",
        ),
        ("raisTestRecovered", "edge-1: test web passes again", "raisNotifyTest.0 = STRING: web"),
        ("raisLeaderChange", "edge-1: edge-1 (10.9.0.1) leads group http", "raisNotifyHostName.0 = STRING: edge-1"),
        (
            "raisHostStateChange",
            "edge-1: edge-4 (10.9.0.4) of group http is dead",
            "raisNotifyHostState.0 = INTEGER: dead(4)",
        ),
        (
            "raisOrphanExpired",
            "edge-1: group http no longer serves the orphan 10.9.0.101",
            "raisNotifyAddress.0 = STRING: 10.9.0.101",
        ),
        (
            "raisGroupStateChange",
            "edge-1: group http is degraded: 3 addresses unserved, 1 served twice",
            "raisNotifyGroupState.0 = INTEGER: degraded(2)",
        ),
        (
            "raisAddressConflict",
            "edge-1: 02:00:5e:00:00:01 uses 10.9.0.101 of group http on lan too",
            "raisNotifyMac.0 = STRING: 02:00:5e:00:00:01",
        ),
        (
            "raisConfigApplied",
            "edge-1: configuration 12, signed by alice, is in force",
            "raisNotifyGeneration.0 = Counter64: 12",
        ),
        (
            "raisConfigRejected",
            "edge-1: a configuration was refused: rais.toml:3:1: nonsense",
            "raisNotifyError.0 = STRING: rais.toml:3:1: nonsense",
        ),
        (
            "raisPartitionChange",
            "edge-1: this part of group http has no majority and serves nothing",
            "raisNotifyPartitionState.0 = INTEGER: minority(2)",
        ),
        (
            "raisConfigDiffers",
            "edge-1: edge-2 (10.9.0.2) is configured differently for group http",
            "raisNotifyHost.0 = STRING: 10.9.0.2",
        ),
        (
            "raisConfigAgrees",
            "edge-1: edge-2 (10.9.0.2) no longer differs in group http",
            "raisNotifyHostName.0 = STRING: edge-2",
        ),
        (
            "raisImageUpdated",
            "edge-1: rais 0.2.0 runs, and 0.1.0 ran before",
            "raisNotifyVersionBefore.0 = STRING: 0.1.0",
        ),
        (
            "coldStart",
            "edge-1: started, with another configuration than before",
            "raisNotifySeverity.0 = INTEGER: info(1)",
        ),
        (
            "warmStart",
            "edge-1: started, with the configuration it had before",
            "raisNotifySeverity.0 = INTEGER: info(1)",
        ),
        ("linkUp", "edge-1: interface lan is up", "raisNotifySeverity.0 = INTEGER: info(1)"),
        ("linkDown", "edge-1: interface lan has lost its carrier", "raisNotifySeverity.0 = INTEGER: warning(2)"),
        (
            "authenticationFailure",
            "edge-1: a question to the SNMP agent from 192.0.2.7 did not prove who asks",
            "raisNotifySource.0 = STRING: 192.0.2.7",
        ),
    ];
    assert_eq!(expected.len(), notifications().len());
    let mut receiver = Receiver::start();
    for ((number, notification), (name, sentence, binding)) in (1..).zip(notifications()).zip(expected) {
        let heard = receiver.hear(&trap(&event(number, notification), &sample::snapshot(), b"public", number as i32));
        println!("{heard}");
        let expected = [
            format!("::{name}|"),
            String::from("RAIS-MIB::raisBoxName.0 = STRING: edge-1"),
            format!("RAIS-MIB::raisNotifyNumber.0 = Counter64: {number}"),
            String::from("RAIS-MIB::raisNotifyTime.0 = STRING: 2026-1-1,1:0:0.5,+0:0"),
            format!("RAIS-MIB::raisNotifyText.0 = STRING: {sentence}"),
            format!("RAIS-MIB::{binding}"),
            String::from("(9000) 0:01:30.00"),
        ];
        for part in expected {
            assert!(heard.contains(&part), "{part:?} is not in {heard:?}");
        }
        assert!(!heard.contains("32473"), "everything has a name: {heard}");
    }
}
