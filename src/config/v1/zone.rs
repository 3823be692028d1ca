//! `[[zone]]`: a zone file that advertises a group (N-11, N-20).

use super::{AllNames, Entries, Files};
use crate::config::fault::{Checked, Collector, Place, Placed};
use crate::config::model::Zone;
use crate::config::network_values::{domain_name, prefix, record_name};
use crate::config::reader::{List, Table};
use crate::config::values::{bundle_path, check_bundle_path, duration, integer, name, quote, show, text};
use crate::dns::{self, ZoneParams};
use rais_core::address::{GroupName, Prefix};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Most zones.
pub(super) const MAX_ZONES: usize = 256;
/// Most excluded prefixes of a zone.
const MAX_EXCLUDE: usize = 1024;
/// Most addresses of a name and family: N-20's hard cap.
const MAX_RECORDS: usize = 64;
/// 28 A records fit an answer of 512 octets (N-20).
const DEFAULT_MAXIMUM: usize = 28;
const DEFAULT_MINIMUM: usize = 1;
const TTL: RangeInclusive<u32> = 1..=86_400;
const DEFAULT_TTL: u32 = 5;
/// What is left of an object identifier for a zone's name, by the MIB's index.
const LONGEST_NAME: usize = 100;
const UPDATE_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_secs(3600);
const DEFAULT_UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// A choice is made anew only when every box can have said something new (N-10).
const LEAST_BEATS: u32 = 2;

/// `[[zone]]` as the file has it.
pub(super) struct ZoneEntry {
    place: Place,
    name: Checked<Placed<String>>,
    group: Checked<Placed<GroupName>>,
    header: Checked<Placed<String>>,
    record: Checked<String>,
    ttl: Checked<u32>,
    minimum: Checked<Option<Placed<usize>>>,
    maximum: Checked<Option<Placed<usize>>>,
    exclude: List<Prefix>,
    update_interval: Checked<Option<Placed<Duration>>>,
    file: Checked<Placed<PathBuf>>,
}

impl ZoneEntry {
    pub(super) fn read(mut table: Table) -> Self {
        let entry = Self {
            place: table.place().clone(),
            name: table.required("name", domain_name),
            group: table.required("group", name),
            header: table.required("header", bundle_path),
            record: table.defaulted("record", "@".to_owned(), record_name),
            ttl: table.defaulted("ttl", DEFAULT_TTL, integer(TTL, "seconds")),
            minimum: table.optional("minimum", integer(1..=MAX_RECORDS, "")),
            maximum: table.optional("maximum", integer(1..=MAX_RECORDS, "")),
            exclude: table.list_or_empty("exclude", MAX_EXCLUDE, prefix),
            update_interval: table.optional("update_interval", duration(UPDATE_INTERVAL)),
            file: table.required("file", state_path),
        };
        table.finish();
        entry
    }

