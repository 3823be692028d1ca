//! Histories that once broke a promise, kept as they happened: `tests/sim/histories/*.json`.
//!
//! The scenario itself is kept and not the seed it was drawn from: a seed means another history after every change of
//! the generator, and a history that was shrunk or written by hand never had one. What still depends on a number is the
//! network's luck, message by message; a change of the core that says one message more changes it. So what a history
//! taught is also told, where that can be done in a few lines, by a test of the core.

use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A kept history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// What it taught, in a sentence.
    pub taught: String,
    /// What happens.
    pub scenario: Scenario,
}

/// Where the kept ones are.
#[must_use]
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("histories")
}

/// Reads one.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn read(path: &Path) -> Result<History, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// It as it is kept.
#[must_use]
pub fn to_json(history: &History) -> String {
    serde_json::to_string_pretty(history).map_or_else(|error| error.to_string(), |text| text + "\n")
}

/// All kept ones, by path.
///
/// # Errors
/// What is wrong with the directory or a file, in words.
pub fn all() -> Result<Vec<(PathBuf, History)>, String> {
    let entries = std::fs::read_dir(directory()).map_err(|error| format!("{}: {error}", directory().display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.into_iter().map(|path| read(&path).map(|history| (path, history))).collect()
}
