//! Which box is to serve an address (G-53, G-54, G-55): pure functions of a table in, a box out.
//!
//! The order is seed A's: the preferred box, then a spare, then any other eligible box. Among equals A picks at random;
//! here the choice is the box with the fewest addresses for its capacity, then the least utilised, then a stable hash,
//! so that a group spreads its addresses evenly and the same table always gives the same plan.

use crate::address::{IdAddress, ServiceAddress};
use crate::params::Choice;
use crate::quantity::{PassNumber, Utilisation};
use crate::time::{Duration, Instant};
use core::cmp::Reverse;
use core::net::IpAddr;

/// A box as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The box.
    pub(crate) id: IdAddress,
    /// Live, reachable, ok and not quiesced: it may be given addresses.
    pub(crate) available: bool,
    /// All that but reachable: when it was heard last. It is given nothing, and may since be doing what it was told.
    pub(crate) out_of_reach: Option<Instant>,
    /// It has no preferred address.
    pub(crate) spare: bool,
    /// It wants to be rid of what it serves.
    pub(crate) draining: bool,
    /// Its load.
    pub(crate) load: u32,
    /// Its capacity, in the same unit.
    pub(crate) capacity: u32,
    /// Since when it has been available without a break.
    pub(crate) healthy_since: Option<Instant>,
    /// For how long it has to have been so before addresses go home to it: it came and went (G-64).
    pub(crate) damped_for: Duration,
    /// When it last heard this box, by its own account; this box itself: now.
    pub(crate) heard_us: Option<Instant>,
    /// Addresses it serves or has been chosen for.
    pub(crate) addresses: u32,
}

impl Candidate {
    /// Addresses per capacity once it has one more, scaled; the utilisation.
    fn burden(&self) -> (u64, Utilisation) {
        let addresses = u64::from(self.addresses) + 1;
        ((addresses << 32) / u64::from(self.capacity.max(1)), Utilisation::of(self.load, self.capacity))
    }
}

/// A hash that is the same on every box and in every release: FNV-1a over the octets.
fn hash(parts: &[&[u8]]) -> u64 {
    let octets = parts.iter().flat_map(|part| part.iter());
    let fnv = octets
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3));
    // FNV mixes its last octets badly into the high bits, by which the candidates are compared.
    (fnv ^ (fnv >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash_of(address: ServiceAddress, candidate: IdAddress, pass: PassNumber) -> u64 {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    hash(&[&octets(address.0), &octets(candidate.0), &pass.0.to_be_bytes()])
}

/// How the choice is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The group's rule.
    pub(crate) choice: Choice,
    /// The pass in which it is made.
    pub(crate) pass: PassNumber,
}

/// The best of some equals for an address.
fn pick<'a>(address: ServiceAddress, equals: impl Iterator<Item = &'a Candidate>, rule: Rule) -> Option<IdAddress> {
    let best = match rule.choice {
        Choice::Balanced => equals
            .min_by_key(|candidate| (candidate.burden(), hash_of(address, candidate.id, PassNumber(0)), candidate.id)),
        Choice::Random => equals.min_by_key(|candidate| (hash_of(address, candidate.id, rule.pass), candidate.id)),
    };
    best.map(|candidate| candidate.id)
}

/// Who is to serve an address that nobody serves (G-53); `None`: nobody can.
///
/// `may` says of each available box whether it may be offered this address now.
pub(crate) fn choose(
    address: ServiceAddress,
    preferred: Option<IdAddress>,
    candidates: &[Candidate],
    rule: Rule,
    may: impl Fn(IdAddress) -> bool,
) -> Option<IdAddress> {
    let able = || candidates.iter().filter(|candidate| candidate.available && may(candidate.id));
    able()
        .find(|candidate| preferred == Some(candidate.id))
        .map(|candidate| candidate.id)
        .or_else(|| pick(address, able().filter(|candidate| candidate.spare), rule))
        .or_else(|| pick(address, able().filter(|candidate| !candidate.spare), rule))
}

