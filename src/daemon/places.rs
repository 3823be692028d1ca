//! Which service addresses are configured, and where each was put: a reload may have changed its group's place since.

use super::running::Place;
use rais_core::address::{GroupName, ServiceAddress};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A service address of a group.
pub(super) type Key = (GroupName, ServiceAddress);

/// The places, shared: the executor keeps them, and the announcer looks up where to speak.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<Key, Arc<Place>>>>);

impl Places {
    /// All of them; hold it briefly.
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Place>>> {
        // Whoever panicked had changed one entry, or none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of these addresses that are configured, with their places, in the same order.
    pub(super) fn of(&self, group: &GroupName, addresses: &[ServiceAddress]) -> Vec<(ServiceAddress, Arc<Place>)> {
        let places = self.lock();
        // One name for all: there may be thousands.
        let mut key = (group.clone(), ServiceAddress(IpAddr::from([0; 4])));
        let place = |address: &ServiceAddress| {
            key.1 = *address;
            Some((*address, Arc::clone(places.get(&key)?)))
        };
        addresses.iter().filter_map(place).collect()
    }

    /// The addresses that are configured on a link.
    pub(super) fn on(&self, interface_index: u32) -> BTreeSet<IpAddr> {
        let places = self.lock();
        let here = places.iter().filter(|(_, place)| place.interface_index == interface_index);
        here.map(|((_, address), _)| address.0).collect()
    }
}
