//! The group's part of the view, and what is remembered only for it: how often things changed, and when.

use super::Group;
use crate::address::{IdAddress, ServiceAddress};
use crate::control_table::TableRow;
use crate::host_db::{Host, Judge, Link};
use crate::info_message::Claim;
use crate::notification::Reason;
use crate::outbox::Outbox;
use crate::params::Control;
use crate::quantity::Utilisation;
use crate::time::Instant;
use crate::view::{
    AddressError, AddressState, AddressView, ContactView, GroupView, HostView, LinkView, PolicyConfigured,
};
use alloc::vec::Vec;

/// What people want to know of an address beyond what it is now.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    state: Option<AddressState>,
    server: Option<IdAddress>,
    /// Who served it last.
    pub(super) last_online: Option<IdAddress>,
    transitions: u32,
    last_change: Instant,
    pub(super) reason: Option<Reason>,
    pub(super) last_error: Option<AddressError>,
}

impl Group {
    /// Notes what changed in the table.
    pub(super) fn track(&mut self, now: Instant, out: &mut Outbox) {
        let before = self.tracks.len();
        self.tracks.retain(|address, _| self.table.contains_key(address));
        let mut changed = before != self.tracks.len();
        for (address, row) in &self.table {
            let track = self.tracks.entry(*address).or_default();
            let (state, server) = (row.state(), row.server());
            if (track.state, track.server) == (Some(state), server) {
                continue;
            }
            track.last_online = row.online().next().or(track.last_online);
            if track.state.is_some() {
                track.transitions = track.transitions.saturating_add(1);
            }
            (track.state, track.server, track.last_change) = (Some(state), server, now);
            changed = true;
        }
        if changed {
            out.changed();
        }
    }

    /// The group's picture.
    pub(crate) fn view(&self, now: Instant) -> GroupView {
        GroupView {
            name: self.name.clone(),
            id: self.params.id,
            leader: self.leader,
            settled: self.settled,
            partition_state: self.side.state(),
            partition: self.partition_view(),
            disagreeing: self.disagreeing(),
            beat: self.params.beat,
            dead_after: self.params.dead_after,
            choice: self.params.choice,
            failback: self.params.failback,
            policy: self.policy(),
            configured: PolicyConfigured { failback: self.governed.failback, choice: self.governed.choice },
            high_water_mark: self.params.high_water_mark,
            low_water_mark: self.params.low_water_mark,
            counters: self.counters.clone(),
            last_change: self.last_change,
            hosts: self.host_views(now),
            addresses: self.table.iter().filter_map(|(address, row)| self.address_view(*address, row, now)).collect(),
        }
    }

    /// Live boxes configured otherwise than this one (G-62).
    fn disagreeing(&self) -> u32 {
        u32::try_from(self.differing.len()).unwrap_or(u32::MAX)
    }

    fn host_views(&self, now: Instant) -> Vec<HostView> {
        let served = |claims: &mut dyn Iterator<Item = Claim>| {
            u32::try_from(claims.filter(|claim| *claim == Claim::Online).count()).unwrap_or(u32::MAX)
        };
        let me = HostView {
            id: self.params.id,
            name: self.identity.name.clone(),
            state: self.own_state(),
            ok: self.ok(),
            trouble: self.trouble(),
            differs: false,
            quiesced: self.quiesced(),
            draining: self.draining(),
            spare: self.params.preferred_addresses.is_empty(),
            settled: self.settled,
            load: self.fitness.load,
            capacity: self.fitness.capacity,
            utilisation: Utilisation::of(self.fitness.load, self.fitness.capacity),
            control_addresses: self.params.control.iter().map(|control| control.address).collect(),
            preferred: self.preferred(),
            served: served(&mut self.own_claims().map(|(_, claim)| claim)),
            last_heard: now,
            incarnation: self.identity.incarnation,
            transitions: self.own_transitions,
            last_change: self.own_last_change,
            damped_until: self.damped_until(self.healthy_since, &self.own_flaps, now),
            contact: ContactView::default(),
        };
        let judge = self.judge();
        let others = self.hosts.iter().filter_map(|(id, host)| {
            let status = host.status.as_ref()?;
            let entry = host.entry.as_ref();
            Some(HostView {
                id,
                name: status.name.clone(),
                state: host.state,
                ok: status.ok,
                trouble: status.trouble.filter(|_| !status.ok),
                differs: self.differing.contains(&id),
                quiesced: status.quiesced,
                draining: status.draining,
                spare: status.spare,
                settled: status.settled,
                load: status.load,
                capacity: status.capacity,
                utilisation: Utilisation::of(status.load, status.capacity),
                control_addresses: entry.map(|entry| entry.control_addresses.clone()).unwrap_or_default(),
                preferred: entry.map_or_else(|| self.remembered_preferred(id), |entry| entry.preferred.clone()),
                served: entry.map_or(0, |entry| served(&mut entry.claims.iter().map(|(_, claim)| *claim))),
                last_heard: host.last_heard(),
                incarnation: host.incarnation,
                transitions: host.transitions,
                last_change: host.last_change,
                damped_until: self.damped_until(host.healthy_since, &host.flaps, now),
                contact: self.contact_view(host, &judge),
            })
        });
        let mut hosts: Vec<_> = others.chain([me]).collect();
        hosts.sort_unstable_by_key(|host| host.id);
        hosts
    }

    fn contact_view(&self, host: &Host, judge: &Judge) -> ContactView {
        let link = |(control, link): (&Control, &Link)| LinkView {
            interface: control.interface.clone(),
            last_heard: link.heard,
            loss: link.loss_per_mille(),
        };
        let silent = Link::default();
        let links = host.links.iter().chain(core::iter::repeat(&silent));
        ContactView {
            round_trip: host.liveness.round_trip(),
            lateness: host.liveness.lateness(),
            loss: host.liveness.loss_per_mille(),
            patience: host.patience(judge).dead.unwrap_or(judge.dead_after),
            links: self.params.control.iter().zip(links).map(link).collect(),
        }
    }

    fn remembered_preferred(&self, id: IdAddress) -> Vec<ServiceAddress> {
        self.services.homes().filter(|(_, home)| home.preferred == id).map(|(address, _)| address).collect()
    }

    fn address_view(&self, address: ServiceAddress, row: &TableRow, now: Instant) -> Option<AddressView> {
        let track = self.tracks.get(&address)?;
        let server = row.server();
        let home = self.services.home(address);
        let away = home.filter(|home| !self.is_home(home.preferred));
        Some(AddressView {
            address,
            state: row.state(),
            server,
            preferred: row.preferred,
            orphan: server.is_some() && row.preferred.is_some() && server != row.preferred,
            orphan_time_left: away.and_then(|home| self.services.time_left(home, now)),
            reason: track.reason,
            own_claim: row.claim_of(self.params.id),
            transitions: track.transitions,
            last_change: track.last_change,
            last_error: track.last_error.clone(),
            backoffs: self.control.as_ref().map(|control| control.backoffs(address, now)).unwrap_or_default(),
        })
    }
}
