//! raisctl: what an operator types, and how raisd answers.
//!
//! It knows the control protocol and nothing of the daemon behind it. Rendering is pure ([`status`], [`events`]); this
//! file parses arguments, asks, prints, and picks the exit code.

pub mod client;
pub mod config_command;
pub mod events;
pub mod human;
pub mod plan;
pub mod protocol;
pub mod replay_command;
pub mod snmp_command;
pub mod status;
pub mod table;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::{Unreachable, ask};
use protocol::{MAX_EVENTS, Refusal, Request, Response};
use rais_core::address::{GroupName, IdAddress, ServiceAddress};
use rais_core::io::Command as Order;
use rais_core::operator::FailbackOrder;
use rais_core::params::Choice;
use rais_core::view::GroupView;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::Palette;
use thiserror::Error;

use crate::snapshot::Snapshot;

/// Where raisd listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/rais/raisd.sock";
/// Names the socket if `--socket` does not.
pub const SOCKET_VARIABLE: &str = "RAIS_SOCKET";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; the reason is on standard error
  2  the command line makes no sense
  3  raisd could not be reached
  4  `plan`: an address would be served by nobody";

/// Look at and operate a rais box.
#[derive(Debug, Parser)]
#[command(name = "raisctl", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Where raisd listens [default: $RAIS_SOCKET, or /run/rais/raisd.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the groups of this box, their boxes, and who serves which address
    Status(StatusArgs),
    /// Show what happened: addresses acquired and released, boxes lost and found, failed tests
    Events(EventsArgs),
    /// Take no new service address; what is served stays
    ///
    /// The box goes on serving what it serves, and the leader gives it nothing more. `raisctl unquiesce` ends it.
    Quiesce(GroupArgs),
    /// Undo quiesce and drain: take addresses again
    Unquiesce(GroupArgs),
    /// Quiesce, and hand every service address to another box, one at a time
    ///
    /// Before maintenance: when `raisctl status` shows that this box serves 0 addresses, it can be taken away with no
    /// effect. `raisctl unquiesce` ends it.
    Drain(GroupArgs),
    /// Change how a group decides, whatever its boxes' configurations say; `configured` takes it back
    ///
    /// Said to any box of the group, it holds in the whole group, whichever box leads, over restarts and new
    /// configurations, until it is taken back. `raisctl status` shows it on every box.
    Policy(PolicyArgs),
    /// Have a box serve an address, moving it there if another box serves it
    ///
    /// Only the group's leader can do this; any other box refuses and names the leader to ask.
    Acquire(AcquireArgs),
    /// Have whoever serves an address give it up; the group then picks a server anew
    ///
    /// Only the group's leader can do this; any other box refuses and names the leader to ask.
    Release(ReleaseArgs),
    /// Show what would become of the service addresses without some boxes; nothing is done
    ///
    /// Answered by the choice that the leader makes, on what this box knows now. Exit code 4: an address would be served
    /// by nobody.
    Plan(PlanArgs),
    /// Load the configuration anew; a bad one changes nothing, and all its faults are shown
    Reload,
    /// Check, sign and verify configurations, without a raisd
    Config(config_command::ConfigArgs),
    /// Add, show and remove the SNMP users of a configuration, without a raisd
    Snmp(snmp_command::SnmpArgs),
    /// Live a recorded life again, and say whether the core does the same
    Replay(replay_command::ReplayArgs),
    /// Show the versions of raisctl and of the raisd it reaches
    Version,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// Everything raisd knows, as JSON
    #[arg(long)]
    json: bool,
    /// Redraw until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
struct EventsArgs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Go on with what happens from now, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Show at most this many of the newest events (raisd keeps 10,000)
    #[arg(long, short = 'n', default_value_t = 50, value_name = "COUNT")]
    count: u32,
}

#[derive(Debug, Args)]
struct GroupArgs {
    /// Only in this group [default: in every group of the box]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
}

