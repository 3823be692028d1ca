//! Somebody else removes a service address from a box that serves it (G-33).

use super::*;
use crate::view::AddressError;

fn removed(n: u8) -> Input {
    Input::Removed { interface: lan(), address: address(n) }
}

/// The counts with which box 1 put its address back.
fn restored(lab: &Lab) -> Vec<u32> {
    let restored = |(n, action): &(u8, Action)| match action {
        Action::Restore { address: of, times, .. } if (*n, *of) == (1, address(1)) => Some(*times),
        _ => None,
    };
    lab.log.iter().filter_map(restored).collect()
}

fn announced(lab: &Lab) -> usize {
    let of_1 = |(_, action): &&(u8, Action)| matches!(action, Action::Announce { addresses, .. } if addresses.contains(&address(1)));
    lab.log.iter().filter(of_1).count()
}

fn renewed(lab: &Lab) -> bool {
    let of_1 = |(_, action): &(u8, Action)| matches!(action, Action::Renew { addresses, .. } if addresses.contains(&address(1)));
    lab.log.iter().any(of_1)
}

/// Box 1, alone and long settled.
fn alone() -> Lab {
    let mut lab = Lab::of([box_params(1, &[1], &[])]);
    lab.run_until(secs(10));
    lab.log.clear();
    lab
}

#[test]
fn it_is_put_back_at_once_announced_counted_and_shown() {
    let mut lab = alone();
    lab.input(1, removed(1));
    assert_eq!(restored(&lab), [1]);
    assert_eq!(announced(&lab), 1, "clients may have been told by another");
    let view = lab.view(1);
    assert_eq!((view.counters.repairs, view.counters.acquires), (1, 1), "it was served all the time");
    assert_eq!(view.addresses[0].last_error, Some(AddressError::PutBack { times: 1 }));
    lab.run_until(secs(20));
    assert_eq!(restored(&lab), [1]);
}

#[test]
fn two_managers_do_not_fight_at_full_speed() {
    let mut lab = alone();
    // Whoever it is removes it as soon as it is there.
    let mut seen = 0;
    let end = secs(20);
    while lab.now < end {
        let next = lab.now + Duration::from_millis(1);
        if restored(&lab).len() == seen {
            lab.run_until(next);
        } else {
            seen += 1;
        }
        lab.input(1, removed(1));
    }
    // After 0, 100, 200, 400, 800 ms, then each second.
    let times = restored(&lab).len();
    assert!((13..=14).contains(&times), "{times} times in 10 s");
    let view = lab.view(1);
    assert_eq!(usize::try_from(view.counters.repairs).unwrap(), times);
    let times = u32::try_from(times).unwrap();
    assert_eq!(view.addresses[0].last_error, Some(AddressError::PutBack { times }));
    // A renewal in a pause would put it back, too.
    lab.run_until(lab.now + Duration::from_secs(2));
    lab.input(1, removed(1));
    lab.input(1, removed(1));
    lab.log.clear();
    lab.run_until(lab.now + Duration::from_millis(900));
    assert!(!renewed(&lab) && restored(&lab).is_empty(), "{:?}", lab.log);
    // Forgiven after a minute of peace.
    lab.run_until(lab.now + Duration::from_secs(70));
    lab.log.clear();
    lab.input(1, removed(1));
    assert_eq!(restored(&lab), [1]);
}

#[test]
fn only_what_is_served_on_that_interface_is_put_back() {
    let mut lab = alone();
    lab.input(1, removed(2));
    lab.input(1, Input::Removed { interface: control(), address: address(1) });
    assert_eq!(restored(&lab), []);
    lab.input(1, Input::Carrier { interface: lan(), up: false });
    lab.input(1, removed(1));
    assert_eq!(restored(&lab), [], "it was released");
}

#[test]
fn a_box_that_overslept_does_not_put_back_what_its_kernel_dropped() {
    // How long it slept, and whether the address is then still its own: the dead interval is 300 ms.
    for (slept, kept) in [(100, true), (301, false), (5000, false)] {
        let mut lab = alone();
        lab.now = lab.now + Duration::from_millis(slept);
        lab.input(1, removed(1));
        lab.run_until(lab.now + Duration::from_millis(150));
        assert_eq!(restored(&lab).len(), usize::from(kept), "after {slept} ms");
        let lost = |(_, action): &(u8, Action)| matches!(action, Action::Release { reason: Reason::Overslept, .. });
        assert_eq!(lab.log.iter().any(lost), !kept, "after {slept} ms");
    }
}

#[test]
fn one_that_can_not_be_put_back_is_given_up_for_others_to_serve() {
    let mut lab = three();
    lab.run_until(secs(10));
    let now = lab.now;
    let node = lab.nodes.get_mut(&1).unwrap();
    node.handle(now, removed(1));
    let ticket = loop {
        match node.poll_action().unwrap() {
            Action::Restore { ticket, .. } => break ticket,
            _ => continue,
        }
    };
    let error = String::from("IPv6 is disabled on this device");
    node.handle(now, Input::Finished { ticket, result: Err(error.clone()) });
    lab.settle_down();
    let released = |(n, action): &(u8, Action)| {
        *n == 1 && matches!(action, Action::Release { reason: Reason::Removed, address: of, .. } if *of == address(1))
    };
    assert!(lab.log.iter().any(released), "{:?}", lab.log);
    assert_eq!(lab.view(1).addresses[0].last_error, Some(AddressError::NotPutBack(error)));
    lab.run_until(secs(12));
    assert!(lab.server(1).is_some());
    assert_eq!(lab.view(1).counters.repairs, 0);
}

#[test]
fn one_that_is_gone_before_its_acquire_has_ended_is_put_back_then() {
    let mut lab = Lab::of([box_params(1, &[1], &[])]);
    lab.run_until(ms(290));
    let mut acquire = None;
    while acquire.is_none() {
        lab.now = lab.now + Duration::from_millis(1);
        let (node, now) = (lab.nodes.get_mut(&1).unwrap(), lab.now);
        node.handle(now, Input::Tick);
        while let Some(action) = node.poll_action() {
            if let Action::Acquire { ticket, .. } = action {
                acquire = Some(ticket);
            }
        }
    }
    lab.input(1, removed(1));
    assert_eq!(restored(&lab), []);
    assert!(lab.nodes[&1].poll_timeout() > Some(lab.now), "nothing is to be done before the acquire has ended");
    lab.input(1, Input::Finished { ticket: acquire.unwrap(), result: Ok(()) });
    assert_eq!(restored(&lab), [1]);
}
