//! What can befall a group: faults, and what operators and engineers do.

use super::{MS, Micros};
use rais_core::operator::FailbackOrder;
use serde::{Deserialize, Serialize};

/// How a box's scripts behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scripts {
    /// They take this long.
    Take(Micros),
    /// They fail after a moment: acquire and release.
    Fail,
    /// They never end, and are killed at the action timeout: then they have failed.
    Hang,
}

/// A fault, or somebody's deed. Boxes, networks, groups and addresses are told by index, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The box loses power; its kernel's addresses go with it. Ends with a restart.
    PowerCut(usize),
    /// The box loses power and, with its disk, what it knew; nor was its clock ever set. Ends with a restart under
    /// incarnation 1, or (`true`: the disk was only not written) under the one it had.
    Forget(usize, bool),
    /// The daemon is killed; the kernel keeps the addresses for their lease. Ends with a restart.
    Kill(usize),
    /// The daemon does not run; messages pile up in its socket. Ends with all of them at once.
    Freeze(usize),
    /// The daemon is told to stop. Ends with a restart.
    Stop(usize),
    /// The daemon is told to stop, and is then started in a newer release, which says more than this one knows.
    Upgrade(usize),
    /// A box that was never there is switched on: it joins, or replaces one.
    SwitchOn(usize),
    /// Boxes of the mask hear only each other, and the others only each other.
    Partition(u32),
    /// The same on one control network alone.
    PartitionOn(u32, usize),
    /// What the first sends does not reach the second.
    OneWay(usize, usize),
    /// A control network is dead.
    NetworkDown(usize),
    /// This many per mille of the messages are lost, each on each network and way by itself.
    Loss(u64),
    /// Messages take up to this much longer, and overtake each other.
    Delay(Micros),
    /// This many per mille of the messages come twice.
    Duplication(u64),
    /// In this many per mille of the datagrams a bit is flipped on the way.
    Damage(u64),
    /// Somebody sends this many datagrams again that he recorded before.
    Replay(usize),
    /// A test fails on the box.
    Test(usize),
    /// A service interface of the box has no carrier.
    Carrier(usize, usize),
    /// The operator quiesces the box, in a group or (`None`) in all.
    Quiesce(usize, Option<usize>),
    /// The operator drains the box, in a group or (`None`) in all.
    Drain(usize, Option<usize>),
    /// The operator has addresses of all groups go home by this, said to the box.
    Failback(usize, Option<FailbackOrder>),
    /// The box's scripts behave otherwise.
    Scripts(usize, Scripts),
    /// The box's load object says this from now on.
    Load(usize, u32),
    /// The box is given another of the scenario's configurations.
    Reload(usize, usize),
    /// The operator asks the leader to have the box serve the address.
    Move(usize, usize),
    /// The operator asks the leader to have the address released.
    Release(usize),
    /// Somebody removes the address from the box, if it is there.
    Remove(usize, usize),
}

/// What a fault does to what boxes hear of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Nothing, or nothing that S-5 does not promise to bear.
    Unharmed,
    /// Some pairs do not hear each other at all: the others' promises stand.
    Cut,
    /// It is a matter of luck, or of the way, who hears what: nothing is promised but what S-5 says.
    Blurred,
}

impl Fault {
    /// Its name, as `--only` takes it.
    #[must_use]
    pub fn name(&self) -> String {
        let debug = format!("{self:?}");
        debug.split('(').next().unwrap_or_default().to_lowercase()
    }

    /// What it does to hearing.
    #[must_use]
    pub fn hearing(&self) -> Hearing {
        match self {
            Self::Partition(_) | Self::PartitionOn(..) | Self::NetworkDown(_) => Hearing::Cut,
            Self::OneWay(..) | Self::Loss(_) | Self::Delay(_) | Self::Damage(_) => Hearing::Blurred,
            _ => Hearing::Unharmed,
        }
    }

    /// While it lasts, some box does not hear another.
    #[must_use]
    pub fn loses_somebody(&self) -> bool {
        let gone = matches!(
            self,
            Self::PowerCut(_)
                | Self::Forget(..)
                | Self::Kill(_)
                | Self::Freeze(_)
                | Self::Stop(_)
                | Self::Upgrade(_)
                | Self::OneWay(..)
        );
        gone || self.hearing() == Hearing::Cut
    }

    /// It may be left so for good.
    #[must_use]
    pub fn may_last(&self) -> bool {
        matches!(self, Self::PowerCut(_) | Self::Stop(_) | Self::Test(_) | Self::Quiesce(..) | Self::Drain(..))
    }

