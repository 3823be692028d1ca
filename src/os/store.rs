//! The state directory: the few facts that must survive a restart, each a small file of its own.
//!
//! Every write goes to a temporary file in the same directory, is flushed, renamed over the old one, and the directory
//! is flushed: after a power cut there is the old content or the new one, never half of one (A-4, N-20).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file with the start counter.
const INCARNATION: &str = "incarnation";
/// A counter's file is 20 digits and a line end; more is not one of ours.
const MAX_COUNTER: u64 = 64;
/// 2020-01-01 UTC in seconds: a clock before that was never set.
const CLOCK_WAS_SET: u64 = 1_577_836_800;

/// Why a file of the state was not read or written. The file itself is as it was before.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system said no: full, read-only, wrong owner, or failing.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Larger than anything rais writes there: somebody else's file, or a damaged one. Look at it, then remove it.
    #[error("{path}: larger than {limit} octets")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Not the number that belongs there: a damaged file. Look at it, then remove it.
    #[error("{path}: not a number")]
    NotANumber {
        /// The file.
        path: PathBuf,
    },
}

/// A state directory, private to its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    directory: PathBuf,
}

/// A box's start counter, and how far it can be trusted (G-1).
#[derive(Debug)]
pub struct Start {
    /// Greater than any this box used before; on disk already, unless `origin` says otherwise.
    pub incarnation: u64,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an incarnation comes from.
#[derive(Debug)]
pub enum Origin {
    /// One more than the stored one, or the time in seconds if that is greater: the ordinary case. The time makes up for a
    /// state directory that was put back from a copy.
    Stored,
    /// There was no stored one: a first start, or a new data partition. It is the time in seconds, which is greater
    /// than any counter that started the same way and was raised less than once a second.
    Time,
    /// As [`Origin::Time`], but the clock was never set, and chance was added: peers that know a later life take this one
    /// for a replay. They say so within a beat, and [`Store::incarnation_after`] follows.
    UnsetClock,
    /// It could not be stored: greater than the last one by the clock alone, or most likely another one by chance. Repair
    /// the state directory before the next start.
    NotStored(StoreError),
}

impl Store {
    /// The state directory at `directory`, made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it can not be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(io_error(&directory))?;
        Ok(Self { directory })
    }

    /// Where the file `name` of this directory is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The content of the file `name`; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] beyond `limit` octets, [`StoreError::Io`] if it can not be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        read_limited(&self.path(name), limit)
    }

    /// Writes the file `name` so that after a power cut it holds either all of `content` or all of what was there.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what was there is there still.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        write_atomically(&self.path(name), content, 0o600)
    }

    /// A persisted number; `None` if it was never written.
    fn counter(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let Some(content) = self.read(name, MAX_COUNTER)? else { return Ok(None) };
        let number = str::from_utf8(&content).ok().and_then(|text| text.trim().parse().ok());
        number.map(Some).ok_or_else(|| StoreError::NotANumber { path: self.path(name) })
    }

    /// Begins a new life: the next incarnation, on disk before it is returned (G-1). It always returns one, because a
    /// box with a failing disk must still serve; [`Start::origin`] says what to warn about. `unix_seconds` is the wall
    /// clock. `chance` is added where neither it nor the disk makes one life differ from the next: else what somebody
    /// recorded of the last one would fit this one, and after all boxes started anew nobody could tell.
    #[must_use]
    pub fn next_incarnation(&self, unix_seconds: u64, chance: u64) -> Start {
        let (stored, damage) = match self.counter(INCARNATION) {
            Ok(stored) => (stored, None),
            Err(error) => (None, Some(error)),
        };
        let clock_was_set = unix_seconds >= CLOCK_WAS_SET;
        let incarnation = match stored {
            Some(stored) if !clock_was_set => stored.saturating_add(1),
            Some(stored) => stored.saturating_add(1).max(unix_seconds),
            None if !clock_was_set => unix_seconds.max(1).saturating_add(chance),
            None => unix_seconds,
        };
        // A file that can not be read can be written over: nothing in it is of use.
        match self.write(INCARNATION, format!("{incarnation}\n").as_bytes()) {
            Err(error) => {
                let repeats = stored.is_some() && !clock_was_set;
                let incarnation = if repeats { incarnation.saturating_add(chance) } else { incarnation };
                Start { incarnation, origin: Origin::NotStored(error) }
            }
            Ok(()) => {
                if let Some(error) = damage {
                    tracing::warn!(%error, incarnation, "the stored incarnation was damaged; counting on from the clock");
                }
                let origin = match stored {
                    Some(_) => Origin::Stored,
                    None if !clock_was_set => Origin::UnsetClock,
                    None => Origin::Time,
                };
                Start { incarnation, origin }
            }
        }
    }

    /// Goes on under an incarnation greater than `known`, on disk before it is returned if that can be: others know of a
    /// life of this box that its own counter does not.
    #[must_use]
    pub fn incarnation_after(&self, known: u64, unix_seconds: u64) -> Start {
        let incarnation = known.saturating_add(1).max(unix_seconds);
        let origin = match self.write(INCARNATION, format!("{incarnation}\n").as_bytes()) {
            Ok(()) => Origin::Stored,
            Err(error) => Origin::NotStored(error),
        };
        Start { incarnation, origin }
    }
}

