//! The agents that are measured, each in a namespace of its own or beside the other: raisd as it is released, and Debian's
//! snmpd with its defaults.

use super::super::Kit;
use super::super::progress::{Display, Progress};
use super::client::{self, Client};
use super::user::User;
use crate::interrupt::wait_for;
use crate::lab::{Namespace, Process, directory};
use anyhow::{Context, Result, bail, ensure};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What clients say, and all agents take.
pub const COMMUNITY: &str = "bench-community";
/// Who clients of version 3 are.
pub const USER: &str = "bench";
/// Pass phrases for authentication and privacy.
pub const PHRASES: [&str; 2] = ["bench authentication", "bench privacy"];
/// Where raisd listens; snmpd may be beside it.
pub const OURS: u16 = 161;
/// Where snmpd listens.
pub const THEIRS: u16 = 1161;
/// Where raisd sends traps, in its own namespace; of box states alone, which do not change by themselves.
pub const RECEIVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 10162);
/// raisd's engine, in hexadecimal.
const ENGINE: &str = "80007ed905000000000000000000000001";
/// How long 10,000 addresses may take to be on the interface.
const READY: Duration = Duration::from_secs(120);

/// Programs, and keys to sign with.
pub struct Programs {
    pub kit: Kit,
    pub snmpd: PathBuf,
    pub display: Arc<Display>,
    /// How many figures were begun.
    pub begun: AtomicUsize,
}

impl Programs {
    /// Begins to show how far a figure is.
    pub fn progress(&self, what: &str) -> Progress {
        Progress::begin(&self.display, self.begun.fetch_add(1, Ordering::Relaxed), &format!("{what:<42}"), "")
    }
}

/// One agent at work.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    port: u16,
    directory: tempfile::TempDir,
}

/// A namespace with a segment that nobody else is on, and a second NIC for addresses that come and go.
pub fn namespace(role: &str) -> Result<Namespace> {
    let namespace = Namespace::create(role)?;
    for (name, far) in [("lan", "far"), ("churn", "churn-far")] {
        // The far end is in the same namespace: it must not answer for the addresses of the near one.
        namespace.ip(&format!(
            "link add {name} type veth peer name {far}\nlink set {far} arp off\nlink set {name} up\nlink set {far} up\n"
        ))?;
    }
    Ok(namespace)
}

/// The addresses that are served, or routed.
pub fn address(number: usize) -> String {
    format!("10.78.{}.{}", number / 250, 1 + number % 250)
}

/// `ip` commands, one for each of so many addresses.
pub fn for_each_address(count: usize, command: impl Fn(String) -> String) -> String {
    (0..count).map(|number| command(address(number)) + "\n").collect()
}

impl Agent {
    /// raisd with so many service addresses, all of them its own, with or without its agent. Waits until it has them.
    pub fn ours(programs: &Programs, namespace: &Namespace, addresses: usize, agent: bool) -> Result<Self> {
        let (kit, directory) = (&programs.kit, directory()?);
        let path = |name: &str| directory.path().join(name);
        let engine: Vec<u8> =
            (0..ENGINE.len()).step_by(2).filter_map(|at| u8::from_str_radix(&ENGINE[at..at + 2], 16).ok()).collect();
        let keys = User::new(USER, &engine, PHRASES).key_file();
        let secrets = if agent { &[("community", COMMUNITY), ("user.keys", &*keys)][..] } else { &[] };
        let text = rais_toml(addresses, agent);
        let bundle = kit.signing.plain_bundle(&text, secrets, directory.path(), &kit.raisctl)?;
        let mut command = namespace.command(&kit.raisd);
        command.arg("--config").arg(&bundle.directory).arg("--keyring").arg(&kit.signing.keyring);
        command.arg("--state-dir").arg(path("state")).arg("--socket").arg(path("socket"));
        let mut process = Process::start("raisd", command, &path("raisd.log"))?;
        wait_for("every address in the kernel", READY, || {
            process.check()?;
            let shown = namespace.run("ip", &["-o", "-4", "addr", "show", "dev", "lan"], "")?;
            Ok((shown.lines().count() > addresses).then_some(()))
        })?;
        Ok(Self { process, port: OURS, directory })
    }

