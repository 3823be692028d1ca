//! The other side of the conversation: an engine that we ask or tell, and that says what counts (RFC 3414 §3.2 (7b), §4).
//!
//! A sender of informs needs it: an inform's receiver is authoritative, so its engine id and clock have to be known. It
//! does not know sockets, retries or what is said.

use super::super::ber::{PduScan, ScanError, tag};
use super::super::oid::Oid;
use super::engine::{EngineId, MAX_BOOTS};
use super::scan::{Data, ScopedPdu, USM, UsmParameters, scan_decrypted, scan_frame, scan_scoped_pdu};
use super::seal::{Envelope, SealError, seal};
use super::usm::{Level, User};
use rais_core::time::Instant;
use thiserror::Error;

/// How far two clocks may be apart, in seconds: RFC 3414 §2.2.3.
pub(crate) const TIME_WINDOW_S: u32 = 150;

/// Why a received message is not believed. Nothing changed, unless the variant says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It is no well-formed message.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It is of another security model, or encrypted without authentication.
    #[error("it is not of the user-based security model")]
    SecurityModel,
    /// It is from another engine than the one expected.
    #[error("it is from another engine")]
    OtherEngine,
    /// It is another user's, or the user can not do its level.
    #[error("it is not the user's, or not at a level that the user has keys for")]
    OtherUser,
    /// Its digest is wrong: somebody changed it, or the keys differ. The operator compares the pass phrases.
    #[error("its digest is wrong")]
    WrongDigest,
    /// It is older than what was heard before.
    #[error("it is not in the time window")]
    NotInTimeWindow,
    /// It can not be decrypted. The operator compares the privacy pass phrases.
    #[error("it can not be decrypted")]
    Undecryptable,
    /// It says more than a report, and is less protected than what it answers.
    #[error("it is not as well protected as what it answers")]
    Unprotected,
}

/// A message that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// msgID.
    pub msg_id: i32,
    /// How it was protected. Only what is above [`Level::NoAuthNoPriv`] is certainly from the engine.
    pub level: Level,
    /// The PDU's tag: 0xa2 a response, 0xa8 a report.
    pub pdu: u8,
    /// request-id.
    pub request_id: i32,
    /// error-status.
    pub status: i32,
    /// error-index.
    pub index: i32,
    /// The name of the first variable binding: which counter a report is about.
    pub first_name: Option<Oid>,
}

/// An engine that we talk to, and what is known of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    engine: Option<EngineId>,
    clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    boots: u32,
    /// The latest time that an authentic message told, and when that was.
    latest: u32,
    at: Instant,
}

impl Clock {
    fn estimate(&self, now: Instant) -> u32 {
        let passed = u32::try_from(now.since(self.at).as_secs()).unwrap_or(MAX_BOOTS);
        self.latest.saturating_add(passed).min(MAX_BOOTS)
    }
}

impl Peer {
    /// An engine of which at most the id is known.
    #[must_use]
    pub const fn new(engine: Option<EngineId>) -> Self {
        Self { engine, clock: None }
    }

    /// Its id, once it is known.
    #[must_use]
    pub const fn engine(&self) -> Option<&EngineId> {
        self.engine.as_ref()
    }

    /// Is its clock known, so that an authenticated message will be believed?
    #[must_use]
    pub const fn is_synchronised(&self) -> bool {
        self.clock.is_some()
    }

    /// Its boots and time as they should be by now; zeros before it was heard: it then answers with a report that says.
    #[must_use]
    pub fn clock(&self, now: Instant) -> (u32, u32) {
        self.clock.as_ref().map_or((0, 0), |clock| (clock.boots, clock.estimate(now)))
    }

    /// A message that asks who it is (RFC 3414 §4, step 1): a GET of nothing, by nobody, to an engine of no name.
    ///
    /// # Errors
    /// None that is known: nothing is protected.
    pub fn discovery(msg_id: i32, request_id: i32, max_size: usize) -> Result<Vec<u8>, SealError> {
        let mut pdu = Vec::new();
        super::super::message::pdu(tag::GET, [request_id, 0, 0], &[], &mut pdu);
        let mut out = Vec::new();
        let nobody = Envelope {
            msg_id,
            max_size,
            reportable: true,
            level: Level::NoAuthNoPriv,
            engine: &[],
            boots: 0,
            time: 0,
            user_name: &[],
            user: None,
            context_engine: &[],
            context_name: &[],
        };
        seal(&nobody, [0; 8], &pdu, &mut out)?;
        Ok(out)
    }

