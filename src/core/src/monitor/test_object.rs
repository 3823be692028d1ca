//! One test object (N-1, G-11): when it runs, and when it has failed or recovered.

use crate::address::TestName;
use crate::params::TestParams;
use crate::time::Instant;
use crate::view::TestView;
use alloc::string::String;

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Unchanged,
    /// It failed just now.
    Failed,
    /// It recovered just now.
    Recovered,
}

/// A run that has been asked for and not been answered.
#[derive(Clone, Copy, Debug)]
struct Run {
    started: Instant,
    /// Its timeout passed and was counted as a failure: its answer will be too late to count.
    overdue: bool,
}

/// A test object's state.
#[derive(Clone, Debug)]
pub(crate) struct TestObject {
    params: TestParams,
    passing: bool,
    /// Results in a row that speak against `passing`.
    against: u32,
    next_run: Instant,
    run: Option<Run>,
    runs: u64,
    failures: u64,
    transitions: u32,
    last_change: Instant,
    last_error: Option<String>,
}

impl TestObject {
    /// A test that passes until it has failed `fall` times: a starting box is not a failed one.
    pub(crate) fn new(params: TestParams, now: Instant) -> Self {
        Self {
            params,
            passing: true,
            against: 0,
            next_run: now,
            run: None,
            runs: 0,
            failures: 0,
            transitions: 0,
            last_change: now,
            last_error: None,
        }
    }

    /// A test that has failed until it has passed `rise` times: nobody relies on it before it is known to pass.
    pub(crate) fn unproven(params: TestParams, now: Instant) -> Self {
        Self { passing: false, ..Self::new(params, now) }
    }

    /// Takes a new schedule; what is known stays known.
    pub(crate) fn configure(&mut self, params: TestParams, now: Instant) {
        self.next_run = self.next_run.min(now + params.interval);
        self.params = params;
    }

    /// The service works, as far as this test knows.
    pub(crate) fn passing(&self) -> bool {
        self.passing
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn timeout(&self) -> Instant {
        match self.run {
            Some(run) if !run.overdue => run.started + self.params.timeout,
            Some(_) | None => self.next_run,
        }
    }

    /// Starts a run that is due (`true`), or counts one that takes too long.
    ///
    /// A probe that hangs never blocks the count: each further interval without an answer is one more failed run.
    pub(crate) fn tick(&mut self, now: Instant) -> (bool, Verdict) {
        let mut verdict = Verdict::Unchanged;
        if let Some(run) = &mut self.run
            && !run.overdue
            && now >= run.started + self.params.timeout
        {
            run.overdue = true;
            verdict = self.count(Err(String::from("no answer within its timeout")), now);
        }
        if now < self.next_run {
            return (false, verdict);
        }
        self.next_run = now + self.params.interval;
        if self.run.is_some() {
            return (false, self.count(Err(String::from("still running")), now));
        }
        self.run = Some(Run { started: now, overdue: false });
        (true, verdict)
    }

    /// Takes in a run's result.
    pub(crate) fn tested(&mut self, result: Result<(), String>, now: Instant) -> Verdict {
        match self.run.take() {
            Some(Run { overdue: false, .. }) => self.count(result, now),
            Some(_) | None => Verdict::Unchanged,
        }
    }

    fn count(&mut self, result: Result<(), String>, now: Instant) -> Verdict {
        self.runs = self.runs.saturating_add(1);
        let passed = result.is_ok();
        if let Err(error) = result {
            self.failures = self.failures.saturating_add(1);
            self.last_error = Some(error);
        }
        if passed == self.passing {
            self.against = 0;
            return Verdict::Unchanged;
        }
        self.against = self.against.saturating_add(1);
        if self.against < if self.passing { self.params.fall } else { self.params.rise } {
            return Verdict::Unchanged;
        }
        (self.passing, self.against, self.last_change) = (passed, 0, now);
        self.transitions = self.transitions.saturating_add(1);
        if passed { Verdict::Recovered } else { Verdict::Failed }
    }

    /// What the last failed run said.
    pub(crate) fn last_error(&self) -> &str {
        self.last_error.as_deref().unwrap_or_default()
    }

    /// Whether it passes, since when, and what the last failed run said.
    pub(crate) fn outcome(&self) -> (bool, Instant, Option<String>) {
        (self.passing, self.last_change, self.last_error.clone())
    }

    /// Its row in the view.
    pub(crate) fn view(&self, name: &TestName) -> TestView {
        TestView {
            name: name.clone(),
            passing: self.passing,
            runs: self.runs,
            failures: self.failures,
            transitions: self.transitions,
            last_change: self.last_change,
            last_error: self.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn test_object() -> TestObject {
        let second = Duration::from_secs(1);
        let params = TestParams { interval: second, timeout: second / 2, rise: 2, fall: 3 };
        TestObject::new(params, Instant::ZERO)
    }

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    #[test]
    fn it_fails_after_fall_failures_in_a_row_and_recovers_after_rise_passes_in_a_row() {
        use Verdict::{Failed, Recovered, Unchanged};
        let mut test = test_object();
        let rows = [
            (false, Unchanged),
            (false, Unchanged),
            (true, Unchanged),
            (false, Unchanged),
            (false, Unchanged),
            (false, Failed),
            (false, Unchanged),
            (true, Unchanged),
            (false, Unchanged),
            (true, Unchanged),
            (true, Recovered),
        ];
        for (run, (passed, verdict)) in (0..).zip(rows) {
            let now = at(run * 1000);
            assert_eq!(test.tick(now), (true, Unchanged), "run {run}");
            let result = if passed { Ok(()) } else { Err(String::from("refused")) };
            assert_eq!(test.tested(result, now), verdict, "run {run}");
        }
    }

    #[test]
    fn a_probe_that_hangs_fails_the_test_and_its_late_answer_counts_for_nothing() {
        let mut test = test_object();
        assert_eq!(test.tick(at(0)), (true, Verdict::Unchanged));
        assert_eq!(test.timeout(), at(500));
        assert_eq!(test.tick(at(500)), (false, Verdict::Unchanged));
        assert_eq!(test.tick(at(1000)), (false, Verdict::Unchanged));
        assert_eq!(test.tick(at(2000)), (false, Verdict::Failed));
        assert_eq!(test.tested(Ok(()), at(2100)), Verdict::Unchanged);
        assert_eq!(test.tick(at(3000)), (true, Verdict::Unchanged));
    }
}
