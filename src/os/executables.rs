//! Puts verified scripts where the kernel can run them, under a name that is their content's: what was checked is what
//! is run, whatever becomes of the file it was read from.

use super::store::{StoreError, write_atomically};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory of executables, private to its owner.
#[derive(Clone, Debug)]
pub struct Executables(PathBuf);

impl Executables {
    /// The directory, made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it can not be made.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Io { path: directory.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
        // A script's path must not depend on where raisd was started.
        fs::canonicalize(directory).map(Self).map_err(fail)
    }

    /// Writes an executable, mode 0500, and returns its path. `name` should be a digest of `content`.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it can not be written.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.0.join(name);
        write_atomically(&path, content, 0o500)?;
        Ok(path)
    }

    /// Removes everything but these, left by earlier configurations. Call it when nothing of theirs can be running.
    ///
    /// # Errors
    /// The file system's; some may have been removed.
    pub fn keep_only(&self, kept: &BTreeSet<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_put_can_be_run_and_what_is_not_kept_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let executables = Executables::open(&directory.path().join("scripts")).unwrap();
        let kept = executables.put("a", b"#!/bin/sh\nexit 7\n").unwrap();
        let gone = executables.put("b", b"#!/bin/sh\n").unwrap();
        executables.keep_only(&BTreeSet::from([kept.clone()])).unwrap();
        assert!(!gone.exists());
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o500);
        assert_eq!(std::process::Command::new(&kept).status().unwrap().code(), Some(7));
    }
}
