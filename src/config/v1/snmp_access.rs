//! `[[snmp.view]]`, `[[snmp.access]]`, `[[snmp.user]]`: who may ask in version 3, and what anybody may see.
//!
//! Two groups are there without being written: "read-only" and "operators", both at authPriv. A user is told of at
//! whatever level the receiver's entry has, because whoever wrote that entry chose it. The algorithms and the form
//! of the keys are `snmp::v3`'s.

use super::{Entries, Files};
use crate::config::fault::{Checked, Collector, Place, Placed};
use crate::config::reader::{List, Table};
use crate::config::values::{Parsed, boolean, bundle_path, quote, text};
use crate::snmp::notify::left_out;
use crate::snmp::v3::{Authentication, EngineId, Level, Privacy, Secret, User};
use crate::snmp::{Access, AccessControl, ContextMatch, Family, MAX_ARCS, Member, SecurityModel, View};
use std::collections::BTreeMap;

/// Most users: people and stations, not subscribers.
const MAX_USERS: usize = 64;
/// Most access entries, views, and families of a view: each is looked at for every variable.
const MAX_ACCESSES: usize = 64;
const MAX_VIEWS: usize = 32;
const MAX_FAMILIES: usize = 64;
/// Most contexts.
const MAX_CONTEXTS: usize = 16;
/// RFC 3415: names of groups and views; RFC 3414: names of users.
pub(super) const MAX_NAME: usize = 32;
/// Everything that is served is below it.
const INTERNET: &[Option<u32>] = &[Some(1), Some(3), Some(6), Some(1)];

/// The view that is there without being written.
pub(super) const EVERYTHING: &str = "all";
/// The groups that are there without being written: their names, and whether they may write.
const GROUPS: [(&str, bool); 2] = [("operators", true), ("read-only", false)];

/// What `[snmp]` has of it.
pub(super) struct AccessEntries {
    engine_id: Checked<Option<Placed<EngineId>>>,
    allow_sha1: Checked<bool>,
    contexts: List<String>,
    views: Entries<ViewEntry>,
    accesses: Entries<AccessEntry>,
    users: Entries<UserEntry>,
}

struct ViewEntry {
    name: Checked<Placed<String>>,
    include: List<Vec<Option<u32>>>,
    exclude: List<Vec<Option<u32>>>,
}

struct AccessEntry {
    group: Checked<Placed<String>>,
    context: Checked<String>,
    context_prefix: Checked<bool>,
    level: Checked<Level>,
    views: [Checked<Option<Placed<String>>>; 3],
}

struct UserEntry {
    name: Checked<Placed<String>>,
    group: Checked<Option<Placed<String>>>,
    authentication: Checked<Option<Placed<Authentication>>>,
    privacy: Checked<Option<Placed<Privacy>>>,
    file: Checked<Option<Placed<String>>>,
    engine_id: Checked<Option<Placed<EngineId>>>,
}

/// A community as far as access is concerned: its name and its view.
pub(super) struct CommunityView {
    pub(super) name: String,
    pub(super) view: Placed<String>,
    /// What its receivers are told of.
    pub(super) notify: Placed<String>,
}

/// What was built.
pub(super) struct AccessRules {
    pub(super) engine_id: Option<EngineId>,
    pub(super) users: Vec<User>,
    pub(super) control: AccessControl,
}

impl AccessRules {
    /// What may be said in this name. `who` and `place` are for people.
    pub(super) fn notify_view(
        &self,
        (model, name, level): (SecurityModel, &str, Level),
        (who, place): (&str, &Place),
        faults: &Collector,
    ) -> Checked<View> {
        let rights = self.control.decide(model, name.as_bytes(), level, b"");
        let why = match rights.map(|rights| rights.notify) {
            Ok(Some(view)) => match left_out(view) {
                None => return Ok(view.clone()),
                Some(missing) => format!("the `notify` view of {who} is without {missing}, so nothing could be told"),
            },
            Ok(None) => format!("{who} has no `notify` view at {level}, so nothing could be told"),
            Err(_) => format!("{who} has no [[snmp.access]] at {level}, so nothing could be told"),
        };
        Err(faults.report(place, why))
    }

