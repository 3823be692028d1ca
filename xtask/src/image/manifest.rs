//! What an image is made of, for people and for tools: hashes, sizes, packages, crates.

use crate::image::disk;
use crate::image::gpt::SECTOR;
use crate::image::packages::{Unpacked, sha256_of_file};
use crate::image::{Kernel, root_directory};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The manifest: `files` are the published ones, `parts` what they were made of.
pub(crate) fn describe(
    version: &str,
    kernel: Kernel,
    time: u32,
    files: &[&Path],
    parts: &[&Path],
    packages: &[&Unpacked],
) -> Result<Value> {
    let partitions = disk::layout()
        .into_iter()
        .map(|partition| {
            json!({
                "name": partition.name,
                "type": partition.kind.to_string(),
                "uuid": partition.guid.to_string(),
                "offset": partition.first * SECTOR,
                "size": partition.sectors * SECTOR,
            })
        })
        .collect::<Vec<_>>();
    let packages = packages.iter().map(|unpacked| {
        json!({
            "name": unpacked.package.package,
            "version": unpacked.package.version,
            "sha256": unpacked.package.sha256,
        })
    });
    Ok(json!({
        "version": version,
        "kernel": kernel.as_str(),
        "source_date_epoch": time,
        "files": describe_files(files)?,
        "parts": describe_files(parts)?,
        "partitions": partitions,
        "packages": packages.collect::<Vec<_>>(),
        "crates": crates()?,
    }))
}

fn describe_files(paths: &[&Path]) -> Result<Vec<Value>> {
    paths
        .iter()
        .map(|path| {
            Ok(json!({
                "name": path.file_name().unwrap_or_default().to_string_lossy(),
                "size": fs::metadata(path).with_context(|| format!("{}", path.display()))?.len(),
                "sha256": sha256_of_file(path)?,
            }))
        })
        .collect()
}

/// The crates of the lock file. It names more than the image's programs link: those of the tests and of xtask as well.
fn crates() -> Result<Value> {
    let text = fs::read_to_string(root_directory().join("Cargo.lock"))?;
    let lock: toml::Table = toml::from_str(&text).context("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(packages
        .iter()
        .filter(|package| package.get("checksum").is_some())
        .map(|package| {
            let text = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            json!({ "name": text("name"), "version": text("version"), "sha256": text("checksum") })
        })
        .collect())
}
