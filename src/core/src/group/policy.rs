//! How the group decides, where operators changed it while it runs (G-55, G-57): a word that is said to one box and held by
//! all. It is a register that only goes forward, so that neither a late message nor a recorded one takes it back.

use super::Group;
use crate::io::CommandError;
use crate::mutation::Mutation;
use crate::operator::Policy;
use crate::outbox::Outbox;
use crate::params::{Choice, Failback, GroupParams};

/// What the policy stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Governed {
    policy: Policy,
    /// It is not known to be kept yet.
    is_new: bool,
    /// By the configuration.
    pub(super) failback: Failback,
    pub(super) choice: Choice,
}

impl Governed {
    /// As configured.
    pub(super) fn by(params: &GroupParams) -> Self {
        Self { policy: Policy::default(), is_new: false, failback: params.failback, choice: params.choice }
    }

    /// Another configuration: what operators said stands.
    pub(super) fn configure(&mut self, params: &mut GroupParams) {
        (self.failback, self.choice) = (params.failback, params.choice);
        self.rule(params);
    }

    fn rule(&self, params: &mut GroupParams) {
        params.failback = self.policy.failback.map_or(self.failback, Failback::from);
        params.choice = self.policy.choice.unwrap_or(self.choice);
    }
}

impl Group {
    /// Begins with what an earlier life held.
    pub(crate) fn governed_by(mut self, policy: Policy) -> Self {
        self.governed.policy = policy;
        self.governed.rule(&mut self.params);
        self
    }

    /// What it holds.
    pub(crate) fn policy(&self) -> Policy {
        self.governed.policy
    }

    /// What is to be kept, once.
    pub(crate) fn new_policy(&mut self) -> Option<Policy> {
        core::mem::take(&mut self.governed.is_new).then_some(self.governed.policy)
    }

    /// Another box says what it holds.
    pub(super) fn hear_policy(&mut self, policy: Policy, out: &mut Outbox) {
        if policy > self.governed.policy && !self.identity.planted.is(Mutation::KeepOwnPolicy) {
            self.take_policy(policy, out);
        }
    }

    fn take_policy(&mut self, policy: Policy, out: &mut Outbox) {
        (self.governed.policy, self.governed.is_new) = (policy, true);
        self.governed.rule(&mut self.params);
        self.status_changed(out);
        self.touch();
    }

    /// A box that has not listened may lack the last word, and its own would be taken for an older one.
    pub(crate) fn may_change_policy(&self, change: &impl Fn(&mut Policy)) -> Result<(), CommandError> {
        let mut policy = self.governed.policy;
        change(&mut policy);
        let says_something = policy != self.governed.policy;
        if says_something && !self.settled { Err(CommandError::Unsettled(self.name.clone())) } else { Ok(()) }
    }

    /// An operator says a word, unless it says nothing new.
    pub(crate) fn change_policy(&mut self, change: &impl Fn(&mut Policy), out: &mut Outbox) {
        let mut policy = self.governed.policy;
        change(&mut policy);
        if policy != self.governed.policy {
            (policy.version, policy.told) = (policy.version.next(), Some(self.params.id));
            self.take_policy(policy, out);
        }
    }
}
