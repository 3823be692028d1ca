//! The event log: the newest events on disk, so that they outlive the daemon, and the promise that no number is used twice.
//!
//! Lines of text, each behind its own checksum: a line that a power cut tore, or that the disk spoiled, is skipped, and the
//! others count. The newest few files are kept. A thread writes; nobody waits for it, and a disk that does not answer costs
//! lines on disk, never an event in memory nor a notification.
//!
//! *Numbers* are reserved on disk in blocks before they are used. A life that ends well says which was its last; after one
//! that did not, counting goes on behind its block, because receivers may have seen numbers that the disk has not. A
//! reservation that the disk refuses is tried again with every event, and the event table counts on elsewhere meanwhile.
//!
//! *Wear*: lines go to the kernel at once, so that a killed daemon loses nothing, and from there to the disk at most every
//! [`SYNC_EVERY`]: some 20 KB of a flash's blocks each, 170 MB a day at the very worst. A power cut loses that much.

use super::event_table::MAX_EVENTS;
use super::queue::{Receiver, Sender, queue};
use crate::event::Event;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Events of one file. Of [`FILES`] files all but the newest are full, so at least [`MAX_EVENTS`] are kept.
const FILE_EVENTS: usize = MAX_EVENTS / 2;
const FILES: usize = 3;
/// Larger than any file of ours: 5,000 lines of the longest kind.
const MAX_FILE: u64 = 32 << 20;
/// How many numbers are reserved at a time.
const BLOCK: u64 = 10_000;
/// The writer reserves the next block so many numbers ahead: whatever may wait in the queue is within the last one.
const AHEAD: u64 = BLOCK / 2;
/// Lines that may wait for a disk that does not answer.
const QUEUE: usize = AHEAD as usize;
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
    queue: Sender<Entry>,
    full: bool,
    reserved: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Event(Event),
    Close(u64, SyncSender<()>),
}

impl EventLog {
    /// Reserves the first numbers of a life behind `newest`, and starts the writer. A reservation that the disk refuses is
    /// logged and tried again later.
    ///
    /// # Errors
    /// The file system's: nothing can be written in this life.
    pub(super) fn open(directory: &Path, newest: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut numbers = Numbers::new(Writer::open(directory)?);
        let reserved = Arc::clone(&numbers.reserved);
        if let Err(error) = numbers.reserve_behind(newest) {
            tracing::error!(%error, "the disk refuses events; they are kept in memory");
        }
        File::open(directory)?.sync_all()?;
        let (queue, entries) = queue(QUEUE);
        std::thread::Builder::new().name(String::from("event-log")).spawn(move || write_down(&entries, numbers))?;
        Ok(Self { queue, full: false, reserved })
    }

    /// Up to this number all are reserved on disk, for this life or an earlier one.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Leaves an event for the writer; if too many wait it is left out.
    pub(super) fn append(&mut self, event: &Event) {
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

/// What earlier lives left.
///
/// # Errors
/// The directory can not be read. A file that can not counts as a bad line.
pub(super) fn read(directory: &Path) -> io::Result<Left> {
    let mut left = Left::default();
    // The newest event's number, and up to where numbers are reserved since the last good end.
    let (mut used, mut reserved) = (0, None);
    let files = match files(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
        files => files?,
    };
    for path in files {
        let mut text = Vec::new();
        if let Err(error) = File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text)) {
            tracing::warn!(%error, path = %path.display(), "a file of the event log can not be read");
            left.bad_lines += 1;
        }
        for line in text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            match decode(line) {
                Some(Line::Event(event)) => {
                    used = used.max(event.number);
                    // Numbers that nobody reserved: the reservation was lost.
                    reserved = reserved.or(Some(0));
                    left.events.push_back(event);
                }
                Some(Line::Reserved { through }) => reserved = reserved.max(Some(through)),
                // What was reserved and not used is given back.
                Some(Line::Closed { newest }) => (used, reserved) = (newest, None),
                None => left.bad_lines += 1,
            }
        }
    }
    left.newest = match reserved {
        // A good end.
        None => used,
        // There are always numbers ahead; where there are not, the line that says so is lost.
        Some(through) if through < used + AHEAD => used + BLOCK,
        Some(through) => through,
    };
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

/// Where lines go.
trait Lines {
    /// To the kernel.
    fn put(&mut self, line: &Line) -> io::Result<()>;
    /// To the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Lines, and how many numbers are reserved in them.
#[derive(Debug)]
struct Numbers<L> {
    lines: L,
    /// Up to this one, on disk.
    reserved: Arc<AtomicU64>,
}

impl<L: Lines> Numbers<L> {
    fn new(lines: L) -> Self {
        Self { lines, reserved: Arc::default() }
    }

