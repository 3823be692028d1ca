//! `raisctl replay FILE`: lives a journal's life again and says whether the core does the same.
//!
//! It works on a file alone and talks to no raisd. What is the same is [`journal`](crate::journal)'s business; this is
//! the words around it.

use crate::journal::{Difference, Ending, ReplayError, Replayed, Seen, replay};
use clap::Args;
use rais_core::info_message::{Body, Info, Message, Order, Orders};
use rais_core::io::{Action, Input};
use rais_core::params::BoxParams;
use rais_core::time::Duration;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXIT_CODES: &str = "\
The file is one that `raisd --journal FILE` wrote. A last line that is not whole is the mark of a power cut: it is
left out, with a note.

Exit codes:
  0  every action came out as recorded
  1  one did not: the first is shown
  2  the file can not be read, or records are missing in it; the line is named";

/// `raisctl replay`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ReplayArgs {
    /// The journal
    file: PathBuf,
    /// Show every input and every action, a line each, with the time since the start
    #[arg(long, short)]
    verbose: bool,
}

/// Replays a journal.
#[must_use]
pub fn run(args: &ReplayArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let ended = File::open(&args.file).map_err(|source| ReplayError::Read { line: 0, source }).and_then(|file| {
        replay(BufReader::new(file), |at, seen| match args.verbose {
            true => writeln!(out, "{:>14} {}", seconds(at), line_of(seen)),
            false => Ok(()),
        })
    });
    // What was seen comes before what is said of it, whichever stream that goes to.
    let shown = out.flush();
    match (ended, shown) {
        (Err(ReplayError::Watcher(error)), _) | (_, Err(error)) => output_failed(&error),
        (Ok(replayed), Ok(())) => match out.write_all(told(&replayed).as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output_failed(&error),
        },
        (Err(error), Ok(())) => refused(&args.file, &error),
    }
}

/// `raisctl replay FILE --verbose | head` is no failure.
fn output_failed(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    eprintln!("raisctl: can not write: {error}");
    ExitCode::from(2)
}

fn refused(file: &Path, error: &ReplayError) -> ExitCode {
    eprintln!("raisctl: {}: {error}", file.display());
    match error {
        ReplayError::Differs(difference) => {
            eprint!("{}", contrast(difference));
            ExitCode::from(1)
        }
        _ => ExitCode::from(2),
    }
}

fn told(replayed: &Replayed) -> String {
    let Replayed { release, inputs, actions, lived, ending } = replayed;
    let note = match ending {
        Ending::Stopped => String::from("the box stopped as it was told"),
        Ending::Full => String::from("the file was full: what came after is not recorded"),
        Ending::Open => String::from("no end: raisd was killed, or still runs"),
        Ending::Torn(line) => {
            format!("line {line} is not whole and was left out: the power was cut, or raisd still runs")
        }
    };
    let lived = seconds(*lived);
    format!("identical: {inputs} inputs, {actions} actions, {lived} s, recorded by raisd {release}\n{note}\n")
}

