//! Whole boxes on a perfect network: what one box says reaches all others at once, what it is to do is done at once.
//! What happens on bad networks is the simulation's to find out.

use super::*;
use crate::counters::DropCause;
use crate::info_message::{Body, Message, Order, Orders};
use crate::notification::Reason;
use crate::params::{Failback, TestParams};
use crate::quantity::{Incarnation, PassNumber, Sequence};
use crate::test_support::{address, box_params, control, group_name, id, lan, ms, secs};
use crate::view::{AddressState, GroupView};
use alloc::vec::Vec;

/// Some boxes, by number; those not in it do not run.
struct Lab {
    nodes: BTreeMap<u8, Node>,
    now: Instant,
    /// Everything that happened but messages, with the box.
    log: Vec<(u8, Action)>,
    sent: u64,
    /// What was said.
    spoken: Vec<Body>,
    /// Cut off from the rest, but not from each other.
    apart: Vec<u8>,
}

mod limits;
mod lives;
mod operator;
mod policies;
mod removals;
mod schedule;

impl Lab {
    fn of(boxes: impl IntoIterator<Item = BoxParams>) -> Self {
        let mut lab = Self {
            nodes: BTreeMap::new(),
            now: ms(0),
            log: Vec::new(),
            sent: 0,
            spoken: Vec::new(),
            apart: Vec::new(),
        };
        for params in boxes {
            lab.start(params);
        }
        lab
    }

    fn start(&mut self, params: BoxParams) {
        let last =
            alloc::format!("{}", params.groups[&group_name()].id).split('.').next_back().unwrap().parse().unwrap();
        self.nodes.insert(last, Node::new(params, self.now));
        self.settle_down();
    }

    fn input(&mut self, n: u8, input: Input) {
        let now = self.now;
        self.nodes.get_mut(&n).unwrap().handle(now, input);
        self.settle_down();
    }

    fn command(&mut self, n: u8, command: Command) -> Result<(), CommandError> {
        self.input(n, Input::Command(command));
        let answer =
            |(_, action): &(u8, Action)| if let Action::Answer(answer) = action { Some(answer.clone()) } else { None };
        self.log.iter().rev().find_map(answer).unwrap()
    }

    /// Does everything that is to be done now.
    fn settle_down(&mut self) {
        while let Some((n, action)) = self.nodes.iter_mut().find_map(|(n, node)| Some((*n, node.poll_action()?))) {
            let now = self.now;
            match &action {
                Action::Send { message, .. } => {
                    self.sent += 1;
                    self.spoken.push(message.body.clone());
                    let here = |other: u8| self.apart.contains(&other) == self.apart.contains(&n);
                    for (_, node) in self.nodes.iter_mut().filter(|(other, _)| **other != n && here(**other)) {
                        let message = message.clone();
                        node.handle(now, Input::Received { group: group_name(), interface: control(), message });
                    }
                    continue;
                }
                Action::Acquire { ticket, .. } | Action::Release { ticket, .. } | Action::Restore { ticket, .. } => {
                    let finished = Input::Finished { ticket: *ticket, result: Ok(()) };
                    self.nodes.get_mut(&n).unwrap().handle(now, finished);
                }
                Action::Stopped => drop(self.nodes.remove(&n)),
                Action::Outlive { known } => {
                    let incarnation = known.next();
                    self.nodes.get_mut(&n).unwrap().handle(now, Input::Outlived { incarnation });
                }
                _ => {}
            }
            self.log.push((n, action));
        }
    }

    /// Lets time pass, waking each box when it asks for it.
    fn run_until(&mut self, end: Instant) {
        loop {
            let next = self.nodes.values().filter_map(Node::poll_timeout).min().unwrap_or(end).max(self.now);
            self.now = next.min(end);
            if next >= end {
                return;
            }
            let due: Vec<_> =
                self.nodes.iter().filter(|(_, node)| node.poll_timeout() <= Some(next)).map(|(n, _)| *n).collect();
            for n in due {
                self.input(n, Input::Tick);
            }
        }
    }

    fn view(&self, n: u8) -> GroupView {
        self.nodes[&n].view(self.now).groups.remove(0)
    }

