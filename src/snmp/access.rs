//! Who may see what (RFC 3415): views made of subtrees, groups, contexts, and the decision of §3.2.
//!
//! It does not know how a requester was authenticated, nor what is behind a name.

use super::oid::{MAX_ARCS, Oid};
use super::v3::Level;

/// A family of subtrees: those whose sub-identifiers are the subtree's, wherever the mask says that they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    subtree: Oid,
    /// A bit for each sub-identifier, the first one highest; where it is 0, any sub-identifier will do.
    mask: [u8; MAX_ARCS / 8],
    included: bool,
}

/// What a requester may touch: the names whose most specific family is an included one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The most specific first: longest, then greatest (RFC 3415 §4, vacmViewTreeFamilyTable).
    families: Vec<Family>,
}

impl Family {
    /// The subtree whose sub-identifiers are these; where there is `None`, any will do.
    #[must_use]
    pub fn new(arcs: &[Option<u32>], included: bool) -> Self {
        let mut subtree = Oid::EMPTY;
        let mut mask = [0xff; MAX_ARCS / 8];
        for (at, arc) in arcs.iter().enumerate().take(MAX_ARCS) {
            subtree.extend([arc.unwrap_or(0)]);
            if let (None, Some(octet)) = (arc, mask.get_mut(at / 8)) {
                *octet &= !(0x80 >> (at % 8));
            }
        }
        Self { subtree, mask, included }
    }

    /// vacmViewTreeFamilySubtree.
    pub(crate) const fn subtree(&self) -> &Oid {
        &self.subtree
    }

    /// vacmViewTreeFamilyMask: as short as it can be, since what is missing counts as ones.
    pub(crate) fn mask(&self) -> &[u8] {
        let used = self.mask.iter().rposition(|octet| *octet != 0xff).map_or(0, |last| last + 1);
        self.mask.get(..used).unwrap_or_default()
    }

    /// vacmViewTreeFamilyType.
    pub(crate) const fn is_included(&self) -> bool {
        self.included
    }

    /// Do as many sub-identifiers agree as both have?
    fn agrees(&self, name: &[u32]) -> bool {
        self.subtree.arcs().iter().zip(name).enumerate().all(|(at, (wanted, found))| {
            wanted == found || self.mask.get(at / 8).is_some_and(|octet| octet & (0x80 >> (at % 8)) == 0)
        })
    }

    fn covers(&self, name: &[u32]) -> bool {
        name.len() >= self.subtree.arcs().len() && self.agrees(name)
    }
}

impl View {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::of([Oid::EMPTY])
    }

    /// Nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { families: Vec::new() }
    }

    /// What is below any of these.
    #[must_use]
    pub fn of(subtrees: impl IntoIterator<Item = Oid>) -> Self {
        let whole = |subtree: Oid| Family { subtree, mask: [0xff; MAX_ARCS / 8], included: true };
        Self::new(subtrees.into_iter().map(whole).collect())
    }

    /// What these families make together.
    #[must_use]
    pub fn new(mut families: Vec<Family>) -> Self {
        let specific = |family: &Family| (family.subtree.arcs().len(), family.subtree);
        families.sort_by_key(|family| std::cmp::Reverse(specific(family)));
        Self { families }
    }

    /// The families, the most specific first.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// Is there nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.iter().all(|family| !family.included)
    }

    /// Is the name in it?
    #[must_use]
    pub fn contains(&self, name: &[u32]) -> bool {
        self.families.iter().find(|family| family.covers(name)).is_some_and(|family| family.included)
    }

    /// May anything at or below `prefix` be in it?
    pub(crate) fn touches(&self, prefix: &[u32]) -> bool {
        let deeper =
            |family: &Family| family.included && family.subtree.arcs().len() > prefix.len() && family.agrees(prefix);
        self.contains(prefix) || self.families.iter().any(deeper)
    }
}

/// By which security model a requester is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityModel {
    /// A community, in version 1.
    CommunityV1,
    /// A community, in version 2c.
    Community,
    /// A version 3 user.
    User,
}

impl SecurityModel {
    /// SnmpSecurityModel.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::CommunityV1 => 1,
            Self::Community => 2,
            Self::User => 3,
        }
    }
}

/// A requester and its group: a row of vacmSecurityToGroupTable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// How it is known.
    pub model: SecurityModel,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
}

/// How an access entry's context is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextMatch {
    /// It is that context.
    Exact,
    /// It begins like that.
    Prefix,
}

/// What a group may do, in which context and at which level: a row of vacmAccessTable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The group.
    pub group: String,
    /// The context, or how it begins.
    pub context: String,
    /// Which of the two.
    pub context_match: ContextMatch,
    /// The model by which the requester must be known; `None`: any.
    pub model: Option<SecurityModel>,
    /// The least level.
    pub level: Level,
    /// The view it reads; `None`: it reads nothing.
    pub read: Option<String>,
    /// The view it writes; `None`: it writes nothing.
    pub write: Option<String>,
    /// The view it is notified of; `None`: it is not notified.
    pub notify: Option<String>,
}

