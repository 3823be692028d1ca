//! RAIS-MIB's younger tables: control addresses, events, and what was added to the others. Their syntax is `mib`'s to
//! check; here it is what stands in them.

use crate::bench::{Bench, RAIS};
use crate::ber::{self, NO_SUCH_INSTANCE};

const HTTP: &str = "4.104.116.116.112";

fn text(name: &str) -> String {
    Bench::new().get(&[&format!("{RAIS}.{name}")]).variables[0].text()
}

fn number(name: &str) -> i64 {
    Bench::new().get(&[&format!("{RAIS}.{name}")]).variables[0].number()
}

#[test]
fn a_box_says_which_machine_and_which_slot_it_is() {
    assert_eq!(text("1.11.0"), "0123456789abcdef".repeat(2));
    assert_eq!((text("1.12.0").as_str(), number("1.13.0")), ("a", 200));
}

#[test]
fn control_addresses_come_in_the_order_of_the_index_and_belong_to_their_interface() {
    // 10.8.0.1 is the address on the second control network; the group has one control interface here.
    let rows: Vec<_> = Bench::new()
        .walk(&format!("{RAIS}.4.1.3.{HTTP}"))
        .iter()
        .map(|row| (ber::dotted(&row.name[17..]), row.text()))
        .collect();
    let expected =
        [("1.4.10.9.0.1.1.4.10.8.0.1", ""), ("1.4.10.9.0.1.1.4.10.9.0.1", "lan"), ("1.4.10.9.0.2.1.4.10.9.0.2", "lan")];
    let rows: Vec<_> = rows.iter().map(|(index, interface)| (index.as_str(), interface.as_str())).collect();
    assert_eq!(rows[..3], expected);
    assert_eq!(rows.len(), 7);
}

#[test]
fn an_address_says_whether_a_zone_leads_to_it() {
    let in_zone = |address: u8| number(&format!("5.1.17.{HTTP}.1.4.10.9.0.{address}"));
    assert_eq!((in_zone(101), in_zone(102)), (1, 2));
    assert_eq!(number("5.1.17.1.122.1.4.10.9.0.101"), 2, "the zones are of another group");
}

#[test]
fn a_latency_is_rounded_up_and_unknown_before_the_first_run() {
    assert_eq!((number("6.1.8.3.119.101.98"), number("6.1.8.2.100.98")), (2, -1));
}

#[test]
fn events_are_rows_by_number_over_all_lives() {
    let numbers: Vec<_> = Bench::new().walk(&format!("{RAIS}.10.1.7")).iter().map(|row| row.name[12]).collect();
    assert_eq!(numbers, [7, 9, 10], "a number beyond 32 bits fits no index");
    assert_eq!(text("10.1.7.7"), "test web failed: refused");
    assert_eq!((number("10.1.6.7"), number("10.1.6.10")), (2, 1), "warning, info");
    assert_eq!((number("10.1.4.7"), number("10.1.3.7")), (3, 0), "the up-time of an earlier life is nobody's");
    assert_eq!(number("10.1.3.10"), 500);
}

#[test]
fn an_event_names_its_notification() {
    let identifier = |event: u32| {
        let answer = Bench::new().get(&[&format!("{RAIS}.10.1.5.{event}")]);
        ber::dotted(&ber::read_oid(&answer.variables[0].content))
    };
    let expected = ["1.3.6.1.4.1.32473.1.0.5", "1.3.6.1.6.3.1.1.5.1", "1.3.6.1.4.1.32473.1.0.7"];
    assert_eq!([7, 9, 10].map(identifier), expected);
}

#[test]
fn a_manager_reads_on_from_the_last_number_it_knows() {
    let mut bench = Bench::new();
    let after =
        |bench: &mut Bench, number: u64| bench.get_next(&[&format!("{RAIS}.10.1.7.{number}")]).variables.remove(0);
    assert_eq!(after(&mut bench, 7).name[12], 9, "over the gap");
    assert_eq!(after(&mut bench, 8).name[12], 9);
    assert_ne!(after(&mut bench, 10).name[..11], ber::parse(&format!("{RAIS}.10.1"))[..], "nothing newer");
    assert_eq!(bench.get(&[&format!("{RAIS}.10.1.7.8")]).variables[0].tag, NO_SUCH_INSTANCE);
}

#[test]
fn a_control_address_says_when_it_was_last_heard_and_what_was_lost() {
    let row = |column: u32, host: u8| number(&format!("4.1.{column}.{HTTP}.1.4.10.9.0.{host}.1.4.10.9.0.{host}"));
    assert_eq!((row(4, 2), row(5, 2)), (350_000, 17));
    assert_eq!((row(4, 5), row(5, 5)), (0, -1), "never heard there, and nothing counted");
    assert_eq!((row(4, 1), row(5, 1)), (360_000, -1), "this box itself: now");
}

#[test]
fn a_box_that_came_and_went_says_how_much_longer_its_addresses_stay_away() {
    let damping_left = |host: u8| number(&format!("3.1.24.{HTTP}.1.4.10.9.0.{host}"));
    assert_eq!((damping_left(1), damping_left(2)), (12, 0), "in seconds, rounded up");
}

#[test]
fn a_group_as_a_whole_says_how_it_fares_how_often_that_changed_and_when() {
    // raisGroupServiceState, -Transitions, -LastChange, and the same of raisGroupPartitionState.
    let of = |group: &str| [58, 59, 60, 61, 62].map(|column| number(&format!("2.1.{column}.{group}")));
    assert_eq!(of(HTTP), [2, 3, 9000, 2, 8000]);
    assert_eq!(of("3.100.110.115"), [1, 0, 0, 0, 0], "it was well all the time");
}

#[test]
fn a_receiver_says_what_became_of_what_it_was_to_be_told() {
    // Sent, repeated, acknowledged, refused, given up, dropped, superseded; pending, withheld, discontinuity time.
    let of = |place: u32| {
        let name = format!("114.101.99.101.105.118.101.114.45.48.{}", 49 + place);
        (1..=10).map(|column| number(&format!("13.1.{column}.{name}"))).collect::<Vec<_>>()
    };
    assert_eq!(of(0), [1, 2, 3, 4, 5, 6, 7, 9, 8, 2000]);
    assert_eq!(of(1), [11, 12, 13, 14, 15, 16, 17, 9, 18, 2000]);
    assert_eq!((number("12.4.0"), number("12.5.0")), (1800, 2), "the slowest, and how many were late");
}

#[test]
fn a_zone_says_how_its_addresses_are_chosen() {
    let rows: Vec<_> =
        [8, 9, 10].map(|column| Bench::new().walk(&format!("{RAIS}.8.1.{column}"))).into_iter().collect();
    for (rows, expected) in rows.iter().zip([1, 2, 28]) {
        assert!(rows.len() == 2 && rows.iter().all(|row| row.number() == expected), "{expected}");
    }
}
