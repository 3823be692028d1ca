//! The standard MIBs: what an NMS graphs of a machine and its interfaces. That every object has its declared syntax is
//! `mib`'s to check; here it is what the figures mean.

use crate::bench::{Bench, community};
use crate::sample;
use rais::machine::Machine;
use rais::snmp::AgentParams;
use std::collections::BTreeMap;
use std::sync::Arc;

const IF: &str = "1.3.6.1.2.1.2.2.1";
const IFX: &str = "1.3.6.1.2.1.31.1.1.1";
const IP: &str = "1.3.6.1.2.1.4";
const HOST: &str = "1.3.6.1.2.1.25";

/// The rows of a column as numbers, by the rest of their names.
fn numbers(column: &str) -> Vec<(String, i64)> {
    let skip = column.len() + 1;
    let rows = Bench::new().walk(column);
    rows.iter().map(|row| (row.dotted()[skip..].to_owned(), row.number())).collect()
}

fn number(name: &str) -> i64 {
    Bench::new().get(&[name]).variables[0].number()
}

fn text(name: &str) -> String {
    Bench::new().get(&[name]).variables[0].text()
}

#[test]
fn an_interface_is_up_lacks_what_is_below_it_or_is_down() {
    // RFC 2863 §3.1.13: up(1), down(2), lowerLayerDown(7); the index is the kernel's.
    let expected = [("1", 1), ("2", 1), ("5", 7), ("70000", 2)].map(|(index, state)| (String::from(index), state));
    assert_eq!(numbers(&format!("{IF}.8")), expected);
    let admin = [("1", 1), ("2", 1), ("5", 1), ("70000", 2)].map(|(index, state)| (String::from(index), state));
    assert_eq!(numbers(&format!("{IF}.7")), admin);
}

#[test]
fn counters_of_64_bits_go_on_where_those_of_32_wrap() {
    // RFC 2863 §3.1.6.
    assert_eq!((number(&format!("{IF}.10.2")), number(&format!("{IFX}.6.2"))), (7, (1 << 32) + 7));
    assert_eq!(number(&format!("{IF}.16.2")), i64::from(u32::MAX));
    let octets = &Bench::new().get(&[&format!("{IFX}.10.2")]).variables[0].content;
    assert_eq!(octets[..], [0, 255, 255, 255, 255, 255, 255, 255, 255]);
    let ip = (number(&format!("{IP}.31.1.1.3.1")), number(&format!("{IP}.31.1.1.4.1")));
    assert_eq!(ip, (9, (1 << 32) + 9));
}

#[test]
fn multicast_is_not_counted_among_unicast() {
    assert_eq!((number(&format!("{IF}.11.2")), number(&format!("{IFX}.2.2"))), (70, 30));
}

#[test]
fn a_speed_beyond_32_bits_is_latched_and_told_in_millions() {
    // RFC 2863 §3.1.7: ifSpeed reports its maximum value and ifHighSpeed must be used.
    assert_eq!((number(&format!("{IF}.5.2")), number(&format!("{IFX}.15.2"))), (i64::from(u32::MAX), 10_000));
    assert_eq!((number(&format!("{IF}.5.5")), number(&format!("{IFX}.15.5"))), (0, 0), "not known");
}

#[test]
fn an_alias_is_the_name_that_the_configuration_gives() {
    assert_eq!(
        (text(&format!("{IFX}.1.2")), text(&format!("{IFX}.18.2"))),
        (String::from("eth0"), String::from("lan"))
    );
    assert_eq!(text(&format!("{IFX}.18.5")), "", "the configuration does not name it");
    assert_eq!((number(&format!("{IFX}.14.2")), number(&format!("{IFX}.14.5"))), (1, 2));
}

#[test]
fn what_changed_and_when_is_told_in_up_time() {
    assert_eq!((number(&format!("{IF}.9.5")), number("1.3.6.1.2.1.31.1.5.0")), (200, 7700));
}

