//! What becomes of a version 3 message: an answer, a report, or nothing (RFC 3412 §7, RFC 3413 §3.2).
//!
//! It does not know objects, nor how a message is believed: what is asked goes to the agent's worker.

use super::super::access::{Denied, View};
use super::super::agent::{Answered, Around, Picture, Question, Worker};
use super::super::ber::tag;
use super::super::community::Principal;
use super::super::counters::{Dropped, Fault};
use super::super::message::{self, Operation, pdu_octets};
use super::super::oid::Oid;
use super::super::pdu::ErrorStatus;
use super::super::v1::Dialect;
use super::super::value::{Value, binding};
use super::local::{Back, Local, Rejected, ReportTo};
use super::seal::{Salts, seal};
use rais_core::time::Instant;

static NOTHING: View = View::nothing();

/// What an answer is made with.
pub(crate) struct Responder<'a> {
    pub(crate) local: &'a Local,
    pub(crate) salts: &'a mut Salts,
    pub(crate) worker: &'a mut Worker,
    pub(crate) picture: Picture<'a>,
}

/// A response in a version 3 message, back to whoever asked.
struct Sealed<'a> {
    local: &'a Local,
    back: Back<'a>,
    salt: [u8; 8],
    max_size: usize,
    now: Instant,
}

impl Around for Sealed<'_> {
    fn fits(&self, fields: [i32; 3], bindings: usize) -> bool {
        let envelope = self.local.envelope(self.back, self.max_size, self.now);
        envelope.octets(pdu_octets(fields, bindings)) <= self.max_size.min(self.back.max_size)
    }

    fn compose(&self, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>) {
        self.put(tag::RESPONSE, fields, bindings, out);
    }
}

impl Sealed<'_> {
    fn put(&self, tag: u8, fields: [i32; 3], bindings: &[u8], out: &mut Vec<u8>) {
        let mut pdu = Vec::with_capacity(pdu_octets(fields, bindings.len()));
        message::pdu(tag, fields, bindings, &mut pdu);
        let sealed = seal(&self.local.envelope(self.back, self.max_size, self.now), self.salt, &pdu, out);
        debug_assert!(sealed.is_ok(), "the level is that of the request, for which there were keys");
    }
}

impl<'a> Responder<'a> {
    /// Answers a message.
    pub(crate) fn respond(
        &mut self,
        datagram: &[u8],
        decrypted: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, Dropped> {
        let local = self.local;
        let accepted = match local.receive(datagram, self.picture.now, decrypted) {
            Ok(accepted) => accepted,
            Err(Rejected::Silently(cause)) => return Err(cause),
            Err(Rejected::Fault(fault, to)) => return self.report(fault, to.as_ref(), reply),
        };
        let asked = accepted.scoped.pdu;
        let [request_id, ..] = asked.fields;
        let rights = match local.rights(&accepted) {
            Ok(rights) => Some(rights),
            Err(Denied::NoSuchContext) => {
                let to = ReportTo { back: accepted.back.unprotected(), request_id };
                return self.report(Fault::UnknownContext, Some(&to), reply);
            }
            Err(Denied::NoGroupName | Denied::NoAccessEntry) => None,
        };
        let decodable = message::digestible_pdu(&asked);
        let request = message::decode(&decodable)?.ok_or(Dropped::UnexpectedPdu)?;
        let (read, write) = rights.map_or((None, None), |rights| (rights.read, rights.write));
        let around = self.around(accepted.back);
        let needed = if request.operation == Operation::Set { write } else { read };
        if needed.is_none() {
            // RFC 3413 §3.2 (4): the request's own variable bindings go back.
            let fields = [request_id, ErrorStatus::AuthorizationError as i32, 0];
            if !around.fits(fields, asked.bindings.len()) {
                return Err(Dropped::SilentDrop);
            }
            around.compose(fields, asked.bindings, reply);
            return Ok(Answered::Now);
        }
        let principal = Principal { read: read.unwrap_or(&NOTHING), write: write.unwrap_or(&NOTHING) };
        let question = Question { request, request_id, dialect: Dialect::Current, echo: asked.bindings, principal };
        self.worker.work(&question, &around, self.picture, reply)
    }

    /// RFC 3412 §7.1 (3): counts, and tells the sender what was counted.
    fn report(&mut self, fault: Fault, to: Option<&ReportTo<'_>>, reply: &mut Vec<u8>) -> Result<Answered, Dropped> {
        let count = self.worker.counters.count_fault(fault);
        let to = to.ok_or(Dropped::Fault(fault))?;
        let mut bindings = Vec::with_capacity(32);
        binding(&Oid::new(fault.counter()), &Value::counter(count), &mut bindings);
        self.around(to.back).put(tag::REPORT, [to.request_id, 0, 0], &bindings, reply);
        Ok(Answered::Now)
    }

    fn around<'b>(&mut self, back: Back<'b>) -> Sealed<'b>
    where
        'a: 'b,
    {
        let (max_size, now) = (self.worker.max_message_octets, self.picture.now);
        Sealed { local: self.local, back, salt: self.salts.draw(), max_size, now }
    }
}