#[derive(Debug, Args)]
struct AcquireArgs {
    /// The service address
    address: ServiceAddress,
    /// The group it belongs to [default: the one that has it]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// The box that is to serve it: its name or id address [default: the leader chooses]
    #[arg(long, value_name = "BOX")]
    host: Option<String>,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = true)]
struct PolicyChanges {
    /// When addresses go home to their preferred boxes
    #[arg(long, value_name = "WHEN")]
    failback: Option<FailbackWord>,
    /// How the leader chooses among boxes that may all serve an address
    #[arg(long, value_name = "HOW")]
    choice: Option<ChoiceWord>,
}

#[derive(Debug, Args)]
struct PolicyArgs {
    #[command(flatten)]
    changes: PolicyChanges,
    /// Only in this group [default: in every group of the box]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailbackWord {
    /// As each box is configured
    Configured,
    /// At once
    Immediate,
    /// When somebody asks
    Manual,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChoiceWord {
    /// As each box is configured
    Configured,
    /// Who has least for its capacity
    Balanced,
    /// Any of them
    Random,
}

#[derive(Debug, Args)]
struct ReleaseArgs {
    /// The service address
    address: ServiceAddress,
    /// The group it belongs to [default: the one that has it]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// A box that is thought away, by name or id address; several may be
    #[arg(long, required = true, value_name = "BOX")]
    without: Vec<String>,
    /// Only in this group [default: in every group that has one of the boxes]
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Why a command ended without success.
#[derive(Debug, Error)]
enum Failure {
    /// No answer: exit code 3.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// raisd refused: exit code 1, nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// A plan in which addresses would be served by nobody: exit code 4.
    #[error("{0} would be served by nobody")]
    Lost(String),
    /// The answer is to another question: something else listens there. Exit code 1.
    #[error("raisd answered something that was not asked")]
    Confused,
    /// Standard output can not be written: exit code 1.
    #[error("can not write: {0}")]
    Output(#[from] io::Error),
}

/// Runs raisctl with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let variable = std::env::var_os(SOCKET_VARIABLE).filter(|value| !value.is_empty());
    let socket = cli.socket.or(variable.map(PathBuf::from)).unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET));
    let command = match cli.command {
        Command::Config(args) => return config_command::run(args),
        Command::Replay(args) => return replay_command::run(&args),
        Command::Snmp(args) => return snmp_command::run(args),
        command => command,
    };
    match run(&socket, command) {
        Ok(()) => ExitCode::SUCCESS,
        // `raisctl events | head` is no failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("raisctl: {failure}");
            ExitCode::from(match failure {
                Failure::Unreachable(_) => 3,
                Failure::Lost(_) => 4,
                Failure::Refused(_) | Failure::Confused | Failure::Output(_) => 1,
            })
        }
    }
}

fn run(socket: &Path, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status(args) if args.watch => watch(socket),
        Command::Status(args) => status(socket, args.json),
        Command::Events(args) => show_events(socket, &args),
        Command::Quiesce(GroupArgs { group }) => order(socket, Order::Quiesce { group }),
        Command::Unquiesce(GroupArgs { group }) => order(socket, Order::Unquiesce { group }),
        Command::Drain(GroupArgs { group }) => order(socket, Order::Drain { group }),
        Command::Policy(args) => policy(socket, &args),
        Command::Acquire(args) => acquire(socket, args),
        Command::Release(args) => release(socket, args),
        Command::Plan(args) => plan_without(socket, args),
        Command::Reload => done(ask(socket, Request::Reload)?),
        // They need no raisd, and were run before this.
        Command::Config(_) | Command::Replay(_) | Command::Snmp(_) => Ok(()),
        Command::Version => version(socket),
    }
}

