//! What this machine is known by, other than by what stands on its disks: a copied disk is to be told from its original.
//!
//! It does not know what for. Firmware tells (`/sys/class/dmi/id`); where that is silent, as in many virtual machines,
//! the hardware addresses of the NICs do, and where there are none either, `/etc/machine-id`.

use std::fs;
use std::path::Path;

/// Longer than any uuid or address.
const MAX_TEXT: usize = 256;

/// What the machine is known by: the same after every start, another on another machine. Text without blanks.
#[must_use]
pub fn identity() -> String {
    identity_below(Path::new("/"))
}

fn identity_below(root: &Path) -> String {
    let read = |path: &str| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        let text: String = text.chars().filter(char::is_ascii_alphanumeric).take(MAX_TEXT).collect();
        // Firmware that was never told says zeros, ones, or "To be filled by O.E.M.".
        let hexadecimal = text.len() >= 12 && text.chars().all(|digit| digit.is_ascii_hexdigit());
        let uniform = text.chars().all(|digit| text.starts_with(digit));
        (hexadecimal && !uniform).then(|| text.to_ascii_lowercase())
    };
    if let Some(uuid) = read("sys/class/dmi/id/product_uuid") {
        return format!("uuid-{uuid}");
    }
    let nics = fs::read_dir(root.join("sys/class/net")).into_iter().flatten().flatten();
    // Only what hardware stands behind: bridges and tunnels have addresses of chance.
    let hardware = nics.filter(|nic| nic.path().join("device").exists());
    let name = |nic: fs::DirEntry| format!("sys/class/net/{}/address", nic.file_name().to_string_lossy());
    let mut addresses: Vec<String> = hardware.map(name).filter_map(|path| read(&path)).collect();
    addresses.sort();
    if let Some(first) = addresses.first() {
        return format!("nic-{first}");
    }
    read("etc/machine-id").map_or_else(|| "unknown".to_owned(), |id| format!("id-{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn firmware_counts_before_nics_and_nics_before_what_is_on_a_disk() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(identity_below(root), "unknown");
        write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        assert_eq!(identity_below(root), "id-0123456789abcdef0123456789abcdef");
        write(root, "sys/class/net/br0/address", "02:00:00:00:00:09\n");
        assert!(identity_below(root).starts_with("id-"), "a bridge is no hardware");
        for (nic, address) in [("eth1", "52:54:00:00:00:02"), ("eth0", "52:54:00:00:00:01")] {
            write(root, &format!("sys/class/net/{nic}/address"), address);
            write(root, &format!("sys/class/net/{nic}/device/vendor"), "");
        }
        assert_eq!(identity_below(root), "nic-525400000001");
        for silent in
            ["00000000-0000-0000-0000-000000000000\n", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "To be filled", ""]
        {
            write(root, "sys/class/dmi/id/product_uuid", silent);
            assert_eq!(identity_below(root), "nic-525400000001", "{silent:?}");
        }
        write(root, "sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8051-B4C04F4D5131\n");
        assert_eq!(identity_below(root), "uuid-4c4c45440042351080 51b4c04f4d5131".replace(' ', ""));
    }
}
