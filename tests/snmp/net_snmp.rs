//! Real tools: those of net-snmp ask the agent over UDP and read it by name.

use crate::bench::{Bench, COMMUNITY, community};
use crate::sample;
use crate::tools::{mib_path, output, tool};
use rais::snmp::{Agent, AgentParams};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;

/// What names everything that is served.
const MODULES: &str = "RAIS-MIB:SNMPv2-MIB:IF-MIB:IP-MIB:HOST-RESOURCES-MIB:ENTITY-MIB:UCD-SNMP-MIB:SNMP-TARGET-MIB:SNMP-NOTIFICATION-MIB";

/// Serves the sample until the test process ends.
pub fn serve() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let snapshot = Arc::new(sample::snapshot());
    let mut agent =
        Agent::new(AgentParams { communities: vec![community()], allow_v1: true, ..AgentParams::default() });
    agent.show_events(Arc::new(sample::Happened));
    agent.show_deliveries(Arc::new(sample::Happened));
    agent.look_at(&Arc::new(sample::machine()));
    std::thread::spawn(move || {
        let mut datagram = [0; 65_535];
        let mut reply = Vec::new();
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            if agent.answer(&datagram[..length], from.ip(), &snapshot, snapshot.view.at, &mut reply).is_ok() {
                socket.send_to(&reply, from).unwrap();
            }
        }
    });
    address
}

fn ask(program: &str, options: &[&str], names: &[&str]) -> String {
    ask_in("2c", program, options, names)
}

fn ask_in(version: &str, program: &str, options: &[&str], names: &[&str]) -> String {
    let mut command = net_snmp(version, program, options);
    output(command.arg(serve().to_string()).args(names))
}

fn net_snmp(version: &str, program: &str, options: &[&str]) -> Command {
    let mut command = tool(program, "snmp");
    command.args(["-M", &mib_path(), "-m", MODULES, "-v", version, "-c"]);
    command.arg(std::str::from_utf8(COMMUNITY).unwrap()).args(["-r", "0", "-t", "5"]).args(options);
    command
}

#[test]
fn snmpget_reads_by_name() {
    let read =
        ask("snmpget", &[], &["sysName.0", "sysUpTime.0", "raisBoxConfigGeneration.0", "raisGroupRole.\"http\""]);
    let expected = "SNMPv2-MIB::sysName.0 = STRING: edge-1\n\
                    SNMPv2-MIB::sysUpTime.0 = Timeticks: (360000) 1:00:00.00\n\
                    RAIS-MIB::raisBoxConfigGeneration.0 = Counter64: 7\n\
                    RAIS-MIB::raisGroupRole.\"http\" = INTEGER: leader(2)\n";
    assert_eq!(read.replace("DISMAN-EVENT-MIB::sysUpTimeInstance", "SNMPv2-MIB::sysUpTime.0"), expected);
}

#[test]
fn snmpget_reads_a_row_by_its_address() {
    // As net-snmp takes an InetAddress of an index: its length, then its octets.
    let v6 = "raisAddressState.\"http\".ipv6.16.253.0.0.9.0.0.0.0.0.0.0.0.0.0.1.5";
    let read = ask("snmpget", &[], &["raisAddressState.\"http\".ipv4.4.10.9.0.103", v6]);
    let v6 = "fd:00:00:09:00:00:00:00:00:00:00:00:00:00:01:05";
    let expected = format!(
        "RAIS-MIB::raisAddressState.\"http\".ipv4.\"10.9.0.103\" = INTEGER: releasing(3)\n\
         RAIS-MIB::raisAddressState.\"http\".ipv6.\"{v6}\" = INTEGER: duplicate(5)\n"
    );
    assert_eq!(read, expected);
}

#[test]
fn snmpwalk_of_everything_ends_and_names_everything() {
    // -Cc is not given: snmpwalk itself checks that names increase.
    let walked = ask("snmpwalk", &[], &["1.3"]);
    // A long value goes on over several lines.
    let lines: Vec<_> = walked.lines().filter(|line| line.contains(" = ")).collect();
    assert_eq!(lines.len(), Bench::new().walk("1.3").len() + 1, "{walked}");
    for line in &lines {
        let module = line.split("::").next().unwrap();
        let known = MODULES.split(':').any(|known| known == module) || line.starts_with("No more variables");
        assert!(known, "{line}");
        assert!(!line.contains("Wrong Type") && !line.contains("32473."), "{line}");
    }
}

#[test]
fn snmpwalk_in_version_1_reads_all_but_the_wide_counters() {
    let wide = |line: &&str| !line.contains(" Counter64: ") && line.contains(" = ");
    let (new, old) = (ask("snmpwalk", &[], &["interfaces"]), ask_in("1", "snmpwalk", &[], &["interfaces"]));
    assert_eq!(new, old, "it has none");
    let (new, old) = (ask("snmpwalk", &[], &["ifMIB"]), ask_in("1", "snmpwalk", &[], &["ifMIB"]));
    assert_eq!(new.lines().filter(wide).collect::<Vec<_>>(), old.lines().collect::<Vec<_>>());
    assert!(new.lines().count() > old.lines().count());
}