#[test]
fn the_address_table_has_the_kernels_addresses_and_the_service_addresses_held_here() {
    // The first of the sample's addresses of each family is online here, in groups of one service interface.
    let found: BTreeMap<_, _> = numbers(&format!("{IP}.34.1.3")).into_iter().collect();
    let expected = [
        ("1.4.10.9.0.1", 2),
        ("1.4.10.9.0.101", 2),
        ("1.4.127.0.0.1", 1),
        ("2.16.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1", 1),
        ("2.16.253.0.0.9.0.0.0.0.0.0.0.0.0.0.1.1", 2),
        ("2.16.254.128.0.0.0.0.0.0.0.0.0.0.0.0.0.1", 2),
    ];
    assert_eq!(found, expected.map(|(index, interface)| (String::from(index), interface)).into_iter().collect());
    let origin = |index: &str| number(&format!("{IP}.34.1.6.{index}"));
    assert_eq!((origin("1.4.10.9.0.1"), origin("1.4.10.9.0.101"), origin(expected[5].0)), (2, 1, 5));
}

#[test]
fn a_service_address_that_moves_away_leaves_the_address_table_with_the_next_picture() {
    let mut bench = Bench::new();
    let name = format!("{IP}.34.1.3.1.4.10.9.0.101");
    assert_eq!(bench.get(&[&name]).variables[0].number(), 2);
    let mut snapshot = sample::snapshot();
    snapshot.view.groups.iter_mut().flat_map(|group| &mut group.addresses).for_each(|row| row.own_claim = None);
    bench.snapshot = Arc::new(snapshot);
    assert_eq!(bench.get(&[&name]).variables[0].tag, crate::ber::NO_SUCH_INSTANCE);
}

#[test]
fn storage_of_more_units_than_31_bits_is_told_in_larger_ones() {
    let storage = |column: u32| number(&format!("{HOST}.2.3.1.{column}.31"));
    let (unit, size, used) = (storage(4), storage(5), storage(6));
    assert_eq!((unit * size, unit * used), (4096 << 33, 4096 << 32));
    assert_eq!(text(&format!("{HOST}.2.3.1.3.32")), "/run");
}

#[test]
fn memory_in_use_is_what_can_not_be_had() {
    let storage = |column: u32| number(&format!("{HOST}.2.3.1.{column}.1"));
    assert_eq!((storage(4), storage(5), storage(6)), (1024, 1 << 20, 1 << 19));
    assert_eq!((number(&format!("{HOST}.2.2.0")), number("1.3.6.1.4.1.2021.4.5.0")), (1 << 20, 1 << 20));
    assert_eq!(number("1.3.6.1.4.1.2021.4.6.0"), 1 << 18);
}

#[test]
fn load_averages_are_text_and_hundredths() {
    let load = |column: u32, row: u32| format!("1.3.6.1.4.1.2021.10.1.{column}.{row}");
    let texts = [1, 2, 3].map(|row| text(&load(3, row)));
    assert_eq!(texts, ["0.07", "1.23", "10.60"]);
    assert_eq!([1, 2, 3].map(|row| number(&load(5, row))), [7, 123, 1060]);
}

#[test]
fn processors_are_devices_of_their_kind() {
    assert_eq!(numbers(&format!("{HOST}.3.3.1.2")), [(String::from("196608"), 0), (String::from("196609"), 100)]);
    let device = Bench::new().get(&[&format!("{HOST}.3.2.1.2.196608")]).variables.remove(0);
    assert_eq!(crate::ber::read_oid(&device.content), crate::ber::parse(&format!("{HOST}.3.1.3")));
}

#[test]
fn a_chassis_says_who_made_it() {
    let entity = |column: u32| text(&format!("1.3.6.1.2.1.47.1.1.1.1.{column}.1"));
    assert_eq!([2, 7, 11, 12, 13].map(entity), ["Rais Box", "edge-1", "0042", "Rais", "Box"]);
}

