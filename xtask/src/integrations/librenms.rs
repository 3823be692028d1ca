//! What LibreNMS needs to know a box and to discover what is on it: an OS definition and a discovery file.

use super::format;
use super::mib::{Kind, Mib};
use super::yaml::{Yaml, text};
use anyhow::Result;

/// Sensors of states: table, column, what a row is called, and the state that is good (LibreNMS: 0 ok, 1 warning, 2
/// critical, 3 unknown) in the order of the MIB.
const STATES: &[(&str, &str, &str, &[i64])] = &[
    ("raisHostTable", "raisHostState", "Box {{ $raisHostName }}", &[0, 1, 1, 2, 3]),
    ("raisAddressTable", "raisAddressState", "Address {{ $index }}", &[0, 1, 1, 2, 2]),
    ("raisTestTable", "raisTestState", "Test {{ $index }}", &[0, 2]),
    ("raisGroupTable", "raisGroupServiceState", "Group {{ $index }} service", &[0, 2]),
    ("raisGroupTable", "raisGroupPartitionState", "Group {{ $index }} partition", &[0, 2, 2]),
];

/// Sensors of numbers: table, column, what a row is called.
const COUNTS: &[(&str, &str, &str)] = &[
    ("raisGroupTable", "raisGroupAddressesOnline", "Group {{ $index }} addresses served"),
    ("raisGroupTable", "raisGroupAddressesUnserved", "Group {{ $index }} addresses unserved"),
    ("raisGroupTable", "raisGroupHostsOk", "Group {{ $index }} healthy boxes"),
    ("raisHostTable", "raisHostServed", "Box {{ $raisHostName }} addresses"),
];

/// `resources/definitions/os_detection/rais.yaml`.
pub fn definition() -> Result<String> {
    let tree = Yaml::Map(vec![
        ("os", text("rais")),
        ("text", text("rais gateway")),
        ("type", text("network")),
        ("icon", text("generic")),
        ("mib_dir", text("rais")),
        (
            "over",
            Yaml::List(vec![
                Yaml::Map(vec![("graph", text("device_bits")), ("text", text("Traffic"))]),
                Yaml::Map(vec![("graph", text("device_processor")), ("text", text("Processor"))]),
                Yaml::Map(vec![("graph", text("device_mempool")), ("text", text("Memory"))]),
            ]),
        ),
        (
            "discovery",
            Yaml::List(vec![Yaml::Map(vec![("sysObjectID", Yaml::List(vec![text(".1.3.6.1.4.1.32473.1.3.1")]))])]),
        ),
    ]);
    format::librenms_os(&tree)?;
    Ok(tree.document("Made by `cargo xtask integrations`. Goes to resources/definitions/os_detection of LibreNMS."))
}

/// `resources/definitions/os_discovery/rais.yaml`.
pub fn discovery(mib: &Mib) -> Result<String> {
    let mut states = Vec::new();
    for (table, column, row, grades) in STATES {
        let object = mib.column(table, column)?;
        let Kind::States(words) = &object.kind else { anyhow::bail!("{column} has no states") };
        anyhow::ensure!(words.len() == grades.len(), "{column} has {} states", words.len());
        let words = words.iter().zip(*grades).map(|((number, word), grade)| {
            Yaml::Map(vec![
                ("value", Yaml::Number(*number)),
                ("generic", Yaml::Number(*grade)),
                ("graph", Yaml::Number(1)),
                ("descr", text(word)),
            ])
        });
        states.push(Yaml::Map(vec![
            ("oid", text(*table)),
            ("value", text(*column)),
            ("num_oid", text(format!(".{}.{{{{ $index }}}}", object.oid))),
            ("descr", text(*row)),
            ("index", text(format!("{column}.{{{{ $index }}}}"))),
            ("state_name", text(*column)),
            ("states", Yaml::List(words.collect())),
        ]));
    }
    let mut counts = Vec::new();
    for (table, column, row) in COUNTS {
        let object = mib.column(table, column)?;
        counts.push(Yaml::Map(vec![
            ("oid", text(*table)),
            ("value", text(*column)),
            ("num_oid", text(format!(".{}.{{{{ $index }}}}", object.oid))),
            ("descr", text(*row)),
            ("index", text(format!("{column}.{{{{ $index }}}}"))),
        ]));
    }
    let data = |list| Yaml::Map(vec![("data", Yaml::List(list))]);
    let os =
        Yaml::Map(vec![("version", text("RAIS-MIB::raisBoxVersion.0")), ("hardware", text("RAIS-MIB::raisBoxName.0"))]);
    let tree = Yaml::Map(vec![
        ("mib", text("RAIS-MIB")),
        (
            "modules",
            Yaml::Map(vec![("os", os), ("sensors", Yaml::Map(vec![("state", data(states)), ("count", data(counts))]))]),
        ),
    ]);
    format::librenms_discovery(&tree)?;
    Ok(tree.document("Made by `cargo xtask integrations`. Goes to resources/definitions/os_discovery of LibreNMS."))
}
