//! Templates for Zabbix: of one list, for two generations of it.
//!
//! Since 6.4 one `walk[]` item fetches a table and everything else depends on it; before that each value is an item that
//! asks. Indices are octets, which a few lines of JavaScript make readable.

use super::format;
use super::mib::{Kind, Mib, Object};
use super::yaml::{Yaml, text};
use anyhow::Result;
use sha2::{Digest, Sha256};

/// What is watched of each table: its name, what a row is called, its columns, and its alarms.
const TABLES: &[Table] = &[
    Table {
        table: "raisGroupTable",
        row: "Group {#GROUP}",
        columns: &[
            "raisGroupRole",
            "raisGroupSettled",
            "raisGroupDisagreeing",
            "raisGroupHostsLive",
            "raisGroupHostsOk",
            "raisGroupAddresses",
            "raisGroupAddressesOnline",
            "raisGroupAddressesMoving",
            "raisGroupAddressesUnserved",
            "raisGroupAddressesDuplicate",
            "raisGroupAddressesOrphaned",
            "raisGroupLeaderChanges",
            "raisGroupMessagesIn",
            "raisGroupMessagesOut",
            "raisGroupAcquires",
            "raisGroupAcquireFailures",
            "raisGroupReleases",
            "raisGroupReleaseFailures",
            "raisGroupDrops",
            "raisGroupPartitionState",
            "raisGroupServiceState",
        ],
        alarms: &[
            ("raisGroupServiceState", "last(ITEM)=2", "AVERAGE", "Group {#GROUP} is degraded"),
            ("raisGroupAddressesUnserved", "min(ITEM,1m)>0", "HIGH", "Addresses of group {#GROUP} are unserved"),
            ("raisGroupAddressesDuplicate", "min(ITEM,1m)>0", "HIGH", "Addresses of group {#GROUP} are served twice"),
            (
                "raisGroupPartitionState",
                "last(ITEM)<>1",
                "HIGH",
                "Group {#GROUP} is divided, and this part serves nothing",
            ),
            ("raisGroupDisagreeing", "min(ITEM,5m)>0", "WARNING", "Boxes of group {#GROUP} are configured otherwise"),
        ],
    },
    Table {
        table: "raisHostTable",
        row: "Box {#ADDRESS} of {#GROUP}",
        columns: &["raisHostName", "raisHostState", "raisHostUtilisation", "raisHostServed", "raisHostTransitions"],
        alarms: &[
            ("raisHostState", "last(ITEM)=4", "AVERAGE", "Box {#ADDRESS} of group {#GROUP} is dead"),
            ("raisHostState", "last(ITEM)=3", "WARNING", "Box {#ADDRESS} of group {#GROUP} is not ok"),
        ],
    },
    Table {
        table: "raisAddressTable",
        row: "Address {#ADDRESS} of {#GROUP}",
        columns: &["raisAddressState", "raisAddressServerName", "raisAddressTransitions"],
        alarms: &[("raisAddressState", "min(ITEM,1m)=4", "HIGH", "{#ADDRESS} of group {#GROUP} is unserved")],
    },
    Table {
        table: "raisTestTable",
        row: "Test {#GROUP}",
        columns: &["raisTestState", "raisTestRuns", "raisTestFailures"],
        alarms: &[("raisTestState", "last(ITEM)=2", "WARNING", "Test {#GROUP} fails")],
    },
    Table {
        table: "raisLoadTable",
        row: "Load {#GROUP}",
        columns: &["raisLoadValue", "raisLoadCapacity", "raisLoadUtilisation"],
        alarms: &[],
    },
    Table {
        table: "raisZoneTable",
        row: "Zone {#GROUP}",
        columns: &["raisZoneSerial", "raisZoneRecords", "raisZoneUpdates", "raisZoneLastError"],
        alarms: &[("raisZoneLastError", "length(last(ITEM))>0", "WARNING", "Zone {#GROUP} is not written")],
    },
];

