//! What the box shows: every line on serial consoles, a status screen with the last lines on the display.
//!
//! A serial line is slow and may block; so a thread of its own writes, lines queue up to a limit, and what does not fit
//! is counted and dropped. Everything is kept in `/run/rais/log` as well, up to a size.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

/// Lines that wait for a slow console.
const QUEUE: usize = 512;
/// Lines below the status on the display.
const RECENT: usize = 10;
/// Octets of the log; then it is begun anew and the old one kept beside it.
const LOG_SIZE: usize = 1 << 20;
const LOG: &str = "/run/rais/log";
const OLD_LOG: &str = "/run/rais/log.old";

static QUEUE_END: OnceLock<SyncSender<Output>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Output {
    Line(String),
    /// A new status for the display.
    Status(String),
    /// A new status, wanted on the serial consoles.
    StatusOnSerial(String),
    /// Everything before this was written.
    Flush(SyncSender<()>),
}

/// Says a line of init's own, with the seconds since the kernel started.
pub(crate) fn say(text: &str) {
    put(Output::Line(format!("rais: [{:7.2}] {text}", uptime().as_secs_f64())));
}

/// Passes on a line of raisd's log.
pub(crate) fn relay(line: &str) {
    put(Output::Line(line.to_owned()));
}

/// Replaces the status on the display.
pub(crate) fn show(status: String) {
    put(Output::Status(status));
}

/// Writes the status to the serial consoles: somebody there asked.
pub(crate) fn show_on_serial(status: String) {
    put(Output::StatusOnSerial(status));
}

/// Is there a display that shows anything? Without one the kernel keeps a dummy in its place.
pub(crate) fn has_display() -> bool {
    let consoles = fs::read_dir("/sys/class/vtconsole").map(|entries| entries.flatten().collect());
    consoles.unwrap_or_else(|_| Vec::new()).iter().map(fs::DirEntry::path).any(|console| {
        let read = |file: &str| fs::read_to_string(console.join(file)).unwrap_or_default();
        read("bind").trim() == "1" && !read("name").contains("dummy")
    })
}

/// Waits until everything said so far is written, but not for long.
pub(crate) fn flush() {
    let (done, wait) = mpsc::sync_channel(1);
    put(Output::Flush(done));
    let _ = wait.recv_timeout(Duration::from_secs(2));
}

/// Starts the thread that writes.
pub(crate) fn start() {
    let (end, lines) = mpsc::sync_channel(QUEUE);
    if QUEUE_END.set(end).is_ok() {
        std::thread::spawn(move || Console::open().run(&lines));
    }
}

/// Since the kernel started.
pub(crate) fn uptime() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The names of the kernel's consoles, such as "tty0" and "ttyS0".
pub(crate) fn names() -> Vec<String> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    active.split_whitespace().map(str::to_owned).collect()
}

/// Is it a display and not a serial line? Displays are `tty` and a number.
pub(crate) fn is_display(name: &str) -> bool {
    name.strip_prefix("tty").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn put(output: Output) {
    match QUEUE_END.get() {
        Some(queue) => {
            if queue.try_send(output).is_err() {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
        None => {
            if let (Output::Line(line), Ok(mut console)) = (output, File::options().write(true).open("/dev/console")) {
                let _ = writeln!(console, "{line}");
            }
        }
    }
}

struct Console {
    serial: Vec<File>,
    display: Option<File>,
    log: Option<File>,
    log_size: usize,
    status: String,
    recent: VecDeque<String>,
}

impl Console {
    fn open() -> Self {
        let (displays, serial): (Vec<_>, Vec<_>) = names().into_iter().partition(|name| is_display(name));
        let open = |name: &String| File::options().write(true).open(Path::new("/dev").join(name)).ok();
        Self {
            serial: serial.iter().filter_map(open).collect(),
            display: displays.iter().find_map(open),
            log: File::create(LOG).ok(),
            log_size: 0,
            status: String::new(),
            recent: VecDeque::new(),
        }
    }

    fn run(&mut self, outputs: &Receiver<Output>) {
        for output in outputs {
            let dropped = DROPPED.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                self.line(&format!("rais: {dropped} lines dropped: the console is too slow"));
            }
            match output {
                Output::Line(line) => self.line(&line),
                Output::Status(status) => {
                    self.status = status;
                    self.redraw();
                }
                Output::StatusOnSerial(status) => self.write_serial(&format!("\n{status}\n")),
                Output::Flush(done) => {
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn line(&mut self, line: &str) {
        let line = format!("{}\n", printable(line));
        self.write_serial(&line);
        self.append_to_log(&line);
        if self.status.is_empty() {
            write_to(self.display.as_mut(), &line);
        }
        self.recent.push_back(line);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        if !self.status.is_empty() {
            self.redraw();
        }
    }

    fn redraw(&mut self) {
        // Home, clear to the end of each line as it is written, then what is left below: no flicker.
        let mut screen = String::from("\x1b[H");
        for line in self.status.lines().chain([""]).chain(self.recent.iter().map(|line| line.trim_end())) {
            let _ = write!(screen, "{line}\x1b[K\r\n");
        }
        screen.push_str("\x1b[J");
        write_to(self.display.as_mut(), &screen);
    }

    fn write_serial(&mut self, text: &str) {
        for console in &mut self.serial {
            // A port without hardware behind it fails; there is nobody to tell.
            let _ = console.write_all(text.as_bytes());
        }
    }

    fn append_to_log(&mut self, line: &str) {
        self.log_size += line.len();
        if self.log_size > LOG_SIZE {
            let _ = fs::rename(LOG, OLD_LOG);
            self.log = File::create(LOG).ok();
            self.log_size = line.len();
        }
        write_to(self.log.as_mut(), line);
    }
}

fn write_to(file: Option<&mut File>, text: &str) {
    if let Some(file) = file {
        let _ = file.write_all(text.as_bytes());
    }
}

/// A peer's name in a log line must not drive the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|character| if character.is_control() && character != '\t' { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_is_told_from_a_serial_line_by_its_name() {
        assert!(is_display("tty0") && is_display("tty1"));
        assert!(!is_display("ttyS0") && !is_display("ttyAMA0") && !is_display("hvc0"));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\tc\r"), "a?[2Jb\tc?");
    }
}
