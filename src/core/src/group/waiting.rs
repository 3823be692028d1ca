//! Orders to acquire that overtook the news which made them good.
//!
//! The leader gives its order as soon as it hears that an address was released, and on a network where messages overtake
//! each other the order may be here first. A box does not acquire what it hears another serve; so the order waits for the
//! news, but no longer than until the leader would repeat it: then the leader knows better what holds. Without this a
//! planned move would last a quarter of a beat longer now and then.

use super::Group;
use super::receive::Wish;
use crate::address::{IdAddress, ServiceAddress};
use crate::info_message::Order;
use crate::outbox::Outbox;
use crate::params::MAX_ADDRESSES;
use crate::quantity::PassNumber;
use crate::time::Instant;
use alloc::vec::Vec;

/// An order that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    leader: IdAddress,
    pass: PassNumber,
    order: Order,
    since: Instant,
}

impl Group {
    /// An order to acquire what another is still heard to serve.
    pub(super) fn keep_waiting(&mut self, order: &Order, pass: PassNumber, now: Instant) {
        if let Some(leader) = self.leader
            && self.waiting.len() < MAX_ADDRESSES
        {
            self.waiting.insert(order.address, Waiting { leader, pass, order: *order, since: now });
        }
    }

    /// An order about the address, to whomever: it takes the place of one that waits, unless it is an older one that was
    /// overtaken, too.
    pub(super) fn no_longer_waits(&mut self, address: ServiceAddress, pass: PassNumber) {
        if self.waiting.get(&address).is_some_and(|kept| kept.pass <= pass) {
            self.waiting.remove(&address);
        }
    }

    /// Some box said anew what it serves.
    pub(super) fn obey_waiting(&mut self, now: Instant, out: &mut Outbox) {
        let leads = self.leader;
        self.waiting.retain(|_, kept| Some(kept.leader) == leads && now.since(kept.since) < self.params.beat / 4);
        let free: Vec<_> = self.waiting.keys().copied().filter(|address| !self.held_elsewhere(*address, now)).collect();
        for address in free {
            if let Some(Waiting { order, .. }) = self.waiting.remove(&address) {
                self.obey(Wish::Acquire, &order, now, out);
            }
        }
    }
}