    /// Who serves an address, as every box sees it; they must agree.
    fn server(&self, n: u8) -> Option<IdAddress> {
        let seen = |node: &Node| {
            let view = node.view(self.now).groups.remove(0);
            let row = view.addresses.iter().find(|row| row.address == address(n)).cloned();
            row.filter(|row| row.state == AddressState::Online).and_then(|row| row.server)
        };
        let mut seen: Vec<_> = self.nodes.values().map(seen).collect();
        seen.dedup();
        assert_eq!(seen.len(), 1, "boxes disagree about {}: {seen:?}", address(n));
        seen[0]
    }
}

/// Boxes 1 and 2 own the address of their number, 3 is a spare.
fn three() -> Lab {
    let mut lab = Lab::of([box_params(1, &[1], &[]), box_params(2, &[2], &[]), box_params(3, &[], &[])]);
    lab.run_until(secs(1));
    lab
}

#[test]
fn boxes_that_start_together_listen_for_a_dead_interval_and_then_each_serves_its_own() {
    let mut lab = Lab::of([box_params(1, &[1], &[]), box_params(2, &[2], &[])]);
    lab.run_until(ms(299));
    assert_eq!((lab.view(1).leader, lab.server(1)), (None, None));
    lab.run_until(ms(320));
    assert_eq!(lab.view(2).leader, Some(id(1)));
    assert_eq!((lab.server(1), lab.server(2)), (Some(id(1)), Some(id(2))));
}

#[test]
fn a_dead_boxs_address_is_served_by_the_spare_within_the_dead_interval_and_goes_home_when_it_returns() {
    for dead in [1, 2] {
        let mut lab = three();
        lab.nodes.remove(&dead);
        lab.run_until(ms(1301));
        assert_eq!(lab.server(dead), Some(id(3)));
        let mut params = box_params(dead, &[dead], &[]);
        params.incarnation = Incarnation(2);
        lab.start(params);
        lab.run_until(ms(1320));
        assert_eq!(
            lab.server(dead),
            Some(id(dead)),
            "with immediate failback it is home as soon as both hear each other"
        );
    }
}

#[test]
fn at_equilibrium_there_is_nothing_but_the_heartbeat() {
    let mut lab = three();
    lab.run_until(secs(3));
    (lab.sent, lab.log) = (0, Vec::new());
    let versions: Vec<_> = lab.nodes.values().map(Node::view_version).collect();
    lab.run_until(secs(13));
    assert_eq!(lab.sent, 3 * 100);
    assert!(lab.log.iter().all(|(_, action)| matches!(action, Action::Renew { .. })), "{:?}", lab.log);
    assert_eq!(versions, lab.nodes.values().map(Node::view_version).collect::<Vec<_>>());
}

#[test]
fn a_clean_stop_is_over_when_others_serve_and_takes_no_dead_interval() {
    for stopping in [1, 2] {
        let mut lab = three();
        lab.input(stopping, Input::Stop);
        lab.run_until(ms(1050));
        assert!(!lab.nodes.contains_key(&stopping), "it said that it stopped");
        assert_eq!(lab.server(stopping), Some(id(3)));
    }
}

#[test]
fn the_last_box_stops_without_waiting_for_anybody() {
    let mut lab = Lab::of([box_params(1, &[1], &[])]);
    lab.run_until(secs(1));
    lab.input(1, Input::Stop);
    assert!(lab.nodes.is_empty());
}

#[test]
fn a_failed_test_or_a_lost_carrier_releases_at_once_and_its_end_brings_the_address_home() {
    let test = TestName::new("web").unwrap();
    let mut params = box_params(1, &[1], &[]);
    let second = Duration::from_secs(1);
    params.tests.insert(test.clone(), TestParams { interval: second, timeout: second, rise: 1, fall: 1 });
    params.groups.get_mut(&group_name()).unwrap().tests = [test.clone()].into();
    let mut lab = Lab::of([params, box_params(3, &[], &[])]);
    lab.input(1, Input::Tested { test: test.clone(), result: Ok(()) });
    lab.run_until(ms(1000));
    lab.input(1, Input::Tick);
    lab.input(1, Input::Tested { test: test.clone(), result: Err("refused".into()) });
    lab.run_until(ms(1030));
    assert_eq!(lab.server(1), Some(id(3)));
    let row = lab.view(3).addresses.remove(0);
    assert_eq!((row.reason, row.orphan), (Some(Reason::Test), true));
    lab.run_until(ms(2000));
    lab.input(1, Input::Tick);
    lab.input(1, Input::Tested { test, result: Ok(()) });
    lab.run_until(ms(2030));
    assert_eq!(lab.server(1), Some(id(1)));
    lab.input(1, Input::Carrier { interface: lan(), up: false });
    lab.run_until(ms(2060));
    assert_eq!(lab.server(1), Some(id(3)));
    lab.input(1, Input::Carrier { interface: lan(), up: true });
    lab.run_until(ms(2090));
    assert_eq!(lab.server(1), Some(id(1)));
}

