//! HOST-RESOURCES-MIB (RFC 2790): the system, its storage and its processors.
//!
//! Storage is numbered as other agents do, so that graphs find it: 1 memory, 10 swap, file systems from 31 on in the
//! order in which they were mounted. Processors are devices from 196608 (0x30000) on.

use super::notify::date_and_time;
use super::prepared::Served;
use super::registry::Entry;
use super::table::{ByNumber, Numbered};
use super::value::Value;
use crate::machine::Storage;
use std::borrow::Cow;

/// hostResourcesMibModule, for sysORTable.
pub(crate) const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 25, 7, 1];

macro_rules! host {
    ($($arc:expr),*) => { &[1, 3, 6, 1, 2, 1, 25, $($arc),*] };
}

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::scalar(host!(1, 1), |served| Value::TimeTicks(served.machine.sample.up_hundredths as u32)),
    Entry::scalar(host!(1, 2), |served| {
        Value::Octets(Cow::Owned(date_and_time(served.machine.sample.unix_ms).to_vec()))
    }),
    Entry::scalar(host!(1, 4), |served| Value::short_text(&served.machine.hardware.command_line, 128)),
    Entry::scalar(host!(1, 6), |served| Value::Gauge32(served.machine.sample.processes)),
    Entry::scalar(host!(2, 2), |served| number(served.machine.sample.memory.total)),
    Entry::table(host!(2, 3, 1), &Numbered(StorageTable)),
    Entry::table(host!(3, 2, 1), &Numbered(DeviceTable)),
    Entry::table(host!(3, 3, 1), &Numbered(ProcessorTable)),
];

const STORAGE_OTHER: &[u32] = host!(2, 1, 1);
const STORAGE_RAM: &[u32] = host!(2, 1, 2);
const STORAGE_VIRTUAL_MEMORY: &[u32] = host!(2, 1, 3);
const STORAGE_FIXED_DISK: &[u32] = host!(2, 1, 4);
const DEVICE_PROCESSOR: &[u32] = host!(3, 1, 3);
const NO_PRODUCT_ID: &[u32] = &[0, 0];
const KIB: u64 = 1024;
const MEMORY: u32 = 1;
const SWAP: u32 = 10;
const FIRST_FILE_SYSTEM: usize = 31;
const FIRST_PROCESSOR: usize = 0x3_0000;

fn number(number: u64) -> Value<'static> {
    Value::Integer(i32::try_from(number).unwrap_or(i32::MAX))
}

/// hrStorageTable
struct StorageTable;

/// One row: its type, what it is called, and its size.
fn storage<'a>(served: &Served<'a>, row: usize) -> Option<(&'static [u32], &'a str, Storage)> {
    let memory = &served.machine.sample.memory;
    let units = |units: u64, free: u64| {
        let used = units.saturating_sub(free);
        Storage { path: String::new(), in_memory: true, unit_octets: KIB, units, used }
    };
    Some(match row {
        // What can be had at once is not in use, wherever the kernel keeps it meanwhile.
        0 => (STORAGE_RAM, "Physical memory", units(memory.total, memory.available)),
        1 => (STORAGE_VIRTUAL_MEMORY, "Swap space", units(memory.swap_total, memory.swap_free)),
        _ => {
            let storage = served.machine.sample.storage.get(row - 2)?;
            (if storage.in_memory { STORAGE_OTHER } else { STORAGE_FIXED_DISK }, &storage.path, scaled(storage))
        }
    })
}

/// hrStorageSize has 31 bits: larger file systems are told in larger units.
fn scaled(storage: &Storage) -> Storage {
    let mut scaled = Storage { path: String::new(), ..*storage };
    while scaled.units > i32::MAX as u64 {
        (scaled.units, scaled.used, scaled.unit_octets) = (scaled.units / 2, scaled.used / 2, scaled.unit_octets * 2);
    }
    scaled
}

impl ByNumber for StorageTable {
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6];

    fn rows(served: &Served<'_>) -> usize {
        2 + served.machine.sample.storage.len()
    }

    fn number(_: &Served<'_>, row: usize) -> u32 {
        match row {
            0 => MEMORY,
            1 => SWAP,
            _ => u32::try_from(FIRST_FILE_SYSTEM + row - 2).unwrap_or(u32::MAX),
        }
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let Some((kind, description, storage)) = storage(served, row) else { return Value::NoSuchInstance };
        match column {
            1 => number(Self::number(served, row).into()),
            2 => Value::Identifier(kind),
            3 => Value::ascii(description),
            4 => number(storage.unit_octets),
            5 => number(storage.units),
            6 => number(storage.used),
            _ => Value::NoSuchInstance,
        }
    }
}

fn processors(served: &Served<'_>) -> usize {
    served.machine.sample.busy_percent.len()
}

fn processor_number(row: usize) -> u32 {
    u32::try_from(FIRST_PROCESSOR + row).unwrap_or(u32::MAX)
}

/// hrDeviceTable: processors.
struct DeviceTable;

impl ByNumber for DeviceTable {
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4, 5, 6];

    fn rows(served: &Served<'_>) -> usize {
        processors(served)
    }

    fn number(_: &Served<'_>, row: usize) -> u32 {
        processor_number(row)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        match column {
            1 => number(processor_number(row).into()),
            2 => Value::Identifier(DEVICE_PROCESSOR),
            3 => Value::short_text(&served.machine.hardware.processor, 64),
            4 => Value::Identifier(NO_PRODUCT_ID),
            // running(2): one that is listed runs.
            5 => Value::Integer(2),
            6 => Value::Counter32(0),
            _ => Value::NoSuchInstance,
        }
    }
}

/// hrProcessorTable
struct ProcessorTable;

impl ByNumber for ProcessorTable {
    const COLUMNS: &'static [u32] = &[1, 2];

    fn rows(served: &Served<'_>) -> usize {
        processors(served)
    }

    fn number(_: &Served<'_>, row: usize) -> u32 {
        processor_number(row)
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        match (column, served.machine.sample.busy_percent.get(row)) {
            (1, Some(_)) => Value::Identifier(NO_PRODUCT_ID),
            (2, Some(percent)) => number(u64::from((*percent).min(100))),
            _ => Value::NoSuchInstance,
        }
    }
}
