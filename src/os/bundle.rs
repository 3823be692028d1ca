//! Reads a directory of small files into memory: what a configuration bundle is to the file system.
//!
//! It reads nothing but plain files, skips names that start with a dot, waits for nothing, stops at its limits, and in a
//! directory it follows no symbolic link, so that a bundle on a stick somebody found can not read the box's own files,
//! hang on a pipe, or fill the memory. What the files mean is `config`'s business.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How much a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Octets of one file.
    pub file_octets: u64,
    /// Octets of all files.
    pub total_octets: u64,
    /// Names in a path, the file's own included.
    pub depth: usize,
}

/// A file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path in the directory, with `/` between names.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

/// Why a directory was not read, or a file in it not removed. Nothing was changed.
#[derive(Debug, Error)]
pub enum BundleReadError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A symbolic link. Put the file itself there.
    #[error("{0}: is a symbolic link; a bundle holds the files themselves")]
    Link(PathBuf),
    /// A device, a pipe or a socket. Take it away.
    #[error("{0}: is neither a file nor a directory")]
    Special(PathBuf),
    /// A name that is not UTF-8. Rename it.
    #[error("{0}: the name is not UTF-8")]
    Name(PathBuf),
    /// A file is too large.
    #[error("{path}: is larger than {limit} octets")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in octets.
        limit: u64,
    },
    /// All files together are too large.
    #[error("{path}: its files are larger than {limit} octets together")]
    TooLargeTogether {
        /// The directory.
        path: PathBuf,
        /// The limit in octets.
        limit: u64,
    },
    /// Too many files.
    #[error("{path}: holds more than {limit} files")]
    TooMany {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Too many directories within each other.
    #[error("{path}: is more than {limit} names deep")]
    TooDeep {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

/// Reads every file of a directory, but for those with a name that starts with a dot. `path` itself may be a symbolic
/// link.
///
/// # Errors
/// [`BundleReadError`] at the first thing that can not be read or is beyond the limits.
pub fn read_directory(path: &Path, limits: Limits) -> Result<Vec<FoundFile>, BundleReadError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(path, flags, Mode::empty()).map_err(|errno| io_error(path, errno.into()))?;
    let mut reading = Reading { root: path, limits, found: Vec::new(), octets: 0 };
    reading.directory(directory, "", 1)?;
    reading.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(reading.found)
}

/// Reads some files of a directory by their paths in it; one that is not there is left out, and one that is a symbolic
/// link is read where it leads: whoever names a file by hand may keep it elsewhere.
///
/// # Errors
/// [`BundleReadError`] at the first thing that can not be read or is beyond the limits.
pub fn read_files(path: &Path, names: &BTreeSet<String>, limits: Limits) -> Result<Vec<FoundFile>, BundleReadError> {
    let mut reading = Reading { root: path, limits, found: Vec::new(), octets: 0 };
    for name in names {
        match OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path.join(name)) {
            Ok(file) => reading.file(OwnedFd::from(file), name)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&path.join(name), error)),
        }
    }
    Ok(reading.found)
}

/// Removes a file.
///
/// # Errors
/// [`BundleReadError::Io`]; the file is still there.
pub fn remove_file(path: &Path) -> Result<(), BundleReadError> {
    std::fs::remove_file(path).map_err(|error| io_error(path, error))
}

struct Reading<'a> {
    root: &'a Path,
    limits: Limits,
    found: Vec<FoundFile>,
    octets: u64,
}

impl Reading<'_> {
    fn directory(&mut self, directory: OwnedFd, path: &str, depth: usize) -> Result<(), BundleReadError> {
        if depth > self.limits.depth {
            return Err(BundleReadError::TooDeep { path: self.root.join(path), limit: self.limits.depth });
        }
        let mut listing = Dir::from_fd(directory).map_err(|errno| io_error(&self.root.join(path), errno.into()))?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.map_err(|errno| io_error(&self.root.join(path), errno.into()))?;
            let name = entry.file_name().to_bytes();
            if !name.starts_with(b".") {
                names.push(name.to_vec());
            }
            if names.len() > self.limits.files {
                return Err(BundleReadError::TooMany { path: self.root.to_owned(), limit: self.limits.files });
            }
        }
        for name in names {
            let name = String::from_utf8(name)
                .map_err(|bad| BundleReadError::Name(self.root.join(path).join(OsStr::from_bytes(bad.as_bytes()))))?;
            let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            // O_NONBLOCK: opening a pipe must not wait for its writer.
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let opened = openat(listing.as_fd(), name.as_str(), flags, Mode::empty());
            let opened = opened.map_err(|errno| match errno {
                Errno::ELOOP => BundleReadError::Link(self.root.join(&inner)),
                Errno::ENXIO => BundleReadError::Special(self.root.join(&inner)),
                _ => io_error(&self.root.join(&inner), errno.into()),
            })?;
            let file = File::from(opened);
            let kind = file.metadata().map_err(|error| io_error(&self.root.join(&inner), error))?.file_type();
            if kind.is_dir() {
                self.directory(OwnedFd::from(file), &inner, depth + 1)?;
            } else {
                self.file(OwnedFd::from(file), &inner)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: OwnedFd, path: &str) -> Result<(), BundleReadError> {
        let full = self.root.join(path);
        let file = File::from(file);
        let metadata = file.metadata().map_err(|error| io_error(&full, error))?;
        if !metadata.is_file() {
            return Err(BundleReadError::Special(full));
        }
        if self.found.len() >= self.limits.files {
            return Err(BundleReadError::TooMany { path: self.root.to_owned(), limit: self.limits.files });
        }
        let limit = self.limits.file_octets;
        // Room for all of it at once: growing would leave pieces of a secret behind in freed memory.
        let room = usize::try_from(metadata.len().min(limit)).unwrap_or(0).saturating_add(1);
        let mut content = Vec::with_capacity(room);
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut content);
        let read =
            read.map_err(|error| io_error(&full, error)).map(|octets| u64::try_from(octets).unwrap_or(u64::MAX))?;
        if read > limit {
            return Err(BundleReadError::TooLarge { path: full, limit });
        }
        self.octets = self.octets.saturating_add(read);
        if self.octets > self.limits.total_octets {
            let limit = self.limits.total_octets;
            return Err(BundleReadError::TooLargeTogether { path: self.root.to_owned(), limit });
        }
        let mode = metadata.permissions().mode() & 0o777;
        self.found.push(FoundFile { path: path.to_owned(), content, mode });
        Ok(())
    }
}

