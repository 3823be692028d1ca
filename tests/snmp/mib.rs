//! The MIB and the agent against each other: what is declared is served with its declared syntax, and what is served is
//! declared. And the MIB by itself: it is clean, and no published identifier changes its meaning.

use crate::bench::{Bench, community};
use crate::ber::{self, dotted};
use crate::smi::Mib;
use crate::tools::{mib_directory, output, tool};
use rais::snmp::{AgentParams, Community, View};
use std::fmt::Write as _;

#[test]
fn smilint_has_nothing_to_say() {
    for module in ["RAIS-MIB.txt", "RAIS-CAPABILITIES-MIB.txt"] {
        let mut smilint = tool("smilint", "smitools");
        assert_eq!(output(smilint.args(["-c", "/dev/null", "-l", "6"]).arg(mib_directory().join(module))), "");
    }
}

/// An agent that speaks version 3 as well: asked in version 2c, it shows all there is.
fn everything() -> Bench {
    with_everything(community())
}

fn with_everything(community: Community) -> Bench {
    let v3 = Some(crate::v3_manager::params());
    let params = AgentParams { communities: vec![community], v3, ..AgentParams::default() };
    Bench::with(crate::sample::snapshot(), params)
}

#[test]
fn every_object_is_served_with_its_declared_syntax() {
    let mib = Mib::load();
    let walk = everything().walk("1.3");
    let mut checked = 0;
    for object in mib.objects.iter().filter(|object| object.access.starts_with("read")) {
        let wire = mib.wire(object);
        let instances: Vec<_> = walk.iter().filter(|instance| instance.name.starts_with(&object.oid)).collect();
        if mib.varies(&object.name, "not-implemented") || mib.is_left_out(&object.name) {
            assert!(instances.is_empty(), "{} is served", object.name);
            continue;
        }
        assert!(!instances.is_empty(), "{} is declared and not served", object.name);
        assert!(object.column || instances.len() == 1, "{} is a scalar", object.name);
        for instance in instances {
            let verdict = wire.check(instance.tag, &instance.content);
            assert_eq!(verdict, Ok(()), "{} at {}", object.name, instance.dotted());
            checked += 1;
        }
    }
    assert_eq!(checked, walk.len(), "every instance was checked once");
}

#[test]
fn what_can_not_be_written_though_its_mib_says_so_is_declared_read_only() {
    // RFC 2580 §7.5.2.3. Each object is set to what it is: only what can be written takes it.
    let mib = Mib::load();
    let writer = Community::with_views(b"public", Vec::new(), View::everything(), View::everything()).unwrap();
    let mut bench = with_everything(writer);
    let walk = bench.walk("1.3");
    let mut written = Vec::new();
    for object in mib.objects.iter().filter(|object| ["readwrite", "readcreate"].contains(&object.access.as_str())) {
        let instances = walk.iter().filter(|instance| instance.name.starts_with(&object.oid));
        let takes = instances.map(|instance| {
            let value = ber::tlv(instance.tag, &instance.content);
            let set = ber::pdu(ber::SET, [1, 0, 0], &[ber::binding(&instance.name, &value)]);
            bench.ask(&ber::message(1, b"public", &set)).status
        });
        let takes: Vec<_> = takes.collect();
        let writable = takes.contains(&0);
        let not_served = mib.varies(&object.name, "not-implemented");
        assert!(writable || takes.iter().all(|status| *status == 17), "{}: {takes:?}", object.name);
        assert_eq!(!writable && !not_served, mib.varies(&object.name, "read-only"), "{}", object.name);
        written.extend(writable.then_some(object.name.as_str()));
    }
    written.sort_unstable();
    assert_eq!(written, ["raisGroupChoiceAdmin", "raisGroupFailbackAdmin", "raisHostAdminStatus", "snmpSetSerialNo"]);
}

#[test]
fn every_served_object_is_declared_and_readable() {
    let mib = Mib::load();
    for instance in everything().walk("1.3") {
        let object = mib.objects.iter().find(|object| instance.name.starts_with(&object.oid));
        let object = object.unwrap_or_else(|| panic!("{} is served and not declared", instance.dotted()));
        assert!(object.access.starts_with("read"), "{} is served and {}", object.name, object.access);
        assert!(object.column || instance.name[object.oid.len()..] == [0], "{}", instance.dotted());
    }
}

