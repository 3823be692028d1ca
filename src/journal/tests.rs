//! A life of two boxes, one of which is recorded, and what becomes of its replay when the file is not what it was.

use super::record::{End, FORMAT, Record, Start, append_line};
use super::replay::{Ending, ReplayError, Replayed, replay};
use rais_core::address::{GroupName, HostName, InterfaceName};
use rais_core::counters::DropCause;
use rais_core::info_message::Message;
use rais_core::io::{Action, Command, Input};
use rais_core::node::Node;
use rais_core::params::{BoxParams, Choice, Control, Failback, GroupParams, LoadParams, Partition, TestParams};
use rais_core::quantity::{Generation, Incarnation, Utilisation};
use rais_core::time::{Duration, Instant};
use std::collections::BTreeMap;

fn group() -> GroupName {
    GroupName::new("http").unwrap()
}

fn params(number: u8) -> BoxParams {
    let control = InterfaceName::new("control").unwrap();
    let id = format!("10.1.0.{number}");
    let group_params = GroupParams {
        id: id.parse().unwrap(),
        control: vec![Control { interface: control, address: id.parse().unwrap() }],
        service_interface: InterfaceName::new("lan").unwrap(),
        digest: u64::MAX,
        preferred_addresses: vec![format!("10.9.0.{number}").parse().unwrap()],
        pool_addresses: vec!["fd00:9::50".parse().unwrap()],
        beat: Duration::from_millis(100),
        dead_after: Duration::from_millis(300),
        action_timeout: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        announce_every: Some(Duration::from_secs(1)),
        announce_again: vec![Duration::from_millis(100), Duration::from_millis(500)],
        orphan_timeout: Some(Duration::from_secs(60)),
        damping: None,
        failback: Failback::After(Duration::from_millis(200)),
        choice: Choice::Random,
        high_water_mark: Utilisation(800),
        low_water_mark: Utilisation(600),
        tests: vec!["web".parse().unwrap()],
        load: Some("cpu".parse().unwrap()),
        partition: Partition::Serve,
        load_moves: None,
    };
    let millis = Duration::from_millis;
    BoxParams {
        name: HostName::new(&format!("box-{number}")).unwrap(),
        incarnation: Incarnation(7),
        incarnation_is_guessed: false,
        generation: Generation(1),
        groups: BTreeMap::from([(group(), group_params)]),
        tests: BTreeMap::from([(
            "web".parse().unwrap(),
            TestParams { interval: millis(150), timeout: millis(100), rise: 1, fall: 2 },
        )]),
        loads: BTreeMap::from([("cpu".parse().unwrap(), LoadParams { interval: millis(250) })]),
        orders: rais_core::operator::StandingOrders::default(),
    }
}

/// A recording of a node: what the daemon's event loop does, without the daemon.
struct Recorded {
    node: Node,
    records: Vec<Record>,
}

impl Recorded {
    fn new(number: u8, at: Instant) -> Self {
        let params = params(number);
        let start = Start { format: FORMAT, release: String::from("0.1.0"), at, params: params.clone() };
        Self { node: Node::new(params, at), records: vec![Record::Start(Box::new(start))] }
    }

