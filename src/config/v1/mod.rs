//! Version 1 of `rais.toml`: reads the file model table by table, then checks it as a whole and builds the running model.
//!
//! Reading looks at one value at a time and never gives up; building follows names from table to table. Each entry of
//! the file model holds what was read or the proof that its fault was reported, so one fault never hides another.

mod addresses;
#[cfg(test)]
mod documentation;
mod group;
mod interface;
mod monitor;
mod names;
mod snmp;
mod snmp_access;
mod snmp_receiver;
mod zone;

use super::bundle::{BundleFile, BundleFiles, CONFIGURATION_FILE};
use super::fault::{Checked, Collector, Faults, Place, Placed, Reported};
use super::model::{Configuration, Forwarding};
use super::provenance::Provenance;
use super::reader::{self, Asked, Table};
use super::values::{boolean, display_string, integer, name};
use group::GroupEntry;
use interface::{InterfaceEntry, RouteEntry};
use monitor::{LoadEntry, TestEntry};
use names::Names;
use rais_core::address::HostName;
use snmp::SnmpEntry;
use std::collections::BTreeSet;
use std::fmt::Display;
use zone::ZoneEntry;

/// The version of the format that this reads.
pub(super) const VERSION: u32 = 1;

/// Reads, checks and builds a configuration.
///
/// # Errors
/// All faults of the file.
pub(super) fn parse(source: &str, files: &BundleFiles, provenance: Provenance) -> Result<Configuration, Faults> {
    let faults = Collector::new(CONFIGURATION_FILE, source);
    let asked = Asked::default();
    let document = reader::parse_document(source, &faults);
    let built = File::read(Table::root(&faults, &asked, &document), &faults)
        .and_then(|file| file.build(&faults, files, provenance));
    faults.finish(built)
}

/// The paths in the bundle that a file names, whatever else is wrong with it.
pub(super) fn referenced_files(source: &str) -> BTreeSet<String> {
    let faults = Collector::new(CONFIGURATION_FILE, source);
    let asked = Asked::default();
    let document = reader::parse_document(source, &faults);
    let file = File::read(Table::root(&faults, &asked, &document), &faults);
    file.map_or_else(|_| BTreeSet::new(), |file| file.references().cloned().collect())
}

/// Every key that the reader asked a file for, as `group.beat`.
#[cfg(test)]
pub(super) fn keys_asked_for(source: &str) -> BTreeSet<String> {
    let faults = Collector::new(CONFIGURATION_FILE, source);
    let asked = Asked::default();
    let document = reader::parse_document(source, &faults);
    let _ = File::read(Table::root(&faults, &asked, &document), &faults);
    asked.into_keys()
}

/// Entries of one kind, and whether these are all.
struct Entries<T> {
    all: Vec<T>,
    complete: Checked<()>,
}

impl<T> Entries<T> {
    fn read<'a>(root: &mut Table<'a>, key: &'static str, limit: usize, read: impl Fn(Table<'a>) -> T) -> Self {
        let (tables, complete) = root.tables(key, limit);
        Self { all: tables.into_iter().map(read).collect(), complete }
    }
}

/// The file model: what the file says, value by value.
struct File {
    about: Checked<BoxEntry>,
    forwarding: Checked<Forwarding>,
    interfaces: Entries<InterfaceEntry>,
    routes: Entries<RouteEntry>,
    tests: Entries<TestEntry>,
    loads: Entries<LoadEntry>,
    groups: Entries<GroupEntry>,
    zones: Entries<ZoneEntry>,
    snmp: Checked<SnmpEntry>,
}

/// `[box]`.
struct BoxEntry {
    name: Checked<Placed<HostName>>,
    contact: Checked<String>,
    location: Checked<String>,
}

impl File {
    fn read(mut root: Table, faults: &Collector) -> Checked<Self> {
        read_version(&mut root, faults)?;
        let file = Self {
            about: root.table("box").and_then(|table| table.ok_or_else(|| root.missing("box"))).map(BoxEntry::read),
            forwarding: root.table("forwarding").and_then(|table| table.map_or(Ok(Forwarding::default()), forwarding)),
            interfaces: Entries::read(&mut root, "interface", interface::MAX_INTERFACES, |table| {
                InterfaceEntry::read(table, faults)
            }),
            routes: Entries::read(&mut root, "route", interface::MAX_ROUTES, |table| RouteEntry::read(table, faults)),
            tests: Entries::read(&mut root, "test", monitor::MAX_TESTS, TestEntry::read),
            loads: Entries::read(&mut root, "load", monitor::MAX_LOADS, LoadEntry::read),
            groups: Entries::read(&mut root, "group", rais_core::params::MAX_GROUPS, GroupEntry::read),
            zones: Entries::read(&mut root, "zone", zone::MAX_ZONES, ZoneEntry::read),
            snmp: root.table("snmp").map(SnmpEntry::read),
        };
        root.finish();
        Ok(file)
    }

