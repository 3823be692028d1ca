//! `cargo xtask sim`: lives many seeded histories of whole groups, or tells one. The work is `rais-sim`'s; this builds
//! it optimised and hands the options on.

use anyhow::Context as _;
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
    /// How many at a time; default: one per processor.
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Go on after a broken promise, and list all.
    #[arg(long)]
    pub all: bool,
    /// Plant this bug in every box: the test of the tests, by hand. A wrong word lists them.
    #[arg(long)]
    pub mutation: Option<String>,
}

/// Runs it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--package", "rais-sim"]);
    if let Some(mutation) = &args.mutation {
        command.args(["--features", "mutations", "--", "--mutation", mutation]);
    } else {
        command.arg("--");
    }
    command.args(["--seeds", &args.seeds.to_string(), "--from", &args.from.to_string()]);
    if let Some(seed) = args.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(jobs) = args.jobs {
        command.args(["--jobs", &jobs.to_string()]);
    }
    if args.all {
        command.arg("--all");
    }
    let status = command.status().context("can not start cargo")?;
    anyhow::ensure!(status.success(), "a promise was broken");
    Ok(())
}
