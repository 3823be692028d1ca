//! Which addresses a name leads to: candidates, water marks, and a reason for each address that is in or out.
//!
//! It comes from seed A (the DNS thread: water marks with hysteresis) and seed B (the minimum, the exclude list, and
//! "only when the list changed"). It reads a [`GroupView`] and its own previous choice, nothing else: no file, no zone,
//! no time. `src/dns` makes a zone of the result.
//!
//! IPv4 and IPv6 are pruned each on its own (N-20), and every tie is broken by address, so that boxes which saw the same
//! write the same zone.

use crate::address::{IdAddress, Prefix, ServiceAddress};
use crate::notification::HostState;
use crate::quantity::Utilisation;
use crate::view::{AddressState, AddressView, GroupView, HostView};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What an operator decides about a name. Ranges are checked where the file is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How many addresses of a family stay however full their boxes are: 0 to `maximum`.
    pub minimum: usize,
    /// How many addresses of a family there are at most: 1 to 64. More than 28 do not fit an answer of 512 octets.
    pub maximum: usize,
    /// Addresses that are never advertised.
    pub exclude: Vec<Prefix>,
}

/// Why an address is in or out of the name (N-24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// In: its box has room.
    Room,
    /// In: its box is between the marks, and the address was in before.
    Kept,
    /// In: its box is too full, but the minimum would not be met without it.
    Minimum,
    /// In: nothing is left to advertise, so the last good set stays (N-13).
    Last,
    /// Out: its box is above the high water mark.
    Full,
    /// Out: its box is between the marks, and the address was not in before.
    NotYetRoom,
    /// Out: there are enough better ones.
    Maximum,
    /// Out: the operator excluded it.
    Excluded,
    /// Out: no box serves it, or more than one, or it is on its way.
    NotOnline,
    /// Out: served, but not by its preferred box.
    Orphan,
    /// Out: its box is dead, gone or unknown.
    HostDead,
    /// Out: a test fails on its box.
    HostNotOk,
    /// Out: its box takes nothing new, so clients are not sent there either.
    HostQuiesced,
}

impl Standing {
    /// Is the address advertised?
    #[must_use]
    pub const fn is_in(self) -> bool {
        matches!(self, Self::Room | Self::Kept | Self::Minimum | Self::Last)
    }

    /// The word for it in the log, the MIB and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Kept => "kept",
            Self::Minimum => "minimum",
            Self::Last => "last",
            Self::Full => "full",
            Self::NotYetRoom => "not-yet-room",
            Self::Maximum => "maximum",
            Self::Excluded => "excluded",
            Self::NotOnline => "not-online",
            Self::Orphan => "orphan",
            Self::HostDead => "host-dead",
            Self::HostNotOk => "host-not-ok",
            Self::HostQuiesced => "host-quiesced",
        }
    }
}

/// What was decided about one address, and on what grounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The address.
    pub address: ServiceAddress,
    /// The box that serves it; `None`: none does.
    pub host: Option<IdAddress>,
    /// That box's utilisation, if the address was a candidate.
    pub utilisation: Option<Utilisation>,
    /// In or out, and why.
    pub standing: Standing,
}

/// An address that may be advertised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The address.
    pub address: ServiceAddress,
    /// The box that serves it.
    pub host: IdAddress,
    /// That box's utilisation.
    pub utilisation: Utilisation,
}

/// The marks of N-11, in per mille. `low` above `high` means `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Above it a box is full.
    pub high: Utilisation,
    /// At or below it a full box has room again.
    pub low: Utilisation,
}

/// The name of a service group: what it leads to, and why.
///
/// Call [`update`](Self::update) at the update interval, and at once when a box is lost, fails or quiesces. What it
/// returns is published as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsTable {
    rules: Rules,
    advertised: BTreeSet<ServiceAddress>,
    decisions: Vec<Decision>,
}

impl DnsTable {
    /// A table that last advertised `last`: what the old zone holds, after a start; what the old table held, after a
    /// change of the rules. Addresses that are excluded now are not taken over.
    #[must_use]
    pub fn new(rules: Rules, last: impl IntoIterator<Item = ServiceAddress>) -> Self {
        let advertised = last.into_iter().filter(|address| !is_excluded(&rules, *address)).collect();
        Self { rules, advertised, decisions: Vec::new() }
    }

    /// Chooses anew, and returns the addresses to publish; `None`: there is nothing to say yet, leave things as they are.
    ///
    /// Until this box has listened for one dead interval it knows too little, and the last set stays (N-13). So it does
    /// when nothing is left to advertise in either family: the last announcer never withdraws itself. A set that was
    /// never there can not stay, so nothing is published then: a name is never emptied by accident.
    pub fn update(&mut self, group: &GroupView) -> Option<&BTreeSet<ServiceAddress>> {
        if group.settled {
            let marks = Marks { high: group.high_water_mark, low: group.low_water_mark };
            let (candidates, mut decisions) = candidates(group, &self.rules);
            decisions.extend(choose(&candidates, &self.advertised, marks, &self.rules));
            let chosen: BTreeSet<_> = decisions.iter().filter(|d| d.standing.is_in()).map(|d| d.address).collect();
            if chosen.is_empty() {
                keep_last(&mut decisions, &self.advertised);
            } else {
                self.advertised = chosen;
            }
            decisions.sort_by_key(|decision| decision.address);
            self.decisions = decisions;
        }
        (!self.advertised.is_empty()).then_some(&self.advertised)
    }

    /// What is advertised. Empty: nothing ever was.
    #[must_use]
    pub const fn advertised(&self) -> &BTreeSet<ServiceAddress> {
        &self.advertised
    }

    /// What the last [`update`](Self::update) decided about each address of the group, by address (N-24). Empty until the
    /// first one of a settled box.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }
}