    /// snmpd, for what its namespace has.
    pub fn theirs(programs: &Programs, namespace: &Namespace) -> Result<Self> {
        let directory = directory()?;
        let path = |name: &str| directory.path().join(name);
        // It writes what it keeps to a file of the name of its configuration.
        std::fs::create_dir(path("kept"))?;
        let [authentication, privacy] = PHRASES;
        std::fs::write(
            path("snmpd.conf"),
            format!(
                "rocommunity {COMMUNITY}\ncreateUser {USER} SHA-256 \"{authentication}\" AES \"{privacy}\"\n\
                 rouser {USER} priv\n"
            ),
        )?;
        let mut command = namespace.command(&programs.snmpd);
        command.env("SNMP_PERSISTENT_DIR", path("kept")).args(["-f", "-Ln", "-C", "-c"]);
        command.arg(path("snmpd.conf")).arg("-p").arg(path("pid")).arg(format!("udp:0.0.0.0:{THEIRS}"));
        let process = Process::start("snmpd", command, &path("snmpd.log"))?;
        Ok(Self { process, port: THEIRS, directory })
    }

    /// Has raisd carry out an order, or tell something; gives what `raisctl` printed.
    pub fn order(&self, raisctl: &Path, arguments: &[&str]) -> Result<String> {
        let socket = self.directory.path().join("socket");
        let output = Command::new(raisctl).arg("--socket").arg(socket).args(arguments).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A client of it, to be used from anywhere.
    pub fn client(&self, namespace: &Namespace) -> Result<Client> {
        namespace.inside(|| Client::local(self.port, COMMUNITY))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Processor time of all its threads so far, those that have ended too, to the nanosecond.
    pub fn processor_time(&self) -> Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.process.id().cast_signed())).context("no clock")?;
        Ok(clock_gettime(clock)?.into())
    }

    /// Processor time of a unit while the client works, in microseconds. `work` gives how many units it was.
    pub fn cost(&self, work: impl FnOnce() -> Result<usize>) -> Result<f64> {
        let before = self.processor_time()?;
        let units = work()?;
        let spent = self.processor_time()?.saturating_sub(before);
        ensure!(units > 0, "the client did nothing");
        Ok(spent.as_secs_f64() * 1e6 / units as f64)
    }

    /// Memory that is its own, in KiB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).context("no number")
    }
}

/// What the kernel takes to hand a process a datagram and to take one from it, in microseconds: the processor time of a
/// thread that sends back what it hears, one by one, while so many are on their way at a time, from clients by turns.
pub fn kernel_share(namespace: &Namespace, count: usize, open: usize) -> Result<f64> {
    let socket = || {
        namespace.inside(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            Ok(socket)
        })
    };
    let echo = socket()?;
    let clients = (0..client::SOURCES).map(|_| socket()).collect::<Result<Vec<_>>>()?;
    let agent = echo.local_addr()?;
    clients.iter().try_for_each(|client| client.connect(agent))?;
    let by_turns = || clients.iter().cycle().take(open);
    let spent = || ClockId::CLOCK_THREAD_CPUTIME_ID.now().map(Duration::from);
    let rounds = count / open;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<f64> {
            let (before, mut buffer) = (spent()?, [0; 1500]);
            for _ in 0..rounds * open {
                let (length, from) = echo.recv_from(&mut buffer)?;
                echo.send_to(&buffer[..length], from)?;
            }
            Ok((spent()? - before).as_secs_f64() * 1e6 / (rounds * open) as f64)
        });
        for _ in 0..rounds {
            for client in by_turns() {
                client.send(&[0; 44])?;
            }
            for client in by_turns() {
                client.recv(&mut [0; 1500])?;
            }
        }
        thread.join().unwrap_or_else(|_| bail!("a thread of the bench panicked"))
    })
}

/// One box that has every address by itself.
fn rais_toml(addresses: usize, agent: bool) -> String {
    let mut list = String::new();
    for number in 0..addresses {
        let _ = write!(list, "\"{}\", ", address(number));
    }
    let listen = if agent { format!("\"0.0.0.0:{OURS}\"") } else { String::new() };
    let known = match agent {
        true => format!(
            "engine_id = \"{ENGINE}\"\n[[snmp.community]]\nfile = \"secrets/community\"\n[[snmp.user]]\n\
             name = \"{USER}\"\nauthentication = \"SHA-256\"\nprivacy = \"AES-128\"\nfile = \"secrets/user.keys\"\n\
             [[snmp.receiver]]\naddress = \"{RECEIVER}\"\ncommunity_file = \"secrets/community\"\n\
             only = [\"HostStateChange\"]\nthrottle = \"0ms\"\n"
        ),
        false => String::new(),
    };
    format!(
        r#"version = 1
[box]
name = "edge-1"
[[interface]]
name = "lan"
kernel_name = "lan"
addresses = ["10.9.0.1/24"]
[[group]]
name = "bench"
address = "239.77.0.1"
port = 7077
control_interfaces = ["lan"]
service_interface = "lan"
preferred_addresses = [{list}]
lease = "60s"
announce_every = "never"
keys = [{{ id = 1, file = "secrets/http.key" }}]
[snmp]
listen = [{listen}]
{known}"#
    )
}
