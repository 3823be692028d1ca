//! What `raisctl status` shows: a snapshot as text for a terminal. Pure; ages count from the snapshot's own time.

use super::human;
use super::protocol::Runtime;
use super::table::{Cell, Palette, Table, Tone, wrap};
use crate::snapshot::{AboutGroup, AboutReceiver, Peer, Snapshot, error_text};
use crate::snmp::ReceiverFigures;
use rais_core::address::IdAddress;
use rais_core::counters::DropCause;
use rais_core::notification::{HostState, PartitionState, Reason};
use rais_core::params::{Choice, Failback};
use rais_core::quantity::Utilisation;
use rais_core::time::Instant;
use rais_core::view::{AddressState, AddressView, GroupView, HostView, PartitionView};
use std::fmt::Write;

/// Longest name shown in a column of its own; longer ones end in `…`.
const NAME_WIDTH: usize = 16;

/// The whole status, for a terminal `width` columns wide.
#[must_use]
pub fn render(snapshot: &Snapshot, runtime: &Runtime, palette: Palette, width: usize) -> String {
    let mut page = Page { text: String::new(), palette, width };
    page.header(snapshot, runtime);
    for group in &snapshot.view.groups {
        let about = snapshot.about.groups.iter().find(|about| about.name == group.name);
        page.group(group, about, &snapshot.peers(group), snapshot.view.at);
    }
    page.objects(snapshot);
    page.receivers(&snapshot.about.receivers, &runtime.receivers);
    page.text
}

struct Page {
    text: String,
    palette: Palette,
    width: usize,
}

