//! One line per subject and scenario that lives while it is measured. On a terminal it is rewritten in place; elsewhere it
//! is said again now and then.

use crate::report::faint;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two signs of life where nothing can be rewritten.
const SAY_EVERY: Duration = Duration::from_secs(20);

/// A line that lives.
#[derive(Debug)]
pub struct Progress {
    head: String,
    terminal: bool,
    begun: Instant,
    said: Instant,
}

impl Progress {
    /// Begins a line with `head`.
    pub fn begin(head: &str) -> Self {
        let now = Instant::now();
        let progress = Self { head: head.to_owned(), terminal: std::io::stdout().is_terminal(), begun: now, said: now };
        if progress.terminal {
            progress.show("…");
        }
        progress
    }

    /// So far has it come.
    pub fn at(&mut self, round: u32, of: u32, what: &str) {
        let text = format!("{round} of {of}{}{what}", if what.is_empty() { "" } else { ": " });
        if self.terminal {
            self.show(&text);
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            println!("{}{}", self.head, faint(&text));
        }
    }

    /// Ends the line with what came of it.
    pub fn end(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        println!("{clear}{}{text}  {}", self.head, faint(&crate::report::duration(self.begun.elapsed())));
    }

    fn show(&self, text: &str) {
        print!("\r\x1b[K{}{}", self.head, faint(text));
        // If it can not be shown, it is measured all the same.
        let _ = std::io::stdout().flush();
    }
}
