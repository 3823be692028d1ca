//! Notifications: octet by octet against RFC 3416 §4.2.6 and the MIB, and through the real snmptrapd.

use crate::ber::{self, Message};
use crate::sample;
use crate::smi::Mib;
use crate::tools::{mib_path, tool};
use rais::event::Event;
use rais::snmp::notify::{cold_start, trap};
use rais_core::address::{GroupName, IdAddress, ServiceAddress, TestName};
use rais_core::notification::{HostState, Notification, Reason};
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Stdio};

const HOUR_ONE: u64 = 1_767_229_200_000; // 2026-01-01 01:00:00 UTC

fn group() -> GroupName {
    GroupName::new("http").unwrap()
}

fn address() -> ServiceAddress {
    "10.9.0.101".parse().unwrap()
}

fn notifications() -> Vec<Notification> {
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
        Notification::OrphanExpired { group, address },
    ]
}

fn event(number: u64, notification: Notification) -> Event {
    Event { number, at: sample::at(90), unix_ms: HOUR_ONE + 500, notification }
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
        let name = format!("rais{}", notification.name());
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
fn every_notification_of_the_mib_is_one_that_is_sent() {
    let declared: Vec<_> = Mib::load().notifications.into_keys().filter(|name| name.starts_with("rais")).collect();
    let mut sent: Vec<_> = notifications().iter().map(|notification| format!("rais{}", notification.name())).collect();
    sent.sort();
    assert_eq!(declared, sent);
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
fn cold_start_is_the_standard_one() {
    // RFC 3418 coldStart.
    let trap = ber::read(&cold_start(&sample::snapshot(), sample::at(1), b"public", 3));
    assert_eq!((trap.pdu, trap.variables.len(), trap.variables[0].number()), (0xa7, 2, 100));
    assert_eq!(ber::read_oid(&trap.variables[1].content), ber::parse("1.3.6.1.6.3.1.1.5.1"));
}

/// The real snmptrapd, which prints what it hears.
struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Receiver {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let configuration = directory.path().join("snmptrapd.conf");
        std::fs::write(&configuration, "authCommunity log public\n").unwrap();
        // A port that was free a moment ago.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = tool("snmptrapd", "snmptrapd");
        command.env("SNMP_PERSISTENT_DIR", directory.path());
        command.args([
            "-f",
            "-n",
            "-C",
            "-Lo",
            "-M",
            &mib_path(),
            "-m",
            "RAIS-MIB:SNMPv2-MIB",
            "-F",
            "%N %V|%v\\n",
            "-c",
        ]);
        command.arg(&configuration).arg("-p").arg(directory.path().join("pid")).arg(format!("udp:127.0.0.1:{port}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| line.contains("NET-SNMP version"));
        assert!(ready.is_some(), "snmptrapd did not start");
        Self { child, lines, port, _directory: directory }
    }

    fn hear(&mut self, datagram: &[u8]) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(datagram, ("127.0.0.1", self.port)).unwrap();
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn snmptrapd_decodes_every_notification_by_name() {
    let expected = [
        (
            "raisAcquire",
            "edge-1 serves 10.9.0.101 of group http (failback)",
            "raisNotifyReason.0 = INTEGER: failback(3)",
        ),
        (
            "raisAcquireFailed",
            "edge-1 could not acquire fd00:9::101 of group http: acquire script: exit status 1",
            "raisNotifyError.0 = STRING: acquire script: exit status 1",
        ),
        ("raisRelease", "edge-1 released 10.9.0.101 of group http (test)", "raisNotifyAddress.0 = STRING: 10.9.0.101"),
        (
            "raisReleaseFailed",
            "edge-1 released 10.9.0.101 of group http, but not cleanly: acquire script: exit status 1",
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
    ];
    let mut receiver = Receiver::start();
    for ((number, notification), (name, sentence, binding)) in (1..).zip(notifications()).zip(expected) {
        let heard = receiver.hear(&trap(&event(number, notification), &sample::snapshot(), b"public", number as i32));
        println!("{heard}");
        let expected = [
            format!("snmpTrapOID.0 = OID: RAIS-MIB::{name}|"),
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
    assert!(
        receiver.hear(&cold_start(&sample::snapshot(), sample::at(1), b"public", 1)).contains("SNMPv2-MIB::coldStart")
    );
}
