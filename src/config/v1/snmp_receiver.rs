//! `[[snmp.receiver]]`: who is told, of what, and who says so.
//!
//! It does not know how a notification is sent. Whose keys protect one is RFC 3412 §7.1's: a trap's are the sender's, at
//! this box's engine; an inform's are the receiver's, at the engine that answers.

use super::Files;
use super::snmp_access::{AccessRules, EVERYTHING, MAX_NAME, engine_id, named, security_name};
use crate::config::fault::{Checked, Collector, Place, Placed, Reported};
use crate::config::model::{CommunityAccess, Receiver, ReceiverSecurity};
use crate::config::network_values::peer_address;
use crate::config::reader::{List, Table, nearest};
use crate::config::secret::Community;
use crate::config::values::{Parsed, boolean, bundle_path, duration, integer, quote, text, word};
use crate::snmp::v3::{EngineId, Level, User};
use crate::snmp::{SecurityModel, View};
use rais_core::notification::{Notification, Severity};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;

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

/// `[[snmp.receiver]]` as the file has it.
pub(super) struct ReceiverEntry {
    place: Place,
    name: Checked<Option<Placed<String>>>,
    address: Checked<Placed<SocketAddr>>,
    community_file: Checked<Option<Placed<String>>>,
    user: Checked<Option<Placed<String>>>,
    level: Checked<Option<Placed<Level>>>,
    engine_id: Checked<Option<Placed<EngineId>>>,
    inform: Checked<bool>,
    timeout: Checked<Duration>,
    retries: Checked<u32>,
    severity: Checked<Severity>,
    only: List<&'static str>,
    throttle: Checked<Duration>,
}

/// What a receiver's entry leans on.
struct Around<'a> {
    rules: Result<&'a AccessRules, &'a Reported>,
    communities: Result<&'a [CommunityAccess], &'a Reported>,
    files: &'a Files<'a>,
    faults: &'a Collector<'a>,
}

