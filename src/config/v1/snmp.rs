//! `[snmp]`: the agent, who may ask it, and whom it tells.

use super::snmp_access::{AccessEntries, AccessRules, CommunityView, EVERYTHING, MAX_NAME, security_name};
use super::{Entries, Files};
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::{CommunityAccess, Receiver, Snmp};
use crate::config::network_values::{listen_address, peer_address, prefix};
use crate::config::reader::{List, Table, nearest};
use crate::config::secret::Community;
use crate::config::values::{Parsed, boolean, bundle_path, duration, integer, quote, text, word};
use crate::snmp::{DEFAULT_REQUESTS_PER_SECOND, View};
use rais_core::address::Prefix;
use rais_core::notification::{Notification, Severity};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// Most sockets of the agent.
const MAX_LISTEN: usize = 16;
/// Most communities: each is tried for every request.
const MAX_COMMUNITIES: usize = 16;
/// Most prefixes of a community.
const MAX_SOURCES: usize = 256;
/// Most receivers: each event is sent to every one.
const MAX_RECEIVERS: usize = 16;
/// RFC 3430's and everybody's.
const SNMP_PORT: u16 = 161;
/// As good as no limit: more than a processor can answer.
const MAX_REQUESTS_PER_SECOND: u32 = 1_000_000;

/// A receiver nearer than that is on the same box; one farther away is none.
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// More would keep an inform under way for hours.
const MAX_RETRIES: u32 = 100;
/// What is older is history, not news.
const MAX_THROTTLE: Duration = Duration::from_secs(3600);
/// The words for severities.
const SEVERITIES: &[(&str, Severity)] = &[
    (Severity::Info.as_str(), Severity::Info),
    (Severity::Warning.as_str(), Severity::Warning),
    (Severity::Critical.as_str(), Severity::Critical),
];

/// `[snmp]` as the file has it; without it there is no agent.
pub(super) struct SnmpEntry {
    listen: Checked<List<SocketAddr>>,
    sources: List<Prefix>,
    requests_per_second: Checked<u32>,
    allow_v1: Checked<bool>,
    access: AccessEntries,
    communities: Entries<CommunityEntry>,
    receivers: Entries<ReceiverEntry>,
    authentication_traps: Checked<bool>,
}

/// `[[snmp.community]]` as the file has it.
struct CommunityEntry {
    file: Checked<Placed<String>>,
    sources: List<Prefix>,
    name: Checked<Option<Placed<String>>>,
    view: Checked<Option<Placed<String>>>,
}

/// `[[snmp.receiver]]` as the file has it.
struct ReceiverEntry {
    address: Checked<Placed<SocketAddr>>,
    community_file: Checked<Placed<String>>,
    inform: Checked<bool>,
    timeout: Checked<Duration>,
    retries: Checked<u32>,
    severity: Checked<Severity>,
    only: List<&'static str>,
    throttle: Checked<Duration>,
}

impl SnmpEntry {
    pub(super) fn read(table: Option<Table>) -> Self {
        let none = || List { good: Vec::new(), complete: Ok(()) };
        let Some(mut table) = table else {
            return Self {
                listen: Ok(none()),
                sources: List { good: Vec::new(), complete: Ok(()) },
                requests_per_second: Ok(DEFAULT_REQUESTS_PER_SECOND),
                allow_v1: Ok(false),
                access: AccessEntries::none(),
                communities: Entries { all: Vec::new(), complete: Ok(()) },
                receivers: Entries { all: Vec::new(), complete: Ok(()) },
                authentication_traps: Ok(true),
            };
        };
        let listen = table.list("listen", MAX_LISTEN, listen_address).map(|(list, _)| list);
        let entry = Self {
            listen: Ok(listen.unwrap_or_else(default_listen)),
            sources: table.list_or_empty("sources", MAX_SOURCES, prefix),
            requests_per_second: table.defaulted(
                "requests_per_second",
                DEFAULT_REQUESTS_PER_SECOND,
                integer(1..=MAX_REQUESTS_PER_SECOND, ""),
            ),
            allow_v1: table.defaulted("allow_v1", false, boolean),
            access: AccessEntries::read(&mut table),
            communities: Entries::read(&mut table, "community", MAX_COMMUNITIES, CommunityEntry::read),
            receivers: Entries::read(&mut table, "receiver", MAX_RECEIVERS, ReceiverEntry::read),
            authentication_traps: table.defaulted("authentication_traps", true, boolean),
        };
        table.finish();
        entry
    }

