//! What management systems get, in the real ones: snmp_exporter scrapes the agent, and SNMPTT reads what snmptrapd heard.

use crate::net_snmp::serve;
use crate::smi::Mib;
use crate::tools::{mib_directory, tool};
use crate::trap_receiver::Receiver;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The real snmp_exporter.
struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    fn start() -> Self {
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = tool("prometheus-snmp-exporter", "prometheus-snmp-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg("--config.file").arg(mib_directory().join("integrations/prometheus/snmp.yml"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "snmp_exporter does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }

    fn scrape(&self, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET /snmp?module=rais&target={target} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn snmp_exporter_scrapes_the_agent_and_finds_what_the_dashboard_and_the_rules_want() {
    let scraped = Exporter::start().scrape(&serve().to_string());
    for line in [
        r#"raisHostState{raisHostId="10.9.0.4",raisHostName="edge-4",raisGroupName="http"} 4"#,
        r#"raisGroupRole{raisGroupName="http"} 2"#,
    ] {
        // The order of labels is the exporter's own.
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, value) = rest.split_once("} ").unwrap();
        let found = scraped.lines().any(|scraped| {
            scraped.starts_with(&format!("{name}{{"))
                && labels.split(',').all(|label| scraped.contains(label))
                && scraped.ends_with(&format!("}} {value}"))
        });
        assert!(found, "{line} is not in:\n{scraped}");
    }
    let integrations = mib_directory().join("integrations");
    let mut wanted = 0;
    for file in ["grafana/rais.json", "prometheus/rules.yml"] {
        let text = std::fs::read_to_string(integrations.join(file)).unwrap();
        // What stands before a brace, a bracket, a comparison or the like; labels are before `=` and within braces.
        for (at, _) in text.match_indices("rais") {
            let word: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
            let metric = word["rais".len()..].starts_with(|c: char| c.is_ascii_uppercase());
            let label =
                ["raisGroupName", "raisHostId", "raisHostName", "raisAddressInet", "raisTestName", "raisZoneName"];
            if metric && !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) && !label.contains(&&*word) {
                assert!(scraped.contains(&format!("\n{word}")), "{file} wants {word}, and nobody scrapes it");
                wanted += 1;
            }
        }
    }
    assert!(wanted > 20, "{wanted}");
}

#[test]
fn snmptt_knows_every_notification_and_repeats_its_sentence() {
    let mut receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let configuration = mib_directory().join("integrations/snmptt/rais.conf");
    let ini = format!(
        "[General]\nmode = standalone\nnet_snmp_perl_enable = 0\ndns_enable = 0\n\
         [Logging]\nstdout_enable = 1\nlog_enable = 0\nsyslog_enable = 0\nunknown_trap_log_enable = 1\n\
         unknown_trap_log_file = {}\n[TrapFiles]\nsnmptt_conf_files = <<END\n{}\nEND\n",
        path("unknown"),
        configuration.display()
    );
    std::fs::write(path("snmptt.ini"), ini).unwrap();
    let text = std::fs::read_to_string(&configuration).unwrap();
    let notifications = Mib::load().notifications;
    let ours: Vec<_> = notifications.keys().filter(|name| name.starts_with("rais")).collect();
    assert!(ours.iter().all(|name| text.contains(&format!("EVENT {name} ."))), "cargo xtask integrations");
    // What snmptrapd hands to a trap handler: host, address, then a name and a value a line.
    let event = crate::traps::sample_event(7);
    let bindings = rais::snmp::notify::bindings(&event, &crate::sample::snapshot());
    let heard = receiver.hear(&rais::snmp::notify::v2c(rais::snmp::notify::Kind::Trap, b"public", 1, &bindings));
    let numeric = crate::ber::read(&rais::snmp::notify::v2c(rais::snmp::notify::Kind::Trap, b"public", 1, &bindings));
    let mut handed = String::from("edge-1\nUDP: [127.0.0.1]:40000->[127.0.0.1]:162\n");
    for (variable, shown) in numeric.variables.iter().zip(heard.split('|')) {
        let value = match variable.tag {
            6 => format!(".{}", crate::ber::dotted(&crate::ber::read_oid(&variable.content))),
            4 => format!("\"{}\"", String::from_utf8_lossy(&variable.content)),
            _ => shown.rsplit(": ").next().unwrap().to_owned(),
        };
        handed.push_str(&format!(".{} {value}\n", variable.dotted()));
    }
    let mut snmptt = tool("snmptt", "snmptt");
    snmptt.arg(format!("--ini={}", path("snmptt.ini")));
    let mut child = snmptt.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(handed.as_bytes()).unwrap();
    let said: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    child.wait().unwrap();
    let unknown = std::fs::read_to_string(path("unknown")).unwrap_or_default();
    let said = said.join("\n");
    println!("{said}");
    assert!(said.contains(".1.3.6.1.4.1.32473.1.0.1 Normal \"rais\""), "{said}\n{unknown}\n{handed}");
    assert!(said.contains("edge-1: serves 10.9.0.101 of group http (failback)"), "{said}");
    assert_eq!(unknown, "");
}

#[test]
fn what_is_made_by_machine_names_only_what_the_mib_has() {
    let mib = Mib::load();
    let integrations = mib_directory().join("integrations");
    let known: Vec<String> = mib.names.iter().map(|(_, oid, _)| crate::ber::dotted(oid)).collect();
    let mut seen = 0;
    for file in ["zabbix/rais-6.0.yaml", "zabbix/rais-7.0.yaml", "librenms/os_discovery/rais.yaml", "snmptt/rais.conf"]
    {
        let text = std::fs::read_to_string(integrations.join(file)).unwrap();
        for (at, _) in text.match_indices("1.3.6.1.4.1.32473.") {
            let dotted: String = text[at..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let dotted = dotted.trim_end_matches('.');
            let scalar = dotted.strip_suffix(".0").unwrap_or(dotted);
            assert!(known.iter().any(|oid| oid == dotted || oid == scalar), "{file}: {dotted} is not in the MIB");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
    // Zabbix refuses an identifier that is there twice, and one that is not in the form of a random one.
    for file in ["zabbix/rais-6.0.yaml", "zabbix/rais-7.0.yaml"] {
        let text = std::fs::read_to_string(integrations.join(file)).unwrap();
        let ids: Vec<&str> =
            text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uuid: ")).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{file}");
        let good = |id: &&str| id.len() == 34 && &id[13..14] == "4" && "89ab".contains(&id[17..18]);
        assert!(ids.iter().all(good), "{file}");
    }
}
