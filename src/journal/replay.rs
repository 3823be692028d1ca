//! The replay: a node of its own lives the recorded life, and every action must be the recorded one.
//!
//! This is the one place besides the daemon's event loop that drives a [`Node`]; nothing it wants done is done. It checks
//! what the core did and not who wrote the file: an input that was changed so that nothing follows from it goes unseen.

use super::record::{End, FORMAT, Record};
use rais_core::io::{Action, Input};
use rais_core::node::Node;
use rais_core::params::BoxParams;
use rais_core::time::{Duration, Instant};
use serde::Deserialize;
use std::io::{self, BufRead, Read};
use thiserror::Error;

/// Longest line in octets: the actions of a box with 64 groups of 10,000 addresses, each named a few times.
pub const MAX_LINE: usize = 128 << 20;

/// A node's life as it goes by, for somebody who watches.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// It begins.
    Start(&'a BoxParams),
    /// It takes this in.
    Input(&'a Input),
    /// It wants this done.
    Action(&'a Action),
}

/// A replay that came out as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The release that recorded it.
    pub release: String,
    /// Inputs taken in.
    pub inputs: u64,
    /// Actions that were compared.
    pub actions: u64,
    /// From the start to the last input.
    pub lived: Duration,
    /// How the journal ends.
    pub ending: Ending,
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the box's stop.
    Stopped,
    /// At the largest size it may have.
    Full,
    /// After a whole line: the daemon was killed, or it still runs. What it last wanted done may not be recorded.
    Open,
    /// In the middle of this line: the power was cut, or the daemon is writing it just now.
    Torn(u64),
}

/// The first action that is not the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of what the node took in.
    pub line: u64,
    /// Time since the start.
    pub at: Duration,
    /// What it took in; empty: it had just started.
    pub inputs: Vec<Input>,
    /// Which of the actions that follow, from 1.
    pub number: usize,
    /// What was recorded; `None`: no further action.
    pub recorded: Option<Action>,
    /// What came out now; `None`: no further action.
    pub replayed: Option<Action>,
}

