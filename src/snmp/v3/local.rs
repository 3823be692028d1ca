//! Our own engine, which is authoritative for whoever asks it: is a message for us, from whom, and when was it sent?
//! (RFC 3412 §7.2, RFC 3414 §3.2)
//!
//! It does not know what is asked. What can not be believed comes back as a [`Fault`], with what a report needs.

use super::super::access::{AccessControl, Denied, Rights, SecurityModel};
use super::super::ber::{ScanError, tag};
use super::super::counters::{Dropped, Fault};
use super::engine::{EngineClock, EngineId, MAX_BOOTS};
use super::peer::TIME_WINDOW_S;
use super::scan::{Data, Frame, ScopedPdu, USM, UsmParameters, scan_decrypted, scan_frame, scan_scoped_pdu};
use super::seal::Envelope;
use super::usm::{Level, User};
use rais_core::time::Instant;
use std::collections::BTreeMap;

/// What version 3 is spoken with.
#[derive(Debug)]
pub struct V3Params {
    /// Who we are.
    pub engine: EngineId,
    /// Our clock.
    pub clock: EngineClock,
    /// Where the salts begin: random.
    pub salt_seed: u64,
    /// Users, at this engine and at others: of those the agent only tells that they are there.
    pub users: Vec<User>,
    /// Who may see what.
    pub access: AccessControl,
}

/// Our own engine.
pub(crate) struct Local {
    engine: EngineId,
    clock: EngineClock,
    /// All users, in the order of usmUserTable.
    users: Vec<User>,
    /// Where among them those of this engine are, by name.
    here: BTreeMap<Vec<u8>, usize>,
    access: AccessControl,
}

/// A message that is believed.
pub(crate) struct Accepted<'a> {
    pub(crate) scoped: ScopedPdu<'a>,
    pub(crate) back: Back<'a>,
}

/// What it takes to answer: whoever sent it, and how.
#[derive(Clone, Copy)]
pub(crate) struct Back<'a> {
    msg_id: i32,
    /// The largest message that the sender takes, in octets.
    pub(crate) max_size: usize,
    user_name: &'a [u8],
    user: Option<&'a User>,
    pub(crate) level: Level,
    context_name: &'a [u8],
}

/// A message that is not believed.
pub(crate) enum Rejected<'a> {
    /// Nobody is told.
    Silently(Dropped),
    /// The sender is told, if it is one that waits for an answer.
    Fault(Fault, Option<ReportTo<'a>>),
}

/// To whom a report goes.
pub(crate) struct ReportTo<'a> {
    pub(crate) back: Back<'a>,
    pub(crate) request_id: i32,
}

impl Back<'_> {
    /// RFC 3412 §7.1 (3): a report that nothing else is said of goes out unprotected, from the default context.
    pub(crate) const fn unprotected(self) -> Self {
        Self { user: None, level: Level::NoAuthNoPriv, context_name: &[], ..self }
    }
}

impl From<ScanError> for Rejected<'_> {
    fn from(error: ScanError) -> Self {
        Self::Silently(Dropped::Scan(error))
    }
}

impl Local {
    pub(crate) fn new(params: V3Params) -> Self {
        let V3Params { engine, clock, mut users, access, .. } = params;
        let text = |octets: &[u8]| (octets.len(), octets.to_vec());
        users.sort_by_cached_key(|user| (text(user.engine().as_bytes()), text(user.name())));
        let here = users.iter().enumerate().filter(|(_, user)| *user.engine() == engine);
        let here = here.map(|(at, user)| (user.name().to_vec(), at)).collect();
        Self { engine, clock, users, here, access }
    }

    pub(crate) const fn engine(&self) -> &EngineId {
        &self.engine
    }

    /// snmpEngineBoots and snmpEngineTime.
    pub(crate) fn clock(&self, now: Instant) -> (u32, u32) {
        self.clock.read(now)
    }

