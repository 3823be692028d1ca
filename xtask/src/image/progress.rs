//! One line per finished step with its time, on standard error. It knows nothing about what the steps do.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Prints what was done and how long it took, step by step.
#[derive(Debug)]
pub(crate) struct Progress {
    quiet: bool,
    started: Instant,
}

impl Progress {
    /// Progress that prints, or does not.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, started: Instant::now() }
    }

    /// Runs one step; `work` returns what it made and a remark for the line.
    pub(crate) fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
        let begun = Instant::now();
        let (made, remark) = work().with_context(|| format!("step {name:?}"))?;
        if !self.quiet {
            eprintln!("  {name:<10} {:>6.1} s  {remark}", begun.elapsed().as_secs_f32());
        }
        Ok(made)
    }

    /// A line that is no step.
    pub(crate) fn note(&self, text: &str) {
        eprintln!("  note       {text}");
    }

    /// The closing line.
    pub(crate) fn finish(&self, text: &str) {
        if !self.quiet {
            eprintln!("  done       {:>6.1} s  {text}", self.started.elapsed().as_secs_f32());
        }
    }
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// It did not start, or failed: the message then has what it printed.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("{name} does not start"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        bail!("{name} failed ({}): {}{}", output.status, stdout.trim(), stderr.trim());
    }
    Ok(output.stdout)
}

/// Bytes for people: "15.2 MB".
pub(crate) fn human(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
