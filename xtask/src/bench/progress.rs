//! What is under way, for who waits. On a terminal one line at the bottom shows every lane and is rewritten in place;
//! elsewhere each lane says now and then how far it is. What came of a job is a line that stays.

use crate::report::{duration, faint};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two signs of life of a lane where nothing can be rewritten.
const SAY_EVERY: Duration = Duration::from_secs(20);
/// Columns of the line that is rewritten: a longer one could not be.
const COLUMNS: usize = 79;

/// All lanes' one screen.
#[derive(Debug)]
pub struct Display {
    jobs: usize,
    terminal: bool,
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    ended: usize,
    /// By the job's number: what is shown of it.
    lanes: BTreeMap<usize, String>,
}

/// A job that is under way.
#[derive(Debug)]
pub struct Progress {
    display: Arc<Display>,
    number: usize,
    name: String,
    begun: Instant,
    said: Instant,
}

impl Display {
    /// The screen of so many jobs.
    pub fn new(jobs: usize) -> Arc<Self> {
        Arc::new(Self { jobs, terminal: std::io::stdout().is_terminal(), live: Mutex::default() })
    }

    fn change(&self, change: impl FnOnce(&mut Live) -> Option<String>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = change(&mut live);
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        if let Some(line) = stays {
            println!("{clear}{line}");
        }
        if self.terminal {
            print!("{clear}{}", faint(&live.line(self.jobs)));
            // If it can not be shown, it is measured all the same.
            let _ = std::io::stdout().flush();
        }
    }
}

impl Live {
    fn line(&self, jobs: usize) -> String {
        let mut line = format!("{}/{jobs}", self.ended);
        for lane in self.lanes.values() {
            let _ = write!(line, " · {lane}");
        }
        line.chars().take(COLUMNS).collect()
    }
}

impl Progress {
    /// Begins a job.
    pub fn begin(display: &Arc<Display>, number: usize, scenario: &str, subject: &str) -> Self {
        let (name, now) = (format!("{scenario:<18}{subject:<12}"), Instant::now());
        let progress = Self { display: Arc::clone(display), number, name, begun: now, said: now };
        progress.show("");
        progress
    }

    /// So far has it come.
    pub fn at(&mut self, round: u32, of: u32, what: &str) {
        if self.display.terminal {
            self.show(&format!(" {round}/{of}"));
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            println!("    {}{round} of {of}{}{what}", self.name, if what.is_empty() { "" } else { ": " });
        }
    }

    /// Ends the job with what came of it.
    pub fn end(&self, text: &str) {
        self.display.change(|live| {
            live.ended += 1;
            live.lanes.remove(&self.number);
            Some(format!("    {}{text}  {}", self.name, faint(&duration(self.begun.elapsed()))))
        });
    }

    fn show(&self, how_far: &str) {
        let words: Vec<&str> = self.name.split_whitespace().collect();
        self.display.change(|live| {
            live.lanes.insert(self.number, format!("{}{how_far}", words.join(" ")));
            None
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_is_rewritten_fits_however_many_lanes_there_are() {
        let lanes = (0..9).map(|number| (number, format!("clean-stop-1000 keepalived {number}/20"))).collect();
        let line = Live { ended: 3, lanes }.line(38);
        assert!(line.starts_with("3/38 · clean-stop-1000 keepalived 0/20 · "), "{line}");
        assert_eq!(line.chars().count(), COLUMNS);
    }
}
