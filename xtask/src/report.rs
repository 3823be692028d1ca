//! What a person sees while a long command works: steps with their time, checks with what was expected and what was seen.
//! Fits 80 columns; colours only on a terminal that wants them.

use anyhow::Result;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Columns of everything printed here.
pub const WIDTH: usize = 80;

/// Wraps `text` in a terminal's colour code, if standard output is a terminal and `NO_COLOR` is not set.
fn paint(text: &str, code: &str) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Green.
pub fn good(text: &str) -> String {
    paint(text, "32")
}

/// Red and bold.
pub fn bad(text: &str) -> String {
    paint(text, "1;31")
}

/// Bold.
pub fn strong(text: &str) -> String {
    paint(text, "1")
}

/// Grey.
pub fn faint(text: &str) -> String {
    paint(text, "2")
}

/// A length of time with a precision that suits it: `3 ms`, `4.2 s`, `3 m 20 s`.
pub fn duration(length: Duration) -> String {
    let ms = length.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..100_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} m {:02} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// Does `work` under a headline that says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    print!("{what} … ");
    // The line is worth showing before the work; if it can not be shown, the work still counts.
    let _ = std::io::stdout().flush();
    let result = work();
    let time = duration(start.elapsed());
    match &result {
        Ok(_) => println!("{}", faint(&time)),
        Err(_) => println!("{} after {time}", bad("failed")),
    }
    result
}

/// Counts checks, and prints each as a line: what was expected, the bound, what was seen.
#[derive(Debug, Default)]
pub struct Checks {
    passed: usize,
    failed: Vec<String>,
    late: usize,
    step: usize,
}

/// How checks ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them as expected, and there was at least one.
    AsExpected,
    /// Everything came about, but some of it took longer than its bound.
    Late,
    /// Something did not come about, or nothing was checked.
    Failed,
}

/// Everything came about, but too late. A machine that was busy for a second does that too, so it has an exit code of its
/// own and may be tried again.
#[derive(Debug)]
pub struct Late;

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("everything came about, but not within its time")
    }
}

impl std::error::Error for Late {}

impl Late {
    /// How a process ends that was only late.
    pub const EXIT_CODE: u8 = 3;
}

impl Checks {
    /// Starts a numbered step of a scenario.
    pub fn begin(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}", strong(&format!("{:>2}  {title}", self.step)));
    }

    /// One expectation.
    pub fn check(&mut self, what: &str, expected: &str, seen: &str, passed: bool) {
        self.line(what, expected, seen, passed);
        if !passed {
            self.failed.push(format!("step {}: {what}: expected {expected}, seen {seen}", self.step));
        }
    }

    /// An expectation that a time stays within a bound.
    pub fn within(&mut self, what: &str, seen: Duration, bound: Duration) {
        self.late += usize::from(seen > bound);
        self.check(what, &format!("≤ {}", duration(bound)), &duration(seen), seen <= bound);
    }

    /// An expectation that something is so; if not, why.
    pub fn holds(&mut self, what: &str, result: Result<(), String>) {
        self.line(what, "", "", result.is_ok());
        if let Err(why) = result {
            println!("      {}", bad(&why));
            self.failed.push(format!("step {}: {what}: {why}", self.step));
        }
    }

    fn line(&mut self, what: &str, expected: &str, seen: &str, passed: bool) {
        let verdict = if passed { good("ok") } else { bad("FAILED") };
        println!("    {what:<44}{expected:>12}{seen:>11}  {verdict}");
        self.passed += usize::from(passed);
    }

    /// A line that explains, without a verdict.
    pub fn note(&self, text: &str) {
        println!("    {}", faint(text));
    }

    /// Prints the closing lines.
    pub fn conclude(&self) -> Verdict {
        println!("\n{} of {} checks as expected", self.passed, self.passed + self.failed.len());
        for failure in &self.failed {
            println!("{} {failure}", bad("FAILED"));
        }
        match self.failed.len() {
            0 if self.passed > 0 => Verdict::AsExpected,
            failed if failed > 0 && failed == self.late => Verdict::Late,
            _ => Verdict::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_suits_it() {
        for (ms, text) in [(0, "0 ms"), (999, "999 ms"), (4250, "4.2 s"), (99_999, "99.9 s"), (200_000, "3 m 20 s")] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn nothing_checked_is_not_a_success_and_late_is_neither() {
        let mut checks = Checks::default();
        assert_eq!(checks.conclude(), Verdict::Failed);
        checks.check("one", "", "", true);
        assert_eq!(checks.conclude(), Verdict::AsExpected);
        checks.within("two", Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(checks.conclude(), Verdict::Late);
        checks.check("three", "a", "b", false);
        assert_eq!(checks.conclude(), Verdict::Failed);
    }
}
