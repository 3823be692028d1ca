//! Cargo, called from within cargo: where the repository is, and where what was built lies.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root.
pub fn repository() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The very cargo that runs us.
pub fn command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository());
    command
}

/// Builds binaries with cargo's own progress, and says where each lies.
pub fn build(arguments: &[&str], binaries: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command = command();
    command.arg("build").args(arguments).arg("--message-format=json-render-diagnostics");
    for binary in binaries {
        command.args(["--bin", binary]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    ensure!(output.status.success(), "cargo build failed");
    let messages = String::from_utf8_lossy(&output.stdout);
    let built: Vec<Artifact> = messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let find = |name: &&str| {
        let of_name = built.iter().filter(|artifact| artifact.target.name == **name);
        of_name
            .filter_map(|artifact| artifact.executable.clone())
            .next_back()
            .with_context(|| format!("cargo built no {name}"))
    };
    binaries.iter().map(find).collect()
}

/// What cargo says of something it built.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

/// What it was built from.
#[derive(Deserialize)]
struct Target {
    name: String,
}
