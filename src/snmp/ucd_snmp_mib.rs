//! UCD-SNMP-MIB (net-snmp's): load, memory and raw processor time, where the graphs of most management systems look for
//! them. Nothing else of that module.

use super::prepared::Served;
use super::registry::Entry;
use super::table::{ByNumber, Numbered};
use super::value::Value;

/// ucdavis, for sysORTable.
pub(crate) const MODULE: &[u32] = &[1, 3, 6, 1, 4, 1, 2021];

macro_rules! ucd {
    ($($arc:expr),*) => { &[1, 3, 6, 1, 4, 1, 2021, $($arc),*] };
}

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(ucd!(4, 1), |_| Value::Integer(0)),
    Entry::scalar(ucd!(4, 2), |_| Value::text("swap")),
    Entry::scalar(ucd!(4, 3), |served| kib(served.machine.sample.memory.swap_total)),
    Entry::scalar(ucd!(4, 4), |served| kib(served.machine.sample.memory.swap_free)),
    Entry::scalar(ucd!(4, 5), |served| kib(served.machine.sample.memory.total)),
    Entry::scalar(ucd!(4, 6), |served| kib(served.machine.sample.memory.free)),
    Entry::scalar(ucd!(4, 11), |served| {
        kib(served.machine.sample.memory.free.saturating_add(served.machine.sample.memory.swap_free))
    }),
    Entry::scalar(ucd!(4, 13), |served| kib(served.machine.sample.memory.shared)),
    Entry::scalar(ucd!(4, 14), |served| kib(served.machine.sample.memory.buffers)),
    Entry::scalar(ucd!(4, 15), |served| kib(served.machine.sample.memory.cached)),
    Entry::table(ucd!(10, 1), &Numbered(LoadAverages)),
    Entry::scalar(ucd!(11, 50), |served| Value::counter(served.machine.sample.processor_time.user)),
    Entry::scalar(ucd!(11, 51), |served| Value::counter(served.machine.sample.processor_time.nice)),
    Entry::scalar(ucd!(11, 52), |served| {
        let time = &served.machine.sample.processor_time;
        // The module counts interrupts as system time as well.
        Value::counter(time.system.wrapping_add(time.interrupt).wrapping_add(time.soft_interrupt))
    }),
    Entry::scalar(ucd!(11, 53), |served| Value::counter(served.machine.sample.processor_time.idle)),
    Entry::scalar(ucd!(11, 54), |served| Value::counter(served.machine.sample.processor_time.io_wait)),
    Entry::scalar(ucd!(11, 55), |served| Value::counter(served.machine.sample.processor_time.system)),
    Entry::scalar(ucd!(11, 56), |served| Value::counter(served.machine.sample.processor_time.interrupt)),
    Entry::scalar(ucd!(11, 59), |served| Value::counter(served.machine.sample.processor_time.interrupts)),
    Entry::scalar(ucd!(11, 60), |served| Value::counter(served.machine.sample.processor_time.context_switches)),
    Entry::scalar(ucd!(11, 61), |served| Value::counter(served.machine.sample.processor_time.soft_interrupt)),
    Entry::scalar(ucd!(11, 64), |served| Value::counter(served.machine.sample.processor_time.steal)),
];

fn kib(kib: u64) -> Value<'static> {
    Value::Integer(i32::try_from(kib).unwrap_or(i32::MAX))
}

/// laTable: the load averages.
struct LoadAverages;

/// What the averages are called, in the order of their index.
const NAMES: [&str; 3] = ["Load-1", "Load-5", "Load-15"];

impl ByNumber for LoadAverages {
    const COLUMNS: &'static [u32] = &[1, 2, 3, 5];

    fn rows(served: &Served<'_>) -> usize {
        served.machine.sample.load_hundredths.len()
    }

    fn number(_: &Served<'_>, row: usize) -> u32 {
        u32::try_from(row + 1).unwrap_or(u32::MAX)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let load = served.machine.sample.load_hundredths.get(row);
        let (Some(hundredths), Some(name)) = (load, NAMES.get(row)) else { return Value::NoSuchInstance };
        match column {
            1 => Value::Integer(i32::try_from(row + 1).unwrap_or(i32::MAX)),
            2 => Value::text(name),
            3 => Value::owned_text(format!("{}.{:02}", hundredths / 100, hundredths % 100)),
            5 => Value::Integer(i32::try_from(*hundredths).unwrap_or(i32::MAX)),
            _ => Value::NoSuchInstance,
        }
    }
}
