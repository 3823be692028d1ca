//! `[[group]]`: a service group as this box sees it.
//!
//! What boxes must agree on is digested here (G-62); what only one box can know is not.

mod partition;
mod peers;
mod timing;

use super::interface::InterfaceEntry;
use super::{AllNames, Entries, Files};
use crate::config::fault::{Checked, Collector, Place, Placed};
use crate::config::model::{Group, Script};
use crate::config::network_values::{multicast_address, other_host, service_address};
use crate::config::provenance::Digest;
use crate::config::reader::{List, Table};
use crate::config::secret::{Authentication, Key, KeyId};
use crate::config::values::{bundle_path, check_bundle_path, duration_or, integer, name, quote, text, word};
use partition::PartitionEntry;
use rais_core::address::{GroupName, IdAddress, InterfaceName, LoadName, ServiceAddress, TestName};
use rais_core::params::{Choice, Control, Failback, GroupParams, MAX_ADDRESSES};
use rais_core::quantity::Utilisation;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use timing::TimingEntry;

/// Most control interfaces of a group: every message is sent once on each.
const MAX_CONTROL_INTERFACES: usize = 4;
/// Most message keys: one in use, one to come, one to go, and room for a slip.
const MAX_KEYS: usize = 8;
/// Most neighbours that are told in person: a handful of routers and firewalls.
const MAX_NEIGHBOURS: usize = 16;
/// Most tests of one group.
const MAX_GROUP_TESTS: usize = 64;
const DEFAULT_HIGH: u32 = 800;
const DEFAULT_LOW: u32 = 600;
const NO_KEY: &str = "needs at least one key: every message is authenticated";
const OFF: &[(&str, Option<Duration>)] = &[("off", None)];
const LOAD_MOVES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const CHOICES: &[(&str, Choice)] = &[("balanced", Choice::Balanced), ("random", Choice::Random)];

/// `[[group]]` as the file has it.
pub(super) struct GroupEntry {
    place: Place,
    pub(super) name: Checked<Placed<GroupName>>,
    pub(super) address: Checked<Placed<IpAddr>>,
    pub(super) port: Checked<Placed<u16>>,
    control_interfaces: Checked<List<InterfaceName>>,
    pub(super) peers: List<IpAddr>,
    service_interface: Checked<Placed<InterfaceName>>,
    neighbours: List<IpAddr>,
    pub(super) preferred_addresses: List<IpAddr>,
    pub(super) pool_addresses: List<IpAddr>,
    pub(super) timing: TimingEntry,
    choice: Checked<Choice>,
    high_water_mark: Checked<Option<Placed<u32>>>,
    low_water_mark: Checked<Option<Placed<u32>>>,
    tests: List<TestName>,
    load: Checked<Option<Placed<LoadName>>>,
    partition: PartitionEntry,
    load_moves: Checked<Option<Duration>>,
    acquire_script: Checked<Option<Placed<String>>>,
    release_script: Checked<Option<Placed<String>>>,
    authentication: Checked<Authentication>,
    keys: Checked<(Vec<KeyEntry>, Place)>,
    send_key: Checked<Option<Placed<u8>>>,
}

/// An element of `keys` as the file has it.
struct KeyEntry {
    id: Checked<Placed<u8>>,
    file: Checked<Placed<String>>,
}

impl GroupEntry {
    pub(super) fn read(mut table: Table) -> Self {
        let entry = Self {
            place: table.place().clone(),
            name: table.required("name", name),
            address: table.required("address", multicast_address),
            port: table.required("port", integer(1..=u16::MAX, "")),
            control_interfaces: control_interfaces(&mut table),
            peers: peers::read(&mut table),
            service_interface: table.required("service_interface", name),
            neighbours: table.list_or_empty("neighbours", MAX_NEIGHBOURS, other_host),
            preferred_addresses: table.list_or_empty("preferred_addresses", MAX_ADDRESSES, service_address),
            pool_addresses: table.list_or_empty("pool_addresses", MAX_ADDRESSES, service_address),
            timing: TimingEntry::read(&mut table),
            choice: table.defaulted("choice", Choice::Balanced, word(CHOICES)),
            high_water_mark: table.optional("high_water_mark", integer(1..=1000, "per mille")),
            low_water_mark: table.optional("low_water_mark", integer(0..=1000, "per mille")),
            tests: table.list_or_empty("tests", MAX_GROUP_TESTS, name),
            load: table.optional("load", name),
            partition: PartitionEntry::read(&mut table),
            load_moves: table.defaulted("load_moves", None, duration_or(OFF, LOAD_MOVES, Some)),
            acquire_script: table.optional("acquire_script", script_path),
            release_script: table.optional("release_script", script_path),
            authentication: table.defaulted("authentication", Authentication::Require, word(&Authentication::ALL)),
            keys: keys(&mut table),
            send_key: table.optional("send_key", integer(1..=u8::MAX, "")),
        };
        table.finish();
        entry
    }