#[test]
fn a_quiesced_box_keeps_what_it_has_and_a_draining_one_gives_it_away() {
    let mut lab = three();
    assert_eq!(lab.command(2, Command::Quiesce { group: None }), Ok(()));
    lab.run_until(secs(2));
    assert_eq!(lab.server(2), Some(id(2)));
    assert_eq!(lab.command(2, Command::Drain { group: Some(group_name()) }), Ok(()));
    lab.run_until(ms(2050));
    assert_eq!(lab.server(2), Some(id(3)));
    assert_eq!(lab.command(2, Command::Unquiesce { group: None }), Ok(()));
    lab.run_until(ms(2100));
    assert_eq!(lab.server(2), Some(id(2)));
}

#[test]
fn an_operators_command_is_carried_out_by_the_leader_or_refused_with_a_reason() {
    let mut lab = Lab::of([1, 2, 3].map(|n| {
        let mut params = box_params(n, &[], &[9]);
        params.groups.get_mut(&group_name()).unwrap().failback = Failback::Manual;
        params
    }));
    lab.run_until(secs(1));
    let acquire = |n: u8, host| Command::Acquire { group: group_name(), address: address(n), host: Some(id(host)) };
    for host in [2, 3, 1] {
        assert_eq!(lab.command(1, acquire(9, host)), Ok(()));
        let now = lab.now;
        lab.run_until(now + Duration::from_millis(20));
        assert_eq!(lab.server(9), Some(id(host)));
    }
    let group = group_name();
    let other = GroupName::new("other").unwrap();
    assert_eq!(
        lab.command(2, acquire(9, 2)),
        Err(CommandError::NotLeader { group: group.clone(), leader: Some(id(1)) })
    );
    assert_eq!(lab.command(1, acquire(8, 2)), Err(CommandError::NoSuchAddress(group.clone(), address(8))));
    assert_eq!(lab.command(1, acquire(9, 7)), Err(CommandError::NoSuchHost(group, id(7))));
    assert_eq!(lab.command(1, Command::Quiesce { group: Some(other.clone()) }), Err(CommandError::NoSuchGroup(other)));
}

fn order(sender: u8, sequence: u64, body: Body) -> Input {
    let message = Message { sender: id(sender), incarnation: Incarnation(1), sequence: Sequence(sequence), body };
    Input::Received { group: group_name(), interface: control(), message }
}

fn to(n: u8, of: u8, pass: u64, life: u64) -> Orders {
    let order = Order { destination: id(n), life: Incarnation(life), address: address(of), reason: Reason::Operator };
    Orders { pass: PassNumber(pass), orders: [order].into() }
}

#[test]
fn a_box_obeys_its_leader_only_and_no_order_twice_late_or_of_another_life() {
    let mut lab = three();
    let drops = |lab: &Lab| lab.view(3).counters.drops;
    for (sender, sequence, pass, life, cause) in [
        (2, 1000, 99, 1, Some(DropCause::NotLeader)),
        (1, 1000, 99, 1, None),
        (1, 1000, 99, 1, Some(DropCause::Duplicate)),
        (1, 1001, 98, 1, Some(DropCause::StalePass)),
        (1, 2, 99, 1, Some(DropCause::Replay)),
        (1, 1002, 100, 0, Some(DropCause::Replay)),
        (1, 1003, 100, 2, Some(DropCause::Replay)),
        (1, 1004, 99, 1, None),
        (3, 1, 99, 1, Some(DropCause::OwnId)),
    ] {
        let before = drops(&lab);
        let now = lab.now;
        lab.nodes.get_mut(&3).unwrap().handle(now, order(sender, sequence, Body::Release(to(3, 9, pass, life))));
        let after = drops(&lab);
        let counted = DropCause::ALL.into_iter().find(|cause| after.of(*cause) != before.of(*cause));
        assert_eq!(counted, cause, "from {sender}, {sequence}, pass {pass}, to life {life}");
    }
}