    /// Opens what came back to something that was sent as `user`, protected as `asked`. Learns the engine's id from the
    /// first report, and its clock from every authentic message.
    ///
    /// # Errors
    /// [`OpenError`] says why it is not believed.
    pub fn open(&mut self, datagram: &[u8], user: &User, asked: Level, now: Instant) -> Result<Opened, OpenError> {
        let frame = scan_frame(datagram)?;
        let level = frame.flags.level().filter(|_| frame.security_model == USM).ok_or(OpenError::SecurityModel)?;
        let parameters = frame.usm_parameters()?;
        let from = EngineId::new(parameters.engine).map_err(|_| OpenError::OtherEngine)?;
        if self.engine.is_some_and(|engine| engine != from) {
            return Err(OpenError::OtherEngine);
        }
        if level > Level::NoAuthNoPriv {
            if parameters.user != user.name() || level > user.level() || *user.engine() != from {
                return Err(OpenError::OtherUser);
            }
            if !user.is_authentic(&parameters) {
                return Err(OpenError::WrongDigest);
            }
            self.hear(&parameters, now)?;
        }
        let mut decrypted = Vec::new();
        let scoped = match (frame.data, level) {
            (Data::Plain(content), Level::NoAuthNoPriv | Level::AuthNoPriv) => scan_scoped_pdu(content)?,
            (Data::Encrypted(octets), Level::AuthPriv) => {
                if !user.decrypt(&parameters, octets, &mut decrypted) {
                    return Err(OpenError::Undecryptable);
                }
                scan_decrypted(&decrypted).map_err(|_| OpenError::Undecryptable)?
            }
            _ => return Err(ScanError::Malformed("msgData is not as msgFlags says").into()),
        };
        let ScopedPdu { pdu: PduScan { pdu, fields: [request_id, status, index], .. }, .. } = scoped;
        if pdu != tag::REPORT && level < asked {
            return Err(OpenError::Unprotected);
        }
        self.engine = Some(from);
        let first_name = scoped.pdu.first_name();
        Ok(Opened { msg_id: frame.msg_id, level, pdu, request_id, status, index, first_name })
    }

