//! Machines that are no box of the group and use an address that this box serves (RFC 5227 §2.4).
//!
//! ```text
//!          claim                      a claim, long enough after the first
//! nobody ────────▶ suspected (defend) ────────────────────────────────────▶ told (defend, at most every 10 s)
//!    ▲                 │                                                      │
//!    └── quiet ────────┴──────────────────── quiet, or not served here ───────┘
//! ```
//! Two boxes of the group may claim an address for a moment too, while it moves or after a partition: that is settled by
//! the leader within two beats and is no conflict. And the kernel of a box whose daemon was killed, hangs or is frozen
//! answers for its addresses until their lease is over (G-33): whoever took them over must not call that a stranger. So
//! a stranger is one that still claims it long after, longer if a box was lost or came back lately, and the edge's
//! announcements, which ask whether anybody else has the address, give it the occasion.

use super::Group;
use crate::address::{InterfaceName, ServiceAddress};
use crate::host_db::Host;
use crate::info_message::Claim;
use crate::io::Action;
use crate::notification::Notification;
use crate::outbox::Outbox;
use crate::params::MAX_ADDRESSES;
use crate::time::{Duration, Instant};
use alloc::string::String;

/// Between two defences of an address: RFC 5227 §2.4 (b), DEFEND_INTERVAL.
const DEFEND_EVERY: Duration = Duration::from_secs(10);
/// A claim that was not repeated for so long is over: three rounds of announcements by default.
const OVER_AFTER: Duration = Duration::from_secs(180);

/// By how much a lease may be overrun: the kernel counts whole seconds, and looks at its list about as often.
const LEASE_OVERRUN: Duration = Duration::from_secs(2);

/// Somebody's claim to an address of ours.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    mac: String,
    first: Instant,
    last: Instant,
    defended: Instant,
    told: bool,
}

impl Group {
    /// After this a second claim is none of the group's own.
    fn confirmed_after(&self, now: Instant) -> Duration {
        let params = &self.params;
        let lease_over = params.lease + LEASE_OVERRUN;
        let lately = |host: &Host| now.since(host.last_change) < lease_over;
        let usual = (params.dead_after + params.beat * 2).max(Duration::from_secs(1));
        if self.hosts.iter().any(|(_, host)| lately(host)) { usual.max(lease_over) } else { usual }
    }

    /// Somebody at `mac` claims `address` on an interface.
    pub(crate) fn claimed(
        &mut self,
        interface: &InterfaceName,
        address: ServiceAddress,
        mac: String,
        now: Instant,
        out: &mut Outbox,
    ) {
        let served = self.holdings.get(&address).is_some_and(|held| held.serves(Claim::Online));
        let of_a_box = self.table.get(&address).is_some_and(|row| row.online().any(|id| id != self.params.id));
        if *interface != self.params.service_interface || !served || of_a_box {
            return;
        }
        let wait = self.confirmed_after(now);
        let over = |suspect: &Suspect| suspect.mac != mac || now.since(suspect.last) >= OVER_AFTER;
        if self.suspects.get(&address).is_none_or(over) {
            if self.suspects.len() >= MAX_ADDRESSES {
                self.suspects.pop_first();
            }
            // Defended now; and once more when another answer would prove it.
            self.announcer.announce(address, now);
            self.announcer.announce(address, now + wait);
            let suspect = Suspect { mac, first: now, last: now, defended: now, told: false };
            self.suspects.insert(address, suspect);
            return;
        }
        let Some(suspect) = self.suspects.get_mut(&address) else { return };
        suspect.last = now;
        if now.since(suspect.defended) >= DEFEND_EVERY {
            suspect.defended = now;
            self.announcer.announce(address, now);
        }
        if !suspect.told && now.since(suspect.first) >= wait {
            suspect.told = true;
            let (group, interface, mac) = (self.name.clone(), interface.clone(), suspect.mac.clone());
            out.push(Action::Notify(Notification::AddressConflict { group, address, interface, mac }));
        }
    }

    /// What is not served here any more is nobody's to quarrel about.
    pub(super) fn forget_suspect(&mut self, address: ServiceAddress) {
        self.suspects.remove(&address);
    }
}
