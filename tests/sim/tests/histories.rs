//! A few histories in every test run, and every kept one. CI lives many more: `cargo xtask sim`.

use rais_sim::scenario::Scenario;
use rais_sim::{history, run, tell};

#[test]
fn a_few_hundred_histories_keep_every_promise() {
    for seed in 0..400 {
        let outcome = run(Scenario::draw(seed), None);
        assert!(outcome.violation.is_none(), "seed {seed}\n{}", tell(Scenario::draw(seed), None));
    }
}

#[test]
fn a_seed_gives_the_same_history_to_the_last_line() {
    for seed in [3, 1143, 2462] {
        assert!(tell(Scenario::draw(seed), None) == tell(Scenario::draw(seed), None), "seed {seed}");
    }
}

#[test]
fn histories_that_once_broke_a_promise_keep_it_now() {
    let kept = history::all().unwrap();
    assert!(kept.len() >= 20, "{} histories are kept", kept.len());
    for (path, history) in kept {
        let violation = run(history.scenario.clone(), None).violation;
        assert!(violation.is_none(), "{}: {}\n{}", path.display(), history.taught, tell(history.scenario, None));
    }
}

#[test]
fn a_history_is_the_same_when_it_was_written_down_and_read() {
    for seed in 0..200 {
        let scenario = Scenario::draw(seed);
        let taught = String::from("nothing yet");
        let text = history::to_json(&history::History { taught, scenario: scenario.clone() });
        let read: history::History = serde_json::from_str(&text).unwrap();
        assert_eq!(read.scenario, scenario, "seed {seed}");
    }
}
