//! A manager with net-snmp's own programs, from another machine: it puts boxes to rest over version 3, and who may not
//! does not; and what a box says of itself as an SNMP engine after restarts, crashes, damage and copies.

use super::lab::{Gateway, Lab, until};
use nix::sys::signal::Signal;
use std::process::Command;

const ENGINE_ID: &str = ".1.3.6.1.6.3.10.2.1.1.0";
const ENGINE_BOOTS: &str = ".1.3.6.1.6.3.10.2.1.2.0";
const NOT_IN_TIME_WINDOWS: &str = ".1.3.6.1.6.3.15.1.1.2.0";
const SYS_NAME: &str = ".1.3.6.1.2.1.1.5.0";
/// RFC 3414 §2.2.2: the last of all numbers of starts.
const LATCHED: &str = "2147483647";
const PHRASES: [&str; 2] = ["authentication-phrase", "privacy-phrase"];
const COMMUNITY: [&str; 3] = ["-v2c", "-c", "lab-community"];

/// raisHostAdminStatus of box `number` in the lab's group.
fn admin_status(number: u8) -> String {
    format!(".1.3.6.1.4.1.32473.1.1.3.1.21.4.104.116.116.112.1.4.10.99.0.{number}")
}

/// Who asks, as net-snmp's options say it.
fn user(name: &str) -> [&str; 13] {
    let [authentication, privacy] = PHRASES;
    ["-v3", "-l", "authPriv", "-a", "SHA-256", "-A", authentication, "-x", "AES", "-X", privacy, "-u", name]
}

/// Runs one of net-snmp's programs on the client against a box: the value, or what it complains of.
fn ask(lab: &Lab, program: &str, as_whom: &[&str], number: u8, what: &[&str]) -> Result<String, String> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.client(), program, "-m", "", "-Oqv", "-t", "2", "-r", "5"]);
    command.args(as_whom).arg(format!("10.99.0.{number}")).args(what);
    // Nothing of the person who runs the test.
    command.env("SNMPCONFPATH", "/nonexistent").env("SNMP_PERSISTENT_DIR", lab.directory());
    let output = command.output().unwrap();
    let said = |octets: &[u8]| String::from_utf8_lossy(octets).trim().trim_matches('"').trim().to_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&[output.stderr, output.stdout].concat())) }
}