fn is_excluded(rules: &Rules, address: ServiceAddress) -> bool {
    rules.exclude.iter().any(|prefix| prefix.contains(address.0))
}

/// Marks the last set as staying; addresses that the group no longer has are added for it.
fn keep_last(decisions: &mut Vec<Decision>, last: &BTreeSet<ServiceAddress>) {
    let mut missing = last.clone();
    for decision in &mut *decisions {
        if missing.remove(&decision.address) {
            decision.standing = Standing::Last;
        }
    }
    decisions.extend(missing.into_iter().map(|address| Decision {
        address,
        host: None,
        utilisation: None,
        standing: Standing::Last,
    }));
}

/// The addresses of the group that may be advertised, and why the others may not (N-10).
///
/// A preferred address counts while its own box serves it and is live, ok and takes work; an orphan must fade away, as
/// its box will take it back. A pool address has no home to go to: clients follow it wherever it is served, so it counts
/// while it is online, also on a quiesced box.
#[must_use]
pub fn candidates(group: &GroupView, rules: &Rules) -> (Vec<Candidate>, Vec<Decision>) {
    let hosts: BTreeMap<IdAddress, &HostView> = group.hosts.iter().map(|host| (host.id, host)).collect();
    let mut fit = Vec::new();
    let mut unfit = Vec::new();
    for address in &group.addresses {
        match candidate(address, &hosts, rules) {
            Ok(candidate) => fit.push(candidate),
            Err(standing) => {
                unfit.push(Decision { address: address.address, host: address.server, utilisation: None, standing })
            }
        }
    }
    (fit, unfit)
}

fn candidate(
    address: &AddressView,
    hosts: &BTreeMap<IdAddress, &HostView>,
    rules: &Rules,
) -> Result<Candidate, Standing> {
    if is_excluded(rules, address.address) {
        return Err(Standing::Excluded);
    }
    let (AddressState::Online, Some(server)) = (address.state, address.server) else {
        return Err(Standing::NotOnline);
    };
    if address.orphan || address.preferred.is_some_and(|preferred| preferred != server) {
        return Err(Standing::Orphan);
    }
    let host = hosts.get(&server).ok_or(Standing::HostDead)?;
    match host.state {
        HostState::Dead | HostState::Left => return Err(Standing::HostDead),
        HostState::NotOk => return Err(Standing::HostNotOk),
        HostState::Up | HostState::Quiesced => {}
    }
    if !host.ok {
        return Err(Standing::HostNotOk);
    }
    let takes_work = host.state == HostState::Up && !host.quiesced && !host.draining;
    if address.preferred.is_some() && !takes_work {
        return Err(Standing::HostQuiesced);
    }
    Ok(Candidate { address: address.address, host: server, utilisation: host.utilisation })
}

/// Which candidates are in, by the water marks, each family on its own (N-11).
///
/// A box above `high` counts as fuller than it is by (high − low), and so does one between the marks whose address was
/// not in `last`; then all are sorted by that weight, and those beyond the minimum that weigh more than `high` drop out.
/// Of what is left, at most `maximum` stay: first those that have room, then those that were in, so that a name with more
/// addresses than fit does not change with every breath of the load.
#[must_use]
pub fn choose(candidates: &[Candidate], last: &BTreeSet<ServiceAddress>, marks: Marks, rules: &Rules) -> Vec<Decision> {
    let (v4, v6): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| candidate.address.0.is_ipv4());
    [v4, v6].into_iter().flat_map(|family| choose_in_family(family, last, marks, rules)).collect()
}

/// A candidate on the scales.
struct Weighed {
    candidate: Candidate,
    weight: u64,
    was_in: bool,
}

fn choose_in_family(
    family: Vec<Candidate>,
    last: &BTreeSet<ServiceAddress>,
    marks: Marks,
    rules: &Rules,
) -> Vec<Decision> {
    let high = u64::from(marks.high.0);
    let mut weighed: Vec<Weighed> = family
        .into_iter()
        .map(|candidate| {
            let was_in = last.contains(&candidate.address);
            Weighed { candidate, weight: weight(candidate.utilisation, was_in, marks), was_in }
        })
        .collect();
    weighed.sort_by_key(|w| (w.weight, w.candidate.address));

    // Each with its place among those that stay: worst first in the key is what a cap takes away.
    let mut standing: Vec<(Weighed, Standing)> = weighed
        .into_iter()
        .enumerate()
        .map(|(place, w)| {
            let between = w.candidate.utilisation <= marks.high && w.candidate.utilisation > marks.low;
            let standing = match (w.weight > high, place < rules.minimum) {
                (true, true) => Standing::Minimum,
                (true, false) if between => Standing::NotYetRoom,
                (true, false) => Standing::Full,
                (false, _) if between => Standing::Kept,
                (false, _) => Standing::Room,
            };
            (w, standing)
        })
        .collect();
    standing
        .sort_by_key(|(w, standing)| (!standing.is_in(), w.weight > high, !w.was_in, w.weight, w.candidate.address));
    standing
        .into_iter()
        .enumerate()
        .map(|(place, (w, standing))| Decision {
            address: w.candidate.address,
            host: Some(w.candidate.host),
            utilisation: Some(w.candidate.utilisation),
            standing: if standing.is_in() && place >= rules.maximum { Standing::Maximum } else { standing },
        })
        .collect()
}

fn weight(utilisation: Utilisation, was_in: bool, marks: Marks) -> u64 {
    let penalty = u64::from(marks.high.0.saturating_sub(marks.low.0));
    let plain = u64::from(utilisation.0);
    if utilisation > marks.high || (utilisation > marks.low && !was_in) { plain + penalty } else { plain }
}

#[cfg(test)]
mod tests;
