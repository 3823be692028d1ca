//! The scenario of `cargo xtask up --demo`: what happens to boxes in a rack, and what must come of it.
//!
//! Each step does one thing to one box and says what was expected and what the client saw. An expectation that is not met
//! does not end the scenario: the next steps show whether the group recovers. `protocol.md` §10 for how outages are
//! measured.

mod expectations;

use crate::interrupt::{pause, wait_for};
use crate::lab::{HTTP, Lab, Mode, Script};
use crate::report::{Checks, Verdict, duration, strong};
use crate::walk;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long what must come soon is waited for before it counts as not coming; above every bound of [`crate::lab::Timing`].
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the client watches a group at rest to learn what the machine itself does to its probes.
const NOISE_WINDOW: Duration = Duration::from_secs(2);

/// The scenario under way.
struct Scenario<'a> {
    lab: &'a mut Lab,
    checks: Checks,
}

/// Runs it.
pub fn run(lab: &mut Lab) -> Result<Verdict> {
    let timing = lab.plan.timing;
    println!(
        "\n{}\n    beat {}, dead after {}, lease {}, a probe of each address every {}",
        strong(&format!("{} boxes, {} service addresses in 2 groups", lab.plan.boxes.len(), lab.plan.services.len())),
        duration(timing.beat),
        duration(timing.dead_after),
        duration(timing.lease),
        duration(timing.probe_every),
    );
    println!("    {:<44}{:>12}{:>11}", "", "expected", "seen");
    let mut scenario = Scenario { lab, checks: Checks::default() };
    scenario.play()?;
    Ok(scenario.checks.conclude())
}

