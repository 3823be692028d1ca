//! The network management station of a lab: the real net-snmp programs in the client's namespace, reading our MIB by name.
//!
//! It knows programs and their output, not what the output should say: that is the scenario's business.

use super::bundle::COMMUNITY;
use super::network::Namespace;
use super::plan::{CLIENT_V4, Plan};
use super::process::Process;
use crate::prerequisites;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The modules whose names everything must decode to: ours, and the one that notifications themselves are made of.
pub const MIB: &str = "SNMPv2-MIB:RAIS-MIB";
/// How each notification is printed: a frame around one varbind a line, that a reader can take apart.
const FORMAT: &str = "TRAP %b\\n%V\\n%v\\nEND\\n";

/// One decoded notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// When the receiver printed it.
    pub at: Instant,
    /// The box that sent it, by the address it came from; `None`: a stranger.
    pub from: Option<usize>,
    /// Its name without the module, such as `raisAcquire`; the bare OID if the MIB does not have it.
    pub name: String,
    /// The other varbinds as net-snmp prints them: name with index, and value.
    pub varbinds: Vec<(String, String)>,
}

impl Trap {
    /// Every name in it was found in a MIB: nothing is left as numbers; and one of ours says something.
    pub fn is_readable(&self) -> bool {
        let is_ours = self.name.starts_with("rais");
        // A name that is only known in part ends in the numbers that are not.
        !self.name.is_empty()
            && !self.name.contains('.')
            && (!is_ours || !self.varbinds.is_empty())
            && self.varbinds.iter().all(|(name, _)| !is_ours || name.starts_with("rais"))
    }

    /// A varbind's name, index or value says `text`.
    pub fn says(&self, text: &str) -> bool {
        self.varbinds.iter().any(|(name, value)| name.contains(text) || value.contains(text))
    }
}

/// Where the MIB files are.
#[derive(Clone, Debug)]
pub struct Mibs(PathBuf);

impl Mibs {
    /// The repository's `mib` directory. The modules it builds on stand in `mib/base`: Debian does not have them in its
    /// main section.
    pub fn of(repository: &Path) -> Self {
        Self(repository.join("mib"))
    }

    /// The value of `-M`.
    pub fn path(&self) -> String {
        format!("{0}:{0}/base", self.0.display())
    }
}

/// A running `snmptrapd`; stopped when dropped.
#[derive(Debug)]
pub struct TrapReceiver {
    process: Process,
    traps: Arc<Mutex<Vec<Trap>>>,
}

