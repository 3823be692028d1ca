//! The Control Service Address Table (A, figure 6B; G-51): per address its preferred box and who claims it how.
//!
//! Built from the two databases by every box, because people ask any of them; only the leader acts on it. It decides
//! nothing.

use crate::address::{IdAddress, ServiceAddress};
use crate::info_message::Claim;
use crate::view::AddressState;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// One address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableRow {
    /// Its preferred box, dead or alive; `None`: a pool address, or not the group's.
    pub(crate) preferred: Option<IdAddress>,
    /// The group should serve it; if not, whoever claims it is to release it.
    pub(crate) valid: bool,
    /// Who claims it, by id.
    pub(crate) claims: Vec<(IdAddress, Claim)>,
}

impl TableRow {
    /// The boxes that serve it.
    pub(crate) fn online(&self) -> impl Iterator<Item = IdAddress> + '_ {
        self.claims.iter().filter(|(_, claim)| *claim == Claim::Online).map(|(id, _)| *id)
    }

    /// This box's claim to it.
    pub(crate) fn claim_of(&self, id: IdAddress) -> Option<Claim> {
        self.claims.iter().find(|(claimant, _)| *claimant == id).map(|(_, claim)| *claim)
    }

    /// What the group makes of the address.
    pub(crate) fn state(&self) -> AddressState {
        let any = |wanted| self.claims.iter().any(|(_, claim)| *claim == wanted);
        match self.online().count() {
            0 if any(Claim::Acquiring) => AddressState::Acquiring,
            0 if any(Claim::Releasing) => AddressState::Releasing,
            0 => AddressState::Unserved,
            1 => AddressState::Online,
            _ => AddressState::Duplicate,
        }
    }

    /// Who serves it, or is about to, or is giving it up; of several the lowest.
    pub(crate) fn server(&self) -> Option<IdAddress> {
        [Claim::Online, Claim::Acquiring, Claim::Releasing]
            .into_iter()
            .find_map(|wanted| self.claims.iter().find(|(_, claim)| *claim == wanted))
            .map(|(id, _)| *id)
    }
}

/// All addresses that the group should serve or that somebody claims.
pub(crate) type ControlTable = BTreeMap<ServiceAddress, TableRow>;

/// Builds the table from what should be served, with the preferred boxes, and from every live box's claims.
pub(crate) fn build<'a>(
    wanted: impl Iterator<Item = (ServiceAddress, Option<IdAddress>)>,
    claimants: impl Iterator<Item = (IdAddress, &'a [(ServiceAddress, Claim)])>,
) -> ControlTable {
    let row = |preferred| TableRow { preferred, valid: true, claims: Vec::new() };
    let mut table: ControlTable = wanted.map(|(address, preferred)| (address, row(preferred))).collect();
    for (id, claims) in claimants {
        for (address, claim) in claims {
            table.entry(*address).or_default().claims.push((id, *claim));
        }
    }
    table.values_mut().for_each(|row| row.claims.sort_unstable_by_key(|(id, _)| *id));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{address, id};

    #[test]
    fn the_state_of_an_address_follows_from_who_claims_it_how() {
        use AddressState as State;
        use Claim::{Acquiring, Online, Releasing};
        for (claims, state, server) in [
            (&[][..], State::Unserved, None),
            (&[(1, Acquiring)], State::Acquiring, Some(1)),
            (&[(1, Releasing)], State::Releasing, Some(1)),
            (&[(1, Releasing), (2, Acquiring)], State::Acquiring, Some(2)),
            (&[(1, Acquiring), (2, Online)], State::Online, Some(2)),
            (&[(1, Online), (2, Releasing)], State::Online, Some(1)),
            (&[(1, Online), (2, Online)], State::Duplicate, Some(1)),
        ] {
            let claims = claims.iter().map(|(n, claim)| (id(*n), *claim)).collect();
            let row = TableRow { claims, ..TableRow::default() };
            assert_eq!((row.state(), row.server()), (state, server.map(id)), "{row:?}");
        }
    }

    #[test]
    fn a_claim_to_an_address_that_nobody_wants_is_in_the_table_but_not_valid() {
        let claims = [(address(9), Claim::Online)];
        let table = build([(address(1), Some(id(1)))].into_iter(), [(id(2), &claims[..])].into_iter());
        assert!(table[&address(1)].valid && table[&address(1)].claims.is_empty());
        assert!(!table[&address(9)].valid);
    }
}