/// Why a replay did not come to a good end. Nothing was changed: a replay has no effect.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The core does something else than it did: another release, a changed file, or a core that depends on more than its
    /// inputs.
    #[error("after line {} the replay differs from the record", .0.line)]
    Differs(Box<Difference>),
    /// Not a line of a journal, or not in its place.
    #[error("line {line}: {reason}")]
    Unreadable {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Records were lost when it was written. All before the line came out as recorded; nothing after it can be checked.
    #[error("line {line}: {records} records are missing here; all before is as recorded, the rest can not be replayed")]
    Gap {
        /// Which line says so.
        line: u64,
        /// How many are missing.
        records: u64,
    },
    /// The file can not be read.
    #[error("can not read on after line {line}: {source}")]
    Read {
        /// The last line read.
        line: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whoever watches does not take it any more.
    #[error(transparent)]
    Watcher(io::Error),
}

/// Lives a recorded life again; `watch` sees it go by, with the time since the start.
///
/// # Errors
/// [`ReplayError`], at the first line that is not as it should be.
pub fn replay(
    journal: impl BufRead,
    mut watch: impl FnMut(Duration, Seen<'_>) -> io::Result<()>,
) -> Result<Replayed, ReplayError> {
    let mut lines = Lines { journal, number: 0, text: Vec::new() };
    let mut life = Life::begin(&mut lines, &mut watch)?;
    loop {
        let ending = match lines.next()? {
            Some(Line::Whole(record)) => match life.take(record, lines.number, &mut watch)? {
                None => continue,
                Some(_) if lines.next()?.is_some() => return Err(lines.unreadable("more follows the end")),
                Some(End::Stopped) => Ending::Stopped,
                Some(End::Full) => Ending::Full,
            },
            Some(Line::Torn) => Ending::Torn(lines.number),
            None => Ending::Open,
        };
        return Ok(life.summary(ending));
    }
}

/// The node, and what it last did that was not compared yet.
struct Life {
    node: Node,
    release: String,
    started: Instant,
    now: Instant,
    inputs: u64,
    actions: u64,
    open: Option<Open>,
}

/// A step whose actions have not been compared.
struct Open {
    line: u64,
    inputs: Vec<Input>,
    actions: Vec<Action>,
}

impl Life {
    fn begin(
        lines: &mut Lines<impl BufRead>,
        watch: &mut impl FnMut(Duration, Seen<'_>) -> io::Result<()>,
    ) -> Result<Self, ReplayError> {
        let Some(first) = lines.next()? else { return Err(lines.unreadable("the file is empty")) };
        let Line::Whole(Record::Start(start)) = first else {
            return Err(lines.unreadable("a journal begins with its start"));
        };
        watch(Duration::ZERO, Seen::Start(&start.params)).map_err(ReplayError::Watcher)?;
        let node = Node::new(start.params, start.at);
        let (release, started) = (start.release, start.at);
        let mut life = Self { node, release, started, now: started, inputs: 0, actions: 0, open: None };
        life.drain(lines.number, Vec::new(), watch)?;
        Ok(life)
    }

    /// Goes through a line; returns the end if it is that.
    fn take(
        &mut self,
        record: Record,
        line: u64,
        watch: &mut impl FnMut(Duration, Seen<'_>) -> io::Result<()>,
    ) -> Result<Option<End>, ReplayError> {
        let misplaced = |reason: &str| Err(ReplayError::Unreadable { line, reason: reason.to_owned() });
        match record {
            Record::Step { at, inputs } => {
                self.check(&[])?;
                self.now = self.now.max(at);
                for input in &inputs {
                    watch(self.lived(), Seen::Input(input)).map_err(ReplayError::Watcher)?;
                    self.inputs += 1;
                }
                self.node.handle_all(at, inputs.iter().cloned());
                self.drain(line, inputs, watch)?;
            }
            Record::Actions(_) if self.open.is_none() => return misplaced("actions that follow from no input"),
            Record::Actions(actions) => self.check(&actions)?,
            Record::Gap { records } => return Err(ReplayError::Gap { line, records }),
            Record::Start(_) => return misplaced("a second start"),
            Record::End(end) => {
                self.check(&[])?;
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn lived(&self) -> Duration {
        self.now.since(self.started)
    }

    fn drain(
        &mut self,
        line: u64,
        inputs: Vec<Input>,
        watch: &mut impl FnMut(Duration, Seen<'_>) -> io::Result<()>,
    ) -> Result<(), ReplayError> {
        let mut actions = Vec::new();
        while let Some(action) = self.node.poll_action() {
            watch(self.lived(), Seen::Action(&action)).map_err(ReplayError::Watcher)?;
            actions.push(action);
        }
        self.open = Some(Open { line, inputs, actions });
        Ok(())
    }

    /// Compares what came out of the last step with what was recorded. Once per step; then there is nothing to compare.
    fn check(&mut self, recorded: &[Action]) -> Result<(), ReplayError> {
        let Some(Open { line, inputs, actions }) = self.open.take() else { return Ok(()) };
        let longer = recorded.len().max(actions.len());
        match (0..longer).find(|index| recorded.get(*index) != actions.get(*index)) {
            None => {
                self.actions += u64::try_from(actions.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Some(index) => Err(ReplayError::Differs(Box::new(Difference {
                line,
                at: self.lived(),
                inputs,
                number: index + 1,
                recorded: recorded.get(index).cloned(),
                replayed: actions.get(index).cloned(),
            }))),
        }
    }

    fn summary(self, ending: Ending) -> Replayed {
        let lived = self.lived();
        Replayed { release: self.release, inputs: self.inputs, actions: self.actions, lived, ending }
    }
}

/// The file, line by line.
struct Lines<R> {
    journal: R,
    /// Of the last line read, from 1.
    number: u64,
    text: Vec<u8>,
}

enum Line {
    Whole(Record),
    /// The file ends before the line does.
    Torn,
}

/// What all versions of the format share: how they begin.
#[derive(Deserialize)]
struct Envelope {
    start: Format,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Line>, ReplayError> {
        self.text.clear();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let read = self.journal.by_ref().take(limit).read_until(b'\n', &mut self.text);
        let length = read.map_err(|source| ReplayError::Read { line: self.number, source })?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if length == MAX_LINE {
            return Err(self.unreadable("longer than any line of a journal"));
        }
        if self.number == 1
            && let Ok(Envelope { start: Format { format } }) = serde_json::from_slice(&self.text)
            && format != FORMAT
        {
            let reason = format!("the journal is of format {format}, this raisctl reads {FORMAT}");
            return Err(self.unreadable(&reason));
        }
        match serde_json::from_slice(&self.text) {
            Ok(record) => Ok(Some(Line::Whole(record))),
            Err(_) if !self.text.ends_with(b"\n") => Ok(Some(Line::Torn)),
            Err(error) => {
                // It speaks of "line 1", meaning this text.
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                Err(self.unreadable(&format!("{reason}, column {}", error.column())))
            }
        }
    }

    fn unreadable(&self, reason: &str) -> ReplayError {
        ReplayError::Unreadable { line: self.number.max(1), reason: reason.to_owned() }
    }
}
