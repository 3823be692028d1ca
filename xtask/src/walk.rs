//! What a management station and a name server make of a box: tables read by name with the real net-snmp programs, and the
//! zone file as `named-checkzone` sees it.

use crate::lab::{Lab, Plan, ZONE};
use crate::prerequisites;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

/// A table that every box must serve.
pub struct Table {
    /// Its name in the MIB.
    pub name: &'static str,
    /// A column that every row has; its instances are the rows.
    column: &'static str,
    /// How many rows a lab's box has, all boxes being on.
    pub rows: fn(&Plan) -> usize,
}

/// The three tables of the thin line.
pub const TABLES: &[Table] = &[
    Table { name: "raisGroupTable", column: "raisGroupPort", rows: |_| 2 },
    Table { name: "raisHostTable", column: "raisHostName", rows: |plan| 2 * plan.boxes.len() },
    Table { name: "raisAddressTable", column: "raisAddressState", rows: |plan| plan.services.len() },
];

/// Reads a table with snmpwalk, snmpbulkwalk and snmptable; gives its number of rows if all three agree.
pub fn table(lab: &Lab, index: usize, table: &Table) -> Result<usize> {
    let walked = lab.poll(index, "snmpwalk", &[], table.name)?;
    let bulk = lab.poll(index, "snmpbulkwalk", &[], table.name)?;
    let rows = rows_of(&walked, table.column)?;
    let bulk_rows = rows_of(&bulk, table.column)?;
    ensure!(rows == bulk_rows, "snmpwalk sees {} rows, snmpbulkwalk {}", rows.len(), bulk_rows.len());
    ensure!(instances(&walked)? == instances(&bulk)?, "snmpwalk and snmpbulkwalk see different objects");
    // `-Ci` puts the index in front; the columns are then separated by one stroke.
    let printed = lab.poll(index, "snmptable", &["-Ci", "-CH", "-Cf", "|"], table.name)?;
    let lines = printed.lines().filter(|line| line.contains('|')).count();
    ensure!(lines == rows.len(), "snmpwalk sees {} rows, snmptable {lines}", rows.len());
    Ok(rows.len())
}

/// Some columns of the host table as a person would print them, in 80 columns.
pub fn shown(lab: &Lab, index: usize) -> Result<String> {
    ["raisHostName", "raisHostState", "raisHostServed"]
        .iter()
        .map(|column| lab.poll(index, "snmpwalk", &["-Os"], column))
        .collect()
}

/// The rows in a walk: the index parts of one column's instances.
fn rows_of(walked: &str, column: &str) -> Result<BTreeSet<String>> {
    let prefix = format!("RAIS-MIB::{column}.");
    let rows = instances(walked)?.into_iter().filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned));
    Ok(rows.collect())
}

/// The names of all objects in a walk; every one must be decoded by our MIB.
fn instances(walked: &str) -> Result<BTreeSet<String>> {
    // A value may go on over several lines; only lines that begin an object are looked at.
    let begins = |line: &&str| line.contains(" = ");
    let names: BTreeSet<_> = walked
        .lines()
        .filter(begins)
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned())
        .collect();
    let foreign = names.iter().find(|name| !name.starts_with("RAIS-MIB::"));
    ensure!(foreign.is_none(), "not decoded: {foreign:?}");
    ensure!(!names.is_empty(), "nothing there: {}", walked.trim());
    Ok(names)
}

/// Has `named-checkzone` read the box's zone file; gives the number of addresses in it.
pub fn zone(lab: &Lab, index: usize) -> Result<usize> {
    let file = lab.state_directory(index).join("zones").join(format!("{ZONE}.zone"));
    let output = prerequisites::command("named-checkzone")
        .args(["-D", ZONE])
        .arg(&file)
        .output()
        .context("named-checkzone does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "named-checkzone {}: {}", file.display(), said.trim());
    // `-D` prints the zone in full: owner, TTL, class, type, data.
    let apex = format!("{ZONE}.");
    let zone = String::from_utf8_lossy(&output.stdout);
    let is_address = |line: &&str| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(&*apex) && fields.nth(2).is_some_and(|kind| kind == "A" || kind == "AAAA")
    };
    Ok(zone.lines().filter(is_address).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALK: &str = "RAIS-MIB::raisGroupPort.\"gateway\" = Gauge32: 7078\n\
                        RAIS-MIB::raisGroupPort.\"http\" = Gauge32: 7077\n\
                        RAIS-MIB::raisGroupRole.\"http\" = INTEGER: leader(1)\n";

    #[test]
    fn the_rows_of_a_walk_are_the_instances_of_one_column() {
        assert_eq!(rows_of(WALK, "raisGroupPort").unwrap(), BTreeSet::from(["\"gateway\"".into(), "\"http\"".into()]));
        assert_eq!(rows_of(WALK, "raisGroupRole").unwrap().len(), 1);
        assert_eq!(rows_of(WALK, "raisHostName").unwrap().len(), 0);
    }

    #[test]
    fn an_object_that_no_mib_names_and_an_empty_walk_are_errors() {
        assert!(instances("SNMPv2-SMI::enterprises.32473.1 = INTEGER: 1\n").is_err());
        assert!(instances("").is_err());
    }
}