    /// The paths in the bundle that it names.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        let scripts = [&self.acquire_script, &self.release_script].into_iter().flatten().flatten();
        let scripts = scripts.map(|path| &path.value).filter(|path| !path.starts_with('/'));
        let keys = self.keys.iter().flat_map(|(keys, _)| keys).filter_map(|key| key.file.as_ref().ok());
        scripts.chain(keys.map(|path| &path.value))
    }

    fn build(&self, names: &AllNames, files: &Files, faults: &Collector) -> Checked<(GroupName, Group)> {
        let control = self.control(names, faults);
        let peers = control.as_ref().map_err(|why| *why).and_then(|control| {
            let service = [&self.preferred_addresses, &self.pool_addresses];
            peers::build(&self.peers, control, service, faults)
        });
        let service_interface = self.service_interface.clone().and_then(|name| {
            names.interfaces.find(faults, &name)?;
            Ok(name.value)
        });
        let timing = self.timing.build(faults);
        let marks = self.water_marks(faults);
        let linked = names.tests.find_all(faults, &self.tests.good);
        let unique = no_twice(&self.tests, "test", faults);
        let load = self
            .load
            .clone()
            .and_then(|load| load.map(|name| names.loads.find(faults, &name).map(|_| name.value)).transpose());
        let acquire_script = script(&self.acquire_script, files);
        let release_script = script(&self.release_script, files);
        let keys = self.keys(files, faults);
        let send_key = self.send_key(faults);
        let addresses = self.addresses(faults);
        let partition = self.partition.build(self.timing.beat(), faults);

        // Everything has been looked at, and every fault reported; only now may the first of them end it.
        let (high_water_mark, low_water_mark) = marks?;
        let (preferred_addresses, pool_addresses) = addresses?;
        let control: Vec<Control> = control?.into_iter().map(|(control, _)| control).collect();
        let timing = timing?;
        linked?;
        unique?;
        let id = control
            .first()
            .map(|first| IdAddress(first.address))
            .ok_or_else(|| faults.report(&self.place, "has no control interface"))?;
        let mut params = GroupParams {
            id,
            control,
            service_interface: service_interface.clone()?,
            digest: 0,
            preferred_addresses,
            pool_addresses,
            beat: timing.beat,
            dead_after: timing.dead_after,
            action_timeout: timing.action_timeout,
            lease: timing.lease,
            announce_every: timing.announce_every,
            announce_again: timing.announce_again,
            orphan_timeout: timing.orphan_timeout,
            failback: timing.failback,
            damping: timing.damping,
            choice: self.choice?,
            high_water_mark,
            low_water_mark,
            tests: self.tests.clone().values()?,
            load: load?,
            partition: partition?,
            load_moves: self.load_moves?,
        };
        let (address, name) =
            (SocketAddr::new(self.address.clone()?.value, self.port.clone()?.value), self.name.clone()?);
        params.digest = digest(&name.value, address, &params);
        let group = Group {
            params,
            address,
            peers: peers?,
            service_interface: service_interface?,
            neighbours: self.neighbours.clone().values()?,
            acquire_script: acquire_script?,
            release_script: release_script?,
            script_timeout: timing.script_timeout,
            authentication: self.authentication?,
            keys: keys?,
            send_key: send_key?,
        };
        Ok((name.value, group))
    }

    /// The control interfaces with this box's address on each. The first one's is its id in the group.
    fn control<'f>(&self, names: &AllNames<'f>, faults: &Collector) -> Checked<Vec<(Control, &'f InterfaceEntry)>> {
        let list = self.control_interfaces.as_ref().map_err(|why| *why)?;
        no_twice(list, "interface", faults)?;
        let entries = names.interfaces.find_all(faults, &list.good)?;
        let family = self.address.as_ref().map_err(|why| *why)?.value;
        let addresses = list.good.iter().zip(entries).map(|(name, entry)| {
            let address = control_address(entry, name, family, faults)?;
            Ok((Control { interface: name.value.clone(), address }, entry))
        });
        let control = super::all(addresses.collect());
        list.complete?;
        control
    }

    fn water_marks(&self, faults: &Collector) -> Checked<(Utilisation, Utilisation)> {
        let (high, low) = (self.high_water_mark.clone()?, self.low_water_mark.clone()?);
        let show = |mark: &Option<Placed<u32>>, default: u32| match mark {
            Some(mark) => (mark.value, mark.value.to_string()),
            None => (default, format!("{default} (the default)")),
        };
        let ((high_value, high_text), (low_value, low_text)) = (show(&high, DEFAULT_HIGH), show(&low, DEFAULT_LOW));
        if low_value > high_value {
            let message = format!("low_water_mark {low_text} is above high_water_mark {high_text}");
            let place = low.or(high).map_or_else(|| self.place.clone(), |mark| mark.place);
            return Err(faults.report_whole(&place, message));
        }
        Ok((Utilisation(high_value), Utilisation(low_value)))
    }

    fn addresses(&self, faults: &Collector) -> Checked<(Vec<ServiceAddress>, Vec<ServiceAddress>)> {
        let total = self.preferred_addresses.good.len() + self.pool_addresses.good.len();
        let (preferred, pool) = (self.preferred_addresses.clone().values(), self.pool_addresses.clone().values());
        if total > MAX_ADDRESSES {
            let message = format!("has {total} service addresses, at most {MAX_ADDRESSES} are possible");
            return Err(faults.report_whole(&self.place, message));
        }
        let of = |addresses: Vec<IpAddr>| addresses.into_iter().map(ServiceAddress).collect();
        Ok((of(preferred?), of(pool?)))
    }

    fn keys(&self, files: &Files, faults: &Collector) -> Checked<BTreeMap<KeyId, Key>> {
        let (entries, place) = self.keys.as_ref().map_err(|why| *why)?;
        if entries.is_empty() && self.authentication?.signs() {
            return Err(faults.report(place, NO_KEY));
        }
        let ids: Vec<_> = entries.iter().filter_map(|key| key.id.clone().ok()).collect();
        let unique = no_twice(&List { good: ids, complete: Ok(()) }, "key id", faults);
        let read = |key: &KeyEntry| {
            let content = key.file.clone().and_then(|path| files.secret(&path, Key::from_hex));
            Ok((KeyId(key.id.clone()?.value), content?))
        };
        let keys = super::all(entries.iter().map(read).collect())?;
        unique?;
        Ok(keys.into_iter().collect())
    }

    /// The key to send with; where there is only one, it need not be said.
    fn send_key(&self, faults: &Collector) -> Checked<Option<KeyId>> {
        let (entries, place) = self.keys.as_ref().map_err(|why| *why)?;
        let ids = super::all(entries.iter().map(|key| key.id.clone()).collect());
        match (self.send_key.clone()?, ids?.as_slice()) {
            (None, [only]) => Ok(Some(KeyId(only.value))),
            (None, []) if !self.authentication?.signs() => Ok(None),
            (None, []) => Err(faults.report(place, NO_KEY)),
            (None, _) => {
                let place = Place { offset: self.place.offset, path: self.place.path.key("send_key") };
                Err(faults.report_whole(&place, "is missing: there are several keys, say which one sends"))
            }
            (Some(send), ids) if ids.iter().any(|id| id.value == send.value) => Ok(Some(KeyId(send.value))),
            (Some(send), _) => Err(faults.report_whole(&send.place, format!("no key has the id {}", send.value))),
        }
    }
}