fn io_error(path: &Path, source: io::Error) -> BundleReadError {
    BundleReadError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;
    use std::os::unix::fs::symlink;

    const LIMITS: Limits = Limits { files: 4, file_octets: 10, total_octets: 25, depth: 3 };

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory
    }

    fn refused(directory: &tempfile::TempDir) -> String {
        let error = read_directory(directory.path(), LIMITS).err().expect("is refused").to_string();
        error.replace(directory.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn every_file_but_hidden_ones_is_read_with_its_path_and_mode() {
        let directory = directory(&[("b", "bee"), ("a/c/d", ""), (".hidden", "x"), (".git/x", "x")]);
        fs::set_permissions(directory.path().join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(directory.path().join("a/c/d"), fs::Permissions::from_mode(0o755)).unwrap();
        let found = read_directory(directory.path(), LIMITS).unwrap();
        let found: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.content.as_slice(), file.mode)).collect();
        assert_eq!(found, [("a/c/d", &b""[..], 0o755), ("b", b"bee", 0o600)]);
    }

    #[test]
    fn limits_are_kept() {
        for (files, why) in [
            (&[("a", "12345678901")][..], "DIR/a: is larger than 10 octets"),
            (
                &[("a", "1234567890"), ("b", "1234567890"), ("c", "123456")],
                "DIR: its files are larger than 25 octets together",
            ),
            (&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")], "DIR: holds more than 4 files"),
            (&[("a/a", ""), ("b/b", ""), ("c/c", ""), ("d/d", ""), ("d/e", "")], "DIR: holds more than 4 files"),
            (&[("a/b/c/d", "")], "DIR/a/b/c: is more than 3 names deep"),
        ] {
            assert_eq!(refused(&directory(files)), why);
        }
        assert!(read_directory(directory(&[("a", "1234567890")]).path(), LIMITS).is_ok());
    }

    #[test]
    fn links_and_pipes_are_refused_and_not_waited_for() {
        let linked = directory(&[]);
        symlink("/etc/passwd", linked.path().join("a")).unwrap();
        assert_eq!(refused(&linked), "DIR/a: is a symbolic link; a bundle holds the files themselves");
        let linked = directory(&[("d/e", "")]);
        symlink("d", linked.path().join("f")).unwrap();
        assert_eq!(refused(&linked), "DIR/f: is a symbolic link; a bundle holds the files themselves");
        let piped = directory(&[]);
        nix::unistd::mkfifo(&piped.path().join("p"), Mode::S_IRWXU).unwrap();
        assert_eq!(refused(&piped), "DIR/p: is neither a file nor a directory");
        let listening = directory(&[]);
        let _socket = std::os::unix::net::UnixListener::bind(listening.path().join("s")).unwrap();
        assert_eq!(refused(&listening), "DIR/s: is neither a file nor a directory");
    }

    #[test]
    fn named_files_are_read_and_missing_ones_left_out() {
        let directory = directory(&[("a", "x"), ("b/c", "y"), ("d", "z")]);
        let names = ["a", "b/c", "e", "f/g"].map(str::to_owned).into();
        let found = read_files(directory.path(), &names, LIMITS).unwrap();
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a", "b/c"]);
        nix::unistd::mkfifo(&directory.path().join("e"), Mode::S_IRWXU).unwrap();
        assert!(
            matches!(read_files(directory.path(), &names, LIMITS), Err(BundleReadError::Special(_))),
            "not waited for"
        );
    }
}