/// What is watched of the box itself.
const SCALARS: &[&str] = &[
    "raisBoxVersion",
    "raisBoxConfigGeneration",
    "raisBoxConfigSigned",
    "raisBoxReloadState",
    "raisBoxReloadText",
    "raisAgentForeignSources",
    "raisAgentUnexpectedPdus",
    "raisAgentTooOften",
    "raisAgentWorstNotification",
    "raisAgentLateNotifications",
];

/// Which Zabbix it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 6.0, the one that Debian has: every value is asked for.
    Six,
    /// 7.0: a walk for each table.
    Seven,
}

struct Table {
    table: &'static str,
    row: &'static str,
    columns: &'static [&'static str],
    /// Column, condition, priority, and what is said.
    alarms: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

/// The index in words: a name behind its length, then perhaps an address behind its type and length.
const NAMES: &str = "var rows = JSON.parse(value);\n\
(rows.data || rows).forEach(function (row) {\n  var arcs = row['{#SNMPINDEX}'].split('.').map(Number);\n  \
var name = arcs.slice(1, 1 + arcs[0]);\n  row['{#GROUP}'] = String.fromCharCode.apply(null, name);\n  \
var octets = arcs.slice(3 + arcs[0]);\n  if (octets.length === 4) { row['{#ADDRESS}'] = octets.join('.'); }\n  \
if (octets.length === 16) {\n    var words = [];\n    for (var i = 0; i < 16; i += 2) { words.push((octets[i] * 256 + octets[i + 1]).toString(16)); }\n    \
row['{#ADDRESS}'] = words.join(':');\n  }\n});\nreturn JSON.stringify(rows);";

const TEMPLATE: &str = "rais by SNMP";

/// The template.
pub fn template(mib: &Mib, generation: Generation) -> Result<String> {
    let mut items = vec![traps(generation), availability()];
    for name in SCALARS {
        let object = mib.object(name)?;
        let mut item = item(object, generation, &format!("rais.{name}"), &object.about);
        item.extend([("type", text("SNMP_AGENT")), ("snmp_oid", text(format!("{}.0", object.oid)))]);
        if *name == "raisBoxReloadState" {
            let alarm = alarm(
                generation,
                "rais.raisBoxReloadState",
                "last(ITEM)=3",
                "WARNING",
                "A configuration was refused",
                "",
            );
            item.push(("triggers", Yaml::List(vec![alarm])));
        }
        items.push(Yaml::Map(item));
    }
    let mut rules = Vec::new();
    for table in TABLES {
        let columns = table.columns.iter().map(|name| mib.column(table.table, name)).collect::<Result<Vec<_>>>()?;
        if generation == Generation::Seven {
            items.push(walk(table, &columns, generation));
        }
        rules.push(rule(table, &columns, generation));
    }
    let groups = if generation == Generation::Seven { "template_groups" } else { "groups" };
    let group = "Templates/Network devices";
    let about = "Boxes that keep service addresses alive, asked by RAIS-MIB. Made by `cargo xtask integrations`.";
    let template = Yaml::Map(vec![
        ("uuid", uuid(generation, "template")),
        ("template", text(TEMPLATE)),
        ("name", text(TEMPLATE)),
        ("description", text(about)),
        ("groups", Yaml::List(vec![Yaml::Map(vec![("name", text(group))])])),
        ("items", Yaml::List(items)),
        ("discovery_rules", Yaml::List(rules)),
        ("valuemaps", Yaml::List(value_maps(mib, generation)?)),
    ]);
    // Zabbix knows its own group by this identifier.
    let group = Yaml::Map(vec![("uuid", text("36bff6c29af64692839d077febfc7079")), ("name", text(group))]);
    let export = Yaml::Map(vec![
        ("version", text(if generation == Generation::Seven { "7.0" } else { "6.0" })),
        (groups, Yaml::List(vec![group])),
        ("templates", Yaml::List(vec![template])),
    ]);
    let tree = Yaml::Map(vec![("zabbix_export", export)]);
    format::zabbix(&tree, generation == Generation::Seven)?;
    Ok(tree.document("Made by `cargo xtask integrations` from RAIS-MIB: change that, not this."))
}

