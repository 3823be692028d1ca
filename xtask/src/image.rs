//! `cargo xtask image`: a bootable disk, from sources and pinned packages, without root, mounts or loop devices.
//!
//! Layout (appliance.md §1): boot sector, GPT, GRUB for BIOS, ESP with GRUB and the state sector, slot A, slot B (empty
//! until the first update), data with the configuration. The same input gives the same bytes. It deliberately does not
//! know what a configuration says, nor how a box is started: that is `vm`.

mod cpio;
mod data;
mod disk;
mod gpt;
mod loader;
mod manifest;
mod modules;
mod packages;
pub(crate) mod programs;
mod progress;
mod root;
mod smoke;

use crate::prerequisites::{self, Tool};
use crate::vm::Boot;
use anyhow::{Context, Result, bail};
use packages::Unpacked;
use progress::{Progress, human, run as run_program};
pub use smoke::smoke_test;
use std::fs;
use std::path::{Path, PathBuf};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// `full` drives real hardware; `cloud` is smaller, boots faster and knows only virtual machines.
    #[arg(long, value_enum, default_value_t = Kernel::Full)]
    kernel: Kernel,
    /// Configuration bundle of the box; without it the box boots and waits for one.
    #[arg(long, value_name = "BUNDLE_DIR")]
    config: Option<PathBuf>,
    /// Keys whose configuration the box accepts, in the format of OpenSSH's allowed signers.
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Where the image goes. Default: target/image.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Assemble the image twice and compare the bytes.
    #[arg(long)]
    check_reproducible: bool,
    /// Boot the image by BIOS, by UEFI and directly, cut its power and press its power button.
    #[arg(long)]
    check_boot: bool,
    /// Write image/packages.lock anew from what the mirror has now, and build nothing.
    #[arg(long)]
    update_lock: bool,
}

/// Which of Debian's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kernel {
    /// `linux-image-cloud-amd64`: virtual machines only.
    Cloud,
    /// `linux-image-amd64`: real hardware.
    Full,
}

impl Kernel {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Full => "full",
        }
    }
}

/// What to build.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which kernel.
    pub kernel: Kernel,
    /// The configuration bundle in the data partition.
    pub config: Option<PathBuf>,
    /// The keyring in the root.
    pub keyring: Option<PathBuf>,
    /// Where the image and its parts go.
    pub out: PathBuf,
    /// Also write the compressed disk and the manifest: what is published. A test needs neither.
    pub publish: bool,
    /// Print nothing but notes.
    pub quiet: bool,
}

/// A built image. All files are in one directory and may be used by several boxes at once, read-only.
#[derive(Clone, Debug)]
pub struct Image {
    /// The disk; a box needs a copy of its own.
    pub disk: PathBuf,
    /// The kernel, to boot without firmware.
    pub kernel: PathBuf,
    /// The initramfs with the root in it, to boot without firmware.
    pub initrd: PathBuf,
    /// The kernel's command line, to boot without firmware.
    pub command_line: String,
    time: u32,
}

/// The kernel's command line in a slot. The last console is `/dev/console`. A panic reboots, so that the loader counts.
const COMMAND_LINE: &str = "console=tty0 console=ttyS0,115200 panic=5 quiet loglevel=4";

/// Octets the compressed image should not exceed.
const COMPRESSED_LIMIT: u64 = 20_000_000;

/// The programs of others that the build runs.
const TOOLS: [Tool; 9] = [
    Tool::DPKG_DEB,
    Tool::MKSQUASHFS,
    Tool::ZSTD,
    Tool::GRUB_MKIMAGE,
    Tool::MFORMAT,
    Tool::MKE2FS,
    Tool::DEBUGFS,
    Tool { program: "tar", package: "tar" },
    Tool { program: "cp", package: "coreutils" },
];