fn status(socket: &Path, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match ask(socket, Request::Status)? {
        response @ Response::Status { .. } if json => {
            serde_json::to_writer_pretty(&mut out, &response).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Response::Status { snapshot, runtime } => {
            out.write_all(status::render(&snapshot, &runtime, palette(), width()).as_bytes())?;
        }
        other => return Err(unexpected(other)),
    }
    Ok(())
}

/// Draws over the last picture line by line and only then clears what is left of it: nothing flickers. An interrupt
/// leaves the last picture on the screen.
fn watch(socket: &Path) -> Result<(), Failure> {
    const CLEAR_SCREEN: &str = "\x1b[2J";
    const HOME: &str = "\x1b[H";
    const CLEAR_TO_LINE_END: &str = "\x1b[K\n";
    const CLEAR_TO_SCREEN_END: &str = "\x1b[J";
    let mut out = io::stdout().lock();
    out.write_all(CLEAR_SCREEN.as_bytes())?;
    loop {
        let picture = match ask(socket, Request::Status) {
            Ok(Response::Status { snapshot, runtime }) => status::render(&snapshot, &runtime, palette(), width()),
            Ok(other) => return Err(unexpected(other)),
            // raisd may be restarting: say so and look again.
            Err(error) => format!("{error}\n"),
        };
        let drawn = fit(&picture).replace('\n', CLEAR_TO_LINE_END);
        out.write_all(format!("{HOME}{drawn}{CLEAR_TO_SCREEN_END}").as_bytes())?;
        out.flush()?;
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn show_events(socket: &Path, args: &EventsArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let (mut since, mut limit) = (None, args.count);
    loop {
        let Response::Events { events, newest } = answered(ask(socket, Request::Events { since, limit })?)? else {
            return Err(Failure::Confused);
        };
        for event in &events {
            if args.json {
                serde_json::to_writer(&mut out, event).map_err(io::Error::from)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", events::render(event, palette()))?;
            }
        }
        out.flush()?;
        if !args.follow {
            return Ok(());
        }
        let restarted = since.is_some_and(|seen| newest < seen);
        let seen = events.last().map_or(since.unwrap_or(newest), |event| event.number);
        since = Some(if restarted { 0 } else { seen });
        limit = MAX_EVENTS;
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn plan_without(socket: &Path, args: PlanArgs) -> Result<(), Failure> {
    let PlanArgs { without, group, json } = args;
    let plans = match ask(socket, Request::Plan { group, without })? {
        Response::Plan { plans } => plans,
        other => return Err(unexpected(other)),
    };
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &plans).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(plan::render(&plans, palette(), width()).as_bytes())?;
    }
    match plans.iter().map(|plan| plan.outcome.lost()).sum() {
        0 => Ok(()),
        1 => Err(Failure::Lost(String::from("1 address"))),
        lost => Err(Failure::Lost(format!("{lost} addresses"))),
    }
}

fn acquire(socket: &Path, args: AcquireArgs) -> Result<(), Failure> {
    let snapshot = fetch(socket)?;
    let group = group_of(&snapshot, args.group, args.address)?;
    let host = args.host.map(|host| host_of(group, &host)).transpose()?;
    let command = Order::Acquire { group: group.name.clone(), address: args.address, host };
    order_on_leader(socket, command, group)
}

fn release(socket: &Path, args: ReleaseArgs) -> Result<(), Failure> {
    let snapshot = fetch(socket)?;
    let group = group_of(&snapshot, args.group, args.address)?;
    order_on_leader(socket, Order::Release { group: group.name.clone(), address: args.address }, group)
}

fn fetch(socket: &Path) -> Result<Box<Snapshot>, Failure> {
    match ask(socket, Request::Status)? {
        Response::Status { snapshot, .. } => Ok(snapshot),
        other => Err(unexpected(other)),
    }
}

/// The group named, or the one that has the address.
fn group_of(snapshot: &Snapshot, name: Option<GroupName>, address: ServiceAddress) -> Result<&GroupView, Failure> {
    if let Some(name) = name {
        let missing = || Failure::Refused(format!("this box is not in a group named {name}"));
        return snapshot.view.group(&name).ok_or_else(missing);
    }
    let has = |group: &&GroupView| group.addresses.iter().any(|row| row.address == address);
    let mut having = snapshot.view.groups.iter().filter(has);
    match (having.next(), having.next()) {
        (Some(group), None) => Ok(group),
        (Some(_), Some(_)) => Err(Failure::Refused(format!("several groups have {address}: say which with --group"))),
        (None, _) => Err(Failure::Refused(format!("no group of this box has the service address {address}"))),
    }
}

/// A box by its name or id address.
fn host_of(group: &GroupView, text: &str) -> Result<IdAddress, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let mut named = group.hosts.iter().filter(|host| host.name.as_str() == text);
    match (named.next(), named.next()) {
        (Some(host), None) => Ok(host.id),
        (Some(_), Some(_)) => Err(Failure::Refused(format!("several boxes are named {text}: give the id address"))),
        (None, _) => Err(Failure::Refused(format!("group {} has no box {text}", group.name))),
    }
}

/// As [`order`], and a refusal for want of leadership names the leader.
fn order_on_leader(socket: &Path, command: Order, group: &GroupView) -> Result<(), Failure> {
    match ask(socket, Request::Command(command))? {
        Response::Refused(refusal @ Refusal::NotLeader { leader: Some(leader), .. }) => {
            let name = group.hosts.iter().find(|host| host.id == leader);
            let name = name.map_or(String::new(), |host| format!(" ({leader} is {})", host.name));
            Err(Failure::Refused(format!("{refusal}{name}")))
        }
        response => done(response),
    }
}

fn order(socket: &Path, command: Order) -> Result<(), Failure> {
    done(ask(socket, Request::Command(command))?)
}

fn policy(socket: &Path, args: &PolicyArgs) -> Result<(), Failure> {
    let PolicyChanges { failback, choice } = args.changes;
    if let Some(failback) = failback {
        let failback = match failback {
            FailbackWord::Configured => None,
            FailbackWord::Immediate => Some(FailbackOrder::Immediate),
            FailbackWord::Manual => Some(FailbackOrder::Manual),
        };
        order(socket, Order::Failback { group: args.group.clone(), failback })?;
    }
    if let Some(choice) = choice {
        let choice = match choice {
            ChoiceWord::Configured => None,
            ChoiceWord::Balanced => Some(Choice::Balanced),
            ChoiceWord::Random => Some(Choice::Random),
        };
        order(socket, Order::Choice { group: args.group.clone(), choice })?;
    }
    Ok(())
}

fn done(response: Response) -> Result<(), Failure> {
    match response {
        Response::Done { message } => Ok(writeln!(io::stdout(), "{message}")?),
        other => Err(unexpected(other)),
    }
}

fn version(socket: &Path) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "raisctl {}, control protocol {}", env!("CARGO_PKG_VERSION"), protocol::PROTOCOL)?;
    match ask(socket, Request::Version)? {
        Response::Version { version, name, incarnation, generation } => {
            writeln!(out, "raisd {version} on {name}, start {incarnation}, configuration {generation}")?;
            Ok(())
        }
        other => Err(unexpected(other)),
    }
}

fn answered(response: Response) -> Result<Response, Failure> {
    match response {
        Response::Refused(_) => Err(unexpected(response)),
        other => Ok(other),
    }
}

fn unexpected(response: Response) -> Failure {
    match response {
        Response::Refused(refusal) => Failure::Refused(refusal.to_string()),
        _ => Failure::Confused,
    }
}

/// Colour only for people, and only if they did not say no (<https://no-color.org>).
fn palette() -> Palette {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if io::stdout().is_terminal() && !refused && !dumb { Palette::Colour } else { Palette::Mono }
}

/// The terminal's columns, else what the shell says, else 80; never too narrow for a table.
fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0));
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal.or_else(columns).unwrap_or(80).clamp(60, 200)
}

/// As much of a picture as the terminal has lines: what is below would scroll the rest away.
fn fit(picture: &str) -> String {
    let lines = terminal_size::terminal_size_of(io::stdout()).map_or(usize::MAX, |(_, lines)| usize::from(lines.0));
    if picture.lines().count() < lines {
        return picture.to_owned();
    }
    let shown = picture.lines().take(lines.saturating_sub(2)).map(|line| line.to_owned() + "\n");
    shown.chain([String::from("  … more than fits: `raisctl status` shows all of it\n")]).collect()
}
