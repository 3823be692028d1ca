//! What an operator does with `raisctl`, and over which wires.

use super::lab::{Lab, until};
use super::terminal;
use rais::ctl::protocol::{Request, Response};
use std::fs;

#[test]
fn raisctl_shows_a_group_and_tells_failures_apart_by_their_exit_code() {
    let mut lab = Lab::new(1);
    let nobody = lab.gateway(1).raisctl("status");
    assert_eq!(nobody.status.code(), Some(3), "{}", String::from_utf8_lossy(&nobody.stderr));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("is it running?"));
    lab.start();
    let shown = lab.gateway(1).raisctl("status");
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("* box-1") && text.contains("10.99.0.150"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\x1b'), "no colour into a pipe");
    println!("{text}");
    let json = lab.gateway(1).raisctl("status --json").stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["snapshot"]["view"]["name"], "box-1");
    let events = String::from_utf8(lab.gateway(1).raisctl("events").stdout).unwrap();
    assert!(events.contains("LeaderChange") && events.contains("Acquire"), "{events}");
    assert_eq!(lab.gateway(1).raisctl("frobnicate").status.code(), Some(2));
    assert_eq!(lab.gateway(1).raisctl("quiesce --group nosuch").status.code(), Some(1));
    assert_eq!(lab.gateway(1).raisctl("release 192.0.2.1").status.code(), Some(1));
    let version = lab.gateway(1).raisctl("version");
    assert!(String::from_utf8_lossy(&version.stdout).contains("raisd"));
}

#[test]
fn a_quiesced_box_takes_nothing_new_and_a_drained_one_gives_everything_away() {
    let mut lab = Lab::new(2);
    lab.start();
    let output = lab.gateway(2).raisctl("quiesce --group http");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("box 1 knows", || {
        let group = lab.gateways()[0].group()?;
        if group.hosts[1].quiesced { Ok(()) } else { Err(format!("{:?}", group.hosts[1])) }
    });
    assert!(lab.gateway(2).has("10.99.0.102"), "what is served stays");
    assert!(lab.gateway(2).raisctl("drain").status.success());
    until("box 2 serves nothing", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[1].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    lab.settle();
    assert!(lab.gateway(2).raisctl("unquiesce").status.success());
    until("10.99.0.102 goes home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn raisctl_moves_an_address_on_the_leader_and_names_the_leader_elsewhere() {
    let mut lab = Lab::new(2);
    lab.start();
    let refused = lab.gateway(2).raisctl("acquire 10.99.0.150 --host box-2");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("10.99.0.1") && said.contains("box-1"), "{said}");
    let home = if lab.gateway(2).has("10.99.0.150") { 1 } else { 2 };
    let output = lab.gateway(1).raisctl(&format!("acquire 10.99.0.150 --host box-{home}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("it moved", || match lab.gateways()[home - 1].has("10.99.0.150") {
        true => lab.each_on_one_kernel(),
        false => Err(String::from("not yet")),
    });
    lab.settle();
}

#[test]
fn the_control_protocol_runs_over_a_character_device_too() {
    let mut lab = Lab::new(1);
    let terminal = terminal::Terminal::open();
    let gateway = lab.gateway(1);
    let log = fs::OpenOptions::new().create(true).append(true).open(gateway.log_path()).unwrap();
    let mut command = gateway.command();
    command.arg("--control-port").arg(&terminal.path).stderr(log);
    gateway.start_as(command);
    // Somebody left half a request behind.
    terminal.write(b"{\"protocol\":1,\"requ");
    for id in 1..=3 {
        let answer = terminal.ask(id, Request::Version);
        assert!(matches!(answer, Response::Version { .. }), "{answer:?}");
    }
}
