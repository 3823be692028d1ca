//! Publishing: the picture that SNMP, raisctl, names and traps read, so that none of them ever touches the node.
//!
//! A change is published at once, a series of changes at a bounded rate, and ages at least once a second.

use crate::snapshot::{About, Snapshot, ZoneView};
use rais_core::node::Node;
use rais_core::time::{Duration, Instant};
use std::sync::Arc;
use tokio::sync::watch;

/// Between two pictures: a reader can not tell, and ten thousand addresses that change together cost little.
const AT_MOST_EVERY: Duration = Duration::from_millis(10);
/// Of the loop's time, pictures may take one part in this many.
const SHARE: u32 = 20;
/// Even if nothing changed: ages and counters.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Decides when a picture is due, and takes it.
#[derive(Debug)]
pub(super) struct Publisher {
    about: Arc<About>,
    zones: Vec<ZoneView>,
    changed: bool,
    version: Option<u64>,
    taken: Instant,
    pause: Duration,
}

impl Publisher {
    /// Nothing is published yet, so a picture is due.
    #[must_use]
    pub(super) fn new(about: Arc<About>) -> Self {
        let (taken, pause) = (Instant::ZERO, Duration::ZERO);
        Self { about, zones: Vec::new(), changed: true, version: None, taken, pause }
    }

    /// New facts about the box.
    pub(super) fn about(&mut self, about: Arc<About>) {
        self.about = about;
        self.changed = true;
    }

    /// The zones as they now are.
    pub(super) fn zones(&mut self, zones: Vec<ZoneView>) {
        self.changed |= self.zones != zones;
        self.zones = zones;
    }

    /// When the next picture is due.
    #[must_use]
    pub(super) fn due(&self, node: &Node) -> Instant {
        let changed = self.changed || self.version != Some(node.view_version());
        self.taken + if changed { self.pause } else { AT_LEAST_EVERY }
    }

    /// Publishes a picture if one is due, and returns it.
    pub(super) fn publish(
        &mut self,
        node: &Node,
        now: Instant,
        to: &watch::Sender<Arc<Snapshot>>,
    ) -> Option<Arc<Snapshot>> {
        (self.due(node) <= now).then(|| self.publish_now(node, now, to))
    }

    /// Publishes a picture, due or not, and returns it.
    pub(super) fn publish_now(
        &mut self,
        node: &Node,
        now: Instant,
        to: &watch::Sender<Arc<Snapshot>>,
    ) -> Arc<Snapshot> {
        let view = node.view(now);
        let picture = Arc::new(Snapshot { view, about: Arc::clone(&self.about), zones: self.zones.clone() });
        to.send_replace(Arc::clone(&picture));
        self.version = Some(node.view_version());
        self.changed = false;
        self.taken = now;
        let cost = crate::os::clock::now().since(now);
        self.pause = AT_MOST_EVERY.max(cost.saturating_mul(SHARE));
        picture
    }
}
