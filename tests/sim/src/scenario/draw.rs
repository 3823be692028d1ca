//! Draws a scenario from a seed.
//!
//! | what | drawn in |
//! | --- | --- |
//! | kind: orderly / mild / rough | 30 % / 10 % / 60 % of the histories |
//! | boxes | 2 to 5, mostly 3; one more in 8 % that is switched on later: to join (half), or with the preferred addresses of a box that died for good |
//! | a box has 0 / 1 / 2 / 3 preferred addresses | 20 / 40 / 30 / 10 % |
//! | the last box names an address of another one too | 8 % |
//! | pool addresses | 1 to 4 if nothing else is to be served; else in half of the histories |
//! | two control networks | 33 % |
//! | two groups | 15 %; of those the second has half the time a control network, a service interface, or some of the boxes for itself |
//! | 200 to 600 addresses, so that entries are split | 0.25 % |
//! | beat | 100 ms (60 %), 50 ms, 200 ms; dead after 3 (60 %), 4 or 5 beats |
//! | clock drift | up to 200 ppm each way, in 10 % up to 2,000 |
//! | scripts | up to 5 ms, in 20 % up to 150 ms |
//! | partition policy (not of mild ones) | majority 30 %, of three boxes or more; witness 10 % |
//! | failback | immediate 70 %, after 0.3 to 1.2 s 20 %, manual 10 % |
//! | choice | balanced 70 %, random 30 % |
//! | orphan timeout | 2 s in 15 % of the rough ones |
//! | load objects differ, and change | 20 % |
//! | load moves, with a load for each address | 20 %, not of the mild ones |
//! | the boxes measure each other's beats for 60 beats first | 40 % |
//! | a new configuration, box by box | 15 % of the orderly and rough ones: addresses change hands, leave or join the pool (60 %), timers, failback and choice (each 25 %) |
//! | rolling upgrade, box by box | 6 %; another 4 % begin with both releases |
//! | a box loses its start counter, its clock never set | 3 % of the orderly and rough ones, in half of those with somebody who replays soon after |
//! | the operator changes when addresses go home, said to any box, once or twice | 4 % of the orderly and rough ones |
//! | somebody removes an address from a box, up to six times | 4 % of the orderly and rough ones |
//! | a datagram recorder who replays | 2 % of the orderly and rough ones: 20 to 2,000 datagrams, in 70 % of those soon after a box was killed and started anew |
//!
//! Then 1 to 6 faults (mild: 1 to 3, one after the other) from the tables in [`Scenario::draw_fault`], each for 50 ms to
//! 3.3 s, and a quarter of those that may last for good.

use super::{BoxPlan, Config, Episode, Fault, GroupPlan, Kind, MS, Micros, SECOND, Scenario, Scripts};
use crate::policy::PartitionPlan;
use crate::random::Random;
use rais_core::operator::FailbackOrder;
use rais_core::params::{Choice, Failback};
use std::time::Duration;

