//! `cargo xtask integrations`: what management systems need to know a box, made from RAIS-MIB by machine, so that it is
//! right when the MIB changes. With `--check` nothing is written, and a file that is not as it would be made is an error.

mod format;
mod grafana;
mod librenms;
mod mib;
mod snmptt;
mod yaml;
mod zabbix;
mod zabbix_server;

use crate::cargo;
use crate::prerequisites::{self, Tool};
use anyhow::{Context, Result, bail, ensure};
use mib::Mib;
use std::path::Path;
use std::process::{Command, Stdio};

/// What makes and judges them.
pub const TOOLS: &[Tool] = &[Tool::SMILINT, Tool::SNMP_GENERATOR, Tool::PROMTOOL];
/// The Zabbix that they are tried in.
pub const ZABBIX_TOOLS: &[Tool] = zabbix_server::TOOLS;
/// Where they are, below the repository.
const DIRECTORY: &str = "mib/integrations";

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a file is not as it would be made.
    #[arg(long)]
    check: bool,
    /// Import the template into a real Zabbix too: Debian's packages of it, as root; half a minute.
    #[arg(long)]
    zabbix: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Result<()> {
    prerequisites::ensure(TOOLS)?;
    let directory = cargo::repository().join(DIRECTORY);
    let mut stale = Vec::new();
    let made = make(&directory)?;
    for (path, content) in &made {
        let file = directory.join(path);
        if std::fs::read_to_string(&file).is_ok_and(|present| present == *content) {
            continue;
        }
        stale.push(*path);
        if !args.check {
            std::fs::create_dir_all(file.parent().context("no directory")?)?;
            std::fs::write(&file, content).with_context(|| format!("can not write {}", file.display()))?;
        }
    }
    ensure!(stale.is_empty() || !args.check, "not up to date: {}; run `cargo xtask integrations`", stale.join(", "));
    metrics_exist(&directory)?;
    // Run where they are: the test names the rules by their path.
    for check in [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]] {
        said(prerequisites::command("promtool").args(check).current_dir(directory.join("prometheus")))?;
    }
    if args.zabbix {
        prerequisites::ensure(ZABBIX_TOOLS)?;
        println!("{}", import_into_zabbix()?);
    }
    println!("{} files made, {} of them anew; alert rules pass their tests", made.len(), stale.len());
    Ok(())
}

/// Has Debian's Zabbix import its template, and says what came of it.
pub fn import_into_zabbix() -> Result<String> {
    let template = std::fs::read_to_string(cargo::repository().join(DIRECTORY).join("zabbix/rais-6.0.yaml"))?;
    let imported = zabbix_server::import(&template)?;
    ensure!(imported.items > 0 && imported.rules > 0 && imported.prototypes > 0, "{imported:?}");
    let zabbix_server::Imported { items, rules, prototypes } = imported;
    Ok(format!("Zabbix 6.0 has imported {items} items, {rules} rules, {prototypes} prototypes"))
}

/// Every file that is made, by its path below the directory.
fn make(directory: &Path) -> Result<Vec<(&'static str, String)>> {
    let mib = Mib::load()?;
    Ok(vec![
        ("prometheus/snmp.yml", exporter_module(directory)?),
        ("grafana/rais.json", grafana::dashboard()?),
        ("zabbix/rais-6.0.yaml", zabbix::template(&mib, zabbix::Generation::Six)?),
        ("zabbix/rais-7.0.yaml", zabbix::template(&mib, zabbix::Generation::Seven)?),
        ("librenms/os_detection/rais.yaml", librenms::definition()?),
        ("librenms/os_discovery/rais.yaml", librenms::discovery(&mib)?),
        ("snmptt/rais.conf", snmptt::configuration(&mib)),
    ])
}

/// What Debian's generator makes of `generator.yml`.
fn exporter_module(directory: &Path) -> Result<String> {
    let work = tempfile::tempdir()?;
    std::fs::copy(directory.join("prometheus/generator.yml"), work.path().join("generator.yml"))?;
    let mib = cargo::repository().join("mib");
    let mut command = prerequisites::command("prometheus-snmp-generator");
    command.args(["--fail-on-parse-errors", "generate", "--output-path", "snmp.yml"]).current_dir(work.path());
    // Nothing of the machine's own modules or configuration: everybody's run gives the same.
    command.env("MIBDIRS", format!("{0}:{0}/base", mib.display())).env("MIBS", "ALL");
    command.env("SNMPCONFPATH", work.path()).env("SNMP_PERSISTENT_DIR", work.path());
    said(&mut command)?;
    std::fs::read_to_string(work.path().join("snmp.yml")).context("the generator wrote nothing")
}

/// Every metric that the dashboard and the rules name is one that the exporter makes.
fn metrics_exist(directory: &Path) -> Result<()> {
    let module = std::fs::read_to_string(directory.join("prometheus/snmp.yml"))?;
    let known: Vec<&str> = module.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
    let labels: Vec<&str> = module.lines().filter_map(|line| line.trim().strip_prefix("- labelname: ")).collect();
    for file in ["grafana/rais.json", "prometheus/rules.yml", "prometheus/rules_test.yml"] {
        let text = std::fs::read_to_string(directory.join(file))?;
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let metric =
                word.strip_prefix("rais").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
            if metric && !known.contains(&word) && !labels.contains(&word) {
                bail!("{file} names {word}, which snmp_exporter does not make");
            }
        }
    }
    Ok(())
}

/// Runs a command; what it says is shown only if it fails.
fn said(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} does not start"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{:?}:\n{}", command.get_program(), String::from_utf8_lossy(&said).trim());
    Ok(())
}