impl Page {
    fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        for line in wrap(text, self.width.saturating_sub(indent)) {
            let _ = writeln!(self.text, "{:indent$}{}", "", self.palette.paint(tone, &line));
        }
    }

    fn table(&mut self, table: &Table) {
        self.text.push_str(&table.draw(self.palette, self.width));
    }

    fn header(&mut self, snapshot: &Snapshot, runtime: &Runtime) {
        let (view, about) = (&snapshot.view, &snapshot.about);
        let up = human::duration(view.at.since(about.started));
        let name = self.palette.paint(Tone::Strong, view.name.as_str());
        let signer = about.signer.as_ref().map_or(String::new(), |signer| format!(", signed by {signer}"));
        let generation = view.generation;
        let _ = writeln!(self.text, "{name}  rais {}, up {up}, configuration {generation}{signer}", about.version);
        if about.signer.is_none() {
            self.line(Tone::Warn, 2, "The configuration is not signed: raisd runs with --insecure-unsigned.");
        }
        if let Some(Err(reason)) = &about.last_reload {
            self.line(Tone::Bad, 2, "The last reload was refused; this configuration stays:");
            self.line(Tone::Bad, 4, reason);
        }
        if about.network_repairs > 0 {
            let text = format!(
                "{} of this box's addresses and routes were put back: somebody else removed them, or their link was down.",
                about.network_repairs
            );
            self.line(Tone::Warn, 2, &text);
        }
        for (count, what) in [(runtime.log_lines_dropped, "log lines"), (runtime.traps_dropped, "traps")] {
            if count > 0 {
                self.line(Tone::Warn, 2, &format!("{count} {what} dropped: their reader is too slow."));
            }
        }
    }

    fn group(&mut self, group: &GroupView, about: Option<&AboutGroup>, peers: &[Peer], now: Instant) {
        self.text.push('\n');
        let name = self.palette.paint(Tone::Strong, group.name.as_str());
        let place = about.map_or(String::new(), |about| {
            let control: Vec<&str> = about.control_interfaces.iter().map(|name| name.as_str()).collect();
            format!("  {} on {}, serving on {}", about.address, control.join(" and "), about.service_interface)
        });
        let _ = writeln!(self.text, "{name}{place}");
        let (beat, dead_after) = (human::duration(group.beat), human::duration(group.dead_after));
        let leader = match group.leader {
            Some(leader) if group.leads() => format!("leader {} (this box)", name_of(group, leader)),
            Some(leader) => format!("leader {}", name_of(group, leader)),
            None if group.settled => String::from("no leader"),
            None => String::from("listening before it takes part"),
        };
        let since = human::duration(now.since(group.last_change));
        self.line(Tone::Plain, 2, &format!("{leader} for {since}, beat {beat}, dead after {dead_after}"));
        self.peers(group, peers);
        self.partition(group);
        self.policy(group);
        if group.disagreeing > 0 {
            let differing = group.hosts.iter().filter(|host| host.differs);
            let names: Vec<&str> = differing.map(|host| host.name.as_str()).collect();
            let are = if group.disagreeing == 1 { "is" } else { "are" };
            let text = format!("{} {are} configured differently for this group.", names.join(", "));
            self.line(Tone::Warn, 2, &text);
        }
        if group.counters.unsigned_in > 0 {
            let text = format!(
                "{} messages taken that nobody signed: authentication is not required yet.",
                group.counters.unsigned_in
            );
            self.line(Tone::Warn, 2, &text);
        }
        if group.counters.repairs > 0 {
            let text = format!(
                "Somebody else removed service addresses here: they were put back {} times.",
                group.counters.repairs
            );
            self.line(Tone::Warn, 2, &text);
        }
        self.drops(group);
        self.hosts(group, now);
        self.addresses(group, now);
    }

    /// Whom it tells one by one, where there is no multicast, with the names of those that are known.
    fn peers(&mut self, group: &GroupView, peers: &[Peer]) {
        let of = |configured| {
            let these = peers.iter().filter(move |peer| peer.configured == configured);
            let named = these.map(|peer| match group.host_at(peer.address) {
                Some(host) => format!("{} ({})", peer.address, host.name),
                None => peer.address.to_string(),
            });
            named.collect::<Vec<_>>().join(", ")
        };
        let (configured, learnt) = (of(true), of(false));
        let parts = [("", configured), ("learnt: ", learnt)];
        let parts: Vec<_> =
            parts.iter().filter(|(_, list)| !list.is_empty()).map(|(word, list)| format!("{word}{list}")).collect();
        if !parts.is_empty() {
            self.line(Tone::Plain, 2, &format!("without multicast, tells {}", parts.join("; ")));
        }
    }

    /// A policy under which the group always serves is not worth a line.
    fn partition(&mut self, group: &GroupView) {
        let (tone, what) = match group.partition_state {
            PartitionState::Serving => (Tone::Plain, "serves"),
            PartitionState::Minority | PartitionState::NoWitness => (Tone::Bad, "serves nothing here"),
        };
        let why = match &group.partition {
            PartitionView::Serve => return,
            PartitionView::Majority { voters, present } => {
                format!("{present} of the {} voters are in this part", voters.len())
            }
            PartitionView::Witness { witnesses } => {
                let state = |reached| if reached { "answers" } else { "does not answer" };
                let each = witnesses.iter().map(|witness| format!("{} {}", witness.address, state(witness.reached)));
                format!("witness {}", each.collect::<Vec<_>>().join(", "))
            }
        };
        self.line(tone, 2, &format!("{what}: {why}"));
    }

    /// What operators changed, and from what.
    fn policy(&mut self, group: &GroupView) {
        let Some(told) = group.policy.told else { return };
        let failback = |failback| match failback {
            Failback::Immediate => String::from("immediate"),
            Failback::After(wait) => format!("after {}", human::duration(wait)),
            Failback::Manual => String::from("manual"),
        };
        let choice = |choice| match choice {
            Choice::Balanced => String::from("balanced"),
            Choice::Random => String::from("random"),
        };
        let configured = group.configured;
        let changes = [
            group.policy.failback.map(|_| ("failback", failback(group.failback), failback(configured.failback))),
            group.policy.choice.map(|_| ("choice", choice(group.choice), choice(configured.choice))),
        ];
        for (what, now, before) in changes.into_iter().flatten() {
            let told = name_of(group, told);
            let text = format!("{what} {now}, by an order given on {told}; configured here: {before}");
            self.line(Tone::Warn, 2, &text);
        }
    }

    /// Duplicates are how two control networks look when all is well, so they are not told.
    fn drops(&mut self, group: &GroupView) {
        let drops = &group.counters.drops;
        let mut causes: Vec<(DropCause, u64)> =
            drops.iter().filter(|(cause, count)| *count > 0 && *cause != DropCause::Duplicate).collect();
        if causes.is_empty() {
            return;
        }
        causes.sort_by_key(|(cause, count)| (std::cmp::Reverse(*count), *cause));
        let total: u64 = causes.iter().map(|(_, count)| count).sum();
        let causes: Vec<String> = causes.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
        self.line(Tone::Faint, 2, &format!("{total} messages dropped: {}", causes.join(", ")));
    }

    fn hosts(&mut self, group: &GroupView, now: Instant) {
        self.text.push('\n');
        let mut table = Table::new(&["BOX", "ID", "STATE", "LOAD>", "SERVES>", "HEARD"]);
        for host in &group.hosts {
            let leads = group.leader == Some(host.id);
            let (tone, state) = host_state(host);
            let heard = match host.id == group.id {
                true => String::from("this box"),
                false => format!("{} ago", human::duration(now.since(host.last_heard))),
            };
            let cells = vec![
                Cell::new(if leads { Tone::Strong } else { Tone::Plain }, host.name.as_str()).at_most(NAME_WIDTH),
                Cell::plain(host.id.to_string()),
                Cell::new(tone, state),
                Cell::plain(per_cent(host.utilisation)).right(),
                Cell::plain(host.served.to_string()).right(),
                Cell::faint(heard),
            ];
            let note = match host.damped_until.filter(|until| *until > now) {
                Some(until) => {
                    let left = human::duration(until.since(now));
                    Cell::new(Tone::Warn, format!("comes and goes: its addresses go home in {left}"))
                }
                None => Cell::faint(if host.spare { "hot spare" } else { "" }),
            };
            table.row(cells, note);
            if leads {
                table.mark();
            }
        }
        self.table(&table);
    }

    fn addresses(&mut self, group: &GroupView, now: Instant) {
        if group.addresses.is_empty() {
            return;
        }
        self.text.push('\n');
        let mut table = Table::new(&["ADDRESS", "STATE", "SERVER", "HOME", "SINCE"]);
        for row in &group.addresses {
            let tone = match row.state {
                AddressState::Online => Tone::Good,
                AddressState::Acquiring | AddressState::Releasing => Tone::Warn,
                AddressState::Unserved | AddressState::Duplicate => Tone::Bad,
            };
            let server = row.server.map_or(Cell::faint("-"), |id| Cell::plain(name_of(group, id)));
            let home = row.preferred.map_or(Cell::faint("pool"), |id| Cell::plain(name_of(group, id)));
            let cells = vec![
                Cell::plain(row.address.to_string()),
                Cell::new(tone, row.state.as_str()),
                server.at_most(NAME_WIDTH),
                home.at_most(NAME_WIDTH),
                Cell::faint(human::duration(now.since(row.last_change))),
            ];
            let failed = row.last_error.is_some() || !row.backoffs.is_empty();
            let note_tone = if failed { Tone::Warn } else { Tone::Faint };
            table.row(cells, Cell::new(note_tone, address_note(group, row, now)));
        }
        self.table(&table);
    }

    fn receivers(&mut self, receivers: &[AboutReceiver], figures: &[ReceiverFigures]) {
        if receivers.is_empty() {
            return;
        }
        self.text.push('\n');
        let mut table = Table::new(&["RECEIVER", "TOLD BY", "SENT>", "ANSWERED>", "LOST>", "WAITING>"]);
        for (place, receiver) in receivers.iter().enumerate() {
            let ReceiverFigures { counters, pending, .. } = figures.get(place).copied().unwrap_or_default();
            let lost = counters.refused + counters.given_up + counters.dropped;
            let answered = if receiver.inform { counters.acknowledged.to_string() } else { String::from("-") };
            let cells = vec![
                Cell::plain(receiver.name.as_str()),
                Cell::plain(manner(receiver)),
                Cell::plain(counters.sent.to_string()).right(),
                Cell::plain(answered).right(),
                Cell::new(if lost > 0 { Tone::Warn } else { Tone::Plain }, lost.to_string()).right(),
                Cell::plain(pending.to_string()).right(),
            ];
            let besides = [(counters.repeated, "repetitions"), (counters.withheld, "not in its view")];
            let besides = besides.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
            table.row(cells, Cell::faint(besides.collect::<Vec<_>>().join(", ")));
        }
        self.table(&table);
    }

    fn objects(&mut self, snapshot: &Snapshot) {
        let now = snapshot.view.at;
        let mut tests = Table::new(&["TEST", "STATE", "RUNS>", "FAILED>", "SINCE"]);
        for test in &snapshot.view.tests {
            let (tone, state) = if test.passing { (Tone::Good, "passing") } else { (Tone::Bad, "failing") };
            let cells = vec![
                Cell::plain(test.name.as_str()),
                Cell::new(tone, state),
                Cell::plain(test.runs.to_string()).right(),
                Cell::plain(test.failures.to_string()).right(),
                Cell::faint(human::duration(now.since(test.last_change))),
            ];
            let error = test.last_error.clone().unwrap_or_default();
            tests.row(cells, Cell::new(if test.passing { Tone::Faint } else { Tone::Warn }, error));
        }
        let mut loads = Table::new(&["LOAD", "UTILISATION>", "LOAD>", "CAPACITY>", "SAMPLED"]);
        for load in &snapshot.view.loads {
            let sampled = load.sampled.map_or(String::from("never"), |at| human::duration(now.since(at)) + " ago");
            let cells = vec![
                Cell::plain(load.name.as_str()),
                Cell::plain(per_cent(Utilisation::of(load.load, load.capacity))).right(),
                Cell::plain(load.load.to_string()).right(),
                Cell::plain(load.capacity.to_string()).right(),
                Cell::faint(sampled),
            ];
            loads.row(cells, Cell::new(Tone::Warn, load.last_error.clone().unwrap_or_default()));
        }
        let mut zones = Table::new(&["ZONE", "GROUP", "SERIAL>", "ADDRESSES>", "WRITTEN"]);
        for zone in &snapshot.zones {
            let written =
                zone.last_update.map_or(String::from("not yet"), |at| human::duration(now.since(at)) + " ago");
            let cells = vec![
                Cell::plain(zone.name.as_str()).at_most(32),
                Cell::plain(zone.group.as_str()).at_most(NAME_WIDTH),
                Cell::plain(zone.serial.to_string()).right(),
                Cell::plain(zone.records.to_string()).right(),
                Cell::faint(written),
            ];
            zones.row(cells, Cell::new(Tone::Warn, zone.last_error.clone().unwrap_or_default()));
        }
        let kinds = [
            (&tests, snapshot.view.tests.is_empty()),
            (&loads, snapshot.view.loads.is_empty()),
            (&zones, snapshot.zones.is_empty()),
        ];
        for (table, _) in kinds.into_iter().filter(|(_, empty)| !empty) {
            self.text.push('\n');
            self.table(table);
        }
    }
}

