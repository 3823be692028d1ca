//! Plain values for tests, of this package and of others (feature `samples`): a box that is well, a group in which nothing
//! is wrong. A test says only what is special about its own, and a new field is given its plain value once. Never part
//! of the product.

use crate::address::{HostName, IdAddress, ServiceAddress};
use crate::counters::Counters;
use crate::info_message::Status;
use crate::notification::{HostState, PartitionState};
use crate::operator::Policy;
use crate::params::{Choice, Failback};
use crate::quantity::{Generation, Incarnation, Utilisation};
use crate::time::{Duration, Instant};
use crate::view::{AddressState, AddressView, ContactView, GroupView, HostView, PartitionView, PolicyConfigured};
use alloc::format;
use alloc::vec::Vec;

/// What a box called `name` says of itself that is well, idle, and settled.
///
/// # Panics
/// If it is no name.
#[must_use]
pub fn status(name: &str) -> Status {
    Status {
        name: host_name(name),
        ok: true,
        trouble: None,
        quiesced: false,
        draining: false,
        settled: true,
        spare: false,
        load: 0,
        capacity: 1000,
        generation: Generation(1),
        digest: 1,
        policy: Policy::default(),
    }
}

/// Such a box as another sees it, named by the last number of its id, `box-7`.
///
/// # Panics
/// Never: that is a name.
#[must_use]
pub fn host_view(id: IdAddress) -> HostView {
    let number = match id.0 {
        core::net::IpAddr::V4(v4) => u16::from(v4.octets()[3]),
        core::net::IpAddr::V6(v6) => v6.segments()[7],
    };
    HostView {
        id,
        name: host_name(&format!("box-{number}")),
        state: HostState::Up,
        ok: true,
        trouble: None,
        differs: false,
        quiesced: false,
        draining: false,
        spare: false,
        settled: true,
        load: 0,
        capacity: 1000,
        utilisation: Utilisation(0),
        control_addresses: [id.0].into(),
        preferred: Vec::new(),
        served: 0,
        last_heard: Instant::ZERO,
        incarnation: Incarnation(1),
        transitions: 0,
        last_change: Instant::ZERO,
        damped_until: None,
        contact: ContactView::default(),
    }
}

/// An address that `server` serves: one of the pool, of which nothing is known but that.
#[must_use]
pub fn address_view(address: ServiceAddress, server: Option<IdAddress>) -> AddressView {
    AddressView {
        address,
        state: if server.is_some() { AddressState::Online } else { AddressState::Unserved },
        server,
        preferred: None,
        orphan: false,
        orphan_time_left: None,
        reason: None,
        own_claim: None,
        transitions: 0,
        last_change: Instant::ZERO,
        last_error: None,
        backoffs: Vec::new(),
    }
}

/// A group, `http`, as its leader sees it, with no boxes and no addresses.
///
/// # Panics
/// Never: that is a name.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn group_view(id: IdAddress) -> GroupView {
    GroupView {
        name: "http".parse().unwrap(),
        id,
        leader: Some(id),
        settled: true,
        partition_state: PartitionState::Serving,
        partition: PartitionView::Serve,
        disagreeing: 0,
        beat: Duration::from_millis(100),
        dead_after: Duration::from_millis(300),
        choice: Choice::Balanced,
        failback: Failback::Immediate,
        policy: Policy::default(),
        configured: PolicyConfigured { failback: Failback::Immediate, choice: Choice::Balanced },
        high_water_mark: Utilisation(800),
        low_water_mark: Utilisation(600),
        counters: Counters::default(),
        last_change: Instant::ZERO,
        hosts: Vec::new(),
        addresses: Vec::new(),
    }
}

#[allow(clippy::unwrap_used)]
fn host_name(name: &str) -> HostName {
    name.parse().unwrap()
}
