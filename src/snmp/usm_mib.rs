//! SNMP-USER-BASED-SM-MIB (RFC 3414 §5): what was not believed and why, and the users. Read-only: users come from the
//! signed configuration, and no key is ever read here, because there is none in reach.

use super::counters::Fault;
use super::listed::{Listed, Rows, text_index};
use super::oid::Oid;
use super::registry::Entry;
use super::v3::{Local, User};
use super::value::{ACTIVE, READ_ONLY, Value};
use std::borrow::Cow;

/// usmNoAuthProtocol and usmNoPrivProtocol.
const NO_AUTHENTICATION: &[u32] = &[1, 3, 6, 1, 6, 3, 10, 1, 1, 1];
const NO_PRIVACY: &[u32] = &[1, 3, 6, 1, 6, 3, 10, 1, 2, 1];

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(Fault::UnsupportedSecurityLevel.object(), |served| {
        served.counters.value(Fault::UnsupportedSecurityLevel)
    }),
    Entry::scalar(Fault::NotInTimeWindow.object(), |served| served.counters.value(Fault::NotInTimeWindow)),
    Entry::scalar(Fault::UnknownUserName.object(), |served| served.counters.value(Fault::UnknownUserName)),
    Entry::scalar(Fault::UnknownEngineId.object(), |served| served.counters.value(Fault::UnknownEngineId)),
    Entry::scalar(Fault::WrongDigest.object(), |served| served.counters.value(Fault::WrongDigest)),
    Entry::scalar(Fault::DecryptionError.object(), |served| served.counters.value(Fault::DecryptionError)),
    // usmUserSpinLock: nobody can change a user here, and so nobody changed one.
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 15, 1, 2, 1], |_| Value::Integer(0)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 15, 1, 2, 2, 1], &Listed(Users)),
];

/// usmUserTable.
struct Users;

impl Rows for Users {
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

    fn rows(local: &Local) -> usize {
        local.users().len()
    }

    fn index(local: &Local, row: usize, name: &mut Oid) {
        if let Some(user) = local.users().get(row) {
            text_index(user.engine().as_bytes(), name);
            text_index(user.name(), name);
        }
    }

    fn value(local: &Local, column: u32, row: usize) -> Option<Value<'_>> {
        let user: &User = local.users().get(row)?;
        Some(match column {
            3 => Value::Octets(Cow::Borrowed(user.name())),
            // A user that was cloned from none, and keys that read as nothing (RFC 3414 §5).
            4 => Value::Identifier(&[0, 0]),
            6 | 7 | 9..=11 => Value::text(""),
            5 => Value::Identifier(user.authentication().map_or(NO_AUTHENTICATION, |algorithm| algorithm.identifier())),
            8 => Value::Identifier(user.privacy().map_or(NO_PRIVACY, |algorithm| algorithm.identifier())),
            12 => READ_ONLY,
            13 => ACTIVE,
            _ => return None,
        })
    }
}