/// Who of several that serve an address keeps it (G-54): its preferred box, else a spare, else any; always a box that
/// may be given addresses before one that may only keep what it has.
pub(crate) fn keeper(
    address: ServiceAddress,
    preferred: Option<IdAddress>,
    serving: &[IdAddress],
    candidates: &[Candidate],
    rule: Rule,
) -> Option<IdAddress> {
    let able = || candidates.iter().filter(|candidate| serving.contains(&candidate.id));
    let tier = |candidate: &Candidate| {
        let home = candidate.available && preferred == Some(candidate.id);
        (Reverse(home), Reverse(candidate.available), Reverse(candidate.spare))
    };
    let best = able().map(tier).min()?;
    pick(address, able().filter(|candidate| tier(candidate) == best), rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{address, id};
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    const BALANCED: Rule = Rule { choice: Choice::Balanced, pass: PassNumber(1) };

    /// `"1s+3"` is box 1, a spare with three addresses; `-` instead of `+`: not available.
    fn candidates(text: &str) -> Vec<Candidate> {
        text.split_whitespace()
            .map(|word| {
                let at = word.find(['+', '-']).unwrap();
                let name = &word[..at];
                Candidate {
                    id: id(name.trim_end_matches('s').parse().unwrap()),
                    available: word.contains('+'),
                    spare: name.ends_with('s'),
                    draining: false,
                    load: 0,
                    capacity: 1000,
                    healthy_since: None,
                    damped_for: Duration::ZERO,
                    heard_us: None,
                    out_of_reach: None,
                    addresses: word[at + 1..].parse().unwrap(),
                }
            })
            .collect()
    }

    #[test]
    fn an_unserved_address_goes_to_its_preferred_box_then_a_spare_then_any_other() {
        for (boxes, preferred, barred, chosen) in [
            ("", None, None, None),
            ("1+0", Some(1), None, Some(1)),
            ("1+9 2+0 3s+0", Some(1), None, Some(1)),
            ("1-0 2+0 3s+5", Some(1), None, Some(3)),
            ("1-0 2+0 3s-0", Some(1), None, Some(2)),
            ("1-0 2-0 3s-0", Some(1), None, None),
            ("1+0 2+0 3s+0", Some(1), Some(1), Some(3)),
            ("1+0 2+0 3s+0", None, Some(3), Some(1)),
            ("1s+1 2s+0", None, None, Some(2)),
            ("1s+1 2s+0 3+0", None, None, Some(2)),
            ("1+2 2+1", Some(9), None, Some(2)),
        ] {
            // Without a spare the two of equal burden are told apart by hash only: leave the hash out of the table.
            let boxes = candidates(boxes);
            let got =
                choose(address(1), preferred.map(id), &boxes, BALANCED, |candidate| barred.map(id) != Some(candidate));
            let equals = barred == Some(3) && preferred.is_none();
            assert!(got == chosen.map(id) || (equals && got == Some(id(2))), "{boxes:?} {got:?}");
        }
    }

    #[test]
    fn of_several_that_serve_an_address_the_preferred_keeps_it_then_a_spare_then_any_other() {
        for (boxes, preferred, serving, keeps) in [
            ("1+0 2+0 3s+0", Some(1), &[1, 2][..], Some(1)),
            ("1+0 2+0 3s+0", Some(1), &[2, 3], Some(3)),
            ("1-0 2+0 3s+0", Some(1), &[1, 2], Some(2)),
            ("1-0 2-0", None, &[1], Some(1)),
            ("1+3 2+1 3s-0", None, &[1, 2, 3], Some(2)),
            ("1+0", None, &[], None),
        ] {
            let serving: Vec<_> = serving.iter().map(|n| id(*n)).collect();
            let got = keeper(address(1), preferred.map(id), &serving, &candidates(boxes), BALANCED);
            assert_eq!(got, keeps.map(id), "{boxes}");
        }
    }

    #[test]
    fn addresses_are_spread_in_proportion_to_capacity() {
        let mut boxes = candidates("1s+0 2s+0 3s+0");
        boxes[0].capacity = 2000;
        for n in 0..40 {
            let chosen = choose(address(n), None, &boxes, BALANCED, |_| true).unwrap();
            boxes.iter_mut().find(|candidate| candidate.id == chosen).unwrap().addresses += 1;
        }
        assert_eq!(boxes.iter().map(|candidate| candidate.addresses).collect::<Vec<_>>(), [20, 10, 10]);
    }

    #[test]
    fn of_boxes_with_as_many_addresses_the_least_utilised_is_chosen() {
        let mut boxes = candidates("1s+1 2s+1");
        boxes[0].load = 500;
        assert_eq!(choose(address(1), None, &boxes, BALANCED, |_| true), Some(id(2)));
        boxes[1].load = 501;
        assert_eq!(choose(address(1), None, &boxes, BALANCED, |_| true), Some(id(1)));
    }

    #[test]
    fn the_random_choice_differs_from_pass_to_pass_and_is_even() {
        let boxes = candidates("1s+0 2s+9 3s+4");
        let mut chosen: BTreeMap<IdAddress, u32> = BTreeMap::new();
        for pass in 0..3000 {
            let rule = Rule { choice: Choice::Random, pass: PassNumber(pass) };
            *chosen.entry(choose(address(1), None, &boxes, rule, |_| true).unwrap()).or_default() += 1;
        }
        assert!(chosen.values().all(|count| (850..1150).contains(count)), "{chosen:?}");
    }
}
