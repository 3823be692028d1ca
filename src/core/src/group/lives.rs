//! Which life of a box is its newest (G-1), when the box itself does not know: its start counter was lost with its disk,
//! and its clock was never set.
//!
//! Its peers drop what it says as a replay, as they must; but they tell it, in their next beat, what they last heard of it,
//! as they tell of every box (G-4). Nobody who sends recorded messages again can do harm by this: what was once said of
//! lives of this box stays true, a box that kept count is beyond all of it, and one that did not only goes on beyond it.

use super::Group;
use crate::address::IdAddress;
use crate::counters::DropCause;
use crate::host_db::Host;
use crate::info_message::Heard;
use crate::io::Action;
use crate::mutation::Mutation;
use crate::outbox::Outbox;
use crate::quantity::Incarnation;
use crate::time::Instant;

/// Nobody counts as far, one start a second for longer than there have been stars. What tells of more would leave the
/// box no number to go on with.
const BELIEVABLE: Incarnation = Incarnation(u64::MAX / 2);

impl Group {
    /// A message was dropped: by its number it is old.
    pub(super) fn drop_old(&mut self, sender: IdAddress, cause: DropCause, now: Instant) {
        self.drop_one(cause);
        // The second copy of a message proves nothing, but of a box that is gone, or was not heard for so long that it
        // may be (this one slept), no copy can still be on its way.
        let fresh = |host: &Host| host.live() && now.since(host.heard) < self.params.dead_after;
        if cause == DropCause::Replay || !self.hosts.host(sender).is_some_and(fresh) {
            self.schedule.tell_past_of(sender);
        }
    }

    /// Another box says what it last heard of this one. `true`: it was a message of this life.
    pub(super) fn is_of_this_life(&mut self, heard: &Heard, now: Instant, out: &mut Outbox) -> bool {
        let own = self.identity.incarnation;
        // The numbers of this life may have overtaken those of the other by the time anybody tells.
        let earlier = self.identity.guessed && now.before(heard.age) + self.params.beat / 8 < self.identity.began;
        let repeated = heard.incarnation == own && (earlier || heard.sequence > self.sequence);
        let later = heard.incarnation > own || repeated;
        let news = self.told_life.is_none_or(|told| heard.incarnation > told);
        // Who is planted to count backwards is not to find out by itself.
        let planted = self.identity.planted.is(Mutation::ReuseSequence);
        if later && news && heard.incarnation < BELIEVABLE && !planted {
            self.told_life = Some(heard.incarnation);
            out.push(Action::Outlive { known: heard.incarnation });
        }
        heard.incarnation == own && !later
    }

    /// Lives on under another incarnation. To the others it is a box that has just come, whose orders nobody heard and
    /// whom nobody obeys before it is settled; what it serves it says, and they settle who keeps it.
    pub(crate) fn outlive(&mut self, incarnation: Incarnation, now: Instant, out: &mut Outbox) {
        (self.identity.incarnation, self.identity.began) = (incarnation, now);
        (self.listening_since, self.settled, self.control) = (now, false, None);
        for (_, host) in self.hosts.iter_mut() {
            (host.heard_us, host.proven_from) = (None, None);
        }
        (self.entry_stale, self.entry_unsent) = (true, true);
        self.status_changed(out);
        self.touch();
    }
}
