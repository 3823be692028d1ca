//! Failure detection in figures: no living box is found dead at up to 30 % loss, nor for stalling as it is wont to, and a
//! dead one is found dead well before three beats have been counted. `rais-sim --detection` prints the whole table.

use rais_sim::detection::{Setting, measure};
use rais_sim::scenario::{MS, Micros, SECOND};

const SEEDS: u64 = 4;

fn outages(setting: Setting) -> Vec<Micros> {
    let mut outages: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let measured = measure(setting, seed);
            assert_eq!((measured.false_deaths, measured.moves), (0, 0), "{setting:?}, seed {seed}");
            measured.outage.expect("another box takes over")
        })
        .collect();
    outages.sort_unstable();
    outages
}

#[test]
fn loss_and_stalls_bury_nobody_and_a_dead_box_is_replaced_within_the_dead_interval_and_a_beat() {
    for (boxes, networks, beat) in [(2, 1, 10 * MS), (3, 1, 10 * MS), (2, 1, 100 * MS), (3, 2, 100 * MS)] {
        for (loss, stall) in [(100, 0), (200, 0), (300, 0), (100, beat / 2)] {
            let setting = Setting { boxes, networks, beat, loss, stall, time: 10 * SECOND };
            let worst = *outages(setting).last().expect("a seed");
            assert!(worst < 4 * beat + 40 * MS, "{worst} µs at {setting:?}");
        }
    }
}

#[test]
fn without_loss_a_dead_box_is_replaced_within_less_than_two_beats() {
    for (boxes, networks, beat) in [(2, 1, 100 * MS), (3, 2, 100 * MS), (2, 1, 10 * MS), (5, 1, 10 * MS)] {
        let setting = Setting { boxes, networks, beat, loss: 0, stall: 0, time: 2 * SECOND };
        let worst = *outages(setting).last().expect("a seed");
        assert!(worst < 2 * beat + 5 * MS, "{worst} µs at {setting:?}");
    }
}
