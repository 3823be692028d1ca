//! Makes a history that breaks a promise smaller, as long as it breaks the same one.

use crate::run;
use crate::scenario::Scenario;
use rais_core::mutation::Mutation;

/// Most histories lived to make one smaller.
const ATTEMPTS: u32 = 400;

/// The smallest scenario found that still breaks the promise that `scenario` breaks; itself if it breaks none.
///
/// Faults are left out one at a time, then other configurations, drift and slow scripts, until nothing more can be.
#[must_use]
pub fn shrink(scenario: Scenario, mutation: Option<Mutation>) -> Scenario {
    let Some(violation) = run(scenario.clone(), mutation).violation else { return scenario };
    let mut attempts = 0;
    let mut still_breaks = |candidate: &Scenario| {
        attempts += 1;
        let broken = || run(candidate.clone(), mutation).violation;
        attempts <= ATTEMPTS && broken().is_some_and(|broken| broken.promise == violation.promise)
    };
    let mut smallest = scenario;
    loop {
        let before = smallest.clone();
        for candidate in smaller(&smallest) {
            if still_breaks(&candidate) {
                smallest = candidate;
                break;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// Every scenario that is one thing smaller.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let with = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        candidate
    };
    let mut all: Vec<_> =
        (0..scenario.episodes.len()).map(|index| with(&|scenario| _ = scenario.episodes.remove(index))).collect();
    all.push(with(&|scenario| scenario.boxes.iter_mut().for_each(|plan| plan.drift_ppm = 0)));
    all.push(with(&|scenario| scenario.boxes.iter_mut().for_each(|plan| plan.newer = false)));
    all.push(with(&|scenario| scenario.boxes.iter_mut().for_each(|plan| plan.script = plan.script.min(1000))));
    all.push(with(&|scenario| scenario.networks = 1));
    for address in 0..scenario.addresses.min(20) {
        all.push(with(&|scenario| {
            for config in &mut scenario.configs {
                config.pool.retain(|pool| *pool != address);
                config.preferred.iter_mut().for_each(|own| own.retain(|own| *own != address));
            }
        }));
    }
    all.retain(|candidate| candidate != scenario);
    all
}