/// All there is to decide with. It keeps its rows in the order of the tables they are shown in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessControl {
    contexts: Vec<String>,
    members: Vec<Member>,
    accesses: Vec<Access>,
    views: Vec<(String, View)>,
}

/// Why a requester may not even ask (RFC 3415 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// (1): there is no such context.
    NoSuchContext,
    /// (2): the requester is in no group.
    NoGroupName,
    /// (3): the group has no entry for that context, model and level.
    NoAccessEntry,
}

/// What a requester may do. `None`: there is no such view, which is not the same as an empty one (RFC 3413 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights<'a> {
    /// What it may read.
    pub read: Option<&'a View>,
    /// What it may write.
    pub write: Option<&'a View>,
    /// What it may be notified of.
    pub notify: Option<&'a View>,
}

impl AccessControl {
    /// From its tables. The default context `""` is always there.
    #[must_use]
    pub fn new(contexts: Vec<String>, members: Vec<Member>, accesses: Vec<Access>, views: Vec<(String, View)>) -> Self {
        let mut all = Self { contexts, members, accesses, views };
        all.contexts.push(String::new());
        all.sort();
        all
    }

    /// One more requester, and what its group may do.
    pub fn admit(&mut self, member: Member, access: Access) {
        self.members.push(member);
        self.accesses.push(access);
        self.sort();
    }

    /// As an index orders them: by length, then by octets.
    fn sort(&mut self) {
        let text = |text: &str| (text.len(), text.to_owned());
        self.contexts.sort_by_key(|context| text(context));
        self.contexts.dedup();
        self.members.sort_by_key(|member| (member.model, text(&member.name)));
        self.accesses.sort_by_key(|row| (text(&row.group), text(&row.context), row.model, row.level));
        self.views.sort_by_key(|(name, _)| text(name));
    }

