//! What happens in a history, drawn from its seed: the group, the faults, and when all is well again.

use crate::policy::Policies;
use crate::random::Random;
use rais_core::params::{Choice, Failback};
use std::time::Duration;

/// Virtual time, in microseconds.
pub type Micros = u64;
/// A millisecond.
pub const MS: Micros = 1000;
/// A second.
pub const SECOND: Micros = 1_000_000;

/// What kind of trouble a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only what must not disturb exclusiveness for a moment: crashes, stops, tests, carriers, operators.
    Orderly,
    /// Only what must move no address (S-5).
    Mild,
    /// Everything.
    Rough,
}

/// How a box's scripts behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// They take this long.
    Take(Micros),
    /// Acquire fails after a moment.
    Fail,
}

/// A fault, or an operator's deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The box loses power; its kernel's addresses go with it. Ends with a restart.
    PowerCut(usize),
    /// The daemon is killed; the kernel keeps the addresses for their lease. Ends with a restart.
    Kill(usize),
    /// The daemon does not run; messages pile up in its socket. Ends with all of them at once.
    Freeze(usize),
    /// The daemon is told to stop. Ends with a restart.
    Stop(usize),
    /// Boxes of the mask hear only each other, and the others only each other.
    Partition(u32),
    /// What the first sends does not reach the second.
    OneWay(usize, usize),
    /// A control network is dead.
    NetworkDown(usize),
    /// This many per mille of the messages are lost, each on each network and way by itself.
    Loss(u64),
    /// Messages take up to this much longer, and overtake each other.
    Delay(Micros),
    /// This many per mille of the messages come twice.
    Duplication(u64),
    /// A test fails on the box.
    Test(usize),
    /// The service interface of the box has no carrier.
    Carrier(usize),
    /// The operator quiesces the box.
    Quiesce(usize),
    /// The operator drains the box.
    Drain(usize),
    /// The box's scripts behave otherwise.
    Scripts(usize, Scripts),
    /// The operator asks the leader to have the box serve the address, by index.
    Move(usize, usize),
    /// The operator asks the leader to have the address, by index, released.
    Release(usize),
    /// So much more load on the box.
    Load(usize, u32),
}

impl Fault {
    /// While it lasts and shortly after, two boxes may hold an address for want of knowing better.
    #[must_use]
    pub fn blinds(&self) -> bool {
        match self {
            Self::Kill(_)
            | Self::Freeze(_)
            | Self::Partition(_)
            | Self::OneWay(..)
            | Self::NetworkDown(_)
            | Self::Loss(_)
            | Self::Delay(_) => true,
            Self::Duplication(_)
            | Self::PowerCut(_)
            | Self::Stop(_)
            | Self::Test(_)
            | Self::Carrier(_)
            | Self::Quiesce(_)
            | Self::Drain(_)
            | Self::Scripts(..)
            | Self::Move(..)
            | Self::Load(..)
            | Self::Release(_) => false,
        }
    }

    /// It may be left so for good.
    #[must_use]
    pub fn may_last(&self) -> bool {
        matches!(self, Self::PowerCut(_) | Self::Stop(_) | Self::Test(_) | Self::Quiesce(_) | Self::Drain(_))
    }
}

/// A fault in time.
#[derive(Clone, Debug)]
pub struct Episode {
    /// When it begins.
    pub from: Micros,
    /// When it ends; `None`: never.
    pub until: Option<Micros>,
    /// What it is.
    pub fault: Fault,
}

/// A box of the group.
#[derive(Clone, Debug)]
pub struct BoxPlan {
    /// When it is switched on.
    pub start: Micros,
    /// How many preferred addresses it has.
    pub preferred: Vec<usize>,
    /// Parts per million by which its clock runs too fast.
    pub drift_ppm: i64,
    /// How long its scripts take.
    pub script: Micros,
    /// Its capacity.
    pub capacity: u32,
}

/// A whole history, before it happens.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its seed.
    pub seed: u64,
    /// What it is about.
    pub kind: Kind,
    /// The boxes; the lower index has the lower id address.
    pub boxes: Vec<BoxPlan>,
    /// How many control networks there are.
    pub networks: usize,
    /// How many addresses there are; those preferred by nobody are the pool's.
    pub addresses: usize,
    /// The heartbeat.
    pub beat: Micros,
    /// The dead interval.
    pub dead_after: Micros,
    /// The lease.
    pub lease: Micros,
    /// The action timeout.
    pub action_timeout: Micros,
    /// The orphan timeout.
    pub orphan_timeout: Option<Micros>,
    /// The failback.
    pub failback: Failback,
    /// The choice.
    pub choice: Choice,
    /// The policies.
    pub policies: Policies,
    /// The faults, by beginning.
    pub episodes: Vec<Episode>,
    /// When the group must have formed.
    pub formed: Micros,
    /// When the last fault begins or ends.
    pub last_fault: Micros,
    /// When all must be served, at home and quiet.
    pub converged: Micros,
    /// When the history ends.
    pub end: Micros,
}