    /// RFC 3414 §3.2 (7b): an authentic message moves the clock forward, and an old one is refused.
    fn hear(&mut self, parameters: &UsmParameters<'_>, now: Instant) -> Result<(), OpenError> {
        let UsmParameters { boots, time, .. } = *parameters;
        let newer = self.clock.is_none_or(|clock| boots > clock.boots || (boots == clock.boots && time > clock.latest));
        if newer {
            self.clock = Some(Clock { boots, latest: time, at: now });
        }
        let Some(clock) = self.clock else { return Ok(()) };
        let late = time.saturating_add(TIME_WINDOW_S) < clock.estimate(now);
        if clock.boots == MAX_BOOTS || boots < clock.boots || (boots == clock.boots && late) {
            return Err(OpenError::NotInTimeWindow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Authentication, Privacy};
    use super::*;
    use std::time::Duration;

    const HERE: &[u8] = b"\x80\x00\x7e\xd9\x05there";

    fn engine() -> EngineId {
        EngineId::new(HERE).unwrap()
    }

    fn user(authentication: Authentication, privacy: Privacy) -> User {
        let keys = (
            authentication.localise(b"authentication", &engine()).unwrap(),
            privacy.localise(authentication, b"privacy of it", &engine()).unwrap(),
        );
        User::new(b"noc", engine(), Some((authentication, keys.0)), Some((privacy, keys.1))).unwrap()
    }

    fn said(user: &User, level: Level, boots: u32, time: u32, tag: u8) -> Vec<u8> {
        let mut pdu = Vec::new();
        super::super::super::message::pdu(tag, [77, 0, 0], &[], &mut pdu);
        let envelope = Envelope {
            msg_id: 5,
            max_size: 1472,
            reportable: false,
            level,
            engine: HERE,
            boots,
            time,
            user_name: user.name(),
            user: Some(user),
            context_engine: HERE,
            context_name: b"",
        };
        let mut out = Vec::new();
        seal(&envelope, [1; 8], &pdu, &mut out).unwrap();
        assert_eq!(out.len(), envelope.octets(pdu.len()));
        out
    }

    #[test]
    fn what_is_sealed_is_opened_with_every_algorithm_and_level() {
        for authentication in Authentication::ALL {
            for privacy in Privacy::ALL.into_iter().filter(|privacy| privacy.goes_with(authentication)) {
                let user = user(authentication, privacy);
                for level in [Level::AuthNoPriv, Level::AuthPriv] {
                    let mut peer = Peer::new(None);
                    let opened = peer.open(&said(&user, level, 3, 100, tag::RESPONSE), &user, level, Instant::ZERO);
                    let opened = opened.unwrap_or_else(|error| panic!("{authentication:?} {privacy:?} {error}"));
                    assert_eq!((opened.msg_id, opened.request_id, opened.level), (5, 77, level));
                    assert_eq!((peer.engine(), peer.clock(Instant::ZERO)), (Some(&engine()), (3, 100)));
                }
            }
        }
    }

    #[test]
    fn one_bit_changed_anywhere_is_found() {
        let user = user(Authentication::Sha256, Privacy::Aes128);
        let good = said(&user, Level::AuthPriv, 3, 100, tag::RESPONSE);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let opened = Peer::new(Some(engine())).open(&bad, &user, Level::AuthPriv, Instant::ZERO);
            assert!(opened.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_response_is_as_well_protected_as_what_it_answers_and_a_report_need_not_be() {
        let user = user(Authentication::Sha256, Privacy::Aes128);
        let open = |message: &[u8]| Peer::new(Some(engine())).open(message, &user, Level::AuthPriv, Instant::ZERO);
        assert_eq!(open(&said(&user, Level::AuthNoPriv, 3, 9, tag::RESPONSE)), Err(OpenError::Unprotected));
        assert_eq!(open(&said(&user, Level::NoAuthNoPriv, 3, 9, tag::RESPONSE)), Err(OpenError::Unprotected));
        assert!(open(&said(&user, Level::NoAuthNoPriv, 3, 9, tag::REPORT)).is_ok());
    }

    #[test]
    fn the_clock_goes_forward_only_and_what_is_older_than_150_s_is_refused_rfc_3414_3_2_7b() {
        let user = user(Authentication::Sha256, Privacy::Aes128);
        let mut peer = Peer::new(Some(engine()));
        let later = Instant::ZERO + Duration::from_secs(1000);
        let mut hears = |boots, time, at| {
            peer.open(&said(&user, Level::AuthNoPriv, boots, time, tag::RESPONSE), &user, Level::AuthNoPriv, at).err()
        };
        assert_eq!(hears(3, 500, Instant::ZERO), None);
        // By now it is 1500 there.
        assert_eq!(hears(3, 1350, later), None);
        assert_eq!(hears(3, 1199, later), Some(OpenError::NotInTimeWindow));
        assert_eq!(hears(2, 9999, later), Some(OpenError::NotInTimeWindow));
        assert_eq!(hears(4, 1, later), None);
        assert_eq!(hears(3, 1500, later), Some(OpenError::NotInTimeWindow));
        assert_eq!(hears(MAX_BOOTS, 1, later), Some(OpenError::NotInTimeWindow));
    }

    #[test]
    fn an_unauthenticated_report_tells_who_is_there_but_not_what_time_it_is() {
        let user = user(Authentication::Sha256, Privacy::Aes128);
        let mut peer = Peer::new(None);
        let report = said(&user, Level::NoAuthNoPriv, 9, 9, tag::REPORT);
        assert!(peer.open(&report, &user, Level::AuthPriv, Instant::ZERO).is_ok());
        assert_eq!(peer.engine(), Some(&engine()));
        assert!(!peer.is_synchronised());
        let mut other = Peer::new(Some(EngineId::from_random([1; 12])));
        assert_eq!(other.open(&report, &user, Level::AuthPriv, Instant::ZERO), Err(OpenError::OtherEngine));
    }
}
