//! The test of the tests: every planted bug breaks the promise that is there to catch it, within the histories that CI
//! lives anyway or in a kept one. `README.md` shows which bug breaks which promise; it is checked here.

use rais_core::mutation::Mutation;
use rais_sim::history;
use rais_sim::scenario::Scenario;

/// The bug must show within this many histories: a tenth of what CI lives.
const BUDGET: u64 = 2_000;

/// A kept history shows its bug with one of so many kinds of luck, should the core have come to say a message more.
const LUCKS: u64 = 200;

/// Where a bug must show.
#[derive(Clone, Copy)]
enum Where {
    /// Among all histories.
    Drawn,
    /// In this kept one: it takes somebody who sends recorded datagrams again at the right moment.
    Kept(&'static str),
}

fn is_caught(mutation: Mutation, promise: &str, place: Where) {
    let scenarios: Box<dyn Iterator<Item = Scenario>> = match place {
        Where::Drawn => Box::new((0..BUDGET).map(Scenario::draw)),
        Where::Kept(name) => {
            let kept = history::read(&history::directory().join(name)).unwrap().scenario;
            let own = kept.seed;
            Box::new((0..LUCKS).map(move |luck| Scenario { seed: own + luck, ..kept.clone() }))
        }
    };
    let mut others = Vec::new();
    for scenario in scenarios {
        let seed = scenario.seed;
        match rais_sim::run(scenario, Some(mutation)).violation {
            Some(violation) if violation.promise == promise => return println!("{mutation:?}: {seed}: {violation}"),
            Some(violation) => others.push(violation.promise),
            None => {}
        }
    }
    panic!("{mutation:?} did not break {promise}, only {others:?}");
}

macro_rules! planted {
    ($($name:ident: $mutation:ident breaks $promise:literal in $place:expr;)*) => {
        $(
            #[test]
            fn $name() {
                is_caught(Mutation::$mutation, $promise, $place);
            }
        )*

        const TABLE: &[(Mutation, &str)] = &[$((Mutation::$mutation, $promise)),*];
    };
}

use Where::{Drawn, Kept};

planted! {
    a_group_that_never_expires_the_dead_is_caught: NeverExpire breaks "S-2 served" in Drawn;
    a_box_that_leads_before_it_has_listened_is_caught: ActUnsettled breaks "S-3 home" in Drawn;
    a_box_that_obeys_anyone_is_caught: ObeyAnyone breaks "S-6 one leader" in Drawn;
    a_leader_that_forgets_whom_it_chose_is_caught: ForgetPending breaks "S-1 one server" in Drawn;
    a_leader_that_plans_from_reports_is_caught: PlanFromReports breaks "G-55 spread" in Drawn;
    a_leader_that_has_one_acquire_before_the_other_released_is_caught: AcquireBeforeRelease breaks "S-1 one server" in Drawn;
    a_box_that_reuses_sequence_numbers_is_caught: ReuseSequence breaks "S-1 one server" in Drawn;
    a_group_that_loses_the_orphan_timer_is_caught: LoseOrphanTimer breaks "G-56 orphans run out" in Drawn;
    a_group_that_ignores_quiesce_is_caught: IgnoreQuiesce breaks "G-20 quiesced" in Drawn;
    a_group_that_counts_second_hand_ages_twice_is_caught: DoubleCountAges breaks "S-2 served" in Drawn;
    a_part_without_a_majority_that_serves_is_caught: MinorityServes breaks "G-42 partition" in Drawn;
    a_group_that_buries_whom_it_suspects_is_caught: DeadAtFirstMiss breaks "S-5 no spurious moves" in Drawn;
    a_box_that_obeys_orders_to_its_earlier_life_is_caught: ObeyPastOrders breaks "S-1 one server" in Kept("orders-to-its-earlier-life.json");
    a_box_that_takes_the_past_for_news_is_caught: OpenWindow breaks "G-56 orphans run out" in Kept("heard-before-listening.json");
    a_leader_that_moves_load_at_once_is_caught: MoveLoadAtOnce breaks "G-58 load moves" in Drawn;
    a_box_that_takes_a_piece_of_an_entry_for_the_whole_is_caught: TakePieceForWhole breaks "S-1 one server" in Drawn;
    a_box_that_mixes_its_groups_up_is_caught: MixGroups breaks "S-6 one leader" in Drawn;
    a_box_that_keeps_what_was_taken_away_is_caught: KeepTakenAway breaks "G-51 configured" in Drawn;
    a_keeper_that_stays_silent_is_caught: StaySilent breaks "S-8 no black hole" in Drawn;
    a_box_that_says_each_beat_twice_is_caught: SpeakTwice breaks "S-4 quiet" in Drawn;
    a_box_that_leaves_with_what_it_serves_is_caught: LeaveAtOnce breaks "G-13 clean stop" in Drawn;
    a_box_that_keeps_a_policy_of_its_own_is_caught: KeepOwnPolicy breaks "one policy" in Drawn;
}

#[test]
fn every_bug_that_can_be_planted_is_and_the_page_says_what_catches_it() {
    let page = include_str!("../README.md");
    for mutation in Mutation::ALL {
        let promises: Vec<_> = TABLE.iter().filter(|(planted, _)| *planted == mutation).map(|row| row.1).collect();
        let [promise] = promises[..] else { panic!("{mutation:?} is planted {} times", promises.len()) };
        let row = page.lines().find(|line| line.contains(&format!("`{mutation:?}`")));
        let row = row.unwrap_or_else(|| panic!("README.md does not know {mutation:?}"));
        assert!(row.contains(promise), "{mutation:?} breaks {promise}; README.md says: {row}");
    }
    assert_eq!(TABLE.len(), page.lines().filter(|line| line.starts_with("| `")).count(), "rows of README.md");
}
