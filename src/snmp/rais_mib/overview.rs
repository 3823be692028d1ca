//! raisBox: scalars about the box.

use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::{maybe_text, time_stamp};
use crate::snmp::value::Value;

pub(super) fn name<'a>(served: &Served<'a>) -> Value<'a> {
    Value::text(served.snapshot.view.name.as_str())
}

pub(super) fn version<'a>(served: &Served<'a>) -> Value<'a> {
    Value::text(&served.snapshot.about.version)
}

pub(super) fn incarnation<'a>(served: &Served<'a>) -> Value<'a> {
    Value::Counter64(served.snapshot.view.incarnation.0)
}

pub(super) fn config_generation<'a>(served: &Served<'a>) -> Value<'a> {
    Value::Counter64(served.snapshot.view.generation.0)
}

pub(super) fn config_digest<'a>(served: &Served<'a>) -> Value<'a> {
    Value::text(&served.snapshot.about.digest)
}

pub(super) fn config_signed<'a>(served: &Served<'a>) -> Value<'a> {
    Value::truth(served.snapshot.about.signer.is_some())
}

pub(super) fn config_signer<'a>(served: &Served<'a>) -> Value<'a> {
    maybe_text(served.snapshot.about.signer.as_deref())
}

pub(super) fn reload_state<'a>(served: &Served<'a>) -> Value<'a> {
    Value::Integer(match served.snapshot.about.last_reload {
        None => 1,
        Some(Ok(_)) => 2,
        Some(Err(_)) => 3,
    })
}

pub(super) fn reload_text<'a>(served: &Served<'a>) -> Value<'a> {
    maybe_text(served.snapshot.about.last_reload.as_ref().map(|result| match result {
        Ok(text) | Err(text) => text.as_str(),
    }))
}

/// Counters begin with the daemon, as sysUpTime does: zero.
pub(super) fn discontinuity_time<'a>(served: &Served<'a>) -> Value<'a> {
    Value::up_time(served.started(), served.started())
}

pub(super) fn machine_id<'a>(served: &Served<'a>) -> Value<'a> {
    maybe_text(served.machine.hardware.machine_id.as_deref())
}

pub(super) fn image_slot<'a>(served: &Served<'a>) -> Value<'a> {
    maybe_text(served.machine.hardware.slot.as_deref())
}

pub(super) fn config_last_change<'a>(served: &Served<'a>) -> Value<'a> {
    time_stamp(served.snapshot.about.configured, served.started())
}

pub(super) fn network_repairs<'a>(served: &Served<'a>) -> Value<'a> {
    Value::counter(served.snapshot.about.network_repairs)
}
