//! Lanes: several arenas side by side, because a group spends its day at rest and so would the machine.
//!
//! Two things keep one lane from spoiling another's figures. A scenario says which company it bears. And all that makes
//! the machine's one kernel work (an event and what follows from it, a box that is turned on, namespaces that go) is done
//! by *turns*: while something happens in one lane, all others rest. It knows nothing of what is measured.

use super::figures::Outcome;
use super::progress::{Display, Progress};
use super::scenarios::Scenario;
use super::subject::Subject;
use anyhow::{Context, Error, Result, bail};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Beside what a scenario may be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Whatever bears company itself: its boxes and its client hardly use the processor.
    Any,
    /// Only the same scenario of the other subject.
    Peer,
    /// Nothing: it needs the whole machine, or measures what it costs.
    Nobody,
}

/// One subject's part of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What is done.
    pub scenario: &'static Scenario,
    /// To whom.
    pub subject: Subject,
}

/// Who may do something to the machine, one after the other in the order they came.
#[derive(Debug, Default)]
pub struct Turns {
    queue: Mutex<Queue>,
    moved_on: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    taken: u64,
    ended: u64,
}

/// It is the owner's turn until this is dropped.
#[derive(Debug)]
pub struct Turn(Arc<Turns>);

impl Turns {
    /// Waits for a turn.
    pub fn take(turns: &Arc<Self>) -> Turn {
        let mut queue = lock(&turns.queue);
        let own = queue.taken;
        queue.taken += 1;
        while queue.ended != own {
            queue = turns.moved_on.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        Turn(Arc::clone(turns))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.0.queue).ended += 1;
        self.0.moved_on.notify_all();
    }
}

/// What is left to do.
#[derive(Debug)]
struct Board {
    pending: Vec<usize>,
    running: Vec<usize>,
    outcomes: Vec<Option<Outcome>>,
    /// Nobody begins anything more.
    failed: Option<Error>,
}

/// Does every job with `work`, so many at a time as there are lanes; gives what came of each, in their order. Errs with
/// the first error, when what was under way has ended.
pub fn run(
    jobs: &[Job],
    lanes: usize,
    display: &Arc<Display>,
    work: impl Fn(&Job, &mut Progress) -> Result<Outcome> + Sync,
) -> Result<Vec<Outcome>> {
    let outcomes = jobs.iter().map(|_| None).collect();
    let board = Mutex::new(Board { pending: (0..jobs.len()).collect(), running: Vec::new(), outcomes, failed: None });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(number) = begin(jobs, &board, &changed) {
                    let job = &jobs[number];
                    let outcome =
                        work(job, &mut Progress::begin(display, number, job.scenario.name, job.subject.name()));
                    let mut board = lock(&board);
                    board.running.retain(|running| *running != number);
                    match outcome {
                        Ok(outcome) => board.outcomes[number] = Some(outcome),
                        Err(error) => drop(board.failed.get_or_insert(error)),
                    }
                    changed.notify_all();
                }
            });
        }
    });
    let board = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    match board.failed {
        Some(error) => bail!(error),
        None => board.outcomes.into_iter().collect::<Option<_>>().context("something was left undone"),
    }
}

/// Waits for a job that may begin; `None`: there is none left.
fn begin(jobs: &[Job], board: &Mutex<Board>, changed: &Condvar) -> Option<usize> {
    let mut board = lock(board);
    loop {
        if board.failed.is_some() || board.pending.is_empty() {
            return None;
        }
        if let Some(index) = next(jobs, &board.pending, &board.running) {
            let number = board.pending.remove(index);
            board.running.push(number);
            return Some(number);
        }
        board = changed.wait(board).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Which of `pending` may begin beside what is `running`: the first that bears its company, and is borne by it.
fn next(jobs: &[Job], pending: &[usize], running: &[usize]) -> Option<usize> {
    pending.iter().position(|candidate| running.iter().all(|other| bear(&jobs[*candidate], &jobs[*other])))
}

fn bear(one: &Job, other: &Job) -> bool {
    let same = one.scenario.name == other.scenario.name;
    match (one.scenario.company, other.scenario.company) {
        (Company::Any, Company::Any) => true,
        (Company::Peer, Company::Peer) => same,
        _ => false,
    }
}

/// A poisoned lock guards what is still right: nothing is done half under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::scenarios::SCENARIOS;
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    fn all_jobs() -> Vec<Job> {
        let both = [Subject::Keepalived, Subject::Ours];
        SCENARIOS.iter().flat_map(|scenario| both.map(|subject| Job { scenario, subject })).collect()
    }

    #[test]
    fn nothing_runs_beside_what_it_does_not_bear() {
        let jobs = all_jobs();
        let at = |company, skip| jobs.iter().enumerate().filter(move |(_, j)| j.scenario.company == company).nth(skip);
        let of = |company| (at(company, 0).unwrap().0, at(company, 1).unwrap().0, at(company, 2).unwrap().0);
        let (any, peer, nobody) = (of(Company::Any), of(Company::Peer), of(Company::Nobody));
        // Pending, running, which may begin.
        let table: &[(&[usize], &[usize], Option<usize>)] = &[
            (&[nobody.0, any.0], &[], Some(0)),
            (&[nobody.0, any.0], &[any.1], Some(1)),
            (&[any.0], &[nobody.0], None),
            (&[nobody.1], &[nobody.0], None),
            (&[peer.1], &[peer.0], Some(0)),
            (&[peer.2], &[peer.0], None),
            (&[any.0, peer.1], &[peer.0], Some(1)),
            (&[peer.0], &[any.0], None),
            (&[any.2], &[any.0, any.1], Some(0)),
        ];
        for (pending, running, expected) in table {
            assert_eq!(next(&jobs, pending, running), *expected, "{pending:?} beside {running:?}");
        }
    }

    #[test]
    fn every_job_is_done_once_and_its_outcome_is_where_it_was() {
        let jobs = all_jobs();
        let done = AtomicUsize::new(0);
        let display = Display::new(jobs.len());
        let outcomes = run(&jobs, 3, &display, |job, _| {
            done.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome { notes: vec![format!("{} {}", job.scenario.name, job.subject.name())], ..Outcome::default() })
        });
        for (job, outcome) in jobs.iter().zip(outcomes.unwrap()) {
            assert_eq!(outcome.notes, [format!("{} {}", job.scenario.name, job.subject.name())]);
        }
        assert_eq!(done.into_inner(), jobs.len());
    }

    #[test]
    fn nothing_begins_after_an_error() {
        let jobs = all_jobs();
        let begun = AtomicUsize::new(0);
        let result = run(&jobs, 1, &Display::new(jobs.len()), |_, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            bail!("interrupted")
        });
        assert_eq!((result.unwrap_err().to_string(), begun.into_inner()), ("interrupted".into(), 1));
    }

    #[test]
    fn it_is_never_the_turn_of_two() {
        let (turns, busy) = (Arc::new(Turns::default()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _turn = Turns::take(&turns);
                        assert!(!busy.swap(true, Ordering::SeqCst));
                        std::thread::yield_now();
                        busy.store(false, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
