//! The control pass, fed with tables.

use super::*;
use crate::test_support::{address, group_params, id, ms};

const ADDRESS: u8 = 1;

/// Decides about one address over time. Boxes 1 and 2 own addresses, 3 is a spare; box 1 prefers [`ADDRESS`].
struct Bench {
    params: GroupParams,
    control: Control,
    preferred: Option<u8>,
    unavailable: Vec<u8>,
    draining: Vec<u8>,
    /// When they were heard last; they are unavailable, too.
    out_of_reach: BTreeMap<u8, u64>,
    complete: bool,
}

fn bench() -> Bench {
    Bench {
        params: group_params(1, &[ADDRESS], &[]),
        control: Control::new(PassNumber(0), ms(0), Duration::ZERO),
        preferred: Some(1),
        unavailable: Vec::new(),
        draining: Vec::new(),
        out_of_reach: BTreeMap::new(),
        complete: true,
    }
}

impl Bench {
    fn candidate(&self, n: u8, now: Instant) -> Candidate {
        let available = !self.unavailable.contains(&n) && !self.draining.contains(&n);
        Candidate {
            id: id(n),
            available,
            spare: n == 3,
            draining: self.draining.contains(&n),
            load: 0,
            capacity: 1000,
            healthy_since: available.then_some(ms(0)),
            damped_for: Duration::ZERO,
            heard_us: Some(now),
            out_of_reach: self.out_of_reach.get(&n).map(|heard| ms(*heard)),
            addresses: 0,
        }
    }

    /// A pass `at` this millisecond over claims such as `"1o 2a 3r"` (online, acquiring, releasing), in words such as
    /// `"+3 unserved"` (3 is to acquire) and `"-2 duplicate"`.
    fn pass(&mut self, at: u64, claims: &str) -> Vec<String> {
        let claims = claims.split_whitespace().map(|word| {
            let (n, how) = word.split_at(1);
            let claim = match how {
                "o" => Claim::Online,
                "a" => Claim::Acquiring,
                _ => Claim::Releasing,
            };
            (id(n.parse().unwrap()), claim)
        });
        let row = TableRow { preferred: self.preferred.map(id), valid: true, claims: claims.collect() };
        self.pass_over(at, row)
    }

    fn pass_over(&mut self, at: u64, row: TableRow) -> Vec<String> {
        let table = ControlTable::from([(address(ADDRESS), row)]);
        let mut situation = Situation {
            now: ms(at),
            params: &self.params,
            table: &table,
            candidates: (1..=3).map(|n| self.candidate(n, ms(at))).collect(),
            complete_from: if self.complete { ms(at) } else { ms(at + 1) },
            planted: Planted::default(),
        };
        let last_octet =
            |host: IdAddress| alloc::format!("{host}").split('.').next_back().unwrap().parse::<u8>().unwrap();
        let word = |decision| match decision {
            Decision::Acquire { host, reason, .. } => alloc::format!("+{} {reason}", last_octet(host)),
            Decision::Release { host, reason, .. } => alloc::format!("-{} {reason}", last_octet(host)),
            Decision::CannotAssign { .. } => "cannot assign".into(),
        };
        self.control.pass(&mut situation).into_iter().map(word).collect()
    }
}

use alloc::string::String;

#[test]
fn one_look_at_a_table_gives_these_orders() {
    for (claims, unavailable, orders) in [
        ("", &[][..], &["+1 unserved"][..]),
        ("", &[1], &["+3 unserved"]),
        ("", &[1, 3], &["+2 unserved"]),
        ("", &[1, 2, 3], &[]),
        ("1o", &[], &[]),
        ("2o", &[1], &[]),
        ("2o", &[], &["-2 failback"]),
        ("1o 2o", &[], &["-2 duplicate"]),
        ("2o 3o", &[1], &["-2 duplicate"]),
        ("2o 3o", &[], &["-2 failback", "-3 failback"]),
        ("2a", &[1], &[]),
        ("2r", &[], &[]),
        ("1o 2r", &[], &[]),
        ("1o 2a", &[], &["-2 duplicate"]),
        ("2a 3a", &[1], &["-2 duplicate"]),
    ] {
        let mut bench = Bench { unavailable: unavailable.to_vec(), ..bench() };
        assert_eq!(bench.pass(0, claims), orders, "{claims} without {unavailable:?}");
    }
}