/// Runs `cargo xtask image`.
///
/// # Errors
/// A prerequisite is missing, a package can not be had, a program does not compile or a step failed; the message says which.
pub fn run(args: &Args) -> Result<()> {
    if args.update_lock {
        let lock = root_directory().join("image/packages.lock");
        return packages::update_lock(&lock, &cache_directory(), &Progress::new(false));
    }
    let request = Request {
        kernel: args.kernel,
        config: args.config.clone(),
        keyring: args.keyring.clone(),
        out: args.out.clone().unwrap_or_else(|| root_directory().join("target/image")),
        publish: true,
        quiet: false,
    };
    let image = build(&request)?;
    if args.check_reproducible {
        let other = tempfile::tempdir_in(&request.out)?;
        let again = build(&Request { out: other.path().into(), publish: false, quiet: true, ..request })?;
        let hashes = [&image.disk, &again.disk].map(|disk| packages::sha256_of_file(disk));
        match hashes {
            [Ok(first), Ok(second)] if first == second => eprintln!("  the same  twice {first}"),
            _ => bail!("two builds differ: {hashes:?}"),
        }
    }
    if args.check_boot {
        smoke::smoke_test(&image)?;
    }
    Ok(())
}

/// Builds an image.
///
/// # Errors
/// As of [`run`].
pub fn build(request: &Request) -> Result<Image> {
    prerequisites::ensure(&TOOLS)?;
    let progress = Progress::new(request.quiet);
    let version = env!("CARGO_PKG_VERSION");
    let time = build_time();
    if request.keyring.is_none() {
        progress.note("no --keyring: this image accepts no configuration at all");
    }
    let lock = packages::read_lock(&root_directory().join("image/packages.lock"))?;
    let cache = cache_directory();
    let obtain = |role: &str| packages::obtain(&lock, role, &cache, &progress);
    let kernel = obtain(match request.kernel {
        Kernel::Cloud => "kernel-cloud",
        Kernel::Full => "kernel-full",
    })?;
    let (e2fsck, bios, efi) = (obtain("e2fsck")?, obtain("grub-bios")?, obtain("grub-efi")?);
    let programs = progress.step("programs", || Ok((programs::build()?, "rais (raisd, raisctl), rais-init".into())))?;

    fs::create_dir_all(&request.out)?;
    let work = tempfile::tempdir_in(&request.out)?;
    let work = work.path();
    let parts = root::Parts {
        programs: &programs,
        flavour: request.kernel,
        kernel: &kernel,
        e2fsck: &e2fsck,
        keyring: request.keyring.as_deref(),
        version,
    };
    let out = Outputs::new(&request.out, version, request.kernel);
    progress.step("root", || {
        let root = work.join("root.img");
        let count = root::build_root(&parts, &work.join("root"), &root, time)?;
        Ok(((), format!("{}, {count} kernel modules", human(fs::metadata(root)?.len()))))
    })?;
    progress.step("initramfs", || {
        root::install(&root::kernel_image(&kernel)?, &out.kernel, 0o644)?;
        root::build_initramfs(&parts, &work.join("root.img"), work, &out.initrd, time)?;
        Ok(((), human(fs::metadata(&out.initrd)?.len())))
    })?;
    progress.step("loader", || {
        loader::build_grub(&bios, &efi, work, time)?;
        loader::build_esp(work, &work.join("esp.img"), disk::ESP_MIB, time)?;
        Ok(((), "GRUB for BIOS and UEFI".into()))
    })?;
    progress.step("slot", || {
        build_slot(&out, work, time)?;
        Ok(((), human(fs::metadata(work.join("slot.img"))?.len())))
    })?;
    progress.step("data", || {
        data::build(request.config.as_deref(), &work.join("data.img"), disk::DATA_MIB, time)?;
        Ok(((), request.config.as_ref().map_or("no configuration".into(), |path| path.display().to_string())))
    })?;
    progress.step("disk", || {
        let content = disk::Content {
            boot: &bios.root.join("usr/lib/grub/i386-pc/boot.img"),
            core: &work.join("core.img"),
            esp: &work.join("esp.img"),
            slot: &work.join("slot.img"),
            data: &work.join("data.img"),
        };
        // Written beside and renamed: an image that exists is a whole one.
        let partial = work.join("disk.img");
        disk::build(&content, &partial)?;
        fs::rename(&partial, &out.disk)?;
        Ok(((), human(fs::metadata(&out.disk)?.len())))
    })?;
    if request.publish {
        publish(&out, &[&kernel, &e2fsck, &bios, &efi], &programs, version, request.kernel, time, &progress)?;
    }
    progress.finish(&out.disk.display().to_string());
    Ok(Image {
        disk: out.disk,
        kernel: out.kernel,
        initrd: out.initrd,
        command_line: format!("{COMMAND_LINE} rais.slot=direct rais.part={} rais.firmware=none", disk::slot_a()),
        time,
    })
}

