//! The journal of this daemon: what went into the node and what came out is left in a queue, and a thread writes it down.
//!
//! The event loop never waits for it (G-69): a queue that is full costs records, and the file says how many. The file
//! holds one life from its start, because a replay needs the start; so it ends at its largest size instead of turning
//! over, and what an earlier life left is kept under another name. No journal is worth an address: whatever goes wrong
//! with it is logged, and the daemon goes on without.

use super::queue::{Receiver, Sender, queue};
use crate::journal::{End, FORMAT, Record, Start, append_line};
use rais_core::io::{Action, Input};
use rais_core::params::BoxParams;
use rais_core::time::Instant;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

/// Records that may wait: a minute of a busy box while its disk does not answer, and memory stays at some MB.
const QUEUE: usize = 4_096;
/// Octets collected before they are written, if more records wait.
const CHUNK: usize = 64 * 1024;
/// How long a dying process waits for the last records to be written: the kernel holds its addresses meanwhile.
const FLUSH_WITHIN: Duration = Duration::from_millis(100);

/// The event loop's end of the queue.
#[derive(Debug)]
pub(super) struct Journal {
    queue: Sender<Entry>,
    /// Records that found the queue full since the last one that did not.
    lost: u64,
    ended: bool,
}

/// Waits for the writer.
#[derive(Clone, Debug)]
pub(super) struct Flusher(Sender<Entry>);

#[derive(Debug)]
enum Entry {
    Record(Record),
    Flush(SyncSender<()>),
}

impl Journal {
    /// Opens the file, at most `limit` octets long, and starts the writer. What is there is renamed to `FILE.1`.
    ///
    /// # Errors
    /// The file system's, or there is something that is no file. Then nothing was changed there.
    pub(super) fn start(path: &Path, limit: u64) -> io::Result<Self> {
        let file = open_new(path)?;
        let (queue, entries) = queue(QUEUE);
        let writer = Writer { out: file, text: Vec::with_capacity(CHUNK), written: 0, limit };
        let thread = std::thread::Builder::new().name(String::from("journal"));
        thread.spawn(move || write_down(&entries, writer))?;
        Ok(Self { queue, lost: 0, ended: false })
    }

    /// The way to the writer that others may keep.
    #[must_use]
    pub(super) fn flusher(&self) -> Flusher {
        Flusher(self.queue.clone())
    }

    /// A node begins to live.
    pub(super) fn begin(&mut self, params: &BoxParams, at: Instant) {
        let (release, params) = (env!("CARGO_PKG_VERSION").to_owned(), params.clone());
        self.record(Record::Start(Box::new(Start { format: FORMAT, release, at, params })));
    }

    /// The node is about to take these in.
    pub(super) fn step(&mut self, at: Instant, inputs: &[Input]) {
        if !self.ended {
            self.record(Record::Step { at, inputs: inputs.to_vec() });
        }
    }

    /// This came of it.
    pub(super) fn actions(&mut self, actions: Vec<Action>) {
        if !actions.is_empty() {
            self.record(Record::Actions(actions));
        }
    }

    /// The node has stopped.
    pub(super) fn end(&mut self) {
        self.record(Record::End(End::Stopped));
        self.ended = true;
    }

    /// Nothing is recorded any more.
    #[must_use]
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    fn record(&mut self, record: Record) {
        if self.ended {
            return;
        }
        // The gap goes where it is: in front of the first record that finds room again.
        if self.lost > 0 && self.queue.try_send(Entry::Record(Record::Gap { records: self.lost })).is_ok() {
            self.lost = 0;
        }
        if self.lost > 0 {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        match self.queue.try_send(Entry::Record(record)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost = 1,
            // The writer has said why in the log.
            Err(TrySendError::Disconnected(_)) => self.ended = true,
        }
    }
}

impl Flusher {
    /// Waits, but not long, until what was recorded is written.
    pub(super) fn flush(&self) {
        let (done, waiter) = sync_channel(1);
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            let _ = waiter.recv_timeout(FLUSH_WITHIN);
        }
    }
}