    /// Has at least [`AHEAD`] numbers behind this one on disk, or a whole block of them.
    fn reserve_behind(&mut self, number: u64) -> io::Result<()> {
        if number + AHEAD <= self.reserved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let through = number + BLOCK;
        self.lines.put(&Line::Reserved { through })?;
        self.lines.sync()?;
        self.reserved.store(through, Ordering::Relaxed);
        Ok(())
    }
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

impl Lines for Writer {
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

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}.log"))
}

/// The writer's thread.
fn write_down(entries: &Receiver<Entry>, mut numbers: Numbers<impl Lines>) {
    let (mut failed, mut unsynced): (bool, Option<Instant>) = (false, None);
    loop {
        let entry = match unsynced {
            None => entries.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(since) => entries.recv_timeout((since + SYNC_EVERY).saturating_duration_since(Instant::now())),
        };
        let (line, now, done) = match entry {
            Ok(Entry::Event(event)) => (Some(Line::Event(event)), false, None),
            Ok(Entry::Close(newest, done)) => (Some(Line::Closed { newest }), true, Some(done)),
            Err(RecvTimeoutError::Timeout) => (None, true, None),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut written = match &line {
            Some(Line::Event(event)) => numbers.reserve_behind(event.number),
            _ => Ok(()),
        };
        written = written.and(line.map_or(Ok(()), |line| numbers.lines.put(&line)));
        unsynced = unsynced.or_else(|| Some(Instant::now()));
        if now || unsynced.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
            written = written.and_then(|()| numbers.lines.sync());
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
        let left = read(directory).unwrap();
        let mut log = EventLog::open(directory, left.newest).unwrap();
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

    /// A disk that refuses what it is given so many times, and notes the rest.
    struct Refusing {
        times: usize,
        took: std::sync::mpsc::Sender<Line>,
    }

    impl Lines for Refusing {
        fn put(&mut self, line: &Line) -> io::Result<()> {
            if self.times > 0 {
                self.times -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let _ = self.took.send(decode(&encode(line)).unwrap());
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reservation_that_the_disk_refused_is_tried_again_with_the_next_event() {
        let (took, lines) = std::sync::mpsc::channel();
        let (queue, entries) = queue(QUEUE);
        // It is full when the life begins, and for the first reservation and two events.
        let mut numbers = Numbers::new(Refusing { times: 5, took });
        assert!(numbers.reserve_behind(100).is_err());
        (101..=110).for_each(|number| queue.try_send(Entry::Event(event(number))).unwrap());
        drop(queue);
        write_down(&entries, numbers);
        let (mut reserved, mut used) = (0, Vec::new());
        for line in lines {
            match line {
                Line::Reserved { through } => reserved = through,
                Line::Event(event) => {
                    assert!(event.number + AHEAD <= reserved, "{} of {reserved}", event.number);
                    used.push(event.number);
                }
                Line::Closed { .. } => {}
            }
        }
        // The first two cost a reservation and an event each.
        assert_eq!(used, (103..=110).collect::<Vec<_>>());
    }

    #[test]
    fn every_number_was_reserved_before_it_was_written() {
        let (took, lines) = std::sync::mpsc::channel();
        let (queue, entries) = queue(3 * BLOCK as usize);
        (1..=3 * BLOCK).for_each(|number| queue.try_send(Entry::Event(event(number))).unwrap());
        drop(queue);
        write_down(&entries, Numbers::new(Refusing { times: 0, took }));
        let (mut reserved, mut reservations) = (0, 0);
        for line in lines {
            match line {
                Line::Reserved { through } => (reserved, reservations) = (through, reservations + 1),
                Line::Event(event) => assert!(event.number + AHEAD <= reserved, "{} of {reserved}", event.number),
                Line::Closed { .. } => {}
            }
        }
        assert!((4..=7).contains(&reservations), "{reservations}: a line on disk for thousands of events");
    }

    #[test]
    fn a_life_on_a_full_disk_goes_on_counting_where_earlier_lives_ended() {
        let directory = tempfile::tempdir().unwrap();
        live(directory.path(), 3, true);
        // The newest file is on a device that is full: what is read of it means nothing, and nothing can be written.
        std::os::unix::fs::symlink("/dev/full", path(directory.path(), 2)).unwrap();
        let left = read(directory.path()).unwrap();
        assert_eq!((numbers(&left), left.newest), (vec![1, 2, 3], 3));
        let mut log = EventLog::open(directory.path(), left.newest).unwrap();
        log.append(&event(4));
        log.close(4);
        assert_eq!(read(directory.path()).unwrap().newest, 3, "it was not written down");
    }

    #[test]
    fn a_lost_reservation_is_made_up_for() {
        let directory = tempfile::tempdir().unwrap();
        live(directory.path(), 3, false);
        let newest = files(directory.path()).unwrap().pop().unwrap();
        let text = String::from_utf8(fs::read(&newest).unwrap()).unwrap();
        let spoiled = text.replace("reserved", "reserveb");
        assert_ne!(text, spoiled);
        fs::write(&newest, spoiled).unwrap();
        let left = read(directory.path()).unwrap();
        assert_eq!((numbers(&left), left.newest, left.bad_lines), (vec![1, 2, 3], 3 + BLOCK, 1));
    }

    #[test]
    fn the_newest_files_are_kept_and_hold_what_the_table_holds() {
        let directory = tempfile::tempdir().unwrap();
        let count = (FILE_EVENTS * 4 + 7) as u64;
        let mut writer = Writer::open(directory.path()).unwrap();
        (1..=count).for_each(|number| writer.put(&Line::Event(event(number))).unwrap());
        writer.put(&Line::Closed { newest: count }).unwrap();
        assert_eq!(files(directory.path()).unwrap().len(), FILES);
        let left = read(directory.path()).unwrap();
        assert_eq!((left.events.len(), left.newest), (MAX_EVENTS, count));
        assert_eq!(left.events.front().map(|event| event.number), Some(count - MAX_EVENTS as u64 + 1));
        // A life goes on in the newest file.
        assert_eq!(Writer::open(directory.path()).unwrap().events, 7);
    }
}
