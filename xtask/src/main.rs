//! The project's own commands: what a person or CI runs, from a bare clone.

mod bench;
mod cargo;
mod demo;
mod image;
mod integrations;
mod interrupt;
mod lab;
mod prerequisites;
mod python;
mod report;
mod sim;
mod test;
mod tidy;
mod up;
mod vm;
mod walk;

use clap::Parser;
use std::process::ExitCode;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build the appliance image: a flashable disk with kernel, root, loader and data partition.
    Image(image::Args),
    /// The main job: bring up three boxes and a client, and show them at work.
    Up(up::Args),
    /// Run every check: formatting, lints, unit, simulation, namespace and image tests, MIB lint.
    Test(test::Args),
    /// Run many seeded histories of whole groups, or replay one.
    Sim(sim::Args),
    /// Measure, beside who else does the same.
    Bench(bench::Args),
    /// Make what management systems need to know a box, from the MIB: `mib/integrations`.
    Integrations(integrations::Args),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Image(args) => image::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Integrations(args) => integrations::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<report::Late>() { ExitCode::from(report::Late::EXIT_CODE) } else { ExitCode::FAILURE }
        }
    }
}
