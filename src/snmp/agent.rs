//! The agent: octets in, octets out.
//!
//! It does not know sockets, tasks or the core: it is handed a datagram, the picture to answer from and the time. The
//! order in which a datagram is looked at is that of [`Agent::answer`], cheapest and most suspicious first.

use super::ber::{self, Scan, ScanError, VERSION_1, VERSION_2C, VERSION_3, tag};
use super::community::{Communities, Community, Principal};
use super::counters::{Counters, Dropped};
use super::limit::{DEFAULT_REQUESTS_PER_SECOND, Limit};
use super::message::{self, Operation, Request, digestible, message_octets, message_of};
use super::pdu::{Verdict, Work};
use super::prepared::{Prepared, Served};
use super::rais_mib::{DeliverySource, EventSource, Events};
use super::registry::Registry;
use super::set::{Pending, Step};
use super::v1::{self, Dialect};
use super::v3::{Local, Responder, Salts, V3Params};
use super::{entity_mib, framework_mib, host_resources_mib, if_mib, ip_mib};
use super::{rais_mib, snmpv2_mib, target_mib, ucd_snmp_mib, usm_mib, vacm_mib};
use crate::machine::Machine;
use crate::snapshot::Snapshot;
use rais_core::address::Prefix;
use rais_core::time::Instant;
use std::net::IpAddr;
use std::sync::Arc;

/// The largest answer if nothing else is wanted, in octets: what goes unfragmented over Ethernet behind an IPv4 header.
pub const MAX_MESSAGE_OCTETS: usize = 1472;

/// What is decided about the agent.
#[derive(Debug)]
pub struct AgentParams {
    /// From where anybody may ask at all; empty: from everywhere.
    pub sources: Vec<Prefix>,
    /// How many requests a source may make in a second, and at once.
    pub requests_per_second: u32,
    /// Who may ask in version 2c. None: nobody is answered.
    pub communities: Vec<Community>,
    /// They may ask in version 1, too.
    pub allow_v1: bool,
    /// What version 3 is spoken with; `None`: it is not.
    pub v3: Option<V3Params>,
    /// Whether authenticationFailure is notified, by whoever reads [`Counters::authentication_failures`].
    pub authentication_traps: bool,
    /// The largest answer, in octets; RFC 3417 §3.2 wants 484 at least.
    pub max_message_octets: usize,
}

impl Default for AgentParams {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            requests_per_second: DEFAULT_REQUESTS_PER_SECOND,
            communities: Vec::new(),
            allow_v1: false,
            v3: None,
            authentication_traps: false,
            max_message_octets: MAX_MESSAGE_OCTETS,
        }
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
    sources: Vec<Prefix>,
    limit: Limit,
    communities: Communities,
    allow_v1: bool,
    v3: Option<V3>,
    worker: Worker,
}

/// What version 3 is spoken with, and what is kept from one message to the next.
struct V3 {
    local: Local,
    salts: Salts,
    decrypted: Vec<u8>,
}

/// What every version needs once it knows who asks what.
pub(crate) struct Worker {
    /// Our own largest message, in octets.
    pub(crate) max_message_octets: usize,
    pub(crate) counters: Counters,
    registry: Registry,
    /// snmpSetSerialNo.
    serial_number: i32,
    machine: Arc<Machine>,
    events: Option<Arc<dyn EventSource>>,
    deliveries: Option<Arc<dyn DeliverySource>>,
    authentication_traps: bool,
    prepared: Option<Prepared>,
    /// The variable bindings of the answer being made.
    bindings: Vec<u8>,
}

/// What an answer is made from, and when.
#[derive(Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) local: Option<&'a Local>,
    pub(crate) now: Instant,
}

/// What is asked, of whom, and by whom.
pub(crate) struct Question<'a> {
    pub(crate) request: Request<'a>,
    pub(crate) request_id: i32,
    /// What its version has words for.
    pub(crate) dialect: Dialect,
    /// The request's own variable bindings.
    pub(crate) echo: &'a [u8],
    pub(crate) principal: Principal<'a>,
}

/// What stands around the answer's variable bindings: a message of the version that was asked in.
pub(crate) trait Around {
    /// Is a response with these fields and that many octets of variable bindings one that both sides take?
    fn fits(&self, fields: [i32; 3], bindings: usize) -> bool;
    /// Puts a response into `out`, which is empty.
    fn compose(&self, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>);
}

