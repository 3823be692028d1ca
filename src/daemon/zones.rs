//! The zone task: keeps each zone file saying what its group serves (N-10, N-11, N-20).
//!
//! Looked at once per update interval, and at once when a box or an address of the group changed. A file is written only
//! when what it says changed; what it said last is read back from it after a start (N-13).

use super::event_loop::{Mailbox, News};
use super::running::Running;
use crate::config::model;
use crate::dns::{Zone, ZoneParams};
use crate::os::clock;
use crate::os::store::{read_limited, write_atomically};
use crate::snapshot::{Snapshot, ZoneView};
use rais_core::address::{GroupName, IdAddress, ServiceAddress};
use rais_core::dns_table::{DnsTable, Rules};
use rais_core::notification::HostState;
use rais_core::time::{Duration, Instant};
use rais_core::view::{AddressState, GroupView};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time;

/// The largest zone file that is read back: a header of some thousand records.
const MAX_FILE: u64 = 1024 * 1024;
/// After a write that failed.
const RETRY: Duration = Duration::from_secs(5);
/// With no zone there is nothing to do until a reload.
const IDLE: Duration = Duration::from_secs(60);

/// What the files depend on beside utilisation: if it changed, the zone is looked at at once.
type Fingerprint =
    (bool, Vec<(IdAddress, HostState, bool)>, Vec<(ServiceAddress, AddressState, Option<IdAddress>, bool)>);

/// One zone at work.
#[derive(Debug)]
struct Keeper {
    params: model::Zone,
    file: PathBuf,
    zone: Zone,
    table: DnsTable,
    seen: Option<Fingerprint>,
    due: Instant,
    view: ZoneView,
}

fn make(params: &model::Zone) -> Result<Zone, crate::dns::Faults> {
    let model::Zone { name, record, ttl, header, .. } = params;
    Zone::new(ZoneParams { name, record, ttl: *ttl, header })
}

/// Keeps the zones of the running configuration for ever.
pub(super) async fn run(
    mut running: watch::Receiver<Arc<Running>>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mailbox: Mailbox,
    state: PathBuf,
) {
    let mut keepers: Vec<Keeper> = Vec::new();
    loop {
        if running.has_changed().is_ok_and(|changed| changed) || keepers.is_empty() {
            let wanted = running.borrow_and_update().configuration.zones.clone();
            keepers = renew(keepers, wanted, &state);
        }
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let now = clock::now();
        for keeper in &mut keepers {
            if let Some(group) = snapshot.view.group(&keeper.params.group) {
                keeper.keep(group, now).await;
            }
        }
        mailbox.send(News::Zones(keepers.iter().map(|keeper| keeper.view.clone()).collect()));
        let due = keepers.iter().map(|keeper| keeper.due).min().unwrap_or(now + IDLE);
        tokio::select! {
            changed = snapshots.changed(), if !keepers.is_empty() => if changed.is_err() { return },
            changed = running.changed() => match changed {
                Ok(()) => running.mark_changed(),
                Err(_) => return,
            },
            () = time::sleep(due.since(now)) => {}
        }
    }
}

/// Keepers for the wanted zones; one whose zone did not change goes on as it is.
fn renew(mut old: Vec<Keeper>, wanted: Vec<model::Zone>, state: &Path) -> Vec<Keeper> {
    let mut keepers = Vec::new();
    for params in wanted {
        match old.iter().position(|keeper| keeper.params == params) {
            Some(position) => keepers.push(old.swap_remove(position)),
            None => match Keeper::new(params, state) {
                Ok(keeper) => keepers.push(keeper),
                Err(faults) => tracing::error!(%faults, "a zone is not kept"),
            },
        }
    }
    keepers
}

impl Keeper {
    fn new(params: model::Zone, state: &Path) -> Result<Self, crate::dns::Faults> {
        let mut zone = make(&params)?;
        let file = state.join(&params.file);
        let old = read_limited(&file, MAX_FILE).unwrap_or_else(|error| {
            tracing::error!(zone = params.name, %error, "what the zone said last can not be read: it begins anew");
            None
        });
        let old = old.and_then(|content| String::from_utf8(content).ok());
        let last = old.map(|text| zone.resume(&text)).unwrap_or_default();
        let rules = Rules { minimum: params.minimum, maximum: params.maximum, exclude: params.exclude.clone() };
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let view = ZoneView {
            name: params.name.clone(),
            group: GroupName::clone(&params.group),
            serial: zone.last_serial(),
            addresses: last.iter().map(|address| address.0).collect(),
            records: count(last.len()),
            bounds: (count(params.minimum), count(params.maximum)),
            updates: 0,
            last_update: None,
            last_error: None,
        };
        let table = DnsTable::new(rules, last);
        Ok(Self { params, file, zone, table, seen: None, due: Instant::ZERO, view })
    }

    async fn keep(&mut self, group: &GroupView, now: Instant) {
        let fingerprint = fingerprint(group);
        if now < self.due && self.seen.as_ref() == Some(&fingerprint) {
            return;
        }
        self.seen = Some(fingerprint);
        self.due = now + self.params.update_interval;
        let Some(addresses) = self.table.update(group) else { return };
        let chosen: Vec<_> = addresses.iter().map(|address| address.0).collect();
        let Some(text) = self.zone.update(addresses, clock::unix_ms() / 1000) else { return };
        let (file, content) = (self.file.clone(), text.text.clone());
        let written = tokio::task::spawn_blocking(move || write(&file, &content)).await;
        match written.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(()) => {
                self.zone.written(&text);
                self.view.serial = text.serial;
                self.view.addresses = chosen;
                self.view.records = u32::try_from(text.records).unwrap_or(u32::MAX);
                self.view.updates += 1;
                self.view.last_update = Some(clock::now());
                self.view.last_error = None;
                tracing::info!(zone = self.view.name, serial = text.serial, records = text.records, "zone written");
            }
            Err(error) => {
                if self.view.last_error.as_ref() != Some(&error) {
                    tracing::error!(zone = self.view.name, error, "the zone can not be written");
                }
                self.view.last_error = Some(error);
                self.due = now + RETRY;
            }
        }
    }
}

/// A name server runs as another user: it must be able to read the file.
fn write(file: &Path, text: &str) -> Result<(), String> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    write_atomically(file, text.as_bytes(), 0o644).map_err(|error| error.to_string())
}

fn fingerprint(group: &GroupView) -> Fingerprint {
    let hosts = group.hosts.iter().map(|host| (host.id, host.state, host.quiesced));
    let addresses = group.addresses.iter().map(|row| (row.address, row.state, row.server, row.orphan));
    (group.settled, hosts.collect(), addresses.collect())
}
