//! What an operator ordered and has not taken back: it outlives the daemon that was told, and the configuration.
//!
//! It does not know where it is kept: the edge is told of each change ([`Action::Remember`](crate::io::Action::Remember))
//! and hands all of it back to the next life ([`BoxParams::orders`](crate::params::BoxParams::orders)).

use crate::address::{GroupName, IdAddress};
use crate::params::{Choice, Failback};
use crate::quantity::PolicyVersion;
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// What an operator wants of this box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// To serve.
    #[default]
    Active,
    /// To take no new service address.
    Quiesced,
    /// To give away what it serves as well, one address at a time (G-59).
    Draining,
}

impl Intent {
    /// It takes no new service address.
    #[must_use]
    pub const fn quiesces(self) -> bool {
        match self {
            Self::Active => false,
            Self::Quiesced | Self::Draining => true,
        }
    }
}

/// When addresses go home, by an operator's word instead of the configuration's (G-57).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailbackOrder {
    /// As soon as the preferred box is available.
    Immediate,
    /// When an operator asks.
    Manual,
}

impl From<FailbackOrder> for Failback {
    fn from(order: FailbackOrder) -> Self {
        match order {
            FailbackOrder::Immediate => Self::Immediate,
            FailbackOrder::Manual => Self::Manual,
        }
    }
}

/// How a group decides, where operators changed it while it runs. All its boxes hold the same: each says what it holds with
/// every beat, and the newest word counts, whichever box it was said to. So it does not change with the leader, and a box
/// that was away learns it. Words are compared in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Which word it is; 0: none was said yet.
    pub version: PolicyVersion,
    /// The box that was told it.
    pub told: Option<IdAddress>,
    /// When addresses go home; `None`: as configured.
    pub failback: Option<FailbackOrder>,
    /// How the leader chooses among equals; `None`: as configured.
    pub choice: Option<Choice>,
}

/// All that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StandingOrders {
    /// In every group that is not named below: those of a later configuration, too.
    pub everywhere: Intent,
    /// In these groups.
    pub groups: BTreeMap<GroupName, Intent>,
    /// How groups decide, where operators said so: not this box's alone.
    pub policies: BTreeMap<GroupName, Policy>,
}

impl StandingOrders {
    /// What is wanted in a group.
    #[must_use]
    pub fn of(&self, group: &GroupName) -> Intent {
        self.groups.get(group).copied().unwrap_or(self.everywhere)
    }

    /// How a group decides.
    #[must_use]
    pub fn policy_of(&self, group: &GroupName) -> Policy {
        self.policies.get(group).copied().unwrap_or_default()
    }

    /// Takes an order for a group, or (`None`) for all.
    pub(crate) fn take(&mut self, group: Option<&GroupName>, intent: Intent) {
        match group {
            None => (self.everywhere, self.groups) = (intent, BTreeMap::new()),
            Some(group) if intent == self.everywhere => drop(self.groups.remove(group)),
            Some(group) => drop(self.groups.insert(group.clone(), intent)),
        }
    }

    /// Forgets what was ordered in groups that this box is not in any more.
    pub(crate) fn keep_groups(&mut self, is_in: impl Fn(&GroupName) -> bool) {
        self.groups.retain(|group, _| is_in(group));
        self.policies.retain(|group, _| is_in(group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    #[test]
    fn an_order_for_all_groups_replaces_those_for_one_and_holds_in_groups_to_come() {
        use Intent::{Active, Draining, Quiesced};
        type Row<'a> = (&'a [(Option<&'a str>, Intent)], Intent, Intent);
        let table: [Row<'_>; 6] = [
            // The orders given, and what is wanted then in the groups http and dns.
            (&[], Active, Active),
            (&[(Some("http"), Quiesced)], Quiesced, Active),
            (&[(None, Draining)], Draining, Draining),
            (&[(None, Quiesced), (Some("http"), Active)], Active, Quiesced),
            (&[(Some("http"), Quiesced), (None, Active)], Active, Active),
            (&[(None, Quiesced), (Some("http"), Active), (Some("http"), Quiesced)], Quiesced, Quiesced),
        ];
        for (given, http, dns) in table {
            let mut orders = StandingOrders::default();
            given.iter().for_each(|(group, intent)| orders.take(group.map(name).as_ref(), *intent));
            assert_eq!((orders.of(&name("http")), orders.of(&name("dns"))), (http, dns), "{given:?}");
        }
    }

    #[test]
    fn what_takes_back_everything_leaves_nothing_to_remember() {
        let mut orders = StandingOrders::default();
        orders.take(Some(&name("http")), Intent::Draining);
        orders.take(Some(&name("http")), Intent::Active);
        assert_eq!(orders, StandingOrders::default());
        orders.take(Some(&name("http")), Intent::Draining);
        orders.keep_groups(|group| group.as_str() != "http");
        assert_eq!(orders, StandingOrders::default());
    }
}
