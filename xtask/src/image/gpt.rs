//! A GUID partition table as bytes (UEFI 2.10, chapter 5), and the way back. No device is touched.

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
/// Sectors in a MiB: partitions are aligned to it.
pub(crate) const MIB: u64 = 2048;
const ENTRIES: usize = 128;
const ENTRY_SIZE: usize = 128;
/// Sectors the table of entries takes.
const TABLE: u64 = (ENTRIES * ENTRY_SIZE) as u64 / SECTOR;

/// A GUID in the order it is written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guid([u8; 16]);

impl Guid {
    /// From its 16 bytes in text order.
    pub(crate) const fn new(bytes: u128) -> Self {
        Self(bytes.to_be_bytes())
    }

    /// A GUID that follows from a name (version 8 of RFC 9562, from SHA-256): the same in every build.
    pub(crate) fn from_name(name: &str) -> Self {
        let hash = Sha256::digest(format!("rais:{name}"));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// On disk the first three groups are little-endian.
    fn swapped(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let mut bytes = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[8..].copy_from_slice(&rest);
        bytes
    }
}

impl std::fmt::Display for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = crate::image::packages::hex(&self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its label.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) kind: Guid,
    /// Its own identity.
    pub(crate) guid: Guid,
    /// First sector.
    pub(crate) first: u64,
    /// Number of sectors.
    pub(crate) sectors: u64,
}

/// Both copies of the table.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Sectors from 0: protective MBR (its first 440 bytes are zero, for boot code), header, entries.
    pub(crate) start: Vec<u8>,
    /// Sectors up to the disk's end: entries, header.
    pub(crate) end: Vec<u8>,
}

/// The table of a disk with that many sectors.
pub(crate) fn tables(disk: Guid, disk_sectors: u64, partitions: &[Partition]) -> Tables {
    let mut entries = vec![0; ENTRIES * ENTRY_SIZE];
    for (entry, partition) in entries.chunks_mut(ENTRY_SIZE).zip(partitions) {
        entry[..16].copy_from_slice(&partition.kind.swapped());
        entry[16..32].copy_from_slice(&partition.guid.swapped());
        entry[32..40].copy_from_slice(&partition.first.to_le_bytes());
        entry[40..48].copy_from_slice(&(partition.first + partition.sectors - 1).to_le_bytes());
        for (unit, at) in partition.name.encode_utf16().zip((56..ENTRY_SIZE).step_by(2)) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
    }
    let last = disk_sectors - 1;
    let mut start = protective_mbr(disk_sectors);
    start.extend(header(disk, 1, last, 2, disk_sectors, &entries));
    start.extend(&entries);
    let mut end = entries.clone();
    end.extend(header(disk, last, 1, last - TABLE, disk_sectors, &entries));
    Tables { start, end }
}

fn header(disk: Guid, here: u64, other: u64, table: u64, disk_sectors: u64, entries: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(SECTOR as usize);
    header.extend_from_slice(b"EFI PART\0\0\x01\0");
    header.extend_from_slice(&92_u32.to_le_bytes());
    header.extend_from_slice(&[0; 8]);
    for value in [here, other, 2 + TABLE, disk_sectors - TABLE - 2] {
        header.extend_from_slice(&value.to_le_bytes());
    }
    header.extend_from_slice(&disk.swapped());
    header.extend_from_slice(&table.to_le_bytes());
    header.extend_from_slice(&(ENTRIES as u32).to_le_bytes());
    header.extend_from_slice(&(ENTRY_SIZE as u32).to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(entries).to_le_bytes());
    let sum = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    header.resize(SECTOR as usize, 0);
    header
}

fn protective_mbr(disk_sectors: u64) -> Vec<u8> {
    let mut mbr = vec![0; SECTOR as usize];
    mbr[0x1be..0x1c6].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
    mbr[0x1c6..0x1ca].copy_from_slice(&1_u32.to_le_bytes());
    let size = u32::try_from(disk_sectors - 1).unwrap_or(u32::MAX);
    mbr[0x1ca..0x1ce].copy_from_slice(&size.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    mbr
}

/// Where the partition of that name lies: first sector and number of sectors. `start` is the disk's first 17 kB.
///
/// # Errors
/// There is no intact table, or no such partition in it.
pub(crate) fn find(start: &[u8], name: &str) -> Result<(u64, u64)> {
    let Some(entries) = start.get(2 * SECTOR as usize..(2 + TABLE as usize) * SECTOR as usize) else {
        bail!("too short for a partition table");
    };
    if start.get(512..520) != Some(b"EFI PART".as_slice())
        || start.get(512 + 88..512 + 92) != Some(crc32fast::hash(entries).to_le_bytes().as_slice())
    {
        bail!("no intact partition table");
    }
    let wanted = name.encode_utf16().flat_map(u16::to_le_bytes).chain([0, 0]).collect::<Vec<_>>();
    for entry in entries.chunks(ENTRY_SIZE) {
        if entry[56..].starts_with(&wanted) {
            let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| entry[at + index]));
            return Ok((number(32), number(40) - number(32) + 1));
        }
    }
    bail!("no partition {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Guid = Guid::new(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4);

    fn partition() -> Partition {
        Partition { name: "rais-data".into(), kind: DATA, guid: Guid::from_name("data"), first: 2048, sectors: 4096 }
    }

    #[test]
    fn a_partition_is_found_again_by_its_name() {
        let tables = tables(Guid::from_name("disk"), 10_000, &[partition()]);
        assert_eq!(tables.start.len(), 34 * 512);
        assert_eq!(tables.end.len(), 33 * 512);
        assert_eq!(find(&tables.start, "rais-data").unwrap(), (2048, 4096));
        assert!(find(&tables.start, "rais-dat").is_err());
    }

    #[test]
    fn a_damaged_table_is_not_believed() {
        let mut tables = tables(Guid::from_name("disk"), 10_000, &[partition()]);
        tables.start[1024 + 32] ^= 1;
        assert!(find(&tables.start, "rais-data").is_err());
        assert!(find(&[], "rais-data").is_err());
    }

    #[test]
    fn guids_are_written_mixed_endian_and_shown_in_order() {
        assert_eq!(DATA.to_string(), "0fc63daf-8483-4772-8e79-3d69d8477de4");
        assert_eq!(DATA.swapped()[..8], [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47]);
    }
}
