//! What a part of a divided group does that may not serve (G-42), on real kernels and by real pings.

use super::faults::isolate;
use super::lab::{Gateway, Lab, run, until};
use rais_core::notification::{Notification, PartitionState};

/// Lets the group have these keys on every box.
fn configure(lab: &Lab, keys: &str) {
    for gateway in lab.gateways() {
        gateway.write_configuration(&gateway.configuration().replace("beat = ", &format!("{keys}\nbeat = ")));
    }
}

fn served(lab: &Lab, gateway: &Gateway) -> Vec<String> {
    lab.service_addresses().into_iter().filter(|address| gateway.has(address)).collect()
}

fn serves_nothing(lab: &Lab, number: usize) -> Result<(), String> {
    let left = served(lab, &lab.gateways()[number - 1]);
    if left.is_empty() { Ok(()) } else { Err(format!("box {number} has {left:?}")) }
}

fn is(lab: &Lab, number: usize, state: PartitionState) -> Result<(), String> {
    let now = lab.gateways()[number - 1].group()?.partition_state;
    if now == state { Ok(()) } else { Err(format!("box {number} is {now:?}")) }
}

#[test]
fn by_majority_a_box_that_is_cut_off_serves_nothing_and_the_others_everything() {
    let mut lab = Lab::new(3);
    configure(&lab, "partition = \"majority\"\nvoters = [\"10.99.0.1\", \"10.99.0.2\", \"10.99.0.3\"]");
    lab.start();
    isolate(&lab, 1, true);
    until("the larger part serves everything, once, and the leader that was cut off nothing", || {
        serves_nothing(&lab, 1)?;
        is(&lab, 1, PartitionState::Minority)?;
        lab.each_on_one_kernel()
    });
    isolate(&lab, 2, true);
    until("one of three serves nothing", || (1..=3).try_for_each(|number| serves_nothing(&lab, number)));
    for number in 1..=2 {
        isolate(&lab, number, false);
    }
    lab.settle();
    (1..=3).for_each(|number| is(&lab, number, PartitionState::Serving).unwrap());
    let told = |event: &rais::event::Event| matches!(event.notification, Notification::PartitionChange { .. });
    assert!(lab.gateways()[0].events().iter().any(told), "people were told");
}

#[test]
fn a_box_that_its_witness_does_not_answer_serves_nothing_and_does_so_again_when_it_answers() {
    let mut lab = Lab::new(2);
    configure(&lab, "partition = \"witness\"\nwitnesses = [\"10.99.0.254\"]\nwitness_interval = \"100ms\"");
    lab.start();
    isolate(&lab, 2, true);
    until("box 1 serves everything, and box 2 nothing", || {
        serves_nothing(&lab, 2)?;
        is(&lab, 2, PartitionState::NoWitness)?;
        lab.each_on_one_kernel()
    });
    isolate(&lab, 2, false);
    lab.settle();
    // The boxes hear each other, and the witness none of them.
    let witness = |answers: &str| {
        run(&format!("ip netns exec {} sysctl -qw net.ipv4.icmp_echo_ignore_all={answers}", lab.client()));
    };
    witness("1");
    until("nobody serves", || (1..=2).try_for_each(|number| serves_nothing(&lab, number)));
    witness("0");
    lab.settle();
}
