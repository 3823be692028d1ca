//! raisTestTable: the test objects of this box.

use crate::snmp::prepared::Served;
use crate::snmp::rais_mib::maybe_text;
use crate::snmp::table::ByName;
use crate::snmp::value::Value;
use rais_core::address::TestName;

pub(super) struct TestTable;

impl ByName for TestTable {
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8];

    fn rows(served: &Served<'_>) -> usize {
        served.tests()
    }

    fn name<'a>(served: &Served<'a>, row: usize) -> &'a str {
        served.test(row).map_or("", |test| test.name.as_str())
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some(test) = served.test(row) else { return Value::NoSuchInstance };
        match column {
            2 => Value::Integer(if test.passing { 1 } else { 2 }),
            3 => Value::counter(test.runs),
            4 => Value::counter(test.failures),
            5 => Value::Counter32(test.transitions),
            6 => Value::up_time(test.last_change, served.started()),
            7 => maybe_text(test.last_error.as_deref()),
            8 => Value::Integer(latency(served, &test.name)),
            _ => Value::NoSuchInstance,
        }
    }
}

/// Milliseconds, rounded up; -1: it has not run yet.
fn latency(served: &Served<'_>, test: &TestName) -> i32 {
    let took = served.snapshot.latencies.get(test);
    took.map_or(-1, |took| i32::try_from(took.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
}
