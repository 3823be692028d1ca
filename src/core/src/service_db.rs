//! The Service Address Database: which addresses the group should serve, and how long each has been away from home.
//!
//! Every box keeps one, so that an orphan's countdown survives a change of leader (G-56). A pool address has no home
//! and never runs out. It does not know who serves what: that is the control table's.

use crate::address::{IdAddress, ServiceAddress};
use crate::params::MAX_ADDRESSES;
use crate::time::{Duration, Instant};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A preferred address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// The box that owns it.
    pub(crate) preferred: IdAddress,
    /// When that box last served it or could have: the countdown starts here.
    pub(crate) last_home: Instant,
    /// That was seen or told, not assumed: this box found the owner unwell and nobody said yet since when, or only boxes
    /// said so whose words may be a recording.
    pub(crate) sure: bool,
}

/// What a box is to the addresses it names; the first is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Live and well: it could serve them.
    Home,
    /// Live, but not well.
    Unwell,
    /// Dead, gone or never heard.
    Gone,
}

/// The addresses of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceDb {
    homes: BTreeMap<ServiceAddress, Home>,
    pool: BTreeSet<ServiceAddress>,
    orphan_timeout: Option<Duration>,
    /// No home is away for longer than since then. Homes grow younger by themselves, so it is seldom looked for anew.
    earliest: Option<Instant>,
    /// Sightings told second-hand differ by the messages' travel time. One that is not later than what is known by more
    /// than this is no news: else two boxes would keep an orphan young by telling each other of it for ever.
    tolerance: Duration,
    /// What ran out, and when it was last at home: a peer whose countdown ends a moment later does not bring it back.
    expired: BTreeMap<ServiceAddress, Instant>,
}

impl ServiceDb {
    /// Takes the addresses and times of a configuration.
    pub(crate) fn configure(&mut self, pool: &[ServiceAddress], orphan_timeout: Option<Duration>, tolerance: Duration) {
        self.pool = pool.iter().copied().collect();
        self.orphan_timeout = orphan_timeout;
        self.earliest = self.homes.values().map(|home| home.last_home).min();
        self.tolerance = tolerance;
    }

    /// The group should serve this address.
    pub(crate) fn contains(&self, address: ServiceAddress) -> bool {
        self.pool.contains(&address) || self.homes.contains_key(&address)
    }

    /// The home of a preferred address.
    pub(crate) fn home(&self, address: ServiceAddress) -> Option<Home> {
        self.homes.get(&address).copied()
    }

    /// When an address was last at home, be it that its time ran out since.
    pub(crate) fn last_home(&self, address: ServiceAddress) -> Option<Instant> {
        self.homes.get(&address).map(|home| home.last_home).or_else(|| self.expired.get(&address).copied())
    }

    /// It is known for sure how long the address has been away, or that its time ran out.
    pub(crate) fn knows(&self, address: ServiceAddress) -> bool {
        self.homes.get(&address).map_or_else(|| self.expired.contains_key(&address), |home| home.sure)
    }