    /// Lets a receiver be told of everything in a name of its own.
    pub(super) fn admit_receiver(&mut self, name: String) {
        let model = SecurityModel::Community;
        let access = access(&name, model, Level::NoAuthNoPriv, [None, None, Some(EVERYTHING)]);
        self.control.admit(Member { model, group: name.clone(), name }, access);
    }

    /// A view by its name.
    pub(super) fn view(&self, name: &str) -> View {
        self.control.view(name).cloned().unwrap_or_else(View::nothing)
    }
}

impl AccessEntries {
    /// Without `[snmp]`.
    pub(super) fn none() -> Self {
        Self {
            engine_id: Ok(None),
            allow_sha1: Ok(false),
            contexts: List { good: Vec::new(), complete: Ok(()) },
            views: Entries { all: Vec::new(), complete: Ok(()) },
            accesses: Entries { all: Vec::new(), complete: Ok(()) },
            users: Entries { all: Vec::new(), complete: Ok(()) },
        }
    }

    pub(super) fn read(table: &mut Table) -> Self {
        Self {
            engine_id: table.optional("engine_id", engine_id),
            allow_sha1: table.defaulted("allow_sha1", false, boolean),
            contexts: table.list_or_empty("contexts", MAX_CONTEXTS, security_name),
            views: Entries::read(table, "view", MAX_VIEWS, ViewEntry::read),
            accesses: Entries::read(table, "access", MAX_ACCESSES, AccessEntry::read),
            users: Entries::read(table, "user", MAX_USERS, UserEntry::read),
        }
    }

