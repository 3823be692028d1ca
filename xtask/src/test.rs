//! `cargo xtask test`: every check there is, the cheap ones first, with a summary at the end.
//!
//! It knows how each check is started and how its success is told, nothing of what is checked. Its last line is
//! `N passed, N failed`, of stages.

use crate::prerequisites::{self, Tool};
use crate::report::{Late, bad, duration, faint, good, strong};
use crate::{cargo, image, integrations, interrupt, python, tidy, vm};
use anyhow::{Context, Result, bail, ensure};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Histories of the simulation; `--quick` runs a tenth.
const HISTORIES: u32 = 20_000;

/// Programs that the unit and integration tests hold our work against.
const TEST_TOOLS: &[Tool] = &[
    Tool::IP,
    Tool::SSH_KEYGEN,
    Tool::SNMPWALK,
    Tool::SNMPTRAPD,
    Tool::SMILINT,
    Tool::SNMP_GENERATOR,
    Tool::SNMPTT,
    Tool::NAMED_CHECKZONE,
    Tool::NSD_CHECKZONE,
    Tool::KZONECHECK,
];

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// Leave out the image's stages, and run a tenth of the simulated histories.
    #[arg(long)]
    quick: bool,
    /// Only this stage; may be given more than once.
    #[arg(long, value_name = "STAGE", value_parser = clap::builder::PossibleValuesParser::new(STAGES.map(|stage| stage.name)))]
    only: Vec<String>,
}

/// One stage.
#[derive(Clone, Copy)]
struct Stage {
    /// As `--only` takes it.
    name: &'static str,
    /// In words.
    what: &'static str,
    /// Debian's programs that it needs.
    tools: &'static [Tool],
    /// Does it.
    run: fn(&Args) -> Result<Outcome>,
}

/// How a stage ended, if not by an error.
enum Outcome {
    /// It passed; something worth saying about it, or nothing.
    Passed(String),
    /// It was not run, and why.
    NotRun(String),
}

/// Cheap failures first; what builds on the same artefacts stands together.
const STAGES: [Stage; 13] = [
    Stage { name: "house", what: "arrows, first lines, lengths, leftovers", tools: &[], run: house },
    Stage { name: "format", what: "rustfmt", tools: &[], run: format },
    Stage {
        name: "mib",
        what: "smilint says nothing, integrations are up to date",
        tools: integrations::TOOLS,
        run: mib,
    },
    Stage { name: "licences", what: "cargo-deny: licences, bans, sources", tools: &[], run: licences },
    Stage { name: "no-std", what: "the core links where there is no std", tools: &[], run: no_std },
    Stage { name: "lints", what: "clippy, every warning an error", tools: &[], run: lints },
    Stage { name: "tests", what: "unit and integration tests", tools: TEST_TOOLS, run: tests },
    Stage { name: "python", what: "pysnmp and easysnmp ask the agent", tools: &[], run: managers },
    Stage { name: "zabbix", what: "Zabbix imports its template", tools: &[], run: zabbix },
    Stage { name: "simulation", what: "seeded histories of whole groups", tools: &[], run: simulation },
    Stage { name: "namespaces", what: "the demo, boxes in namespaces", tools: crate::up::TOOLS, run: namespaces },
    Stage { name: "boot", what: "the image boots by BIOS, by UEFI, directly", tools: &vm::TOOLS, run: boot },
    Stage { name: "image", what: "the demo, the image in three VMs", tools: crate::up::TOOLS, run: boxes },
];

