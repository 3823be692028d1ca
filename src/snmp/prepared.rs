//! What is worked out once for a snapshot, however often it is asked: the order of its names, and sums over its rows.
//!
//! It does not know objects or messages. A snapshot is never changed; a new one makes a new [`Prepared`].

use super::counters::Counters;
use super::ip_mib::{AddressRow, address_rows};
use super::rais_mib::{ControlRow, DeliverySource, Events, control_rows};
use super::table::index_order;
use super::v3::Local;
use crate::machine::Machine;
use crate::snapshot::{AboutGroup, Peer, Snapshot, ZoneView};
use rais_core::address::{GroupName, IdAddress};
use rais_core::time::Instant;
use rais_core::view::{AddressState, GroupView, HostView, LoadView, TestView};
use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

/// The longest origin of a zone that fits into an index: RFC 2578 lets a name have 128 sub-identifiers, of which the
/// column takes 12.
pub(crate) const MAX_ZONE_NAME: usize = 100;

/// Orders and sums of one snapshot.
pub(crate) struct Prepared {
    /// Weak, so that no old snapshot is kept in memory; its address can not be used again while this stands.
    snapshot: Weak<Snapshot>,
    groups: Vec<usize>,
    sums: Vec<OnceCell<Sums>>,
    tests: Vec<usize>,
    loads: Vec<usize>,
    zones: Vec<usize>,
    addresses: OnceCell<Vec<AddressRow>>,
    control: OnceCell<Vec<ControlRow>>,
    peers: Vec<OnceCell<Vec<Peer>>>,
}

/// What a group's rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) hosts_live: usize,
    pub(crate) hosts_ok: usize,
    pub(crate) online: usize,
    pub(crate) moving: usize,
    pub(crate) unserved: usize,
    pub(crate) duplicate: usize,
    pub(crate) orphaned: usize,
}

/// Everything an answer is made from.
#[derive(Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) prepared: &'a Prepared,
    pub(crate) machine: &'a Machine,
    pub(crate) events: &'a Events<'a>,
    pub(crate) counters: &'a Counters,
    /// Whoever tells the receivers of notifications.
    pub(crate) deliveries: Option<&'a dyn DeliverySource>,
    /// snmpEnableAuthenTraps.
    pub(crate) authentication_traps: bool,
    /// snmpSetSerialNo.
    pub(crate) serial_number: i32,
    /// Our own engine, if version 3 is spoken.
    pub(crate) local: Option<&'a Local>,
    /// The largest message that is sent, in octets.
    pub(crate) max_message_octets: usize,
    pub(crate) now: Instant,
}

impl Prepared {
    pub(crate) fn new(snapshot: &Arc<Snapshot>) -> Self {
        let view = &snapshot.view;
        let groups = sorted(&view.groups, |group| group.name.as_str());
        let mut zones = sorted(&snapshot.zones, |zone| zone.name.as_str());
        zones.retain(|zone| {
            snapshot.zones.get(*zone).is_some_and(|zone| (1..=MAX_ZONE_NAME).contains(&zone.name.len()))
        });
        Self {
            snapshot: Arc::downgrade(snapshot),
            sums: groups.iter().map(|_| OnceCell::new()).collect(),
            peers: groups.iter().map(|_| OnceCell::new()).collect(),
            groups,
            tests: sorted(&view.tests, |test| test.name.as_str()),
            loads: sorted(&view.loads, |load| load.name.as_str()),
            zones,
            addresses: OnceCell::new(),
            control: OnceCell::new(),
        }
    }

    /// Was it made for this snapshot?
    pub(crate) fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
    }
}

/// The positions of the rows, in the order of their names as an index has them.
fn sorted<T>(rows: &[T], name: impl Fn(&T) -> &str) -> Vec<usize> {
    let mut order: Vec<_> = rows.iter().map(name).enumerate().collect();
    order.sort_unstable_by(|(_, one), (_, other)| index_order(one, other));
    order.into_iter().map(|(position, _)| position).collect()
}

