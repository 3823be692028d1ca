//! What the steps of the demo do and check again and again: a takeover, a way home, each address on exactly one box.
//!
//! Each expectation is looked for with patience and judged by what the client saw meanwhile; one that is not met is
//! printed and counted, and only a signal or a broken lab ends the scenario.

use super::{PATIENCE, Scenario};
use crate::interrupt::{self, pause, wait_for};
use crate::lab::{HTTP, Mode, Trap};
use crate::report::duration;
use anyhow::{Context, Result};
use rand::Rng;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

impl Scenario<'_> {
    /// A lost, stopped or failing box's addresses answer from others within the bound.
    pub(super) fn taken_over(
        &mut self,
        lost: &BTreeSet<IpAddr>,
        from: usize,
        since: Instant,
        bound: Duration,
    ) -> Result<()> {
        let what = format!("its {} addresses answer elsewhere, the worst", lost.len());
        let taken = self.lab.wait_answering("others take over", PATIENCE, |answering| {
            lost.iter().all(|address| answering[address].is_some_and(|who| who != from))
        });
        if let Err(error) = taken {
            interrupt::check()?;
            self.checks.holds(&what, Err(format!("{error:#}")));
            return Ok(());
        }
        // What comes after the first answer counts too: an address that goes silent again was not taken over.
        pause(self.lab.plan.timing.beat * 3)?;
        self.silent_at_most(&what, lost, since, bound)
    }

    /// The box is turned on again, and its addresses go home.
    pub(super) fn comes_back(&mut self, index: usize, addresses: &BTreeSet<IpAddr>) -> Result<()> {
        self.checks.begin(&format!("{} comes back", self.name(index)));
        let since = Instant::now();
        self.lab.power_on(index)?;
        self.home_again(addresses, since)
    }

    /// Its addresses go home, with hardly a gap, and nobody else notices.
    pub(super) fn home_again(&mut self, addresses: &BTreeSet<IpAddr>, since: Instant) -> Result<()> {
        if !self.at_home("everything is at home again", since)? {
            return Ok(());
        }
        pause(self.lab.plan.timing.beat * 3)?;
        let bound = self.lab.plan.timing.return_bound;
        self.silent_at_most("longest silence of an address on its way", addresses, since, bound)?;
        self.each_on_exactly_one_box()?;
        self.bystanders_undisturbed(addresses, since)
    }

    /// Waits until every service address is at home, and says how long that took; false if it never was.
    pub(super) fn at_home(&mut self, what: &str, since: Instant) -> Result<bool> {
        let limit = if self.lab.plan.mode == Mode::Machines { PATIENCE * 20 } else { PATIENCE };
        let home = self.lab.wait_home(limit);
        if home.is_err() {
            interrupt::check()?;
        }
        let is_home = home.is_ok();
        match home {
            Ok(()) => self.checks.check(what, "", &duration(since.elapsed()), true),
            Err(error) => self.checks.holds(what, Err(format!("{error:#}"))),
        }
        Ok(is_home)
    }

    pub(super) fn bystanders_undisturbed(&mut self, involved: &BTreeSet<IpAddr>, since: Instant) -> Result<()> {
        let others = &self.all() - involved;
        self.silent_at_most("longest silence of any other address", &others, since, self.quiet_bound())
    }

    pub(super) fn each_on_exactly_one_box(&mut self) -> Result<()> {
        self.on_exactly_one_box(&self.all(), "each address on exactly one box")
    }

    /// Asked of the boxes, and of the whole segment. Two beats and a release after an event it must be so (S-1); what is
    /// asked first may have changed before the last was asked, so a wrong answer is asked again until then.
    pub(super) fn on_exactly_one_box(&mut self, addresses: &BTreeSet<IpAddr>, what: &str) -> Result<()> {
        let deadline = Instant::now() + self.lab.plan.timing.settle_within;
        let wrong = loop {
            let (held, claimed) = (self.lab.holders()?, self.lab.claimants()?);
            let names = |boxes: Option<&BTreeSet<usize>>| -> String {
                let name = |index: &usize| self.lab.plan.boxes.get(*index).map_or("a stranger", |b| &b.name).to_owned();
                let names: Vec<_> = boxes.into_iter().flatten().map(name).collect();
                if names.is_empty() { String::from("nobody") } else { names.join(", ") }
            };
            let is_right = |address: &&IpAddr| {
                held.get(address).is_some_and(|boxes| boxes.len() == 1) && held.get(address) == claimed.get(address)
            };
            let wrong: Vec<String> = addresses
                .iter()
                .filter(|address| !is_right(address))
                .map(|a| format!("{a}: held by {}; answered for by {}", names(held.get(a)), names(claimed.get(a))))
                .collect();
            if wrong.is_empty() || Instant::now() > deadline {
                break wrong;
            }
            pause(Duration::from_millis(20))?;
        };
        let right = addresses.len() - wrong.len();
        self.checks.check(what, &addresses.len().to_string(), &right.to_string(), wrong.is_empty());
        for line in wrong {
            self.checks.note(&line);
        }
        Ok(())
    }

    /// After a failed acquire the leader finds another server.
    pub(super) fn served_elsewhere(&mut self, address: IpAddr, not: usize) -> Result<()> {
        let since = Instant::now();
        let served = self.lab.wait_answering("another box serves it", PATIENCE, |answering| {
            answering[&address].is_some_and(|who| who != not)
        });
        match served {
            Ok(()) => self.checks.within("another box serves it", since.elapsed(), Duration::from_secs(1)),
            Err(error) => self.checks.holds("another box serves it", Err(format!("{error:#}"))),
        }
        Ok(())
    }

    /// Waits for notifications of one name after the first `skip` that satisfy `enough`.
    pub(super) fn heard(
        &mut self,
        name: &str,
        detail: &str,
        skip: usize,
        enough: impl Fn(&[Trap]) -> bool,
    ) -> Result<()> {
        let lab = &mut *self.lab;
        let heard = wait_for("a notification", PATIENCE, || {
            let traps: Vec<_> = lab.traps_after(skip)?.into_iter().filter(|trap| trap.name == name).collect();
            Ok((enough(&traps) && !traps.is_empty()).then_some(traps))
        });
        let result = match heard {
            Ok(traps) => match traps.iter().find(|trap| !trap.is_readable()) {
                None => Ok(()),
                Some(trap) => Err(format!("it is not readable: {:?}", trap.varbinds)),
            },
            Err(_) => {
                interrupt::check()?;
                Err(String::from("it never came"))
            }
        };
        self.checks.holds(format!("notified: {name} {detail}").trim_end(), result);
        Ok(())
    }

    /// Waits until every box that is on sees `index` in this state, in every group or at least in the first.
    pub(super) fn host_state(&mut self, index: usize, state: &str) -> Result<()> {
        let id = IpAddr::from(self.lab.plan.boxes[index].lan_v4());
        let what = format!("every box knows that {} is {state}", self.name(index));
        let known = wait_for(&what, PATIENCE, || {
            for observer in (0..self.lab.plan.boxes.len()).filter(|observer| self.lab.is_awake(*observer)) {
                let status = self.lab.status(observer)?;
                let host = status.group(HTTP).and_then(|group| group.hosts.iter().find(|host| host.id == id));
                if host.is_none_or(|host| host.state != state) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        if known.is_err() {
            interrupt::check()?;
        }
        self.checks.holds(&what, known.map_err(|error| format!("{error:#}")));
        Ok(())
    }

    /// Nothing may depend on where in the beat an event falls.
    pub(super) fn random_phase(&self) -> Result<()> {
        let beat = u64::try_from(self.lab.plan.timing.beat.as_millis()).unwrap_or(u64::MAX);
        pause(Duration::from_millis(rand::thread_rng().gen_range(0..=beat)))
    }

    pub(super) fn all(&self) -> BTreeSet<IpAddr> {
        self.lab.plan.addresses().collect()
    }

    /// An expectation that none of these addresses was silent for longer since then; if one was, which.
    pub(super) fn silent_at_most(
        &mut self,
        what: &str,
        addresses: &BTreeSet<IpAddr>,
        since: Instant,
        bound: Duration,
    ) -> Result<()> {
        let mut worst = (Duration::ZERO, None);
        for address in addresses {
            let seen = self.lab.seen(*address, since)?;
            worst = worst.max((seen.silence, Some(*address)));
            if seen.strangers > 0 {
                self.checks.holds(what, Err(format!("a stranger answered for {address}")));
            }
        }
        self.checks.within(what, worst.0, bound);
        if let (true, Some(address)) = (worst.0 > bound, worst.1) {
            self.checks.note(&format!("the worst is {address}"));
        }
        Ok(())
    }

    pub(super) fn held_by(&self, index: usize) -> Result<BTreeSet<IpAddr>> {
        let holders = self.lab.holders()?;
        Ok(holders.into_iter().filter(|(_, boxes)| boxes.contains(&index)).map(|(address, _)| address).collect())
    }

    pub(super) fn holder(&self, address: IpAddr) -> Result<usize> {
        let holders = self.lab.holders()?;
        holders.get(&address).and_then(|boxes| boxes.first().copied()).with_context(|| format!("nobody has {address}"))
    }

    pub(super) fn pool_address(&self) -> Result<IpAddr> {
        self.lab.plan.pool(HTTP).first().copied().context("no pool address")
    }

    pub(super) fn leader(&self) -> Result<usize> {
        wait_for("a leader", PATIENCE, || self.lab.leader(HTTP))
    }

    /// Two boxes that are on and not `index`.
    pub(super) fn two_others(&self, index: usize) -> Result<(usize, usize)> {
        let mut others = (0..self.lab.plan.boxes.len()).filter(|other| *other != index && self.lab.is_awake(*other));
        Ok((others.next().context("a second box")?, others.next().context("a third box")?))
    }

    pub(super) fn quiet_bound(&self) -> Duration {
        self.lab.plan.timing.quiet_bound
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.lab.plan.boxes[index].name
    }
}