    /// The paths in the bundle that it names.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        let communities = self.communities.all.iter().filter_map(|community| community.file.as_ref().ok());
        let receivers = self.receivers.all.iter().filter_map(|receiver| receiver.community_file.as_ref().ok());
        communities.chain(receivers).map(|path| &path.value).chain(self.access.references())
    }
}

/// The name of a notification.
fn notification_name(value: &DeValue) -> Parsed<&'static str> {
    let find = |text: &str| {
        let found = Notification::NAMES.iter().find(|name| **name == text);
        found.copied().ok_or_else(|| match nearest(text, Notification::NAMES.iter().copied()) {
            Some(guess) => format!("there is no notification {}; did you mean `{guess}`?", quote(text)),
            None => format!("there is no notification {}; `mib/RAIS-MIB.txt` has them all", quote(text)),
        })
    };
    text(find)(value)
}

fn default_listen() -> List<SocketAddr> {
    let all =
        [SocketAddr::from((Ipv4Addr::UNSPECIFIED, SNMP_PORT)), SocketAddr::from((Ipv6Addr::UNSPECIFIED, SNMP_PORT))];
    let placed = |value| Placed { value, place: crate::config::fault::Place::default() };
    List { good: all.into_iter().map(placed).collect(), complete: Ok(()) }
}

impl CommunityEntry {
    fn read(mut table: Table) -> Self {
        let entry = Self {
            file: table.required("file", bundle_path),
            sources: table.list_or_empty("sources", MAX_SOURCES, prefix),
            name: table.optional("name", security_name),
            view: table.optional("view", security_name),
        };
        table.finish();
        entry
    }

    /// Its name and view, for the tables of who may see what. A community itself is a secret, and never its own name.
    fn as_view(&self, faults: &Collector) -> Checked<CommunityView> {
        let file = self.file.clone()?;
        let stem = file.value.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let name = self.name.clone()?.map_or_else(|| stem.to_owned(), |name| name.value);
        if !(1..=MAX_NAME).contains(&name.len()) {
            return Err(
                faults.report(&file.place, format!("has no name of 1 to {MAX_NAME} characters; give it a `name`"))
            );
        }
        let view = self.view.clone()?.unwrap_or_else(|| Placed { value: EVERYTHING.to_owned(), place: file.place });
        Ok(CommunityView { name, view })
    }
}

impl ReceiverEntry {
    fn read(mut table: Table) -> Self {
        let entry = Self {
            address: table.required("address", peer_address),
            community_file: table.required("community_file", bundle_path),
            inform: table.defaulted("inform", false, boolean),
            timeout: table.defaulted("timeout", Duration::from_secs(2), duration(MIN_TIMEOUT..=MAX_TIMEOUT)),
            retries: table.defaulted("retries", 5, integer(0..=MAX_RETRIES, "")),
            severity: table.defaulted("severity", Severity::Info, word(SEVERITIES)),
            only: table.list_or_empty("only", Notification::NAMES.len(), notification_name),
            throttle: table.defaulted("throttle", Duration::from_secs(1), duration(Duration::ZERO..=MAX_THROTTLE)),
        };
        table.finish();
        entry
    }
}