/// Everything about an item but where its value comes from.
fn item(object: &Object, generation: Generation, key: &str, name: &str) -> Vec<(&'static str, Yaml)> {
    let mut item = vec![("uuid", uuid(generation, key)), ("name", text(name)), ("key", text(key))];
    match &object.kind {
        Kind::Text | Kind::Other => item.extend([("value_type", text("CHAR")), ("trends", text("0"))]),
        Kind::States(_) => item.push(("valuemap", Yaml::Map(vec![("name", text(&object.name))]))),
        Kind::Counter | Kind::Gauge | Kind::Ticks => {}
    }
    item.push(("tags", Yaml::List(vec![Yaml::Map(vec![("tag", text("component")), ("value", text("rais"))])])));
    item
}

fn rule(table: &Table, columns: &[&Object], generation: Generation) -> Yaml {
    let key = format!("rais.{}.discovery", table.table);
    let first = columns.first().map_or("", |column| column.oid.as_str());
    let mut rule =
        vec![("uuid", uuid(generation, &key)), ("name", text(format!("{} rows", table.table))), ("key", text(key))];
    let script = step("JAVASCRIPT", &[NAMES]);
    match generation {
        Generation::Six => rule.extend([
            ("type", text("SNMP_AGENT")),
            ("snmp_oid", text(format!("discovery[{{#VALUE}},{first}]"))),
            ("delay", text("5m")),
            ("preprocessing", Yaml::List(vec![script])),
        ]),
        Generation::Seven => rule.extend([
            ("type", text("DEPENDENT")),
            ("master_item", Yaml::Map(vec![("key", text(walk_key(table)))])),
            ("delay", text("0")),
            ("preprocessing", Yaml::List(vec![step("SNMP_WALK_TO_JSON", &["{#VALUE}", first, "0"]), script])),
        ]),
    }
    let prototypes = columns.iter().map(|column| {
        let key = format!("rais.{}[{{#SNMPINDEX}}]", column.name);
        let mut item = item(column, generation, &key, &format!("{}: {}", table.row, column.about));
        let mut steps = Vec::new();
        let oid = format!("{}.{{#SNMPINDEX}}", column.oid);
        match generation {
            Generation::Six => item.extend([("type", text("SNMP_AGENT")), ("snmp_oid", text(oid))]),
            Generation::Seven => {
                item.extend([
                    ("type", text("DEPENDENT")),
                    ("master_item", Yaml::Map(vec![("key", text(walk_key(table)))])),
                    ("delay", text("0")),
                ]);
                steps.push(step("SNMP_WALK_VALUE", &[&oid, "0"]));
            }
        }
        if column.kind == Kind::Counter && !column.name.ends_with("Serial") {
            item.push(("value_type", text("FLOAT")));
            steps.push(step("CHANGE_PER_SECOND", if generation == Generation::Seven { &[] } else { &[""] }));
        }
        if !steps.is_empty() {
            item.push(("preprocessing", Yaml::List(steps)));
        }
        let alarms = table.alarms.iter().filter(|(of, ..)| *of == column.name);
        let alarms: Vec<_> =
            alarms.map(|(_, when, priority, says)| alarm(generation, &key, when, priority, says, when)).collect();
        if !alarms.is_empty() {
            item.push(("trigger_prototypes", Yaml::List(alarms)));
        }
        Yaml::Map(item)
    });
    rule.push(("item_prototypes", Yaml::List(prototypes.collect())));
    Yaml::Map(rule)
}

fn alarm(generation: Generation, key: &str, when: &str, priority: &str, says: &str, salt: &str) -> Yaml {
    let expression = when.replace("ITEM", &format!("/{TEMPLATE}/{key}"));
    Yaml::Map(vec![
        ("uuid", uuid(generation, &format!("{key} {says} {salt}"))),
        ("expression", text(expression)),
        ("name", text(says)),
        ("priority", text(priority)),
    ])
}

