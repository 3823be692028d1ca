//! The Debian packages an image is made of: pinned by hash, fetched once, unpacked without being installed.
//!
//! It deliberately does not install anything and does not know what the files in a package are for. Debian's mirrors
//! keep only the newest version of a package, so a lock that points to a vanished one falls back to the current
//! version, loudly: such an image is good, but not the same bytes as its commit's.

use crate::image::progress::{Progress, human, run};
use crate::prerequisites;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What `image/packages.lock` says of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locked {
    /// Its name.
    pub(crate) package: String,
    /// Its version.
    pub(crate) version: String,
    /// SHA-256 of the `.deb`, in hexadecimal.
    pub(crate) sha256: String,
    /// The package whose dependency names the current one, where the name itself changes from version to version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) follows: Option<String>,
}

/// The lock file: packages by what they are for.
pub(crate) type Lock = BTreeMap<String, Locked>;

/// A package's files on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    /// What it is; not what was locked if that version is gone.
    pub(crate) package: Locked,
    /// The directory its files were unpacked to.
    pub(crate) root: PathBuf,
}

/// Reads the lock file.
pub(crate) fn read_lock(path: &Path) -> Result<Lock> {
    let text = fs::read_to_string(path).with_context(|| format!("{} can not be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a lock file", path.display()))
}

/// Writes the lock file anew from what the mirror has now, and keeps the comment at its top.
pub(crate) fn update_lock(path: &Path, cache: &Path, progress: &Progress) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("{} can not be read", path.display()))?;
    let mut written: String =
        text.lines().take_while(|line| line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    for (role, locked) in read_lock(path)? {
        let current = progress.step("lock", || {
            let (current, _) = fetch_current(&locked, cache)?;
            let remark = format!("{} {}", current.package, current.version);
            Ok((current, remark))
        })?;
        write!(written, "\n[{role}]\n{}", toml::to_string(&current)?)?;
    }
    fs::write(path, written).with_context(|| format!("{} can not be written", path.display()))
}

/// Fetches and unpacks the package for `role`, or finds it in the cache.
pub(crate) fn obtain(lock: &Lock, role: &str, cache: &Path, progress: &Progress) -> Result<Unpacked> {
    let locked = lock.get(role).ok_or_else(|| anyhow!("image/packages.lock has no [{role}]"))?;
    progress.step("package", || {
        let (package, deb) = match fetch_locked(locked, cache) {
            Ok(deb) => (locked.clone(), deb),
            Err(error) => {
                progress.note(&format!("{} {}: {error:#}", locked.package, locked.version));
                progress.note("taking the current version: this image is not the bytes its commit stands for");
                fetch_current(locked, cache)?
            }
        };
        let root = unpack(&package, &deb, cache)?;
        let remark = format!("{} {} ({})", package.package, package.version, human(fs::metadata(&deb)?.len()));
        Ok((Unpacked { package, root }, remark))
    })
}

/// The `.deb` the lock names, from the cache or the mirror, with its hash checked.
fn fetch_locked(locked: &Locked, cache: &Path) -> Result<PathBuf> {
    let deb = deb_path(cache, &locked.package, &locked.version);
    if !deb.exists() {
        download(&format!("{}={}", locked.package, locked.version), &deb)?;
    }
    let found = sha256_of_file(&deb)?;
    if found != locked.sha256 {
        fs::remove_file(&deb)?;
        bail!("the package does not have the locked hash: found {found}, want {}", locked.sha256);
    }
    Ok(deb)
}

/// The version the mirror has now. Its hash was checked by apt against Debian's signed index.
fn fetch_current(locked: &Locked, cache: &Path) -> Result<(Locked, PathBuf)> {
    let name = match &locked.follows {
        Some(meta) => followed_package(meta)?,
        None => locked.package.clone(),
    };
    let shown = run(prerequisites::command("apt-cache").args(["--no-all-versions", "show", &name]))?;
    let version = field(&String::from_utf8_lossy(&shown), "Version")
        .ok_or_else(|| anyhow!("the mirror does not know {name}"))?
        .to_owned();
    let deb = deb_path(cache, &name, &version);
    if !deb.exists() {
        download(&format!("{name}={version}"), &deb)?;
    }
    let sha256 = sha256_of_file(&deb)?;
    Ok((Locked { package: name, version, sha256, follows: locked.follows.clone() }, deb))
}

