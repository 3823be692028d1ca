//! Finding partitions of the disk we were booted from.

use crate::gpt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a disk may take to appear: USB sticks and SCSI controllers are slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// The device of the partition with this label: on the disk that has the partition `boot` (a PARTUUID) if that is
/// given, else on any disk. Waits for the disk to appear.
pub(crate) fn wait_for(label: &str, boot: Option<&str>, retry: impl Fn()) -> Option<PathBuf> {
    let begun = Instant::now();
    loop {
        let disks = disks().filter_map(|disk| read_entries(&disk).map(|entries| (disk, entries)));
        if let Some(device) = choose(disks, label, boot) {
            return Some(device);
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
        // A disk may need a driver whose device was not there before.
        retry();
    }
}

/// The device of the partition with this label, out of the tables of all disks.
fn choose(disks: impl Iterator<Item = (String, Vec<gpt::Entry>)>, label: &str, boot: Option<&str>) -> Option<PathBuf> {
    disks.filter(|(_, entries)| boot.is_none_or(|boot| entries.iter().any(|entry| entry.uuid == boot))).find_map(
        |(disk, entries)| {
            let entry = entries.into_iter().find(|entry| entry.name == label)?;
            Some(device(&disk, entry.number))
        },
    )
}

/// `sda` and 5 is `/dev/sda5`, `nvme0n1` and 5 is `/dev/nvme0n1p5`.
fn device(disk: &str, number: usize) -> PathBuf {
    let between = if disk.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    PathBuf::from(format!("/dev/{disk}{between}{number}"))
}

/// The names of whole disks, sorted.
fn disks() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/sys/block").map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    let mut names = entries
        .into_iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("loop") && !name.starts_with("ram"))
        .collect::<Vec<_>>();
    names.sort();
    names.into_iter()
}

fn read_entries(disk: &str) -> Option<Vec<gpt::Entry>> {
    let mut start = vec![0; gpt::SECTORS * gpt::SECTOR];
    File::open(Path::new("/dev").join(disk)).ok()?.read_exact(&mut start).ok()?;
    Some(gpt::entries(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, slot: &str) -> (String, Vec<gpt::Entry>) {
        let entry = |number, uuid: &str, name: &str| gpt::Entry { number, uuid: uuid.into(), name: name.into() };
        (name.into(), vec![entry(3, slot, "rais-slot-a"), entry(5, "other", "rais-data")])
    }

    #[test]
    fn data_is_taken_from_the_disk_that_was_booted() {
        let both = || [disk("nvme0n1", "u1"), disk("sda", "u2")].into_iter();
        assert_eq!(choose(both(), "rais-data", Some("u2")), Some("/dev/sda5".into()));
        assert_eq!(choose(both(), "rais-data", Some("u1")), Some("/dev/nvme0n1p5".into()));
        assert_eq!(choose(both(), "rais-data", None), Some("/dev/nvme0n1p5".into()));
        assert_eq!(choose(both(), "rais-data", Some("u3")), None);
        assert_eq!(choose(both(), "no-such", None), None);
    }
}
