//! `raisctl plan`: what the group would do without some boxes (G-65). The question is answered by the core's own choice;
//! here are only names, and how it looks. Pure.

use super::table::{Cell, Palette, Table, Tone};
use rais_core::address::{GroupName, IdAddress};
use rais_core::view::{GroupView, View};
use rais_core::what_if::{self, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Longest name shown in a column of its own.
const NAME_WIDTH: usize = 24;

/// What would happen to one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// The group.
    pub group: GroupName,
    /// Without these boxes.
    pub without: BTreeSet<IdAddress>,
    /// What it would do.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The names of the boxes that are spoken of, where known.
    pub names: BTreeMap<IdAddress, String>,
}

/// Answers for the named group, or for every group that has one of the boxes; a box is told by name or id address.
///
/// # Errors
/// In words: a group or a box that is not there, or a name that two boxes have.
pub fn answer(view: &View, group: Option<&GroupName>, boxes: &[String]) -> Result<Vec<GroupPlan>, String> {
    if let Some(name) = group
        && view.group(name).is_none()
    {
        return Err(format!("this box is not in a group named {name}"));
    }
    if boxes.is_empty() {
        return Err(String::from("without which box?"));
    }
    let asked: Vec<&GroupView> =
        view.groups.iter().filter(|known| group.is_none_or(|name| *name == known.name)).collect();
    let mut missing: BTreeSet<&str> = boxes.iter().map(String::as_str).collect();
    let mut plans = Vec::new();
    for group in asked {
        let mut without = BTreeSet::new();
        for text in boxes {
            if let Some(id) = find(group, text)? {
                without.insert(id);
                missing.remove(text.as_str());
            }
        }
        if !without.is_empty() {
            let names = group.hosts.iter().map(|host| (host.id, host.name.to_string())).collect();
            let outcome = what_if::without(group, &without);
            plans.push(GroupPlan { group: group.name.clone(), without, outcome, names });
        }
    }
    match missing.first() {
        Some(text) => Err(format!("no box {text} is known here")),
        None => Ok(plans),
    }
}

/// A box of the group by its name or id address.
fn find(group: &GroupView, text: &str) -> Result<Option<IdAddress>, String> {
    let id: Option<IdAddress> = text.parse().ok();
    let mut found = group.hosts.iter().filter(|host| id.map_or(host.name.as_str() == text, |id| host.id == id));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(format!("several boxes of group {} are named {text}: give the id address", group.name))
        }
        (Some(host), None) => Ok(Some(host.id)),
        (None, _) => Ok(None),
    }
}

/// The plans, for a terminal `width` columns wide.
#[must_use]
pub fn render(plans: &[GroupPlan], palette: Palette, width: usize) -> String {
    let mut text = String::new();
    for (number, plan) in plans.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let name = |id: IdAddress| plan.names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        let without: Vec<String> = plan.without.iter().map(|id| name(*id)).collect();
        let leader = plan.outcome.leader.map_or_else(|| String::from("nobody"), name);
        let heading = palette.paint(Tone::Strong, plan.group.as_str());
        let _ = writeln!(text, "{heading} without {}: {leader} leads", without.join(", "));
        if !plan.outcome.serves {
            let warning = "what is left has no majority and serves nothing";
            let _ = writeln!(text, "  {}", palette.paint(Tone::Bad, warning));
        }
        let (moves, lost) = (plan.outcome.moves.len(), plan.outcome.lost());
        if moves > 0 {
            text.push('\n');
            text.push_str(&table(plan, &name).draw(palette, width));
            text.push('\n');
        }
        let addresses = |count: usize| if count == 1 { "1 address".into() } else { format!("{count} addresses") };
        let verdict = match lost {
            0 => format!("{} would move, and nobody would miss any", addresses(moves)),
            lost => format!("{} would move, {} would be served by nobody", addresses(moves - lost), addresses(lost)),
        };
        let _ = writeln!(text, "  {}", palette.paint(if lost == 0 { Tone::Good } else { Tone::Bad }, &verdict));
    }
    text
}

fn table(plan: &GroupPlan, name: &impl Fn(IdAddress) -> String) -> Table {
    let mut table = Table::new(&["ADDRESS", "FROM", "TO"]);
    for planned in &plan.outcome.moves {
        let from = planned.from.map_or(Cell::faint("-"), |id| Cell::plain(name(id)).at_most(NAME_WIDTH));
        let to = planned.to.map_or(Cell::new(Tone::Bad, "nobody"), |id| Cell::plain(name(id)).at_most(NAME_WIDTH));
        table.row(vec![Cell::plain(planned.address.to_string()), from, to], Cell::faint(""));
    }
    table
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
