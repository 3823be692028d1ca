//! raisAgent: what the agent drops for causes that SNMPv2-MIB has no counter for.

use crate::snmp::prepared::Served;
use crate::snmp::value::Value;

pub(super) fn foreign_sources<'a>(served: &Served<'a>) -> Value<'a> {
    Value::counter(served.counters.foreign_sources)
}

pub(super) fn unexpected_pdus<'a>(served: &Served<'a>) -> Value<'a> {
    Value::counter(served.counters.unexpected_pdus)
}

pub(super) fn too_often<'a>(served: &Served<'a>) -> Value<'a> {
    Value::counter(served.counters.too_often)
}