impl ReceiverEntry {
    pub(super) fn read(mut table: Table) -> Self {
        let entry = Self {
            place: table.place().clone(),
            name: table.optional("name", security_name),
            address: table.required("address", peer_address),
            community_file: table.optional("community_file", bundle_path),
            user: table.optional("user", security_name),
            level: table.optional("level", named("level", &Level::ALL.map(Level::name))),
            engine_id: table.optional("engine_id", engine_id),
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

    /// Where it listens.
    pub(super) fn address(&self) -> Option<&Placed<SocketAddr>> {
        self.address.as_ref().ok()
    }

    /// The path in the bundle that it names.
    pub(super) fn reference(&self) -> Option<&String> {
        self.community_file.as_ref().ok()?.as_ref().map(|path| &path.value)
    }

    /// Its name, and where that comes from. An address is the same on every box and after every reload, a place is not.
    fn name(&self, faults: &Collector) -> Checked<Placed<String>> {
        let address = self.address.clone()?;
        let by_address = Placed { value: address.value.to_string(), place: address.place };
        let name = self.name.clone()?.unwrap_or(by_address);
        if name.value.len() > MAX_NAME {
            let message = format!(
                "is too long to name a row after it; give the receiver a `name` of at most {MAX_NAME} characters"
            );
            return Err(faults.report(&name.place, message));
        }
        Ok(name)
    }

    fn build(&self, around: &Around<'_>) -> Checked<Receiver> {
        let security = self.security(around.rules, around.files, around.faults);
        let name = self.name(around.faults);
        let view = match (&security, &name) {
            (Ok(security), Ok(name)) => self.view(security, around, &name.value),
            (Err(reported), _) | (_, Err(reported)) => Err(*reported),
        };
        Ok(Receiver {
            name: name?.value,
            address: self.address.clone()?.value,
            security: security?,
            view: view?,
            inform: self.inform?,
            timeout: self.timeout?,
            retries: self.retries?,
            severity: self.severity?,
            only: self.only.clone().values()?,
            throttle: self.throttle?,
        })
    }

    /// RFC 3413 §3.3: what may be said is decided by who says it and how, in the default context.
    fn view(&self, security: &ReceiverSecurity, around: &Around<'_>, name: &str) -> Checked<View> {
        let rules = around.rules.map_err(|reported| *reported)?;
        match security {
            ReceiverSecurity::User { user, level } => {
                let name = String::from_utf8_lossy(user.name());
                let place = self.user.clone()?.map_or_else(|| self.place.clone(), |user| user.place);
                let who = format!("user {}", quote(&name));
                rules.notify_view((SecurityModel::User, &name, *level), (&who, &place), around.faults)
            }
            ReceiverSecurity::Community(community) => {
                let communities = around.communities.map_err(|reported| *reported)?;
                let place = self.community_file.clone()?.map_or_else(|| self.place.clone(), |file| file.place);
                if let Some(known) = communities.iter().find(|known| known.community == *community) {
                    let who = format!("[[snmp.community]] {}", quote(&known.name));
                    let principal = (SecurityModel::Community, &*known.name, Level::NoAuthNoPriv);
                    return rules.notify_view(principal, (&who, &place), around.faults);
                }
                if communities.iter().any(|known| known.name == name) {
                    let message =
                        format!("goes by {}, and so does an [[snmp.community]]: give that another `name`", quote(name));
                    return Err(around.faults.report(&place, message));
                }
                Ok(rules.view(EVERYTHING))
            }
        }
    }

    fn security(
        &self,
        rules: Result<&AccessRules, &Reported>,
        files: &Files,
        faults: &Collector,
    ) -> Checked<ReceiverSecurity> {
        match (self.community_file.clone()?, self.user.clone()?) {
            (None, None) => Err(faults.report(&self.place, "needs a `community_file`, or a `user` for version 3")),
            (Some(_), Some(user)) => {
                Err(faults.report(&user.place, "stands beside a `community_file`: it is version 2c or version 3"))
            }
            (Some(file), None) => {
                let level = self.level.clone()?.map(|level| level.place);
                if let Some(place) = level.or(self.engine_id.clone()?.map(|id| id.place)) {
                    return Err(faults.report(&place, "is of version 3 and needs a `user`, not a `community_file`"));
                }
                files.secret(&file, Community::from_text).map(ReceiverSecurity::Community)
            }
            (None, Some(name)) => {
                let user = self.user_at_engine(&name, rules.map_err(|reported| *reported)?, faults)?;
                let level = self.level.clone()?;
                if let Some(level) = level.as_ref().filter(|level| level.value > user.level()) {
                    let message = format!("user {} has keys for {} at most", quote(&name.value), user.level());
                    return Err(faults.report(&level.place, message));
                }
                let level = level.map_or_else(|| user.level(), |level| level.value);
                Ok(ReceiverSecurity::User { user, level })
            }
        }
    }

    /// The user with the keys for the engine that counts.
    fn user_at_engine(&self, name: &Placed<String>, rules: &AccessRules, faults: &Collector) -> Checked<User> {
        let quoted = quote(&name.value);
        let at = |engine: EngineId| {
            let is = |user: &&User| user.name() == name.value.as_bytes() && *user.engine() == engine;
            rules.users.iter().find(is).cloned()
        };
        if !rules.users.iter().any(|user| user.name() == name.value.as_bytes()) {
            return Err(faults.report(&name.place, format!("no [[snmp.user]] is named {quoted}")));
        }
        match (self.inform?, self.engine_id.clone()?) {
            (false, None) => rules.engine_id.and_then(at).ok_or_else(|| {
                let message = format!(
                    "user {quoted} has no keys for this box's own engine, which a trap needs: `raisctl snmp user add`"
                );
                faults.report(&name.place, message)
            }),
            (false, Some(id)) => {
                Err(faults.report(&id.place, "is for informs: a trap's keys are those for this box's own engine"))
            }
            (true, None) => {
                let message = "an inform of version 3 needs the receiver's `engine_id`: `raisctl snmp engine ADDRESS` asks \
                               for it";
                Err(faults.report(&name.place, message))
            }
            (true, Some(id)) => at(id.value).ok_or_else(|| {
                let message = format!(
                    "user {quoted} has no keys for that engine: `raisctl snmp user add --engine-id {}`",
                    id.value
                );
                faults.report(&id.place, message)
            }),
        }
    }
}

/// Builds the receivers.
pub(super) fn build_receivers(
    entries: &[ReceiverEntry],
    rules: Result<&AccessRules, &Reported>,
    communities: Result<&[CommunityAccess], &Reported>,
    files: &Files,
    faults: &Collector,
) -> Checked<Vec<Receiver>> {
    let around = Around { rules, communities, files, faults };
    let receivers = super::all(entries.iter().map(|entry| entry.build(&around)).collect());
    let mut names = BTreeMap::new();
    let mut unique = Ok(());
    for entry in entries {
        let (Ok(name), Ok(given)) = (entry.name(faults), &entry.name) else { continue };
        let earlier = names.insert(name.value.clone(), given.is_some());
        // Of one address twice it is said elsewhere.
        if earlier.is_some_and(|earlier| earlier || given.is_some()) {
            unique = Err(faults.report(&name.place, format!("another receiver is named {}", quote(&name.value))));
        }
    }
    let mut receivers = unique.and(receivers)?;
    receivers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(receivers)
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
