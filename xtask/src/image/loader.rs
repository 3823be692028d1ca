//! The loader: Debian's GRUB for BIOS and UEFI with our script inside, and the ESP with the one-sector state.
//!
//! The BIOS half is installed without `grub-bios-setup`, which wants a real device: the block numbers that it would
//! write into `boot.img` and `core.img` are written here (`grub-core/boot/i386/pc/{boot,diskboot}.S`).

use crate::image::packages::Unpacked;
use crate::image::progress::run;
use crate::image::root::install;
use crate::image::root_directory;
use crate::prerequisites;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// GRUB's modules; what the script and reading a squashfs slot need. The last four verify signatures.
const GRUB_MODULES: [&str; 20] = [
    "part_gpt",
    "fat",
    "squash4",
    "normal",
    "linux",
    "loadenv",
    "test",
    "regexp",
    "echo",
    "serial",
    "terminal",
    "sleep",
    "reboot",
    "memdisk",
    "tar",
    "probe",
    "pgp",
    "gcry_rsa",
    "gcry_sha256",
    "gcry_sha512",
];

/// Read by GRUB's rescue parser, which knows no `if`: it only hands over to the script.
const EARLY_SCRIPT: &str = "set boot_cmdpath=\"$cmdpath\"\nset prefix=(memdisk)/\nnormal (memdisk)/grub.cfg\nreboot\n";

/// Bytes of a GRUB environment block: fixed, so that it is rewritten in place.
const ENVIRONMENT_SIZE: usize = 1024;

/// Makes both GRUB images in `work`: `core.img` and `BOOTX64.EFI`.
pub(crate) fn build_grub(bios: &Unpacked, efi: &Unpacked, work: &Path, time: u32) -> Result<()> {
    let script = work.join("grub");
    fs::create_dir_all(&script)?;
    install(&root_directory().join("image/grub.cfg"), &script.join("grub.cfg"), 0o644)?;
    let memdisk = work.join("memdisk.tar");
    run(prerequisites::command("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"])
        .arg(format!("--mtime=@{time}"))
        .arg("-C")
        .arg(&script)
        .arg("-cf")
        .arg(&memdisk)
        .arg("grub.cfg"))?;
    let early = work.join("early.cfg");
    fs::write(&early, EARLY_SCRIPT)?;
    let targets: [(&str, &Unpacked, &str, &str, &[&str]); 2] = [
        ("i386-pc", bios, "(hd0,gpt2)/rais", "core.img", &["biosdisk"]),
        ("x86_64-efi", efi, "/EFI/rais", "BOOTX64.EFI", &[]),
    ];
    for (platform, package, prefix, output, more) in targets {
        let mut grub = prerequisites::command("grub-mkimage");
        grub.args(["-O", platform, "-p", prefix, "-d"])
            .arg(package.root.join("usr/lib/grub").join(platform))
            .arg("-m")
            .arg(&memdisk)
            .arg("-c")
            .arg(&early)
            .arg("-o")
            .arg(work.join(output))
            .env("SOURCE_DATE_EPOCH", time.to_string());
        if platform == "x86_64-efi" {
            grub.arg("--disable-shim-lock");
        }
        run(grub.args(GRUB_MODULES).args(more))?;
    }
    Ok(())
}

/// An environment block: GRUB's `load_env` and `save_env` read and write it.
pub(crate) fn environment_block(variables: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut block = b"# GRUB Environment Block\n".to_vec();
    for (name, value) in variables {
        block.extend_from_slice(format!("{name}={value}\n").as_bytes());
    }
    if block.len() > ENVIRONMENT_SIZE {
        bail!("{} bytes do not fit into GRUB's environment block", block.len());
    }
    block.resize(ENVIRONMENT_SIZE, b'#');
    Ok(block)
}

/// The EFI system partition: GRUB and the state sector.
pub(crate) fn build_esp(work: &Path, to: &Path, mib: u64, time: u32) -> Result<()> {
    let state = work.join("grubenv");
    fs::write(&state, environment_block(&[("good", "a")])?)?;
    fs::File::create(to)?.set_len(mib << 20)?;
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(time));
    let mtools = |program: &str, arguments: &[&std::ffi::OsStr]| {
        run(prerequisites::command(program)
            .arg("-i")
            .arg(to)
            .args(arguments)
            .env("MTOOLS_SKIP_CHECK", "1")
            .env("SOURCE_DATE_EPOCH", time.to_string()))
        .map(drop)
    };
    mtools("mformat", &["-F", "-v", "RAIS-ESP", "-N", "52414953", "::"].map(AsRef::as_ref))?;
    for directory in ["::EFI", "::EFI/BOOT", "::rais"] {
        mtools("mmd", &[directory.as_ref()])?;
    }
    for (file, place) in [("BOOTX64.EFI", "::EFI/BOOT/BOOTX64.EFI"), ("grubenv", "::rais/grubenv")] {
        let file = work.join(file);
        fs::File::options().write(true).open(&file)?.set_modified(modified)?;
        mtools("mcopy", &["-m".as_ref(), file.as_ref(), place.as_ref()])?;
    }
    Ok(())
}

/// `core.img` as it must lie on a disk at `sector`: its first sector loads the rest, which follows it.
pub(crate) fn place_core(mut core: Vec<u8>, sector: u64) -> Result<Vec<u8>> {
    core.resize(core.len().next_multiple_of(512), 0);
    let rest = u16::try_from(core.len() / 512 - 1).context("core.img is too large")?;
    let Some(list) = core.get_mut(0x1f4..0x200) else { bail!("core.img is too short") };
    list[..8].copy_from_slice(&(sector + 1).to_le_bytes());
    list[8..10].copy_from_slice(&rest.to_le_bytes());
    // The segment the rest is loaded to.
    list[10..].copy_from_slice(&0x820_u16.to_le_bytes());
    Ok(core)
}

/// The boot code of sector 0, from `boot.img`: it loads the sector `core` from the disk it was itself loaded from.
pub(crate) fn boot_code(mut boot: Vec<u8>, core: u64) -> Result<Vec<u8>> {
    boot.truncate(440);
    let Some(patched) = boot.get_mut(0x5c..0x68) else { bail!("boot.img is too short") };
    patched[..8].copy_from_slice(&core.to_le_bytes());
    patched[8] = 0xff;
    // Two NOPs where the code would insist on the first hard disk.
    patched[10..].copy_from_slice(&[0x90, 0x90]);
    Ok(boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_block_has_its_fixed_size_and_refuses_more() {
        let block = environment_block(&[("good", "a")]).unwrap();
        assert_eq!(block.len(), ENVIRONMENT_SIZE);
        assert!(block.starts_with(b"# GRUB Environment Block\ngood=a\n#"));
        assert!(environment_block(&[("opts", &"x".repeat(1024))]).is_err());
    }

    #[test]
    fn block_numbers_are_where_the_boot_code_looks_for_them() {
        let core = place_core(vec![0; 1000], 2048).unwrap();
        assert_eq!(core[0x1f4..0x200], [1, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0x20, 0x08]);
        let boot = boot_code(vec![0; 512], 2048).unwrap();
        assert_eq!(boot.len(), 440);
        assert_eq!(boot[0x5c..0x68], [0, 8, 0, 0, 0, 0, 0, 0, 0xff, 0, 0x90, 0x90]);
    }
}
