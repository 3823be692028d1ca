//! Mounting. What is mounted already is no error.

use nix::errno::Errno;
use nix::mount::MsFlags;
use std::fs;
use std::io;

/// No programs with privileges, no device nodes.
pub(crate) const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Mounts `source` on `target`, an existing directory.
pub(crate) fn mount(source: &str, target: &str, kind: &str, flags: MsFlags, options: &str) -> io::Result<()> {
    match nix::mount::mount(Some(source), target, Some(kind), flags, Some(options)) {
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Moves a mounted file system to another place.
pub(crate) fn move_mount(from: &str, to: &str) -> io::Result<()> {
    Ok(nix::mount::mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)?)
}

/// `/proc`, `/sys` and `/dev`: without them nothing can be found or said, so their failure can not be reported either.
pub(crate) fn mount_kernel_file_systems() {
    for (source, target, kind) in [("proc", "/proc", "proc"), ("sysfs", "/sys", "sysfs"), ("dev", "/dev", "devtmpfs")] {
        let _ = mount(source, target, kind, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "");
    }
}

/// `/run` and `/tmp`, in memory and bounded, and what programs expect in them.
pub(crate) fn mount_memory_file_systems() -> io::Result<()> {
    mount("run", "/run", "tmpfs", PLAIN | MsFlags::MS_NOEXEC, "mode=0755,size=16m")?;
    mount("tmp", "/tmp", "tmpfs", PLAIN | MsFlags::MS_NOEXEC, "mode=1777,size=16m")?;
    fs::create_dir_all("/run/rais")
}
