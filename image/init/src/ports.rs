//! Virtio-serial ports under their names: `/dev/virtio-ports/<name>`, which elsewhere udev makes.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "/dev/virtio-ports";

/// Links every port that has a name.
pub(crate) fn link_all() -> io::Result<()> {
    let Ok(ports) = fs::read_dir("/sys/class/virtio-ports") else { return Ok(()) };
    fs::create_dir_all(DIRECTORY)?;
    for port in ports.flatten() {
        let name = fs::read_to_string(port.path().join("name")).unwrap_or_default();
        let name = name.trim();
        // The name comes from the machine's host: it must not lead out of the directory.
        if !name.is_empty() && !name.contains('/') && name != ".." && name != "." {
            let link = Path::new(DIRECTORY).join(name);
            let _ = fs::remove_file(&link);
            symlink(Path::new("/dev").join(port.file_name()), link)?;
        }
    }
    Ok(())
}

/// The port of that name, if the machine has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    Some(Path::new(DIRECTORY).join(name)).filter(|path| path.exists())
}
