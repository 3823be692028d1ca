//! `cargo xtask bench snmp`: the agent beside Debian's snmpd, in the same namespace, with the same 10,000 addresses in the
//! kernel's table, asked the same questions by the same client, by turns.
//!
//! The peer is snmpd with its defaults; what is walked is the one large table that both serve, IP-MIB's ipAddressTable,
//! whose rows are the service addresses that raisd holds. Processor time is what the kernel's scheduler says of all threads
//! of a process; what raisd spends on the group protocol in the same time is measured beforehand and taken off.

use super::machine::Surroundings;
use super::snmp_client::{self, Client};
use crate::cargo;
use crate::interrupt::{self, pause, wait_for};
use crate::lab::{self, Namespace, Process, Signing, directory, remove_stale};
use crate::prerequisites::{self, Tool};
use crate::report::{self, bad, faint, good, strong};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TOOLS: &[Tool] = &[Tool::IP, Tool::SSH_KEYGEN, Tool::SNMPD];
/// Where `--write` puts the page.
const PAGE: &str = "docs/snmp.md";
/// Rows of the large table.
const ROWS: usize = 10_000;
/// Addresses that come and go while response times are measured.
const CHURN: usize = 5_000;
/// Questions of one round.
const GETS: usize = 4_000;
/// GETBULK's max-repetitions.
const REPETITIONS: i64 = 25;
/// How long response times are taken of each agent in a round.
const LATENCY: Duration = Duration::from_secs(5);
/// What the client says, and both agents take.
const COMMUNITY: &str = "bench-community";
const OURS: u16 = 161;
const THEIRS: u16 = 1161;
/// ipAddressIfIndex: one value for each row.
const COLUMN: &[u32] = &[1, 3, 6, 1, 2, 1, 4, 34, 1, 3];
const SYS_UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];

/// Options of `bench snmp`.
#[derive(clap::Args)]
pub struct Snmp {
    /// How often each figure is taken.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The raisd and raisctl in this directory, instead of building what is released: to try the benchmark itself.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    programs: Option<PathBuf>,
    /// Write every single figure to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table to docs/snmp.md.
    #[arg(long)]
    write: bool,
}

/// A line of the table.
struct Line {
    what: &'static str,
    unit: &'static str,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    target: Target,
}

/// What ours must reach.
#[derive(Clone, Copy)]
enum Target {
    /// A share of theirs.
    Ratio(f64),
    /// At most this.
    AtMost(f64),
}

/// Runs it.
pub fn run(args: &Snmp) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "root is needed for network namespaces: run it with sudo");
    interrupt::catch()?;
    prerequisites::ensure(TOOLS)?;
    remove_stale()?;
    lab::go_first();
    let snmpd = prerequisites::find(Tool::SNMPD.program).context("no snmpd")?;
    let built = match &args.programs {
        Some(directory) => ["raisd", "raisctl"].map(|program| directory.join(program)).to_vec(),
        None => cargo::build(&["--release", "--package", "rais"], &["raisd", "raisctl"])?,
    };
    let [raisd, raisctl] = <[_; 2]>::try_from(built).ok().context("two programs")?;
    let surroundings = Surroundings::now(&snmpd)?;
    println!("\n{}\n", surroundings.in_lines());
    let start = Instant::now();
    let lines = measure(args.rounds, &Programs { raisd, raisctl, snmpd })?;
    let calm = surroundings.since()?;
    println!("\n{}\n{calm}, {}", table(&lines), report::duration(start.elapsed()));
    println!(
        "{}",
        faint("not measured yet: version 3, and what polling does to failover times (`bench failover` is silent)")
    );
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&to_json(&lines, &surroundings, &calm, args.rounds))?;
        std::fs::write(path, text + "\n").with_context(|| format!("can not write {}", path.display()))?;
    }
    if args.write {
        let path = cargo::repository().join(PAGE);
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::fs::write(&path, page(&lines, &surroundings, &calm))?;
        println!("written to {PAGE}");
    }
    Ok(())
}

struct Programs {
    raisd: PathBuf,
    raisctl: PathBuf,
    snmpd: PathBuf,
}

/// Both agents at work. Fields are dropped in order: programs before the namespace they use.
struct Arena {
    ours: Process,
    theirs: Process,
    namespace: Namespace,
    _directory: tempfile::TempDir,
}

