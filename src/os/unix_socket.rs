//! The control socket's file: private from its first moment, and never in the way of the next start.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no control socket. Nothing was changed.
#[derive(Debug, Error)]
pub enum UnixSocketError {
    /// Somebody answers there: another raisd runs. Stop it first.
    #[error("{0}: another raisd is listening there")]
    InUse(PathBuf),
    /// The kernel takes no path longer than 100 octets here: choose a shorter one.
    #[error("{0}: longer than the 100 octets a socket's path may have")]
    TooLong(PathBuf),
    /// The file system said no: look at the directory's owner and free space.
    #[error("{path}: {source}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The kernel's limit of 107 less the suffix of the name it is born under.
const MAX_PATH: usize = 100;

/// Listens at `path` with mode 0600, non-blocking, ready for `tokio::net::UnixListener::from_std`. A socket left there
/// by a process that died is replaced; its directory is made if it is missing.
///
/// # Errors
/// [`UnixSocketError`]; a socket that somebody still answers on is never taken away from them.
pub fn listen(path: &Path) -> Result<UnixListener, UnixSocketError> {
    if path.as_os_str().as_bytes().len() > MAX_PATH {
        return Err(UnixSocketError::TooLong(path.to_owned()));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(UnixSocketError::InUse(path.to_owned()));
    }
    listen_over(path).map_err(|source| UnixSocketError::Io { path: path.to_owned(), source })
}

/// Born under another name, made private, then renamed: there is no moment at which others could connect.
fn listen_over(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut newborn = path.as_os_str().to_owned();
    newborn.push(".new");
    let newborn = PathBuf::from(newborn);
    match fs::remove_file(&newborn) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&newborn)?;
    fs::set_permissions(&newborn, Permissions::from_mode(0o600))?;
    fs::rename(&newborn, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_private_and_a_dead_one_is_replaced_but_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/raisd.sock");
        let first = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(listen(&path), Err(UnixSocketError::InUse(_))));
        assert!(UnixStream::connect(&path).is_ok(), "the live one was harmed");
        drop(first);
        let _second = listen(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_path_too_long_for_the_kernel_is_named() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(120)));
        assert!(matches!(listen(&path), Err(UnixSocketError::TooLong(_))));
    }
}