#[test]
fn a_box_that_was_started_anew_does_not_obey_orders_to_its_earlier_life() {
    for (life, obeys) in [(1, false), (2, true)] {
        let mut lab = three();
        lab.nodes.remove(&2);
        lab.run_until(secs(2));
        let mut params = box_params(2, &[2], &[]);
        params.incarnation = Incarnation(2);
        lab.start(params);
        lab.run_until(secs(3));
        assert_eq!((lab.view(2).leader, lab.server(2)), (Some(id(1)), Some(id(2))), "it is home again");
        let before = lab.view(2).counters.drops.of(DropCause::Replay);
        lab.input(2, order(1, 1000, Body::Release(to(2, 2, 99, life))));
        let released = lab.log.iter().any(|(n, action)| *n == 2 && matches!(action, Action::Release { .. }));
        assert_eq!(released, obeys, "an order to life {life}");
        let dropped = lab.view(2).counters.drops.of(DropCause::Replay) - before;
        assert_eq!(dropped, u64::from(!obeys), "an order to life {life}");
    }
}

#[test]
fn a_box_does_not_acquire_what_it_hears_another_serve() {
    let mut lab = three();
    lab.input(3, order(1, 1000, Body::Acquire(to(3, 2, 99, 1))));
    assert!(!lab.log.iter().any(|(n, action)| *n == 3 && matches!(action, Action::Acquire { .. })));
    assert_eq!(lab.server(2), Some(id(2)));
}

#[test]
fn a_box_that_overslept_gives_everything_up_and_listens_before_it_acts() {
    let mut lab = Lab::of([box_params(1, &[1], &[])]);
    lab.run_until(secs(1));
    assert_eq!(lab.server(1), Some(id(1)));
    lab.now = secs(2);
    lab.input(1, Input::Tick);
    assert_eq!((lab.view(1).settled, lab.server(1)), (false, None));
    assert!(
        lab.log.iter().any(|(_, action)| matches!(
            action,
            Action::Notify(Notification::Release { reason: Reason::Overslept, .. })
        ))
    );
    lab.run_until(ms(2320));
    assert_eq!(lab.server(1), Some(id(1)));
}

#[test]
fn a_new_configuration_is_taken_in_place() {
    let mut lab = three();
    lab.log.clear();
    let mut params = box_params(2, &[2, 5], &[]);
    lab.input(2, Input::Configure(params.clone().into()));
    lab.run_until(ms(1100));
    assert_eq!((lab.server(2), lab.server(5)), (Some(id(2)), Some(id(2))));
    params.groups.get_mut(&group_name()).unwrap().preferred_addresses = [address(5)].into();
    lab.input(2, Input::Configure(params.clone().into()));
    lab.run_until(ms(1200));
    assert_eq!((lab.server(2), lab.server(5)), (None, Some(id(2))));
    let touched = |of: u8| {
        lab.log.iter().filter(move |(_, action)| matches!(action, Action::Acquire { address: a, .. } | Action::Release { address: a, .. } if *a == address(of))).count()
    };
    assert_eq!((touched(1), touched(2), touched(5)), (0, 1, 1));
    params.groups.clear();
    lab.input(2, Input::Configure(params.into()));
    lab.run_until(ms(1300));
    assert!(lab.nodes[&2].view(lab.now).groups.is_empty());
    assert_eq!(
        lab.view(3).addresses.iter().find(|row| row.address == address(5)).and_then(|row| row.server),
        Some(id(3))
    );
}

#[test]
fn an_entry_of_many_addresses_is_sent_in_pieces_that_fit() {
    let many: Vec<u8> = (0..=250).collect();
    let mut lab = Lab::of([box_params(1, &many, &[]), box_params(3, &[], &[])]);
    lab.run_until(secs(1));
    assert_eq!(lab.view(3).hosts[0].preferred.len(), 251);
    assert!((0..=250).all(|n| lab.server(n) == Some(id(1))));
    lab.nodes.remove(&1);
    lab.run_until(ms(1400));
    assert!((0..=250).all(|n| lab.server(n) == Some(id(3))));
}