/// What `--quick` leaves out.
const SLOW: [&str; 3] = ["zabbix", "boot", "image"];

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    interrupt::catch()?;
    let chosen: Vec<&Stage> = STAGES
        .iter()
        .filter(|stage| args.only.is_empty() || args.only.iter().any(|name| name == stage.name))
        .filter(|stage| !(args.quick && args.only.is_empty() && SLOW.contains(&stage.name)))
        .collect();
    let tools: Vec<Tool> = chosen.iter().flat_map(|stage| stage.tools.iter().copied()).collect();
    prerequisites::ensure(&tools)?;

    let start = Instant::now();
    let mut results = Vec::new();
    for (number, stage) in chosen.iter().enumerate() {
        println!("\n{}", strong(&format!("[{}/{}] {}: {}", number + 1, chosen.len(), stage.name, stage.what)));
        let start = Instant::now();
        let result = (stage.run)(args);
        if let Err(error) = &result {
            println!("{error:#}");
        }
        results.push((*stage, result, start.elapsed()));
        interrupt::check()?;
    }
    summarise(&results, start.elapsed())
}

/// The closing table. Errs if a stage failed.
fn summarise(results: &[(&Stage, Result<Outcome>, Duration)], total: Duration) -> Result<()> {
    let (mut passed, mut failed) = (0, 0);
    println!("\n{}", strong(&format!("{:<12}{:<9}{:>10}", "stage", "result", "time")));
    for (stage, result, time) in results {
        let (verdict, detail) = match result {
            Ok(Outcome::Passed(detail)) => {
                passed += 1;
                (good("passed "), detail.clone())
            }
            Ok(Outcome::NotRun(why)) => (faint("not run"), why.clone()),
            Err(error) => {
                failed += 1;
                // The rest stands where it happened.
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                (bad("FAILED "), first)
            }
        };
        println!("{:<12}{verdict}  {:>10}  {detail}", stage.name, duration(*time));
    }
    println!("{:<21}{:>10}", "", duration(total));
    println!("{passed} passed, {failed} failed");
    // The last line stands; an error of ours would only follow it.
    if failed > 0 {
        std::process::exit(1);
    }
    ensure!(passed > 0, "nothing was run");
    Ok(())
}

fn house(_: &Args) -> Result<Outcome> {
    Ok(Outcome::Passed(format!("{} files", tidy::run()?)))
}

fn format(_: &Args) -> Result<Outcome> {
    run_command(cargo::command().args(["fmt", "--all", "--check"]))
}

/// smilint tells its findings on standard error and succeeds whatever it finds.
fn mib(_: &Args) -> Result<Outcome> {
    let directory = cargo::repository().join("mib");
    let output = prerequisites::command("smilint")
        .args(["-l", "6"])
        .arg(directory.join("RAIS-MIB.txt"))
        .env("SMIPATH", format!("{0}:{0}/base", directory.display()))
        .stdin(Stdio::null())
        .output()
        .context("smilint does not start")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success() && said.is_empty(), "smilint:\n{}", String::from_utf8_lossy(&said).trim());
    run_command(ourselves()?.args(["integrations", "--check"]))
}

/// Building cargo-deny takes minutes, so it is run where it is installed.
fn licences(_: &Args) -> Result<Outcome> {
    if !has_subcommand("deny") {
        return Ok(Outcome::NotRun(String::from("cargo-deny is not installed: cargo install cargo-deny")));
    }
    run_command(cargo::command().args(["deny", "check", "bans", "licenses", "sources"]))
}

fn no_std(_: &Args) -> Result<Outcome> {
    run_command(cargo::command().args(["build", "--package", "rais-core-no-std", "--profile", "no-std"]))
}

fn lints(_: &Args) -> Result<Outcome> {
    // The fuzzers' programs too: they link only with a compiler of their own, but they are read by this one.
    let all = ["clippy", "--all-targets", "--features", "rais-fuzz/fuzzers", "--", "-D", "warnings"];
    run_command(cargo::command().args(all))
}

fn tests(_: &Args) -> Result<Outcome> {
    if has_subcommand("nextest") {
        run_command(cargo::command().args(["nextest", "run", "--no-fail-fast"]))?;
        run_command(cargo::command().args(["test", "--doc"]))
    } else {
        run_command(cargo::command().args(["test", "--no-fail-fast"]))
    }
}

