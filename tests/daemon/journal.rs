//! What `raisd --journal` wrote, `raisctl replay` lives again.

use super::lab::{Lab, until};
use rais_core::view::AddressState;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
    Command::new(env!("CARGO_BIN_EXE_raisctl")).arg("replay").arg(path).args(options).output().unwrap()
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
    lab.gateway(1).signal(nix::sys::signal::Signal::SIGTERM);
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
