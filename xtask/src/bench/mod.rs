//! `cargo xtask bench failover`: what a client loses when a box does, beside Debian's keepalived in the same hour, on the
//! same machine and in the same topology. `protocol.md` §10 says how an outage is measured honestly.
//!
//! A *scenario* does one kind of thing to a group a number of times and gives one *line* of the table or more. It is run
//! first by keepalived, then by ours. What a line must reach is written beside it, from the issue, and never changed by
//! what was measured.

mod arena;
mod events;
mod figures;
mod machine;
mod noise;
mod page;
mod progress;
mod scenarios;
mod snmp;
mod snmp_client;
mod standing;
mod subject;
mod table;
mod thousand;

use crate::lab::{self, Signing, remove_stale};
use crate::prerequisites::{self, Tool};
use crate::report::{self, strong};
use crate::{cargo, interrupt};
use anyhow::{Context, Result, bail, ensure};
use figures::{Figures, Outcome};
use progress::Progress;
use scenarios::{SCENARIOS, Scenario};
use std::path::PathBuf;
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

/// What every scenario is given.
#[derive(Debug)]
pub struct Kit {
    raisd: PathBuf,
    raisctl: PathBuf,
    keepalived: PathBuf,
    signing: Signing,
    rounds: u32,
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
    let kit = build(args.rounds, keys.path())?;
    let surroundings = machine::Surroundings::now(&kit.keepalived)?;
    println!("\n{}\n", surroundings.in_lines());

    let start = Instant::now();
    let mut figures = Figures::default();
    for (number, scenario) in chosen.iter().enumerate() {
        println!("{}", strong(&format!("[{}/{}] {}: {}", number + 1, chosen.len(), scenario.name, scenario.about)));
        for subject in [Subject::Keepalived, Subject::Ours] {
            if args.who.is_none_or(|who| who == subject) {
                figures.add(scenario, subject, measure(&kit, scenario, subject)?);
            }
        }
    }
    let calm = surroundings.since()?;
    println!("\n{}\n{}", table::text(&figures), calm);
    println!("{} in {}", figures.summary(), report::duration(start.elapsed()));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures.to_json(&surroundings, &calm, args.rounds))?;
        std::fs::write(path, text + "\n").with_context(|| format!("can not write {}", path.display()))?;
    }
    if args.write {
        let path = cargo::repository().join(PAGE);
        std::fs::create_dir_all(path.parent().context("no directory")?)?;
        std::fs::write(&path, page::text(&figures, &surroundings, &calm, args.rounds))?;
        println!("written to {PAGE}");
    }
    Ok(())
}

/// One subject's part of a scenario. That it can not be done is a result too; that we were interrupted is none.
fn measure(kit: &Kit, scenario: &Scenario, subject: Subject) -> Result<Outcome> {
    let mut progress = Progress::begin(&format!("    {:<12}", subject.name()));
    let outcome = match (scenario.run)(kit, subject, &mut progress) {
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

/// Builds what is measured, as it is released.
fn build(rounds: u32, keys: &std::path::Path) -> Result<Kit> {
    let built = cargo::build(&["--release", "--package", "rais"], &["raisd", "raisctl"])?;
    let [raisd, raisctl] = <[_; 2]>::try_from(built).ok().context("two programs")?;
    let keepalived = prerequisites::find(Tool::KEEPALIVED.program).context("no keepalived")?;
    Ok(Kit { raisd, raisctl, keepalived, signing: Signing::create(keys)?, rounds })
}
