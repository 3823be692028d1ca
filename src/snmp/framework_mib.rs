//! SNMP-FRAMEWORK-MIB (RFC 3411): the engine itself; SNMP-MPD-MIB (RFC 3412): messages that nobody here has a use for;
//! and the two counters of SNMP-TARGET-MIB (RFC 3413) that reports are about.

use super::counters::Fault;
use super::prepared::Served;
use super::registry::Entry;
use super::value::Value;
use std::borrow::Cow;

pub(crate) const ENTRIES: &[Entry] = &[
    // snmpEngine
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 10, 2, 1, 1], engine_id),
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 10, 2, 1, 2], |served| Value::Integer(clock(served).0)),
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 10, 2, 1, 3], |served| Value::Integer(clock(served).1)),
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 10, 2, 1, 4], |served| {
        Value::Integer(i32::try_from(served.max_message_octets).unwrap_or(i32::MAX))
    }),
    // snmpMPDStats
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 11, 2, 1, 1], |served| Value::counter(served.counters.unknown_security_models)),
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 11, 2, 1, 2], |served| Value::counter(served.counters.invalid_messages)),
    Entry::scalar(Fault::UnknownPduHandler.object(), |served| served.counters.value(Fault::UnknownPduHandler)),
    // snmpUnavailableContexts: what is there is available.
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 12, 1, 4], |_| Value::Counter32(0)),
    Entry::scalar(Fault::UnknownContext.object(), |served| served.counters.value(Fault::UnknownContext)),
];

fn engine_id<'a>(served: &Served<'a>) -> Value<'a> {
    Value::Octets(Cow::Borrowed(served.local.map_or(&[], |local| local.engine().as_bytes())))
}

fn clock(served: &Served<'_>) -> (i32, i32) {
    let (boots, time) = served.local.map_or((0, 0), |local| local.clock(served.now));
    (i32::try_from(boots).unwrap_or(i32::MAX), i32::try_from(time).unwrap_or(i32::MAX))
}
