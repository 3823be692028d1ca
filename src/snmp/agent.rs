//! The agent: octets in, octets out.
//!
//! It does not know sockets, tasks or the core: it is handed a datagram, the picture to answer from and the time. The
//! order in which a datagram is looked at is that of its doc comment, cheapest and most suspicious first.

use super::ber::{self, tag};
use super::community::{Communities, Community};
use super::counters::{Counters, Dropped};
use super::message::{self, digestible, message, message_octets};
use super::pdu::{Verdict, Work};
use super::prepared::{Prepared, Served};
use super::registry::Registry;
use super::set::{Pending, Step};
use super::{entity_mib, host_resources_mib, if_mib, ip_mib, rais_mib, snmpv2_mib, ucd_snmp_mib};
use crate::machine::Machine;
use crate::snapshot::Snapshot;
use rais_core::time::Instant;
use std::net::IpAddr;
use std::sync::Arc;

/// The largest answer if nothing else is wanted, in octets: what goes unfragmented over Ethernet behind an IPv4 header.
pub const MAX_MESSAGE_OCTETS: usize = 1472;

/// What is decided about the agent.
#[derive(Debug)]
pub struct AgentParams {
    /// Who may ask. None: nobody is answered.
    pub communities: Vec<Community>,
    /// The largest answer, in octets; RFC 3417 §3.2 wants 484 at least.
    pub max_message_octets: usize,
}

impl Default for AgentParams {
    fn default() -> Self {
        Self { communities: Vec::new(), max_message_octets: MAX_MESSAGE_OCTETS }
    }
}

/// What became of a datagram that is answered.
#[derive(Debug)]
#[must_use]
pub enum Answered {
    /// The reply stands there: send it.
    Now,
    /// It is a SET that is right: have it carried out, then send one of its answers.
    Once(Box<Pending>),
}

/// Answers requests from snapshots.
pub struct Agent {
    communities: Communities,
    max_message_octets: usize,
    registry: Registry,
    counters: Counters,
    /// snmpSetSerialNo.
    serial_number: i32,
    machine: Arc<Machine>,
    prepared: Option<Prepared>,
    /// The variable bindings of the answer being made.
    bindings: Vec<u8>,
}

impl Agent {
    /// An agent whose counters are zero.
    #[must_use]
    pub fn new(params: AgentParams) -> Self {
        Self {
            communities: Communities::new(params.communities),
            max_message_octets: params.max_message_octets,
            registry: Registry::new(&[
                snmpv2_mib::SYSTEM,
                snmpv2_mib::SNMP,
                snmpv2_mib::SNMP_SET,
                rais_mib::ENTRIES,
                if_mib::ENTRIES,
                ip_mib::ENTRIES,
                host_resources_mib::ENTRIES,
                ucd_snmp_mib::ENTRIES,
                entity_mib::ENTRIES,
            ]),
            counters: Counters::default(),
            serial_number: 0,
            machine: Arc::default(),
            prepared: None,
            bindings: Vec::with_capacity(MAX_MESSAGE_OCTETS),
        }
    }

    /// Takes new parameters; the counters go on.
    pub fn reconfigure(&mut self, params: AgentParams) {
        self.communities = Communities::new(params.communities);
        self.max_message_octets = params.max_message_octets;
    }

    /// What was answered and dropped so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a picture of the machine, to answer from until another one is taken.
    pub fn look_at(&mut self, machine: &Arc<Machine>) {
        if !Arc::ptr_eq(&self.machine, machine) {
            self.machine = Arc::clone(machine);
            // Some tables show the machine and the groups together.
            self.prepared = None;
        }
    }