/// Writes `path` so that after a power cut it holds either all of `content` or all of what was there: temporary file in
/// the same directory, flush, rename, flush of the directory. The directory must exist.
///
/// # Errors
/// [`StoreError::Io`]; what was there is there still.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<(), StoreError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        // What a power cut left there, or somebody put there: it would lend its mode, or lead elsewhere.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    })();
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        StoreError::Io { path: path.to_owned(), source }
    })
}

/// Reads a file of at most `limit` octets; `None` if there is none.
///
/// # Errors
/// [`StoreError::TooLarge`] beyond the limit, [`StoreError::Io`] if it can not be read.
pub fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(io_error(path))?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
        Ok(Some(content))
    } else {
        Err(StoreError::TooLarge { path: path.to_owned(), limit })
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("state")).unwrap();
        (directory, store)
    }

    #[test]
    fn an_incarnation_grows_with_every_start_and_is_on_disk_before_it_is_used() {
        let (_directory, store) = store();
        let first = store.next_incarnation(1_700_000_000, 7);
        assert!(matches!(first.origin, Origin::Time));
        assert_eq!(first.incarnation, 1_700_000_000);
        // The clock is stepped back: still it grows.
        let second = store.next_incarnation(5, 7);
        assert!(matches!(second.origin, Origin::Stored));
        assert_eq!(second.incarnation, 1_700_000_001);
        assert_eq!(store.counter("incarnation").unwrap(), Some(1_700_000_001));
    }

    #[test]
    fn a_lost_or_damaged_incarnation_is_followed_by_a_greater_one() {
        let (_directory, store) = store();
        let before = store.next_incarnation(1_700_000_000, 7).incarnation;
        for damage in [&b""[..], b"rubbish", b"-1", &[0xff; 8], &[b'9'; 100]] {
            store.write("incarnation", damage).unwrap();
            let start = store.next_incarnation(1_700_000_009, 7);
            assert!(matches!(start.origin, Origin::Time), "{damage:?}");
            assert!(start.incarnation > before, "{damage:?}");
        }
    }

    #[test]
    fn a_disk_that_can_not_be_written_keeps_no_box_from_starting_and_is_named() {
        let (_directory, store) = store();
        store.write("incarnation", b"1700000000\n").unwrap();
        // A directory in the way of the temporary file: an error that root gets too.
        fs::create_dir_all(store.path("incarnation.tmp/in-the-way")).unwrap();
        let start = store.next_incarnation(1_700_000_500, 7);
        assert_eq!(start.incarnation, 1_700_000_500);
        let Origin::NotStored(error) = start.origin else { panic!("{start:?}") };
        assert!(error.to_string().contains("incarnation"), "{error}");
        // Without a clock nothing else would keep one life from being taken for the next.
        assert_eq!(store.next_incarnation(0, 7).incarnation, 1_700_000_008);
    }

    #[test]
    fn the_clock_makes_up_for_a_state_directory_from_a_copy_and_peers_for_both() {
        let (_directory, store) = store();
        store.write("incarnation", b"1700000000\n").unwrap();
        let start = store.next_incarnation(1_700_009_000, 7);
        assert!(matches!(start, Start { incarnation: 1_700_009_000, origin: Origin::Stored }), "{start:?}");
        for (known, clock, expected) in [(1_800_000_000, 0, 1_800_000_001), (5, 1_900_000_000, 1_900_000_000)] {
            assert_eq!(store.incarnation_after(known, clock).incarnation, expected);
            assert_eq!(store.counter("incarnation").unwrap(), Some(expected));
        }
        assert_eq!(store.next_incarnation(0, 7).incarnation, 1_900_000_001);
        fs::create_dir_all(store.path("incarnation.tmp/in-the-way")).unwrap();
        let start = store.incarnation_after(2_000_000_000, 0);
        assert!(matches!(start, Start { incarnation: 2_000_000_001, origin: Origin::NotStored(_) }), "{start:?}");
    }

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        let (_directory, store) = store();
        assert!(matches!(store.next_incarnation(0, 7), Start { incarnation: 8, origin: Origin::UnsetClock }));
    }

    #[test]
    fn a_failed_write_leaves_what_was_there_and_no_rubbish() {
        let (_directory, store) = store();
        fs::create_dir(store.path("zone")).unwrap();
        fs::write(store.path("zone/in-the-way"), "x").unwrap();
        assert!(store.write("zone", b"new").is_err());
        assert!(store.path("zone/in-the-way").exists());
        assert!(!store.path("zone.tmp").exists());
    }

    #[test]
    fn what_lies_where_a_file_is_written_first_lends_neither_its_mode_nor_its_target() {
        let (directory, store) = store();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        std::os::unix::fs::symlink(&elsewhere, store.path("a.tmp")).unwrap();
        fs::write(store.path("b.tmp"), "half of").unwrap();
        for name in ["a", "b"] {
            store.write(name, b"all").unwrap();
            let written = fs::symlink_metadata(store.path(name)).unwrap();
            assert!(written.is_file() && written.permissions().mode() & 0o777 == 0o600, "{name}: {written:?}");
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"untouched");
    }

    #[test]
    fn files_are_private_and_a_size_is_enforced() {
        let (_directory, store) = store();
        store.write("a", b"12345").unwrap();
        assert_eq!(fs::metadata(store.path("a")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(store.read("a", 5).unwrap().unwrap(), b"12345");
        assert!(matches!(store.read("a", 4), Err(StoreError::TooLarge { .. })));
        assert_eq!(store.read("b", 4).unwrap(), None);
    }
}