#[test]
fn snmpbulkwalk_walks_what_snmpwalk_walks() {
    let walk = ask("snmpwalk", &[], &["raisObjects"]);
    let bulk = ask("snmpbulkwalk", &["-Cr25"], &["raisObjects"]);
    assert_eq!(walk, bulk);
    assert!(bulk.lines().count() > 800);
}

#[test]
fn snmptable_reads_the_group_table() {
    let table = table("raisGroupTable");
    assert_eq!(table.rows.len(), 4);
    let http = table.row("\"http\"");
    let columns = [
        ("raisGroupPort", "7077"),
        ("raisGroupLeaderName", "edge-1"),
        ("raisGroupRole", "leader"),
        ("raisGroupSettled", "true"),
        ("raisGroupAddresses", "10"),
        ("raisGroupAddressesOnline", "2"),
        ("raisGroupAddressesMoving", "4"),
        ("raisGroupAddressesUnserved", "2"),
        ("raisGroupAddressesDuplicate", "2"),
        ("raisGroupAddressesOrphaned", "1"),
        ("raisGroupHostsLive", "4"),
        ("raisGroupHostsOk", "3"),
        ("raisGroupBeat", "100 milliseconds"),
        ("raisGroupLastChange", "0:0:00:12.00"),
        ("raisGroupDropsBadSignature", "6 datagrams"),
        ("raisGroupDropsOverLimit", "12 datagrams"),
        ("raisGroupRepairs", "5"),
        ("raisGroupTransport", "unicast"),
        ("raisGroupPeers", "3"),
    ];
    for (column, value) in columns {
        assert!(http[column].starts_with(value), "{column}: {}", http[column]);
    }
    assert_eq!(table.row("\"dns\"")["raisGroupLeaderName"], "");
    assert_eq!(table.row("\"dns\"")["raisGroupTransport"], "multicast");
}

#[test]
fn snmptable_reads_whom_a_group_without_multicast_tells() {
    let table = table("raisPeerTable");
    let told: Vec<_> = table.rows.iter().map(|row| (row[1].as_str(), row[2].as_str())).collect();
    // Its own address is not among them; the second was never heard of.
    assert_eq!(told, [("configured", "edge-2"), ("learnt", "edge-3"), ("configured", "")], "{:?}", table.rows);
}

#[test]
fn snmptable_reads_the_host_table() {
    let table = table("raisHostTable");
    assert_eq!(table.rows.len(), 19);
    for (host, state) in [(1, "up"), (2, "quiesced"), (3, "notOk"), (4, "dead"), (5, "left")] {
        let row = table.row(&format!("\"http\".ipv4.\"10.9.0.{host}\""));
        assert_eq!((&*row["raisHostName"], &*row["raisHostState"]), (&*format!("edge-{host}"), state));
        assert_eq!(row["raisHostUtilisation"], format!("{} per mille", 100 * host));
    }
}

#[test]
fn snmptable_reads_the_address_table() {
    let table = table("raisAddressTable");
    assert_eq!(table.rows.len(), 30);
    let row = table.row("\"http\".ipv4.\"10.9.0.101\"");
    let columns = [
        ("raisAddressState", "online"),
        ("raisAddressServerType", "ipv4"),
        ("raisAddressServerName", "edge-1"),
        ("raisAddressPreferredName", "edge-2"),
        ("raisAddressOrphan", "true"),
        ("raisAddressOrphanTimeLeft", "90 seconds"),
        ("raisAddressReason", "failback"),
        ("raisAddressClaim", "online"),
    ];
    for (column, value) in columns {
        assert_eq!(row[column], value, "{column}");
    }
}

#[test]
fn snmptable_reads_tests_loads_and_zones() {
    assert_eq!(table("raisTestTable").row("\"db\"")["raisTestLastError"], "connection refused");
    assert_eq!(table("raisLoadTable").row("\"cpu\"")["raisLoadUtilisation"], "250 per mille");
    let zones = table("raisZoneTable");
    assert_eq!(zones.rows.len(), 2, "a name of 101 octets does not fit an index");
    assert_eq!(zones.row("\"a.example.net\"")["raisZoneSerial"], "4000000000");
}

/// A table as snmptable printed it.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn table(name: &str) -> Table {
    let printed = ask("snmptable", &["-Ci", "-Cf", "\t"], &[name]);
    let mut lines = printed.lines().skip_while(|line| line.trim().is_empty() || line.starts_with("SNMP table"));
    let cells = |line: &str| line.split('\t').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let columns = cells(lines.next().unwrap());
    Table { columns, rows: lines.map(cells).collect() }
}

impl Table {
    fn row(&self, index: &str) -> std::collections::BTreeMap<&str, String> {
        let row = self.rows.iter().find(|row| row[0] == index);
        let row = row.unwrap_or_else(|| {
            panic!("no row {index} in {:?}", self.rows.iter().map(|row| &row[0]).collect::<Vec<_>>())
        });
        assert_eq!(row.len(), self.columns.len(), "{row:?}");
        self.columns.iter().map(String::as_str).zip(row.iter().cloned()).collect()
    }
}