impl TrapReceiver {
    /// Starts it in the client's namespace and waits until it listens.
    pub fn start(client: &Namespace, plan: &Plan, mibs: &Mibs, directory: &Path) -> Result<Self> {
        let configuration = directory.join("snmptrapd.conf");
        fs::write(&configuration, format!("authCommunity log {COMMUNITY}\n"))?;
        let log = directory.join("snmptrapd.log");
        let program = prerequisites::find("snmptrapd").context("snmptrapd is not installed")?;
        let mut command = client.command(program);
        command
            .args(["-f", "-n", "-Lo", "-C", "-c"])
            .arg(&configuration)
            .args(["-M", &mibs.path(), "-m", MIB, "-Os", "-F", FORMAT])
            .arg(format!("udp:{CLIENT_V4}:162"))
            // Its own state, not the machine's.
            .env("SNMP_PERSISTENT_DIR", directory.join("snmp"));
        let (mut process, output) = Process::start_piped("snmptrapd", command, &log)?;
        let traps = Arc::new(Mutex::new(Vec::new()));
        let (listening, ready) = std::sync::mpsc::channel();
        let (sink, plan) = (Arc::clone(&traps), plan.clone());
        std::thread::Builder::new().name("traps".into()).spawn(move || {
            let mut parser = Parser::default();
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Its first line names its version, printed once the socket is open.
                let _ = listening.send(());
                if let Some((source, name, varbinds)) = parser.line(&line) {
                    let from = source.and_then(|address| plan.owner_of(address.into()));
                    let trap = Trap { at: Instant::now(), from, name, varbinds };
                    sink.lock().unwrap_or_else(PoisonError::into_inner).push(trap);
                }
            }
        })?;
        if ready.recv_timeout(Duration::from_secs(10)).is_err() {
            process.check()?;
            anyhow::bail!("snmptrapd does not listen");
        }
        Ok(Self { process, traps })
    }

    /// Every notification after the first `skip`.
    pub fn after(&mut self, skip: usize) -> Result<Vec<Trap>> {
        self.process.check()?;
        let traps = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(traps.iter().skip(skip).cloned().collect())
    }

    /// How many notifications arrived so far.
    pub fn count(&self) -> usize {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Puts the lines of one notification together again.
#[derive(Debug, Default)]
struct Parser {
    source: Option<Ipv4Addr>,
    lines: Option<Vec<String>>,
}

impl Parser {
    /// Takes one line; gives the sender, the name and the other varbinds once the notification is complete.
    #[allow(clippy::type_complexity, reason = "taken apart at the one place of use")]
    fn line(&mut self, line: &str) -> Option<(Option<Ipv4Addr>, String, Vec<(String, String)>)> {
        if let Some(source) = line.strip_prefix("TRAP ") {
            self.source = source.split_once('[').and_then(|(_, rest)| rest.split_once(']')?.0.parse().ok());
            self.lines = Some(Vec::new());
            return None;
        }
        if line != "END" {
            if let Some(lines) = &mut self.lines {
                lines.push(line.to_owned());
            }
            return None;
        }
        let mut name = String::new();
        let mut varbinds = Vec::new();
        for line in self.lines.take()? {
            let Some((object, value)) = line.split_once(" = ") else { continue };
            match object {
                "snmpTrapOID.0" => name = value.trim_start_matches("OID: ").to_owned(),
                // When the sender started: every notification has it, nobody reads it.
                "sysUpTime.0" | "sysUpTimeInstance" => {}
                _ => varbinds.push((object.to_owned(), without_type(value).to_owned())),
            }
        }
        Some((self.source.take(), name, varbinds))
    }
}

/// The value without net-snmp's `STRING: ` or `Counter64: ` in front.
fn without_type(value: &str) -> &str {
    const TYPES: [&str; 9] =
        ["STRING", "INTEGER", "Counter32", "Counter64", "Gauge32", "Timeticks", "OID", "IpAddress", "Hex-STRING"];
    match value.split_once(": ") {
        Some((kind, rest)) if TYPES.contains(&kind) => rest,
        _ => value,
    }
}

/// The arguments every poll has, to print and to run: `snmpwalk -v2c … ADDRESS`.
pub fn poll_command(client: &Namespace, program: &str, options: &[&str], mibs: &Mibs, agent: Ipv4Addr) -> Command {
    let program = prerequisites::find(program).unwrap_or_else(|| program.into());
    let mut command = client.command(program);
    command.args(["-v2c", "-c", COMMUNITY, "-M", &mibs.path(), "-m", MIB]).args(options).arg(agent.to_string());
    command
}

/// Runs a net-snmp program against an agent and gives what it printed; anything on its standard error is an error, for
/// that is where it complains about a MIB it can not read.
pub fn poll(
    client: &Namespace,
    program: &str,
    options: &[&str],
    mibs: &Mibs,
    agent: Ipv4Addr,
    what: &str,
) -> Result<String> {
    let output = poll_command(client, program, options, mibs, agent).arg(what).output()?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && complaints.trim().is_empty(), "{program} {what}: {}", complaints.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "NET-SNMP version 5.9.3\n\
        TRAP UDP: [10.77.0.2]:39113->[10.77.0.254]:162\n\
        sysUpTimeInstance = Timeticks: (1905) 0:00:19.05\n\
        snmpTrapOID.0 = OID: raisAcquire\n\
        raisAddressState.\"http\".ipv4.\"10.77.0.101\" = INTEGER: online(1)\n\
        raisEventReason = STRING: \"unserved: it was lost\"\n\
        END\n";

    #[test]
    fn a_notification_is_put_together_from_its_lines() {
        let mut parser = Parser::default();
        let mut complete: Vec<_> = PRINTED.lines().filter_map(|line| parser.line(line)).collect();
        assert_eq!(complete.len(), 1);
        let (source, name, varbinds) = complete.remove(0);
        assert_eq!(source, Some(Ipv4Addr::new(10, 77, 0, 2)));
        assert_eq!(name, "raisAcquire");
        assert_eq!(varbinds[0].1, "online(1)");
        assert_eq!(varbinds[1].1, "\"unserved: it was lost\"");
    }

    #[test]
    fn a_notification_with_a_number_where_a_name_should_be_is_not_readable() {
        let table = [
            ("raisAcquire", "raisAddressState.1", true),
            ("enterprises.32473.1.0.1", "raisAddressState.1", false),
            ("iso.3.6.1.4.1.32473.1.0.1", "raisAddressState.1", false),
            ("raisAcquire", "iso.3.6.1.4", false),
            ("", "raisAddressState.1", false),
            ("coldStart", "", true),
        ];
        for (name, varbind, readable) in table {
            let varbinds = vec![(varbind.to_owned(), String::new())];
            let trap = Trap { at: Instant::now(), from: None, name: name.to_owned(), varbinds };
            assert_eq!(trap.is_readable(), readable, "{name} {varbind}");
        }
    }
}
