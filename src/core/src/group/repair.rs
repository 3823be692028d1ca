//! Service addresses that somebody else removed from this box while it serves them: they are put back at once, and more
//! and more slowly while they are removed again and again, so that two managers of one interface do not fight at full
//! speed.
//!
//! ```text
//!         removed                 the pause is over              put back: counted, announced
//! served ─────────▶ to be restored ────────────────▶ under way ─────────────────────────────▶ served
//!                        ▲                               │ │
//!                        └───────── removed again ───────┘ └─ refused ─▶ released: others may be able to
//! ```
//! An address whose lease the kernel ended while the box slept is not put back: a box that overslept has released all it
//! served before it hears of that (G-33). Nor is one that is being released.

use super::Group;
use super::serving::Held;
use crate::address::{InterfaceName, ServiceAddress};
use crate::info_message::Claim;
use crate::io::Action;
use crate::notification::Reason;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::quantity::Ticket;
use crate::time::Instant;
use crate::view::AddressError;
use alloc::string::String;
use alloc::vec::Vec;

/// What is done about an address that somebody else removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repair {
    pace: Pace,
    /// When it is to be put back.
    due: Option<Instant>,
    /// It is being put back.
    under_way: Option<Ticket>,
}

impl Repair {
    /// It is gone, as far as is known.
    pub(super) fn is_needed(&self) -> bool {
        self.due.is_some() || self.under_way.is_some()
    }

    /// When it is to be put back; `None`: it is there, or under way.
    fn timeout(&self) -> Option<Instant> {
        self.due.filter(|_| self.under_way.is_none())
    }

    fn begin(&mut self, ticket: Ticket, now: Instant) {
        (self.due, self.under_way) = (None, Some(ticket));
        self.pace.step(now);
    }
}

impl Group {
    /// A service address is gone from an interface, and not by an action of ours.
    pub(crate) fn removed(&mut self, interface: &InterfaceName, address: ServiceAddress, now: Instant) {
        let held = |held: &Held| held.serves(Claim::Online) || held.serves(Claim::Acquiring);
        if *interface == self.params.service_interface && self.holdings.get(&address).is_some_and(held) {
            let repair = self.repairs.entry(address).or_default();
            repair.due = repair.due.or(Some(repair.pace.earliest(now)));
        }
    }

    /// Repairs that wait for their time, and when that is. While the address is still being acquired there is none.
    fn repairs_to_come(&self) -> impl Iterator<Item = (ServiceAddress, Instant)> + '_ {
        let online = |address| self.holdings.get(address).is_some_and(|held| held.serves(Claim::Online));
        let waiting = self.repairs.iter().filter(move |(address, _)| online(address));
        // A box in doubt first hears whether the address is another's by now.
        waiting.filter_map(|(address, repair)| Some((*address, repair.timeout()?.max(self.doubt_until))))
    }

    /// Puts back what is due.
    pub(super) fn restore(&mut self, now: Instant, out: &mut Outbox) {
        let due: Vec<_> = self.repairs_to_come().filter(|(_, due)| *due <= now).map(|(address, _)| address).collect();
        for address in due {
            let Some(repair) = self.repairs.get_mut(&address) else { continue };
            let ticket = out.ticket();
            repair.begin(ticket, now);
            out.push(Action::Restore { ticket, group: self.name.clone(), address, times: repair.pace.times() });
        }
    }

    /// When [`restore`](Self::restore) has something to do.
    pub(super) fn next_restore(&self) -> Option<Instant> {
        self.repairs_to_come().map(|(_, due)| due).min()
    }

    /// Takes in the end of a repair; `false`: it is the end of something else.
    pub(super) fn restored(
        &mut self,
        address: ServiceAddress,
        ticket: Ticket,
        result: &Result<(), String>,
        now: Instant,
        out: &mut Outbox,
    ) -> bool {
        let repair = self.repairs.get_mut(&address).filter(|repair| repair.under_way == Some(ticket));
        let Some(repair) = repair else { return false };
        repair.under_way = None;
        let error = match result {
            Ok(()) => AddressError::PutBack { times: repair.pace.times() },
            Err(error) => AddressError::NotPutBack(error.clone()),
        };
        self.tracks.entry(address).or_default().last_error = Some(error);
        match result {
            Ok(()) => {
                self.counters.repairs = self.counters.repairs.saturating_add(1);
                self.announcer.announce(address, now);
            }
            Err(_) => self.release(address, Reason::Removed, now, out),
        }
        out.changed();
        true
    }
}
