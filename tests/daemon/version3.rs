//! Who is told what by a running box, in version 2c and 3: by which keys, in which view, and what becomes of the rest.

use super::fuzz::in_namespace;
use super::lab::{Gateway, Lab, run, until};
use super::tools::{mib_path, tool};
use super::trap_receiver::Receiver;
use rais::event::Event;
use rais::snmp::ReceiverFigures;
use rais_core::notification::Notification;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

/// This box's engine, as an operator draws it before the first start.
const OURS: &str = "80007ed905000102030405060708090a0b";
const PHRASES: &str = "correct horse battery\nstaple of the battery\n";
const USERS: [(&str, &str, &str, &str); 2] =
    [("noc", "SHA-256", "AES-128", "AES"), ("nms", "SHA-512", "AES-256", "AES-256")];

/// `raisctl snmp …` in the client's namespace.
fn raisctl(lab: &Lab, arguments: &str) -> String {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.client(), env!("CARGO_BIN_EXE_raisctl")]).args(arguments.split_whitespace());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A snmptrapd in the client's namespace that knows the users, and by keys of its own what this box's traps are signed
/// with.
fn receiver(lab: &Lab, ports: impl Iterator<Item = u16>) -> Receiver {
    let mut text = String::from("authCommunity log lab-community\n");
    let [authentication, privacy] = [PHRASES.lines().next().unwrap(), PHRASES.lines().nth(1).unwrap()];
    for (name, digest, _, cipher) in USERS {
        for engine in [format!("-e 0x{OURS} "), String::new()] {
            text += &format!("createUser {engine}{name} {digest} \"{authentication}\" {cipher} \"{privacy}\"\n");
        }
        text += &format!("authUser log {name}\n");
    }
    text += "createUser mallory SHA-256 \"another pass phrase\" AES \"another pass phrase\"\nauthUser log mallory\n";
    let listen: Vec<SocketAddr> = ports.map(|port| SocketAddr::from(([10, 99, 0, 254], port))).collect();
    in_namespace(&lab.client(), move || Receiver::start_at(&listen, &text))
}

/// Adds a user to a box's configuration as an operator does, with the first part of rais.toml `engine` at the end.
fn add_user(lab: &Lab, gateway: &Gateway, phrases: &str, options: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), phrases).unwrap();
    let directory = gateway.configuration_directory();
    raisctl(
        lab,
        &format!("snmp user add {} --passphrase-file {} {options}", directory.display(), file.path().display()),
    );
}

fn with_engine(gateway: &Gateway) -> String {
    gateway.configuration().replace("[snmp]\n", &format!("[snmp]\nengine_id = \"{OURS}\"\n"))
}

fn figures(gateway: &Gateway) -> Vec<ReceiverFigures> {
    gateway.status().unwrap().1.receivers
}

