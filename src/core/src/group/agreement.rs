//! Whether the boxes are configured alike for the group (G-62). Where not, the group works by the leader's view, and
//! people are told, once per box and change.

use super::Group;
use crate::host_db::Host;
use crate::io::Action;
use crate::notification::Notification;
use crate::outbox::Outbox;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Group {
    /// Looks at the digests that the live boxes tell.
    pub(super) fn compare_configurations(&mut self, out: &mut Outbox) {
        let differs = |host: &Host| host.status.as_ref().is_some_and(|status| status.digest != self.params.digest);
        let differing: BTreeSet<_> = self.hosts.live().filter(|(_, host)| differs(host)).map(|(id, _)| id).collect();
        if differing == self.differing {
            return;
        }
        let before = core::mem::replace(&mut self.differing, differing);
        let group = || self.name.clone();
        let begins = self.differing.difference(&before);
        let begins = begins.map(|host| Notification::ConfigDiffers { group: group(), host: *host });
        let ends = before.difference(&self.differing);
        let ends = ends.map(|host| Notification::ConfigAgrees { group: group(), host: *host });
        let told: Vec<_> = begins.chain(ends).collect();
        told.into_iter().for_each(|notification| out.push(Action::Notify(notification)));
        out.changed();
    }
}