/// The kernel a meta package stands for now: the first of its dependencies.
fn followed_package(meta: &str) -> Result<String> {
    let shown = run(prerequisites::command("apt-cache").args(["--no-all-versions", "show", meta]))?;
    let shown = String::from_utf8_lossy(&shown);
    field(&shown, "Depends")
        .and_then(|depends| depends.split([' ', ',']).next())
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("package {meta} has no dependency that could be the current kernel"))
}

/// The value of a field of a package's control paragraph.
fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Where a package is kept. Debian escapes the epoch's colon the same way.
fn deb_path(cache: &Path, package: &str, version: &str) -> PathBuf {
    cache.join("packages").join(format!("{package}_{}_amd64.deb", version.replace(':', "%3a")))
}

fn download(what: &str, deb: &Path) -> Result<()> {
    let directory = deb.parent().ok_or_else(|| anyhow!("no cache directory"))?;
    fs::create_dir_all(directory)?;
    let fetch = || {
        // As root, apt would drop to a user who may not be able to write here.
        run(prerequisites::command("apt-get")
            .args(["-q", "-o", "APT::Sandbox::User=root", "download", what])
            .current_dir(directory))
    };
    if fetch().is_err() {
        if nix::unistd::geteuid().is_root() {
            run(prerequisites::command("apt-get").args(["-q", "update"]))?;
        }
        fetch().context("the mirror does not have it (or apt's lists are old: apt-get update)")?;
    }
    if !deb.exists() {
        bail!("apt-get downloaded {what}, but not to {}", deb.display());
    }
    Ok(())
}

/// Unpacks into the cache, once per hash.
fn unpack(package: &Locked, deb: &Path, cache: &Path) -> Result<PathBuf> {
    let short = package.sha256.get(..12).unwrap_or(&package.sha256);
    let root = cache.join("unpacked").join(format!("{}-{short}", package.package));
    if !root.exists() {
        // A directory of its own until it is complete: an interrupted build leaves no half package behind.
        let partial = root.with_extension(format!("partial-{}", std::process::id()));
        fs::create_dir_all(&partial)?;
        run(prerequisites::command("dpkg-deb").arg("-x").arg(deb).arg(&partial))?;
        if fs::rename(&partial, &root).is_err() {
            fs::remove_dir_all(&partial)?;
        }
    }
    Ok(root)
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).with_context(|| format!("{} can not be read", path.display()))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_of_this_repository_names_every_package_the_build_asks_for() {
        let lock = read_lock(&crate::image::root_directory().join("image/packages.lock")).unwrap();
        for role in ["kernel-cloud", "kernel-full", "e2fsck", "grub-bios", "grub-efi"] {
            assert_eq!(lock[role].sha256.len(), 64, "{role}");
        }
    }

    #[test]
    fn the_first_dependency_of_a_meta_package_is_found() {
        let paragraph = "Package: linux-image-amd64\nDepends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)\nVersion: 1\n";
        assert_eq!(field(paragraph, "Depends"), Some("linux-image-6.1.0-56-amd64 (= 6.1.192-2)"));
        assert_eq!(field(paragraph, "Suggests"), None);
    }

    #[test]
    fn a_package_whose_bytes_changed_is_refused_and_thrown_away() {
        let cache = tempfile::tempdir().unwrap();
        let locked = Locked { package: "p".into(), version: "1".into(), sha256: "00".into(), follows: None };
        let deb = deb_path(cache.path(), "p", "1");
        fs::create_dir_all(deb.parent().unwrap()).unwrap();
        fs::write(&deb, "other bytes").unwrap();
        assert!(fetch_locked(&locked, cache.path()).is_err());
        assert!(!deb.exists());
    }
}
