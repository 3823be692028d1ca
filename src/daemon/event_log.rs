//! The event log: the newest events on disk, so that they outlive the daemon, and the promise that no number is used twice.
//!
//! Lines of text, each behind its own checksum: a line that a power cut tore, or that the disk spoiled, is skipped, and the
//! others count. The newest few files are kept. A thread writes; nobody waits for it, and a disk that does not answer costs
//! lines on disk, never an event in memory nor a notification.
//!
//! *Numbers* are reserved on disk in blocks before they are used. A life that ends well says which was its last; after one
//! that did not, counting goes on behind its block, because receivers may have seen numbers that the disk has not.
//!
//! *Wear*: lines go to the kernel at once, so that a killed daemon loses nothing, and from there to the disk at most every
//! [`SYNC_EVERY`]: some 20 KB of a flash's blocks each, 170 MB a day at the very worst. A power cut loses that much.

use super::event_table::MAX_EVENTS;
use crate::event::Event;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Events of one file. Of [`FILES`] files all but the newest are full, so at least [`MAX_EVENTS`] are kept.
const FILE_EVENTS: usize = MAX_EVENTS / 2;
const FILES: usize = 3;
/// Larger than any file of ours: 5,000 lines of the longest kind.
const MAX_FILE: u64 = 32 << 20;
/// How many numbers are reserved at a time: more than are used while a slow disk writes one line.
const BLOCK: u64 = 10_000;
/// Lines that may wait for a disk that does not answer.
const QUEUE: usize = 16_384;
/// How long lines may stay in the kernel alone.
const SYNC_EVERY: Duration = Duration::from_secs(10);
/// How long a stopping daemon waits for the disk.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
enum Line {
    /// An event.
    Event(Event),
    /// Numbers up to this one may have been used.
    Reserved {
        /// The last of them.
        through: u64,
    },
    /// A life ended well.
    Closed {
        /// The last number used.
        newest: u64,
    },
}

/// What earlier lives left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// The newest events, oldest first.
    pub(super) events: VecDeque<Event>,
    /// No number up to this one may be used.
    pub(super) newest: u64,
    /// Lines that were torn or spoiled.
    pub(super) bad_lines: usize,
}

/// The way to the writer.
#[derive(Debug)]
pub(super) struct EventLog {
    queue: SyncSender<Entry>,
    reserved: u64,
    full: bool,
}

#[derive(Debug)]
enum Entry {
    Event(Event),
    Reserve(u64),
    Close(u64, SyncSender<()>),
}

impl EventLog {
    /// Reads what earlier lives left, reserves this life's first numbers, and starts the writer.
    ///
    /// # Errors
    /// The file system's; what could be read is lost to this life, and what is on disk is as it was.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Left)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let left = read(directory)?;
        let mut writer = Writer::open(directory)?;
        let reserved = left.newest + BLOCK;
        writer.put(&Line::Reserved { through: reserved })?;
        writer.file.sync_all()?;
        File::open(directory)?.sync_all()?;
        let (queue, entries) = sync_channel(QUEUE);
        std::thread::Builder::new().name(String::from("event-log")).spawn(move || write_down(&entries, writer))?;
        Ok((Self { queue, reserved, full: false }, left))
    }

    /// Leaves an event for the writer; if too many wait it is left out.
    pub(super) fn append(&mut self, event: &Event) {
        // Half a block ahead: there is time to write it down before the first of them is used.
        if event.number + BLOCK / 2 > self.reserved && self.queue.try_send(Entry::Reserve(event.number + BLOCK)).is_ok()
        {
            self.reserved = event.number + BLOCK;
        }
        let full = matches!(self.queue.try_send(Entry::Event(event.clone())), Err(TrySendError::Full(_)));
        if full && !self.full {
            tracing::error!("the disk does not answer: events are kept in memory only");
        }
        self.full = full;
    }

    /// Ends this life well, and waits, but not long, until that is on disk.
    pub(super) fn close(&self, newest: u64) {
        let (done, closed) = sync_channel(1);
        if self.queue.try_send(Entry::Close(newest, done)).is_ok() {
            let _ = closed.recv_timeout(CLOSE_WITHIN);
        }
    }
}

/// The files, oldest first: they are named by when they were begun, in digits of equal number.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries.into_iter().filter(|path| number_of(path).is_some()).collect();
    files.sort();
    Ok(files)
}

fn number_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