    /// Answers one datagram: source, form, community, PDU, in this order. The answer replaces what stands in `reply`;
    /// send it to where the datagram came from, from the address it was sent to. `now` is on the snapshot's clock.
    /// A SET that is right leaves `reply` empty: see [`Answered::Once`].
    ///
    /// # Errors
    /// [`Dropped`] says why there is no answer; `reply` is empty then. Every datagram is counted, answered or not.
    pub fn answer(
        &mut self,
        datagram: &[u8],
        source: IpAddr,
        snapshot: &Arc<Snapshot>,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Dropped> {
        self.counters.in_packets += 1;
        reply.clear();
        if !self.prepared.as_ref().is_some_and(|prepared| prepared.is_of(snapshot)) {
            self.prepared = Some(Prepared::new(snapshot));
        }
        let outcome = self.respond(datagram, source.to_canonical(), snapshot, now, reply);
        self.counters.count(outcome.as_ref().map(|_| ()).map_err(|cause| *cause));
        outcome
    }

    /// A SET was carried out, or was not.
    pub fn settle(&mut self, pending: &Pending, carried_out: bool) {
        if let (false, Some(before)) = (carried_out, pending.serial_before) {
            self.serial_number = before;
        }
    }

    fn respond(
        &mut self,
        datagram: &[u8],
        source: IpAddr,
        snapshot: &Snapshot,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Dropped> {
        if !self.communities.any_open_to(source) {
            return Err(Dropped::ForeignSource);
        }
        let scan = ber::scan(datagram)?;
        let principal = self.communities.authenticate(scan.community, source).ok_or(Dropped::BadCommunity)?;
        let decodable = digestible(datagram, &scan);
        let request = message::decode(&decodable)?.ok_or(Dropped::UnexpectedPdu)?;
        if request.operation == message::Operation::Set && principal.write.is_empty() {
            self.counters.bad_community_uses += 1;
        }
        let fits = |verdict, bindings| {
            message_octets(scan.community, fields(scan.request_id, verdict), bindings) <= self.max_message_octets
        };
        let Some(prepared) = &self.prepared else { return Err(Dropped::SilentDrop) };
        let work = Work {
            registry: &self.registry,
            served: Served {
                snapshot,
                prepared,
                counters: &self.counters,
                machine: &self.machine,
                serial_number: self.serial_number,
                now,
            },
            principal,
            room: &|bindings| fits(Verdict::FINE, bindings),
        };
        let mut steps = Vec::new();
        let mut verdict = work.answer(&request, scan.bindings, &mut self.bindings, &mut steps);
        // An error-index of two octets may be what is too much.
        if !fits(verdict, self.bindings.len()) {
            verdict = Verdict::TOO_BIG;
            self.bindings.clear();
        }
        if !fits(verdict, self.bindings.len()) {
            return Err(Dropped::SilentDrop);
        }
        let compose = |verdict, out: &mut Vec<u8>| {
            message(scan.community, tag::RESPONSE, fields(scan.request_id, verdict), &self.bindings, out);
        };
        if verdict == Verdict::FINE
            && let Some((pending, serial_number)) = pending(steps, self.serial_number, &compose)
        {
            self.serial_number = serial_number;
            return Ok(Answered::Once(Box::new(pending)));
        }
        compose(verdict, reply);
        Ok(Answered::Now)
    }
}

/// A SET that changes something, ready to be carried out, and what snmpSetSerialNo is from now on.
fn pending(
    steps: Vec<(i32, Step)>,
    serial_number: i32,
    compose: &dyn Fn(Verdict, &mut Vec<u8>),
) -> Option<(Pending, i32)> {
    let composed = |verdict| {
        let mut out = Vec::new();
        compose(verdict, &mut out);
        out
    };
    let (mut changes, mut failed, mut taken) = (Vec::new(), Vec::new(), None);
    for (index, step) in steps {
        match step {
            Step::Change(change) => {
                changes.push(change);
                failed.push(composed(Verdict::commit_failed(index)));
            }
            Step::SerialNumber(next) => taken = Some(next),
            Step::Nothing => {}
        }
    }
    if changes.is_empty() && taken.is_none() {
        return None;
    }
    let serial_before = taken.map(|_| serial_number);
    let (done, undo_failed) = (composed(Verdict::FINE), composed(Verdict::UNDO_FAILED));
    Some((Pending { changes, done, failed, undo_failed, serial_before }, taken.unwrap_or(serial_number)))
}

fn fields(request_id: i32, verdict: Verdict) -> [i32; 3] {
    [request_id, verdict.status as i32, verdict.index]
}