impl Agent {
    /// An agent whose counters are zero.
    #[must_use]
    pub fn new(params: AgentParams) -> Self {
        let worker = Worker {
            max_message_octets: params.max_message_octets,
            counters: Counters::default(),
            registry: registry(params.v3.is_some()),
            serial_number: 0,
            machine: Arc::default(),
            events: None,
            deliveries: None,
            authentication_traps: params.authentication_traps,
            prepared: None,
            bindings: Vec::with_capacity(MAX_MESSAGE_OCTETS),
        };
        let AgentParams { sources, requests_per_second, communities, allow_v1, v3, .. } = params;
        let (communities, v3) = (Communities::new(communities), v3.map(V3::new));
        Self { sources, limit: Limit::new(requests_per_second), communities, allow_v1, v3, worker }
    }

    /// Takes new parameters; the counters go on.
    pub fn reconfigure(&mut self, params: AgentParams) {
        self.worker.registry = registry(params.v3.is_some());
        self.worker.max_message_octets = params.max_message_octets;
        self.worker.authentication_traps = params.authentication_traps;
        self.sources = params.sources;
        self.limit = Limit::new(params.requests_per_second);
        self.communities = Communities::new(params.communities);
        self.allow_v1 = params.allow_v1;
        self.v3 = params.v3.map(V3::new);
    }

    /// What was answered and dropped so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.worker.counters
    }

    /// Shows these events from now on.
    pub fn show_events(&mut self, events: Arc<dyn EventSource>) {
        self.worker.events = Some(events);
    }

    /// Shows from now on how the receivers of notifications fare.
    pub fn show_deliveries(&mut self, deliveries: Arc<dyn DeliverySource>) {
        self.worker.deliveries = Some(deliveries);
    }

    /// Takes a picture of the machine, to answer from until another one is taken.
    pub fn look_at(&mut self, machine: &Arc<Machine>) {
        if !Arc::ptr_eq(&self.worker.machine, machine) {
            self.worker.machine = Arc::clone(machine);
            // Some tables show the machine and the groups together.
            self.worker.prepared = None;
        }
    }

    /// Answers one datagram: source, how often it asks, form, who asks, PDU, in this order. The answer replaces what
    /// stands in `reply`; send it to where the datagram came from, from the address it was sent to. `now` is on the
    /// snapshot's clock. A SET that is right leaves `reply` empty: see [`Answered::Once`]. A version 3 message that is
    /// not believed is answered with a report, if its sender wants one.
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
        self.worker.counters.in_packets += 1;
        reply.clear();
        if !self.worker.prepared.as_ref().is_some_and(|prepared| prepared.is_of(snapshot)) {
            self.worker.prepared = Some(Prepared::new(snapshot));
        }
        let outcome = self.respond(datagram, source.to_canonical(), snapshot, now, reply);
        self.worker.counters.count(outcome.as_ref().map(|_| ()).map_err(|cause| *cause));
        outcome
    }

    /// A SET was carried out, or was not.
    pub fn settle(&mut self, pending: &Pending, carried_out: bool) {
        if let (false, Some(before)) = (carried_out, pending.serial_before) {
            self.worker.serial_number = before;
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
        let has_users = self.v3.as_ref().is_some_and(|v3| v3.local.has_users());
        let from_here = self.sources.is_empty() || self.sources.iter().any(|range| range.contains(source));
        if !from_here || !(has_users || self.communities.any_open_to(source)) {
            return Err(Dropped::ForeignSource);
        }
        if !self.limit.allows(source, now) {
            return Err(Dropped::TooOften);
        }
        match (ber::version(datagram)?, &mut self.v3) {
            (version @ (VERSION_1 | VERSION_2C), v3) if version == VERSION_2C || self.allow_v1 => {
                let picture = Picture { snapshot, local: v3.as_ref().map(|v3| &v3.local), now };
                let scan = if version == VERSION_2C { ber::scan(datagram)? } else { v1::scan(datagram)? };
                respond_to_community(&mut self.worker, &self.communities, datagram, &scan, source, picture, reply)
            }
            (VERSION_3, Some(V3 { local, salts, decrypted })) => {
                let picture = Picture { snapshot, local: Some(local), now };
                Responder { local, salts, worker: &mut self.worker, picture }.respond(datagram, decrypted, reply)
            }
            (version, _) => Err(ScanError::BadVersion(version).into()),
        }
    }
}