    /// The paths in the bundle that it names.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        let files = self.users.all.iter().filter_map(|user| user.file.as_ref().ok()?.as_ref());
        files.map(|path| &path.value)
    }

    /// Checks it as a whole.
    pub(super) fn build(
        &self,
        communities: &[CommunityView],
        allow_v1: bool,
        files: &Files,
        faults: &Collector,
    ) -> Checked<AccessRules> {
        let views = self.build_views(faults);
        let accesses = self.build_accesses(faults);
        let users = self.build_users(files, faults);
        let contexts = self.contexts.clone().values();
        let named = |view: &Placed<String>| {
            let names = self.views.all.iter().filter_map(|entry| entry.name.as_ref().ok());
            let known = names.map(|name| name.value.as_str()).chain([EVERYTHING]).any(|name| name == view.value);
            let message = || format!("no [[snmp.view]] is named {}", quote(&view.value));
            if known { Ok(()) } else { Err(faults.report(&view.place, message())) }
        };
        let views_of = communities.iter().flat_map(|community| [&community.view, &community.notify]);
        let seen: Vec<Checked<()>> = views_of.map(named).collect();
        super::all(seen)?;
        let engine_id = self.engine_id.clone()?.map(|id| id.value);
        for whole in [self.views.complete, self.accesses.complete, self.users.complete] {
            whole?;
        }
        let (views, mut accesses, (users, mut members)) = (views?, accesses?, users?);
        for community in communities {
            for model in [SecurityModel::Community].into_iter().chain(allow_v1.then_some(SecurityModel::CommunityV1)) {
                let (name, group) = (community.name.clone(), community.name.clone());
                let views = [Some(&*community.view.value), None, Some(&*community.notify.value)];
                accesses.push(access(&group, model, Level::NoAuthNoPriv, views));
                members.push(Member { model, name, group });
            }
        }
        let used = |group: &str| members.iter().any(|member| member.group == group);
        for (group, writes) in GROUPS {
            if used(group) && !accesses.iter().any(|row| row.group == group) {
                let all = Some(EVERYTHING);
                let told = access(group, SecurityModel::User, Level::NoAuthNoPriv, [None, None, all]);
                let whole = access(group, SecurityModel::User, Level::AuthPriv, [all, all.filter(|_| writes), all]);
                accesses.extend([told, whole]);
            }
        }
        Ok(AccessRules { engine_id, users, control: AccessControl::new(contexts?, members, accesses, views) })
    }

    fn build_views(&self, faults: &Collector) -> Checked<Vec<(String, View)>> {
        let mut views = vec![(EVERYTHING.to_owned(), View::new(vec![Family::new(INTERNET, true)]))];
        let mut result = Ok(());
        for entry in &self.views.all {
            match entry.build() {
                Err(reported) => result = Err(reported),
                Ok((name, view)) => {
                    if views.iter().any(|(known, _)| *known == name.value) {
                        let message = format!("view {} is there already", quote(&name.value));
                        result = Err(faults.report(&name.place, message));
                    }
                    views.push((name.value, view));
                }
            }
        }
        result.map(|()| views)
    }

    fn build_accesses(&self, faults: &Collector) -> Checked<Vec<Access>> {
        let names: Vec<&str> =
            self.views.all.iter().filter_map(|view| Some(view.name.as_ref().ok()?.value.as_str())).collect();
        let known = |view: &Placed<String>| {
            if view.value == EVERYTHING || names.contains(&view.value.as_str()) {
                return Ok(view.value.clone());
            }
            Err(faults.report(&view.place, format!("no [[snmp.view]] is named {}", quote(&view.value))))
        };
        let mut rows: Vec<Access> = Vec::new();
        let mut result = Ok(());
        for entry in &self.accesses.all {
            match entry.build(&known) {
                Err(reported) => result = Err(reported),
                Ok((group, row)) => {
                    let same = |other: &Access| {
                        (&other.group, &other.context, other.level) == (&row.group, &row.context, row.level)
                    };
                    if rows.iter().any(same) {
                        result = Err(faults.report(&group.place, "has an entry for that context and level already"));
                    }
                    rows.push(row);
                }
            }
        }
        result.map(|()| rows)
    }

    fn build_users(&self, files: &Files, faults: &Collector) -> Checked<(Vec<User>, Vec<Member>)> {
        let here = self.engine_id.clone()?.map(|id| id.value);
        let groups = self.accesses.all.iter().filter_map(|entry| Some(entry.group.as_ref().ok()?.value.as_str()));
        let groups: Vec<&str> = groups.chain(GROUPS.map(|(group, _)| group)).collect();
        let allow_sha1 = self.allow_sha1?;
        let (mut users, mut result): (Vec<User>, _) = (Vec::new(), Ok(()));
        for entry in &self.users.all {
            match entry.build(here, allow_sha1, files, faults) {
                Err(reported) => result = Err(reported),
                Ok((name, user)) => {
                    let is = |other: &User| other.name() == user.name() && other.engine() == user.engine();
                    if users.iter().any(is) {
                        let message = format!("user {} is there already", quote(&name.value));
                        result = Err(faults.report(&name.place, message));
                    }
                    users.push(user);
                }
            }
            if let Ok(Some(group)) = &entry.group
                && !groups.contains(&group.value.as_str())
            {
                let message = format!("no [[snmp.access]] is for group {}", quote(&group.value));
                result = Err(faults.report(&group.place, message));
            }
        }
        let members = self.build_members(faults);
        result.and_then(|()| Ok((users, members?)))
    }

    /// Who is in which group. A user has a name and a group, and maybe keys for several engines (RFC 3415 §4).
    fn build_members(&self, faults: &Collector) -> Checked<Vec<Member>> {
        let mut groups: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut result = Ok(());
        for entry in &self.users.all {
            let (Ok(name), Ok(group)) = (&entry.name, &entry.group) else { continue };
            let known = groups.entry(&name.value).or_default();
            match (&known, group) {
                (Some(known), Some(group)) if *known != group.value => {
                    let message = format!("user {} is in group {} already", quote(&name.value), quote(known));
                    result = Err(faults.report(&group.place, message));
                }
                _ => *known = known.or(group.as_ref().map(|group| &*group.value)),
            }
        }
        let member = |(name, group): (&str, Option<&str>)| Member {
            model: SecurityModel::User,
            name: name.to_owned(),
            group: group.unwrap_or("read-only").to_owned(),
        };
        result.map(|()| groups.into_iter().map(member).collect())
    }
}

