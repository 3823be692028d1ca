//! Publishing: the picture that SNMP, raisctl, names and traps read, so that none of them ever touches the node.
//!
//! A change is published at once, a series of changes at a bounded rate, and ages at least once a second.

use super::peers::LearntAddresses;
use crate::snapshot::{About, Snapshot, ZoneView};
use rais_core::address::TestName;
use rais_core::node::Node;
use rais_core::time::{Duration, Instant};
use std::collections::BTreeMap;
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
    latencies: BTreeMap<TestName, Duration>,
    learnt: LearntAddresses,
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
        let (zones, latencies, learnt) = Default::default();
        Self { about, zones, latencies, learnt, changed: true, version: None, taken, pause }
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

    /// A run of a test took this long. Not worth a picture of its own: the run's result makes one if it matters.
    pub(super) fn took(&mut self, test: TestName, latency: Duration) {
        self.latencies.insert(test, latency);
    }

    /// What is known of peers where there is no multicast. Not worth a picture of its own either.
    pub(super) fn learnt(&mut self, learnt: LearntAddresses) {
        self.learnt = learnt;
    }

    /// Somebody looks: a picture is due, changed or not.
    pub(super) fn look(&mut self) {
        self.changed = true;
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

    fn picture(&self, node: &Node, now: Instant) -> Snapshot {
        let view = node.view(now);
        let mut latencies = self.latencies.clone();
        latencies.retain(|test, _| view.tests.iter().any(|known| known.name == *test));
        let (zones, learnt) = (self.zones.clone(), self.learnt.clone());
        Snapshot { view, about: Arc::clone(&self.about), zones, latencies, learnt }
    }

    /// Publishes a picture, due or not, and returns it.
    pub(super) fn publish_now(
        &mut self,
        node: &Node,
        now: Instant,
        to: &watch::Sender<Arc<Snapshot>>,
    ) -> Arc<Snapshot> {
        let picture = Arc::new(self.picture(node, now));
        to.send_replace(Arc::clone(&picture));
        self.version = Some(node.view_version());
        self.changed = false;
        self.taken = now;
        let cost = crate::os::clock::now().since(now);
        self.pause = AT_MOST_EVERY.max(cost.saturating_mul(SHARE));
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::params::BoxParams;
    use rais_core::quantity::{Generation, Incarnation};
    use std::collections::BTreeMap;

    const START: Instant = Instant::from_micros(1_000_000_000);

    fn about() -> Arc<About> {
        let (version, contact, location, digest) = Default::default();
        let groups = Vec::new();
        Arc::new(About {
            version,
            contact,
            location,
            started: START,
            signer: None,
            digest,
            last_reload: None,
            configured: None,
            network_repairs: 0,
            receivers: Vec::new(),
            groups,
        })
    }

    fn node() -> Node {
        let params = BoxParams {
            name: "edge-1".parse().unwrap(),
            incarnation: Incarnation(1),
            incarnation_is_guessed: false,
            generation: Generation(1),
            groups: BTreeMap::new(),
            tests: BTreeMap::new(),
            loads: BTreeMap::new(),
            orders: rais_core::operator::StandingOrders::default(),
        };
        Node::new(params, START)
    }

    #[test]
    fn a_change_is_published_at_once_a_series_at_a_pace_and_silence_once_a_second() {
        let node = node();
        let mut publisher = Publisher::new(about());
        let first = publisher.picture(&node, START);
        let (sender, receiver) = watch::channel(Arc::new(first));
        assert!(publisher.publish(&node, START, &sender).is_some());
        let table = [
            // Milliseconds since the start, is there news, is a picture published?
            (1, false, false),
            (2, true, false),
            (11, false, true),
            (500, false, false),
            (510, true, true),
            (1500, false, false),
            (1511, false, true),
        ];
        // The pace depends on what a picture cost, which this clock does not tell.
        publisher.pause = AT_MOST_EVERY;
        for (ms, news, published) in table {
            if news {
                publisher.look();
            }
            let now = START + Duration::from_millis(ms);
            assert_eq!(publisher.publish(&node, now, &sender).is_some(), published, "at {ms} ms");
            publisher.pause = AT_MOST_EVERY;
        }
        assert_eq!(receiver.borrow().view.at, START + Duration::from_millis(1511));
    }
}