fn read(directory: &Path) -> io::Result<Left> {
    let mut left = Left::default();
    for path in files(directory)? {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
        for line in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            match decode(line) {
                Some(Line::Event(event)) => {
                    left.newest = left.newest.max(event.number);
                    left.events.push_back(event);
                }
                Some(Line::Reserved { through }) => left.newest = left.newest.max(through),
                // What was reserved and not used is given back.
                Some(Line::Closed { newest }) => left.newest = newest,
                None => left.bad_lines += 1,
            }
        }
    }
    let surplus = left.events.len().saturating_sub(MAX_EVENTS);
    left.events.drain(..surplus);
    Ok(left)
}

/// A line without its end: checksum, space, JSON.
fn encode(line: &Line) -> Vec<u8> {
    let json = serde_json::to_vec(line).unwrap_or_default();
    [format!("{:08x} ", crc32fast::hash(&json)).as_bytes(), &json].concat()
}

fn decode(line: &[u8]) -> Option<Line> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(str::from_utf8(sum).ok()?.strip_suffix(' ')?, 16).ok()?;
    (sum == crc32fast::hash(json)).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// The newest file.
#[derive(Debug)]
struct Writer {
    directory: PathBuf,
    file: File,
    events: usize,
    /// The last line may not be whole: the next begins with an end of line.
    torn: bool,
}

impl Writer {
    /// Goes on with the newest file, whose last line may be torn.
    fn open(directory: &Path) -> io::Result<Self> {
        let path = files(directory)?.pop().unwrap_or_else(|| path(directory, 1));
        let file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
        let mut text = Vec::new();
        (&file).take(MAX_FILE).read_to_end(&mut text)?;
        let events = text.split(|octet| *octet == b'\n').filter(|line| matches!(decode(line), Some(Line::Event(_))));
        Ok(Self { directory: directory.to_owned(), events: events.count(), torn: true, file })
    }

    fn put(&mut self, line: &Line) -> io::Result<()> {
        if self.events >= FILE_EVENTS {
            self.turn_over()?;
        }
        let mut text = encode(line);
        text.push(b'\n');
        if self.torn {
            text.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&text)?;
        self.torn = false;
        self.events += usize::from(matches!(line, Line::Event(_)));
        Ok(())
    }

    /// Begins another file and forgets the oldest.
    fn turn_over(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let mut all = files(&self.directory)?;
        let number = all.last().and_then(|newest| number_of(newest)).unwrap_or(0) + 1;
        let path = path(&self.directory, number);
        self.file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        (self.events, self.torn) = (0, false);
        all.push(path);
        for old in all.iter().take(all.len().saturating_sub(FILES)) {
            fs::remove_file(old)?;
        }
        File::open(&self.directory)?.sync_all()
    }
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.log"))
}