    /// The paths in the bundle that the file names.
    fn references(&self) -> impl Iterator<Item = &String> {
        let groups = self.groups.all.iter().flat_map(GroupEntry::references);
        let zones = self.zones.all.iter().flat_map(ZoneEntry::references);
        let snmp = self.snmp.iter().flat_map(SnmpEntry::references);
        groups.chain(zones).chain(snmp)
    }

    fn build(self, faults: &Collector, files: &BundleFiles, provenance: Provenance) -> Checked<Configuration> {
        let names = AllNames {
            interfaces: Names::new(faults, "interface", &self.interfaces, |entry| &entry.name),
            tests: Names::new(faults, "test", &self.tests, |entry| &entry.name),
            loads: Names::new(faults, "load", &self.loads, |entry| &entry.name),
            groups: Names::new(faults, "group", &self.groups, |entry| &entry.name),
        };
        let files = Files { faults, files };
        let interfaces = interface::build_interfaces(&self.interfaces, faults);
        let routes = interface::build_routes(&self.routes, &names, faults);
        let tests = monitor::build_tests(&self.tests, faults);
        let loads = monitor::build_loads(&self.loads);
        let groups = group::build(&self.groups, &names, &files, faults);
        let zones = zone::build(&self.zones, &names, &files, faults);
        let snmp = self.snmp.and_then(|entry| snmp::build(&entry, &files, faults));
        let overlaps = addresses::check(&self.interfaces.all, &self.groups.all, faults);
        let about = self.about?;
        overlaps?;
        Ok(Configuration {
            provenance,
            name: about.name?.value,
            contact: about.contact?,
            location: about.location?,
            interfaces: interfaces?,
            routes: routes?,
            forwarding: self.forwarding?,
            tests: tests?,
            loads: loads?,
            groups: groups?,
            zones: zones?,
            snmp: snmp?,
        })
    }
}

/// Who is called what, for those who refer to it.
struct AllNames<'f> {
    interfaces: Names<'f, InterfaceEntry>,
    tests: Names<'f, TestEntry>,
    loads: Names<'f, LoadEntry>,
    groups: Names<'f, GroupEntry>,
}

/// The version decides what the rest means: without it nothing else is worth reading.
fn read_version(root: &mut Table, faults: &Collector) -> Checked<()> {
    let version = root.optional("version", integer(1..=u32::MAX, ""))?;
    let Some(version) = version else {
        return Err(faults
            .report(&reader::start("version"), format!("is missing; the first line must be `version = {VERSION}`")));
    };
    if version.value == VERSION {
        return Ok(());
    }
    let message = format!("this is version {} of the format, and this rais reads version {VERSION}", version.value);
    Err(faults.report(&version.place, message))
}

impl BoxEntry {
    fn read(mut table: Table) -> Self {
        let entry = Self {
            name: table.required("name", name),
            contact: table.defaulted("contact", String::new(), display_string),
            location: table.defaulted("location", String::new(), display_string),
        };
        table.finish();
        entry
    }
}

fn forwarding(mut table: Table) -> Checked<Forwarding> {
    let (ipv4, ipv6) = (table.defaulted("ipv4", false, boolean), table.defaulted("ipv6", false, boolean));
    table.finish();
    Ok(Forwarding { ipv4: ipv4?, ipv6: ipv6? })
}

/// The files of the bundle, as entries refer to them.
struct Files<'a> {
    faults: &'a Collector<'a>,
    files: &'a BundleFiles,
}

impl Files<'_> {
    /// A file that must be there.
    fn find(&self, path: &Placed<String>) -> Checked<&BundleFile> {
        self.files.0.get(&path.value).ok_or_else(|| self.report(&path.place, &path.value, "is not in the bundle"))
    }

    /// A file that nobody but its owner may read, and what `parse` makes of the text in it.
    fn secret<T, E: Display>(&self, path: &Placed<String>, parse: impl Fn(&str) -> Result<T, E>) -> Checked<T> {
        let file = self.find(path)?;
        if file.mode & 0o077 != 0 {
            let message = format!("is open to others (mode {:04o}); a secret has mode 0600", file.mode);
            return Err(self.report(&path.place, &path.value, &message));
        }
        let text = std::str::from_utf8(&file.content);
        let text = text.map_err(|_| self.report(&path.place, &path.value, "is not UTF-8 text"))?;
        parse(text).map_err(|why| self.report(&path.place, &path.value, &format!("is not understood: {why}")))
    }

    fn report(&self, place: &Place, path: &str, message: &str) -> Reported {
        self.faults.report(place, format!("{path} {message}"))
    }
}

/// The later of the proofs of several parts: fails if any of them did.
fn all<T>(parts: Vec<Checked<T>>) -> Checked<Vec<T>> {
    parts.into_iter().collect()
}
