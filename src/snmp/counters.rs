//! What the agent counts: SNMPv2-MIB's snmp group, and the drops that it has no counter for.
//!
//! A datagram is answered, or dropped for exactly one cause, and either is counted.

use super::ber::ScanError;
use thiserror::Error;

/// Why a datagram was not answered. Nothing but a counter changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Dropped {
    /// No community is open to where it came from; it was not looked at. Counted by raisAgentForeignSources.
    #[error("no community is open to its source")]
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
    /// Even an answer that says "too big" would be; counted by snmpSilentDrops.
    #[error("no answer to it fits into a message")]
    SilentDrop,
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
        };
        *counter += 1;
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
    }
}
