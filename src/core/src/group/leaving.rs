//! How this box goes: a clean stop releases everything, says goodbye and waits, within bounds, for others (G-13).

use super::Group;
use crate::address::ServiceAddress;
use crate::info_message::Body;
use crate::mutation::Mutation;
use crate::notification::Reason;
use crate::outbox::Outbox;
use crate::params::GroupParams;
use crate::time::{Duration, Instant};

/// The goodbye is said this often: it is not answered, and if it were lost the others would wait for the dead interval.
const GOODBYES: u32 = 3;

/// How far this box is on its way out of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not on its way.
    Running,
    /// Releasing everything; it still beats, and leads if it did.
    Stopping {
        /// Since when.
        since: Instant,
    },
    /// It said goodbye and waits for others to serve what it gave up.
    Left {
        /// When it first said it.
        since: Instant,
        /// How often it has.
        goodbyes: u32,
    },
    /// Nothing more will come of it.
    Gone,
}

/// How long to wait for others after the goodbye: twice what they need to find a dead box out, should all be lost.
fn patience(params: &GroupParams) -> Duration {
    (params.dead_after * 2).min(params.action_timeout)
}

fn between_goodbyes(params: &GroupParams) -> Duration {
    (params.beat / 4).clamp(Duration::from_millis(2), Duration::from_millis(20))
}

impl Stage {
    /// It sends its heartbeat, and counts as a box of the group.
    pub(super) const fn speaks(self) -> bool {
        match self {
            Self::Running | Self::Stopping { .. } => true,
            Self::Left { .. } | Self::Gone => false,
        }
    }

    /// When something is due.
    pub(super) fn timeout(self, params: &GroupParams) -> Option<Instant> {
        match self {
            Self::Running | Self::Gone => None,
            Self::Stopping { since } => Some(since + params.action_timeout),
            Self::Left { since, goodbyes } if goodbyes < GOODBYES => Some(since + between_goodbyes(params) * goodbyes),
            Self::Left { since, .. } => Some(since + patience(params)),
        }
    }
}

impl Group {
    /// Starts to leave the group.
    pub(crate) fn stop(&mut self, now: Instant, out: &mut Outbox) {
        if self.stage != Stage::Running {
            return;
        }
        self.given_up = self.holdings.keys().copied().collect();
        self.stage = Stage::Stopping { since: now };
        self.healthy_since = None;
        self.status_changed(out);
        self.release_all(Reason::Stop, now, out);
        self.touch();
    }

    /// It left and nothing more will come of it.
    pub(crate) fn gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// It was told to leave.
    pub(crate) fn leaving(&self) -> bool {
        self.stage != Stage::Running
    }

    /// Takes the next step of leaving when it is time for it.
    pub(super) fn leave_when_done(&mut self, now: Instant, out: &mut Outbox) {
        if let Stage::Stopping { since } = self.stage
            && (self.holdings.is_empty()
                || now.since(since) >= self.params.action_timeout
                || self.identity.planted.is(Mutation::LeaveAtOnce))
        {
            self.see_home_of(self.params.id, now);
            self.stage = Stage::Left { since: now, goodbyes: 0 };
            self.elect(now, out);
            out.changed();
        }
        let Stage::Left { since, mut goodbyes } = self.stage else { return };
        if goodbyes < GOODBYES && now >= since + between_goodbyes(&self.params) * goodbyes {
            self.send(Body::Leave, out);
            goodbyes += 1;
            self.stage = Stage::Left { since, goodbyes };
        }
        let over = now.since(since) >= patience(&self.params);
        if over || goodbyes == GOODBYES && self.taken_over() || !self.anybody_to_take_over() {
            self.stage = Stage::Gone;
            out.changed();
        }
    }

    fn anybody_to_take_over(&self) -> bool {
        self.hosts.live().any(|(_, host)| host.healthy_since.is_some())
    }

    fn taken_over(&self) -> bool {
        let served = |address: &ServiceAddress| {
            self.table.get(address).is_none_or(|row| row.online().any(|id| id != self.params.id))
        };
        self.given_up.iter().all(served)
    }
}
