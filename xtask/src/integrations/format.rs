//! What Zabbix and LibreNMS take, as far as we make use of it: which keys there are, which there must be, and what
//! stands in them. Zabbix 6.0 is asked itself (`--zabbix`); 7.0 and LibreNMS are in no Debian package.
//!
//! Of Zabbix: its manual, "Configuration export/import" of 6.0 and 7.0, whose tables its validators `C60XmlValidator` and
//! `C70XmlValidator` carry out. Of LibreNMS: `os_schema.json` and `discovery_schema.json` in its
//! `resources/definitions/schema`. A key that is not listed here is a fault: it may be right, but nobody has looked.

use super::yaml::Yaml;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// What may stand somewhere.
enum Shape {
    /// Any string.
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    /// A string of which this is true, and what that is called.
    Of(fn(&str) -> bool, &'static str),
    /// A number in this range.
    Number(i64, i64),
    /// Any number of the same.
    List(&'static Shape),
    /// These keys.
    Map(&'static [(Need, &'static str, &'static Shape)]),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

use Need::{May, Must};
use Shape::{List, Map, Number, Of, Text, Word};

const NUMERIC_OID: Shape = Of(is_numeric_oid, "an OID that begins with a dot");
const INDEXED_OID: Shape = Of(is_indexed_oid, "an OID that begins with a dot and ends with {{ $index }}");
const UUID: Shape = Of(is_uuid, "a random UUID without hyphens (RFC 4122 §4.4)");

const LIBRENMS_OS: Shape = Map(&[
    (Must, "os", &Text),
    (Must, "text", &Text),
    (Must, "type", &Text),
    (May, "icon", &Text),
    (May, "mib_dir", &Text),
    (May, "over", &List(&Map(&[(Must, "graph", &Text), (Must, "text", &Text)]))),
    (Must, "discovery", &List(&Map(&[(Must, "sysObjectID", &List(&NUMERIC_OID))]))),
]);

const LIBRENMS_STATES: Shape = List(&Map(&[
    (Must, "value", &Number(i32::MIN as i64, i32::MAX as i64)),
    (Must, "generic", &Number(0, 3)),
    (Must, "graph", &Number(0, 1)),
    (Must, "descr", &Text),
]));

/// LibreNMS's discovery of sensors, of whatever kind: what all have, and what those of one kind have besides.
macro_rules! sensors {
    ($($besides:expr),*) => {
        Map(&[(
            Must,
            "data",
            &List(&Map(&[
                (Must, "oid", &Text),
                (May, "value", &Text),
                (Must, "num_oid", &INDEXED_OID),
                (Must, "descr", &Text),
                (May, "index", &Text),
                $($besides),*
            ])),
        )])
    };
}

const LIBRENMS_DISCOVERY: Shape = Map(&[
    (May, "mib", &Text),
    (
        Must,
        "modules",
        &Map(&[
            (May, "os", &Map(&[(May, "version", &Text), (May, "hardware", &Text)])),
            (
                May,
                "sensors",
                &Map(&[
                    (May, "state", &sensors![(May, "state_name", &Text), (Must, "states", &LIBRENMS_STATES)]),
                    (May, "count", &sensors![]),
                ]),
            ),
        ]),
    ),
]);

const ITEM_TYPE: Shape = Word(&["SNMP_AGENT", "SNMP_TRAP", "DEPENDENT", "INTERNAL"]);
const VALUE_TYPE: Shape = Word(&["FLOAT", "CHAR", "LOG", "UNSIGNED", "TEXT"]);
const PRIORITY: Shape = Word(&["NOT_CLASSIFIED", "INFO", "WARNING", "AVERAGE", "HIGH", "DISASTER"]);
const NAMED: Shape = Map(&[(Must, "name", &Text)]);
const KEYED: Shape = Map(&[(Must, "key", &Text)]);
const GROUPS: Shape = List(&Map(&[(Must, "uuid", &UUID), (Must, "name", &Text)]));
const TAGS: Shape = List(&Map(&[(Must, "tag", &Text), (May, "value", &Text)]));
const TRIGGERS: Shape = List(&Map(&[
    (Must, "uuid", &UUID),
    (Must, "expression", &Text),
    (Must, "name", &Text),
    (May, "priority", &PRIORITY),
]));
/// What both know, and what came with walk[].
const STEPS_6: Shape =
    List(&Map(&[(Must, "type", &Word(&["CHANGE_PER_SECOND", "JAVASCRIPT"])), (Must, "parameters", &List(&Text))]));
const STEPS_7: Shape = List(&Map(&[
    (Must, "type", &Word(&["CHANGE_PER_SECOND", "JAVASCRIPT", "SNMP_WALK_VALUE", "SNMP_WALK_TO_JSON"])),
    (May, "parameters", &List(&Text)),
]));
const VALUE_MAPS: Shape = List(&Map(&[
    (Must, "uuid", &UUID),
    (Must, "name", &Text),
    (Must, "mappings", &List(&Map(&[(Must, "value", &Text), (Must, "newvalue", &Text)]))),
]));

macro_rules! zabbix {
    ($name:ident, $version:literal, $groups:literal, $steps:expr) => {
        const $name: Shape = Map(&[(
            Must,
            "zabbix_export",
            &Map(&[
                (Must, "version", &Word(&[$version])),
                (Must, $groups, &GROUPS),
                (
                    Must,
                    "templates",
                    &List(&Map(&[
                        (Must, "uuid", &UUID),
                        (Must, "template", &Text),
                        (May, "name", &Text),
                        (May, "description", &Text),
                        (Must, "groups", &List(&NAMED)),
                (May, "items", &List(&zabbix!(item $steps, "triggers"))),
                        (
                            May,
                            "discovery_rules",
                            &List(&Map(&[
                                (Must, "uuid", &UUID),
                                (Must, "name", &Text),
                                (Must, "key", &Text),
                                (May, "type", &ITEM_TYPE),
                                (May, "snmp_oid", &Text),
                                (May, "master_item", &KEYED),
                                (May, "delay", &Text),
                                (May, "preprocessing", &$steps),
                        (Must, "item_prototypes", &List(&zabbix!(item $steps, "trigger_prototypes"))),
                            ])),
                        ),
                        (May, "valuemaps", &VALUE_MAPS),
                    ])),
                ),
            ]),
        )]);
    };
    (item $steps:expr, $triggers:literal) => {
        Map(&[
            (Must, "uuid", &UUID),
            (Must, "name", &Text),
            (Must, "key", &Text),
            (May, "type", &ITEM_TYPE),
            (May, "snmp_oid", &Text),
            (May, "master_item", &KEYED),
            (May, "delay", &Text),
            (May, "history", &Text),
            (May, "trends", &Text),
            (May, "value_type", &VALUE_TYPE),
            (May, "logtimefmt", &Text),
            (May, "valuemap", &NAMED),
            (May, "tags", &TAGS),
            (May, "preprocessing", &$steps),
            (May, $triggers, &TRIGGERS),
        ])
    };
}
zabbix!(ZABBIX_6, "6.0", "groups", STEPS_6);
zabbix!(ZABBIX_7, "7.0", "template_groups", STEPS_7);

fn is_numeric_oid(text: &str) -> bool {
    let number = |arc: &str| !arc.is_empty() && arc.bytes().all(|digit| digit.is_ascii_digit());
    text.strip_prefix('.').is_some_and(|rest| rest.split('.').all(number))
}

fn is_indexed_oid(text: &str) -> bool {
    text.strip_suffix(".{{ $index }}").is_some_and(is_numeric_oid)
}

fn is_uuid(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    text.len() == 32 && digits(text) && &text[12..13] == "4" && "89ab".contains(&text[16..17])
}

/// Is it a template that Zabbix of this generation takes?
pub fn zabbix(tree: &Yaml, seven: bool) -> Result<()> {
    let mut faults = Vec::new();
    check(tree, if seven { &ZABBIX_7 } else { &ZABBIX_6 }, "", &mut faults);
    if faults.is_empty() {
        for template in tree.at("zabbix_export").at("templates").items() {
            references(template, &mut faults);
        }
    }
    told(faults)
}

/// Is it an OS definition that LibreNMS takes?
pub fn librenms_os(tree: &Yaml) -> Result<()> {
    let mut faults = Vec::new();
    check(tree, &LIBRENMS_OS, "", &mut faults);
    told(faults)
}

/// Is it a discovery file that LibreNMS takes?
pub fn librenms_discovery(tree: &Yaml) -> Result<()> {
    let mut faults = Vec::new();
    check(tree, &LIBRENMS_DISCOVERY, "", &mut faults);
    told(faults)
}

fn told(faults: Vec<String>) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("not in the format:\n{}", faults.join("\n"))
}

fn check(tree: &Yaml, shape: &Shape, path: &str, faults: &mut Vec<String>) {
    match (tree, shape) {
        (Yaml::Text(_), Text) => {}
        (Yaml::Text(text), Word(words)) if words.contains(&text.as_str()) => {}
        (Yaml::Text(text), Of(is, _)) if is(text) => {}
        (Yaml::Number(number), Number(least, most)) if (least..=most).contains(&number) => {}
        (Yaml::List(list), List(shape)) => {
            for (at, item) in list.iter().enumerate() {
                check(item, shape, &format!("{path}[{at}]"), faults);
            }
        }
        (Yaml::Map(map), Map(keys)) => {
            for (key, value) in map {
                match keys.iter().find(|(_, known, _)| known == key) {
                    Some((.., shape)) => check(value, shape, &format!("{path}/{key}"), faults),
                    None => faults.push(format!("{path}: {key} is not known there")),
                }
            }
            let missing =
                keys.iter().filter(|(need, key, _)| *need == Must && map.iter().all(|(found, _)| found != key));
            faults.extend(missing.map(|(_, key, _)| format!("{path}: {key} is missing")));
            let distinct: BTreeSet<_> = map.iter().map(|(key, _)| key).collect();
            if distinct.len() < map.len() {
                faults.push(format!("{path}: a key is there twice"));
            }
        }
        (found, wanted) => {
            let wanted = match wanted {
                Text => String::from("a string"),
                Word(words) => format!("one of {words:?}"),
                Of(_, what) => String::from(*what),
                Number(least, most) => format!("a number from {least} to {most}"),
                List(_) => String::from("a list"),
                Map(_) => String::from("keys and values"),
            };
            faults.push(format!("{path}: not {wanted}: {found:?}"));
        }
    }
}

/// What names something else in the template names what is there; and what asks says what for.
fn references(template: &Yaml, faults: &mut Vec<String>) {
    let (name, rules) = (template.at("template").text(), template.at("discovery_rules").items());
    let prototypes: Vec<_> = rules.iter().flat_map(|rule| rule.at("item_prototypes").items()).collect();
    let items: Vec<_> = template.at("items").items().iter().collect();
    let all: Vec<_> = items.iter().chain(&prototypes).copied().chain(rules).collect();
    let keys: Vec<_> = all.iter().map(|item| item.at("key").text()).collect();
    let maps: Vec<_> = template.at("valuemaps").items().iter().map(|map| map.at("name").text()).collect();
    for item in &all {
        let key = item.at("key").text();
        let kind = item.at("type").text();
        if keys.iter().filter(|other| **other == key).count() > 1 {
            faults.push(format!("{key} is there twice"));
        }
        if (kind == "SNMP_AGENT") != (item.at("snmp_oid").text() != "") {
            faults.push(format!("{key} is of type {kind:?} and asks for {:?}", item.at("snmp_oid").text()));
        }
        let master = item.at("master_item").at("key").text();
        if (kind == "DEPENDENT") != items.iter().any(|item| item.at("key").text() == master) {
            faults.push(format!("{key} is of type {kind:?} and depends on {master:?}"));
        }
        let map = item.at("valuemap").at("name").text();
        if !map.is_empty() && !maps.contains(&map) {
            faults.push(format!("{key} wants the value map {map}"));
        }
        for trigger in [item.at("triggers").items(), item.at("trigger_prototypes").items()].concat() {
            let expression = trigger.at("expression").text();
            if !expression.contains(&format!("(/{name}/{key}")) {
                faults.push(format!("{key} has a trigger about something else: {expression}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::text;
    use super::*;

    fn states(value: Yaml) -> Yaml {
        let state = Yaml::Map(vec![
            ("value", value),
            ("generic", Yaml::Number(0)),
            ("graph", Yaml::Number(1)),
            ("descr", text("up")),
        ]);
        let data = Yaml::Map(vec![
            ("oid", text("aTable")),
            ("num_oid", text(".1.3.6.{{ $index }}")),
            ("descr", text("Box")),
            ("states", Yaml::List(vec![state])),
        ]);
        let state = Yaml::Map(vec![("data", Yaml::List(vec![data]))]);
        Yaml::Map(vec![("modules", Yaml::Map(vec![("sensors", Yaml::Map(vec![("state", state)]))]))])
    }

    #[test]
    fn a_number_that_is_written_as_a_string_is_found() {
        assert!(librenms_discovery(&states(Yaml::Number(1))).is_ok());
        let said = librenms_discovery(&states(text("1"))).unwrap_err().to_string();
        assert!(said.contains("/modules/sensors/state/data[0]/states[0]/value: not a number"), "{said}");
    }

    #[test]
    fn keys_that_are_missing_or_unknown_are_found() {
        let said =
            librenms_os(&Yaml::Map(vec![("os", text("rais")), ("colour", text("blue"))])).unwrap_err().to_string();
        for expected in ["colour is not known there", "text is missing", "discovery is missing"] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn an_item_that_depends_on_nothing_is_found() {
        let uuid = || text("195fa495b9c140a8a6ad5c9280a24f9d");
        let template = |master: &str| {
            let item = |key: &str, more: Vec<(&'static str, Yaml)>| {
                Yaml::Map([vec![("uuid", uuid()), ("name", text(key)), ("key", text(key))], more].concat())
            };
            let asks = item("walk", vec![("type", text("SNMP_AGENT")), ("snmp_oid", text("walk[1.3]"))]);
            let master = Yaml::Map(vec![("key", text(master))]);
            let depends = item("one", vec![("type", text("DEPENDENT")), ("master_item", master)]);
            let group = Yaml::Map(vec![("name", text("a"))]);
            let template = Yaml::Map(vec![
                ("uuid", uuid()),
                ("template", text("t")),
                ("groups", Yaml::List(vec![group])),
                ("items", Yaml::List(vec![asks, depends])),
            ]);
            let group = Yaml::Map(vec![("uuid", uuid()), ("name", text("a"))]);
            let export = Yaml::Map(vec![
                ("version", text("7.0")),
                ("template_groups", Yaml::List(vec![group])),
                ("templates", Yaml::List(vec![template])),
            ]);
            Yaml::Map(vec![("zabbix_export", export)])
        };
        assert!(zabbix(&template("walk"), true).is_ok(), "{:?}", zabbix(&template("walk"), true));
        assert!(zabbix(&template("talk"), true).unwrap_err().to_string().contains("depends on \"talk\""));
        assert!(zabbix(&template("walk"), false).is_err(), "6.0 has other groups");
    }
}