impl Arena {
    fn start(programs: &Programs, agent: bool) -> Result<Self> {
        let directory = directory()?;
        let keys = directory.path().join("keys");
        std::fs::create_dir(&keys)?;
        let signing = Signing::create(&keys)?;
        let namespace = Namespace::create("snmp")?;
        namespace.ip("link add lan type veth peer name far\nlink set lan up\nlink set far up\n")?;
        namespace.ip("link add churn type veth peer name churn-far\nlink set churn up\nlink set churn-far up\n")?;
        let bundle = signing.secret_bundle(&rais_toml(agent), COMMUNITY, directory.path(), &programs.raisctl)?;
        let path = |name: &str| directory.path().join(name);
        let mut command = namespace.command(&programs.raisd);
        command.arg("--config").arg(&bundle.directory).arg("--keyring").arg(&signing.keyring);
        command.arg("--state-dir").arg(path("state")).arg("--socket").arg(path("socket"));
        let ours = Process::start("raisd", command, &path("raisd.log"))?;
        std::fs::write(path("snmpd.conf"), format!("rocommunity {COMMUNITY}\n"))?;
        let mut command = namespace.command(&programs.snmpd);
        command.env("SNMP_PERSISTENT_DIR", directory.path()).args(["-f", "-Ln", "-C", "-c"]);
        command.arg(path("snmpd.conf")).arg("-p").arg(path("pid")).arg(format!("udp:0.0.0.0:{THEIRS}"));
        let theirs = Process::start("snmpd", command, &path("snmpd.log"))?;
        let mut arena = Self { ours, theirs, namespace, _directory: directory };
        wait_for("every address in the kernel", Duration::from_secs(60), || {
            arena.ours.check()?;
            arena.theirs.check()?;
            let shown = arena.namespace.run("ip", &["-o", "-4", "addr", "show", "dev", "lan"], "")?;
            Ok((shown.lines().count() > ROWS).then_some(()))
        })?;
        Ok(arena)
    }

    fn processor_time(process: &Process) -> Result<Duration> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", process.id()))? {
            let schedstat = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += schedstat.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).context("no schedstat")?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Processor time of one of the two while the client works, in microseconds, less what it spends in idleness.
    fn cost(&self, process: &Process, idle: f64, work: impl FnOnce() -> Result<usize> + Send) -> Result<f64> {
        let (since, before) = (Instant::now(), Self::processor_time(process)?);
        let units = self.namespace.inside(work)?;
        let (elapsed, after) = (since.elapsed(), Self::processor_time(process)?);
        Ok(((after - before).as_secs_f64() - idle * elapsed.as_secs_f64()).max(0.0) * 1e6 / units.max(1) as f64)
    }

    /// The share of a processor that it takes while nobody asks.
    fn idle(&self, process: &Process) -> Result<f64> {
        let (since, before) = (Instant::now(), Self::processor_time(process)?);
        pause(Duration::from_secs(3))?;
        Ok((Self::processor_time(process)? - before).as_secs_f64() / since.elapsed().as_secs_f64())
    }

    /// Memory that is nobody else's, in KiB.
    fn memory(process: &Process) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).context("no number")
    }
}

fn measure(rounds: u32, programs: &Programs) -> Result<Vec<Line>> {
    let new = |what, unit, target| Line { what, unit, ours: Vec::new(), theirs: Vec::new(), target };
    let mut gets = new("processor time of a GET", "µs", Target::Ratio(0.20));
    let mut walks = new("processor time of a walked row", "µs", Target::Ratio(0.30));
    let mut latency = new("sysUpTime, p99.9 while 5,000 addresses churn", "ms", Target::AtMost(5.0));
    // 2 MB, and 200 octets for each row.
    let limit = (2 << 20) as f64 / 1024.0 + 200.0 * ROWS as f64 / 1024.0;
    let mut memory = new("memory of the agent", "KiB", Target::AtMost(limit));

    let without = {
        let arena = Arena::start(programs, false)?;
        pause(Duration::from_secs(5))?;
        Arena::memory(&arena.ours)?
    };
    let arena = Arena::start(programs, true)?;
    pause(Duration::from_secs(5))?;
    let (idle_ours, idle_theirs) = (arena.idle(&arena.ours)?, arena.idle(&arena.theirs)?);
    for round in 1..=rounds {
        println!("    round {round} of {rounds}");
        for (port, process, idle, ours) in
            [(THEIRS, &arena.theirs, idle_theirs, false), (OURS, &arena.ours, idle_ours, true)]
        {
            let samples = |line: &mut Line, value| if ours { line.ours.push(value) } else { line.theirs.push(value) };
            let get = || Client::new(port, COMMUNITY)?.gets(SYS_UP_TIME, GETS);
            samples(&mut gets, arena.cost(process, idle, get)?);
            let walk = || {
                let rows = Client::new(port, COMMUNITY)?.walk(COLUMN, REPETITIONS)?;
                ensure!(rows >= ROWS, "{rows} rows were walked at port {port}");
                Ok(rows)
            };
            samples(&mut walks, arena.cost(process, idle, walk)?);
            samples(&mut latency, worst_answer(&arena.namespace, port)?);
        }
    }
    memory.ours.push(Arena::memory(&arena.ours)? - without);
    memory.theirs.push(Arena::memory(&arena.theirs)?);
    Ok(vec![gets, walks, latency, memory])
}

