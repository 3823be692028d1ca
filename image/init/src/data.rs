//! The data partition: configuration and state. It is repaired if it can be, and replaced by memory if it can not.

use crate::console;
use crate::mounts::{self, PLAIN};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where it is mounted.
pub(crate) const MOUNT_POINT: &str = "/data";
/// raisd's own files.
pub(crate) const STATE: &str = "/data/state";
const CHECKER: &str = "/sbin/e2fsck";
const RANDOM_SEED: &str = "/data/state/random-seed";
const SEED_SIZE: usize = 512;
const MACHINE_ID: &str = "/data/state/machine-id";

/// Mounts the partition, or memory in its place; says which. Never fails.
pub(crate) fn mount(device: Option<&Path>) -> String {
    let failure = match device {
        None => "no data partition on the disk we were booted from".to_owned(),
        Some(device) => match check_and_mount(device) {
            Ok(()) => return device.display().to_string(),
            Err(error) => format!("data partition {}: {error}", device.display()),
        },
    };
    console::say(&failure);
    match mounts::mount("data", MOUNT_POINT, "tmpfs", PLAIN, "mode=0755,size=16m") {
        Ok(()) => "memory: NOTHING IS KEPT".to_owned(),
        Err(error) => format!("nowhere ({error})"),
    }
}

fn check_and_mount(device: &Path) -> io::Result<()> {
    let name = device.display().to_string();
    // Bit 2 (errors left uncorrected) and above: the careful run gave up; a torn superblock needs the forceful one.
    if check(device, "-p")? >= 4 {
        console::say(&format!("{name} is damaged: repairing it"));
        let code = check(device, "-fy")?;
        console::say(&format!("repair of {name} ended with code {code}"));
    }
    mounts::mount(&name, MOUNT_POINT, "ext4", PLAIN, "errors=remount-ro")
}

/// Runs the checker; its exit code (`e2fsck(8)`).
fn check(device: &Path, how: &str) -> io::Result<i32> {
    let status = Command::new(CHECKER).arg(how).arg(device).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    Ok(status.code().unwrap_or(8))
}

/// Makes what must be there; failures show up where it is used.
pub(crate) fn prepare() {
    for directory in ["/data/config/gen", STATE] {
        let _ = fs::create_dir_all(directory);
    }
    let _ = fs::set_permissions(STATE, fs::Permissions::from_mode(0o700));
}

/// The directory of the active configuration: `config/active` names a generation, which is a directory of its own.
pub(crate) fn active_configuration() -> Option<(u64, PathBuf)> {
    active_below(Path::new("/data/config"))
}

fn active_below(config: &Path) -> Option<(u64, PathBuf)> {
    let generation: u64 = fs::read_to_string(config.join("active")).ok()?.trim().parse().ok()?;
    let directory = config.join("gen").join(generation.to_string());
    directory.is_dir().then_some((generation, directory))
}

/// The box's identity, made on the first boot: 32 hexadecimal digits. Random each time if nothing can be kept.
pub(crate) fn machine_id() -> io::Result<String> {
    let is_id = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(id) = fs::read_to_string(MACHINE_ID).ok().map(|text| text.trim().to_owned()).filter(|id| is_id(id)) {
        return Ok(id);
    }
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let id = random.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    write_durably(Path::new(MACHINE_ID), format!("{id}\n").as_bytes())?;
    Ok(id)
}

/// Stirs what the last life left into the kernel's randomness, and leaves something new for the next. It is not
/// credited: a copied disk would bring the same seed twice; the processor and timing jitter are.
pub(crate) fn stir_randomness() -> io::Result<()> {
    if let Ok(seed) = fs::read(RANDOM_SEED) {
        File::options().write(true).open("/dev/urandom")?.write_all(&seed)?;
    }
    let mut next = [0; SEED_SIZE];
    File::open("/dev/urandom")?.read_exact(&mut next)?;
    write_durably(Path::new(RANDOM_SEED), &next)
}

/// A power cut leaves the old file or the new one.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_generation_is_the_directory_the_pointer_names() {
        let config = tempfile::tempdir().unwrap();
        let seven = config.path().join("gen/7");
        assert_eq!(active_below(config.path()), None);
        fs::write(config.path().join("active"), "7\n").unwrap();
        assert_eq!(active_below(config.path()), None, "its directory is missing");
        fs::create_dir_all(&seven).unwrap();
        assert_eq!(active_below(config.path()), Some((7, seven)));
        fs::write(config.path().join("active"), "../../etc\n").unwrap();
        assert_eq!(active_below(config.path()), None);
    }

    #[test]
    fn a_file_written_durably_replaces_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        write_durably(&path, b"one").unwrap();
        write_durably(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
