//! An agent with a snapshot to answer from, and who asks it.

use crate::ber::{self, GET, GET_BULK, GET_NEXT, Message, Variable};
use crate::sample;
use rais::snapshot::Snapshot;
use rais::snmp::{Agent, AgentParams, Answered, Community, Dropped, Pending};
use rais_core::io::Command;
use rais_core::time::Instant;
use std::net::IpAddr;
use std::sync::Arc;

/// May read everything, from everywhere.
pub const COMMUNITY: &[u8] = b"public";
pub const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
pub const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";
pub const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";
/// snmpNotifyRowStatus of the last receiver: the last of all instances.
pub const LAST: &str = "1.3.6.1.6.3.13.1.1.1.5.114.101.99.101.105.118.101.114.45.48.50";
/// The same of the receiver before it.
pub const BEFORE_LAST: &str = "1.3.6.1.6.3.13.1.1.1.5.114.101.99.101.105.118.101.114.45.48.49";
/// raisObjects.
pub const RAIS: &str = "1.3.6.1.4.1.32473.1.1";

pub struct Bench {
    pub agent: Agent,
    pub snapshot: Arc<Snapshot>,
    pub now: Instant,
    /// What SETs had carried out, in order.
    pub commands: Vec<Command>,
    /// What is refused.
    pub refused: Vec<Command>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(sample::snapshot(), AgentParams { communities: vec![community()], ..AgentParams::default() })
    }

    pub fn with(snapshot: Snapshot, params: AgentParams) -> Self {
        let (commands, refused) = (Vec::new(), Vec::new());
        let mut agent = Agent::new(params);
        agent.look_at(&Arc::new(sample::machine()));
        agent.show_events(Arc::new(sample::Happened));
        agent.show_deliveries(Arc::new(sample::Happened));
        Self { agent, now: snapshot.view.at, snapshot: Arc::new(snapshot), commands, refused }
    }

    /// As the daemon does it: in order, and back again if one is refused.
    fn carry_out(&mut self, pending: Pending) -> Vec<u8> {
        let failed = pending.changes.iter().position(|change| self.refused.contains(&change.command));
        let done = failed.unwrap_or(pending.changes.len());
        self.commands.extend(pending.changes[..done].iter().map(|change| change.command.clone()));
        let undone: Vec<_> = pending.changes[..done].iter().rev().map(|change| change.undo.clone()).collect();
        self.agent.settle(&pending, failed.is_none());
        match failed {
            None => pending.done,
            Some(_) if undone.iter().any(|command| self.refused.contains(command)) => pending.undo_failed,
            Some(failed) => {
                self.commands.extend(undone);
                pending.failed[failed].clone()
            }
        }
    }

    /// The raw answer to a raw datagram.
    pub fn raw(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Dropped> {
        self.raw_from(datagram, "192.0.2.7")
    }

    pub fn raw_from(&mut self, datagram: &[u8], source: &str) -> Result<Vec<u8>, Dropped> {
        let source: IpAddr = source.parse().unwrap();
        let mut reply = vec![0xee; 3];
        let outcome = self.agent.answer(datagram, source, &self.snapshot, self.now, &mut reply);
        assert_eq!(matches!(outcome, Ok(Answered::Now)), !reply.is_empty(), "a reply stands where there is one");
        match outcome? {
            Answered::Now => Ok(reply),
            Answered::Once(pending) => Ok(self.carry_out(*pending)),
        }
    }

    pub fn ask(&mut self, datagram: &[u8]) -> Message {
        ber::read(&self.raw(datagram).unwrap())
    }

    pub fn get(&mut self, names: &[&str]) -> Message {
        self.ask(&ber::request(GET, [1, 0, 0], names))
    }

    pub fn get_next(&mut self, names: &[&str]) -> Message {
        self.ask(&ber::request(GET_NEXT, [1, 0, 0], names))
    }

    pub fn get_bulk(&mut self, non_repeaters: i64, max_repetitions: i64, names: &[&str]) -> Message {
        self.ask(&ber::request(GET_BULK, [1, non_repeaters, max_repetitions], names))
    }

    /// Everything below a name, by GETNEXT.
    pub fn walk(&mut self, below: &str) -> Vec<Variable> {
        let root = ber::parse(below);
        let mut found: Vec<Variable> = Vec::new();
        let mut name = root.clone();
        loop {
            let mut answer = self.get_next(&[&ber::dotted(&name)]);
            assert_eq!((answer.status, answer.variables.len()), (0, 1));
            let next = answer.variables.remove(0);
            if next.tag == ber::END_OF_MIB_VIEW || !next.name.starts_with(&root) {
                return found;
            }
            assert!(next.name > name, "{} after {}", next.dotted(), ber::dotted(&name));
            name.clone_from(&next.name);
            found.push(next);
        }
    }
}

pub fn community() -> Community {
    Community::read_only(COMMUNITY, Vec::new()).unwrap()
}
