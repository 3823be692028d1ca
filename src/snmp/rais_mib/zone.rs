//! raisZoneTable: the zones this box keeps.

use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::{maybe_text, time_stamp};
use crate::snmp::table::ByName;
use crate::snmp::value::Value;

pub(super) struct ZoneTable;

impl ByName for ZoneTable {
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9, 10];

    fn rows(served: &Served<'_>) -> usize {
        served.zones()
    }

    fn name<'a>(served: &Served<'a>, row: usize) -> &'a str {
        served.zone(row).map_or("", |zone| zone.name.as_str())
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(zone) = served.zone(row) else { return Value::NoSuchInstance };
        match column {
            2 => Value::text(zone.group.as_str()),
            3 => Value::Gauge32(zone.serial),
            4 => Value::Gauge32(zone.records),
            5 => Value::counter(zone.updates),
            6 => time_stamp(zone.last_update, served.started()),
            7 => maybe_text(zone.last_error.as_deref()),
            // waterMarks(1): nothing else chooses yet.
            8 => Value::Integer(1),
            9 => Value::Gauge32(zone.bounds.0),
            10 => Value::Gauge32(zone.bounds.1),
            _ => Value::NoSuchInstance,
        }
    }
}
