//! What `raisctl plan` answers, and what it looks like, to the character.

use super::*;
use crate::ctl::protocol::{Response, decode_response, encode_response};
use rais_core::address::{HostName, ServiceAddress};
use rais_core::notification::HostState;
use rais_core::quantity::{Generation, Incarnation};
use rais_core::samples;
use rais_core::time::Instant;
use rais_core::view::{AddressView, HostView, PartitionView};

fn id(n: u8) -> IdAddress {
    IdAddress([10, 9, 0, n].into())
}

fn host(n: u8, state: HostState) -> HostView {
    HostView {
        name: HostName::new(&format!("edge-{n}")).unwrap(),
        state,
        ok: state != HostState::NotOk,
        quiesced: state == HostState::Quiesced,
        spare: n == 3,
        ..samples::host_view(id(n))
    }
}

fn address(n: u8, server: Option<u8>, home: Option<u8>) -> AddressView {
    AddressView {
        preferred: home.map(id),
        ..samples::address_view(ServiceAddress([10, 9, 0, n].into()), server.map(id))
    }
}

/// Boxes 1 and 2 with addresses of their own and one of the pool each, 3 a spare.
fn group(name: &str) -> GroupView {
    GroupView {
        name: name.parse().unwrap(),
        hosts: vec![host(1, HostState::Up), host(2, HostState::Up), host(3, HostState::Up)],
        addresses: vec![
            address(101, Some(1), Some(1)),
            address(102, Some(2), Some(2)),
            address(150, Some(1), None),
            address(151, Some(2), None),
        ],
        ..samples::group_view(id(1))
    }
}

fn view(groups: Vec<GroupView>) -> View {
    View {
        at: Instant::ZERO,
        name: "edge-1".parse().unwrap(),
        incarnation: Incarnation(1),
        generation: Generation(1),
        groups,
        tests: vec![],
        loads: vec![],
    }
}

fn boxes(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// `"101 1>3"`: the address goes from box 1 to box 3; `-`: nobody.
fn moves(group: GroupView, without: &[&str]) -> Vec<String> {
    let plans = answer(&view(vec![group]), None, &boxes(without)).unwrap();
    let last = |id: IdAddress| id.to_string().rsplit('.').next().unwrap().to_owned();
    let name = |id: Option<IdAddress>| id.map_or(String::from("-"), last);
    let word = |planned: &what_if::Move| {
        let address = planned.address.to_string();
        format!("{} {}>{}", address.rsplit('.').next().unwrap(), name(planned.from), name(planned.to))
    };
    plans[0].outcome.moves.iter().map(word).collect()
}

#[test]
fn what_boxes_would_leave_behind_goes_where_the_leader_would_send_it() {
    assert_eq!(moves(group("http"), &["edge-3"]), [""; 0]);
    assert_eq!(moves(group("http"), &["edge-1"]), ["101 1>3", "150 1>3"], "a spare goes first");
    assert_eq!(moves(group("http"), &["edge-1", "10.9.0.3"]), ["101 1>2", "150 1>2"]);
    assert_eq!(
        moves(group("http"), &["1", "2", "3"].map(|n| format!("edge-{n}")).each_ref().map(String::as_str)).len(),
        4
    );
    let mut quiesced = group("http");
    quiesced.hosts[2] = host(3, HostState::Quiesced);
    assert_eq!(moves(quiesced, &["edge-1"]), ["101 1>2", "150 1>2"]);
    let mut alone = group("http");
    alone.hosts[1] = host(2, HostState::NotOk);
    alone.hosts[2] = host(3, HostState::Dead);
    assert_eq!(moves(alone, &["edge-1"]), ["101 1>-", "150 1>-"]);
}

#[test]
fn a_rest_without_a_majority_serves_nothing() {
    let mut divided = group("http");
    divided.partition = PartitionView::Majority { voters: (1..=3).map(id).collect(), present: 3 };
    assert_eq!(moves(divided.clone(), &["edge-3"]), [""; 0]);
    assert_eq!(moves(divided, &["edge-2", "edge-3"]), ["101 1>-", "102 2>-", "150 1>-", "151 2>-"]);
}

#[test]
fn a_question_that_makes_no_sense_is_answered_in_words() {
    let known = view(vec![group("http")]);
    let http = "http".parse().unwrap();
    let other: GroupName = "dns".parse().unwrap();
    for (group, without, words) in [
        (Some(&other), &["edge-1"][..], "this box is not in a group named dns"),
        (Some(&http), &["edge-9"], "no box edge-9 is known here"),
        (None, &["edge-1", "10.9.0.9"], "no box 10.9.0.9 is known here"),
        (None, &[], "without which box?"),
    ] {
        assert_eq!(answer(&known, group, &boxes(without)), Err(words.to_owned()));
    }
    let mut twins = group("http");
    twins.hosts[1].name = twins.hosts[0].name.clone();
    let words = answer(&view(vec![twins]), None, &boxes(&["edge-1"])).unwrap_err();
    assert_eq!(words, "several boxes of group http are named edge-1: give the id address");
}

#[test]
fn a_plan_looks_like_this_and_survives_the_control_protocol() {
    let mut other = group("mail");
    other.hosts[1] = host(2, HostState::Dead);
    other.partition = PartitionView::Majority { voters: (1..=3).map(id).collect(), present: 2 };
    let plans = answer(&view(vec![group("http"), other]), None, &boxes(&["edge-1"])).unwrap();
    let text = render(&plans, Palette::Mono, 80);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ctl/golden/plan.txt");
    if std::env::var_os("RAIS_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "plan.txt differs from the golden file; it is now:\n{text}");
    let line = encode_response(7, Response::Plan { plans: plans.clone() });
    let Ok(Some(Response::Plan { plans: read })) = decode_response(&line, 7) else { panic!("no plan") };
    assert_eq!(read, plans);
}
