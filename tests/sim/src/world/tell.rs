//! The history in lines for people: somebody who never saw the code must be able to follow it.

use super::{World, id_of};
use rais_core::address::{GroupName, IdAddress};
use rais_core::info_message::{Body, Info, Message, Order, Orders, Row};
use rais_core::io::{Action, Command, Input};

impl World {
    /// Appends a line to the trace, if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12.6} {}", self.now as f64 / 1e6, line()));
        }
    }

    /// Notes what a box wants done.
    pub(super) fn note_action(&mut self, index: usize, action: &Action) {
        if self.trace.is_some() {
            let line = self.action_in_words(action);
            self.note(|| format!("  box {} {line}", index + 1));
        }
    }

    /// Notes what a box takes in, if it is not just a message or time that passes.
    pub(super) fn note_input(&mut self, index: usize, input: &Input) {
        if self.trace.is_none() {
            return;
        }
        let line = match input {
            Input::Tick | Input::Received { .. } | Input::Dropped { .. } => return,
            Input::Tested { result: Ok(()), .. } => return,
            Input::Finished { ticket, result: Ok(()) } => format!("is done with job {ticket}"),
            Input::Finished { ticket, result: Err(error) } => format!("failed at job {ticket}: {error}"),
            Input::Tested { result: Err(error), .. } => format!("sees its test fail: {error}"),
            Input::Sampled { result: Ok((load, capacity)), .. } => format!("measures load {load} of {capacity}"),
            Input::Carrier { interface, up: true } => format!("sees the carrier of {interface} return"),
            Input::Carrier { interface, up: false } => format!("sees no carrier on {interface}"),
            Input::Command(command) => format!("is told by the operator: {}", command_in_words(command)),
            Input::Configure(params) => format!("takes configuration {}", params.generation),
            Input::Stop => String::from("is told to stop"),
            other => format!("takes in {other:?}"),
        };
        self.note(|| format!("  box {} {line}", index + 1));
    }

    fn box_of(&self, id: IdAddress) -> String {
        let mut ids = (0..self.boxes.len())
            .flat_map(|index| (0..self.scenario.groups.len()).map(move |group| (index, group)))
            .filter(|(index, group)| id_of(&self.scenario, *index, *group) == id);
        ids.next().map_or_else(|| id.to_string(), |(index, _)| format!("box {}", index + 1))
    }

    fn group(&self, group: &GroupName) -> String {
        if self.scenario.groups.len() > 1 { format!("in {group} ") } else { String::new() }
    }

    fn action_in_words(&self, action: &Action) -> String {
        match action {
            Action::Send { group, message } => format!("{}says {}", self.group(group), self.message_in_words(message)),
            Action::Acquire { ticket, address, .. } => format!("begins to acquire {} (job {ticket})", address.0),
            Action::Release { ticket, address, .. } => format!("begins to release {} (job {ticket})", address.0),
            Action::Announce { addresses, .. } => format!("announces {}", list(addresses.iter().map(|a| a.0))),
            Action::Renew { addresses, .. } => format!("renews the lease of {} addresses", addresses.len()),
            Action::Notify(notification) => format!("notifies {notification:?}"),
            Action::Answer(Ok(())) => String::from("answers: done"),
            Action::Answer(Err(error)) => format!("answers: {error}"),
            Action::Stopped => String::from("has stopped"),
            other => format!("wants {other:?}"),
        }
    }

    fn message_in_words(&self, message: &Message) -> String {
        let said = match &message.body {
            Body::Info(info) => self.info_in_words(info),
            Body::Acquire(orders) => self.orders_in_words("acquire", orders),
            Body::Release(orders) => self.orders_in_words("release", orders),
            Body::Leave => String::from("goodbye"),
            Body::Ask(ask) => format!("\"{}, are you there? I know your entry {}\"", self.box_of(ask.host), ask.known),
        };
        format!("#{} {said}", message.sequence)
    }

    fn orders_in_words(&self, what: &str, Orders { pass, orders }: &Orders) -> String {
        let one = |order: &Order| {
            format!("\"{}, {what} {}\" ({})", self.box_of(order.destination), order.address.0, order.reason)
        };
        format!("{}, pass {pass}", list(orders.iter().map(one)))
    }

    fn info_in_words(&self, info: &Info) -> String {
        let status = &info.status;
        let flags = [
            (!status.ok, " not-ok"),
            (status.quiesced, " quiesced"),
            (status.draining, " draining"),
            (!status.settled, " unsettled"),
        ];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        let heard =
            info.heard.iter().map(|heard| format!("{} {} ms ago", self.box_of(heard.id), heard.age.as_millis()));
        let heard = if info.heard.is_empty() { String::new() } else { format!(", heard {}", list(heard)) };
        let row = |row: &Row| match row {
            Row::Preferred(address) => format!("mine {}", address.0),
            Row::Claim(address, claim) => format!("{claim:?} {}", address.0).to_lowercase(),
            Row::Orphan { address, preferred, age } => {
                format!("{} of {} away for {} ms", address.0, self.box_of(*preferred), age.as_millis())
            }
        };
        let part = info.part.as_ref().map_or_else(String::new, |part| {
            let piece =
                if part.count > 1 { format!(" part {} of {}", part.index + 1, part.count) } else { String::new() };
            format!("{piece} [{}]", list(part.rows.iter().map(row)))
        });
        format!("beat{flags}, entry {}{part}{heard}", info.entry_version)
    }
}

fn list<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    if items.len() > 12 {
        return format!("{}, … and {} more", items[..10].join(", "), items.len() - 10);
    }
    items.join(", ")
}

fn command_in_words(command: &Command) -> String {
    match command {
        Command::Quiesce { .. } => String::from("quiesce"),
        Command::Unquiesce { .. } => String::from("unquiesce"),
        Command::Drain { .. } => String::from("drain"),
        Command::Failback { failback, .. } => format!("failback {failback:?}"),
        Command::Choice { choice, .. } => format!("choice {choice:?}"),
        Command::Acquire { address, host, .. } => {
            format!("have {} acquire {}", host.map_or(address.0, |h| h.0), address.0)
        }
        Command::Release { address, .. } => format!("have {} released", address.0),
        #[expect(unreachable_patterns, reason = "commands may be added")]
        other => format!("{other:?}"),
    }
}