    /// A view by its name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<&View> {
        self.views.iter().find(|(known, _)| known == name).map(|(_, view)| view)
    }

    pub(crate) fn contexts(&self) -> &[String] {
        &self.contexts
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    pub(crate) fn views(&self) -> &[(String, View)] {
        &self.views
    }

    /// RFC 3415 §3.2, steps 1 to 4: what a requester may do.
    ///
    /// # Errors
    /// [`Denied`]: it may do nothing at all.
    pub fn decide(
        &self,
        model: SecurityModel,
        name: &[u8],
        level: Level,
        context: &[u8],
    ) -> Result<Rights<'_>, Denied> {
        if !self.contexts.iter().any(|known| known.as_bytes() == context) {
            return Err(Denied::NoSuchContext);
        }
        let is = |member: &&Member| member.model == model && member.name.as_bytes() == name;
        let group = &self.members.iter().find(is).ok_or(Denied::NoGroupName)?.group;
        let fits = |row: &&Access| {
            let begins = context.starts_with(row.context.as_bytes());
            let in_context =
                begins && (row.context_match == ContextMatch::Prefix || row.context.len() == context.len());
            row.group == *group && in_context && row.model.is_none_or(|wanted| wanted == model) && row.level <= level
        };
        // The order of preference of vacmAccessTable: its own model, the longest part of the context, the highest level.
        let rank = |row: &&Access| (row.model.is_some(), row.context.len(), row.level);
        let row = self.accesses.iter().filter(fits).max_by_key(rank).ok_or(Denied::NoAccessEntry)?;
        let view = |name: &Option<String>| self.view(name.as_ref()?);
        Ok(Rights { read: view(&row.read), write: view(&row.write), notify: view(&row.notify) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(pattern: &str, included: bool) -> Family {
        let arcs: Vec<_> = pattern.split('.').map(|arc| arc.parse().ok()).collect();
        Family::new(&arcs, included)
    }

    #[test]
    fn a_view_holds_what_is_below_its_subtrees() {
        let view = View::of([Oid::new(&[1, 3, 6, 1, 2]), Oid::new(&[1, 3, 6, 1, 4, 9])]);
        let table: [(&[u32], bool, bool); 5] = [
            (&[1, 3, 6, 1, 2], true, true),
            (&[1, 3, 6, 1, 2, 1, 1, 3, 0], true, true),
            (&[1, 3, 6, 1, 4], false, true),
            (&[1, 3, 6, 1, 4, 8], false, false),
            (&[1, 3, 6, 1, 3], false, false),
        ];
        for (name, contains, touches) in table {
            assert_eq!((view.contains(name), view.touches(name)), (contains, touches), "{name:?}");
        }
        assert!(View::everything().contains(&[0, 0]) && View::everything().contains(&[2, 5]));
        assert!(View::nothing().is_empty() && !View::nothing().touches(&[]));
    }

    #[test]
    fn the_most_specific_family_decides_rfc_3415_4() {
        let view = View::new(vec![
            family("1.3.6", true),
            family("1.3.6.1.6", false),
            family("1.3.6.1.6.3.1", true),
            // Interface 3 in every column of ifTable.
            family("1.3.6.1.2.1.2.2", false),
            family("1.3.6.1.2.1.2.2.1.*.3", true),
        ]);
        let table: [(&str, bool, bool); 9] = [
            ("1.3.6.1.2.1.1", true, true),
            ("1.3.6.1.6", false, true),
            ("1.3.6.1.6.3.15", false, false),
            ("1.3.6.1.6.3.1.1", true, true),
            ("1.3.6.1.2.1.2.2.1.10", false, true),
            ("1.3.6.1.2.1.2.2.1.10.3", true, true),
            ("1.3.6.1.2.1.2.2.1.10.4", false, false),
            ("1.3.6.1.2.1.2.2.1.2.3.7", true, true),
            ("1.4", false, false),
        ];
        for (name, contains, touches) in table {
            let arcs: Vec<u32> = name.split('.').map(|arc| arc.parse().unwrap()).collect();
            assert_eq!((view.contains(&arcs), view.touches(&arcs)), (contains, touches), "{name}");
        }
        // The tenth bit of the mask is 0.
        let masked = view.families().iter().find(|family| !family.mask().is_empty()).unwrap();
        assert_eq!(masked.mask(), [0xff, 0b1011_1111]);
    }

    fn row(
        context: &str,
        context_match: ContextMatch,
        model: Option<SecurityModel>,
        level: Level,
        read: &str,
    ) -> Access {
        Access {
            group: "noc".to_owned(),
            context: context.to_owned(),
            context_match,
            model,
            level,
            read: Some(read.to_owned()),
            write: None,
            notify: None,
        }
    }

    #[test]
    fn access_is_decided_as_rfc_3415_3_2_has_it() {
        use ContextMatch::{Exact, Prefix};
        use Level::{AuthNoPriv, AuthPriv, NoAuthNoPriv};
        use SecurityModel::{Community, User};
        let names = ["any-context", "any-model", "own-model", "exact", "longer", "private"];
        let views = names.iter().zip(1..).map(|(name, arc)| ((*name).to_owned(), View::of([Oid::new(&[1, arc])])));
        let member = |model, name: &str, group: &str| Member { model, name: name.to_owned(), group: group.to_owned() };
        let control = AccessControl::new(
            ["site-a", "site-b", "lab"].map(str::to_owned).to_vec(),
            vec![member(User, "ann", "noc"), member(User, "bob", "nobody"), member(Community, "public", "noc")],
            vec![
                row("", Exact, None, AuthNoPriv, "any-model"),
                row("", Exact, Some(User), AuthNoPriv, "own-model"),
                row("", Exact, Some(User), AuthPriv, "private"),
                row("l", Prefix, Some(User), AuthPriv, "any-context"),
                row("site", Prefix, Some(User), AuthPriv, "longer"),
                row("site-b", Exact, Some(User), AuthNoPriv, "exact"),
                row("", Exact, Some(Community), NoAuthNoPriv, "any-model"),
            ],
            views.collect(),
        );
        let table = [
            // (1) The context must be there.
            (User, "ann", AuthPriv, "nowhere", Err(Denied::NoSuchContext)),
            (User, "eve", AuthPriv, "nowhere", Err(Denied::NoSuchContext)),
            // (2) The requester must be in a group, as the model knows it.
            (User, "eve", AuthPriv, "", Err(Denied::NoGroupName)),
            (User, "public", AuthPriv, "", Err(Denied::NoGroupName)),
            // (3) The group must have an entry, for that context and level.
            (User, "bob", AuthPriv, "", Err(Denied::NoAccessEntry)),
            (User, "ann", NoAuthNoPriv, "", Err(Denied::NoAccessEntry)),
            (User, "ann", AuthNoPriv, "lab", Err(Denied::NoAccessEntry)),
            // (4) The best of several entries: model, then exact context, then the longer prefix, then the level.
            (User, "ann", AuthNoPriv, "", Ok("own-model")),
            (User, "ann", AuthPriv, "", Ok("private")),
            (User, "ann", AuthPriv, "lab", Ok("any-context")),
            (User, "ann", AuthPriv, "site-a", Ok("longer")),
            (User, "ann", AuthPriv, "site-b", Ok("exact")),
            (User, "ann", AuthNoPriv, "site-b", Ok("exact")),
            (Community, "public", NoAuthNoPriv, "", Ok("any-model")),
        ];
        for (model, name, level, context, expected) in table {
            let rights = control.decide(model, name.as_bytes(), level, context.as_bytes());
            let expected = expected.map(|view| {
                let arc = names.iter().position(|name| *name == view).unwrap() as u32 + 1;
                Some(View::of([Oid::new(&[1, arc])]))
            });
            assert_eq!(rights.map(|rights| rights.read.cloned()), expected, "{name} {level} {context:?}");
        }
        assert_eq!(control.decide(User, b"ann", AuthPriv, b"").unwrap().write, None);
    }
}