fn control_interfaces(table: &mut Table) -> Checked<List<InterfaceName>> {
    let (list, place) = table
        .list("control_interfaces", MAX_CONTROL_INTERFACES, name)
        .ok_or_else(|| table.missing("control_interfaces"))?;
    if list.good.is_empty() && list.complete.is_ok() {
        return Err(table.report(&place, "needs at least one interface"));
    }
    Ok(list)
}

fn keys(table: &mut Table) -> Checked<(Vec<KeyEntry>, Place)> {
    let place = table.place_of("keys").ok_or_else(|| table.missing("keys"))?;
    let (keys, complete) = table.tables("keys", MAX_KEYS);
    let read = |mut key: Table| {
        let entry =
            KeyEntry { id: key.required("id", integer(1..=u8::MAX, "")), file: key.required("file", bundle_path) };
        key.finish();
        entry
    };
    let keys = keys.into_iter().map(read).collect();
    complete?;
    Ok((keys, place))
}

/// An executable's path: absolute, or in the bundle.
fn script_path(value: &toml::de::DeValue) -> Result<String, String> {
    text(|path| {
        if let Some(inside) = path.strip_prefix('/') {
            let good = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains('\0');
            let plain = inside.split('/').all(good);
            return plain.then(|| path.to_owned()).ok_or_else(|| {
                format!("{} is not a plain path: every name in it must be there, and none be . or ..", quote(path))
            });
        }
        check_bundle_path(path).map_err(|why| format!("{} {why}", quote(path)))?;
        Ok(path.to_owned())
    })(value)
}