fn open_new(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => fs::rename(path, earlier(path))?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Where the life before is kept.
fn earlier(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}

/// Ends with the last record, or with the file.
fn write_down(entries: &Receiver<Entry>, mut writer: Writer<impl Write>) {
    while let Some(entry) = next(entries, &mut writer) {
        let more = match entry {
            Ok(Entry::Record(record)) => writer.take(&record),
            Ok(Entry::Flush(done)) => {
                let more = writer.flush();
                let _ = done.try_send(());
                more
            }
            Err(error) => Err(error),
        };
        match more {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => return,
            Err(error) => {
                tracing::error!(%error, octets = writer.written, "the journal can not be written and ends here");
                return;
            }
        }
    }
}

/// Whoever is about to wait, or to end, writes first.
fn next(entries: &Receiver<Entry>, writer: &mut Writer<impl Write>) -> Option<io::Result<Entry>> {
    match entries.try_recv() {
        Ok(entry) => Some(Ok(entry)),
        Err(TryRecvError::Empty | TryRecvError::Disconnected) => match writer.flush() {
            Ok(_) => entries.recv().ok().map(Ok),
            Err(error) => Some(Err(error)),
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

struct Writer<W> {
    out: W,
    /// Whole lines that are not written yet.
    text: Vec<u8>,
    /// Octets in the file.
    written: u64,
    limit: u64,
}

impl<W: Write> Writer<W> {
    fn take(&mut self, record: &Record) -> io::Result<Progress> {
        if let Record::Gap { records } = record {
            tracing::warn!(records, "the journal's disk is too slow: records are missing in it");
        }
        let mut line = Vec::new();
        append_line(&mut line, record);
        let mut last = Vec::new();
        append_line(&mut last, &Record::End(End::Full));
        if self.octets(&[&self.text, &line, &last]) > self.limit {
            tracing::warn!(octets = self.written, "the journal is as large as it may be and ends here");
            self.text.append(&mut last);
            return self.flush().map(|_| Progress::Done);
        }
        self.text.append(&mut line);
        if let Record::End(_) = record {
            return self.flush().map(|_| Progress::Done);
        }
        if self.text.len() >= CHUNK { self.flush() } else { Ok(Progress::More) }
    }

    fn octets(&self, parts: &[&[u8]]) -> u64 {
        let more = parts.iter().map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX));
        more.fold(self.written, u64::saturating_add)
    }

    fn flush(&mut self) -> io::Result<Progress> {
        self.out.write_all(&self.text)?;
        self.written = self.octets(&[&self.text]);
        self.text.clear();
        Ok(Progress::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// A disk that can be looked at, and that has room for so much.
    #[derive(Clone)]
    struct Disk {
        content: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut content = self.content.lock().unwrap();
            if content.len() + octets.len() > self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn journal(most: usize) -> (Journal, Receiver<Entry>) {
        let (queue, entries) = queue(most);
        (Journal { queue, lost: 0, ended: false }, entries)
    }

    fn written(entries: &Receiver<Entry>, limit: u64, room: usize) -> String {
        let disk = Disk { content: Arc::default(), room };
        write_down(entries, Writer { out: disk.clone(), text: Vec::new(), written: 0, limit });
        let content = disk.content.lock().unwrap().clone();
        String::from_utf8(content).unwrap()
    }

    fn tick(journal: &mut Journal, at: u64) {
        journal.step(Instant::from_micros(at), &[Input::Tick]);
    }

    #[test]
    fn a_disk_that_does_not_answer_costs_records_and_the_file_says_how_many() {
        let (mut journal, entries) = journal(2);
        for at in 1..=5 {
            tick(&mut journal, at);
        }
        // The disk answers again; the gap and one more record fit.
        assert!(matches!((entries.recv(), entries.recv()), (Ok(Entry::Record(_)), Ok(Entry::Record(_)))));
        tick(&mut journal, 6);
        drop(journal);
        let text = written(&entries, 10_000, 10_000);
        assert_eq!(text, "{\"gap\":{\"records\":3}}\n{\"step\":{\"at\":6,\"inputs\":[\"Tick\"]}}\n");
    }

    #[test]
    fn a_full_journal_says_so_in_its_last_line_and_the_loop_stops_recording() {
        let (mut journal, entries) = journal(10);
        for at in 1..=5 {
            tick(&mut journal, at);
        }
        let line = "{\"step\":{\"at\":1,\"inputs\":[\"Tick\"]}}\n".len();
        let end = "{\"end\":\"full\"}\n";
        let text = written(&entries, u64::try_from(3 * line + end.len()).unwrap(), 10_000);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.ends_with(end), "{text}");
        drop(entries);
        assert!(!journal.ended());
        tick(&mut journal, 6);
        assert!(journal.ended());
    }

    #[test]
    fn a_disk_without_room_ends_the_journal_and_nothing_else() {
        let (mut journal, entries) = journal(10);
        tick(&mut journal, 1);
        assert_eq!(written(&entries, 10_000, 20), "");
        drop(entries);
        tick(&mut journal, 2);
        assert!(journal.ended());
    }

    #[test]
    fn the_life_before_is_kept_and_what_is_no_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        for life in ["first", "second", "third"] {
            open_new(&path).unwrap().write_all(life.as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!((read(&path), read(&earlier(&path))), (String::from("third"), String::from("second")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        let other = directory.path().join("directory");
        fs::create_dir(&other).unwrap();
        assert_eq!(open_new(&other).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(other.is_dir());
    }

    #[test]
    fn a_flush_comes_back_when_all_before_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::start(&path, 10_000).unwrap();
        tick(&mut journal, 7);
        journal.flusher().flush();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":{\"at\":7,\"inputs\":[\"Tick\"]}}\n");
    }
}
