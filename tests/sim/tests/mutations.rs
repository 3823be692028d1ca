//! The test of the tests: every planted bug breaks a promise within the histories that CI lives anyway.

use rais_core::mutation::Mutation;
use rais_sim::scenario::{Fault, Scenario};

/// The bug must show within this many histories: a tenth of what CI lives.
const BUDGET: u64 = 2_000;

/// So many histories CI lives.
const CI: u64 = 20_000;

fn is_caught(mutation: Mutation) {
    let found =
        (0..BUDGET).find_map(|seed| Some((seed, rais_sim::run(Scenario::draw(seed), Some(mutation)).violation?)));
    match found {
        Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
        None => panic!("{mutation:?} broke no promise in {BUDGET} histories"),
    }
}

/// It takes somebody who sends recorded orders again: of all that CI lives, only those histories.
#[test]
fn a_box_that_obeys_orders_to_its_earlier_life_is_caught() {
    let replays =
        |scenario: &Scenario| scenario.episodes.iter().any(|episode| matches!(episode.fault, Fault::Replay(_)));
    let mut histories = (0..CI).map(Scenario::draw).filter(replays);
    let broken = |scenario| rais_sim::run(scenario, Some(Mutation::ObeyPastOrders)).violation;
    assert!(histories.find_map(broken).is_some(), "it broke no promise in {CI} histories");
}

macro_rules! planted {
    ($($name:ident => $mutation:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                is_caught(Mutation::$mutation);
            }
        )*
    };
}

planted! {
    a_group_that_never_expires_the_dead_is_caught => NeverExpire,
    a_box_that_leads_before_it_has_listened_is_caught => ActUnsettled,
    a_box_that_obeys_anyone_is_caught => ObeyAnyone,
    a_leader_that_forgets_whom_it_chose_is_caught => ForgetPending,
    a_leader_that_plans_from_reports_is_caught => PlanFromReports,
    a_leader_that_has_one_acquire_before_the_other_released_is_caught => AcquireBeforeRelease,
    a_box_that_reuses_sequence_numbers_is_caught => ReuseSequence,
    a_group_that_loses_the_orphan_timer_is_caught => LoseOrphanTimer,
    a_group_that_ignores_quiesce_is_caught => IgnoreQuiesce,
    a_group_that_counts_second_hand_ages_twice_is_caught => DoubleCountAges,
    a_part_without_a_majority_that_serves_is_caught => MinorityServes,
    a_group_that_buries_whom_it_suspects_is_caught => DeadAtFirstMiss,
    a_leader_that_moves_load_at_once_is_caught => MoveLoadAtOnce,
}
