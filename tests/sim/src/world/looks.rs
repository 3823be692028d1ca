//! When each promise is judged: when its own bound after the last fault is over, not at some later moment of peace.
//!
//! Every beginning and end of a fault starts the bounds anew; a bound that a graver fault set earlier stands. So between
//! any two faults that are far enough apart all is judged, too. A fault that lasts (a dead box, a partition) does not
//! excuse the living: each side of a partition is held to the promises by itself.

use super::{Event, World};
use crate::invariants::{self, Violation, home, no_black_hole, one_leader, quiet, served};
use crate::scenario::{Fault, Hearing, Micros, Scenario};

/// A promise that holds some time after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// S-6.
    OneLeader,
    /// S-2.
    Served,
    /// S-3.
    Home,
    /// G-51: nobody serves what no configuration has.
    Configured,
    /// G-42.
    Partition,
    /// S-8.
    NoBlackHole,
    /// S-4; last, because then the counting begins.
    Quiet,
}

/// A fault just now.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance<'a> {
    /// Which.
    pub fault: &'a Fault,
    /// How long it lasted, if it is over; `None`: it begins.
    pub lasted: Option<Micros>,
}

impl Disturbance<'_> {
    /// Boxes hear each other again.
    #[must_use]
    pub fn is_heal(&self) -> bool {
        self.fault.hearing() == Hearing::Cut && self.lasted.is_some()
    }
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::OneLeader, Self::Served, Self::Home, Self::Configured, Self::Partition, Self::NoBlackHole, Self::Quiet];

    /// How long after a fault it must hold; `None`: after nothing in particular.
    fn bound(self, scenario: &Scenario, disturbance: Option<Disturbance<'_>>) -> Micros {
        match self {
            Self::OneLeader => one_leader::bound(scenario, disturbance),
            Self::Served | Self::Configured | Self::Partition => served::bound_after(scenario, disturbance),
            Self::Home => home::bound(scenario, disturbance),
            Self::NoBlackHole => no_black_hole::bound(scenario, disturbance),
            Self::Quiet => quiet::bound(scenario, disturbance),
        }
    }

    fn judge(self, world: &World) -> Result<(), Violation> {
        match self {
            Self::OneLeader => one_leader::for_all(world).and_then(|()| invariants::agreed::on_a_policy(world)),
            Self::Served => served::somewhere(world),
            Self::Home => home::is_served_there(world),
            Self::Configured => invariants::configured::nothing_else_is_served(world),
            Self::Partition => invariants::partition::others_serve_nothing(world),
            Self::NoBlackHole => no_black_hole::at_any_address(world),
            Self::Quiet => Ok(()),
        }
    }
}

/// The bounds that run.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    disturbances: u32,
    clear_at: [Micros; Promise::ALL.len()],
    /// Since the last fault it was found once that no box has to be well for longer before its addresses go home.
    seen_undamped: bool,
    /// All is well and must stay so: what is sent is counted.
    quiet: bool,
}

impl World {
    /// A fault began or ended: every bound begins anew.
    pub(super) fn disturbed(&mut self, disturbance: Disturbance<'_>) {
        self.looks.seen_undamped = false;
        self.start_bounds(Some(disturbance), 0);
    }

    /// Something followed from a fault that is a new beginning in itself, in so long.
    pub(super) fn promise_again(&mut self, wait: Micros) {
        self.start_bounds(None, wait);
    }

    fn start_bounds(&mut self, disturbance: Option<Disturbance<'_>>, wait: Micros) {
        self.end_quiet();
        self.looks.disturbances += 1;
        for (place, promise) in Promise::ALL.into_iter().enumerate() {
            let bound = promise.bound(&self.scenario, disturbance);
            let at = self.looks.clear_at[place].max(self.now + wait + bound);
            self.looks.clear_at[place] = at;
            self.at(at, Event::Look(promise, self.looks.disturbances));
            self.end = self.end.max(at + 12 * self.scenario.beat());
        }
    }

    /// Judges the equilibrium that ends now, if there is one.
    fn end_quiet(&mut self) {
        if std::mem::take(&mut self.looks.quiet) {
            self.judge(quiet::since_then);
        }
    }

    pub(super) fn look(&mut self, promise: Promise, disturbances: u32) {
        if disturbances != self.looks.disturbances || self.is_disturbed(promise) {
            return;
        }
        if let (Promise::Home | Promise::Quiet, Some(wait)) = (promise, self.longest_damping()) {
            // Addresses go home to a box that came and went when it has been well for long enough (G-64). That may just
            // have been, and they are on their way: it is looked at once more.
            let over = wait == 0;
            if !over || !std::mem::replace(&mut self.looks.seen_undamped, over) {
                return self.promise_again(wait);
            }
        }
        self.note(|| format!("{promise:?} must hold now"));
        self.judge(|world| promise.judge(world));
        if promise == Promise::Quiet {
            self.looks.quiet = true;
            self.traffic = super::Traffic { since: self.now, ..super::Traffic::default() };
        }
    }

    /// How much longer some box has to be well, in the eyes of some box, before its addresses go home; `None`: nothing of
    /// the kind is configured.
    fn longest_damping(&self) -> Option<Micros> {
        if self.scenario.configs.iter().all(|config| config.damping.is_none()) {
            return None;
        }
        let views = (0..self.boxes.len()).filter_map(|index| self.view(index));
        let hosts = views
            .flat_map(|view| view.groups.into_iter().flat_map(|group| group.hosts).map(move |host| (view.at, host)));
        let left =
            hosts.filter_map(|(at, host)| Some(host.damped_until?.since(at).as_micros() as Micros)).max().unwrap_or(0);
        Some(left + self.scenario.skew(left))
    }

    /// Something goes on that suspends the promise.
    fn is_disturbed(&self, promise: Promise) -> bool {
        let slow = |episode: &usize| matches!(self.scenario.episodes[*episode].fault, Fault::Scripts(..));
        let whole = |side: &Vec<usize>, group| {
            let networks = self.scenario.networks_of(group);
            side.iter().all(|a| side.iter().all(|b| a == b || self.network.connects(*a, *b, networks.clone())))
        };
        let cut = |group| {
            let sides = self.sides(group);
            let one = sides.len() == 1;
            sides.iter().any(|side| !whole(side, group)) || !one && promise == Promise::NoBlackHole
        };
        self.network.is_troubled()
            || promise != Promise::OneLeader && self.active.iter().any(slow)
            || (0..self.scenario.groups.len()).any(cut)
    }

    /// At the end, a while after all bounds: the equilibrium must have lasted.
    ///
    /// # Errors
    /// The first promise that no longer holds.
    pub fn still_holds(&self) -> Result<(), Violation> {
        if self.looks.quiet {
            quiet::since_then(self)?;
            for promise in Promise::ALL {
                promise.judge(self)?;
            }
        }
        Ok(())
    }
}