    /// It is over as soon as it happened.
    #[must_use]
    pub fn is_a_moment(&self) -> bool {
        matches!(
            self,
            Self::SwitchOn(_)
                | Self::Upgrade(_)
                | Self::Failback(..)
                | Self::Load(..)
                | Self::Reload(..)
                | Self::Move(..)
                | Self::Release(_)
                | Self::Remove(..)
                | Self::Replay(_)
        )
    }

    /// The box it happens to.
    #[must_use]
    pub fn hits(&self) -> Option<usize> {
        match *self {
            Self::PowerCut(index)
            | Self::Forget(index, _)
            | Self::Kill(index)
            | Self::Freeze(index)
            | Self::Stop(index)
            | Self::Upgrade(index)
            | Self::SwitchOn(index)
            | Self::Test(index)
            | Self::Carrier(index, _)
            | Self::Quiesce(index, _)
            | Self::Drain(index, _)
            | Self::Failback(index, _)
            | Self::Scripts(index, _)
            | Self::Load(index, _)
            | Self::Reload(index, _)
            | Self::Remove(index, _) => Some(index),
            _ => None,
        }
    }

    /// It in words, with boxes counted from 1 as the trace does.
    #[must_use]
    pub fn in_words(&self) -> String {
        let boxes = |mask: u32| -> Vec<_> { (0..32).filter(|bit| (mask >> bit) & 1 == 1).map(|bit| bit + 1).collect() };
        let whole = |group: &Option<usize>| group.map_or_else(String::new, |group| format!(" in group {}", group + 1));
        match self {
            Self::PowerCut(i) => format!("box {} has no power", i + 1),
            Self::Forget(i, false) => format!("box {} has no power, and forgets what it knew", i + 1),
            Self::Forget(i, true) => format!("box {} has no power, and did not count its start", i + 1),
            Self::Kill(i) => format!("the daemon of box {} is killed", i + 1),
            Self::Freeze(i) => format!("the daemon of box {} is frozen", i + 1),
            Self::Stop(i) => format!("the daemon of box {} is told to stop", i + 1),
            Self::Upgrade(i) => format!("box {} is upgraded", i + 1),
            Self::SwitchOn(i) => format!("box {} is switched on for the first time", i + 1),
            Self::Partition(mask) => format!("boxes {:?} and the others do not hear each other", boxes(*mask)),
            Self::PartitionOn(mask, network) => {
                format!("boxes {:?} and the others do not hear each other on network {}", boxes(*mask), network + 1)
            }
            Self::OneWay(from, to) => format!("box {} does not hear box {}", to + 1, from + 1),
            Self::NetworkDown(network) => format!("control network {} is dead", network + 1),
            Self::Loss(per_mille) => format!("{:.1} % of the messages are lost", *per_mille as f64 / 10.0),
            Self::Delay(longest) => format!("messages take up to {} ms longer", longest / MS),
            Self::Duplication(per_mille) => format!("{:.1} % of the messages come twice", *per_mille as f64 / 10.0),
            Self::Damage(per_mille) => format!("{:.1} % of the messages are damaged", *per_mille as f64 / 10.0),
            Self::Replay(count) => format!("somebody sends {count} old messages again"),
            Self::Test(i) => format!("the test on box {} fails", i + 1),
            Self::Carrier(i, lan) => format!("box {} has no carrier on service interface {}", i + 1, lan + 1),
            Self::Quiesce(i, group) => format!("the operator quiesces box {}{}", i + 1, whole(group)),
            Self::Drain(i, group) => format!("the operator drains box {}{}", i + 1, whole(group)),
            Self::Failback(i, failback) => format!("the operator tells box {} to fail back: {failback:?}", i + 1),
            Self::Scripts(i, Scripts::Take(time)) => format!("scripts of box {} take {} ms", i + 1, time / MS),
            Self::Scripts(i, Scripts::Fail) => format!("scripts of box {} fail", i + 1),
            Self::Scripts(i, Scripts::Hang) => format!("scripts of box {} hang", i + 1),
            Self::Load(i, load) => format!("the load of box {} is {load} now", i + 1),
            Self::Reload(i, config) => format!("box {} is given configuration {}", i + 1, config + 1),
            Self::Move(i, address) => format!("the operator moves address {address} to box {}", i + 1),
            Self::Remove(i, address) => format!("somebody removes address {address} from box {}", i + 1),
            Self::Release(address) => format!("the operator has address {address} released"),
        }
    }
}