#[test]
fn an_address_that_is_not_the_groups_is_released_by_whoever_claims_it() {
    let claims = [(id(2), Claim::Online), (id(3), Claim::Acquiring)].into();
    let row = TableRow { preferred: None, valid: false, claims };
    assert_eq!(bench().pass_over(0, row), ["-2 expired", "-3 expired"]);
}

#[test]
fn a_choice_is_remembered_until_it_shows_and_its_order_repeated() {
    let mut bench = Bench { unavailable: [1].into(), ..bench() };
    assert_eq!(bench.pass(0, ""), ["+3 unserved"]);
    assert!(bench.pass(1, "").is_empty(), "it was just told");
    bench.unavailable.clear();
    assert_eq!(bench.pass(30, ""), ["+3 unserved"], "told again, though the preferred box would go before it now");
    assert!(bench.pass(31, "3a").is_empty());
    assert_eq!(bench.pass(40, "3o"), ["-3 failback"]);
}

#[test]
fn a_chosen_box_that_does_not_show_is_passed_over() {
    let mut bench = Bench { unavailable: [1].into(), ..bench() };
    assert_eq!(bench.pass(0, ""), ["+3 unserved"]);
    assert_eq!(bench.pass(500, ""), ["+2 unserved"]);
}

#[test]
fn a_box_that_failed_is_tried_last_and_then_with_growing_pauses() {
    let mut bench = bench();
    assert_eq!(bench.pass(0, ""), ["+1 unserved"]);
    assert!(bench.pass(10, "1a").is_empty());
    assert_eq!(bench.pass(20, ""), ["+3 unserved"], "it acquired and failed: a spare is next");
    assert!(bench.pass(30, "3a").is_empty());
    assert!(bench.pass(40, "3o").is_empty(), "not home: box 1 is in its back-off");
    let backoffs = |bench: &Bench, at| bench.control.backoffs(address(ADDRESS), ms(at));
    assert_eq!(backoffs(&bench, 40), [BackoffView { host: id(1), until: ms(1020) }]);
    assert_eq!(backoffs(&bench, 1020), []);
    assert_eq!(bench.pass(1021, "3o"), ["-3 failback"]);
    assert!(bench.pass(1030, "1a").is_empty());
    assert_eq!(bench.pass(1040, ""), ["+3 failback"]);
    assert!(bench.pass(1050, "3o").is_empty());
    assert!(bench.pass(2100, "3o").is_empty(), "now for two seconds");
    assert_eq!(backoffs(&bench, 2100), [BackoffView { host: id(1), until: ms(3040) }]);
    assert_eq!(bench.pass(3041, "3o"), ["-3 failback"]);
}

#[test]
fn the_only_box_left_is_tried_again_each_second() {
    let mut bench = Bench { unavailable: [2, 3].into(), ..bench() };
    let mut now = 0;
    for _ in 0..5 {
        assert_eq!(bench.pass(now, ""), ["+1 unserved"], "at {now}");
        bench.pass(now + 10, "1a");
        assert!(bench.pass(now + 20, "").is_empty());
        bench.pass(now + 900, "");
        now += 1020;
    }
}

#[test]
fn that_nobody_can_serve_is_said_once_after_the_dead_interval_and_again_after_it_was_served() {
    let mut bench = Bench { unavailable: [1, 2, 3].into(), ..bench() };
    assert!(bench.pass(0, "").is_empty());
    assert_eq!(bench.pass(300, ""), ["cannot assign"]);
    assert!(bench.pass(400, "").is_empty());
    bench.unavailable.clear();
    assert_eq!(bench.pass(500, ""), ["+1 unserved"]);
    bench.pass(510, "1o");
    bench.unavailable = [1, 2, 3].into();
    bench.pass(1000, "");
    assert_eq!(bench.pass(1300, ""), ["cannot assign"]);
}

#[test]
fn a_box_that_fell_silent_after_its_order_may_have_obeyed_and_is_waited_for() {
    // It was told at 0 ms and is out of reach at 200 ms, heard last then: and nobody else is told before its deadline, or
    // at once, because it said later that it does not acquire the address.
    for (heard, orders) in [(5, &[][..]), (12, &[]), (13, &["+3 unserved"])] {
        let mut bench = bench();
        assert_eq!(bench.pass(0, ""), ["+1 unserved"]);
        (bench.unavailable, bench.out_of_reach) = ([1].into(), [(1, heard)].into());
        assert_eq!(bench.pass(200, ""), orders, "heard at {heard} ms");
        assert_eq!(bench.pass(500, ""), ["+3 unserved"], "heard at {heard} ms");
    }
    let mut bench = bench();
    assert_eq!(bench.pass(0, ""), ["+1 unserved"]);
    bench.unavailable = [1].into();
    assert_eq!(bench.pass(200, ""), ["+3 unserved"], "it is dead, or says that it is unwell");
}

