//! The log: lines are handed to a thread of their own, and dropped and counted when it can not keep up.
//!
//! A log that blocks has delayed failovers in other products by seconds (G-61, G-69). Here the event loop formats a line
//! and leaves it in a queue; whether the reader of standard error is a terminal, a pipe nobody empties or a full disk
//! is that other thread's trouble.

use super::options::LogFormat;
use super::queue::{Receiver, Sender, queue};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait: a burst of some ten thousand address events is logged whole, and memory stays below some MB.
const QUEUE: usize = 16_384;
/// How long an exiting process waits for the last lines to be written.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);
/// The environment variable with the filter.
const FILTER: &str = "RAIS_LOG";

/// The log of this process.
#[derive(Debug)]
pub(super) struct Log {
    queue: Sender<Line>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts logging to standard error. Call once; a second call's lines go to the first one's writer.
    ///
    /// # Errors
    /// The kernel's, if there can be no further thread.
    pub(super) fn start(format: LogFormat) -> io::Result<Self> {
        let (log, lines) = Self::queue(QUEUE);
        let dropped = Arc::clone(&log.dropped);
        let thread = std::thread::Builder::new().name(String::from("log"));
        thread.spawn(move || write_lines(&lines, &dropped, io::stderr()))?;
        let filter = std::env::var(FILTER).ok().and_then(|filter| EnvFilter::try_new(filter).ok());
        let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
        let writer = Writer { queue: log.queue.clone(), dropped: Arc::clone(&log.dropped) };
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
        let result = match format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        };
        drop(result);
        Ok(log)
    }

    fn queue(length: usize) -> (Self, Receiver<Line>) {
        let (queue, lines) = queue(length);
        (Self { queue, dropped: Arc::default() }, lines)
    }

    /// Lines dropped so far.
    #[must_use]
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Waits, but not long, until what was logged is written.
    pub(super) fn flush(&self) {
        let (done, waiter) = sync_channel(1);
        if self.queue.try_send(Line::Flush(done)).is_ok() {
            let _ = waiter.recv_timeout(FLUSH_WITHIN);
        }
    }
}

/// Ends when all senders are gone, or with the process.
fn write_lines(lines: &Receiver<Line>, dropped: &AtomicU64, mut out: impl Write) {
    let mut told = 0;
    while let Ok(line) = lines.recv() {
        // A log that can not be written is not worth dying for: the next line may fit again.
        match line {
            Line::Text(text) => {
                let _ = out.write_all(&text);
            }
            Line::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
        let lost = dropped.load(Ordering::Relaxed);
        if lost > told {
            let _ = writeln!(out, "{} log lines dropped here: the log's reader is too slow", lost - told);
            told = lost;
        }
    }
}

/// Makes a [`LineWriter`] per event.
#[derive(Clone, Debug)]
struct Writer {
    queue: Sender<Line>,
    dropped: Arc<AtomicU64>,
}

/// Collects one event's text and queues it when dropped.
struct LineWriter<'a> {
    writer: &'a Writer,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter { writer: self, text: Vec::new() }
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.writer.queue.try_send(Line::Text(text)).is_err() {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stopped_reading_costs_lines_and_not_time() {
        let (log, lines) = Log::queue(2);
        let writer = Writer { queue: log.queue.clone(), dropped: log.dropped() };
        for number in 0..5 {
            writeln!(writer.make_writer(), "line {number}").unwrap();
        }
        assert_eq!(log.dropped().load(Ordering::Relaxed), 3);
        let dropped = log.dropped();
        drop((log, writer));
        let mut out = Vec::new();
        write_lines(&lines, &dropped, &mut out);
        let expected = "line 0\n3 log lines dropped here: the log's reader is too slow\nline 1\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
