//! "What if these boxes were gone?" (G-65): what the group would do, by the very choice that the leader makes.
//!
//! Pure: a group's view in, a list of moves out. It knows what the view knows, and so not who failed to acquire what a
//! moment ago, nor how loads will follow the addresses; and where the group chooses at random (`choice = "random"`) it
//! gives one of the possible outcomes.

use crate::address::{IdAddress, ServiceAddress};
use crate::assignment::{self, Candidate, Rule};
use crate::notification::HostState;
use crate::quantity::PassNumber;
use crate::view::{GroupView, HostView, PartitionView};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What would become of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The address.
    pub address: ServiceAddress,
    /// Who serves it now.
    pub from: Option<IdAddress>,
    /// Who would; `None`: nobody could.
    pub to: Option<IdAddress>,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Who would lead; `None`: nobody.
    pub leader: Option<IdAddress>,
    /// The partition policy would let the rest serve. If not, every address has `to: None`.
    pub serves: bool,
    /// The addresses that would change hands, in the order of the view.
    pub moves: Vec<Move>,
}

impl Outcome {
    /// How many addresses nobody could serve.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.moves.iter().filter(|planned| planned.to.is_none()).count()
    }
}

/// What the group would do if the boxes of `without` fell silent now.
#[must_use]
pub fn without(group: &GroupView, without: &BTreeSet<IdAddress>) -> Outcome {
    let left: Vec<&HostView> = group.hosts.iter().filter(|host| !without.contains(&host.id)).collect();
    let live = |host: &&&HostView| host.state.is_live();
    let leader = left.iter().filter(live).filter(|host| host.settled).map(|host| host.id).min();
    let serves = match &group.partition {
        PartitionView::Serve | PartitionView::Witness { .. } => true,
        PartitionView::Majority { voters, .. } => {
            let present = left.iter().filter(live).filter(|host| voters.contains(&host.id)).count();
            present * 2 > voters.len()
        }
    };
    let mut candidates: Vec<Candidate> = left.iter().map(|host| candidate(host)).collect();
    for row in &group.addresses {
        if let Some(server) = row.server.filter(|server| !without.contains(server)) {
            count(&mut candidates, server);
        }
    }
    let rule = Rule { choice: group.choice, pass: PassNumber(0) };
    let mut moves = Vec::new();
    for row in &group.addresses {
        let stays = row.server.is_some_and(|server| !without.contains(&server));
        if serves && stays {
            continue;
        }
        let to = assignment::choose(row.address, row.preferred, &candidates, rule, |_| serves);
        if let Some(to) = to {
            count(&mut candidates, to);
        }
        if to.is_some() || row.server.is_some() {
            moves.push(Move { address: row.address, from: row.server, to });
        }
    }
    Outcome { leader, serves, moves }
}

fn count(candidates: &mut [Candidate], id: IdAddress) {
    if let Some(candidate) = candidates.iter_mut().find(|candidate| candidate.id == id) {
        candidate.addresses = candidate.addresses.saturating_add(1);
    }
}

fn candidate(host: &HostView) -> Candidate {
    Candidate {
        id: host.id,
        available: host.state == HostState::Up,
        spare: host.spare,
        draining: host.draining,
        load: host.load,
        capacity: host.capacity,
        healthy_since: None,
        damped_for: core::time::Duration::ZERO,
        heard_us: None,
        out_of_reach: None,
        addresses: 0,
    }
}
