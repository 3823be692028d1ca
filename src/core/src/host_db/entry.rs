//! A box's account of itself, put together from the pieces it arrives in.

use crate::address::ServiceAddress;
use crate::info_message::{Claim, EntryPart, Row};
use crate::params::MAX_ADDRESSES;
use crate::quantity::EntryVersion;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Most pieces of one entry: an entry may have a preferred row, a claim and an orphan row per address.
const MAX_PARTS: u16 = 1024;

/// A box's own account of itself, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) version: EntryVersion,
    pub(crate) control_addresses: Vec<IpAddr>,
    /// Ascending.
    pub(crate) preferred: Vec<ServiceAddress>,
    /// Ascending by address.
    pub(crate) claims: Vec<(ServiceAddress, Claim)>,
}

impl Entry {
    /// What the box claims of an address.
    pub(crate) fn claim(&self, address: ServiceAddress) -> Option<Claim> {
        let at = self.claims.binary_search_by_key(&address, |(claimed, _)| *claimed).ok()?;
        self.claims.get(at).map(|(_, claim)| *claim)
    }
}

/// An entry of which pieces are still missing; the newest that was begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembly {
    version: EntryVersion,
    /// None: nothing was begun.
    parts: Vec<Option<EntryPart>>,
}

impl Assembly {
    /// Takes in a piece; gives the entry if it is whole by it. Passed over are a piece of a split entry older than the one
    /// begun, and one whose place makes no sense.
    pub(super) fn take_part(&mut self, version: EntryVersion, part: &EntryPart) -> Option<Entry> {
        if part.count == 0 || part.count > MAX_PARTS || part.index >= part.count {
            return None;
        }
        let older = !self.parts.is_empty() && version < self.version;
        if part.count == 1 {
            if !older {
                *self = Self::default();
            }
            return Some(assemble(version, core::slice::from_ref(part)));
        }
        if older {
            return None;
        }
        let count = usize::from(part.count);
        if (self.version, self.parts.len()) != (version, count) {
            *self = Self { version, parts: alloc::vec![None; count] };
        }
        if let Some(place) = self.parts.get_mut(usize::from(part.index)) {
            *place = Some(part.clone());
        }
        if self.parts.iter().any(Option::is_none) {
            return None;
        }
        let parts: Vec<_> = core::mem::take(self).parts.into_iter().flatten().collect();
        Some(assemble(version, &parts))
    }
}

fn assemble(version: EntryVersion, parts: &[EntryPart]) -> Entry {
    let mut entry = Entry { version, ..Entry::default() };
    for part in parts {
        if entry.control_addresses.is_empty() {
            entry.control_addresses.clone_from(&part.control_addresses);
        }
        for row in &part.rows {
            match *row {
                Row::Preferred(address) => entry.preferred.push(address),
                Row::Claim(address, claim) => entry.claims.push((address, claim)),
                Row::Orphan { .. } => {}
            }
        }
    }
    entry.preferred.sort_unstable();
    entry.preferred.dedup();
    // One more than fits, so that it shows that there are too many.
    entry.preferred.truncate(MAX_ADDRESSES + 1);
    entry.claims.sort_unstable();
    entry.claims.dedup_by_key(|(address, _)| *address);
    entry.claims.truncate(MAX_ADDRESSES);
    entry
}