/// Builds the agent's part.
pub(super) fn build(entry: &SnmpEntry, files: &Files, faults: &Collector) -> Checked<Snmp> {
    let listen = entry.listen.clone().and_then(|listen| {
        no_twice(listen.good.iter(), "socket", faults)?;
        listen.values()
    });
    let views = community_views(&entry.communities.all, faults);
    let allow_v1 = entry.allow_v1.unwrap_or_default();
    let rules = entry.access.build(views.as_deref().unwrap_or_default(), allow_v1, files, faults);
    let build_one = |community| build_community(community, rules.as_ref().ok(), files, faults);
    let communities = entry.communities.all.iter().map(build_one).collect();
    let communities = one_of_each(entry, communities, faults);
    let addresses = entry.receivers.all.iter().filter_map(|receiver| receiver.address.as_ref().ok());
    let unique = no_twice(addresses, "receiver", faults);
    let receivers = super::all(entry.receivers.all.iter().map(|receiver| build_receiver(receiver, files)).collect());
    entry.communities.complete?;
    entry.receivers.complete?;
    unique?;
    views?;
    let AccessRules { engine_id, users, control } = rules?;
    let authentication_traps = entry.authentication_traps?;
    Ok(Snmp {
        listen: listen?,
        sources: entry.sources.clone().values()?,
        requests_per_second: entry.requests_per_second?,
        allow_v1: entry.allow_v1?,
        engine_id,
        users,
        access: control,
        communities: communities?,
        receivers: receivers?,
        authentication_traps,
    })
}

/// What the communities may see. Two of one name would be one in the tables of who may see what.
fn community_views(entries: &[CommunityEntry], faults: &Collector) -> Checked<Vec<CommunityView>> {
    let mut views: Vec<CommunityView> = Vec::new();
    let mut result = Ok(());
    for entry in entries {
        match entry.as_view(faults) {
            Ok(view) => {
                if let (true, Ok(file)) = (views.iter().any(|other| other.name == view.name), &entry.file) {
                    let message = "has the name of another [[snmp.community]]; give it a `name` of its own";
                    result = Err(faults.report(&file.place, message));
                }
                views.push(view);
            }
            Err(reported) => result = Err(reported),
        }
    }
    result.map(|()| views)
}

fn build_community(
    entry: &CommunityEntry,
    rules: Option<&AccessRules>,
    files: &Files,
    faults: &Collector,
) -> Checked<CommunityAccess> {
    let community = entry.file.clone().and_then(|path| files.secret(&path, Community::from_text));
    let view = entry.as_view(faults).map(|of| rules.map_or_else(View::nothing, |rules| rules.view(&of.view.value)));
    Ok(CommunityAccess { community: community?, sources: entry.sources.clone().values()?, view: view? })
}

fn build_receiver(entry: &ReceiverEntry, files: &Files) -> Checked<Receiver> {
    let community = entry.community_file.clone().and_then(|path| files.secret(&path, Community::from_text));
    Ok(Receiver {
        address: entry.address.clone()?.value,
        community: community?,
        inform: entry.inform?,
        timeout: entry.timeout?,
        retries: entry.retries?,
        severity: entry.severity?,
        only: entry.only.clone().values()?,
        throttle: entry.throttle?,
    })
}

/// The same community twice would leave open whose sources count.
fn one_of_each(
    entry: &SnmpEntry,
    communities: Vec<Checked<CommunityAccess>>,
    faults: &Collector,
) -> Checked<Vec<CommunityAccess>> {
    let mut result = Ok(());
    for (index, (access, entry)) in communities.iter().zip(&entry.communities.all).enumerate() {
        let Ok(access) = access else { continue };
        let earlier = communities.iter().take(index).flatten().any(|earlier| earlier.community == access.community);
        if let (true, Ok(file)) = (earlier, &entry.file) {
            let message = "is the community of another [[snmp.community]]; join their sources";
            result = Err(faults.report(&file.place, message));
        }
    }
    result.and_then(|()| super::all(communities))
}

fn no_twice<'p>(sockets: impl Iterator<Item = &'p Placed<SocketAddr>>, kind: &str, faults: &Collector) -> Checked<()> {
    let mut lines = BTreeMap::new();
    let mut result = Ok(());
    for socket in sockets {
        if lines.insert(socket.value, ()).is_some() {
            result = Err(faults.report(&socket.place, format!("{kind} {} is there already", socket.value)));
        }
    }
    result
}