/// Packages of Python's world are not Debian's, and easysnmp wants a compiler: where they can not be had, the rest is run.
fn managers(_: &Args) -> Result<Outcome> {
    if let Err(why) = prerequisites::ensure(python::TOOLS) {
        return Ok(Outcome::NotRun(format!("{why:#}")));
    }
    let interpreter = match python::ensure()? {
        python::Environment::Ready(interpreter) => interpreter,
        python::Environment::Unavailable(why) => {
            return Ok(Outcome::NotRun(format!("Python packages can not be had: {why}")));
        }
    };
    let mut test = cargo::command();
    test.args(["test", "--package", "rais", "--test", "snmp", "--", "--ignored", "python_clients"]);
    run_command(test.env("RAIS_PYTHON", interpreter))?;
    Ok(Outcome::Passed(String::from("version 2c, SHA-256/AES-128, SHA-512/AES-256")))
}

/// The real thing, with a database of its own, which does not run as whoever asks: only root can start it. Its packages
/// start servers, so they are installed only for who asks for this stage by name.
fn zabbix(args: &Args) -> Result<Outcome> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Outcome::NotRun(String::from("only root can start a database as another user")));
    }
    if args.only.is_empty() && integrations::ZABBIX_TOOLS.iter().any(|tool| prerequisites::find(tool.program).is_none())
    {
        return Ok(Outcome::NotRun(String::from("Zabbix is not here: `cargo xtask test --only zabbix` installs it")));
    }
    if let Err(why) = prerequisites::ensure(integrations::ZABBIX_TOOLS) {
        return Ok(Outcome::NotRun(format!("{why:#}")));
    }
    Ok(Outcome::Passed(integrations::import_into_zabbix()?))
}

fn simulation(args: &Args) -> Result<Outcome> {
    let histories = if args.quick { HISTORIES / 10 } else { HISTORIES };
    let histories = histories.to_string();
    run_command(ourselves()?.args(["sim", "--seeds", &histories]))?;
    // The test of the tests: each planted bug must break a promise.
    let planted = ["test", "--release", "-p", "rais-sim", "--features", "mutations", "--test", "mutations"];
    run_command(cargo::command().args(planted))?;
    Ok(Outcome::Passed(format!("{histories} histories, planted bugs caught")))
}

fn namespaces(_: &Args) -> Result<Outcome> {
    demo(&["up", "--demo", "--netns"])
}

/// The image as it is published, with real hardware's kernel.
fn boot(_: &Args) -> Result<Outcome> {
    let image = image::build(&image::Request {
        kernel: image::Kernel::Full,
        config: None,
        keyring: None,
        out: cargo::repository().join("target/image"),
        publish: true,
        quiet: false,
    })?;
    image::smoke_test(&image)?;
    Ok(Outcome::Passed(String::from("each also after a power cut")))
}

fn boxes(_: &Args) -> Result<Outcome> {
    demo(&["up", "--demo"])
}

/// A demo in which everything came about, but not in time, is played once more: its bounds are on the wall's clock, and
/// the machine may have been busy. What did not come about fails at once.
fn demo(arguments: &[&str]) -> Result<Outcome> {
    let status = ourselves()?.args(arguments).stdin(Stdio::null()).status()?;
    if status.code() != Some(i32::from(Late::EXIT_CODE)) {
        ensure!(status.success(), "`{}` ended with {status}", arguments.join(" "));
        return Ok(Outcome::Passed(String::new()));
    }
    println!("\nOnly times were missed: once more.");
    run_command(ourselves()?.args(arguments))?;
    Ok(Outcome::Passed(String::from("the second time; the first was late")))
}

/// Another xtask, with a process of its own for whatever a stage does to itself.
fn ourselves() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.current_dir(cargo::repository());
    Ok(command)
}

/// Runs a command whose output is its progress.
fn run_command(command: &mut Command) -> Result<Outcome> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{command:?} does not start"))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`{}` ended with {status}", arguments.join(" "));
    }
    Ok(Outcome::Passed(String::new()))
}

/// Cargo has this subcommand.
fn has_subcommand(name: &str) -> bool {
    prerequisites::find(&format!("cargo-{name}")).is_some()
}
