//! Other people's Python packages that tests hold our work against, in an environment of their own below `target/`.
//!
//! It is made once for a list of exact versions and kept until the list changes. What pip is configured to ask is asked;
//! where that does not bring them, the caller is told so, because a machine without them can still run everything else.

use crate::cargo;
use crate::prerequisites::{self, Tool};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What it takes to make it: easysnmp is compiled, against the interpreter's and net-snmp's headers.
pub const TOOLS: &[Tool] = &[Tool::VIRTUALENV, Tool::PYTHON_CONFIG, Tool::NET_SNMP_CONFIG, Tool::GCC];

/// The packages, with what they stand on.
const PACKAGES: &str = "\
cffi==2.1.1
cryptography==50.0.2
easysnmp==0.2.6
pyasn1==0.6.5
pycparser==3.12
pysnmp==7.1.30
";
/// What builds easysnmp.
const BUILD_PACKAGES: &str = "setuptools==65.5.0\nwheel==0.38.4\n";
/// The headers are those of Debian's own interpreter, whichever one comes first on the search path.
const INTERPRETER: &str = "/usr/bin/python3";

/// The environment, or why there is none.
pub enum Environment {
    /// Its interpreter.
    Ready(PathBuf),
    /// The packages can not be had or built here; what pip said last.
    Unavailable(String),
}

/// The environment, made now if it is not there yet. [`TOOLS`] are.
pub fn ensure() -> Result<Environment> {
    let directory = cargo::repository().join("target/python");
    let (interpreter, list) = (directory.join("bin/python"), directory.join("packages.txt"));
    if interpreter.exists() && fs::read_to_string(&list).is_ok_and(|made| made == PACKAGES) {
        return Ok(Environment::Ready(interpreter));
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).context("an older environment is in the way")?;
    }
    let mut make = prerequisites::command("virtualenv");
    make.args(["--quiet", "--python", INTERPRETER]).arg(&directory);
    said(&mut make)?.map_err(anyhow::Error::msg)?;
    let wanted = directory.join("wanted.txt");
    fs::write(&wanted, PACKAGES)?;
    let build = directory.join("build.txt");
    fs::write(&build, BUILD_PACKAGES)?;
    let mut install = Command::new(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]);
    install.args(["--retries", "2", "--timeout", "20", "--requirement"]).arg(&wanted);
    // It holds for what pip takes to build a package, too.
    install.env("PIP_CONSTRAINT", &build);
    if let Err(complaint) = said(&mut install)? {
        eprintln!("{complaint}");
        return Ok(Environment::Unavailable(complaint.lines().last().unwrap_or_default().to_owned()));
    }
    fs::rename(wanted, list)?;
    Ok(Environment::Ready(interpreter))
}

/// Runs a command; `Err` is what it complained of.
fn said(command: &mut Command) -> Result<Result<(), String>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} does not start"))?;
    let complaint = [output.stdout, output.stderr].concat();
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(complaint) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_an_exact_version() {
        for line in PACKAGES.lines().chain(BUILD_PACKAGES.lines()) {
            let (name, version) = line.split_once("==").expect(line);
            assert!(!name.is_empty() && version.split('.').all(|part| part.parse::<u32>().is_ok()), "{line}");
        }
    }
}
