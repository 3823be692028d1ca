//! Version 1 (RFC 1157), for managers that speak nothing else: off unless enabled.
//!
//! It knows only what differs from version 2c; RFC 3584 §4 says how. Version 1 has no 64-bit counters and no GETBULK, one
//! error for everything that is missing, and repeats the request's own variable bindings with every error. Whoever works on
//! a request asks its [`Dialect`], and not for its version.

use super::ber::{self, Scan, ScanError, VERSION_1, bindings, tag};
use super::pdu::{ErrorStatus, Verdict};
use super::value::Value;

/// Scans a datagram of version 1.
///
/// # Errors
/// [`ScanError`], as for version 2c, and for what version 1 does not have.
pub(super) fn scan(datagram: &[u8]) -> Result<Scan<'_>, ScanError> {
    let scan = ber::scan_community(datagram, VERSION_1)?;
    if !matches!(scan.pdu.pdu, tag::GET..=tag::SET) {
        return Err(ScanError::Malformed("no PDU of version 1"));
    }
    if bindings(scan.pdu.bindings).any(|(_, kind, _)| !has_type(kind)) {
        return Err(ScanError::Malformed("a value of a type that version 1 does not have"));
    }
    Ok(scan)
}

const fn has_type(kind: u8) -> bool {
    !matches!(kind, tag::COUNTER64 | tag::NO_SUCH_OBJECT..=tag::END_OF_MIB_VIEW)
}

/// In which words a request is answered: those of its own version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 1157.
    Old,
    /// RFC 3416, which versions 2c and 3 share.
    Current,
}

impl Dialect {
    /// Can a response carry it? RFC 3584 §4.2.2.1: what can not be is as good as missing, and a walk passes over it.
    pub(super) const fn carries(self, value: &Value<'_>) -> bool {
        let foreign =
            matches!(value, Value::Counter64(_) | Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView);
        matches!(self, Self::Current) || !foreign
    }

    /// The error that stands for a value of a variable binding; `None`: it stands in the response itself.
    pub(super) const fn error_for(self, value: &Value<'_>, index: i32) -> Option<Verdict> {
        // RFC 1157 §4.1.2 (1).
        if self.carries(value) { None } else { Some(Verdict { status: ErrorStatus::NoSuchName, index }) }
    }

    /// Leaves the variable bindings that a refusal comes with: the request's own, and in today's tooBig none.
    pub(super) fn refuse(self, verdict: Verdict, echo: &[u8], out: &mut Vec<u8>) {
        if self == Self::Current && verdict.status != ErrorStatus::TooBig {
            return;
        }
        out.clear();
        if self == Self::Old {
            out.extend_from_slice(echo);
        }
    }

    /// What it calls an error-status.
    pub(super) const fn status(self, status: ErrorStatus) -> ErrorStatus {
        match self {
            Self::Old => error_status(status),
            Self::Current => status,
        }
    }
}

/// The error-status that version 1 has for it: RFC 3584 §4.4.
const fn error_status(status: ErrorStatus) -> ErrorStatus {
    match status {
        ErrorStatus::NoError | ErrorStatus::TooBig | ErrorStatus::NoSuchName => status,
        ErrorStatus::WrongType | ErrorStatus::WrongValue | ErrorStatus::InconsistentValue | ErrorStatus::BadValue => {
            ErrorStatus::BadValue
        }
        ErrorStatus::NoAccess
        | ErrorStatus::NotWritable
        | ErrorStatus::NoCreation
        | ErrorStatus::AuthorizationError => ErrorStatus::NoSuchName,
        ErrorStatus::CommitFailed | ErrorStatus::UndoFailed | ErrorStatus::GenErr => ErrorStatus::GenErr,
    }
}
