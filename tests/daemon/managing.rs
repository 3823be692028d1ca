//! A manager with net-snmp's own programs, from another machine: it puts boxes to rest over version 3. And what a box says of
//! itself as an SNMP engine when its state was copied.

use super::lab::{Gateway, Lab, until};
use std::process::Command;

const ENGINE_ID: &str = ".1.3.6.1.6.3.10.2.1.1.0";
const ENGINE_BOOTS: &str = ".1.3.6.1.6.3.10.2.1.2.0";
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

/// The engine's id and its number of starts, read by community: that works even when nobody is believed any more.
fn engine(lab: &Lab, number: u8) -> (String, String) {
    let read = |object| ask(lab, "snmpget", &COMMUNITY, number, &[object]).unwrap();
    (read(ENGINE_ID), read(ENGINE_BOOTS))
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