/// In every so manieth history that is not mild a box comes and goes, and addresses go home to it later each time (G-64).
const FLAPS_EACH: u64 = 12;
/// How many histories in a thousand, of those that are not mild, have somebody who replays recorded datagrams.
const REPLAYS: u64 = 20;
/// The same of those where the operator changes a policy.
const POLICIES: u64 = 40;
/// The same of those where somebody removes addresses behind a box's back.
const REMOVALS: u64 = 40;
/// The same of those where a box loses its start counter.
const FORGETS: u64 = 30;

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
        let mut scenario = Self { seed, kind, networks: r.pick(&[1, 1, 2]), ..Self::default() };
        scenario.draw_boxes(r);
        scenario.draw_groups(r);
        scenario.draw_config(r);
        scenario.draw_second_owner(r);
        scenario.draw_episodes(r);
        if kind != Kind::Mild && seed.is_multiple_of(FLAPS_EACH) {
            scenario.draw_flapping(&mut Random::new(!seed));
        }
        scenario
    }

    fn draw_boxes(&mut self, r: &mut Random) {
        let count = r.pick(&[2, 2, 3, 3, 3, 4, 4, 5]);
        let slow = r.chance(200);
        let together = r.chance(600);
        let drift = if r.chance(100) { 2000 } else { 200 };
        let loads = r.chance(200);
        let mixed = self.kind != Kind::Mild && r.chance(40);
        for _ in 0..count {
            self.boxes.push(BoxPlan {
                start: Some(if together { r.between(0, 20 * MS) } else { r.between(0, 800 * MS) }),
                drift_ppm: r.between(0, 2 * drift) as i64 - drift as i64,
                script: if slow { r.between(0, 150 * MS) } else { r.between(0, 5 * MS) },
                load: if loads { r.between(0, 1000) as u32 } else { 0 },
                newer: mixed && r.chance(500),
                ..BoxPlan::default()
            });
        }
    }

    fn draw_groups(&mut self, r: &mut Random) {
        let partition = PartitionPlan::draw(r, self.kind, self.boxes.len());
        self.groups.push(GroupPlan { partition, ..GroupPlan::default() });
        if r.chance(150) {
            let everybody = (1 << self.boxes.len()) - 1;
            self.groups.push(GroupPlan {
                // At least two of them.
                members: if r.chance(500) { r.between(0, everybody) as u32 | 3 } else { u32::MAX },
                own_network: r.chance(500),
                own_lan: r.chance(500),
                tested: r.chance(500),
                ..GroupPlan::default()
            });
        }
    }

    /// The next address of a group.
    fn new_address(&mut self, group: usize) -> usize {
        while self.addresses % self.groups.len() != group {
            self.addresses += 1; // A gap: an address in no configuration.
        }
        self.addresses += 1;
        self.addresses - 1
    }

    fn draw_config(&mut self, r: &mut Random) {
        let beat = r.pick(&[100, 100, 100, 50, 200]) * MS;
        let mut config = Config {
            beat,
            dead_after: beat * r.pick(&[3, 3, 3, 4, 5]),
            orphan_timeout: (self.kind == Kind::Rough && r.chance(150)).then_some(2 * SECOND),
            failback: match r.between(0, 9) {
                0..=6 => Failback::Immediate,
                7 => Failback::Manual,
                _ => Failback::After(Duration::from_millis(r.between(300, 1200))),
            },
            choice: if r.chance(300) { Choice::Random } else { Choice::Balanced },
            ..Config::default()
        };
        let many = r.chance(2) || r.chance(1) && r.chance(500);
        for index in 0..self.boxes.len() {
            let mut own = Vec::new();
            for group in 0..self.groups.len() {
                if self.is_member(index, group) {
                    let count = r.pick(&[0, 0, 1, 1, 1, 1, 2, 2, 2, 3]);
                    own.extend((0..count).map(|_| self.new_address(group)));
                }
            }
            config.preferred.push(own);
        }
        for group in 0..self.groups.len() {
            let served = config.preferred.iter().flatten().any(|address| self.group_of(*address) == group);
            let count = match (many, served) {
                (true, _) => r.between(200, 600) / self.groups.len() as u64,
                (false, false) => r.between(1, 4),
                (false, true) => r.pick(&[0, 0, 1, 3]),
            };
            config.pool.extend((0..count).map(|_| self.new_address(group)));
        }
        if self.kind != Kind::Mild && r.chance(200) {
            config.load_moves = Some(400 * MS);
            self.address_load = r.between(0, 150) as u32;
        }
        self.configs.push(config);
    }

    /// In some histories the last box names an address of another one too, as if it were there to replace it.
    fn draw_second_owner(&mut self, r: &mut Random) {
        let last = self.boxes.len() - 1;
        let preferred = &self.configs[0].preferred;
        let mut named: Vec<_> = preferred[..last].iter().flatten().copied().collect();
        named.retain(|address| self.is_member(last, self.group_of(*address)));
        if r.chance(80) && !named.is_empty() {
            let address = r.pick(&named);
            self.configs[0].preferred[last].push(address);
        }
    }

    fn draw_episodes(&mut self, r: &mut Random) {
        // In many histories the boxes have measured each other well before anything happens.
        let measured = if r.chance(400) { 60 * self.beat() } else { 0 };
        let begin = self.formed() + measured + r.between(0, 500 * MS);
        if self.kind == Kind::Mild {
            return self.draw_mild_episodes(begin, r);
        }
        let window = r.between(500 * MS, 6 * SECOND);
        for _ in 0..r.between(1, 6) {
            let from = begin + r.between(0, window);
            let until = from + r.pick(&[50 * MS, 200 * MS, 500 * MS, SECOND, 3 * SECOND]) + r.between(0, 300 * MS);
            let fault = self.draw_fault(r);
            let lasts = fault.is_a_moment() || fault.may_last() && r.chance(250);
            self.episodes.push(Episode { from, until: (!lasts).then_some(until), fault });
        }
        for _ in 0..if self.hold().is_some() { r.between(1, 3) } else { 0 } {
            let fault = Fault::Load(r.index(self.boxes.len()), r.between(0, 1000) as u32);
            self.episodes.push(Episode { from: begin + r.between(0, window), until: None, fault });
        }
        let at = |r: &mut Random| begin + r.between(0, window);
        if r.chance(150) {
            let from = at(r);
            self.draw_reload(from, r);
        }
        if r.chance(60) {
            let mut from = at(r);
            for index in 0..self.boxes.len() {
                self.episodes.push(Episode { from, until: None, fault: Fault::Upgrade(index) });
                from += r.between(200 * MS, SECOND);
            }
        }
        if r.chance(80) {
            let from = at(r);
            self.draw_newcomer(from, r);
        }
        if r.chance(REPLAYS) {
            let from = at(r);
            self.draw_replay(from, r);
        }
        if r.chance(FORGETS) {
            let from = at(r);
            self.draw_forgetting(from, r);
        }
        for _ in 0..if r.chance(POLICIES) { r.between(1, 2) } else { 0 } {
            let wanted = r.pick(&[None, Some(FailbackOrder::Immediate), Some(FailbackOrder::Manual)]);
            let fault = Fault::Failback(r.index(self.boxes.len()), wanted);
            self.episodes.push(Episode { from: at(r), until: None, fault });
        }
        for _ in 0..if r.chance(REMOVALS) { r.between(1, 6) } else { 0 } {
            let fault = Fault::Remove(r.index(self.boxes.len()), r.index(self.addresses));
            self.episodes.push(Episode { from: at(r), until: None, fault });
        }
        self.episodes.sort_by_key(|episode| episode.from);
    }

    /// A box falls again and again, each time for another reason, and is well in between.
    fn draw_flapping(&mut self, r: &mut Random) {
        self.configs.iter_mut().for_each(|config| config.damping = Some(8 * SECOND));
        let hit = r.index(self.boxes.len());
        let mut from = self.episodes.first().map_or(0, |first| first.from);
        for _ in 0..r.between(4, 7) {
            let fault =
                r.pick_fault(&[Fault::Carrier(hit, 0), Fault::Test(hit), Fault::PowerCut(hit), Fault::Kill(hit)]);
            let until = from + 2 * self.dead_after() + r.between(0, 300 * MS);
            self.episodes.push(Episode { from, until: Some(until), fault });
            from = until + 2 * self.dead_after() + r.between(0, SECOND);
        }
        self.episodes.sort_by_key(|episode| episode.from);
    }

    /// Somebody sends recorded datagrams again: at any time, or soon after a box was started anew, to which what it
    /// was told in its earlier life is new.
    fn draw_replay(&mut self, from: Micros, r: &mut Random) {
        let count = r.pick(&[20, 200, 2000, 2000]);
        let mut at = from;
        if r.chance(700) {
            let started = from + r.between(200 * MS, SECOND);
            let fault = Fault::Kill(r.index(self.boxes.len()));
            self.episodes.push(Episode { from, until: Some(started), fault });
            at = started + r.pick(&[0, 5 * MS, 100 * MS, 500 * MS]) + r.between(0, 50 * MS);
        }
        self.episodes.push(Episode { from: at, until: None, fault: Fault::Replay(count) });
    }

    /// A box forgets which life it is in, and what its earlier lives were told may be told to it again.
    fn draw_forgetting(&mut self, from: Micros, r: &mut Random) {
        let started = from + r.pick(&[50 * MS, 500 * MS, 2 * SECOND]) + r.between(0, 300 * MS);
        let fault = Fault::Forget(r.index(self.boxes.len()), r.chance(500));
        self.episodes.push(Episode { from, until: Some(started), fault });
        if r.chance(500) {
            let at = started + r.pick(&[0, 5 * MS, 100 * MS, 500 * MS]) + r.between(0, 50 * MS);
            self.episodes.push(Episode { from: at, until: None, fault: Fault::Replay(r.pick(&[200, 2000])) });
        }
    }

    /// One mild fault after the other, with time to recover between them.
    fn draw_mild_episodes(&mut self, begin: Micros, r: &mut Random) {
        let mut from = begin;
        for _ in 0..r.between(1, 3) {
            let until = from + r.pick(&[200 * MS, SECOND, 3 * SECOND]) + r.between(0, 300 * MS);
            let fault = self.draw_mild(r);
            self.episodes.push(Episode { from, until: Some(until), fault });
            from = until + self.dead_after() + r.between(0, 500 * MS);
        }
    }

    fn draw_fault(&self, r: &mut Random) -> Fault {
        let hit = r.index(self.boxes.len());
        let address = r.index(self.addresses);
        let group = if self.groups.len() > 1 && r.chance(500) { Some(r.index(2)) } else { None };
        let lan = usize::from(self.groups.get(1).is_some_and(|group| group.own_lan) && r.chance(500));
        match self.kind {
            Kind::Orderly => match r.between(0, 10) {
                0 | 1 => Fault::PowerCut(hit),
                2 | 3 => Fault::Stop(hit),
                4 => Fault::Test(hit),
                5 => Fault::Carrier(hit, lan),
                6 => Fault::Quiesce(hit, group),
                7 => Fault::Drain(hit, group),
                8 => Fault::Move(hit, address),
                9 => Fault::Load(hit, r.between(0, 1000) as u32),
                _ => r.pick_fault(&[Fault::Release(address), Fault::Duplication(500)]),
            },
            Kind::Mild => self.draw_mild(r),
            Kind::Rough => match r.between(0, 18) {
                0 => Fault::PowerCut(hit),
                1 => Fault::Kill(hit),
                2 => Fault::Freeze(hit),
                3 => Fault::Stop(hit),
                4 | 5 => Fault::Partition(r.between(1, (1 << self.boxes.len()) - 2) as u32),
                6 => self.draw_one_way(hit, r),
                7 => Fault::NetworkDown(r.index(self.all_networks())),
                8 | 9 => Fault::Loss(r.between(50, 700)),
                10 => Fault::Delay(r.between(5, 150) * MS),
                11 => Fault::Duplication(300),
                12 => Fault::Test(hit),
                13 => {
                    let deeds = [Fault::Quiesce(hit, group), Fault::Drain(hit, group), Fault::Carrier(hit, lan)];
                    r.pick_fault(&deeds)
                }
                14 => Fault::Scripts(hit, Scripts::Take(r.between(100, 1500) * MS)),
                15 => Fault::Scripts(hit, if r.chance(300) { Scripts::Hang } else { Scripts::Fail }),
                16 => {
                    let mask = r.between(1, (1 << self.boxes.len()) - 2) as u32;
                    Fault::PartitionOn(mask, r.index(self.all_networks()))
                }
                17 => Fault::Damage(r.between(10, 300)),
                _ => r.pick_fault(&[Fault::Move(hit, address), Fault::Release(address)]),
            },
        }
    }

    fn all_networks(&self) -> usize {
        self.networks + usize::from(self.groups.iter().any(|group| group.own_network))
    }

    fn draw_one_way(&self, from: usize, r: &mut Random) -> Fault {
        Fault::OneWay(from, (from + 1 + r.index(self.boxes.len() - 1)) % self.boxes.len())
    }

    /// What S-5 speaks of, as far as it can hold: two boxes on one network have nobody else to ask.
    fn draw_mild(&self, r: &mut Random) -> Fault {
        let hit = r.index(self.boxes.len());
        let alone = self.groups.len() > 1; // Some groups may be of two boxes only.
        match r.between(0, 3) {
            0 if self.networks == 2 => Fault::NetworkDown(r.index(2)),
            1 if self.boxes.len() > 2 && !alone => self.draw_one_way(hit, r),
            2 => Fault::Delay(r.between(1, 30) * MS),
            _ => Fault::Loss(r.between(10, 200)),
        }
    }

    /// A new configuration, given to one box after the other.
    fn draw_reload(&mut self, mut from: Micros, r: &mut Random) {
        let Some(mut config) = self.configs.last().cloned() else { return };
        if r.chance(600) {
            self.change_addresses(&mut config, r);
        }
        // While boxes differ, each must find the others' beats often enough: an engineer changes by less than half, too.
        if r.chance(250) {
            config.dead_after = (config.beat * r.pick(&[3, 4, 5])).max(config.dead_after * 3 / 4);
        }
        if r.chance(250) {
            config.failback = r.pick(&[Failback::Immediate, Failback::Manual]);
        }
        if r.chance(250) {
            config.choice = r.pick(&[Choice::Balanced, Choice::Random]);
        }
        if config == self.configs[0] {
            config.lease += 500 * MS;
        }
        self.configs.push(config);
        for index in 0..self.boxes.len() {
            self.episodes.push(Episode { from, until: None, fault: Fault::Reload(index, 1) });
            from += r.pick(&[MS, 100 * MS, 700 * MS]);
        }
    }

    fn change_addresses(&mut self, config: &mut Config, r: &mut Random) {
        for _ in 0..r.between(1, 2) {
            let (from, to) = (r.index(self.boxes.len()), r.index(self.boxes.len()));
            match r.between(0, 3) {
                // To another box.
                0 => {
                    if let Some(address) = config.preferred[from].pop() {
                        let member = self.is_member(to, self.group_of(address));
                        config.preferred[if member { to } else { from }].push(address);
                    }
                }
                // Away.
                1 => drop(config.pool.pop()),
                2 => drop(config.preferred[from].pop()),
                // New to the pool.
                _ => {
                    let group = r.index(self.groups.len());
                    config.pool.push(self.new_address(group));
                }
            }
        }
    }

    /// A box that joins, or takes the place of one that dies for good and is configured with its addresses.
    fn draw_newcomer(&mut self, from: Micros, r: &mut Random) {
        let newcomer = self.boxes.len();
        let dead = r.index(newcomer);
        let replaces = r.chance(500);
        self.boxes.push(BoxPlan { start: None, script: r.between(0, 5 * MS), ..BoxPlan::default() });
        let own = if replaces {
            self.episodes.push(Episode { from, until: None, fault: Fault::PowerCut(dead) });
            // It never comes back, whatever else befell it.
            for episode in self.episodes.iter_mut().filter(|episode| episode.fault.hits() == Some(dead)) {
                if matches!(episode.fault, Fault::PowerCut(_) | Fault::Kill(_) | Fault::Stop(_)) {
                    episode.until = None;
                }
            }
            let hits_dead = |episode: &Episode| episode.fault.hits() == Some(dead);
            self.episodes.retain(|episode| {
                !(hits_dead(episode) && episode.from >= from && !matches!(episode.fault, Fault::PowerCut(_)))
            });
            self.configs.last().map(|config| config.preferred[dead].clone()).unwrap_or_default()
        } else {
            (0..r.between(0, 2)).map(|_| self.new_address(0)).collect()
        };
        let own: Vec<_> = own.into_iter().filter(|address| self.is_member(newcomer, self.group_of(*address))).collect();
        for config in &mut self.configs {
            config.preferred.push(own.clone());
        }
        let wait = r.pick(&[10 * MS, 400 * MS, 2 * SECOND]);
        self.episodes.push(Episode { from: from + wait, until: None, fault: Fault::SwitchOn(newcomer) });
    }
}

impl Random {
    fn pick_fault(&mut self, faults: &[Fault]) -> Fault {
        faults[self.index(faults.len())].clone()
    }
}
