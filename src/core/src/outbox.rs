//! What a step of the core leaves behind: the actions to do, in order, and whether the picture changed.
//!
//! One outbox serves the whole box, because tickets are the box's. It decides nothing.

use crate::io::Action;
use crate::quantity::Ticket;
use alloc::collections::VecDeque;

/// Actions waiting to be polled.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    actions: VecDeque<Action>,
    last_ticket: Ticket,
    version: u64,
}

impl Outbox {
    /// Queues an action behind the others.
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Takes the next action.
    pub(crate) fn pop(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A ticket that no other action of this life carries.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.next();
        self.last_ticket
    }

    /// Records that the view changed in more than ages and counters.
    pub(crate) fn changed(&mut self) {
        self.version = self.version.saturating_add(1);
    }

    /// Grows with every recorded change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}
