//! The first life, in the initramfs: loop device and squashfs, then the root takes over. No disk is touched.

use crate::{console, modules, mounts};
use nix::mount::MsFlags;
use nix::unistd::{chdir, chroot, execv};
use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

/// The root, as a file of the initramfs.
const ROOT_IMAGE: &str = "/root.img";
/// Where it is mounted before it becomes `/`.
const ROOT: &str = "/root";
/// Modules by name, in the order they are to be loaded.
const MODULE_ORDER: &str = "/modules/order";

/// Are we in the initramfs?
pub(crate) fn is_here() -> bool {
    Path::new(ROOT_IMAGE).exists()
}

/// Mounts the root and becomes its PID 1. Comes back only if that fails; then there is no way to boot, and the kernel
/// reboots (`panic=` of its command line), so that the loader can try the other slot.
pub(crate) fn enter_root() {
    mounts::mount_kernel_file_systems();
    let Err(error) = try_enter_root();
    console::say(&format!("the root can not be entered: {error}; rebooting"));
    // The console is a serial line: let the sentence out before the machine goes.
    std::thread::sleep(Duration::from_secs(1));
    let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
}

fn try_enter_root() -> io::Result<Infallible> {
    for name in fs::read_to_string(MODULE_ORDER)?.lines() {
        modules::load(&Path::new("/modules").join(name))?;
    }
    let device = attach_loop(Path::new(ROOT_IMAGE))?;
    mounts::mount(&device, ROOT, "squashfs", MsFlags::MS_RDONLY, "")?;
    for directory in ["proc", "sys", "dev"] {
        mounts::move_mount(&format!("/{directory}"), &format!("{ROOT}/{directory}"))?;
    }
    // The memory of what is not needed any more. The image itself stays: the root is read from it.
    let _ = fs::remove_dir_all("/modules");
    let _ = fs::remove_file("/init");
    chdir(ROOT)?;
    mounts::move_mount(".", "/")?;
    chroot(".")?;
    chdir("/")?;
    let program = CString::new("/sbin/rais-init")?;
    Ok(execv(&program, &[&program])?)
}

mod ioctl {
    //! `linux/loop.h`: two requests with a plain number as their argument.
    nix::ioctl_none_bad!(loop_get_free, 0x4c82);
    nix::ioctl_write_int_bad!(loop_set_fd, 0x4c00);
}

/// A loop device that reads from the file.
fn attach_loop(path: &Path) -> io::Result<String> {
    let control = File::options().read(true).write(true).open("/dev/loop-control")?;
    // SAFETY: the request takes no argument and the descriptor is open.
    let number = unsafe { ioctl::loop_get_free(control.as_raw_fd()) }?;
    let device = format!("/dev/loop{number}");
    let (image, node) = (File::open(path)?, File::open(&device)?);
    // SAFETY: the argument is an open descriptor, of which the kernel takes its own reference.
    unsafe { ioctl::loop_set_fd(node.as_raw_fd(), image.as_raw_fd()) }?;
    Ok(device)
}
