//! The project's own programs, built as the image carries them: static, small, without a path of this machine in them.

use crate::image::progress::run;
use crate::image::root_directory;
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target whose C library links statically.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// PID 1.
    pub(crate) init: PathBuf,
    /// raisd and raisctl in one.
    pub(crate) rais: PathBuf,
}

/// Builds the programs.
///
/// # Errors
/// The compiler's messages, if it fails.
pub(crate) fn build() -> Result<Programs> {
    let root = root_directory();
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .ok_or_else(|| anyhow!("neither CARGO_HOME nor HOME is set"))?;
    // Paths end up in panic messages: with them the bytes would differ from one checkout to the next. Nothing unwinds, and
    // without symbols nobody could read a backtrace: the tables for both are a fifteenth of the program.
    let flags = format!(
        "-C target-feature=+crt-static -C force-unwind-tables=no --remap-path-prefix={}=rais --remap-path-prefix={}=cargo",
        root.display(),
        cargo_home.display()
    );
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .env("RUSTFLAGS", flags)
        .args(["build", "--locked", "--quiet", "--profile", "image", "--target", TARGET])
        .args(["--package", "rais", "--package", "rais-init", "--bin", "rais", "--bin", "rais-init"]);
    run(&mut cargo).context("building the programs of the image")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = |name: &str| built(&target, name);
    Ok(Programs { init: built("rais-init")?, rais: built("rais")? })
}

fn built(target: &Path, name: &str) -> Result<PathBuf> {
    let path = target.join(TARGET).join("image").join(name);
    if path.exists() { Ok(path) } else { Err(anyhow!("cargo did not build {}", path.display())) }
}
