//! The data partition: an ext4 file system with the configuration of one box, made without mounting anything.
//!
//! ```text
//! config/active      the number of the active generation, and nothing else
//! config/gen/<n>/    one directory per generation: a signed bundle
//! state/             raisd's own
//! ```
//! A new generation is staged beside the others and `active` is replaced last (A-22).

use crate::image::gpt::Guid;
use crate::image::progress::run;
use crate::prerequisites;
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes an ext4 file system of `mib` MiB to `to`, with `bundle` as its active generation if there is one.
pub(crate) fn build(bundle: Option<&Path>, to: &Path, mib: u64, time: u32) -> Result<()> {
    fs::File::create(to)?.set_len(mib << 20)?;
    let (uuid, seed) = (Guid::from_name("data-file-system"), Guid::from_name("data-hash-seed"));
    run(prerequisites::command("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-L", "rais-data", "-U", &uuid.to_string(), "-E"])
        .arg(format!("hash_seed={seed},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"))
        .arg(to)
        .env("E2FSPROGS_FAKE_TIME", time.to_string()))?;
    let work = tempfile::tempdir()?;
    let mut script = String::from("mkdir config\nmkdir config/gen\nmkdir state\nsif state mode 040700\n");
    if let Some(bundle) = bundle {
        let generation = generation(bundle)?;
        let active = work.path().join("active");
        fs::write(&active, format!("{generation}\n"))?;
        script += &format!("write \"{}\" config/active\n", active.display());
        copy_tree(bundle, &format!("config/gen/{generation}"), &mut script)?;
    }
    let commands = work.path().join("commands");
    fs::write(&commands, script)?;
    debugfs(&commands, to, time)
}

/// The generation number of a bundle, from its manifest.
pub(crate) fn generation(bundle: &Path) -> Result<u64> {
    let path = bundle.join("manifest.toml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} can not be read: is this a configuration bundle?", path.display()))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    manifest
        .get("generation")
        .and_then(toml::Value::as_integer)
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| anyhow!("{} has no generation", path.display()))
}

/// Adds the commands that copy a directory, sorted, with the modes of its files.
fn copy_tree(from: &Path, to: &str, script: &mut String) -> Result<()> {
    *script += &format!("mkdir \"{to}\"\n");
    let mut entries = fs::read_dir(from)
        .with_context(|| format!("{} can not be read", from.display()))?
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))?;
        let target = format!("{to}/{name}");
        if path.display().to_string().contains(['"', '\n']) || target.contains(['"', '\n']) {
            bail!("{}: a name with a quote or a line break can not be copied", path.display());
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&path, &target, script)?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.permissions().mode() & 0o777;
            *script += &format!("write \"{}\" \"{target}\"\n", path.display());
            *script += &format!("sif \"{target}\" mode 0100{mode:03o}\n");
        } else {
            bail!("{} is neither a file nor a directory", path.display());
        }
    }
    Ok(())
}

/// Runs debugfs, which tells of failures only by what it prints.
fn debugfs(commands: &Path, image: &Path, time: u32) -> Result<()> {
    let output = prerequisites::command("debugfs")
        .args(["-w", "-f"])
        .arg(commands)
        .arg(image)
        .env("E2FSPROGS_FAKE_TIME", time.to_string())
        .env("LC_ALL", "C")
        .output()
        .context("debugfs does not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors = errors.lines().filter(|line| !line.starts_with("debugfs ")).collect::<Vec<_>>();
    if !output.status.success() || !errors.is_empty() {
        bail!("debugfs failed: {}", errors.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> tempfile::TempDir {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("manifest.toml"), "schema = 1\ngeneration = 7\n").unwrap();
        fs::create_dir(bundle.path().join("secrets")).unwrap();
        let secret = bundle.path().join("secrets/group.key");
        fs::write(&secret, "00").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        bundle
    }

    fn debugfs_says(image: &Path, command: &str) -> String {
        let output = prerequisites::command("debugfs").args(["-R", command]).arg(image).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_bundle_becomes_the_active_generation_and_secrets_stay_secret() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("data.img");
        build(Some(bundle().path()), &image, 16, 1_700_000_000).unwrap();
        assert_eq!(debugfs_says(&image, "cat config/active"), "7\n");
        let stat = debugfs_says(&image, "stat config/gen/7/secrets/group.key");
        assert!(stat.contains("Mode:  0600"), "{stat}");
        assert!(stat.contains("User:     0   Group:     0"), "{stat}");
        run(prerequisites::command("e2fsck").args(["-f", "-n"]).arg(&image)).unwrap();
    }

    #[test]
    fn the_same_bundle_gives_the_same_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = bundle();
        let images = ["one", "two"].map(|name| directory.path().join(name));
        for image in &images {
            build(Some(bundle.path()), image, 16, 1_700_000_000).unwrap();
        }
        assert!(fs::read(&images[0]).unwrap() == fs::read(&images[1]).unwrap());
    }

    #[test]
    fn a_directory_that_is_no_bundle_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = build(Some(directory.path()), &directory.path().join("data.img"), 16, 0).unwrap_err();
        assert!(format!("{error:#}").contains("is this a configuration bundle?"), "{error:#}");
    }
}