/// The whole of what is watched of a table, in one request after the other.
fn walk(table: &Table, columns: &[&Object], generation: Generation) -> Yaml {
    let oids: Vec<_> = columns.iter().map(|column| column.oid.as_str()).collect();
    Yaml::Map(vec![
        ("uuid", uuid(generation, &walk_key(table))),
        ("name", text(format!("{} walk", table.table))),
        ("type", text("SNMP_AGENT")),
        ("snmp_oid", text(format!("walk[{}]", oids.join(",")))),
        ("key", text(walk_key(table))),
        ("history", text("0")),
        ("trends", text("0")),
        ("value_type", text("TEXT")),
    ])
}

fn walk_key(table: &Table) -> String {
    format!("rais.{}.walk", table.table)
}

fn step(kind: &str, parameters: &[&str]) -> Yaml {
    let mut step = vec![("type", text(kind))];
    if !parameters.is_empty() {
        step.push(("parameters", Yaml::List(parameters.iter().map(|parameter| text(*parameter)).collect())));
    }
    Yaml::Map(step)
}

/// Everything the box sends: the trapper's line names it.
fn traps(generation: Generation) -> Yaml {
    Yaml::Map(vec![
        ("uuid", uuid(generation, "traps")),
        ("name", text("Notifications")),
        ("type", text("SNMP_TRAP")),
        (
            "key",
            text(r#"snmptrap["(RAIS-MIB::rais|1\.3\.6\.1\.4\.1\.32473\.1\.0\.|::(cold|warm)Start|::link(Up|Down))"]"#),
        ),
        ("history", text("90d")),
        ("trends", text("0")),
        ("value_type", text("LOG")),
        ("logtimefmt", text("yyyyMMdd.hhmmss")),
    ])
}

/// Whether the agent answers, as Zabbix itself knows it.
fn availability() -> Yaml {
    Yaml::Map(vec![
        ("uuid", text("5d0b2c7c1f6b4f0e9a3c7b1e2d4f6a81")),
        ("name", text("The agent answers")),
        ("type", text("INTERNAL")),
        ("key", text("zabbix[host,snmp,available]")),
        (
            "triggers",
            Yaml::List(vec![Yaml::Map(vec![
                ("uuid", text("0c4f6a1b8d2e4b7f8a5d3c9e7f1b2a64")),
                ("expression", text(format!("max(/{TEMPLATE}/zabbix[host,snmp,available],5m)=0"))),
                ("name", text("The box does not answer by SNMP")),
                ("priority", text("WARNING")),
            ])]),
        ),
    ])
}

fn value_maps(mib: &Mib, generation: Generation) -> Result<Vec<Yaml>> {
    let columns = TABLES.iter().flat_map(|table| table.columns);
    let mut maps = Vec::new();
    for name in columns.chain(SCALARS) {
        let Kind::States(states) = &mib.object(name)?.kind else { continue };
        let mappings = states
            .iter()
            .map(|(number, word)| Yaml::Map(vec![("value", text(number.to_string())), ("newvalue", text(word))]));
        let mappings = Yaml::List(mappings.collect());
        let id = uuid(generation, &format!("valuemap {name}"));
        maps.push(Yaml::Map(vec![("uuid", id), ("name", text(*name)), ("mappings", mappings)]));
    }
    Ok(maps)
}

/// The same for the same thing for ever, in the form of a random one (RFC 4122 §4.4), as Zabbix wants it.
fn uuid(generation: Generation, of: &str) -> Yaml {
    let digest = Sha256::digest(format!("rais zabbix {generation:?} {of}"));
    let mut digits: Vec<char> =
        digest.iter().take(16).flat_map(|octet| format!("{octet:02x}").chars().collect::<Vec<_>>()).collect();
    digits[12] = '4';
    digits[16] = 'a';
    text(digits.into_iter().collect::<String>())
}
