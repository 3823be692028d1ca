//! What the agent counts: SNMPv2-MIB's snmp group, and the drops that it has no counter for.
//!
//! A datagram is answered, or dropped for exactly one cause, and either is counted.

use super::ber::ScanError;
use super::value::Value;
use thiserror::Error;

/// Why a datagram was not answered. Nothing but a counter changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Dropped {
    /// Nobody may ask from where it came from; it was not looked at. Counted by raisAgentForeignSources.
    #[error("nobody may ask from its source")]
    ForeignSource,
    /// It is no message, or none of a version that is spoken; counted by snmpInASNParseErrs or snmpInBadVersions.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Its community is not known, or not from there; counted by snmpInBadCommunityNames.
    #[error("its community is not known, or not from there")]
    BadCommunity,
    /// It is a response, a report, a trap or an inform, which an agent has no use for; counted by
    /// raisAgentUnexpectedPdus.
    #[error("its PDU is not for an agent")]
    UnexpectedPdu,
    /// Its source asks more often than it may; it was not looked at. No object of the MIB shows how often.
    #[error("its source asks more often than it may")]
    TooOften,
    /// It is of a security model that is not spoken; counted by snmpUnknownSecurityModels.
    #[error("its security model is not spoken here")]
    UnknownSecurityModel,
    /// It says that it is encrypted but not authenticated, which is no level; counted by snmpInvalidMsgs.
    #[error("it is encrypted, but not authenticated")]
    InvalidMessage,
    /// It was not believed, or not understood, and its sender does not want to know; counted as [`Fault`] says.
    #[error("{0}")]
    Fault(Fault),
    /// Even an answer that says "too big" would be; counted by snmpSilentDrops.
    #[error("no answer to it fits into a message")]
    SilentDrop,
}

/// Why a version 3 message was not answered, but reported on: the counters that a report can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// usmStatsUnsupportedSecLevels: the user has no keys for it.
    #[error("its user can not do its security level")]
    UnsupportedSecurityLevel,
    /// usmStatsNotInTimeWindows: late, replayed, or the sender has yet to learn what time it is.
    #[error("it is not in the time window")]
    NotInTimeWindow,
    /// usmStatsUnknownUserNames: somebody guesses, or was not configured here.
    #[error("its user is not known")]
    UnknownUserName,
    /// usmStatsUnknownEngineIDs: the sender has yet to learn who we are.
    #[error("it is for another engine")]
    UnknownEngineId,
    /// usmStatsWrongDigests: somebody guesses, or keys differ.
    #[error("its digest is wrong")]
    WrongDigest,
    /// usmStatsDecryptionErrors: it has no salt.
    #[error("it can not be decrypted")]
    DecryptionError,
    /// snmpUnknownPDUHandlers: a notification, or something for another engine.
    #[error("nobody here takes its PDU")]
    UnknownPduHandler,
    /// snmpUnknownContexts.
    #[error("its context is not known")]
    UnknownContext,
}

impl Fault {
    /// The counter's object, and what is read: that with a zero behind it.
    const fn instance(self) -> &'static [u32] {
        match self {
            Self::UnsupportedSecurityLevel => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 1, 0],
            Self::NotInTimeWindow => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 2, 0],
            Self::UnknownUserName => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 3, 0],
            Self::UnknownEngineId => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 4, 0],
            Self::WrongDigest => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 5, 0],
            Self::DecryptionError => &[1, 3, 6, 1, 6, 3, 15, 1, 1, 6, 0],
            Self::UnknownPduHandler => &[1, 3, 6, 1, 6, 3, 11, 2, 1, 3, 0],
            Self::UnknownContext => &[1, 3, 6, 1, 6, 3, 12, 1, 5, 0],
        }
    }

    /// The counter, as a report names it.
    pub(crate) const fn counter(self) -> &'static [u32] {
        self.instance()
    }

    /// The counter's object.
    pub(crate) const fn object(self) -> &'static [u32] {
        match self.instance() {
            [object @ .., _] => object,
            [] => &[],
        }
    }
}

/// An agent's counters since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received.
    pub in_packets: u64,
    /// Datagrams answered.
    pub answered: u64,
    /// Messages of a version that is not spoken.
    pub bad_versions: u64,
    /// Messages of an unknown community, or of a known one from elsewhere.
    pub bad_community_names: u64,
    /// SETs of a community that may write nothing; they are answered.
    pub bad_community_uses: u64,
    /// Datagrams that are no well-formed messages.
    pub asn_parse_errors: u64,
    /// Requests to which no answer fits.
    pub silent_drops: u64,
    /// Datagrams from sources that no community is open to.
    pub foreign_sources: u64,
    /// Messages with PDUs that are not for an agent.
    pub unexpected_pdus: u64,
    /// Datagrams of sources that asked more often than they may.
    pub too_often: u64,
    /// Messages of a security model that is not spoken.
    pub unknown_security_models: u64,
    /// Messages that are encrypted, but not authenticated.
    pub invalid_messages: u64,
    /// Messages that were not believed, and of which nobody was told.
    pub unreported: u64,
    /// Messages of nobody who is known here, by any version: what authenticationFailure is about.
    pub authentication_failures: u64,
    /// By [`Fault`], in the order of its variants, reported or not.
    pub by_fault: [u64; 8],
}

impl Counters {
    /// Counts what became of a datagram.
    pub(crate) fn count(&mut self, outcome: Result<(), Dropped>) {
        let counter = match outcome {
            Ok(()) => &mut self.answered,
            Err(Dropped::ForeignSource) => &mut self.foreign_sources,
            Err(Dropped::Scan(ScanError::Malformed(_))) => &mut self.asn_parse_errors,
            Err(Dropped::Scan(ScanError::BadVersion(_))) => &mut self.bad_versions,
            Err(Dropped::BadCommunity) => &mut self.bad_community_names,
            Err(Dropped::UnexpectedPdu) => &mut self.unexpected_pdus,
            Err(Dropped::SilentDrop) => &mut self.silent_drops,
            Err(Dropped::TooOften) => &mut self.too_often,
            Err(Dropped::UnknownSecurityModel) => &mut self.unknown_security_models,
            Err(Dropped::InvalidMessage) => &mut self.invalid_messages,
            Err(Dropped::Fault(_)) => &mut self.unreported,
        };
        *counter += 1;
        self.authentication_failures += u64::from(outcome == Err(Dropped::BadCommunity));
    }

    /// Counts a message that was not believed or not understood, and says how many there were.
    pub(crate) fn count_fault(&mut self, fault: Fault) -> u64 {
        self.authentication_failures += u64::from(matches!(fault, Fault::UnknownUserName | Fault::WrongDigest));
        self.by_fault.get_mut(fault as usize).map_or(0, |count| {
            *count += 1;
            *count
        })
    }

    /// How many messages were not believed or not understood for that reason, reported or not.
    #[must_use]
    pub fn faults(&self, fault: Fault) -> u64 {
        self.by_fault.get(fault as usize).copied().unwrap_or(0)
    }

    /// That, as it is served.
    pub(crate) fn value(&self, fault: Fault) -> Value<'static> {
        Value::counter(self.faults(fault))
    }

    /// Datagrams dropped, for any cause. With [`Counters::answered`] it makes [`Counters::in_packets`].
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.foreign_sources
            + self.asn_parse_errors
            + self.bad_versions
            + self.bad_community_names
            + self.unexpected_pdus
            + self.silent_drops
            + self.too_often
            + self.unknown_security_models
            + self.invalid_messages
            + self.unreported
    }
}