/// An entry for the default context, with views to read, to write and to be notified of.
fn access(group: &str, model: SecurityModel, level: Level, views: [Option<&str>; 3]) -> Access {
    let [read, write, notify] = views.map(|view| view.map(str::to_owned));
    Access {
        group: group.to_owned(),
        context: String::new(),
        context_match: ContextMatch::Exact,
        model: Some(model),
        level,
        read,
        write,
        notify,
    }
}

impl ViewEntry {
    fn build(&self) -> Checked<(Placed<String>, View)> {
        let (include, exclude) = (self.include.clone().values()?, self.exclude.clone().values()?);
        let families = include.iter().map(|arcs| Family::new(arcs, true));
        let families = families.chain(exclude.iter().map(|arcs| Family::new(arcs, false)));
        Ok((self.name.clone()?, View::new(families.collect())))
    }

    fn read(mut table: Table) -> Self {
        let entry = Self {
            name: table.required("name", security_name),
            include: table.list_or_empty("include", MAX_FAMILIES, subtree),
            exclude: table.list_or_empty("exclude", MAX_FAMILIES, subtree),
        };
        table.finish();
        entry
    }
}

impl AccessEntry {
    fn build(&self, known: &dyn Fn(&Placed<String>) -> Checked<String>) -> Checked<(Placed<String>, Access)> {
        let view = |view: &Checked<Option<Placed<String>>>| view.clone()?.as_ref().map(known).transpose();
        let [read, write, notify] = &self.views;
        let (read, write, notify) = (view(read), view(write), view(notify));
        let group = self.group.clone()?;
        let row = Access {
            group: group.value.clone(),
            context: self.context.clone()?,
            context_match: if self.context_prefix? { ContextMatch::Prefix } else { ContextMatch::Exact },
            model: Some(SecurityModel::User),
            level: self.level?,
            read: read?,
            write: write?,
            notify: notify?,
        };
        Ok((group, row))
    }

    fn read(mut table: Table) -> Self {
        let entry = Self {
            group: table.required("group", security_name),
            context: table.defaulted("context", String::new(), text(|text| Ok(text.to_owned()))),
            context_prefix: table.defaulted("context_prefix", false, boolean),
            level: table.defaulted("level", Level::AuthPriv, named("level", &Level::ALL.map(Level::name))),
            views: [
                table.optional("read", security_name),
                table.optional("write", security_name),
                table.optional("notify", security_name),
            ],
        };
        table.finish();
        entry
    }
}

impl UserEntry {
    fn read(mut table: Table) -> Self {
        let entry = Self {
            name: table.required("name", security_name),
            group: table.optional("group", security_name),
            authentication: table
                .optional("authentication", named("algorithm", &Authentication::ALL.map(Authentication::name))),
            privacy: table.optional("privacy", named("algorithm", &Privacy::ALL.map(Privacy::name))),
            file: table.optional("file", bundle_path),
            engine_id: table.optional("engine_id", engine_id),
        };
        table.finish();
        entry
    }

