//! `[snmp]`: the agent, who may ask it, and whom it tells.

use super::{Entries, Files};
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::{CommunityAccess, Receiver, Snmp};
use crate::config::network_values::{listen_address, peer_address, prefix};
use crate::config::reader::{List, Table};
use crate::config::secret::Community;
use crate::config::values::bundle_path;
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

/// `[snmp]` as the file has it; without it there is no agent.
pub(super) struct SnmpEntry {
    listen: Checked<List<SocketAddr>>,
    communities: Entries<CommunityEntry>,
    receivers: Entries<ReceiverEntry>,
}

/// `[[snmp.community]]` as the file has it.
struct CommunityEntry {
    file: Checked<Placed<String>>,
    sources: List<Prefix>,
}

/// `[[snmp.receiver]]` as the file has it.
struct ReceiverEntry {
    address: Checked<Placed<SocketAddr>>,
    community_file: Checked<Placed<String>>,
}

impl SnmpEntry {
    pub(super) fn read(table: Option<Table>) -> Self {
        let none = || List { good: Vec::new(), complete: Ok(()) };
        let Some(mut table) = table else {
            return Self {
                listen: Ok(none()),
                communities: Entries { all: Vec::new(), complete: Ok(()) },
                receivers: Entries { all: Vec::new(), complete: Ok(()) },
            };
        };
        let listen = table.list("listen", MAX_LISTEN, listen_address).map(|(list, _)| list);
        let entry = Self {
            listen: Ok(listen.unwrap_or_else(default_listen)),
            communities: Entries::read(&mut table, "community", MAX_COMMUNITIES, CommunityEntry::read),
            receivers: Entries::read(&mut table, "receiver", MAX_RECEIVERS, ReceiverEntry::read),
        };
        table.finish();
        entry
    }

    /// The paths in the bundle that it names.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        let communities = self.communities.all.iter().filter_map(|community| community.file.as_ref().ok());
        let receivers = self.receivers.all.iter().filter_map(|receiver| receiver.community_file.as_ref().ok());
        communities.chain(receivers).map(|path| &path.value)
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
        };
        table.finish();
        entry
    }
}

impl ReceiverEntry {
    fn read(mut table: Table) -> Self {
        let entry = Self {
            address: table.required("address", peer_address),
            community_file: table.required("community_file", bundle_path),
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
    let communities = entry.communities.all.iter().map(|community| build_community(community, files)).collect();
    let communities = one_of_each(entry, communities, faults);
    let addresses = entry.receivers.all.iter().filter_map(|receiver| receiver.address.as_ref().ok());
    let unique = no_twice(addresses, "receiver", faults);
    let receivers = super::all(entry.receivers.all.iter().map(|receiver| build_receiver(receiver, files)).collect());
    entry.communities.complete?;
    entry.receivers.complete?;
    unique?;
    Ok(Snmp { listen: listen?, communities: communities?, receivers: receivers? })
}

fn build_community(entry: &CommunityEntry, files: &Files) -> Checked<CommunityAccess> {
    let community = entry.file.clone().and_then(|path| files.secret(&path, Community::from_text));
    Ok(CommunityAccess { community: community?, sources: entry.sources.clone().values()? })
}

fn build_receiver(entry: &ReceiverEntry, files: &Files) -> Checked<Receiver> {
    let community = entry.community_file.clone().and_then(|path| files.secret(&path, Community::from_text));
    Ok(Receiver { address: entry.address.clone()?.value, community: community? })
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
