//! Reads a directory with everything in it, once and bounded: what is checked afterwards is what is used afterwards.
//!
//! It does not know what the files are. Symbolic links are not followed and special files are not opened: a bundle that
//! reaches outside itself is refused.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Most files below a directory: a configuration with a script and a key for each of 64 groups has a few hundred.
const MAX_FILES: usize = 2000;
/// Most octets in all of them together.
const MAX_OCTETS: u64 = 64 * 1024 * 1024;
/// Deepest nesting of directories.
const MAX_DEPTH: usize = 16;

/// A file: its path below the directory with `/` between names, its content, its permission bits.
pub type FileContent = (String, Vec<u8>, u32);

/// Why a directory was not read. Nothing was changed.
#[derive(Debug, Error)]
pub enum TreeError {
    /// The file system said no: missing, unreadable, failing.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A symbolic link, device, socket or pipe; replace it by a file.
    #[error("{0}: neither a file nor a directory")]
    Special(PathBuf),
    /// A name that is not UTF-8; rename it.
    #[error("{0}: its name is not UTF-8")]
    Name(PathBuf),
    /// Larger than any configuration: probably not the directory that was meant.
    #[error("{0}: more than {MAX_FILES} files, {MAX_OCTETS} octets or {MAX_DEPTH} levels")]
    TooLarge(PathBuf),
}

/// All files below `directory`, in no particular order.
///
/// # Errors
/// [`TreeError`] at the first thing that can not be read.
pub fn read(directory: &Path) -> Result<Vec<FileContent>, TreeError> {
    let mut files = Vec::new();
    let mut octets = 0;
    // Directories still to be read: their path, the prefix of the names in them, their depth.
    let mut pending = vec![(directory.to_owned(), String::new(), 0)];
    while let Some((directory, prefix, depth)) = pending.pop() {
        let entries = fs::read_dir(&directory).map_err(io_error(&directory))?;
        for entry in entries {
            let entry = entry.map_err(io_error(&directory))?;
            let path = entry.path();
            let name = entry.file_name().into_string().map_err(|_| TreeError::Name(path.clone()))?;
            let kind = entry.file_type().map_err(io_error(&path))?;
            let name = format!("{prefix}{name}");
            if kind.is_dir() && depth < MAX_DEPTH {
                pending.push((path, format!("{name}/"), depth + 1));
                continue;
            }
            if kind.is_dir() || files.len() == MAX_FILES {
                return Err(TreeError::TooLarge(path));
            }
            if !kind.is_file() {
                return Err(TreeError::Special(path));
            }
            let (content, mode) = read_file(&path, MAX_OCTETS - octets).map_err(io_error(&path))?;
            octets += u64::try_from(content.len()).unwrap_or(u64::MAX);
            if octets >= MAX_OCTETS {
                return Err(TreeError::TooLarge(path));
            }
            files.push((name, content, mode));
        }
    }
    Ok(files)
}

fn read_file(path: &Path, limit: u64) -> io::Result<(Vec<u8>, u32)> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content)?;
    Ok((content, mode))
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> TreeError + '_ {
    move |source| TreeError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_with_its_modes_and_nothing_outside_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("bundle");
        fs::create_dir_all(root.join("secrets/deep")).unwrap();
        fs::write(root.join("rais.toml"), "version = 1").unwrap();
        fs::write(root.join("secrets/deep/key"), "k").unwrap();
        fs::set_permissions(root.join("secrets/deep/key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(root.join("rais.toml"), fs::Permissions::from_mode(0o644)).unwrap();
        let mut files = read(&root).unwrap();
        files.sort();
        let expected = [("rais.toml", &b"version = 1"[..], 0o644), ("secrets/deep/key", b"k", 0o600)];
        assert_eq!(files, expected.map(|(name, content, mode)| (String::from(name), content.to_vec(), mode)));
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        assert!(matches!(read(&root), Err(TreeError::Special(path)) if path.ends_with("link")));
        assert!(matches!(read(&root.join("none")), Err(TreeError::Io { .. })));
    }
}