#[test]
fn a_stranger_s_claim_is_told_of_once_it_is_repeated_and_defended_at_most_every_ten_seconds() {
    let mut lab = three();
    let claim = |lab: &mut Lab, of: u8, mac: &str| {
        let claimed = Input::Claimed { interface: lan(), address: address(of), mac: mac.into() };
        lab.input(1, claimed);
    };
    let told = |lab: &Lab| {
        let conflict =
            |(_, action): &&(u8, Action)| matches!(action, Action::Notify(Notification::AddressConflict { .. }));
        lab.log.iter().filter(conflict).count()
    };
    let announced = |lab: &Lab| {
        let of_1 = |(n, action): &&(u8, Action)| {
            *n == 1 && matches!(action, Action::Announce { addresses, .. } if addresses.contains(&address(1)))
        };
        lab.log.iter().filter(of_1).count()
    };
    // Long after the group formed.
    lab.run_until(secs(5));
    claim(&mut lab, 2, "02:00:00:00:00:09");
    let before = announced(&lab);
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(announced(&lab), before + 1, "defended at once");
    lab.run_until(ms(5900));
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(told(&lab), 0, "it may be a straggler");
    lab.run_until(secs(7));
    claim(&mut lab, 1, "02:00:00:00:00:09");
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(told(&lab), 1);
    lab.run_until(secs(14));
    let before = announced(&lab);
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(announced(&lab), before, "defended less than ten seconds ago");
    lab.run_until(secs(16));
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(announced(&lab), before + 1);
    assert_eq!(told(&lab), 1, "and told of once");
    lab.run_until(secs(300));
    claim(&mut lab, 1, "02:00:00:00:00:09");
    lab.run_until(secs(302));
    claim(&mut lab, 1, "02:00:00:00:00:09");
    assert_eq!(told(&lab), 2, "after a long time of quiet it is another conflict");
}

#[test]
fn a_claim_of_another_box_of_the_group_is_no_stranger_s() {
    let mut lab = three();
    lab.run_until(secs(5));
    for at in [5, 7, 9] {
        lab.run_until(secs(at));
        // Box 1 does not serve the address of box 2.
        lab.input(1, Input::Claimed { interface: lan(), address: address(2), mac: "02:00:00:00:00:02".into() });
        // And serves nothing on the control network.
        lab.input(1, Input::Claimed { interface: control(), address: address(1), mac: "02:00:00:00:00:02".into() });
    }
    let conflict = |(_, action): &(u8, Action)| matches!(action, Action::Notify(Notification::AddressConflict { .. }));
    assert!(!lab.log.iter().any(conflict));
}

#[test]
fn a_frozen_box_s_kernel_is_no_stranger_until_its_lease_is_over_and_a_stranger_is_told_of_then() {
    let conflicts = |lab: &Lab| {
        let conflict =
            |(_, action): &&(u8, Action)| matches!(action, Action::Notify(Notification::AddressConflict { .. }));
        lab.log.iter().filter(conflict).count()
    };
    let mut lab = three();
    let lease = lab.nodes[&1].groups[&group_name()].params().lease;
    lab.run_until(secs(20));
    // The daemon of box 2 is silent from now on, and its kernel is not.
    lab.nodes.remove(&2);
    lab.run_until(secs(21));
    let keeper = if lab.server(2) == Some(id(1)) { 1 } else { 3 };
    let claim = Input::Claimed { interface: lan(), address: address(2), mac: "02:00:00:00:00:02".into() };
    let mut at = lab.now;
    while at < secs(20) + lease + Duration::from_secs(1) {
        lab.run_until(at);
        lab.input(keeper, claim.clone());
        at = at + Duration::from_millis(300);
    }
    assert_eq!(conflicts(&lab), 0, "its lease");
    // Whoever still answers then is none of the group's.
    lab.run_until(secs(23) + lease);
    lab.input(keeper, claim);
    assert_eq!(conflicts(&lab), 1);
}