/// The writer's thread.
fn write_down(entries: &Receiver<Entry>, mut writer: Writer) {
    let (mut failed, mut unsynced): (bool, Option<Instant>) = (false, None);
    loop {
        let entry = match unsynced {
            None => entries.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => entries.recv_timeout((since + SYNC_EVERY).saturating_duration_since(Instant::now())),
        };
        let (line, now, done) = match entry {
            Ok(Entry::Event(event)) => (Some(Line::Event(event)), false, None),
            Ok(Entry::Reserve(through)) => (Some(Line::Reserved { through }), true, None),
            Ok(Entry::Close(newest, done)) => (Some(Line::Closed { newest }), true, Some(done)),
            Err(RecvTimeoutError::Timeout) => (None, true, None),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut written = line.map_or(Ok(()), |line| writer.put(&line));
        unsynced = unsynced.or_else(|| Some(Instant::now()));
        if now || unsynced.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
            written = written.and_then(|()| writer.file.sync_data());
            unsynced = None;
        }
        match written {
            Err(ref error) if !failed => {
                tracing::error!(%error, "events are not written to disk; they are kept in memory")
            }
            Ok(()) if failed => tracing::info!("events are written to disk again"),
            _ => {}
        }
        failed = written.is_err();
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::notification::Notification;
    use rais_core::quantity::Incarnation;

    fn event(number: u64) -> Event {
        let notification = Notification::TestRecovered { test: "web".parse().unwrap() };
        let (incarnation, at) = (Incarnation(1), rais_core::time::Instant::ZERO);
        Event { number, incarnation, at, unix_ms: number, notification, text: format!("event {number}\nof two lines") }
    }

    /// A life: events are recorded, and it ends well or not. Whatever was recorded has reached the kernel by then, as it
    /// has a moment after [`EventLog::append`] in a daemon that is killed.
    fn live(directory: &Path, count: u64, well: bool) -> Left {
        let (mut log, left) = EventLog::open(directory).unwrap();
        (1..=count).for_each(|number| log.append(&event(left.newest + number)));
        if well {
            log.close(left.newest + count);
        } else {
            // The queue is emptied in order: when this thread has answered, all was written. Then the line is taken away.
            log.close(0);
            let newest = files(directory).unwrap().pop().unwrap();
            let text = fs::read(&newest).unwrap();
            let lines: Vec<_> = text.split_inclusive(|octet| *octet == b'\n').collect();
            fs::write(&newest, lines[..lines.len() - 1].concat()).unwrap();
        }
        left
    }

    fn numbers(left: &Left) -> Vec<u64> {
        left.events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn events_are_there_after_a_restart_and_numbers_go_on() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(live(directory.path(), 3, true), Left::default());
        let left = live(directory.path(), 2, true);
        assert_eq!((numbers(&left), left.newest, left.bad_lines), (vec![1, 2, 3], 3, 0));
        assert_eq!(left.events[2], event(3));
        let left = live(directory.path(), 0, true);
        assert_eq!((numbers(&left), left.newest), (vec![1, 2, 3, 4, 5], 5));
        assert_eq!(read(directory.path()).unwrap().newest, 5, "a life without events uses no number");
    }

    #[test]
    fn after_a_life_that_did_not_end_well_no_number_of_its_block_is_used() {
        let directory = tempfile::tempdir().unwrap();
        live(directory.path(), 3, false);
        let left = live(directory.path(), 1, false);
        assert_eq!((numbers(&left), left.newest), (vec![1, 2, 3], BLOCK));
        let left = read(directory.path()).unwrap();
        assert_eq!((numbers(&left), left.newest), (vec![1, 2, 3, BLOCK + 1], 2 * BLOCK));
    }

    #[test]
    fn a_torn_line_costs_itself_alone_wherever_it_was_torn() {
        let directory = tempfile::tempdir().unwrap();
        live(directory.path(), 3, false);
        let newest = files(directory.path()).unwrap().pop().unwrap();
        let whole = fs::read(&newest).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|octet| *octet == b'\n').unwrap() + 1;
        // Without its end of line alone it is still whole.
        for end in last + 1..whole.len() - 1 {
            fs::write(&newest, &whole[..end]).unwrap();
            let left = live(directory.path(), 1, false);
            assert_eq!((numbers(&left), left.newest, left.bad_lines), (vec![1, 2], BLOCK, 1), "torn at {end}");
            let after = read(directory.path()).unwrap();
            assert_eq!((numbers(&after), after.bad_lines), (vec![1, 2, BLOCK + 1], 1), "what follows is whole");
        }
    }

    #[test]
    fn a_spoiled_octet_costs_its_line_alone() {
        let directory = tempfile::tempdir().unwrap();
        live(directory.path(), 3, true);
        let newest = files(directory.path()).unwrap().pop().unwrap();
        let whole = fs::read(&newest).unwrap();
        for at in 0..whole.len() {
            let mut spoiled = whole.clone();
            spoiled[at] ^= 1;
            fs::write(&newest, &spoiled).unwrap();
            let left = read(directory.path()).unwrap();
            assert!(!left.events.is_empty() && left.bad_lines <= 2, "octet {at}: {left:?}");
            assert!(
                left.events.iter().all(|kept| *kept == event(kept.number)),
                "octet {at}: nothing false is believed"
            );
            assert!(left.newest >= 3, "octet {at}: no number is used again");
        }
    }

    #[test]
    fn the_newest_files_are_kept_and_hold_what_the_table_holds() {
        let directory = tempfile::tempdir().unwrap();
        let count = (FILE_EVENTS * 4 + 7) as u64;
        let mut writer = Writer::open(directory.path()).unwrap();
        (1..=count).for_each(|number| writer.put(&Line::Event(event(number))).unwrap());
        assert_eq!(files(directory.path()).unwrap().len(), FILES);
        let left = read(directory.path()).unwrap();
        assert_eq!((left.events.len(), left.newest), (MAX_EVENTS, count));
        assert_eq!(left.events.front().map(|event| event.number), Some(count - MAX_EVENTS as u64 + 1));
        // A life goes on in the newest file.
        assert_eq!(Writer::open(directory.path()).unwrap().events, 7);
    }
}