    /// All preferred addresses.
    pub(crate) fn homes(&self) -> impl Iterator<Item = (ServiceAddress, Home)> + '_ {
        self.homes.iter().map(|(address, home)| (*address, *home))
    }

    /// The addresses without a preferred box.
    pub(crate) fn pool(&self) -> impl Iterator<Item = ServiceAddress> + '_ {
        self.pool.iter().copied()
    }

    /// A live box no longer names what it owned before (all but `addresses`, ascending): that is not the group's any
    /// more, unless another live box names it. `true`: there is something for another to name.
    pub(crate) fn disowns(&mut self, owner: IdAddress, addresses: &[ServiceAddress]) -> bool {
        let before = self.homes.len();
        self.homes.retain(|address, home| home.preferred != owner || addresses.binary_search(address).is_ok());
        before != self.homes.len()
    }

    /// A live box says that it owns these; `proven`: that is no recording. What ran out comes back only if the box is
    /// well and just said so (`news`).
    /// `false`: the group has too many addresses, and some were not taken.
    ///
    /// Of several boxes configured with one address the lowest of those that stand best owns it: who replaces a dead box
    /// under a higher id gets its addresses, and gives them back should the dead one return.
    pub(crate) fn owns(
        &mut self,
        owner: IdAddress,
        addresses: &[ServiceAddress],
        standing: impl Fn(IdAddress) -> Standing,
        proven: bool,
        news: bool,
        now: Instant,
    ) -> bool {
        let mut room = true;
        let own = standing(owner);
        let home = own == Standing::Home;
        for address in addresses {
            let full = self.full();
            match self.homes.get_mut(address) {
                Some(home) if (standing(home.preferred), home.preferred) < (own, owner) => {}
                Some(home) => home.preferred = owner,
                None if !(home && news) && self.expired.contains_key(address) => {}
                None if full => room = false,
                None => {
                    self.expired.remove(address);
                    self.homes.insert(*address, Home { preferred: owner, last_home: now, sure: home && proven });
                    self.note(now);
                }
            }
        }
        room
    }

    /// Its preferred box served the address at that time, or could have: the countdown starts there (G-22).
    pub(crate) fn at_home(&mut self, address: ServiceAddress, at: Instant) {
        if let Some(home) = self.homes.get_mut(&address) {
            home.last_home = if home.sure { home.last_home.max(at) } else { at };
            home.sure = true;
            let last_home = home.last_home;
            self.note(last_home);
        }
    }

    /// A peer tells of an address away from home for `age` (G-22); `proven`: that is no recording. `false`: the group has
    /// too many addresses.
    pub(crate) fn told(
        &mut self,
        address: ServiceAddress,
        preferred: IdAddress,
        age: Duration,
        proven: bool,
        now: Instant,
    ) -> bool {
        let last_home = now.before(age);
        if !proven && self.last_home(address).is_some() {
            return true;
        }
        if let Some(home) = self.homes.get_mut(&address).filter(|home| !home.sure) {
            (home.last_home, home.sure) = (last_home, true);
            self.note(last_home);
            return true;
        }
        if self.has_run_out(last_home, now) && !self.homes.contains_key(&address) {
            let known = self.expired.entry(address).or_insert(last_home);
            *known = (*known).max(last_home);
            return true;
        }
        if self.expired.get(&address).is_some_and(|known| last_home <= *known + self.tolerance) {
            return true;
        }
        let full = self.full();
        match self.homes.get_mut(&address) {
            Some(home) => {
                if last_home > home.last_home + self.tolerance {
                    home.last_home = last_home;
                }
                true
            }
            None if full => false,
            None => {
                self.expired.remove(&address);
                self.homes.insert(address, Home { preferred, last_home, sure: proven });
                self.note(last_home);
                true
            }
        }
    }

    fn full(&self) -> bool {
        self.homes.len() + self.pool.len() >= MAX_ADDRESSES
    }

    fn has_run_out(&self, last_home: Instant, now: Instant) -> bool {
        self.orphan_timeout.is_some_and(|timeout| now >= last_home + timeout)
    }

    /// What is left of an orphan's time; `None`: no limit.
    pub(crate) fn time_left(&self, home: Home, now: Instant) -> Option<Duration> {
        self.orphan_timeout.map(|timeout| (home.last_home + timeout).since(now))
    }

    /// Starts every countdown anew: what a planted bug does.
    pub(crate) fn restart_countdowns(&mut self, now: Instant) {
        self.homes.values_mut().for_each(|home| home.last_home = now);
    }

    /// Forgets a preferred address, as if nobody had told of it.
    pub(crate) fn forget(&mut self, address: ServiceAddress) {
        self.homes.remove(&address);
    }

    /// Removes and returns the addresses whose time ran out (G-50, G-56), but for those whose owner is well.
    pub(crate) fn expire(&mut self, is_home: impl Fn(IdAddress) -> bool, now: Instant) -> Vec<ServiceAddress> {
        let Some(timeout) = self.orphan_timeout else { return Vec::new() };
        let run_out = self.homes().filter(|(_, home)| self.has_run_out(home.last_home, now));
        let (kept, over): (Vec<_>, Vec<_>) = run_out.partition(|(_, home)| is_home(home.preferred));
        for (address, home) in &over {
            self.homes.remove(address);
            self.expired.insert(*address, home.last_home);
        }
        let running = self.homes.values().map(|home| home.last_home).filter(|at| !self.has_run_out(*at, now));
        // Who is well and has not said so yet to this box does so within this time, or is not.
        let again = now.before(timeout) + self.tolerance;
        self.earliest = running.chain((!kept.is_empty()).then_some(again)).min();
        while self.expired.len() > MAX_ADDRESSES {
            self.expired.pop_first();
        }
        over.into_iter().map(|(address, _)| address).filter(|address| !self.pool.contains(address)).collect()
    }

    /// When to look for countdowns that ended; none ends before.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        Some(self.earliest? + self.orphan_timeout?)
    }

    fn note(&mut self, last_home: Instant) {
        self.earliest = Some(self.earliest.map_or(last_home, |earliest| earliest.min(last_home)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{address, id, ms, secs};

    fn all_well(_: IdAddress) -> Standing {
        Standing::Home
    }

    fn db() -> ServiceDb {
        let mut db = ServiceDb::default();
        db.configure(&[address(200)], Some(Duration::from_secs(10)), Duration::from_millis(300));
        db
    }

    #[test]
    fn a_box_that_no_longer_names_an_address_takes_it_out_of_the_group() {
        let mut db = db();
        assert!(db.owns(id(1), &[address(1), address(2)], all_well, true, true, secs(0)));
        db.disowns(id(1), &[address(2)]);
        assert!(!db.contains(address(1)));
        assert!(db.contains(address(2)) && db.contains(address(200)));
    }

    #[test]
    fn of_two_boxes_configured_with_one_address_the_lower_owns_it_in_whatever_order_they_are_heard() {
        for order in [[1, 2], [2, 1]] {
            let mut db = db();
            for owner in order {
                db.owns(id(owner), &[address(7)], all_well, true, true, secs(0));
            }
            assert_eq!(db.home(address(7)).unwrap().preferred, id(1), "{order:?}");
        }
    }

    #[test]
    fn of_the_boxes_that_name_an_address_the_lowest_of_those_that_stand_best_owns_it() {
        use Standing::{Gone, Home, Unwell};
        // How boxes 1, 3 and 5 stand, who of them says that it owns the address, and whose it is then.
        for (stand, names, owner) in [
            ([Home, Home, Home], 5, 1),
            ([Gone, Home, Home], 5, 5),
            ([Gone, Home, Home], 3, 3),
            ([Unwell, Home, Home], 3, 3),
            ([Unwell, Gone, Unwell], 5, 1),
            ([Gone, Unwell, Home], 5, 5),
        ] {
            let mut db = db();
            let standing = |of: IdAddress| {
                stand[if of == id(1) {
                    0
                } else if of == id(3) {
                    1
                } else {
                    2
                }]
            };
            db.owns(id(1), &[address(7)], all_well, true, true, secs(0));
            db.owns(id(names), &[address(7)], standing, true, true, secs(1));
            assert_eq!(db.home(address(7)).unwrap().preferred, id(owner), "{stand:?} {names}");
            db.owns(id(1), &[address(7)], all_well, true, true, secs(2));
            assert_eq!(db.home(address(7)).unwrap().preferred, id(1), "it has it back when it is well");
        }
    }

    #[test]
    fn an_orphan_runs_out_once_and_a_slower_peer_does_not_bring_it_back() {
        let mut db = db();
        db.owns(id(1), &[address(1)], all_well, true, true, secs(0));
        assert_eq!(db.timeout(), Some(secs(10)));
        assert!(db.expire(|_| false, ms(9_999)).is_empty());
        assert_eq!(db.expire(|_| false, secs(10)), [address(1)]);
        assert!(db.told(address(1), id(1), Duration::from_millis(9_990), true, ms(10_001)));
        assert!(!db.contains(address(1)));
        db.owns(id(1), &[address(1)], |_| Standing::Unwell, true, true, secs(11));
        assert!(!db.contains(address(1)), "nor does its own box while it is not ok");
        db.owns(id(1), &[address(1)], all_well, true, true, secs(11));
        assert!(db.contains(address(1)), "but when it is well, it does");
    }

    #[test]
    fn what_may_be_a_recording_says_nothing_of_how_long_an_address_has_been_away() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(4));
        let since = |db: &ServiceDb| db.home(address(1)).map(|home| home.last_home);
        let mut db = db();
        assert!(db.told(address(1), id(1), short, false, secs(5)));
        assert!(db.contains(address(1)) && !db.knows(address(1)));
        assert!(db.told(address(1), id(1), long, true, secs(5)));
        assert!(db.told(address(1), id(1), Duration::ZERO, false, secs(6)));
        assert_eq!((since(&db), db.knows(address(1))), (Some(secs(1)), true));
        assert_eq!(db.expire(|_| false, secs(11)), [address(1)]);
        assert!(db.told(address(1), id(1), Duration::ZERO, false, secs(12)));
        assert!(!db.contains(address(1)), "what ran out stays so");
    }

    #[test]
    fn no_time_runs_out_while_the_owner_is_well_and_it_is_looked_for_again_later() {
        let mut db = db();
        db.owns(id(1), &[address(1)], all_well, true, true, secs(0));
        assert!(db.expire(|_| true, secs(10)).is_empty());
        assert_eq!(db.timeout(), Some(ms(10_300)));
        assert_eq!(db.expire(|_| false, ms(10_300)), [address(1)]);
    }

    #[test]
    fn boxes_that_tell_each_other_of_an_orphan_do_not_keep_it_young() {
        let (mut a, mut b) = (db(), db());
        a.owns(id(1), &[address(1)], all_well, true, true, secs(0));
        b.told(address(1), id(1), Duration::ZERO, true, ms(50));
        for beat in 1..100 {
            let now = ms(beat * 100);
            let age = |db: &ServiceDb| now.since(db.home(address(1)).unwrap().last_home);
            let (of_a, of_b) = (age(&a), age(&b));
            a.told(address(1), id(1), of_b, true, ms(beat * 100 + 50));
            b.told(address(1), id(1), of_a, true, ms(beat * 100 + 50));
        }
        assert_eq!(a.expire(|_| false, secs(10)), [address(1)]);
        assert_eq!(b.expire(|_| false, ms(10_050)), [address(1)]);
    }
}
