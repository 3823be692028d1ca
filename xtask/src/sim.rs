//! `cargo xtask sim`: lives many seeded histories of whole groups, or tells one. The work is `rais-sim`'s; this builds
//! it optimised and hands the options on.

use anyhow::Context as _;
use std::path::PathBuf;
use std::process::Command;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// How many histories.
    #[arg(long, default_value_t = 20_000)]
    pub seeds: u64,
    /// The first seed of many.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// Tell this one history, a line per event, instead of living many.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Tell a kept history: a file of tests/sim/histories, or one that was written by hand.
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub history: Option<PathBuf>,
    /// With --seed or --history: leave out faults as long as it breaks the same promise, and print the rest as a file
    /// for --history.
    #[arg(long)]
    pub shrink: bool,
    /// Only histories with this fault: powercut, freeze, partition, reload, upgrade … A wrong word lists them.
    #[arg(long, value_name = "FAULT")]
    pub only: Option<String>,
    /// How many at a time; default: one per processor.
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Go on after a broken promise, and list all.
    #[arg(long)]
    pub all: bool,
    /// Plant this bug in every box: the test of the tests, by hand. A wrong word lists them.
    #[arg(long)]
    pub mutation: Option<String>,
    /// Say the result as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--package", "rais-sim"]);
    if args.mutation.is_some() {
        command.args(["--features", "mutations"]);
    }
    command.arg("--").args(["--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]);
    if let Some(path) = &args.history {
        command.arg("--history").arg(path);
    }
    let words = [
        ("--seed", args.seed.map(|seed| seed.to_string())),
        ("--jobs", args.jobs.map(|jobs| jobs.to_string())),
        ("--only", args.only.clone()),
        ("--mutation", args.mutation.clone()),
    ];
    for (option, value) in words {
        command.args(value.map(|value| [String::from(option), value]).into_iter().flatten());
    }
    let flags = [("--shrink", args.shrink), ("--all", args.all), ("--json", args.json)];
    command.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    let status = command.status().context("can not start cargo")?;
    anyhow::ensure!(status.code() != Some(2), "nothing was simulated");
    anyhow::ensure!(status.success(), "a promise was broken");
    Ok(())
}