    /// All users, in the order of usmUserTable.
    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) const fn access(&self) -> &AccessControl {
        &self.access
    }

    pub(crate) fn has_users(&self) -> bool {
        !self.here.is_empty()
    }

    /// Takes a message: form, security model, user, digest, time, decryption, context engine, in this order.
    pub(crate) fn receive<'a>(
        &'a self,
        datagram: &'a [u8],
        now: Instant,
        decrypted: &'a mut Vec<u8>,
    ) -> Result<Accepted<'a>, Rejected<'a>> {
        // RFC 3412 §7.2 (2) and (3).
        let frame = scan_frame(datagram)?;
        if frame.security_model != USM {
            return Err(Rejected::Silently(Dropped::UnknownSecurityModel));
        }
        let level = frame.flags.level().ok_or(Rejected::Silently(Dropped::InvalidMessage))?;
        let parameters = frame.usm_parameters()?;
        let back = Back {
            msg_id: frame.msg_id,
            max_size: frame.max_size,
            user_name: parameters.user,
            user: None,
            level,
            context_name: &[],
        };
        let user = match self.authenticate(&parameters, level, now) {
            Ok(user) => user,
            Err((fault, user)) => {
                // Only what is late is told under the user's own key: the sender then learns what time it is.
                let level = if user.is_some() { Level::AuthNoPriv } else { Level::NoAuthNoPriv };
                return Err(Rejected::Fault(fault, report_to(&frame, None, Back { user, level, ..back })));
            }
        };
        let back = Back { user: Some(user), ..back };
        let scoped = match (frame.data, level) {
            (Data::Plain(content), Level::NoAuthNoPriv | Level::AuthNoPriv) => scan_scoped_pdu(content)?,
            (Data::Encrypted(octets), Level::AuthPriv) => {
                if !user.decrypt(&parameters, octets, decrypted) {
                    let to = report_to(&frame, None, back.unprotected());
                    return Err(Rejected::Fault(Fault::DecryptionError, to));
                }
                scan_decrypted(decrypted)?
            }
            _ => return Err(ScanError::Malformed("msgData is not as msgFlags says").into()),
        };
        let back = Back { context_name: scoped.context_name, ..back };
        match scoped.pdu.pdu {
            // RFC 3412 §7.2 (10): there is nothing outstanding that it could answer.
            tag::RESPONSE | tag::REPORT => return Err(Rejected::Silently(Dropped::UnexpectedPdu)),
            // RFC 3412 §4.2.2.1.1: nobody here takes notifications, and nobody answers for another engine.
            kind if kind >= tag::INFORM || scoped.context_engine != self.engine.as_bytes() => {
                let to = report_to(&frame, Some(&scoped), back.unprotected());
                return Err(Rejected::Fault(Fault::UnknownPduHandler, to));
            }
            _ => {}
        }
        Ok(Accepted { scoped, back })
    }

    /// RFC 3414 §3.2 (3) to (7). The user comes with a fault only if it is certain that the message is the user's.
    fn authenticate(
        &self,
        parameters: &UsmParameters<'_>,
        level: Level,
        now: Instant,
    ) -> Result<&User, (Fault, Option<&User>)> {
        if parameters.engine != self.engine.as_bytes() {
            return Err((Fault::UnknownEngineId, None));
        }
        let user = self.here.get(parameters.user).and_then(|at| self.users.get(*at));
        let user = user.ok_or((Fault::UnknownUserName, None))?;
        if level > user.level() {
            return Err((Fault::UnsupportedSecurityLevel, None));
        }
        if level > Level::NoAuthNoPriv {
            if !user.is_authentic(parameters) {
                return Err((Fault::WrongDigest, None));
            }
            let (boots, time) = self.clock.read(now);
            if boots == MAX_BOOTS || parameters.boots != boots || parameters.time.abs_diff(time) > TIME_WINDOW_S {
                return Err((Fault::NotInTimeWindow, Some(user)));
            }
        }
        Ok(user)
    }

    /// What the sender of a message may do.
    pub(crate) fn rights(&self, accepted: &Accepted<'_>) -> Result<Rights<'_>, Denied> {
        let Back { user_name, level, .. } = accepted.back;
        self.access.decide(SecurityModel::User, user_name, level, accepted.scoped.context_name)
    }

    /// The envelope of what is answered.
    pub(crate) fn envelope<'a>(&'a self, back: Back<'a>, max_size: usize, now: Instant) -> Envelope<'a> {
        let (boots, time) = self.clock.read(now);
        Envelope {
            msg_id: back.msg_id,
            max_size,
            reportable: false,
            level: back.level,
            engine: self.engine.as_bytes(),
            boots,
            time,
            user_name: back.user_name,
            user: back.user,
            context_engine: self.engine.as_bytes(),
            context_name: back.context_name,
        }
    }
}

/// RFC 3412 §7.1 (3): what is not of the Confirmed Class is not reported on; where that can not be told, the sender's
/// flag decides.
fn report_to<'a>(frame: &Frame<'_>, scoped: Option<&ScopedPdu<'_>>, back: Back<'a>) -> Option<ReportTo<'a>> {
    let plain = match frame.data {
        Data::Plain(content) => scan_scoped_pdu(content).ok(),
        Data::Encrypted(_) => None,
    };
    let pdu = scoped.or(plain.as_ref()).map(|scoped| scoped.pdu);
    let wanted = pdu.map_or(frame.flags.is_reportable(), |pdu| is_confirmed(pdu.pdu));
    wanted.then(|| ReportTo { back, request_id: pdu.map_or(0, |pdu| pdu.fields[0]) })
}

/// Is it a PDU that is answered (RFC 3411 §2.8)?
const fn is_confirmed(pdu: u8) -> bool {
    matches!(pdu, tag::GET..=0xa1 | tag::SET | tag::GET_BULK | tag::INFORM)
}