impl Scenario {
    /// Draws a history.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let r = &mut random;
        let kind = match r.between(0, 9) {
            0..=2 => Kind::Orderly,
            3 => Kind::Mild,
            _ => Kind::Rough,
        };
        let count = r.pick(&[2, 2, 3, 3, 3, 4, 4, 5]);
        let networks = r.pick(&[1, 1, 2]);
        let beat = r.pick(&[100, 100, 100, 50, 200]) * MS;
        let dead_after = beat * r.pick(&[3, 3, 3, 4, 5]);
        let slow = r.chance(200);
        let mut addresses = 0;
        let together = r.chance(600);
        let boxes: Vec<_> = (0..count)
            .map(|_| {
                let own = r.pick(&[0, 1, 1, 2]);
                let preferred = (addresses..addresses + own).collect();
                addresses += own;
                BoxPlan {
                    start: if together { r.between(0, 20 * MS) } else { r.between(0, 800 * MS) },
                    preferred,
                    drift_ppm: r.between(0, 400) as i64 - 200,
                    script: if slow { r.between(0, 150 * MS) } else { r.between(0, 5 * MS) },
                    capacity: 1000,
                }
            })
            .collect();
        let pool = if addresses == 0 { r.between(1, 4) } else { r.pick(&[0, 0, 1, 3]) };
        addresses += pool as usize;
        let failback = match r.between(0, 9) {
            0..=6 => Failback::Immediate,
            7 => Failback::Manual,
            _ => Failback::After(Duration::from_millis(r.between(300, 1200))),
        };
        let mut scenario = Self {
            seed,
            kind,
            boxes,
            networks,
            addresses,
            beat,
            dead_after,
            lease: 1500 * MS,
            action_timeout: 2 * SECOND,
            orphan_timeout: (kind == Kind::Rough && r.chance(150)).then_some(2 * SECOND),
            failback,
            choice: if r.chance(300) { Choice::Random } else { Choice::Balanced },
            policies: Policies::draw(seed, kind, count),
            episodes: Vec::new(),
            formed: 0,
            last_fault: 0,
            converged: 0,
            end: 0,
        };
        scenario.draw_second_owner();
        scenario.formed = scenario.boxes.iter().map(|plan| plan.start).max().unwrap_or(0) + scenario.bound();
        scenario.formed += scenario.policies.levelled(scenario.addresses, scenario.action());
        scenario.draw_episodes(r);
        scenario
    }

    /// In some histories the last box names an address of another one too, as if it were there to replace it. Drawn by
    /// a generator of its own, so that all else in a history stays as it was.
    fn draw_second_owner(&mut self) {
        let r = &mut Random::new(self.seed ^ 0x0a11);
        let others = self.boxes.len() - 1;
        let named: Vec<_> = self.boxes[..others].iter().flat_map(|plan| plan.preferred.iter().copied()).collect();
        if r.chance(120) && !named.is_empty() {
            self.boxes[others].preferred.push(r.pick(&named));
        }
    }

    /// The longest an address takes to be released here and acquired there.
    #[must_use]
    pub fn action(&self) -> Micros {
        let script = |plan: &BoxPlan| plan.script;
        2 * (self.boxes.iter().map(script).max().unwrap_or(0) + 2 * MS)
    }

    /// Within this of the last fault all must be well (S-2): the dead interval, two beats, and the actions.
    #[must_use]
    pub fn bound(&self) -> Micros {
        let home = match self.failback {
            Failback::After(unbroken) => unbroken.as_micros() as u64 + self.action(),
            Failback::Immediate | Failback::Manual => 0,
        };
        self.dead_after + 2 * self.beat + 2 * self.action() + home + self.policies.patience() + 20 * MS
    }

    fn draw_episodes(&mut self, r: &mut Random) {
        let window = r.between(500 * MS, 6 * SECOND);
        // In many histories the boxes have measured each other well before anything happens.
        let measured = if Random::new(self.seed ^ 0x3ea5).chance(400) { 60 * self.beat } else { 0 };
        let begin = self.formed + measured + r.between(0, 500 * MS);
        let count = if self.kind == Kind::Mild { 1 } else { r.between(1, 6) };
        for _ in 0..count {
            let from = begin + r.between(0, window);
            let until = from + r.pick(&[50 * MS, 200 * MS, 500 * MS, SECOND, 3 * SECOND]) + r.between(0, 300 * MS);
            let fault = self.draw_fault(r);
            let until = if fault.may_last() && r.chance(250) { None } else { Some(until) };
            self.episodes.push(Episode { from, until, fault });
        }
        self.episodes.extend(self.policies.episodes(self.seed, self.boxes.len(), begin));
        self.episodes.sort_by_key(|episode| episode.from);
        let ends = self.episodes.iter().map(|episode| episode.until.unwrap_or(episode.from));
        self.last_fault = ends.max().unwrap_or(begin);
        // What a fault leaves behind for longer than itself.
        let after = |episode: &Episode| match (&episode.fault, episode.until) {
            // A back-off lasts no longer than the failures before it did, and a second.
            (Fault::Scripts(_, Scripts::Fail), Some(until)) => 2 * (until - episode.from) + SECOND,
            // An order or its effect lost for five beats, twice, counts as a failure of the box.
            (Fault::Loss(201..), _) => SECOND,
            // A box that hears what the leader can not refuses, and is not asked again for a while.
            (Fault::OneWay(..), Some(until)) => 2 * (until - episode.from) + SECOND,
            (Fault::Scripts(_, Scripts::Take(time)), _) => 2 * *time,
            (Fault::Test(_), _) => 300 * MS,
            // The daemon waits for others to take over before it is started anew.
            (Fault::Stop(_), Some(_)) => 2 * self.dead_after + self.action(),
            // One address at a time.
            (Fault::Drain(_), _) => self.addresses as u64 * (self.action() + 20 * MS),
            _ => 0,
        };
        let longest = self.episodes.iter().map(after).max().unwrap_or(0);
        let orphans = self.orphan_timeout.map_or(0, |timeout| timeout + self.dead_after);
        self.converged = self.last_fault + longest + orphans + self.bound();
        self.converged += self.policies.levelled(self.addresses, self.action());
        self.end = self.converged + 12 * self.beat;
    }

    fn draw_fault(&self, r: &mut Random) -> Fault {
        let hit = r.index(self.boxes.len());
        let address = r.index(self.addresses);
        match self.kind {
            Kind::Orderly => match r.between(0, 9) {
                0 | 1 => Fault::PowerCut(hit),
                2 | 3 => Fault::Stop(hit),
                4 => Fault::Test(hit),
                5 => Fault::Carrier(hit),
                6 => Fault::Quiesce(hit),
                7 => Fault::Drain(hit),
                8 => Fault::Move(hit, address),
                _ => r.pick_fault(&[Fault::Release(address), Fault::Duplication(500)]),
            },
            Kind::Mild => self.draw_mild(r),
            Kind::Rough => match r.between(0, 16) {
                0 => Fault::PowerCut(hit),
                1 => Fault::Kill(hit),
                2 => Fault::Freeze(hit),
                3 => Fault::Stop(hit),
                4 | 5 => Fault::Partition(r.between(1, (1 << self.boxes.len()) - 2) as u32),
                6 => Fault::OneWay(hit, (hit + 1 + r.index(self.boxes.len() - 1)) % self.boxes.len()),
                7 => Fault::NetworkDown(r.index(self.networks)),
                8 | 9 => Fault::Loss(r.between(50, 700)),
                10 => Fault::Delay(r.between(5, 150) * MS),
                11 => Fault::Duplication(300),
                12 => Fault::Test(hit),
                13 => r.pick_fault(&[Fault::Quiesce(hit), Fault::Drain(hit), Fault::Carrier(hit)]),
                14 => Fault::Scripts(hit, Scripts::Take(r.between(100, 1500) * MS)),
                15 => Fault::Scripts(hit, Scripts::Fail),
                _ => r.pick_fault(&[Fault::Move(hit, address), Fault::Release(address)]),
            },
        }
    }

    /// What S-5 speaks of, as far as it can hold: two boxes on one network have nobody else to ask.
    fn draw_mild(&self, r: &mut Random) -> Fault {
        let hit = r.index(self.boxes.len());
        match r.between(0, 3) {
            0 if self.networks == 2 => Fault::NetworkDown(r.index(2)),
            1 if self.boxes.len() > 2 => {
                Fault::OneWay(hit, (hit + 1 + r.index(self.boxes.len() - 1)) % self.boxes.len())
            }
            2 => Fault::Delay(r.between(1, 30) * MS),
            _ => Fault::Loss(r.between(10, 200)),
        }
    }
}

impl Random {
    fn pick_fault(&mut self, faults: &[Fault]) -> Fault {
        faults[self.index(faults.len())].clone()
    }
}
