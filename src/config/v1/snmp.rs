//! `[snmp]`: the agent, who may ask it, and whom it tells.

use super::snmp_access::{AccessEntries, AccessRules, CommunityView, EVERYTHING, MAX_NAME, security_name};
use super::snmp_receiver::{ReceiverEntry, build_receivers};
use super::{Entries, Files};
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::{CommunityAccess, ReceiverSecurity, Snmp};
use crate::config::network_values::{listen_address, prefix};
use crate::config::reader::{List, Table};
use crate::config::secret::Community;
use crate::config::values::{boolean, bundle_path, integer};
use crate::snmp::{DEFAULT_REQUESTS_PER_SECOND, View};
use rais_core::address::Prefix;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

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
    notify: Checked<Option<Placed<String>>>,
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
        let receivers = self.receivers.all.iter().filter_map(|receiver| receiver.reference());
        communities.map(|path| &path.value).chain(receivers).chain(self.access.references())
    }
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
            notify: table.optional("notify", security_name),
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
        let or_all = |view: &Checked<Option<Placed<String>>>| {
            let everything = || Placed { value: EVERYTHING.to_owned(), place: file.place.clone() };
            Ok(view.clone()?.unwrap_or_else(everything))
        };
        Ok(CommunityView { name, view: or_all(&self.view)?, notify: or_all(&self.notify)? })
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
    let addresses = entry.receivers.all.iter().filter_map(ReceiverEntry::address);
    let unique = no_twice(addresses, "receiver", faults);
    let receivers = build_receivers(&entry.receivers.all, rules.as_ref(), communities.as_deref(), files, faults);
    entry.communities.complete?;
    entry.receivers.complete?;
    unique?;
    views?;
    let (mut rules, communities, receivers) = (rules?, communities?, receivers?);
    for receiver in &receivers {
        if let ReceiverSecurity::Community(community) = &receiver.security
            && !communities.iter().any(|known| known.community == *community)
        {
            rules.admit_receiver(receiver.name.clone());
        }
    }
    let AccessRules { engine_id, users, control } = rules;
    let authentication_traps = entry.authentication_traps?;
    Ok(Snmp {
        listen: listen?,
        sources: entry.sources.clone().values()?,
        requests_per_second: entry.requests_per_second?,
        allow_v1: entry.allow_v1?,
        engine_id,
        users,
        access: control,
        communities,
        receivers,
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
    let CommunityView { name, view, .. } = entry.as_view(faults)?;
    let view = rules.map_or_else(View::nothing, |rules| rules.view(&view.value));
    Ok(CommunityAccess { community: community?, name, sources: entry.sources.clone().values()?, view })
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
