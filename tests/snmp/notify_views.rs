//! Who may be told what: RFC 3413 §3.3, steps (2) and (3), on every notification there is, and in raw octets.

use crate::ber::{self, Message};
use crate::delivery::{all, at, engine, params, v3_params};
use crate::{sample, traps};
use rais::snmp::delivery::{Delivery, DeliveryParams, Notice, Security};
use rais::snmp::notify::{self, Kind};
use rais::snmp::{Family, Oid, View};
use rais_core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything but these subtrees.
fn all_but(excluded: &[&[u32]]) -> View {
    let family = |arcs: &[u32], included| Family::new(&arcs.iter().copied().map(Some).collect::<Vec<_>>(), included);
    View::new(excluded.iter().map(|arcs| family(arcs, false)).chain([family(&[], true)]).collect())
}

fn only(included: &[&[u32]]) -> View {
    View::of(included.iter().map(|arcs| Oid::new(arcs)))
}

/// Traps and informs in version 2c.
fn v2c(kind: Kind) -> DeliveryParams {
    params(kind, Security::Community(b"public".to_vec()), Duration::ZERO)
}

fn with_view(view: View, params: DeliveryParams) -> Delivery {
    Delivery::new(DeliveryParams { view, ..params }, 100)
}

/// Every notification as it is sent to somebody who may know everything, and as it is offered.
fn every_notification() -> Vec<(Message, Arc<Notice>)> {
    let notice = |notification| {
        let event = traps::event(41, notification);
        let bindings = notify::bindings(&event, &sample::snapshot());
        Arc::new(Notice { about: String::from("a"), bindings })
    };
    let sent = |notice: Arc<Notice>| {
        let mut delivery = with_view(View::everything(), v2c(Kind::Trap));
        delivery.offer(Arc::clone(&notice), at(0));
        (ber::read(&all(&mut delivery, at(0))[0]), notice)
    };
    traps::notifications().into_iter().map(notice).map(sent).collect()
}

/// Is it sent to somebody with that view?
fn is_sent(notice: &Arc<Notice>, view: View) -> bool {
    let mut delivery = with_view(view, v2c(Kind::Trap));
    delivery.offer(Arc::clone(notice), at(0));
    let sent = all(&mut delivery, at(0)).len();
    let counters = delivery.counters();
    assert_eq!((counters.sent, counters.withheld), (sent as u64, 1 - sent as u64), "it is counted as what it is");
    assert_eq!((delivery.pending(), delivery.due()), (0, None));
    sent == 1
}

#[test]
fn rfc_3413_3_3_2_a_notification_with_any_variable_outside_the_notify_view_is_not_sent() {
    for (message, notice) in every_notification() {
        assert!(is_sent(&notice, View::everything()));
        for variable in &message.variables {
            assert!(!is_sent(&notice, all_but(&[&variable.name])), "without {}", variable.dotted());
        }
        // What it does not carry has no part in it.
        assert!(is_sent(&notice, all_but(&[&[1, 3, 6, 1, 2, 1, 1, 5]])));
    }
}

#[test]
fn rfc_3413_3_3_3_a_notification_that_is_itself_outside_the_notify_view_is_not_sent() {
    for (message, notice) in every_notification() {
        let identity = ber::read_oid(&message.variables[1].content);
        let variables = message.variables.iter().map(|variable| &*variable.name);
        assert!(!is_sent(&notice, all_but(&[&identity])), "{identity:?}");
        assert!(!is_sent(&notice, only(&variables.clone().collect::<Vec<_>>())), "{identity:?}: its variables alone");
        assert!(is_sent(&notice, only(&variables.chain([&*identity]).collect::<Vec<_>>())), "{identity:?}: just that");
    }
}

#[test]
fn rfc_3413_3_3_what_a_view_withholds_is_withheld_from_traps_and_informs_of_both_versions() {
    let (ours, theirs) = (engine(b"box"), engine(b"nms"));
    let (_, notice) = every_notification().remove(0);
    for kind in [Kind::Trap, Kind::Inform] {
        let authoritative = if kind == Kind::Trap { ours } else { theirs };
        for params in [|kind, _, _| v2c(kind), v3_params] {
            for (view, sent) in [(View::nothing(), 0), (View::everything(), 1)] {
                let mut delivery = with_view(view, params(kind, ours, authoritative));
                delivery.offer(Arc::clone(&notice), at(0));
                let told = all(&mut delivery, at(0)).len();
                assert_eq!((told, delivery.counters().withheld), (sent, 1 - sent as u64), "{kind:?}");
            }
        }
    }
}

#[test]
fn what_is_withheld_holds_back_nothing_else_about_the_same_row() {
    let security = Security::Community(b"public".to_vec());
    let view = all_but(&[&[1, 3, 6, 1, 4, 1, 32473, 1, 0, 1]]);
    let throttled = params(Kind::Trap, security, Duration::from_secs(1));
    let mut delivery = with_view(view, throttled);
    let all_notices = every_notification();
    let [(_, acquire), (_, failed)] = &all_notices[..2] else { panic!("two") };
    delivery.offer(Arc::clone(acquire), at(0));
    delivery.offer(Arc::clone(failed), at(1));
    assert_eq!(all(&mut delivery, at(1)).len(), 1, "the second is told at once");
    assert_eq!((delivery.counters().withheld, delivery.counters().superseded), (1, 0));
}

#[test]
fn a_view_that_lets_no_notification_pass_is_known_by_what_it_leaves_out() {
    let messages: Vec<Message> = every_notification().into_iter().map(|(message, _)| message).collect();
    let names = |message: &Message| message.variables.iter().map(|variable| variable.name.clone()).collect();
    let common = messages.iter().map(names).reduce(|all: BTreeSet<Vec<u32>>, some| &all & &some).unwrap();
    assert_eq!(common.len(), 7, "{common:?}");
    assert_eq!(notify::left_out(&View::everything()), None);
    for name in &common {
        assert!(notify::left_out(&all_but(&[name])).is_some(), "{name:?}");
    }
    let rest: BTreeSet<Vec<u32>> = messages.iter().flat_map(names).filter(|name| !common.contains(name)).collect();
    for name in rest {
        assert_eq!(notify::left_out(&all_but(&[&name])), None, "{name:?}: there are others without it");
    }
    let (ours, standard) = ([1, 3, 6, 1, 4, 1, 32473, 1, 0], [1, 3, 6, 1, 6, 3, 1, 1, 5]);
    assert_eq!(notify::left_out(&all_but(&[&ours, &standard])), Some("raisNotifications"));
    assert_eq!(notify::left_out(&all_but(&[&ours])), None);
    assert_eq!(notify::left_out(&View::nothing()), Some("sysUpTime.0"));
}