#[test]
fn what_is_unserved_waits_until_every_box_is_known() {
    let mut bench = Bench { complete: false, ..bench() };
    assert!(bench.pass(0, "").is_empty());
    bench.complete = true;
    assert_eq!(bench.pass(10, ""), ["+1 unserved"]);
}

#[test]
fn a_box_that_hangs_in_acquiring_is_given_up_after_the_action_timeout() {
    let mut bench = Bench { unavailable: [1].into(), ..bench() };
    assert!(bench.pass(0, "3a").is_empty());
    assert!(bench.pass(9_999, "3a").is_empty());
    assert_eq!(bench.control.timeout(), Some(ms(10_000)));
    assert_eq!(bench.pass(10_000, "3a"), ["-3 unserved"], "its kernel may answer until it has let go");
    for late in 1..50 {
        bench.pass(10_000 + late, "3r");
    }
    assert_eq!(bench.pass(10_100, ""), ["+2 unserved"]);
    assert!(bench.pass(10_200, "2o").is_empty());
    bench.unavailable = [1, 2].into();
    assert_eq!(bench.pass(11_101, ""), ["+3 unserved"], "it failed once, not with each pass");
}

#[test]
fn failback_waits_for_unbroken_health_or_for_an_operator() {
    let mut after = bench();
    after.params.failback = Failback::After(Duration::from_secs(30));
    assert!(after.pass(29_999, "2o").is_empty());
    assert_eq!(after.control.timeout(), Some(ms(30_000)));
    assert_eq!(after.pass(30_000, "2o"), ["-2 failback"]);

    let mut manual = bench();
    manual.params.failback = Failback::Manual;
    assert!(manual.pass(90_000, "2o").is_empty());
    manual.control.move_address(address(ADDRESS), Some(id(2)), Some(id(1)));
    assert_eq!(manual.pass(90_001, "2o"), ["-2 operator"]);
    assert_eq!(manual.pass(90_010, ""), ["+1 operator"]);
    assert!(manual.pass(90_020, "1o").is_empty());
}

#[test]
fn a_draining_box_is_relieved_and_an_operators_move_calls_no_chosen_box_back() {
    let mut draining = Bench { draining: [1].into(), ..bench() };
    assert_eq!(draining.pass(0, "1o"), ["-1 operator"]);
    assert!(draining.pass(5, "1r").is_empty());
    assert_eq!(draining.pass(10, ""), ["+3 operator"]);
    assert!(draining.pass(20, "3o").is_empty());

    let mut moved = Bench { unavailable: [1].into(), ..bench() };
    assert_eq!(moved.pass(0, ""), ["+3 unserved"]);
    moved.control.move_address(address(ADDRESS), None, Some(id(2)));
    assert!(moved.pass(1, "").is_empty(), "box 3 may be acquiring already");
    assert_eq!(moved.pass(10, "3o"), ["-3 operator"]);
    assert_eq!(moved.pass(20, ""), ["+2 operator"]);
}

#[test]
fn a_predecessors_orders_are_adopted_and_get_time_to_show() {
    let mut bench = bench();
    bench.control = Control::new(PassNumber(7), ms(0), Duration::from_millis(8));
    assert!(bench.pass(0, "").is_empty());
    bench.control.adopt(address(ADDRESS), id(2), ms(500), ms(1));
    assert!(bench.pass(8, "").is_empty(), "it was told by the other");
    assert_eq!(bench.pass(26, ""), ["+2 unserved"], "now by us, the same box");
    assert!(bench.pass(450, "").is_empty(), "too late to show in time");
    assert_eq!(bench.pass(500, ""), ["+1 unserved"]);
    assert!(bench.control.pass_number() > PassNumber(7));
}

#[test]
fn at_rest_nothing_is_planned_and_nothing_is_due() {
    let mut bench = bench();
    assert!(bench.pass(0, "1o").is_empty());
    assert_eq!(bench.control.timeout(), None);
    assert!(bench.control.plans.is_empty());
}
