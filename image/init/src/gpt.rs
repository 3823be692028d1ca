//! Reading a GUID partition table (UEFI 2.10, chapter 5): which partition has which identity and label.
//!
//! The kernel tells labels, but with two rais disks in one box labels are ambiguous; identities it does not tell. Only
//! the first copy is read, and checksums are not checked: the kernel has done so before it showed partitions at all.

/// Octets of a sector. Disks with larger ones are not supported yet.
pub(crate) const SECTOR: usize = 512;
/// Sectors of header and entries, from sector 0.
pub(crate) const SECTORS: usize = 34;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// 1 is the first.
    pub(crate) number: usize,
    /// PARTUUID in lower case.
    pub(crate) uuid: String,
    /// Label.
    pub(crate) name: String,
}

/// The used entries of a table; `disk` holds at least the first [`SECTORS`] sectors. Empty if there is no table.
pub(crate) fn entries(disk: &[u8]) -> Vec<Entry> {
    if disk.get(SECTOR..SECTOR + 8) != Some(b"EFI PART") {
        return Vec::new();
    }
    let size = number(disk, SECTOR + 84).filter(|size| (128..=1024).contains(size)).unwrap_or(128);
    let table = disk.get(2 * SECTOR..).unwrap_or_default();
    let entries = table.chunks_exact(size).enumerate().filter_map(|(index, bytes)| {
        let kind: &[u8; 16] = bytes.first_chunk()?;
        let uuid: &[u8; 16] = bytes.get(16..)?.first_chunk()?;
        let name = bytes.get(56..128)?.chunks_exact(2).map_while(|unit| match unit {
            [0, 0] => None,
            [low, high] => Some(u16::from_le_bytes([*low, *high])),
            _ => None,
        });
        let name = char::decode_utf16(name).map(|unit| unit.unwrap_or('?')).collect();
        (*kind != [0; 16]).then(|| Entry { number: index + 1, uuid: guid(uuid), name })
    });
    entries.take(128).collect()
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: &[u8; 4] = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// The first three groups of a GUID are little-endian on disk.
fn guid(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, rest @ ..] = bytes;
    let rest = rest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{d:02x}{c:02x}{b:02x}{a:02x}-{f:02x}{e:02x}-{h:02x}{g:02x}-{i:02x}{j:02x}-{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_entries_are_read_with_number_identity_and_label() {
        let mut disk = vec![0; SECTORS * SECTOR];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 84] = 128;
        let third = 1024 + 2 * 128;
        disk[third..third + 16].fill(1);
        disk[third + 16..third + 32].copy_from_slice(&[
            0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
        ]);
        disk[third + 56..third + 60].copy_from_slice(b"d\0a\0");
        let uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned();
        assert_eq!(entries(&disk), [Entry { number: 3, uuid, name: "da".into() }]);
    }

    #[test]
    fn a_disk_without_a_table_has_no_partitions() {
        assert!(entries(&[]).is_empty());
        assert!(entries(&[0xff; 40_000]).is_empty());
    }
}
