//! What `raisd --journal` wrote, `raisctl replay` lives again.

use super::fuzz::{self, in_namespace};
use super::lab::{Gateway, Lab, run, until};
use nix::sys::signal::Signal;
use rais::journal::Record;
use rais_core::io::{Command, Input};
use rais_core::view::AddressState;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

impl Lab {
    fn journal(&mut self, number: u8) -> PathBuf {
        self.gateway(number).state().with_file_name("journal")
    }

    fn start_recorded(&mut self, number: u8, more: &[&str]) {
        let path = self.journal(number);
        let gateway = self.gateway(number);
        let log = gateway.append_to_log();
        let mut command = gateway.command();
        command.arg("--journal").arg(path).args(more).stderr(log);
        gateway.start_as(command);
    }
}

fn replay(path: &Path, options: &[&str]) -> Output {
    Process::new(env!("CARGO_BIN_EXE_raisctl")).arg("replay").arg(path).args(options).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_recorded_run_of_two_boxes_replays_identically_and_a_changed_line_is_found() {
    let mut lab = Lab::new(2);
    for number in 1..=2 {
        lab.start_recorded(number, &[]);
    }
    lab.settle();
    // Something to record: a move and back, a carrier lost, a configuration that changes something, a box that dies.
    assert!(lab.gateway(1).raisctl("drain").status.success());
    until("box 1 serves nothing", || {
        let left: Vec<String> = lab.service_addresses().into_iter().filter(|a| lab.gateways()[0].has(a)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert!(lab.gateway(1).raisctl("unquiesce").status.success());
    lab.settle();
    let text = lab.gateway(1).configuration().replace("\"10.99.0.150\", ", "");
    lab.gateway(1).write_configuration(&text);
    assert!(lab.gateway(1).raisctl("reload").status.success());
    lab.gateway(2).kill();
    until("box 1 serves all that is left", || match lab.gateways()[0].has("10.99.0.102") {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.gateway(1).signal(Signal::SIGTERM);
    assert_eq!(lab.gateway(1).wait(), Some(0));

    let (stopped, killed) = (lab.journal(1), lab.journal(2));
    for (path, note) in [(&stopped, "the box stopped as it was told"), (&killed, "no end: raisd was killed")] {
        let output = replay(path, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).starts_with("identical: ") && said(&output).contains(note), "{}", said(&output));
    }
    let text = fs::read_to_string(&stopped).unwrap();
    println!("{} octets, {} lines; {}", text.len(), text.lines().count(), said(&replay(&stopped, &[])));

    // No secret got in, and nobody else may read it.
    assert_eq!(fs::metadata(&stopped).unwrap().permissions().mode() & 0o777, 0o600);
    for secret in ["5a5a5a5a", "lab-community", "90,90,90,90"] {
        assert!(!text.contains(secret), "{secret} is in the journal");
    }

    // Every input and every action is a line.
    let output = replay(&stopped, &["--verbose"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for words in
        [" = box-1 starts", " < received http on control: 10.99.0.2", " < command", " > acquire http", " > stopped"]
    {
        assert!(shown.contains(words), "{words}:\n{}", shown.lines().take(50).collect::<Vec<_>>().join("\n"));
    }
    let summary = shown.lines().find(|line| line.starts_with("identical: ")).unwrap();
    let figures: Vec<usize> = summary.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let count = |mark: &str| shown.lines().filter(|line| line.get(14..17) == Some(mark)).count();
    assert_eq!((count(" < "), count(" > ")), (figures[0], figures[1]));

    // Somebody changed a line.
    let number = text.lines().position(|line| line.contains("\"actions\":[{\"Acquire\"")).unwrap();
    let tampered: String = text
        .lines()
        .enumerate()
        .map(|(index, line)| if index == number { line.replacen("\"ticket\":", "\"ticket\":9", 1) } else { line.to_owned() } + "\n")
        .collect();
    let path = stopped.with_file_name("tampered");
    fs::write(&path, tampered).unwrap();
    let output = replay(&path, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let expected =
        [format!("after line {number} the replay differs"), String::from("\"ticket\":9"), String::from("replayed  {")];
    assert!(expected.iter().all(|words| said(&output).contains(words)), "{}", said(&output));

    // The power went while a line was written.
    fs::write(&path, &text[..text.len() / 2 + 7]).unwrap();
    let output = replay(&path, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("is not whole and was left out"), "{}", said(&output));

    // That is no journal, and neither is a file that is not there.
    fs::write(&path, text.replacen("{\"step\"", "{\"stop\"", 1)).unwrap();
    let output = replay(&path, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("line 3: unknown variant `stop`"), "{}", said(&output));
    assert_eq!(replay(&path.with_file_name("nothing"), &[]).status.code(), Some(2));
}

#[test]
fn a_restart_keeps_the_life_before_and_a_full_or_impossible_journal_stops_nobody() {
    let mut lab = Lab::new(1);
    let path = lab.journal(1);
    lab.start_recorded(1, &["--journal-limit", "1"]);
    lab.settle();
    let first = fs::read_to_string(&path).unwrap();
    lab.gateway(1).kill();
    // What is no file is left alone, and raisd serves without a journal.
    fs::rename(&path, path.with_extension("kept")).unwrap();
    fs::create_dir(&path).unwrap();
    lab.start_recorded(1, &[]);
    lab.settle();
    assert!(lab.gateway(1).log().contains("no journal: the file can not be written"));
    lab.gateway(1).kill();
    fs::remove_dir(&path).unwrap();
    fs::rename(path.with_extension("kept"), &path).unwrap();
    lab.start_recorded(1, &[]);
    lab.settle();
    let earlier = fs::read_to_string(path.with_file_name("journal.1")).unwrap();
    assert!(earlier.starts_with(&first), "the life before is kept");
    assert_eq!(replay(&path.with_file_name("journal.1"), &[]).status.code(), Some(0));
    assert_eq!(replay(&path, &[]).status.code(), Some(0), "a journal that is being written can be replayed");
}

#[test]
fn what_is_acquired_together_is_announced_together() {
    let mut lab = Lab::new(1);
    let path = lab.journal(1);
    let many: Vec<String> = (1..=200).map(|n| format!("\"10.99.7.{n}\"")).collect();
    let with_many = format!("preferred_addresses = [{}, ", many.join(", "));
    let text = lab.gateway(1).configuration().replace("preferred_addresses = [", &with_many);
    lab.gateway(1).write_configuration(&text);
    lab.start_recorded(1, &[]);
    until("box 1 serves them all", || {
        let group = lab.gateways()[0].group()?;
        let online = group.addresses.iter().filter(|row| row.state == AddressState::Online).count();
        if online == 203 { Ok(()) } else { Err(format!("{online}")) }
    });
    lab.gateway(1).signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(lab.gateway(1).wait(), Some(0));

    let text = fs::read_to_string(&path).unwrap();
    let steps: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let decided: Vec<_> = steps.iter().filter_map(|step| step.get("actions")?.as_array()).collect();
    let acquired =
        decided.iter().map(|actions| actions.iter().filter(|action| action.get("Acquire").is_some()).count());
    let acquired = acquired.max().unwrap();
    assert!(acquired >= 200, "{acquired}");
    let announced = decided.iter().flat_map(|actions| actions.iter()).find_map(|action| action.get("Announce"));
    let announced = announced.unwrap().get("addresses").unwrap().as_array().unwrap().len();
    assert_eq!(announced, acquired, "the first announcement");
}

/// The kinds of input there are. The match has no arm for the rest: a new kind does not compile before it is here, and
/// then it must occur.
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Tick => "Tick",
        Input::Received { .. } => "Received",
        Input::Unsigned { .. } => "Unsigned",
        Input::Dropped { .. } => "Dropped",
        Input::Finished { .. } => "Finished",
        Input::Tested { .. } => "Tested",
        Input::Sampled { .. } => "Sampled",
        Input::Witnessed { .. } => "Witnessed",
        Input::Claimed { .. } => "Claimed",
        Input::Removed { .. } => "Removed",
        Input::Carrier { .. } => "Carrier",
        Input::Command(Command::Quiesce { .. }) => "Quiesce",
        Input::Command(Command::Unquiesce { .. }) => "Unquiesce",
        Input::Command(Command::Drain { .. }) => "Drain",
        Input::Command(Command::Failback { .. }) => "Failback",
        Input::Command(Command::Choice { .. }) => "Choice",
        Input::Command(Command::Acquire { .. }) => "Acquire",
        Input::Command(Command::Release { .. }) => "Release",
        Input::Configure(_) => "Configure",
        Input::Outlived { .. } => "Outlived",
        Input::Stop => "Stop",
    }
}

/// All of them.
const KINDS: [&str; 21] = [
    "Tick",
    "Received",
    "Unsigned",
    "Dropped",
    "Finished",
    "Tested",
    "Sampled",
    "Witnessed",
    "Claimed",
    "Removed",
    "Carrier",
    "Quiesce",
    "Unquiesce",
    "Drain",
    "Failback",
    "Choice",
    "Acquire",
    "Release",
    "Configure",
    "Outlived",
    "Stop",
];

/// Those of them that a journal lacks.
fn lacking(path: &Path) -> Vec<&'static str> {
    let text = fs::read_to_string(path).unwrap();
    // Its last line may be being written.
    let records = text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
    let inputs =
        records.filter_map(|record| if let Record::Step { inputs, .. } = record { Some(inputs) } else { None });
    let seen: BTreeSet<&str> = inputs.flatten().map(|input| kind(&input)).collect();
    KINDS.into_iter().filter(|kind| !seen.contains(kind)).collect()
}

/// Box 1's, with something for every kind of input to come of.
fn configuration_with_everything(gateway: &Gateway) -> String {
    let text = gateway.configuration();
    let keys = concat!(
        "partition = \"witness\"\nwitnesses = [\"10.99.0.254\"]\nwitness_interval = \"200ms\"\n",
        "announce_every = \"1s\"\ntests = [\"web\"]\nload = \"cpu\"\nauthentication = \"sign\"\nbeat = "
    );
    let objects = concat!(
        "[[test]]\nname = \"web\"\ntype = \"tcp-connect\"\ntarget = \"10.99.0.254:80\"\ninterval = \"200ms\"\n\n",
        "[[load]]\nname = \"cpu\"\ntype = \"cpu\"\ninterval = \"200ms\"\n\n[[group]]"
    );
    text.replace("beat = ", keys).replace("[[group]]", objects)
}

#[test]
fn a_life_in_which_every_kind_of_input_occurs_replays_identically() {
    let mut lab = Lab::new(2);
    let web = in_namespace(&lab.client(), || TcpListener::bind("10.99.0.254:80").unwrap());
    std::thread::spawn(move || web.incoming().for_each(drop));
    let text = configuration_with_everything(lab.gateway(1));
    lab.gateway(1).write_configuration(&text);
    // Nobody signs for box 2.
    let other = lab.gateway(2).configuration().replace("beat = ", "authentication = \"receive-any\"\nbeat = ");
    lab.gateway(2).write_configuration(&other);
    for number in 1..=2 {
        lab.start_recorded(number, &[]);
    }
    lab.settle();
    // Box 1 loses its start counter after a life that was far ahead: box 2 says so to the last life, which is looked at.
    let counter = lab.gateway(1).state().join("incarnation");
    let before: u64 = fs::read_to_string(&counter).unwrap().trim().parse().unwrap();
    for ahead in [Some(before + 1_000_000_000), None] {
        lab.gateway(1).kill_with_guardian();
        match ahead {
            Some(ahead) => fs::write(&counter, format!("{ahead}\n")).unwrap(),
            None => fs::remove_file(&counter).unwrap(),
        }
        lab.start_recorded(1, &[]);
        lab.settle();
    }
    fuzz::group_port(&lab.client(), 50);
    lab.set_port(1, "lan", "down");
    until("box 2 serves everything", || match lab.service_addresses().iter().all(|a| lab.gateways()[1].has(a)) {
        true => Ok(()),
        false => Err(String::from("not yet")),
    });
    lab.set_port(1, "lan", "up");
    lab.settle();
    for command in [
        "quiesce",
        "unquiesce",
        "policy --failback manual --choice random",
        "policy --failback configured --choice configured",
        "acquire 10.99.0.150 --host box-2",
        "release 10.99.0.150",
        "drain",
        "unquiesce",
    ] {
        let output = lab.gateway(1).raisctl(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        lab.settle();
    }
    lab.gateway(1).write_configuration(&text.replace("lease = \"1000ms\"", "lease = \"2s\""));
    assert!(lab.gateway(1).raisctl("reload").status.success());
    lab.settle();
    // Somebody takes an address from box 1.
    run(&format!("ip -n {} addr del 10.99.0.101/32 dev lan", lab.gateways()[0].namespace));
    lab.settle();
    // Some other machine has an address of box 1, which asks each second whether that is so.
    run(&format!("ip -n {} addr add 10.99.0.101/32 dev lan", lab.client()));
    let path = lab.journal(1);
    until("all but its end is recorded", || {
        let lacking = lacking(&path);
        if lacking == ["Stop"] { Ok(()) } else { Err(format!("{lacking:?} did not occur")) }
    });
    lab.gateway(1).signal(Signal::SIGTERM);
    assert_eq!(lab.gateway(1).wait(), Some(0));
    assert_eq!(lacking(&path), [""; 0]);
    let output = replay(&path, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("identical: "), "{}", said(&output));
    println!("{}", said(&output));
}
