//! The whole disk: the layout of `appliance.md` §1, and the same disk with another box's configuration.

use crate::image::gpt::{self, Guid, MIB, Partition, SECTOR};
use crate::image::loader;
use crate::image::progress::run;
use crate::prerequisites;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// MiB of the ESP: the least a FAT32 file system can have.
pub(crate) const ESP_MIB: u64 = 34;
/// MiB of a slot. A slot of today has 15; a slot must take every later version's.
const SLOT_MIB: u64 = 64;
/// MiB of the data partition.
pub(crate) const DATA_MIB: u64 = 64;

const BIOS_BOOT: Guid = Guid::new(0x21686148_6449_6E6F_744E_656564454649);
const ESP: Guid = Guid::new(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B);
const X86_64_ROOT: Guid = Guid::new(0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709);
const LINUX_DATA: Guid = Guid::new(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4);

/// Label of the data partition; init looks for it.
const DATA: &str = "rais-data";
/// How much is copied at once; a piece that is all zero is left out.
const PIECE: usize = 1 << 20;

/// The files that go onto the disk.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// GRUB's first sector, from its package.
    pub(crate) boot: &'a Path,
    /// GRUB for BIOS.
    pub(crate) core: &'a Path,
    /// The ESP.
    pub(crate) esp: &'a Path,
    /// Slot A.
    pub(crate) slot: &'a Path,
    /// The data partition.
    pub(crate) data: &'a Path,
}

/// The five partitions, in order.
pub(crate) fn layout() -> Vec<Partition> {
    let mut next = MIB;
    [
        ("bios", BIOS_BOOT, 1),
        ("ESP", ESP, ESP_MIB),
        ("rais-slot-a", X86_64_ROOT, SLOT_MIB),
        ("rais-slot-b", X86_64_ROOT, SLOT_MIB),
        (DATA, LINUX_DATA, DATA_MIB),
    ]
    .map(|(name, kind, mib)| {
        let first = next;
        next += mib * MIB;
        Partition {
            name: name.into(),
            kind,
            guid: Guid::from_name(&format!("partition-{name}")),
            first,
            sectors: mib * MIB,
        }
    })
    .into()
}

/// Identity of slot A: what GRUB passes to the kernel as `rais.part`.
pub(crate) fn slot_a() -> Guid {
    Guid::from_name("partition-rais-slot-a")
}

/// Writes the disk.
pub(crate) fn build(content: &Content<'_>, to: &Path) -> Result<()> {
    let partitions = layout();
    let [bios, esp, slot_a, _, data] = &partitions[..] else { bail!("the layout has five partitions") };
    let sectors = data.first + data.sectors + MIB;
    let disk = File::create(to).with_context(|| format!("{} can not be written", to.display()))?;
    disk.set_len(sectors * SECTOR)?;
    let mut tables = gpt::tables(Guid::from_name("disk"), sectors, &partitions);
    let code = loader::boot_code(fs::read(content.boot)?, bios.first)?;
    tables.start[..code.len()].copy_from_slice(&code);
    disk.write_all_at(&tables.start, 0)?;
    disk.write_all_at(&tables.end, sectors * SECTOR - tables.end.len() as u64)?;
    let core = loader::place_core(fs::read(content.core)?, bios.first)?;
    if core.len() as u64 > bios.sectors * SECTOR {
        bail!("GRUB's core.img does not fit into its partition");
    }
    disk.write_all_at(&core, bios.first * SECTOR)?;
    for (file, partition) in [(content.esp, esp), (content.slot, slot_a), (content.data, data)] {
        if fs::metadata(file)?.len() > partition.sectors * SECTOR {
            bail!("{} does not fit into partition {}", file.display(), partition.name);
        }
        copy_into(file, &disk, partition.first * SECTOR)?;
    }
    Ok(())
}

/// Copies the disk to `to`, sparsely, and replaces its data partition by the file `data`.
pub(crate) fn with_data(disk: &Path, data: &Path, to: &Path) -> Result<()> {
    run(prerequisites::command("cp").args(["--reflink=auto", "--sparse=always"]).arg(disk).arg(to))?;
    let copy = File::options().read(true).write(true).open(to)?;
    let (first, sectors) = find_data(&copy).with_context(|| format!("{}", disk.display()))?;
    if fs::metadata(data)?.len() > sectors * SECTOR {
        bail!("{} does not fit into the data partition", data.display());
    }
    erase(&copy, first * SECTOR, sectors * SECTOR)?;
    copy_into(data, &copy, first * SECTOR)
}

/// Copies the data partition of a disk to a file of its own.
pub(crate) fn extract_data(disk: &Path, to: &Path) -> Result<()> {
    let disk = File::open(disk)?;
    let (first, sectors) = find_data(&disk)?;
    let mut data = vec![0; usize::try_from(sectors * SECTOR)?];
    disk.read_exact_at(&mut data, first * SECTOR)?;
    Ok(fs::write(to, data)?)
}

/// First sector and number of sectors of the data partition.
fn find_data(disk: &File) -> Result<(u64, u64)> {
    let mut start = vec![0; 34 * SECTOR as usize];
    disk.read_exact_at(&mut start, 0)?;
    gpt::find(&start, DATA)
}

/// Makes a range read as zeros without taking space.
fn erase(file: &File, offset: u64, length: u64) -> Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let mode = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(file, mode, i64::try_from(offset)?, i64::try_from(length)?).context("punching a hole into the disk")
}

/// Copies a file to an offset of the disk, which is zero there, and leaves holes where the file is zero.
fn copy_into(from: &Path, disk: &File, mut offset: u64) -> Result<()> {
    let mut file = File::open(from).with_context(|| format!("{} can not be read", from.display()))?;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        if piece.iter().any(|&byte| byte != 0) {
            disk.write_all_at(&piece, offset)?;
        }
        offset += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_do_not_overlap_and_start_on_whole_mebibytes() {
        let partitions = layout();
        for pair in partitions.windows(2) {
            assert_eq!(pair[0].first + pair[0].sectors, pair[1].first);
        }
        assert!(partitions.iter().all(|partition| partition.first % MIB == 0));
    }

    #[test]
    fn a_copy_has_the_other_data_and_nothing_of_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("boot"), [1; 512]).unwrap();
        fs::write(path("core"), [2; 1024]).unwrap();
        fs::write(path("small"), [3; 4096]).unwrap();
        fs::write(path("old"), [4; 8192]).unwrap();
        fs::write(path("new"), [5; 4096]).unwrap();
        let (boot, core, small, old) = (path("boot"), path("core"), path("small"), path("old"));
        let content = Content { boot: &boot, core: &core, esp: &small, slot: &small, data: &old };
        build(&content, &path("disk")).unwrap();
        with_data(&path("disk"), &path("new"), &path("copy")).unwrap();
        let at = layout()[4].first * SECTOR;
        let mut found = [0; 8192];
        File::open(path("copy")).unwrap().read_exact_at(&mut found, at).unwrap();
        assert!(found[..4096] == [5; 4096] && found[4096..] == [0; 4096]);
        File::open(path("disk")).unwrap().read_exact_at(&mut found, at).unwrap();
        assert!(found == [4; 8192]);
    }
}