#[test]
fn every_state_and_reason_of_the_core_has_its_own_number() {
    // The sample has boxes and addresses in every state: as many values as the convention has members are seen.
    let mib = Mib::load();
    let walk = everything().walk("1.3");
    for name in ["raisHostState", "raisAddressState", "raisAddressClaim", "raisTestState"] {
        let object = mib.object(name);
        let values: std::collections::BTreeSet<_> = walk
            .iter()
            .filter(|instance| instance.name.starts_with(&object.oid))
            .map(|instance| instance.number())
            .collect();
        let expected: std::collections::BTreeSet<_> = mib.wire(object).members.into_iter().collect();
        assert_eq!(values, expected, "{name}");
    }
}

/// The text of every object of RAIS-MIB: name, SYNTAX, DESCRIPTION.
fn described() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(mib_directory().join("RAIS-MIB.txt")).unwrap();
    let objects = text.split(" OBJECT-TYPE\n    SYNTAX ").collect::<Vec<_>>();
    let described = objects.windows(2).map(|pair| {
        let name = pair[0].rsplit('\n').next().unwrap();
        let description = pair[1].split_once("DESCRIPTION \"").unwrap().1.split('"').next().unwrap();
        let syntax = pair[1].split_ascii_whitespace().next().unwrap();
        (name.to_owned(), syntax.to_owned(), description.to_owned())
    });
    described.collect()
}

#[test]
fn every_counter_names_its_discontinuity_object_rfc_4181_4_6_1_2() {
    let mib = Mib::load();
    let counters: Vec<_> = described().into_iter().filter(|(_, syntax, _)| syntax.starts_with("Counter")).collect();
    // Not CounterBasedGauge64, which counts nothing that could begin anew.
    let counters: Vec<_> = counters.into_iter().filter(|(_, syntax, _)| !syntax.contains("Gauge")).collect();
    assert!(counters.len() > 40, "{}", counters.len());
    for (name, _, description) in counters {
        let named = description.split_ascii_whitespace().filter(|word| word.ends_with("DiscontinuityTime."));
        let named: Vec<_> = named.map(|word| word.trim_end_matches('.')).collect();
        let [named] = named[..] else { panic!("{name} names {named:?}: {description}") };
        assert_eq!(mib.object(named).syntax, "TimeStamp", "{name}");
        assert_eq!(mib.object(named).column, name.starts_with("raisReceiver"), "{name}: in its own row, if it has one");
    }
}

#[test]
fn every_state_of_a_row_says_how_often_it_changed_and_when() {
    // What goes and comes back between two polls must not be missed.
    let mib = Mib::load();
    let states = mib.objects.iter().filter(|object| object.column && object.name.starts_with("rais"));
    let states: Vec<_> = states.filter_map(|object| object.name.strip_suffix("State")).collect();
    assert!(states.len() >= 6, "{states:?}");
    for state in states {
        assert_eq!(mib.object(&format!("{state}Transitions")).syntax, "Counter32");
        assert_eq!(mib.object(&format!("{state}LastChange")).syntax, "TimeStamp");
    }
}

#[test]
fn published_identifiers_keep_their_meaning() {
    // mib/oids.md is the list. Run with RAIS_BLESS=1 to write it anew, and look at the difference: lines may be added,
    // never changed or removed.
    let mut names = Mib::load().names;
    names.retain(|(_, oid, _)| oid.starts_with(&[1, 3, 6, 1, 4, 1, 32473]));
    names.sort_by(|one, other| one.1.cmp(&other.1));
    let mut list = String::from(
        "# Published OIDs\n\nEvery identifier of RAIS-MIB. One that was published keeps its meaning for ever: a line is added, never changed \
         or\nremoved. `RAIS_BLESS=1 cargo test --test snmp published` writes this list from the MIB; a test compares the two.\n\n\
         | OID | name | kind |\n| --- | --- | --- |\n",
    );
    for (name, oid, kind) in names {
        writeln!(list, "| {} | {name} | {kind} |", dotted(&oid)).unwrap();
    }
    let path = mib_directory().join("oids.md");
    if std::env::var_os("RAIS_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == list,
        "mib/oids.md is not the MIB's list of identifiers"
    );
}
