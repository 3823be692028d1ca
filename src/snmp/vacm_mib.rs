//! SNMP-VIEW-BASED-ACM-MIB (RFC 3415 §4): contexts, groups, what they may do, and the views that is made of. Read-only:
//! all of it comes from the signed configuration.

use super::access::{Access, ContextMatch, Family, Member};
use super::listed::{Listed, Rows, text_index};
use super::oid::Oid;
use super::registry::Entry;
use super::v3::Local;
use super::value::{ACTIVE, READ_ONLY, Value};
use std::borrow::Cow;

pub(crate) const ENTRIES: &[Entry] = &[
    Entry::table(&[1, 3, 6, 1, 6, 3, 16, 1, 1, 1], &Listed(Contexts)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 16, 1, 2, 1], &Listed(Members)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 16, 1, 4, 1], &Listed(Accesses)),
    // vacmViewSpinLock: nobody can change a view here, and so nobody changed one.
    Entry::scalar(&[1, 3, 6, 1, 6, 3, 16, 1, 5, 1], |_| Value::Integer(0)),
    Entry::table(&[1, 3, 6, 1, 6, 3, 16, 1, 5, 2, 1], &Listed(Families)),
];

/// vacmContextTable.
struct Contexts;

impl Rows for Contexts {
    const COLUMNS: &'static [u32] = &[1];

    fn rows(local: &Local) -> usize {
        local.access().contexts().len()
    }

    fn index(local: &Local, row: usize, name: &mut Oid) {
        if let Some(context) = local.access().contexts().get(row) {
            text_index(context.as_bytes(), name);
        }
    }

    fn value(local: &Local, _: u32, row: usize) -> Option<Value<'_>> {
        local.access().contexts().get(row).map(|context| Value::text(context))
    }
}

/// vacmSecurityToGroupTable.
struct Members;

impl Rows for Members {
    const COLUMNS: &'static [u32] = &[3, 4, 5];

    fn rows(local: &Local) -> usize {
        local.access().members().len()
    }

    fn index(local: &Local, row: usize, name: &mut Oid) {
        if let Some(member) = local.access().members().get(row) {
            name.extend([member.model.number()]);
            text_index(member.name.as_bytes(), name);
        }
    }

    fn value(local: &Local, column: u32, row: usize) -> Option<Value<'_>> {
        let member: &Member = local.access().members().get(row)?;
        Some(match column {
            3 => Value::text(&member.group),
            4 => READ_ONLY,
            5 => ACTIVE,
            _ => return None,
        })
    }
}

/// vacmAccessTable.
struct Accesses;

impl Rows for Accesses {
    const COLUMNS: &'static [u32] = &[4, 5, 6, 7, 8, 9];

    fn rows(local: &Local) -> usize {
        local.access().accesses().len()
    }

    fn index(local: &Local, row: usize, name: &mut Oid) {
        if let Some(access) = local.access().accesses().get(row) {
            text_index(access.group.as_bytes(), name);
            text_index(access.context.as_bytes(), name);
            name.extend([access.model.map_or(0, |model| model.number())]);
            name.extend(u32::try_from(access.level.number()));
        }
    }

    fn value(local: &Local, column: u32, row: usize) -> Option<Value<'_>> {
        let access: &Access = local.access().accesses().get(row)?;
        let view = |view: &'_ Option<String>| Value::Octets(Cow::Owned(view.clone().unwrap_or_default().into_bytes()));
        Some(match column {
            4 => Value::Integer(match access.context_match {
                ContextMatch::Exact => 1,
                ContextMatch::Prefix => 2,
            }),
            5 => view(&access.read),
            6 => view(&access.write),
            7 => view(&access.notify),
            8 => READ_ONLY,
            9 => ACTIVE,
            _ => return None,
        })
    }
}

/// vacmViewTreeFamilyTable.
struct Families;

impl Families {
    /// Rows ascend by view, then by subtree, which is the reverse of how a view is searched.
    fn get(local: &Local, row: usize) -> Option<(&str, &Family)> {
        let views = local.access().views().iter();
        views.flat_map(|(name, view)| view.families().iter().rev().map(|family| (name.as_str(), family))).nth(row)
    }
}

impl Rows for Families {
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6];

    fn rows(local: &Local) -> usize {
        local.access().views().iter().map(|(_, view)| view.families().len()).sum()
    }

    fn index(local: &Local, row: usize, name: &mut Oid) {
        if let Some((view, family)) = Self::get(local, row) {
            text_index(view.as_bytes(), name);
            let subtree = family.subtree().arcs();
            name.extend(u32::try_from(subtree.len()));
            name.extend(subtree.iter().copied());
        }
    }

    fn value(local: &Local, column: u32, row: usize) -> Option<Value<'_>> {
        let (_, family) = Self::get(local, row)?;
        Some(match column {
            3 => Value::Octets(Cow::Borrowed(family.mask())),
            4 => Value::Integer(if family.is_included() { 1 } else { 2 }),
            5 => READ_ONLY,
            6 => ACTIVE,
            _ => return None,
        })
    }
}
