//! ENTITY-MIB (RFC 4133): one physical entity, the chassis, as its firmware describes it.

use super::prepared::Served;
use super::registry::Entry;
use super::table::{ByNumber, Numbered};
use super::value::Value;

/// entityMIB, for sysORTable.
pub(crate) const MODULE: &[u32] = &[1, 3, 6, 1, 2, 1, 47];

/// zeroDotZero: no vendor type is known.
const NONE: &[u32] = &[0, 0];

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::table(&[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1], &Numbered(PhysicalTable)),
    // entLastChangeTime: what there is was there at the start.
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 47, 1, 4, 1], |_| Value::TimeTicks(0)),
];

/// entPhysicalTable
struct PhysicalTable;

impl ByNumber for PhysicalTable {
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

    fn rows(_: &Served<'_>) -> usize {
        1
    }

    fn number(_: &Served<'_>, _: usize) -> u32 {
        1
    }

    fn value<'a>(served: &Served<'a>, column: u32, row: usize) -> Value<'a> {
        let hardware = &served.machine.hardware;
        match (row, column) {
            (0, 2) => Value::owned_text(format!("{} {}", hardware.vendor, hardware.model).trim().to_owned()),
            (0, 3) => Value::Identifier(NONE),
            (0, 4) => Value::Integer(0),
            // chassis(3), and no siblings: it is not contained in anything that is known.
            (0, 5) => Value::Integer(3),
            (0, 6) => Value::Integer(-1),
            (0, 7) => Value::text(served.snapshot.view.name.as_str()),
            (0, 8) => Value::text(&hardware.revision),
            (0, 9) => Value::text(&hardware.firmware),
            (0, 10) => Value::text(&served.snapshot.about.version),
            (0, 11) => Value::text(&hardware.serial),
            (0, 12) => Value::text(&hardware.vendor),
            (0, 13) => Value::text(&hardware.model),
            // An alias and an asset identifier are for managers to write, and nothing here is.
            (0, 14 | 15) => Value::text(""),
            (0, 16) => Value::truth(true),
            _ => Value::NoSuchInstance,
        }
    }
}
