//! `cargo xtask bench failover`: what a client loses when a box does, beside Debian's keepalived in the same hour, on the
//! same machine and in the same topology. `protocol.md` §10 says how an outage is measured honestly.
//!
//! A *scenario* does one kind of thing to a group a number of times and gives one *line* of the table or more. keepalived
//! and ours do it side by side where both bear it (`lanes`), and one after the other else. What a line must reach is
//! written beside it, from the issue, and never changed by what was measured.

mod arena;
mod events;
mod figures;
mod lanes;
mod machine;
mod noise;
mod page;
mod progress;
mod scenarios;
mod snmp;
mod standing;
mod subject;
mod table;
mod thousand;

use crate::lab::{self, Signing, remove_stale};
use crate::prerequisites::{self, Tool};
use crate::report;
use crate::{cargo, image, interrupt};
use anyhow::{Context, Result, bail, ensure};
use figures::{Figures, Outcome};
use lanes::{Job, Turns};
use progress::{Display, Progress};
use scenarios::{SCENARIOS, Scenario};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use subject::Subject;

/// Debian's programs that it needs.
const TOOLS: &[Tool] = &[Tool::IP, Tool::SYSCTL, Tool::NFT, Tool::SSH_KEYGEN, Tool::KEEPALIVED];
/// Where `--write` puts the page.
const PAGE: &str = "docs/failover.md";

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(clap::Subcommand)]
enum What {
    /// Outages, false takeovers, wire and processor, beside Debian's keepalived in the same run.
    Failover(Failover),
    /// The agent's processor time, response times and memory, beside Debian's snmpd in the same run.
    Snmp(snmp::Snmp),
}

/// Options of `bench failover`.
#[derive(clap::Args)]
struct Failover {
    /// How often each event happens; where the issue wants more or fewer, in proportion.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Only this scenario, or all whose names begin so; may be given more than once. `--list` names them.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Leave the other out: only `ours`, or only `keepalived`.
    #[arg(long, value_enum, value_name = "WHO")]
    who: Option<Subject>,
    /// How many scenarios are measured at a time, of those that bear company; 1: one after the other.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    lanes: u32,
    /// The raisd and raisctl in this directory, instead of building what is released: to try the benchmark itself.
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    programs: Option<PathBuf>,
    /// Name the scenarios, and what each must reach.
    #[arg(long)]
    list: bool,
    /// Write every single figure to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table to docs/failover.md.
    #[arg(long)]
    write: bool,
}

/// How it was measured, as far as one may choose.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// Of each event.
    rounds: u32,
    /// How many scenarios at a time.
    lanes: u32,
}

/// What every scenario is given.
#[derive(Debug)]
pub struct Kit {
    raisd: PathBuf,
    raisctl: PathBuf,
    keepalived: PathBuf,
    signing: Signing,
    rounds: u32,
    turns: Arc<Turns>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    let args = match &args.what {
        What::Failover(args) => args,
        What::Snmp(args) => return snmp::run(args),
    };
    let chosen = choose(&args.only)?;
    if args.list {
        chosen.iter().for_each(|scenario| println!("{:<20}{}", scenario.name, scenario.about));
        return Ok(());
    }
    ensure!(nix::unistd::geteuid().is_root(), "root is needed for network namespaces: run it with sudo");
    ensure!(!args.write || (args.only.is_empty() && args.who.is_none()), "a page has all scenarios: --write alone");
    interrupt::catch()?;
    prerequisites::ensure(TOOLS)?;
    remove_stale()?;
    lab::go_first();
    // Keys of this run alone.
    let keys = lab::directory()?;
    let kit = kit(args, keys.path())?;
    let surroundings = machine::Surroundings::now(&kit.keepalived)?;
    println!("\n{}\n", surroundings.in_lines());

    let start = Instant::now();
    let jobs: Vec<Job> = chosen
        .into_iter()
        .flat_map(|scenario| [Subject::Keepalived, Subject::Ours].map(|subject| Job { scenario, subject }))
        .filter(|job| args.who.is_none_or(|who| who == job.subject))
        .collect();
    let display = Display::new(jobs.len());
    let outcomes = lanes::run(&jobs, args.lanes as usize, &display, |job, progress| measure(&kit, job, progress))?;
    let mut figures = Figures::default();
    for (job, outcome) in jobs.iter().zip(outcomes) {
        figures.add(job.scenario, job.subject, outcome);
    }
    let conduct = Conduct { rounds: args.rounds, lanes: args.lanes };
    let calm = surroundings.since()?;
    println!("\n{}\n{}", table::text(&figures), calm);
    println!("{} in {}", figures.summary(), report::duration(start.elapsed()));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures.to_json(&surroundings, &calm, conduct))?;
        std::fs::write(path, text + "\n").with_context(|| format!("can not write {}", path.display()))?;
    }
    if args.write {
        let path = cargo::repository().join(PAGE);
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::fs::write(&path, page::text(&figures, &surroundings, &calm, conduct))?;
        println!("written to {PAGE}");
    }
    Ok(())
}

/// One subject's part of a scenario. That it can not be done is a result too; that we were interrupted is none.
fn measure(kit: &Kit, job: &Job, progress: &mut Progress) -> Result<Outcome> {
    let scenario = job.scenario;
    let outcome = match (scenario.run)(kit, job.subject, progress) {
        Ok(outcome) => outcome,
        Err(error) => {
            interrupt::check()?;
            Outcome::failed(&error)
        }
    };
    ensure!(
        outcome.lines.len() == scenario.lines.len() || outcome.error.is_some(),
        "{} gave {} figures, not {}",
        scenario.name,
        outcome.lines.len(),
        scenario.lines.len()
    );
    progress.end(&table::in_short(scenario, &outcome));
    Ok(outcome)
}

fn choose(only: &[String]) -> Result<Vec<&'static Scenario>> {
    for name in only {
        if !SCENARIOS.iter().any(|scenario| scenario.name.starts_with(name.as_str())) {
            let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("no scenario begins with {name:?}; there are {}", names.join(", "));
        }
    }
    let wanted =
        |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| scenario.name.starts_with(name.as_str()));
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

/// What is measured, by its two names in `names`: the program as boxes carry it, unless it is somewhere already.
fn programs(already: Option<&Path>, names: &Path) -> Result<[PathBuf; 2]> {
    let both = ["raisd", "raisctl"];
    if let Some(directory) = already {
        return Ok(both.map(|name| directory.join(name)));
    }
    println!("building raisd as boxes carry it: a minute or two");
    let rais = image::programs::build()?.rais;
    let links = both.map(|name| names.join(name));
    for link in &links {
        symlink(&rais, link).with_context(|| format!("can not make {}", link.display()))?;
    }
    Ok(links)
}

/// What is measured, and by what.
fn kit(args: &Failover, keys: &Path) -> Result<Kit> {
    let [raisd, raisctl] = programs(args.programs.as_deref(), keys)?;
    let keepalived = prerequisites::find(Tool::KEEPALIVED.program).context("no keepalived")?;
    let signing = Signing::create(keys)?;
    Ok(Kit { raisd, raisctl, keepalived, signing, rounds: args.rounds, turns: Arc::default() })
}
