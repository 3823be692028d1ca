//! What an operator does with `raisctl`, and over which wires.

use super::lab::{Lab, run, until};
use super::terminal;
use rais::ctl::protocol::{Request, Response};
use rais_core::notification::{HostState, Notification};
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
fn a_box_that_was_quiesced_at_night_is_found_quiesced_after_a_crash_until_somebody_takes_it_back() {
    let mut lab = Lab::new(2);
    lab.start();
    let output = lab.gateway(2).raisctl("quiesce");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("quiesced in every group") && !said.contains("FORGET"), "{said}");
    lab.gateway(2).kill_with_guardian();
    until("box 1 serves it instead", || match lab.gateways()[0].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.gateway(2).start();
    until("box 2 takes part again, quiesced", || {
        let group = lab.gateways()[0].group()?;
        let host = &group.hosts[1];
        if host.quiesced && host.settled { Ok(()) } else { Err(format!("{host:?}")) }
    });
    let acquired = |lab: &Lab| {
        let events = lab.gateways()[1].events();
        events.iter().filter(|event| matches!(event.notification, Notification::Acquire { .. })).count()
    };
    assert_eq!(acquired(&lab), 0, "it takes nothing in this life");
    let log = lab.gateway(2).log();
    assert!(log.contains("what an operator ordered in an earlier life holds"), "{log}");
    assert!(lab.gateway(2).raisctl("unquiesce").status.success());
    until("10.99.0.102 goes home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    // Taken back is taken back: the next life knows nothing of it.
    lab.gateway(2).kill_with_guardian();
    lab.gateway(2).start();
    lab.settle();
    assert!(!lab.gateways()[1].group().unwrap().hosts[1].quiesced);
}

#[test]
fn a_box_whose_start_counter_was_lost_is_told_by_its_peers_and_serves_again() {
    let mut lab = Lab::new(2);
    lab.start();
    let life = |lab: &Lab| lab.gateways()[0].group().unwrap().hosts[1].incarnation.0;
    let before = life(&lab);
    lab.gateway(2).kill_with_guardian();
    // The machine's clock is right, so it takes a counter that runs ahead of it to make one that falls.
    fs::write(lab.gateway(2).state().join("incarnation"), format!("{}\n", before + 1_000_000_000)).unwrap();
    lab.gateway(2).start();
    lab.settle();
    let ahead = life(&lab);
    assert_eq!(ahead, before + 1_000_000_001);
    lab.gateway(2).kill_with_guardian();
    fs::remove_file(lab.gateway(2).state().join("incarnation")).unwrap();
    lab.gateway(2).start();
    lab.settle();
    until("10.99.0.102 goes home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    assert!(life(&lab) > ahead, "{} after {ahead}", life(&lab));
    let stored = fs::read_to_string(lab.gateway(2).state().join("incarnation")).unwrap();
    assert_eq!(stored.trim(), life(&lab).to_string(), "it is kept");
    let log = lab.gateway(2).log();
    assert!(log.contains("its start counter was lost"), "{log}");
    // The guardian speaks in the new life's name.
    lab.gateway(2).kill();
    until("box 1 knows at once", || match lab.gateways()[0].group()?.hosts[1].state {
        HostState::Left => Ok(()),
        state => Err(format!("{state:?}")),
    });
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

/// G-63: who has not heard of the new box yet is served by the old one.
#[test]
fn an_address_that_moves_by_plan_lingers_for_a_moment_where_it_was() {
    let mut lab = Lab::new(2);
    lab.start();
    let (from, to) = if lab.gateway(1).has("10.99.0.150") { (1_u8, 2_u8) } else { (2, 1) };
    let old = lab.gateway(from).namespace.clone();
    let output = lab.gateway(1).raisctl(&format!("acquire 10.99.0.150 --host box-{to}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lingers = || run(&format!("ip -n {old} -o addr show dev lo")).contains("10.99.0.150/");
    until("both answer clients, and one answers questions", || match (lingers(), lab.each_on_one_kernel()) {
        (true, Ok(())) if lab.gateways()[usize::from(to) - 1].has("10.99.0.150") => Ok(()),
        (lingers, on_one) => Err(format!("lingers: {lingers}, {on_one:?}")),
    });
    until("the old box is rid of it", || if lingers() { Err(String::from("it lingers")) } else { Ok(()) });
    lab.settle();
}

#[test]
fn the_control_protocol_runs_over_a_character_device_too() {
    let mut lab = Lab::new(1);
    let terminal = terminal::Terminal::open();
    let gateway = lab.gateway(1);
    let log = gateway.append_to_log();
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

/// What the client's snmpwalk reads of box 1 below a name: names and values, both as numbers.
fn snmpwalk(lab: &Lab, below: &str) -> Vec<(String, String)> {
    let options = concat!(
        "-v 2c -c lab-community -On -Oq -Oe -t 5 -r 2 -m SNMPv2-SMI -M ",
        env!("CARGO_MANIFEST_DIR"),
        "/mib/base"
    );
    let walk = format!("ip netns exec {} snmpbulkwalk {options} 10.99.0.1 {below}", lab.client());
    let lines = run(&walk);
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.trim_start_matches('.').to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[test]
fn a_manager_sees_the_interfaces_and_addresses_of_the_box_follow_the_kernel() {
    const ALIAS: &str = "1.3.6.1.2.1.31.1.1.1.18";
    let mut lab = Lab::new(1);
    lab.start();
    let namespace = lab.gateway(1).namespace.clone();
    // The picture of the machine is drawn beside the start, so it is waited for.
    let index = until("the interface has its name", || {
        let aliases = snmpwalk(&lab, ALIAS);
        let lan = aliases.iter().find(|(_, alias)| alias == "lan");
        lan.map(|(name, _)| name.rsplit('.').next().unwrap().to_owned()).ok_or(format!("{aliases:?}"))
    });
    let kernel = run(&format!("ip netns exec {namespace} cat /sys/class/net/lan/ifindex"));
    assert_eq!(index, kernel.trim(), "ifIndex is the kernel's");
    until("its service address is in ipAddressTable, on that interface", || {
        let rows = snmpwalk(&lab, "1.3.6.1.2.1.4.34.1.3");
        let found = rows.iter().find(|(name, _)| name.ends_with(".1.4.10.99.0.101"));
        if found.is_some_and(|(_, interface)| *interface == index) { Ok(()) } else { Err(format!("{rows:?}")) }
    });
    let octets = |lab: &Lab| snmpwalk(lab, &format!("1.3.6.1.2.1.31.1.1.1.6.{index}"))[0].1.parse::<u64>().unwrap();
    let before = octets(&lab);
    until("what is received is counted while somebody asks", || {
        if octets(&lab) > before { Ok(()) } else { Err(format!("{before}")) }
    });
    let table_changed = snmpwalk(&lab, "1.3.6.1.2.1.31.1.5");
    run(&format!("ip -n {namespace} link add later type bridge"));
    until("an interface that was added is seen, and when", || {
        let names = snmpwalk(&lab, "1.3.6.1.2.1.31.1.1.1.1");
        let seen = names.iter().any(|(_, name)| name == "later");
        let changed = snmpwalk(&lab, "1.3.6.1.2.1.31.1.5") != table_changed;
        if seen && changed { Ok(()) } else { Err(format!("{names:?}")) }
    });
    let everything = snmpwalk(&lab, "1.3");
    assert!(everything.len() > 300, "{}", everything.len());
    let memory = everything.iter().find(|(name, _)| name == "1.3.6.1.2.1.25.2.2.0").unwrap();
    assert!(memory.1.split(' ').next().unwrap().parse::<u64>().unwrap() > 0, "{memory:?}");
}
