//! Events: notifications with a number, a time and a sentence, as the event table, the traps, the log and `raisctl
//! events` show them.
//!
//! The sentence is made here and nowhere else, once, when the event happens: who reads it later, perhaps in another life
//! of the box, need not know what the boxes were called then.

use crate::snapshot::Snapshot;
use rais_core::address::{GroupName, IdAddress};
use rais_core::notification::{GroupState, Notification, PartitionState};
use rais_core::quantity::Incarnation;
use rais_core::time::Instant;
use serde::{Deserialize, Serialize};

/// One notification, numbered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Ascends with each event, over all lives of the box, and is never used again. A gap: the life before it ended
    /// without a goodbye.
    pub number: u64,
    /// The start of the daemon that it happened in.
    pub incarnation: Incarnation,
    /// Monotonic time of the change, on the clock of that life.
    pub at: Instant,
    /// Wall time, in milliseconds since 1970-01-01 UTC; only for people.
    pub unix_ms: u64,
    /// What happened.
    pub notification: Notification,
    /// The same as one sentence, without the box's name.
    pub text: String,
}

/// The name of a box of a group, if the snapshot knows it.
#[must_use]
pub fn host_name<'a>(snapshot: &'a Snapshot, group: &GroupName, id: IdAddress) -> Option<&'a str> {
    let hosts = &snapshot.view.group(group)?.hosts;
    let found = hosts.binary_search_by(|host| host.id.cmp(&id)).ok()?;
    hosts.get(found).map(|host| host.name.as_str())
}

/// Type and row: what two notifications share if the newer one makes the older one pointless.
#[must_use]
pub fn about(notification: &Notification) -> String {
    let name = notification.name();
    match notification {
        Notification::Acquire { group, address, .. }
        | Notification::AcquireFailed { group, address, .. }
        | Notification::Release { group, address, .. }
        | Notification::ReleaseFailed { group, address, .. }
        | Notification::CannotAssign { group, address }
        | Notification::OrphanExpired { group, address }
        | Notification::AddressConflict { group, address, .. } => format!("{name} {group} {address}"),
        Notification::TestFailed { test, .. } | Notification::TestRecovered { test } => format!("{name} {test}"),
        Notification::LeaderChange { group, .. } | Notification::GroupStateChange { group, .. } => {
            format!("{name} {group}")
        }
        Notification::PartitionChange { group, .. } => format!("{name} {group}"),
        Notification::HostStateChange { group, host, .. }
        | Notification::ConfigDiffers { group, host }
        | Notification::ConfigAgrees { group, host } => format!("{name} {group} {host}"),
        Notification::LinkUp { interface, .. } | Notification::LinkDown { interface, .. } => {
            format!("{name} {interface}")
        }
        Notification::AuthenticationFailure { source } => format!("{name} {source}"),
        Notification::ConfigApplied { .. }
        | Notification::ConfigRejected { .. }
        | Notification::ImageUpdated { .. }
        | Notification::ColdStart
        | Notification::WarmStart => name.to_owned(),
    }
}

/// The notification as one sentence, without this box's name; `snapshot` has the names of its peers.
#[must_use]
pub fn sentence(notification: &Notification, snapshot: &Snapshot) -> String {
    let named = |group: &GroupName, id: &IdAddress| match host_name(snapshot, group, *id) {
        Some(name) => format!("{name} ({id})"),
        None => id.to_string(),
    };
    match notification {
        Notification::Acquire { group, address, reason } => format!("serves {address} of group {group} ({reason})"),
        Notification::AcquireFailed { group, address, error } => {
            format!("could not acquire {address} of group {group}: {error}")
        }
        Notification::Release { group, address, reason } => format!("released {address} of group {group} ({reason})"),
        Notification::ReleaseFailed { group, address, error } => {
            format!("released {address} of group {group}, but not cleanly: {error}")
        }
        Notification::TestFailed { test, error } => format!("test {test} failed: {error}"),
        Notification::TestRecovered { test } => format!("test {test} passes again"),
        Notification::CannotAssign { group, address } => format!("no box of group {group} can serve {address}"),
        Notification::LeaderChange { group, leader: Some(leader) } => {
            format!("{} leads group {group}", named(group, leader))
        }
        Notification::LeaderChange { group, leader: None } => format!("nobody leads group {group}"),
        Notification::HostStateChange { group, host, state } => {
            format!("{} of group {group} is {state}", named(group, host))
        }
        Notification::OrphanExpired { group, address } => {
            format!("group {group} no longer serves the orphan {address}")
        }
        Notification::GroupStateChange { group, state: GroupState::Ok, .. } => {
            format!("every address of group {group} is served by one box")
        }
        Notification::GroupStateChange { group, state: GroupState::Degraded, unserved, duplicate } => {
            format!("group {group} is degraded: {unserved} addresses unserved, {duplicate} served twice")
        }
        Notification::PartitionChange { group, state: PartitionState::Serving } => {
            format!("this part of group {group} serves")
        }
        Notification::PartitionChange { group, state: PartitionState::Minority } => {
            format!("this part of group {group} has no majority and serves nothing")
        }
        Notification::PartitionChange { group, state: PartitionState::NoWitness } => {
            format!("no witness of group {group} answers, and this box serves nothing of it")
        }
        Notification::ConfigDiffers { group, host } => {
            format!("{} is configured differently for group {group}", named(group, host))
        }
        Notification::ConfigAgrees { group, host } => {
            format!("{} no longer differs in group {group}", named(group, host))
        }
        Notification::AddressConflict { group, address, interface, mac } => {
            format!("{mac} uses {address} of group {group} on {interface} too")
        }
        Notification::ConfigApplied { generation, signer: Some(signer) } => {
            format!("configuration {generation}, signed by {signer}, is in force")
        }
        Notification::ConfigApplied { generation, signer: None } => {
            format!("configuration {generation}, signed by nobody, is in force")
        }
        Notification::ConfigRejected { error } => format!("a configuration was refused: {error}"),
        Notification::ImageUpdated { version, before } => format!("rais {version} runs, and {before} ran before"),
        Notification::ColdStart => String::from("started, with another configuration than before"),
        Notification::WarmStart => String::from("started, with the configuration it had before"),
        Notification::LinkUp { interface, .. } => format!("interface {interface} is up"),
        Notification::LinkDown { interface, admin_up: true, .. } => {
            format!("interface {interface} has lost its carrier")
        }
        Notification::LinkDown { interface, admin_up: false, .. } => format!("interface {interface} was turned off"),
        Notification::AuthenticationFailure { source } => {
            format!("a question to the SNMP agent from {source} did not prove who asks")
        }
    }
}