    fn build(
        &self,
        here: Option<EngineId>,
        allow_sha1: bool,
        files: &Files,
        faults: &Collector,
    ) -> Checked<(Placed<String>, User)> {
        let name = self.name.clone()?;
        let authentication = self.authentication.clone()?;
        let privacy = self.privacy.clone()?;
        let engine = self.engine_id.clone()?.map(|id| id.value).or(here).ok_or_else(|| {
            faults.report(&name.place, "needs snmp.engine_id: a user's keys are good for one engine only")
        })?;
        if let Some(weak) = authentication.as_ref().filter(|digest| digest.value == Authentication::Sha1 && !allow_sha1)
        {
            return Err(
                faults.report(&weak.place, "SHA-1 is only taken with snmp.allow_sha1 = true; SHA-256 is better")
            );
        }
        if let (Some(digest), Some(cipher)) = (&authentication, &privacy)
            && !cipher.value.goes_with(digest.value)
        {
            let why = crate::snmp::v3::BadUser::ShortDigest(cipher.value);
            return Err(faults.report(&cipher.place, why.to_string()));
        }
        let algorithms = (authentication.map(|digest| digest.value), privacy.map(|cipher| cipher.value));
        let file = self.file.clone()?;
        let user = match (file, algorithms.0) {
            (Some(file), Some(_)) => {
                files.secret(&file, |text| keys(text, name.value.as_bytes(), engine, algorithms))?
            }
            (None, Some(_)) => return Err(faults.report(&name.place, "has no `file` with its keys")),
            (Some(file), None) => return Err(faults.report(&file.place, "is of no use without `authentication`")),
            (None, None) => {
                let user = User::new(name.value.as_bytes(), engine, None, None);
                user.map_err(|why| faults.report(&name.place, why.to_string()))?
            }
        };
        if algorithms.1.is_some() && user.privacy().is_none() {
            return Err(faults.report(&name.place, "privacy needs authentication"));
        }
        Ok((name, user))
    }
}

/// The file of a user's keys: a line for the engine that they are localised at, and one for each key.
fn keys(
    text: &str,
    name: &[u8],
    engine: EngineId,
    (authentication, privacy): (Option<Authentication>, Option<Privacy>),
) -> Result<User, String> {
    let line = |word: &str| text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).map(str::trim);
    let missing = |word: &str| format!("there is no line `{word} …`; make it with `raisctl snmp user add`");
    let at = line("engine").ok_or_else(|| missing("engine"))?;
    if at.parse() != Ok(engine) {
        return Err(format!("its keys are for engine {}, and this is {engine}; add the user again", quote(at)));
    }
    let authentication = authentication.map(|algorithm| {
        let key = line("authentication").ok_or_else(|| missing("authentication"))?;
        Ok::<_, String>((algorithm, Secret::authentication(algorithm, key).map_err(|why| why.to_string())?))
    });
    let privacy = privacy.map(|algorithm| {
        let key = line("privacy").ok_or_else(|| missing("privacy"))?;
        Ok::<_, String>((algorithm, Secret::privacy(algorithm, key).map_err(|why| why.to_string())?))
    });
    User::new(name, engine, authentication.transpose()?, privacy.transpose()?).map_err(|why| why.to_string())
}

pub(super) fn engine_id(value: &toml::de::DeValue) -> Parsed<EngineId> {
    text(|text| text.parse().map_err(|why: crate::snmp::v3::BadEngineId| why.to_string()))(value)
}

/// A name as the MIBs have it: 1 to 32 visible ASCII characters.
pub(super) fn security_name(value: &toml::de::DeValue) -> Parsed<String> {
    text(|text| {
        let good = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
        if good {
            Ok(text.to_owned())
        } else {
            Err(format!("{} is not 1 to {MAX_NAME} ASCII characters without blanks", quote(text)))
        }
    })(value)
}

/// One of several names.
pub(super) fn named<T: std::str::FromStr>(what: &str, names: &[&str]) -> impl Fn(&toml::de::DeValue) -> Parsed<T> {
    let message = format!("is no {what}; there are {}", names.join(", "));
    move |value| text(|text| text.parse().map_err(|_| format!("{} {message}", quote(text))))(value)
}

/// A subtree: numbers with dots between them, and `*` where any number will do.
fn subtree(value: &toml::de::DeValue) -> Parsed<Vec<Option<u32>>> {
    text(|text| {
        let arc = |arc: &str| if arc == "*" { Some(None) } else { arc.parse().ok().map(Some) };
        let arcs: Option<Vec<_>> = text.split('.').map(arc).collect();
        arcs.filter(|arcs| arcs.len() <= MAX_ARCS).ok_or_else(|| {
            format!("{} is no object identifier such as 1.3.6.1.2.1 or 1.3.6.1.2.1.2.2.1.*.3", quote(text))
        })
    })(value)
}