/// A user of a box that is not yet started, or that is reloaded afterwards.
fn add_user(lab: &Lab, gateway: &Gateway, name: &str, group: &str) {
    let phrases = lab.directory().join("phrases");
    std::fs::write(&phrases, PHRASES.join("\n") + "\n").unwrap();
    let directory = gateway.configuration_directory();
    let line =
        format!("snmp user add {} {name} --group {group} --passphrase-file {}", directory.display(), phrases.display());
    let added = gateway.raisctl(&line);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

#[test]
fn a_manager_quiesces_drains_and_calls_back_a_box_over_version_3() {
    let mut lab = Lab::new(2);
    add_user(&lab, &lab.gateways()[1], "noc", "operators");
    lab.start();
    let status = admin_status(2);
    let noc = user("noc");
    let set = |value: &str| ask(&lab, "snmpset", &noc, 2, &[&status, "i", value]);
    let get = || ask(&lab, "snmpget", &noc, 2, &[&status]);
    assert_eq!(get(), Ok(String::from("1")), "active");
    let rest = || lab.gateways()[0].group().map(|group| group.hosts[1].quiesced);

    assert_eq!(set("2"), Ok(String::from("2")), "quiesced");
    until("box 1 knows that box 2 takes nothing new", || match rest()? {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    assert_eq!(get(), Ok(String::from("2")));
    assert!(lab.gateways()[1].has("10.99.0.102"), "what is served stays");

    assert_eq!(set("3"), Ok(String::from("3")), "draining");
    until("box 2 serves nothing", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[1].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    lab.settle();
    assert_eq!(get(), Ok(String::from("3")));

    assert_eq!(set("1"), Ok(String::from("1")), "active");
    until("10.99.0.102 goes home", || match lab.gateways()[1].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.settle();
    assert_eq!((get(), rest()), (Ok(String::from("1")), Ok(false)));
}

#[test]
fn who_may_not_write_is_refused_by_name_and_nothing_changes() {
    let mut lab = Lab::new(1);
    add_user(&lab, &lab.gateways()[0], "noc", "operators");
    add_user(&lab, &lab.gateways()[0], "graphs", "read-only");
    lab.start();
    let (status, other_box) = (admin_status(1), admin_status(9));
    let (noc, graphs) = (user("noc"), user("graphs"));
    let unprotected = ["-v3", "-l", "noAuthNoPriv", "-u", "noc"];
    let wrong = [&noc[..], &["-A", "another-phrase"]].concat();
    let table: [(&str, &[&str], [&str; 3], &str); 8] = [
        // RFC 3416 §4.2.5 (1): outside of what may be written. RFC 3415 §3.2 (4): there is no view to write.
        ("a community", &COMMUNITY, [&status, "i", "3"], "noAccess"),
        ("a user of a group that only reads", &graphs, [&status, "i", "3"], "authorizationError"),
        // (2), (3), (6): a value that it can not have, and an object that can not be written.
        ("an operator, another type", &noc, [&status, "s", "3"], "wrongType"),
        ("an operator, another value", &noc, [&status, "i", "4"], "wrongValue"),
        ("an operator, the box's name", &noc, [SYS_NAME, "s", "another"], "notWritable"),
        ("an operator, a box that is not there", &noc, [&other_box, "i", "3"], "noCreation"),
        // RFC 3414 §3.2 (6), and RFC 3415: without a digest nobody is an operator.
        ("a wrong phrase", &wrong, [&status, "i", "3"], "Authentication failure"),
        ("without any protection", &unprotected, [&status, "i", "3"], "authorizationError"),
    ];
    for (what, as_whom, [object, kind, value], expected) in table {
        let refused = ask(&lab, "snmpset", as_whom, 1, &[object, kind, value]).unwrap_err();
        assert!(refused.contains(expected), "{what}: {refused}");
    }
    assert_eq!(ask(&lab, "snmpget", &graphs, 1, &[&status]), Ok(String::from("1")), "reading is allowed");
    let group = lab.gateways()[0].group().unwrap();
    assert!(!group.hosts[0].quiesced, "{group:?}");
    lab.settle();
}

/// A way to end a life.
type End = fn(&mut Gateway);

/// The engine's id and its number of starts, read by community: that works even when nobody is believed any more.
fn engine(lab: &Lab, number: u8) -> (String, String) {
    let read = |object| ask(lab, "snmpget", &COMMUNITY, number, &[object]).unwrap();
    (read(ENGINE_ID), read(ENGINE_BOOTS))
}

#[test]
fn every_start_is_one_more_for_the_same_engine_and_damage_latches_it() {
    let mut lab = Lab::new(1);
    add_user(&lab, &lab.gateways()[0], "noc", "operators");
    lab.start();
    let noc = user("noc");
    let (id, first) = engine(&lab, 1);
    assert_eq!(first, "1");
    assert_eq!(ask(&lab, "snmpget", &noc, 1, &[SYS_NAME]), Ok(String::from("box-1")));
    // RFC 3414 §2.2: snmpEngineBoots is incremented at each start, however the last life ended.
    let ends: [(&str, End); 3] = [
        ("told to", |gateway| {
            gateway.signal(Signal::SIGTERM);
            assert_eq!(gateway.wait(), Some(0));
        }),
        ("killed", Gateway::kill),
        ("killed with its guardian", Gateway::kill_with_guardian),
    ];
    for (starts, (how, end)) in (2..).zip(ends) {
        end(lab.gateway(1));
        lab.gateway(1).start();
        assert_eq!(engine(&lab, 1), (id.clone(), starts.to_string()), "{how}");
        assert_eq!(ask(&lab, "snmpget", &noc, 1, &[SYS_NAME]), Ok(String::from("box-1")), "{how}");
    }
    // RFC 3414 §2.2.2: where the last value can not be determined, it is 2147483647, and nobody is in time any more.
    lab.gateway(1).kill();
    std::fs::write(lab.gateway(1).state().join("snmp-engine"), "rubbish").unwrap();
    lab.gateway(1).start();
    assert_eq!(engine(&lab, 1), (id.clone(), String::from(LATCHED)));
    // net-snmp believes nothing of such an engine either, the report included: it waits in vain.
    assert!(ask(&lab, "snmpget", &[&noc[..], &["-r", "0"]].concat(), 1, &[SYS_NAME]).is_err());
    let outside = ask(&lab, "snmpget", &COMMUNITY, 1, &[NOT_IN_TIME_WINDOWS]).unwrap();
    assert!(outside.parse::<u32>().unwrap() > 0, "{outside}");
    let log = lab.gateway(1).log();
    assert!(log.contains("snmp-engine is damaged") && log.contains("another snmp.engine_id"), "{log}");
    // It stays so: an engine that forgot and began anew would believe what was recorded of it.
    lab.gateway(1).kill();
    lab.gateway(1).start();
    assert_eq!(engine(&lab, 1), (id, String::from(LATCHED)));
}

#[test]
fn a_state_directory_on_another_machine_is_another_engine_even_with_the_first_ones_configuration() {
    let mut lab = Lab::new(2);
    let on = |gateway: &mut Gateway, machine: &str| {
        let mut command = gateway.command();
        command.args(["--machine", machine]).stderr(gateway.append_to_log());
        gateway.start_as(command);
    };
    on(lab.gateway(1), "one");
    let (original, _) = engine(&lab, 1);
    let (from, to) = (lab.gateway(1).state(), lab.gateway(2).state());
    let copied = Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
    assert!(copied.success());
    on(lab.gateway(2), "two");
    let (copy, starts) = engine(&lab, 2);
    assert_ne!(copy, original);
    assert_eq!(starts, "1", "nobody has heard of it");
    let log = lab.gateway(2).log();
    assert!(log.contains("copied from another machine"), "{log}");
    assert_eq!(engine(&lab, 1).0, original, "the first one is what it was");
    // A bundle that was copied as well names the first one's id.
    lab.gateway(2).kill();
    let digits: String = original.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    let text = lab.gateway(2).configuration().replace("[snmp]\n", &format!("[snmp]\nengine_id = \"{digits}\"\n"));
    lab.gateway(2).write_configuration(&text);
    on(lab.gateway(2), "two");
    assert_eq!(engine(&lab, 2), (copy, String::from("2")));
    let log = lab.gateway(2).log();
    assert!(log.contains("another machine's"), "{log}");
}