impl Scenario<'_> {
    fn play(&mut self) -> Result<()> {
        let in_namespaces = self.lab.plan.mode == Mode::Namespaces;
        self.at_rest()?;
        self.loss_of_the_leader()?;
        self.quiesced_box_takes_nothing()?;
        self.clean_stop()?;
        self.hangs_for_a_while()?;
        if in_namespaces {
            self.daemon_killed()?;
            self.test_fails()?;
            self.acquire_script_fails()?;
            self.release_script_fails()?;
        }
        self.nobody_may_serve()?;
        if in_namespaces {
            self.bad_reload()?;
            self.zone_file()?;
        }
        self.management_station()
    }

    /// The noise floor, without which no outage means anything.
    fn at_rest(&mut self) -> Result<()> {
        self.checks.begin("at rest");
        let since = Instant::now();
        pause(NOISE_WINDOW)?;
        self.silent_at_most("longest silence: the noise floor", &self.all(), since, self.quiet_bound())?;
        self.each_on_exactly_one_box()
    }

    fn loss_of_the_leader(&mut self) -> Result<()> {
        let victim = self.leader()?;
        self.checks.begin(&format!("power cut of {}, the leader", self.name(victim)));
        let lost = self.held_by(victim)?;
        self.random_phase()?;
        let traps = self.lab.trap_count();
        let since = self.lab.power_cut(victim)?;
        self.taken_over(&lost, victim, since, self.lab.plan.timing.loss_bound)?;
        self.each_on_exactly_one_box()?;
        self.bystanders_undisturbed(&lost, since)?;
        let new_leader = self.leader()?;
        let led = if new_leader == victim { Err(String::from("it is still the lost one")) } else { Ok(()) };
        self.checks.holds(&format!("{} leads now", self.name(new_leader)), led);
        self.heard("raisAcquire", &format!("one for each of its {}", lost.len()), traps, |traps| {
            lost.iter().all(|address| traps.iter().any(|trap| trap.says(&address.to_string())))
        })?;
        self.comes_back(victim, &lost)
    }

    fn quiesced_box_takes_nothing(&mut self) -> Result<()> {
        let (quiesced, victim) = self.two_others(self.leader()?)?;
        self.checks.begin(&format!("{} is quiesced, then power cut of {}", self.name(quiesced), self.name(victim)));
        let kept = self.held_by(quiesced)?;
        let since = Instant::now();
        self.lab.raisctl(quiesced, &["quiesce"])?;
        self.host_state(quiesced, "quiesced")?;
        pause(self.lab.plan.timing.beat * 5)?;
        let moved = if self.held_by(quiesced)? == kept { Ok(()) } else { Err(String::from("it did not")) };
        self.checks.holds("it keeps what it serves", moved);
        self.silent_at_most("nothing is interrupted", &self.all(), since, self.quiet_bound())?;

        let lost = self.held_by(victim)?;
        self.random_phase()?;
        let since = self.lab.power_cut(victim)?;
        self.taken_over(&lost, victim, since, self.lab.plan.timing.loss_bound)?;
        self.each_on_exactly_one_box()?;
        let taken = self.held_by(quiesced)?.difference(&kept).count();
        self.checks.check(&format!("{} took over", self.name(quiesced)), "0", &taken.to_string(), taken == 0);
        self.comes_back(victim, &lost)?;

        self.checks.begin(&format!("{} is unquiesced", self.name(quiesced)));
        let since = Instant::now();
        self.lab.raisctl(quiesced, &["unquiesce"])?;
        self.host_state(quiesced, "up")?;
        self.at_home("everything is at home", since)?;
        self.silent_at_most("nothing is interrupted", &self.all(), since, self.quiet_bound())?;
        Ok(())
    }

    fn clean_stop(&mut self) -> Result<()> {
        let (stopped, _) = self.two_others(self.leader()?)?;
        self.checks.begin(&format!("clean stop of {}", self.name(stopped)));
        let given_up = self.held_by(stopped)?;
        self.random_phase()?;
        let traps = self.lab.trap_count();
        let since = self.lab.stop(stopped)?;
        self.taken_over(&given_up, stopped, since, self.lab.plan.timing.stop_bound)?;
        self.each_on_exactly_one_box()?;
        self.bystanders_undisturbed(&given_up, since)?;
        self.heard("raisRelease", &format!("one for each of its {}", given_up.len()), traps, |traps| {
            given_up.iter().all(|address| traps.iter().any(|trap| trap.says(&address.to_string())))
        })?;
        self.comes_back(stopped, &given_up)
    }

    /// Who was thought dead and was not must find out, and give up what others serve by now (G-33, G-54).
    fn hangs_for_a_while(&mut self) -> Result<()> {
        let victim = self.leader()?;
        let what = match self.lab.plan.mode {
            Mode::Namespaces => "raisd",
            Mode::Machines => "the machine",
        };
        self.checks.begin(&format!("{} hangs: {what} is stopped", self.name(victim)));
        let lost = self.held_by(victim)?;
        self.random_phase()?;
        let since = self.lab.freeze(victim)?;
        self.taken_over(&lost, victim, since, self.lab.plan.timing.loss_bound)?;
        // Its kernel may serve on until the lease ends; then nobody but the others does.
        pause(self.lab.plan.timing.lease.saturating_sub(since.elapsed()))?;
        self.each_on_exactly_one_box()?;
        self.checks.begin(&format!("{} goes on", self.name(victim)));
        let since = Instant::now();
        self.lab.thaw(victim)?;
        self.home_again(&lost, since)
    }

    /// The kernel alone must not go on serving for a dead daemon (G-33).
    fn daemon_killed(&mut self) -> Result<()> {
        let victim = self.leader()?;
        self.checks.begin(&format!("SIGKILL of raisd on {}, whose kernel lives on", self.name(victim)));
        let lost = self.held_by(victim)?;
        self.random_phase()?;
        let since = self.lab.kill_daemon(victim)?;
        self.taken_over(&lost, victim, since, self.lab.plan.timing.loss_bound)?;
        let lease = self.lab.plan.timing.lease;
        let gone = wait_for("its kernel drops the addresses", lease * 3, || {
            Ok(self.held_by(victim)?.is_empty().then(|| since.elapsed()))
        });
        match gone {
            Ok(after) => self.checks.within("its kernel has dropped them (lease)", after, lease),
            Err(error) => self.checks.holds("its kernel has dropped them (lease)", Err(format!("{error:#}"))),
        }
        self.each_on_exactly_one_box()?;
        let since = Instant::now();
        self.lab.start_daemon(victim)?;
        self.home_again(&lost, since)
    }

    fn test_fails(&mut self) -> Result<()> {
        let (victim, _) = self.two_others(self.leader()?)?;
        self.checks.begin(&format!("the service on {} fails its test", self.name(victim)));
        let http: BTreeSet<_> = self.lab.plan.services.iter().filter(|s| s.group == HTTP).map(|s| s.address).collect();
        let held = self.held_by(victim)?;
        let moving = &held & &http;
        let traps = self.lab.trap_count();
        let since = Instant::now();
        self.lab.set_service(victim, false)?;
        self.taken_over(&moving, victim, since, self.lab.plan.timing.move_bound)?;
        let staying = &held - &http;
        let stayed = if self.held_by(victim)? == staying { Ok(()) } else { Err(String::from("they did not")) };
        self.checks.holds("addresses of groups without the test stay", stayed);
        self.each_on_exactly_one_box()?;
        self.heard("raisTestFailed", "", traps, |traps| traps.iter().any(|trap| trap.from == Some(victim)))?;
        let since = Instant::now();
        self.lab.set_service(victim, true)?;
        self.home_again(&moving, since)
    }

    fn acquire_script_fails(&mut self) -> Result<()> {
        let leader = self.leader()?;
        let pool = self.pool_address()?;
        let holder = self.holder(pool)?;
        let target = (0..self.lab.plan.boxes.len()).find(|index| *index != holder).context("a second box")?;
        let target_name = self.name(target).to_owned();
        self.checks.begin(&format!("{pool} is moved to {target_name}, whose acquire script fails"));
        self.lab.set_script_fault(target, Script::Acquire, true)?;
        let traps = self.lab.trap_count();
        self.lab.raisctl(leader, &["acquire", &pool.to_string(), "--group", HTTP, "--host", &target_name])?;
        self.heard("raisAcquireFailed", &format!("from {target_name}"), traps, |traps| {
            traps.iter().any(|trap| trap.from == Some(target) && trap.says(&pool.to_string()))
        })?;
        self.lab.set_script_fault(target, Script::Acquire, false)?;
        self.served_elsewhere(pool, target)?;
        self.each_on_exactly_one_box()
    }

    fn release_script_fails(&mut self) -> Result<()> {
        let leader = self.leader()?;
        let pool = self.pool_address()?;
        let holder = self.holder(pool)?;
        self.checks.begin(&format!("{} must release {pool}, and its script fails", self.name(holder)));
        self.lab.set_script_fault(holder, Script::Release, true)?;
        let traps = self.lab.trap_count();
        let since = Instant::now();
        self.lab.raisctl(leader, &["release", &pool.to_string(), "--group", HTTP])?;
        self.heard("raisReleaseFailed", &format!("from {}", self.name(holder)), traps, |traps| {
            traps.iter().any(|trap| trap.from == Some(holder) && trap.says(&pool.to_string()))
        })?;
        self.lab.set_script_fault(holder, Script::Release, false)?;
        self.lab.wait_answering("the pool address is served", PATIENCE, |answering| answering[&pool].is_some())?;
        let silence = self.lab.seen(pool, since)?.silence;
        self.checks.within("given up all the same, and served again", silence, self.lab.plan.timing.move_bound);
        self.each_on_exactly_one_box()
    }

    fn nobody_may_serve(&mut self) -> Result<()> {
        let leader = self.leader()?;
        let pool = self.pool_address()?;
        self.checks.begin(&format!("every box is quiesced, and {pool} released"));
        for index in 0..self.lab.plan.boxes.len() {
            self.lab.raisctl(index, &["quiesce", "--group", HTTP])?;
            self.host_state(index, "quiesced")?;
        }
        let traps = self.lab.trap_count();
        self.lab.raisctl(leader, &["release", &pool.to_string(), "--group", HTTP])?;
        self.heard("raisCannotAssign", "from the leader", traps, |traps| {
            traps.iter().any(|trap| trap.from == Some(leader) && trap.says(&pool.to_string()))
        })?;
        let others: BTreeSet<_> = self.all().into_iter().filter(|address| *address != pool).collect();
        self.on_exactly_one_box(&others, "each other address on exactly one box")?;
        let since = Instant::now();
        for index in 0..self.lab.plan.boxes.len() {
            self.lab.raisctl(index, &["unquiesce", "--group", HTTP])?;
        }
        self.at_home("unquiesced: served again", since)?;
        self.each_on_exactly_one_box()
    }

    /// A flipped bit is refused, in words, and the running daemon stays as it is.
    fn bad_reload(&mut self) -> Result<()> {
        let index = self.leader()?;
        self.checks.begin(&format!("a bit of {}'s signed configuration flips, and it reloads", self.name(index)));
        let since = Instant::now();
        self.lab.flip_configuration_bit(index)?;
        let answer = self.lab.raisctl(index, &["reload"]);
        self.lab.flip_configuration_bit(index)?;
        let refused = match &answer {
            Ok(said) => Err(format!("raisctl said: {said}")),
            Err(_) => Ok(()),
        };
        self.checks.holds("it is refused", refused);
        if let Err(why) = answer {
            for line in why.to_string().lines() {
                self.checks.note(line);
            }
        }
        pause(self.lab.plan.timing.beat * 3)?;
        self.silent_at_most("nothing is interrupted", &self.all(), since, self.quiet_bound())?;
        self.each_on_exactly_one_box()
    }

    fn zone_file(&mut self) -> Result<()> {
        self.checks.begin("the zone file of every box");
        for index in 0..self.lab.plan.boxes.len() {
            let name = self.name(index).to_owned();
            let result = walk::zone(self.lab, index).map_err(|error| format!("{error:#}"));
            match result {
                Ok(records) => {
                    self.checks.check(
                        &format!("{name}: accepted, addresses in it"),
                        "≥ 1",
                        &records.to_string(),
                        records > 0,
                    );
                }
                Err(why) => self.checks.holds(&format!("{name}: named-checkzone accepts"), Err(why)),
            }
        }
        Ok(())
    }

    fn management_station(&mut self) -> Result<()> {
        self.checks.begin("the management station walks every box by the names of RAIS-MIB");
        self.at_home("every box serves its own", Instant::now())?;
        for index in 0..self.lab.plan.boxes.len() {
            for table in walk::TABLES {
                let what = format!("{}: {}", self.name(index), table.name);
                match walk::table(self.lab, index, table) {
                    Ok(rows) => {
                        let expected = (table.rows)(&self.lab.plan);
                        self.checks.check(
                            &what,
                            &format!("{expected} rows"),
                            &format!("{rows} rows"),
                            rows == expected,
                        );
                    }
                    Err(error) => self.checks.holds(&what, Err(format!("{error:#}"))),
                }
            }
        }
        println!("\n{}", walk::shown(self.lab, 0)?.trim_end());

        self.checks.begin("what snmptrapd made of it");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let traps = self.lab.traps_after(0)?;
        for trap in &traps {
            *counts.entry(trap.name.clone()).or_default() += 1;
        }
        for (name, count) in &counts {
            self.checks.note(&format!("{count:>4}  {name}"));
        }
        let unreadable = traps.iter().filter(|trap| !trap.is_readable()).count();
        self.checks.check(
            "notifications left as numbers",
            "0",
            &unreadable.to_string(),
            unreadable == 0 && !traps.is_empty(),
        );
        let strangers = traps.iter().filter(|trap| trap.from.is_none()).count();
        self.checks.check("not from a box's own address", "0", &strangers.to_string(), strangers == 0);
        Ok(())
    }
}
