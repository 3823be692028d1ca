//! raisLoadTable: the load objects of this box.

use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::{maybe_text, time_stamp};
use crate::snmp::table::ByName;
use crate::snmp::value::Value;
use rais_core::quantity::Utilisation;

pub(super) struct LoadTable;

impl ByName for LoadTable {
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6];

    fn rows(served: &Served<'_>) -> usize {
        served.loads()
    }

    fn name<'a>(served: &Served<'a>, row: usize) -> &'a str {
        served.load(row).map_or("", |load| load.name.as_str())
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(load) = served.load(row) else { return Value::NoSuchInstance };
        match column {
            2 => Value::Gauge32(load.load),
            3 => Value::Gauge32(load.capacity),
            4 => Value::Gauge32(Utilisation::of(load.load, load.capacity).0),
            5 => time_stamp(load.sampled, served.started()),
            6 => maybe_text(load.last_error.as_deref()),
            _ => Value::NoSuchInstance,
        }
    }
}