fn script(path: &Checked<Option<Placed<String>>>, files: &Files) -> Checked<Option<Script>> {
    let Some(path) = path.clone()? else { return Ok(None) };
    if path.value.starts_with('/') {
        return Ok(Some(Script::Absolute(PathBuf::from(path.value))));
    }
    let file = files.find(&path)?;
    if file.mode & 0o100 == 0 {
        let message = format!("is not executable (mode {:04o}); a script has mode 0755 or 0700", file.mode);
        return Err(files.report(&path.place, &path.value, &message));
    }
    Ok(Some(Script::Bundled { content: Arc::from(file.content.as_slice()), path: path.value }))
}

fn control_address(
    entry: &InterfaceEntry,
    name: &Placed<InterfaceName>,
    group_address: IpAddr,
    faults: &Collector,
) -> Checked<IpAddr> {
    if let Some(address) = entry.first_address(group_address.is_ipv4()) {
        return Ok(address);
    }
    entry.addresses.complete?;
    let family = if group_address.is_ipv4() { "IPv4" } else { "IPv6" };
    let message = format!(
        "interface \"{}\" has no {family} address (other than link-local), as the group's address is",
        name.value
    );
    Err(faults.report_whole(&name.place, message))
}

/// Reports every element that stands further up in its list already.
fn no_twice<T: Ord + std::fmt::Display>(list: &List<T>, kind: &str, faults: &Collector) -> Checked<()> {
    let mut seen = std::collections::BTreeSet::new();
    let mut result = Ok(());
    for element in &list.good {
        if !seen.insert(&element.value) {
            result = Err(faults.report(&element.place, format!("{kind} {} is in the list already", element.value)));
        }
    }
    result
}

/// Builds the groups.
pub(super) fn build(
    entries: &Entries<GroupEntry>,
    names: &AllNames,
    files: &Files,
    faults: &Collector,
) -> Checked<BTreeMap<GroupName, Group>> {
    let built = super::all(entries.all.iter().map(|entry| entry.build(names, files, faults)).collect());
    entries.complete?;
    Ok(built?.into_iter().collect())
}

/// The first octets of a SHA-256 over what every box of the group must have alike (G-62), one fact a line, so that a
/// later version may add a line only where it is not at its default.
///
/// Not in it: what differs from box to box on purpose (preferred addresses, interfaces, tests, load, scripts), and keys,
/// which are rolled over box by box.
fn digest(name: &GroupName, address: SocketAddr, params: &GroupParams) -> u64 {
    let mut pool = params.pool_addresses.clone();
    pool.sort_unstable();
    let mut text = format!("rais group 1\nname {name}\naddress {address}\n");
    for address in pool {
        let _ = writeln!(text, "pool {address}");
    }
    let millis = |duration: std::time::Duration| duration.as_millis();
    let failback = match params.failback {
        Failback::Immediate => "immediate".to_owned(),
        Failback::After(wait) => millis(wait).to_string(),
        Failback::Manual => "manual".to_owned(),
    };
    let choice = CHOICES.iter().find(|(_, choice)| *choice == params.choice).map_or("", |(word, _)| *word);
    let _ = writeln!(text, "beat {}\ndead_after {}", millis(params.beat), millis(params.dead_after));
    let _ = writeln!(text, "action_timeout {}", millis(params.action_timeout));
    let _ = writeln!(text, "orphan_timeout {}", params.orphan_timeout.map_or(0, millis));
    let _ = writeln!(text, "failback {failback}\nchoice {choice}");
    let _ = write!(text, "{}", partition::facts(&params.partition));
    if params.damping != Some(timing::DEFAULT_DAMPING) {
        let _ = writeln!(text, "damping {}", params.damping.map_or(0, millis));
    }
    if let Some(hold) = params.load_moves {
        let _ = writeln!(text, "load_moves {}", millis(hold));
    }
    let _ = writeln!(text, "water_marks {} {}", params.high_water_mark, params.low_water_mark);
    let Digest([a, b, c, d, e, f, g, h, ..]) = Digest::of(text.as_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