/// What was recorded and what came out, in full: the two may differ in a single digit.
fn contrast(difference: &Difference) -> String {
    let Difference { at, inputs, number, recorded, replayed, .. } = difference;
    let mut text = format!("  at        {} s, action {number}\n", seconds(*at));
    match inputs.is_empty() {
        true => text += "  input     none: it had just started\n",
        false => inputs.iter().for_each(|input| text += &format!("  input     {}\n", json(input))),
    }
    let full = |action: &Option<Action>| action.as_ref().map_or_else(|| String::from("no further action"), json);
    text + &format!("  recorded  {}\n  replayed  {}\n", full(recorded), full(replayed))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// One input or action in a line, without its newline: `<` went in, `>` came out.
#[must_use]
fn line_of(seen: Seen<'_>) -> String {
    match seen {
        Seen::Start(BoxParams { name, incarnation, generation, groups, .. }) => {
            let groups: Vec<&str> = groups.keys().map(rais_core::address::GroupName::as_str).collect();
            format!("= {name} starts: incarnation {incarnation}, generation {generation}, groups {}", groups.join(" "))
        }
        Seen::Input(input) => format!("< {}", words_of_input(input)),
        Seen::Action(action) => format!("> {}", words_of_action(action)),
    }
}

fn words_of_input(input: &Input) -> String {
    match input {
        Input::Tick => String::from("tick"),
        Input::Received { group, interface, message } => {
            format!("received {group} on {interface}: {} {}", message.sender, words_of_message(message))
        }
        Input::Dropped { group, cause } => format!("dropped {group}: {cause}"),
        Input::Finished { ticket, result } => format!("finished {ticket}: {}", words_of_result(result)),
        Input::Unsigned { group } => format!("unsigned {group}: the next message"),
        Input::Witnessed { group, witness, result } => {
            format!("witness {witness} of {group}: {}", words_of_result(result))
        }
        Input::Tested { test, result } => format!("tested {test}: {}", words_of_result(result)),
        Input::Sampled { load, result: Ok((now, capacity)) } => format!("sampled {load}: {now} of {capacity}"),
        Input::Sampled { load, result: Err(error) } => format!("sampled {load}: failed: {error}"),
        Input::Claimed { interface, address, mac } => format!("{mac} claims {address} on {interface}"),
        Input::Removed { interface, address } => format!("somebody removed {address} from {interface}"),
        Input::Carrier { interface, up } => format!("carrier {interface}: {}", if *up { "up" } else { "down" }),
        Input::Outlived { incarnation } => format!("lives on as #{incarnation}"),
        Input::Command(command) => format!("command {}", json(command)),
        Input::Configure(params) => format!("configure generation {}", params.generation),
        Input::Stop => String::from("stop"),
    }
}

fn words_of_action(action: &Action) -> String {
    let list = |addresses: &[rais_core::address::ServiceAddress]| {
        let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        words.join(" ")
    };
    match action {
        Action::Send { group, message } => format!("send {group}: {}", words_of_message(message)),
        Action::Acquire { ticket, group, address } => format!("acquire {group} {address}, ticket {ticket}"),
        Action::Release { ticket, group, address, reason } => {
            format!("release {group} {address}, {reason}, ticket {ticket}")
        }
        Action::Restore { ticket, group, address, times } => {
            format!("restore {group} {address}, time {times}, ticket {ticket}")
        }
        Action::Announce { group, addresses } => format!("announce {group}: {}", list(addresses)),
        Action::Renew { group, addresses } => format!("renew {group}: {}", list(addresses)),
        Action::Test { test } => format!("test {test}"),
        Action::Witness { group, witness, .. } => format!("witness {witness} of {group}"),
        Action::Sample { load } => format!("sample {load}"),
        Action::Notify(notification) => format!("notify {}", json(notification)),
        Action::Answer(Ok(())) => String::from("answer: done"),
        Action::Answer(Err(error)) => format!("answer: {error}"),
        Action::Outlive { known } => format!("outlive #{known}"),
        Action::Remember(orders) => format!("remember {}", json(orders)),
        Action::Stopped => String::from("stopped"),
    }
}

fn words_of_result(result: &Result<(), String>) -> String {
    match result {
        Ok(()) => String::from("well"),
        Err(error) => format!("failed: {error}"),
    }
}

fn words_of_message(message: &Message) -> String {
    let orders = |word: &str, Orders { pass, orders }: &Orders| {
        let words =
            |order: &Order| format!("{} by {}#{}, {}", order.address, order.destination, order.life, order.reason);
        format!("{word}, pass {pass}: {}", orders.iter().map(words).collect::<Vec<_>>().join("; "))
    };
    let body = match &message.body {
        Body::Info(info) => words_of_info(info),
        Body::Acquire(to) => orders("acquire", to),
        Body::Release(to) => orders("release", to),
        Body::Leave => String::from("leave"),
        Body::Ask(ask) => format!("ask {}, known version {}", ask.host, ask.known),
    };
    format!("#{}.{} {body}", message.incarnation, message.sequence)
}

fn words_of_info(info: &Info) -> String {
    let status = &info.status;
    let flags = [
        (!status.ok, " not-ok"),
        (!status.settled, " unsettled"),
        (status.quiesced, " quiesced"),
        (status.draining, " draining"),
    ];
    let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
    let part = info.part.as_ref().map(|part| format!(", part {} of {}", u32::from(part.index) + 1, part.count));
    let heard = info.heard.iter().map(|heard| format!(" {} {} ms", heard.id, heard.age.as_millis()));
    let heard: Vec<String> = heard.collect();
    format!("info v{}{flags}{}, heard{}", info.entry_version, part.unwrap_or_default(), heard.join(","))
}