    /// The paths in the bundle that it names.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        self.header.iter().map(|path| &path.value)
    }

    fn build(&self, names: &AllNames, files: &Files, faults: &Collector) -> Checked<Zone> {
        let group = self.group.clone().and_then(|name| Ok((names.groups.find(faults, &name)?, name.value)));
        let header = self.header.clone().and_then(|path| {
            let file = files.find(&path)?;
            let text = std::str::from_utf8(&file.content);
            text.map(Arc::from).map_err(|_| files.report(&path.place, &path.value, "is not UTF-8 text"))
        });
        let counts = self.counts(faults);
        let update_interval = group.as_ref().map_err(|why| *why).and_then(|(group, _)| {
            let least = group.timing.beat()? * LEAST_BEATS;
            self.update_interval(least, faults)
        });
        let text = header.and_then(|header| self.check_header(header, faults));
        let shown = self.check_name(faults);
        let (minimum, maximum) = counts?;
        shown?;
        Ok(Zone {
            name: self.name.clone()?.value,
            group: group?.1,
            header: text?,
            record: self.record.clone()?,
            ttl: self.ttl?,
            minimum,
            maximum,
            exclude: self.exclude.clone().values()?,
            update_interval: update_interval?,
            file: self.file.clone()?.value,
        })
    }

    /// An instance of SNMP's zone table is named by its zone, and an object identifier has 128 numbers (RFC 2578 §3.5).
    fn check_name(&self, faults: &Collector) -> Checked<()> {
        let name = self.name.clone()?;
        if name.value.len() <= LONGEST_NAME {
            return Ok(());
        }
        let message = format!(
            "is {} octets long; at most {LONGEST_NAME} are possible, or SNMP could not show the zone",
            name.value.len()
        );
        Err(faults.report_whole(&name.place, message))
    }

    /// A header that would make no zone is refused here, and not when the first address is to be written.
    fn check_header(&self, header: Arc<str>, faults: &Collector) -> Checked<Arc<str>> {
        let (name, record, path) = (self.name.clone()?.value, self.record.clone()?, self.header.clone()?);
        let params = ZoneParams { name: &name, record: &record, ttl: self.ttl?, header: &header };
        let Err(found) = dns::Zone::new(params) else { return Ok(header) };
        let mut result = Ok(header);
        for fault in found.0 {
            result = Err(faults.report(&path.place, format!("{}: {fault}", path.value)));
        }
        result
    }

    fn counts(&self, faults: &Collector) -> Checked<(usize, usize)> {
        let (minimum, maximum) = (self.minimum.clone()?, self.maximum.clone()?);
        let least = minimum.as_ref().map_or(DEFAULT_MINIMUM, |minimum| minimum.value);
        // A minimum alone raises the maximum with it: there is only one thing it can mean.
        let most = maximum.as_ref().map_or(DEFAULT_MAXIMUM.max(least), |maximum| maximum.value);
        if least <= most {
            return Ok((least, most));
        }
        let place = minimum.or(maximum).map_or_else(|| self.place.clone(), |count| count.place);
        Err(faults.report_whole(&place, format!("minimum {least} is above maximum {most}")))
    }

    fn update_interval(&self, least: Duration, faults: &Collector) -> Checked<Duration> {
        let Some(given) = self.update_interval.clone()? else { return Ok(DEFAULT_UPDATE_INTERVAL.max(least)) };
        if given.value >= least {
            return Ok(given.value);
        }
        let (least, is) = (show(least), show(given.value));
        let message = format!("must be at least {LEAST_BEATS} beats of the group ({least}), is {is}");
        Err(faults.report_whole(&given.place, message))
    }
}

/// A file to write: absolute, or relative to the state directory.
fn state_path(value: &toml::de::DeValue) -> Result<PathBuf, String> {
    text(|path| {
        let relative = path.strip_prefix('/').unwrap_or(path);
        check_bundle_path(relative).map_err(|_| {
            format!("{} is not a file's path, absolute or relative to the state directory", quote(path))
        })?;
        Ok(PathBuf::from(path))
    })(value)
}

/// Builds the zones; each has a name and a file of its own.
pub(super) fn build(
    entries: &Entries<ZoneEntry>,
    names: &AllNames,
    files: &Files,
    faults: &Collector,
) -> Checked<Vec<Zone>> {
    let (mut zone_names, mut zone_files) = (BTreeMap::new(), BTreeMap::new());
    for zone in &entries.all {
        if let Ok(Placed { value, place }) = &zone.name
            && let Some(line) = zone_names.insert(value, faults.line(place))
        {
            let _ = faults.report(place, format!("{value:?} is the name of another [[zone]], in line {line}"));
        }
        if let Ok(Placed { value, place }) = &zone.file
            && let Some(line) = zone_files.insert(value, faults.line(place))
        {
            let _ = faults.report(place, format!("{value:?} is the file of another [[zone]], in line {line}"));
        }
    }
    let built = super::all(entries.all.iter().map(|entry| entry.build(names, files, faults)).collect());
    entries.complete?;
    built
}