/// The numbers of the events that a user told of, in traps or informs.
fn heard(lines: &[String], kind: &str, user: &str) -> BTreeSet<u64> {
    let of = |line: &&String| line.contains(kind) && line.contains(&format!("SNMP v3, user {user},"));
    let number = |line: &String| {
        let (_, rest) = line.split_once("raisNotifyNumber.0 = Counter64: ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    lines.iter().filter(of).filter_map(number).collect()
}

#[test]
fn snmptrapd_takes_version_3_traps_and_informs_of_a_box_and_who_has_other_keys_loses_no_event() {
    let mut lab = Lab::new(1);
    let receiver = receiver(&lab, 2162..=2166);
    // What it sends to itself goes over there.
    run(&format!("ip -n {} link set lo up", lab.client()));
    let theirs = raisctl(&lab, "snmp engine 10.99.0.254:2162");
    let gateway = &lab.gateways()[0];
    let mut text = with_engine(gateway);
    gateway.write_configuration(&text);
    for (name, digest, cipher, _) in USERS {
        for engine in [String::new(), format!("--engine-id {theirs}")] {
            let options = format!("{name} --authentication {digest} --privacy {cipher} {engine}");
            add_user(&lab, gateway, PHRASES, &options);
        }
    }
    // snmptrapd knows the name, by another pass phrase.
    add_user(&lab, gateway, PHRASES, &format!("mallory --engine-id {theirs}"));
    text = std::fs::read_to_string(gateway.configuration_directory().join("rais.toml")).unwrap();
    let rows = [("noc", false), ("nms", false), ("noc", true), ("nms", true), ("mallory", true)];
    for (port, (user, inform)) in (2162..).zip(rows) {
        let how = if inform { format!("inform = true\nengine_id = \"{theirs}\"\n") } else { String::new() };
        text += &format!(
            "[[snmp.receiver]]\naddress = \"10.99.0.254:{port}\"\nuser = \"{user}\"\nthrottle = \"0ms\"\n{how}"
        );
        if user == "mallory" {
            text += "timeout = \"100ms\"\nretries = 1\n";
        }
    }
    gateway.write_configuration(&text);
    lab.start();
    let gateway = &lab.gateways()[0];
    let mut lines = Vec::new();
    let events: BTreeSet<u64> = until("everybody with the right keys was told everything", || {
        lines.extend(receiver.said());
        let events: BTreeSet<u64> = gateway.events().iter().map(|event| event.number).collect();
        for (user, ..) in USERS {
            for kind in ["TRAP2", "INFORM"] {
                let heard = heard(&lines, kind, user);
                if heard != events {
                    return Err(format!("{kind} of {user}: {heard:?} of {events:?}"));
                }
            }
        }
        Ok(events)
    });
    let count = events.len() as u64;
    assert!(count >= 4, "{events:?}");
    let last = until("every inform was answered, and given up where the keys are wrong", || {
        let figures = figures(gateway);
        let wrong = figures[5].counters;
        let answered =
            figures[3..5].iter().all(|figures| figures.counters.acknowledged >= count && figures.pending == 0);
        if answered && wrong.given_up >= count { Ok(wrong) } else { Err(format!("{figures:?}")) }
    });
    assert_eq!((last.acknowledged, last.refused), (0, 0));
    assert!(last.repeated >= last.given_up && last.given_up <= last.sent, "{last:?}");
    lines.extend(receiver.said());
    assert!(!lines.iter().any(|line| line.contains("user mallory")), "{lines:?}");
    // The event table has them all, in order and without a gap.
    let numbers: Vec<u64> = gateway.events().iter().map(|event| event.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    // What the operator sees, and what an NMS sees.
    let shown = String::from_utf8(gateway.raisctl("status").stdout).unwrap();
    assert!(shown.contains("v3 informs, nms authPriv") && shown.contains("v3 traps, noc authPriv"), "{shown}");
    let read = |object: &str| snmp_get(&lab, "10.99.0.1", object, LAB_COMMUNITY).unwrap();
    assert_eq!(read("snmpTargetParamsSecurityName.'10.99.0.254:2165'"), "nms");
    assert_eq!(read("snmpTargetParamsSecurityModel.'10.99.0.254:2165'"), "3");
    assert!(read("raisReceiverGivenUp.'10.99.0.254:2166'").parse::<u64>().unwrap() >= count);
    let secrets = format!("{shown}{}", gateway.log());
    assert!(!secrets.contains("battery") && !secrets.contains("lab-community"), "{secrets}");
}

pub(super) const LAB_COMMUNITY: &[&str] = &["-v2c", "-c", "lab-community"];

/// Asks a box with net-snmp's own tool; `None`: there was no answer, or an error.
pub(super) fn snmp_get(lab: &Lab, agent: &str, object: &str, options: &[&str]) -> Option<String> {
    let mut command = tool("snmpget", "snmp");
    command.args([
        "-M",
        &mib_path(),
        "-m",
        "RAIS-MIB:SNMP-TARGET-MIB:SNMP-VIEW-BASED-ACM-MIB",
        "-OqveU",
        "-t",
        "5",
        "-r",
        "1",
    ]);
    command.args(options).args([agent, object]);
    let output = in_namespace(&lab.client(), move || command.output().unwrap());
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().trim_matches('"').to_owned())
}

#[test]
fn who_guesses_a_pass_phrase_is_told_on_once_a_minute_if_that_is_wanted() {
    let failures = |gateway: &Gateway| {
        let failed = |event: &&Event| matches!(event.notification, Notification::AuthenticationFailure { .. });
        gateway.events().iter().filter(failed).count()
    };
    let mut lab = Lab::new(1);
    let receiver = receiver(&lab, 162..=162);
    let gateway = &lab.gateways()[0];
    gateway.write_configuration(&with_engine(gateway));
    add_user(&lab, gateway, PHRASES, "noc");
    let path = gateway.configuration_directory().join("rais.toml");
    let text = std::fs::read_to_string(path).unwrap();
    gateway.write_configuration(&text.replace("[snmp]\n", "[snmp]\nauthentication_traps = false\n"));
    lab.start();
    let gateway = &lab.gateways()[0];
    let read = |object: &str| snmp_get(&lab, "10.99.0.1", object, LAB_COMMUNITY).unwrap();
    let asks = |phrase: &str| {
        let options =
            ["-v3", "-u", "noc", "-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-X", "staple of the battery"];
        snmp_get(&lab, "10.99.0.1", "SNMPv2-MIB::sysName.0", &[&options[..], &["-A", phrase]].concat())
    };
    assert_eq!(asks("correct horse battery").as_deref(), Some("box-1"));
    assert_eq!(read("SNMPv2-MIB::snmpEnableAuthenTraps.0"), "2");
    assert_eq!(asks("a guess of somebody"), None);
    assert_eq!(read("1.3.6.1.6.3.15.1.1.5.0"), "1", "usmStatsWrongDigests (RFC 3414 §3.2 (6))");
    assert_eq!(failures(gateway), 0);
    // As the configuration has it from now on.
    gateway.write_configuration(&text);
    assert!(gateway.raisctl("reload").status.success());
    assert_eq!(read("SNMPv2-MIB::snmpEnableAuthenTraps.0"), "1");
    for _ in 0..3 {
        assert_eq!(asks("a guess of somebody"), None);
    }
    let mut lines = Vec::new();
    until("authenticationFailure was heard", || {
        lines.extend(receiver.said());
        let heard = lines.iter().any(|line| {
            line.contains("SNMPv2-MIB::authenticationFailure")
                && line.contains("raisNotifySource.0 = STRING: 10.99.0.254")
        });
        if heard { Ok(()) } else { Err(format!("{lines:?}")) }
    });
    assert_eq!(failures(gateway), 1, "each source once a minute");
    assert_eq!(read("raisAgentTooOften.0"), "0");
}

/// A view in which nothing says that a box acquired an address, and who is told of it.
const VIEW: &str = r#"
[[snmp.view]]
name = "no-acquisition"
include = ["1.3.6.1"]
exclude = ["1.3.6.1.4.1.32473.1.0.1"]
[[snmp.access]]
group = "half"
read = "all"
notify = "no-acquisition"
[[snmp.receiver]]
name = "noc"
address = "10.99.0.254:2162"
user = "noc"
throttle = "0ms"
"#;

#[test]
fn what_is_not_in_a_notify_view_is_not_sent_is_counted_and_stays_in_the_event_table() {
    let mut lab = Lab::new(1);
    let receiver = receiver(&lab, [162, 2162].into_iter());
    let gateway = &lab.gateways()[0];
    gateway.write_configuration(&with_engine(gateway));
    add_user(&lab, gateway, PHRASES, "noc --group read-only");
    let path = gateway.configuration_directory().join("rais.toml");
    let text = std::fs::read_to_string(path).unwrap();
    // The community and the user are told by the same view.
    let text = text.replace("group = \"read-only\"", "group = \"half\"");
    let seen = text.replace("[[snmp.community]]\n", "[[snmp.community]]\nnotify = \"no-acquisition\"\n") + VIEW;
    gateway.write_configuration(&seen);
    lab.start();
    let gateway = &lab.gateways()[0];
    let mut lines = Vec::new();
    let acquired = |event: &&Event| matches!(event.notification, Notification::Acquire { .. });
    let withheld = until("both were told all the rest", || {
        lines.extend(receiver.said());
        let events = gateway.events();
        let withheld = events.iter().filter(acquired).count() as u64;
        let rest = events.len() as u64 - withheld;
        let figures = figures(gateway);
        let told = |how: &str| lines.iter().filter(|line| line.contains(how)).count() as u64;
        let all = [told("SNMP v2c"), told("SNMP v3, user noc")].into_iter().all(|told| told == rest)
            && figures.iter().all(|of| (of.counters.sent, of.counters.withheld) == (rest, withheld));
        // Its own address and the pool's two.
        if all && withheld >= 3 {
            Ok(withheld)
        } else {
            Err(format!("{withheld} of {events:?}: {figures:?}, {lines:?}"))
        }
    });
    assert!(!lines.iter().any(|line| line.contains("raisAcquire|")), "{lines:?}");
    let read = |object: &str| snmp_get(&lab, "10.99.0.1", object, LAB_COMMUNITY).unwrap();
    for row in ["10.99.0.254:162", "noc"] {
        assert!(read(&format!("raisReceiverWithheld.'{row}'")).parse::<u64>().unwrap() >= withheld, "{row}");
    }
    assert_eq!(read("vacmAccessNotifyViewName.\"half\".\"\".3.authPriv"), "no-acquisition");
    assert_eq!(read("snmpTargetParamsSecurityName.'10.99.0.254:162'"), "community");
    let shown = String::from_utf8(gateway.raisctl("status").stdout).unwrap();
    assert!(shown.contains(" not in its view"), "{shown}");

    // With another view they are told, and what was counted stays counted: it is the same receiver.
    let since = read("raisReceiverDiscontinuityTime.'noc'");
    let before = figures(gateway);
    let open = seen.replace("exclude = [\"1.3.6.1.4.1.32473.1.0.1\"]", "exclude = []");
    gateway.write_configuration(&open.replace("\"10.99.0.150\"", "\"10.99.0.150\", \"10.99.0.151\""));
    assert!(gateway.raisctl("reload").status.success());
    until("both hear of an acquisition", || {
        lines.extend(receiver.said());
        let heard = |how: &str| lines.iter().any(|line| line.contains(how) && line.contains("raisAcquire|"));
        if heard("SNMP v2c") && heard("SNMP v3, user noc") { Ok(()) } else { Err(format!("{lines:?}")) }
    });
    for (after, before) in figures(gateway).iter().zip(&before) {
        assert!(after.counters.sent > before.counters.sent, "{after:?} after {before:?}");
        assert!(after.counters.withheld >= withheld && after.since == before.since, "{after:?} after {before:?}");
    }
    assert_eq!(read("raisReceiverDiscontinuityTime.'noc'"), since);

    // Whatever stands before it, and wherever it is: by its name it is the same row.
    let first = "[[snmp.receiver]]\naddress = \"10.99.0.254:161\"\ncommunity_file = \"secrets/community\"\n";
    let more = seen.replacen("[[snmp.receiver]]", &format!("{first}[[snmp.receiver]]"), 1);
    gateway.write_configuration(&more.replace("10.99.0.254:2162", "10.99.0.254:3162"));
    assert!(gateway.raisctl("reload").status.success());
    let after = until("there are three receivers", || {
        let figures = figures(gateway);
        if figures.len() == 3 { Ok(figures) } else { Err(format!("{figures:?}")) }
    });
    assert!(after[0].since > before[0].since && after[2].since == before[1].since, "{after:?} after {before:?}");
    assert!(read("raisReceiverWithheld.'noc'").parse::<u64>().unwrap() >= withheld);
    assert_eq!(read("raisReceiverDiscontinuityTime.'noc'"), since);
    let added = until("the new receiver has a row", || {
        let added = read("raisReceiverDiscontinuityTime.'10.99.0.254:161'");
        if added.starts_with("No Such") { Err(added) } else { Ok(added) }
    });
    assert_ne!(added, since);
}