    fn take(&mut self, at: Instant, inputs: Vec<Input>) -> Vec<Action> {
        self.records.push(Record::Step { at, inputs: inputs.clone() });
        self.node.handle_all(at, inputs);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Action> {
        let actions: Vec<Action> = std::iter::from_fn(|| self.node.poll_action()).collect();
        if !actions.is_empty() {
            self.records.push(Record::Actions(actions.clone()));
        }
        actions
    }
}

/// What the edge answers to an action, and what the other box hears of it.
fn answer(actions: Vec<Action>, own: &mut Vec<Input>, heard: &mut Vec<Message>) {
    for action in actions {
        match action {
            Action::Send { message, .. } => heard.push(message),
            Action::Acquire { ticket, .. } => own.push(Input::Finished { ticket, result: Ok(()) }),
            Action::Release { ticket, .. } => {
                own.push(Input::Finished { ticket, result: Err(String::from("no \"x\"")) })
            }
            Action::Test { test } => own.push(Input::Tested { test, result: Ok(()) }),
            Action::Sample { load } => own.push(Input::Sampled { load, result: Ok((3, 4)) }),
            _ => {}
        }
    }
}

/// The recording of box 1, three seconds among two, with every kind of input in it, and its stop.
fn life() -> Vec<Record> {
    let (mut boxes, mut inbox) =
        ([Recorded::new(1, Instant::from_micros(5)), Recorded::new(2, Instant::from_micros(6))], [vec![], vec![]]);
    let odd = |step: u64| -> Option<Input> {
        Some(match step {
            50 => Input::Dropped { group: group(), cause: DropCause::BadSignature },
            60 => Input::Command(Command::Drain { group: None }),
            90 => Input::Command(Command::Unquiesce { group: Some(group()) }),
            120 => Input::Carrier { interface: InterfaceName::new("lan").unwrap(), up: false },
            140 => Input::Carrier { interface: InterfaceName::new("lan").unwrap(), up: true },
            160 => Input::Sampled { load: "cpu".parse().unwrap(), result: Err(String::from("gone")) },
            170 => Input::Configure(Box::new(BoxParams { generation: Generation(2), ..params(1) })),
            270 => Input::Stop,
            _ => return None,
        })
    };
    for step in 0..400 {
        let now = Instant::from_micros(10_000 * (step + 1));
        for index in 0..2 {
            let mut inputs: Vec<Input> = std::mem::take(&mut inbox[index]);
            inputs.extend(odd(step).filter(|_| index == 0));
            inputs.push(Input::Tick);
            let actions = match step {
                0 => boxes[index].drain(),
                _ => boxes[index].take(now, inputs),
            };
            let mut heard = Vec::new();
            let stopped = index == 0 && actions.contains(&Action::Stopped);
            answer(actions, &mut inbox[index], &mut heard);
            if stopped {
                let [mut first, _] = boxes;
                first.records.push(Record::End(End::Stopped));
                return first.records;
            }
            let interface = InterfaceName::new("control").unwrap();
            let received = |message| Input::Received { group: group(), interface: interface.clone(), message };
            inbox[1 - index].extend(heard.into_iter().map(received));
        }
    }
    panic!("box 1 did not stop");
}

fn text(records: &[Record]) -> String {
    let mut text = Vec::new();
    records.iter().for_each(|record| append_line(&mut text, record));
    String::from_utf8(text).unwrap()
}

fn replayed(text: &str) -> Result<Replayed, ReplayError> {
    replay(text.as_bytes(), |_, _| Ok(()))
}

/// Number, from 1, of the first line that holds all of these.
fn line_with(text: &str, words: &[&str]) -> usize {
    1 + text.lines().position(|line| words.iter().all(|word| line.contains(word))).unwrap()
}

fn with_line(text: &str, number: usize, line: &str) -> String {
    let lines = text.lines().enumerate().map(|(index, old)| if index + 1 == number { line } else { old });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_recorded_life_comes_out_the_same_and_no_input_is_left_out() {
    let records = life();
    let text = text(&records);
    let inputs: usize =
        records.iter().map(|r| if let Record::Step { inputs, .. } = r { inputs.len() } else { 0 }).sum();
    let actions: usize = records.iter().map(|r| if let Record::Actions(actions) = r { actions.len() } else { 0 }).sum();
    let summary = replayed(&text).unwrap();
    assert_eq!((summary.inputs, summary.actions), (inputs as u64, actions as u64));
    assert_eq!((summary.ending, summary.release.as_str()), (Ending::Stopped, "0.1.0"));
    for kind in ["Acquire", "Release", "Announce", "Renew", "Test", "Sample", "Notify", "Answer", "Leave", "Stopped"] {
        assert!(text.contains(&format!("\"{kind}\"")), "the life is too dull to prove anything: no {kind}");
    }
}

#[test]
fn every_changed_action_is_found_where_it_is() {
    let text = text(&life());
    let lines: Vec<&str> = text.lines().collect();
    let mut found = 0;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("{\"actions\":[{\"Send\"")) {
        let changed = line.replacen("\"sequence\":", "\"sequence\":1", 1);
        let Err(ReplayError::Differs(difference)) = replayed(&with_line(&text, index + 1, &changed)) else {
            panic!("line {} was changed and not found: {changed}", index + 1);
        };
        // The line before holds the input, or the start.
        assert_eq!((difference.line, difference.number), (index as u64, 1));
        assert_ne!(difference.recorded, difference.replayed);
        found += 1;
    }
    assert!(found > 10, "{found}");
}

#[test]
fn a_file_that_is_not_what_was_written_is_refused_by_line() {
    let text = text(&life());
    let lines: Vec<&str> = text.lines().collect();
    let acquired = line_with(&text, &["\"actions\"", "\"Acquire\":{\"ticket\""]);
    let commanded = line_with(&text, &["\"Command\"", "drain"]);
    let without = |number: usize| -> String {
        let kept = lines.iter().enumerate().filter(|(index, _)| index + 1 != number);
        kept.map(|(_, line)| format!("{line}\n")).collect()
    };
    let table = [
        ("without an acquire", without(acquired), format!("after line {} the replay differs", acquired - 1)),
        ("without a command", without(commanded), String::from("the replay differs")),
        (
            "actions twice",
            with_line(&text, acquired, &format!("{0}\n{0}", lines[acquired - 1])),
            format!("line {}: actions that follow from no input", acquired + 1),
        ),
        (
            "another command",
            text.replacen("\"command\":\"drain\"", "\"command\":\"quiesce\"", 1),
            String::from("the replay differs"),
        ),
        ("no JSON", with_line(&text, 9, "hello"), String::from("line 9: expected value, column 1")),
        ("no record", with_line(&text, 9, r#"{"stop":1}"#), String::from("line 9: unknown variant `stop`")),
        (
            "no start",
            text.lines().skip(1).map(|l| format!("{l}\n")).collect(),
            String::from("line 1: a journal begins"),
        ),
        ("two starts", with_line(&text, 9, lines[0]), String::from("line 9: a second start")),
        ("more", format!("{text}{}\n", lines[1]), format!("line {}: more follows the end", lines.len() + 1)),
        (
            "another format",
            text.replacen("\"format\":1", "\"format\":2", 1),
            String::from("line 1: the journal is of format 2"),
        ),
        ("a gap", with_line(&text, 9, r#"{"gap":{"records":3}}"#), String::from("line 9: 3 records are missing")),
        ("empty", String::new(), String::from("line 1: the file is empty")),
    ];
    for (what, text, expected) in table {
        match replayed(&text) {
            Ok(replayed) => panic!("{what}: {replayed:?}"),
            Err(error) => assert!(error.to_string().contains(&expected), "{what}: {error}"),
        }
    }
}

#[test]
fn a_file_cut_off_at_any_octet_replays_as_far_as_it_goes() {
    let text = text(&life());
    let start = text.find('\n').unwrap();
    for length in (start + 1..text.len()).step_by(97).chain([text.len() - 1]) {
        let cut = &text[..length];
        let lines = cut.lines().count() as u64;
        let expected = match (cut.ends_with('\n'), text[length..].starts_with('\n')) {
            // Whole, and perhaps but for its newline.
            (false, true) if length == text.len() - 1 => Ending::Stopped,
            (true, _) | (_, true) => Ending::Open,
            (false, false) => Ending::Torn(lines),
        };
        assert_eq!(replayed(cut).unwrap().ending, expected, "{length}");
    }
    // What a file system makes of the end after a power cut.
    let zeros = format!("{}\0\0\0\0", &text[..text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1]);
    assert!(matches!(replayed(&zeros).unwrap().ending, Ending::Torn(_)));
}