fn sums(group: &GroupView) -> Sums {
    let mut sums = Sums::default();
    for host in &group.hosts {
        let live = host.state.is_live();
        sums.hosts_live += usize::from(live);
        sums.hosts_ok += usize::from(live && host.ok);
    }
    for address in &group.addresses {
        *match address.state {
            AddressState::Online => &mut sums.online,
            AddressState::Acquiring | AddressState::Releasing => &mut sums.moving,
            AddressState::Unserved => &mut sums.unserved,
            AddressState::Duplicate => &mut sums.duplicate,
        } += 1;
        sums.orphaned += usize::from(address.orphan);
    }
    sums
}

impl<'a> Served<'a> {
    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.prepared.groups.len()
    }

    /// A group, counted in the order of the index.
    pub(crate) fn group(&self, number: usize) -> Option<&'a GroupView> {
        self.snapshot.view.groups.get(*self.prepared.groups.get(number)?)
    }

    pub(crate) fn group_name(&self, number: usize) -> &'a str {
        self.group(number).map_or("", |group| group.name.as_str())
    }

    /// What only the configuration knows of a group.
    pub(crate) fn about_group(&self, number: usize) -> Option<&'a AboutGroup> {
        let name = &self.group(number)?.name;
        self.snapshot.about.groups.iter().find(|about| about.name == *name)
    }

    pub(crate) fn sums(&self, number: usize) -> Sums {
        match (self.group(number), self.prepared.sums.get(number)) {
            (Some(group), Some(cell)) => *cell.get_or_init(|| sums(group)),
            _ => Sums::default(),
        }
    }

    /// Whom a group without multicast is told to, in the order of the index.
    pub(crate) fn peers(&self, number: usize) -> &'a [Peer] {
        match (self.group(number), self.prepared.peers.get(number)) {
            (Some(group), Some(cell)) => cell.get_or_init(|| self.snapshot.peers(group)),
            _ => &[],
        }
    }

    pub(crate) fn tests(&self) -> usize {
        self.prepared.tests.len()
    }

    pub(crate) fn test(&self, number: usize) -> Option<&'a TestView> {
        self.snapshot.view.tests.get(*self.prepared.tests.get(number)?)
    }

    pub(crate) fn loads(&self) -> usize {
        self.prepared.loads.len()
    }

    pub(crate) fn load(&self, number: usize) -> Option<&'a LoadView> {
        self.snapshot.view.loads.get(*self.prepared.loads.get(number)?)
    }

    pub(crate) fn zones(&self) -> usize {
        self.prepared.zones.len()
    }

    pub(crate) fn zone(&self, number: usize) -> Option<&'a ZoneView> {
        self.snapshot.zones.get(*self.prepared.zones.get(number)?)
    }

    /// The rows of ipAddressTable, in the order of the index.
    pub(crate) fn address_rows(&self) -> &'a [AddressRow] {
        self.prepared.addresses.get_or_init(|| address_rows(self))
    }

    /// The rows of raisControlAddressTable, in the order of the index.
    pub(crate) fn control_rows(&self) -> &'a [ControlRow] {
        self.prepared.control.get_or_init(|| control_rows(self))
    }

    /// Is the address in a zone of the group?
    pub(crate) fn zones_have(&self, group: &GroupName, address: IpAddr) -> bool {
        let zones = self.snapshot.zones.iter().filter(|zone| zone.group == *group);
        zones.flat_map(|zone| &zone.addresses).any(|known| *known == address)
    }

    /// When the daemon started: the zero of sysUpTime.
    pub(crate) fn started(&self) -> Instant {
        self.snapshot.about.started
    }
}

/// A box of a group by its id address.
pub(crate) fn host(group: &GroupView, id: IdAddress) -> Option<&HostView> {
    let found = group.hosts.binary_search_by(|host| host.id.cmp(&id)).ok()?;
    group.hosts.get(found)
}