impl V3 {
    fn new(params: V3Params) -> Self {
        let salts = Salts::new(params.salt_seed);
        Self { local: Local::new(params), salts, decrypted: Vec::new() }
    }
}

fn registry(v3: bool) -> Registry {
    let always = [
        snmpv2_mib::SYSTEM,
        snmpv2_mib::SNMP,
        snmpv2_mib::SNMP_SET,
        rais_mib::ENTRIES,
        if_mib::ENTRIES,
        ip_mib::ENTRIES,
        host_resources_mib::ENTRIES,
        ucd_snmp_mib::ENTRIES,
        entity_mib::ENTRIES,
        target_mib::ENTRIES,
    ];
    let with_users = [framework_mib::ENTRIES, usm_mib::ENTRIES, vacm_mib::ENTRIES];
    Registry::new(&[&always[..], if v3 { &with_users } else { &[] }].concat())
}

/// A response in a message with a community.
struct InCommunity<'a> {
    version: i32,
    community: &'a [u8],
    max_message_octets: usize,
}

impl Around for InCommunity<'_> {
    fn fits(&self, fields: [i32; 3], bindings: usize) -> bool {
        message_octets(self.community, fields, bindings) <= self.max_message_octets
    }

    fn compose(&self, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>) {
        message_of(self.version, self.community, tag::RESPONSE, fields, bindings, out);
    }
}

fn respond_to_community(
    worker: &mut Worker,
    communities: &Communities,
    datagram: &[u8],
    scan: &Scan<'_>,
    source: IpAddr,
    picture: Picture<'_>,
    reply: &mut Vec<u8>,
) -> Result<Answered, Dropped> {
    let principal = communities.authenticate(scan.community, source).ok_or(Dropped::BadCommunity)?;
    let decodable = digestible(datagram, scan);
    let request = message::decode(&decodable)?.ok_or(Dropped::UnexpectedPdu)?;
    let Scan { version, community, pdu } = *scan;
    if request.operation == Operation::Set && principal.write.is_empty() {
        worker.counters.bad_community_uses += 1;
    }
    let [request_id, ..] = pdu.fields;
    let around = InCommunity { version, community, max_message_octets: worker.max_message_octets };
    let dialect = if version == VERSION_1 { Dialect::Old } else { Dialect::Current };
    let question = Question { request, request_id, dialect, echo: pdu.bindings, principal };
    worker.work(&question, &around, picture, reply)
}

impl Worker {
    /// Answers what somebody may ask.
    pub(crate) fn work(
        &mut self,
        question: &Question<'_>,
        around: &dyn Around,
        picture: Picture<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Dropped> {
        let Question { request, request_id, dialect, echo, principal } = question;
        let Picture { snapshot, local, now } = picture;
        let fields = |verdict: Verdict| [*request_id, dialect.status(verdict.status) as i32, verdict.index];
        let fits = |verdict, bindings| around.fits(fields(verdict), bindings);
        let Some(prepared) = &self.prepared else { return Err(Dropped::SilentDrop) };
        let events = Events::of(self.events.as_deref());
        let work = Work {
            registry: &self.registry,
            served: Served {
                snapshot,
                prepared,
                machine: &self.machine,
                counters: &self.counters,
                events: &events,
                deliveries: self.deliveries.as_deref(),
                authentication_traps: self.authentication_traps,
                serial_number: self.serial_number,
                local,
                max_message_octets: self.max_message_octets,
                now,
            },
            principal: *principal,
            room: &|bindings| fits(Verdict::FINE, bindings),
            dialect: *dialect,
        };
        let mut steps = Vec::new();
        let mut verdict = work.answer(request, echo, &mut self.bindings, &mut steps);
        // An error-index of two octets may be what is too much.
        if !fits(verdict, self.bindings.len()) {
            verdict = Verdict::TOO_BIG;
            dialect.refuse(verdict, echo, &mut self.bindings);
        }
        if !fits(verdict, self.bindings.len()) {
            return Err(Dropped::SilentDrop);
        }
        let compose = |verdict, out: &mut Vec<u8>| around.compose(fields(verdict), &self.bindings, out);
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