#[test]
fn an_agent_that_knows_nothing_of_the_machine_answers_all_the_same() {
    let mut bench =
        Bench::with(sample::snapshot(), AgentParams { communities: vec![community()], ..AgentParams::default() });
    bench.agent.look_at(&Arc::new(Machine::default()));
    assert_eq!(bench.walk(IF), []);
    assert_eq!(bench.get(&["1.3.6.1.2.1.2.1.0"]).variables[0].number(), 0);
    assert!(bench.walk("1.3").len() > 1000);
}

#[test]
fn every_module_served_stands_in_the_table_of_object_resources() {
    // RFC 3418 §2: sysORTable. Each row names a module by an identifier that it defines.
    let described = |bench: &mut Bench| -> Vec<String> {
        bench.walk("1.3.6.1.2.1.1.9.1.3").iter().map(|row| row.text().split(' ').next().unwrap().to_owned()).collect()
    };
    let mut expected = vec![
        "RAIS-CAPABILITIES-MIB:",
        "SNMPv2-MIB",
        "RAIS-MIB:",
        "IF-MIB",
        "IP-MIB",
        "HOST-RESOURCES-MIB",
        "ENTITY-MIB",
        "UCD-SNMP-MIB",
        "SNMP-TARGET-MIB",
        "SNMP-NOTIFICATION-MIB",
    ];
    assert_eq!(described(&mut Bench::new()), expected);
    // What is about version 3 is there where that is spoken.
    expected.extend(["SNMP-FRAMEWORK-MIB", "SNMP-MPD-MIB", "SNMP-USER-BASED-SM-MIB", "SNMP-VIEW-BASED-ACM-MIB"]);
    let v3 = Some(crate::v3_manager::params());
    let params = AgentParams { communities: vec![community()], v3, ..AgentParams::default() };
    let mut bench = Bench::with(sample::snapshot(), params);
    assert_eq!(described(&mut bench), expected);
    // sysORID: what the module's own file calls the module.
    let mib = crate::smi::Mib::load();
    for row in bench.walk("1.3.6.1.2.1.1.9.1.2") {
        let id = crate::ber::read_oid(&row.content);
        assert!(mib.names.iter().any(|(_, oid, _)| *oid == id), "{}: {id:?}", row.dotted());
    }
}

#[test]
fn receivers_of_notifications_are_shown_and_their_communities_are_not() {
    // RFC 3413 §4.1; the names are IMPLIED in the index.
    let first: Vec<_> = "receiver-01".bytes().map(|octet| octet.to_string()).collect();
    let first = first.join(".");
    let second = format!("{}.50", &first[..first.len() - 3]);
    let read =
        |column: &str, row: &str| Bench::new().get(&[&format!("1.3.6.1.6.3.{column}.{row}")]).variables.remove(0);
    assert_eq!(read("12.1.2.1.3", &first).content, [192, 0, 2, 9, 0, 162]);
    assert_eq!(read("12.1.2.1.3", &second).content.len(), 18);
    assert_eq!((read("12.1.2.1.4", &first).number(), read("12.1.2.1.5", &first).number()), (150, 5));
    assert_eq!((read("13.1.1.1.3", &first).number(), read("13.1.1.1.3", &second).number()), (2, 1));
    // Version 3 by the user-based security model at authPriv; version 2c, whose security name is not the community.
    let params = |row| [2, 3, 5].map(|column| read(&format!("12.1.3.1.{column}"), row).number());
    assert_eq!((params(&first), read("12.1.3.1.4", &first).text()), ([3, 3, 3], String::from("noc")));
    assert_eq!((params(&second), read("12.1.3.1.4", &second).text()), ([1, 2, 1], String::from("receiver-02")));
    let walk = Bench::new().walk("1.3.6.1.6.3.12.1.2.1.3");
    assert_eq!(walk.len(), 2);
}
