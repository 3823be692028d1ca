//! The one door into the core: a whole box, with its groups, test objects and load objects.
//!
//! The contract: after every [`handle`](Node::handle) drain [`poll_action`](Node::poll_action) to `None`, then wait for
//! the next input, but no longer than [`poll_timeout`](Node::poll_timeout) says, and hand in [`Input::Tick`] when that
//! comes. The timeout may change with every `handle` and only then.

use crate::io::{Action, Input};
use crate::params::BoxParams;
use crate::time::Instant;
use crate::view::View;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A box: everything it decides.
#[derive(Debug)]
pub struct Node {
    params: BoxParams,
    actions: VecDeque<Action>,
    version: u64,
}

impl Node {
    /// A box that starts now, knowing nothing of its groups. The first actions are ready at once.
    #[must_use]
    pub fn new(params: BoxParams, _now: Instant) -> Self {
        Self { params, actions: VecDeque::new(), version: 0 }
    }

    /// Takes in what happened at `now`, which never runs backwards.
    pub fn handle(&mut self, _now: Instant, _input: Input) {}

    /// The next thing to do, in order; `None`: nothing until the next input.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When the next [`Input::Tick`] is due if nothing else happens before; may lie in the past. `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// A picture of everything the box knows.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        View {
            at: now,
            name: self.params.name.clone(),
            incarnation: self.params.incarnation,
            generation: self.params.generation,
            groups: Vec::new(),
            tests: Vec::new(),
            loads: Vec::new(),
        }
    }

    /// Grows whenever the content of [`view`](Self::view) changed in more than ages and counters.
    #[must_use]
    pub fn view_version(&self) -> u64 {
        self.version
    }
}
