//! Where and when it was measured: without that a figure is a rumour.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// More than this share of the processors busy with others spoils the figures.
const BUSY: f64 = 0.25;

/// The machine and the day.
#[derive(Debug)]
pub struct Surroundings {
    date: String,
    processor: String,
    processors: usize,
    memory_gb: f64,
    kernel: String,
    keepalived: String,
    revision: String,
    load: f64,
    begun: Instant,
}

impl Surroundings {
    /// As they are now.
    pub fn now(peer: &Path) -> Result<Self> {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
        let models = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let meminfo = std::fs::read_to_string("/proc/meminfo")?;
        let kib = meminfo.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0);
        let mut version = Command::new(peer);
        // keepalived says so on standard error, snmpd behind an empty line.
        let said_so = version.arg("--version").output().context("the peer does not start")?;
        let said_so = [said_so.stderr, said_so.stdout].concat();
        let version =
            String::from_utf8_lossy(&said_so).lines().find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        let mut revision = Command::new("git");
        revision.args(["describe", "--always", "--dirty"]).current_dir(crate::cargo::repository());
        Ok(Self {
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?,
            processor: models.map(|(_, model)| model.to_owned()).next().unwrap_or_default(),
            processors: std::thread::available_parallelism()?.get(),
            memory_gb: kib * 1024.0 / 1e9,
            kernel: said(Command::new("uname").arg("-r"))?,
            keepalived: version,
            // A tarball has none.
            revision: said(&mut revision).unwrap_or_default(),
            load: load()?,
            begun: Instant::now(),
        })
    }

    /// Name and value of each fact.
    fn list(&self) -> [(&'static str, String); 6] {
        [
            ("date", self.date.clone()),
            ("processor", format!("{} × {}", self.processors, self.processor)),
            ("memory", format!("{:.0} GB", self.memory_gb)),
            ("kernel", format!("Linux {}", self.kernel)),
            ("peer", self.keepalived.clone()),
            ("revision", self.revision.clone()),
        ]
    }

    /// For a terminal.
    pub fn in_lines(&self) -> String {
        self.list().map(|(name, value)| format!("    {name:<12}{value}")).join("\n")
    }

    /// For a page.
    pub fn in_rows(&self) -> String {
        self.list().map(|(name, value)| format!("| {name} | {value} |")).join("\n")
    }

    /// For a program.
    pub fn facts(&self) -> Value {
        self.list().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }

    /// Whether the machine was quiet meanwhile: the load before, and a warning if others were at work.
    pub fn since(&self) -> Result<String> {
        let busy = self.load / self.processors as f64 > BUSY;
        let warning = if busy { ": NOT a quiet machine, the figures are spoiled" } else { "" };
        Ok(format!(
            "load average {:.1} before and {:.1} after {:.0} minutes, {} processors{warning}",
            self.load,
            load()?,
            self.begun.elapsed().as_secs_f64() / 60.0,
            self.processors
        ))
    }
}

/// The load average of the last minute.
fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    text.split_whitespace().next().and_then(|load| load.parse().ok()).context("no load average")
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