/// The 999th of a thousand answers to sysUpTime, in milliseconds, while addresses come and go and another client walks.
fn worst_answer(namespace: &Namespace, port: u16) -> Result<f64> {
    let over = AtomicBool::new(false);
    let times = std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for word in ["add", "del"] {
                    let lines = (0..CHURN).fold(String::new(), |mut lines, number| {
                        let _ =
                            writeln!(lines, "addr {word} 10.200.{}.{}/32 dev churn", number / 250, 1 + number % 250);
                        lines
                    });
                    namespace.ip(&lines)?;
                }
            }
            Ok(())
        });
        let walker = scope.spawn(|| {
            namespace.inside(|| {
                let client = Client::new(port, COMMUNITY)?;
                while !over.load(Ordering::Relaxed) {
                    // Its table changes under it: that it ends is the other tests' business.
                    let _ = client.walk(COLUMN, REPETITIONS);
                }
                Ok(())
            })
        });
        let times = namespace.inside(|| Client::new(port, COMMUNITY)?.response_times(SYS_UP_TIME, LATENCY));
        over.store(true, Ordering::Relaxed);
        let joined = [churn.join(), walker.join()];
        ensure!(joined.iter().all(Result::is_ok), "a thread of the bench panicked");
        joined.into_iter().flatten().collect::<Result<Vec<()>>>()?;
        times
    })?;
    snmp_client::per_mille(times, 999).context("no answer at all")
}

fn median(samples: &[f64]) -> Option<f64> {
    snmp_client::per_mille(samples.to_vec(), 500)
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        Some(median(&self.ours)? / median(&self.theirs)?)
    }

    fn met(&self) -> Option<bool> {
        Some(match self.target {
            Target::Ratio(ratio) => self.ratio()? <= ratio,
            Target::AtMost(limit) => self.ours.iter().all(|sample| *sample <= limit),
        })
    }

    fn cells(&self) -> [String; 5] {
        let number =
            |samples: &[f64]| median(samples).map_or_else(|| String::from("–"), |median| format!("{median:.2}"));
        [
            format!("{}, {}", self.what, self.unit),
            number(&self.theirs),
            number(&self.ours),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            match self.target {
                Target::Ratio(ratio) => format!("≤ {ratio} ×"),
                Target::AtMost(limit) => format!("≤ {limit:.0}"),
            },
        ]
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "open",
        }
    }
}

fn table(lines: &[Line]) -> String {
    let mut text = strong(&format!("{:<50}{:>10}{:>10}{:>7}{:>9}", "median", "snmpd", "ours", "ratio", "target"));
    for line in lines {
        let [what, theirs, ours, ratio, target] = line.cells();
        let verdict = if line.met() == Some(true) { good(line.verdict()) } else { bad(line.verdict()) };
        let _ = write!(text, "\n{what:<50}{theirs:>10}{ours:>10}{ratio:>7}{target:>9}  {verdict}");
    }
    text
}

fn page(lines: &[Line], surroundings: &Surroundings, calm: &str) -> String {
    let mut text = String::from(
        "# The agent beside Debian's snmpd\n\nMade by `cargo xtask bench snmp --write`. Both agents in one namespace, with \
         10,000 addresses in the kernel's table, asked the same by turns; the large table is ipAddressTable.\n\n\
         | | |\n| --- | --- |\n",
    );
    let _ = writeln!(text, "{}\n\n{calm}\n", surroundings.in_rows());
    text.push_str("| median | snmpd | ours | ratio | target | |\n| --- | --- | --- | --- | --- | --- |\n");
    for line in lines {
        let _ = writeln!(text, "| {} | {} |", line.cells().join(" | "), line.verdict());
    }
    text
}

fn to_json(lines: &[Line], surroundings: &Surroundings, calm: &str, rounds: u32) -> Value {
    let lines = lines.iter().map(|line| {
        let [_, _, _, _, target] = line.cells();
        json!({"what": line.what, "unit": line.unit, "snmpd": line.theirs, "ours": line.ours, "ratio": line.ratio(),
               "target": target, "verdict": line.verdict()})
    });
    json!({"surroundings": surroundings.facts(), "calm": calm, "rounds": rounds, "lines": lines.collect::<Vec<_>>()})
}

/// One box that holds every row by itself, with the agent or without.
fn rais_toml(agent: bool) -> String {
    let addresses = (0..ROWS).fold(String::new(), |mut list, number| {
        let _ = write!(list, "\"10.78.{}.{}\", ", number / 250, 1 + number % 250);
        list
    });
    let agent = match agent {
        true => format!("[snmp]\nlisten = [\"0.0.0.0:{OURS}\"]\n[[snmp.community]]\nfile = \"secrets/community\"\n"),
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
preferred_addresses = [{addresses}]
lease = "60s"
announce_every = "never"
keys = [{{ id = 1, file = "secrets/http.key" }}]
{agent}"#
    )
}