/// How a receiver is told: by whom, and what.
fn manner(receiver: &AboutReceiver) -> String {
    let kind = if receiver.inform { "informs" } else { "traps" };
    match &receiver.user {
        Some(user) => format!("v3 {kind}, {} {}", user.name, user.level),
        None => format!("v2c {kind}"),
    }
}

/// The box's name if the group knows it, else its id address.
fn name_of(group: &GroupView, id: IdAddress) -> String {
    let known = group.hosts.iter().find(|host| host.id == id);
    known.map_or_else(|| id.to_string(), |host| host.name.as_str().to_owned())
}

fn host_state(host: &HostView) -> (Tone, &'static str) {
    match host.state {
        HostState::Up if !host.settled => (Tone::Warn, "listening"),
        HostState::Up => (Tone::Good, "up"),
        HostState::Quiesced if host.draining => (Tone::Warn, "draining"),
        HostState::Quiesced => (Tone::Warn, "quiesced"),
        HostState::NotOk => match host.trouble {
            Some(Reason::Carrier) => (Tone::Bad, "no carrier"),
            Some(Reason::Partition) => (Tone::Bad, "cut off"),
            _ => (Tone::Bad, "not ok"),
        },
        HostState::Dead => (Tone::Bad, "dead"),
        HostState::Left => (Tone::Faint, "left"),
    }
}

/// Why an address is not simply online at home, in a few words.
fn address_note(group: &GroupView, row: &AddressView, now: Instant) -> String {
    let mut parts = Vec::new();
    if row.orphan {
        parts.push(row.reason.map_or(String::from("away"), |reason| format!("away: {reason}")));
    }
    if let Some(left) = row.orphan_time_left {
        parts.push(format!("expires in {}", human::duration(left)));
    }
    for backoff in row.backoffs.iter().filter(|backoff| backoff.until > now) {
        let left = human::duration(backoff.until.since(now));
        parts.push(format!("{} failed: others first for {left}", name_of(group, backoff.host)));
    }
    parts.extend(row.last_error.as_ref().map(error_text));
    parts.join(", ")
}

fn per_cent(utilisation: Utilisation) -> String {
    match utilisation.0 {
        u32::MAX => String::from("-"),
        per_mille => format!("{}.{}%", per_mille / 10, per_mille % 10),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
