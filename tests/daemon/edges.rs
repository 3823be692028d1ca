//! What the rest of the network sees and sends: traps, the agent, zone files, bad datagrams, a log nobody reads.

use super::fuzz;
use super::lab::{self, DEAD_AFTER, Lab, until};
use super::snmp;
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn traps_come_at_once_from_the_box_s_own_address_and_the_agent_answers_from_the_address_that_was_asked() {
    let mut lab = Lab::new(2);
    let receiver = snmp::Receiver::start(&lab.client(), "10.99.0.254:162");
    lab.start();
    // What happens while the links come up may wait a second for the neighbour's first ARP reply.
    let early = lab.gateway(1).events().len();
    lab.cut_power(2);
    until("box 1 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[0].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    let events = lab.gateway(1).events();
    let traps = until("a trap for every event of box 1", || {
        let traps = receiver.from("10.99.0.1");
        if traps.len() >= events.len() { Ok(traps) } else { Err(format!("{} of {}", traps.len(), events.len())) }
    });
    let sources = receiver.sources();
    assert!(sources.iter().all(|source| ["10.99.0.1", "10.99.0.2"].contains(&source.as_str())), "{sources:?}");
    // One clock on this machine. A millisecond is lost to rounding.
    let delays = traps.iter().zip(&events).skip(early).map(|(at, event)| at.saturating_sub(event.unix_ms));
    let slowest = delays.max().unwrap();
    println!("traps: {} of box 1, the slowest {slowest} ms after its event", traps.len());
    assert!(slowest < 200, "{slowest} ms");
    for address in ["10.99.0.1", "10.99.0.150", "10.99.0.102", "10.99.1.1"] {
        if address == "10.99.1.1" {
            lab::run(&format!("ip -n {} route add 10.99.1.0/24 via 10.99.0.1", lab.client()));
        }
        // A connected socket hears nobody but the address it asked.
        let answer = snmp::get_next(&lab.client(), address, b"lab-community");
        assert!(answer.is_some(), "no answer from {address}");
    }
    assert!(snmp::get_next(&lab.client(), "10.99.0.1", b"another").is_none());
}

/// B, claims 8, 9, 20, 21, 28 and 30: the zone file is looked at each time that its update interval is over.
#[test]
fn a_zone_follows_its_group_and_is_written_only_when_it_changes() {
    let mut lab = Lab::new(2);
    let header = "$TTL 60\n@ IN SOA ns.example.net. noc.example.net. 1 60 60 600 5\n@ IN NS ns.example.net.\n";
    let zone = r#"
[[zone]]
name = "www.example.net"
group = "http"
header = "www.header"
update_interval = "200ms"
file = "zones/www.zone"
"#;
    for number in 1..=2 {
        let gateway = lab.gateway(number);
        fs::write(gateway.configuration_directory().join("www.header"), header).unwrap();
        gateway.write_configuration(&(gateway.configuration() + zone));
    }
    lab.start();
    let file = lab.gateway(1).state().join("zones/www.zone");
    let says = |wanted: &[&str]| {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let found: Vec<&str> =
            text.lines().filter(|l| l.contains("\tA")).filter_map(|l| l.split('\t').next_back()).collect();
        if found == wanted { Ok(()) } else { Err(text) }
    };
    let all = ["10.99.0.101", "10.99.0.102", "10.99.0.150", "fd00:99::150"];
    until("the zone advertises everything", || says(&all));
    let written = |lab: &Lab| lab.gateways()[0].status().unwrap().0.zones[0].clone();
    let settled = written(&lab);
    assert!(settled.last_error.is_none() && settled.records == 4, "{settled:?}");
    lab.cut_power(2);
    // Box 1 serves it now, but away from home: it is to fade away.
    until("10.99.0.102 is not advertised", || says(&["10.99.0.101", "10.99.0.150", "fd00:99::150"]));
    until("the status tells of it", || {
        let now = written(&lab);
        let follows = now.records == 3 && now.updates > settled.updates && now.serial > settled.serial;
        if follows { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let before = written(&lab);
    let output = lab.gateway(1).raisctl("reload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    until("some update intervals pass", || {
        let (snapshot, _) = lab.gateways()[0].status()?;
        let zone = &snapshot.zones[0];
        let old = zone.last_update.is_some_and(|at| snapshot.view.at.since(at) > Duration::from_secs(1));
        if old { Ok(()) } else { Err(format!("{zone:?}")) }
    });
    assert_eq!(written(&lab).updates, before.updates);
}

#[test]
fn ten_thousand_bad_datagrams_at_either_port_are_counted_and_harm_nothing() {
    let mut lab = Lab::new(2);
    lab.start();
    let before = lab.gateway(1).group().unwrap().counters.drops.total();
    let moves = lab.gateway(1).moves();
    let sent = fuzz::group_port(&lab.client(), 10_000);
    let group = until("every datagram at the group port was counted", || {
        let group = lab.gateways()[0].group()?;
        // Duplicates go on meanwhile: at least as many as were sent.
        let counted = group.counters.drops.total() - before;
        if counted >= sent { Ok(group) } else { Err(format!("{counted} of {sent}: {:?}", group.counters.drops)) }
    });
    let causes: Vec<_> = group.counters.drops.iter().filter(|(_, count)| *count > 0).collect();
    println!("group port: {sent} sent, dropped {causes:?}");
    let total: u64 = causes.iter().map(|(_, count)| count).sum();
    assert_eq!(total, group.counters.drops.total());
    let (asked, answered) = fuzz::snmp_port(&lab.client(), "10.99.0.1:161", b"lab-community", 10_000);
    let runtime = until("every datagram at the SNMP port was counted", || {
        let (_, runtime) = lab.gateways()[0].status()?;
        let counted = runtime.snmp_out + runtime.snmp_dropped;
        if counted >= asked { Ok(runtime) } else { Err(format!("{counted} of {asked}: {runtime:?}")) }
    });
    println!("SNMP port: {asked} sent, {answered} answered, {runtime:?}");
    assert_eq!(runtime.snmp_in, runtime.snmp_out + runtime.snmp_dropped);
    assert_eq!(runtime.snmp_in, asked);
    assert!(lab.gateway(1).runs() && lab.gateway(2).runs());
    lab.settle();
    assert_eq!(lab.gateway(1).moves(), moves, "nothing moved: {:?}", lab.gateway(1).events());
}

#[test]
fn a_log_that_nobody_reads_and_silent_control_clients_delay_no_heartbeat() {
    let mut lab = Lab::new(2);
    lab.gateway(2).start();
    let mut command = lab.gateway(1).command();
    // The reading end stays open and is never read.
    let (reader, writer) = std::io::pipe().unwrap();
    command.env("RAIS_LOG", "trace").stderr(writer);
    lab.gateway(1).start_as(command);
    lab.settle();
    // Connects and never says a word, more often than are served at once, but for one place.
    let silent: Vec<_> = (0..31).map(|_| std::os::unix::net::UnixStream::connect(lab.gateway(1).socket())).collect();
    let moves = lab.gateway(2).moves();
    fuzz::group_port(&lab.client(), 30_000);
    until("the log's queue is full and lines are dropped", || {
        let (_, runtime) = lab.gateways()[0].status()?;
        if runtime.log_lines_dropped > 0 { Ok(()) } else { Err(format!("{runtime:?}")) }
    });
    let until_then = Instant::now() + 3 * DEAD_AFTER;
    until("three dead intervals pass", || match Instant::now() >= until_then {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    assert_eq!(lab.gateway(2).moves(), moves, "box 2 noticed: {:?}", lab.gateway(2).events());
    let (_, runtime) = lab.gateway(1).status().unwrap();
    println!("{} log lines dropped, latest deadline {} µs late", runtime.log_lines_dropped, runtime.worst_lateness_us);
    drop((silent, reader));
}