impl Image {
    /// How a box boots this image without firmware, with this disk of its own.
    #[must_use]
    pub fn direct_boot(&self, disk: &Path) -> Boot {
        Boot::Direct {
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            command_line: self.command_line.clone(),
            disk: disk.into(),
        }
    }

    /// Writes a disk for one box to `to`: this image with the box's own configuration bundle.
    ///
    /// # Errors
    /// `bundle` is no bundle, or there is no space.
    pub fn disk_for_box(&self, bundle: &Path, to: &Path) -> Result<()> {
        let work = tempfile::tempdir()?;
        let data = work.path().join("data.img");
        data::build(Some(bundle), &data, disk::DATA_MIB, self.time)?;
        disk::with_data(&self.disk, &data, to)
    }
}

/// The files a build leaves in its directory.
#[derive(Debug)]
struct Outputs {
    disk: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    compressed: PathBuf,
    manifest: PathBuf,
}

impl Outputs {
    fn new(out: &Path, version: &str, kernel: Kernel) -> Self {
        let name = match kernel {
            Kernel::Full => format!("rais-{version}-x86_64"),
            Kernel::Cloud => format!("rais-{version}-cloud-x86_64"),
        };
        let file = |end: &str| out.join(format!("{name}{end}"));
        Self {
            disk: file(".img"),
            kernel: file(".vmlinuz"),
            initrd: file(".initrd"),
            compressed: file(".img.zst"),
            manifest: file(".json"),
        }
    }
}

/// A slot: a squashfs GRUB can read, nothing in it compressed twice.
fn build_slot(out: &Outputs, work: &Path, time: u32) -> Result<()> {
    let slot = work.join("slot");
    fs::create_dir_all(&slot)?;
    root::install(&out.kernel, &slot.join("vmlinuz"), 0o644)?;
    root::install(&out.initrd, &slot.join("initrd"), 0o644)?;
    fs::write(slot.join("opts"), loader::environment_block(&[("opts", COMMAND_LINE)])?)?;
    root::mksquashfs(&slot, &work.join("slot.img"), &["-comp", "gzip", "-noI", "-noD", "-noF"], time)
}

/// Compresses the disk and writes the manifest.
fn publish(
    out: &Outputs,
    packages: &[&Unpacked],
    programs: &programs::Programs,
    version: &str,
    kernel: Kernel,
    time: u32,
    progress: &Progress,
) -> Result<()> {
    progress.step("compress", || {
        let mut zstd = prerequisites::command("zstd");
        // Two threads on every machine: the number changes the bytes.
        run_program(zstd.args(["-q", "-9", "-T2", "-f"]).arg(&out.disk).arg("-o").arg(&out.compressed))?;
        let size = fs::metadata(&out.compressed)?.len();
        if size > COMPRESSED_LIMIT {
            progress.note(&format!("the compressed image is larger than {} (A-6)", human(COMPRESSED_LIMIT)));
        }
        Ok(((), human(size)))
    })?;
    progress.step("manifest", || {
        let files: [&Path; 4] = [&out.disk, &out.compressed, &out.kernel, &out.initrd];
        let parts: [&Path; 2] = [&programs.init, &programs.rais];
        let manifest = manifest::describe(version, kernel, time, &files, &parts, packages)?;
        fs::write(&out.manifest, serde_json::to_string_pretty(&manifest)? + "\n")
            .with_context(|| format!("{} can not be written", out.manifest.display()))?;
        Ok(((), out.manifest.display().to_string()))
    })
}

/// The repository's root.
pub(crate) fn root_directory() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where packages are kept from one build to the next.
fn cache_directory() -> PathBuf {
    root_directory().join(".cache")
}

/// The one time everything in an image has: `SOURCE_DATE_EPOCH`, else the commit's, else a fixed one. Seconds since 1970.
fn build_time() -> u32 {
    let commit = || {
        let mut git = prerequisites::command("git");
        git.arg("-C").arg(root_directory()).args(["log", "-1", "--format=%ct"]);
        run_program(&mut git).ok().and_then(|out| String::from_utf8_lossy(&out).trim().parse().ok())
    };
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    given.or_else(commit).unwrap_or(1_700_000_000)
}
