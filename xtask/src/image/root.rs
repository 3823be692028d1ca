//! What runs from RAM: the root file system, and the initramfs it travels in.
//!
//! The initramfs holds `/init`, the modules needed to mount the root, and the root itself as one compressed, read-only
//! file; after the boot the disk is not needed any more. No shell, no package manager, no other program.

use crate::image::cpio::Archive;
use crate::image::modules::{Modules, file_name, read_list};
use crate::image::packages::Unpacked;
use crate::image::programs::Programs;
use crate::image::progress::run;
use crate::image::{Kernel, root_directory};
use crate::prerequisites;
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into the root.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// The project's programs.
    pub(crate) programs: &'a Programs,
    /// Which kernel.
    pub(crate) flavour: Kernel,
    /// The kernel package.
    pub(crate) kernel: &'a Unpacked,
    /// The package with the static file system checker.
    pub(crate) e2fsck: &'a Unpacked,
    /// Whose configuration the box accepts.
    pub(crate) keyring: Option<&'a Path>,
    /// The product's version.
    pub(crate) version: &'a str,
}

/// Empty directories of the root: mount points, mostly.
const DIRECTORIES: [&str; 11] =
    ["proc", "sys", "dev", "run", "tmp", "data", "etc/rais", "bin", "sbin", "lib/rais/modules", "var"];

/// How the root is compressed. xz makes it smallest (10.1 against 11.3 MB with all drivers); but a virtual machine in
/// software emulation, for which the cloud kernel is, serves a second of processor time earlier with zstd.
const fn compression(flavour: Kernel) -> [&'static str; 4] {
    match flavour {
        Kernel::Full => ["-comp", "xz", "-b", "256K"],
        Kernel::Cloud => ["-comp", "zstd", "-b", "256K"],
    }
}

/// The kernel's release name and its directory of modules.
fn release(kernel: &Unpacked) -> Result<PathBuf> {
    let modules = kernel.root.join("lib/modules");
    let entry = fs::read_dir(&modules).with_context(|| format!("{} can not be read", modules.display()))?.next();
    Ok(entry.ok_or_else(|| anyhow!("the kernel package has no modules"))??.path())
}

/// The kernel's image in its package.
pub(crate) fn kernel_image(kernel: &Unpacked) -> Result<PathBuf> {
    let name = format!("vmlinuz-{}", file_name(&release(kernel)?));
    Ok(kernel.root.join("boot").join(name))
}

/// Writes the root's tree to `tree` and compresses it to `image`; returns how many modules are in it.
pub(crate) fn build_root(parts: &Parts<'_>, tree: &Path, image: &Path, time: u32) -> Result<usize> {
    for directory in DIRECTORIES {
        fs::create_dir_all(tree.join(directory))?;
    }
    install(&parts.programs.init, &tree.join("sbin/rais-init"), 0o755)?;
    // What the kernel executes when it wants a module.
    symlink("rais-init", tree.join("sbin/modprobe"))?;
    install(&parts.programs.rais, &tree.join("bin/rais"), 0o755)?;
    for name in ["raisd", "raisctl"] {
        symlink("rais", tree.join("bin").join(name))?;
    }
    install(&parts.e2fsck.root.join("sbin/e2fsck.static"), &tree.join("sbin/e2fsck"), 0o755)?;
    if let Some(keyring) = parts.keyring {
        install(keyring, &tree.join("etc/rais/keyring"), 0o644)?;
    }
    fs::write(tree.join("etc/rais/version"), format!("{}\n", parts.version))?;
    fs::write(tree.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/:/nonexistent\n")?;
    fs::write(tree.join("etc/group"), "root:x:0:\n")?;
    let count = install_modules(parts, tree)?;
    mksquashfs(tree, image, &compression(parts.flavour), time)?;
    Ok(count)
}

fn install_modules(parts: &Parts<'_>, tree: &Path) -> Result<usize> {
    let modules = Modules::read(&release(parts.kernel)?)?;
    let always = list(parts.flavour, "always")?;
    let coldplug = list(parts.flavour, "coldplug")?;
    let on_demand = list(parts.flavour, "on-demand")?;
    let names = |list: &[String]| -> Result<Vec<PathBuf>> { modules.closure(list.iter().map(String::as_str)) };
    let at_boot = names(&always)?;
    let every = names(&[always, coldplug.clone(), on_demand.clone()].concat())?;
    for module in &every {
        install(module, &tree.join("lib/rais/modules").join(file_name(module)), 0o644)?;
    }
    let lines: String = at_boot.iter().map(|module| file_name(module) + "\n").collect();
    fs::write(tree.join("lib/rais/always"), lines)?;
    for (name, list) in [("coldplug", coldplug), ("on-demand", on_demand)] {
        fs::write(tree.join("lib/rais").join(name), modules.table(list.iter().map(String::as_str))?)?;
    }
    Ok(every.len())
}

/// The initramfs, compressed: `/init`, what mounts the root, and the root.
pub(crate) fn build_initramfs(parts: &Parts<'_>, root: &Path, work: &Path, to: &Path, time: u32) -> Result<()> {
    let modules = Modules::read(&release(parts.kernel)?)?;
    let needed = modules.closure(list(parts.flavour, "initramfs")?.iter().map(String::as_str))?;
    let mut archive = Archive::new(time);
    for directory in ["dev", "modules", "proc", "root", "sys"] {
        archive.directory(directory);
    }
    archive.character_device("dev/console", 5, 1);
    archive.character_device("dev/kmsg", 1, 11);
    archive.file("init", 0o755, &fs::read(&parts.programs.init)?);
    let mut order = String::new();
    for module in needed {
        let name = file_name(&module);
        archive.file(&format!("modules/{name}"), 0o644, &fs::read(&module)?);
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes());
    archive.file("root.img", 0o644, &fs::read(root)?);
    let plain = work.join("initrd.cpio");
    fs::write(&plain, archive.finish())?;
    // One thread: with more the bytes depend on how the input was split.
    run(prerequisites::command("zstd").args(["-q", "-19", "-T1", "-f"]).arg(&plain).arg("-o").arg(to))?;
    Ok(())
}

/// A squashfs of `tree`, the same bytes whenever and wherever it is made from the same files.
pub(crate) fn mksquashfs(tree: &Path, image: &Path, options: &[&str], time: u32) -> Result<()> {
    let time = time.to_string();
    let mut command: Command = prerequisites::command("mksquashfs");
    command
        .arg(tree)
        .arg(image)
        .args(options)
        .args(["-all-root", "-noappend", "-no-xattrs", "-no-progress", "-mkfs-time", &time, "-all-time", &time])
        // mksquashfs refuses the variable and the options together.
        .env_remove("SOURCE_DATE_EPOCH");
    run(&mut command)?;
    Ok(())
}

fn list(flavour: Kernel, name: &str) -> Result<Vec<String>> {
    read_list(&root_directory().join("image/modules").join(name), flavour == Kernel::Full)
}

/// Copies a file and gives it this mode, whatever the umask.
pub(crate) fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} can not be copied", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}
