//! `partition` of a group, and the lists that the policies go by (G-42).

use crate::config::fault::{Checked, Collector, Place, Placed};
use crate::config::network_values::other_host;
use crate::config::reader::{List, Table};
use crate::config::values::{duration, word};
use rais_core::address::IdAddress;
use rais_core::params::{MAX_HOSTS, MAX_WITNESSES, Partition};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Of two boxes neither is a majority when the other dies.
const LEAST_VOTERS: usize = 3;
/// Three probes without an answer are silence: shorter, and a busy witness looks dead.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);
const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Serve,
    Majority,
    Witness,
}

const POLICIES: &[(&str, Policy)] =
    &[("serve", Policy::Serve), ("majority", Policy::Majority), ("witness", Policy::Witness)];

/// The partition policy of `[[group]]` as the file has it.
pub(super) struct PartitionEntry {
    place: Place,
    policy: Checked<Policy>,
    voters: List<IpAddr>,
    witnesses: List<IpAddr>,
    interval: Checked<Option<Placed<Duration>>>,
}

impl PartitionEntry {
    pub(super) fn read(table: &mut Table) -> Self {
        let group = table.place().clone();
        Self {
            place: table.place_of("partition").unwrap_or(group),
            policy: table.defaulted("partition", Policy::Serve, word(POLICIES)),
            voters: table.list_or_empty("voters", MAX_HOSTS, other_host),
            witnesses: table.list_or_empty("witnesses", MAX_WITNESSES, other_host),
            interval: table.optional("witness_interval", duration(INTERVAL)),
        }
    }

    pub(super) fn build(&self, beat: Checked<Duration>, faults: &Collector) -> Checked<Partition> {
        let voters = set(&self.voters, "voter", faults);
        let witnesses = set(&self.witnesses, "witness", faults);
        let interval = self.interval.clone();
        let policy = self.policy?;
        let idle = match policy {
            Policy::Majority => None,
            Policy::Serve | Policy::Witness => first(&self.voters).map(|place| (place, "voters", "majority")),
        };
        let idle = idle.or_else(|| match policy {
            Policy::Witness => None,
            Policy::Serve | Policy::Majority => {
                let interval = interval.as_ref().ok().and_then(|interval| interval.as_ref());
                let place = first(&self.witnesses).or(interval.map(|interval| &interval.place));
                place.map(|place| (place, "witnesses", "witness"))
            }
        });
        if let Some((place, key, word)) = idle {
            let message = format!("`{key}` have a meaning only with partition = \"{word}\"");
            return Err(faults.report_whole(place, message));
        }
        match policy {
            Policy::Serve => Ok(Partition::Serve),
            Policy::Majority => {
                let voters: BTreeSet<_> = voters?.into_iter().map(IdAddress).collect();
                if voters.len() < LEAST_VOTERS {
                    let message = format!(
                        "\"majority\" needs `voters`, the ids of at least {LEAST_VOTERS} boxes; there are {}",
                        voters.len()
                    );
                    return Err(faults.report_whole(&self.place, message));
                }
                Ok(Partition::Majority { voters })
            }
            Policy::Witness => {
                let witnesses = witnesses?;
                if witnesses.is_empty() {
                    let message = "\"witness\" needs `witnesses`, at least one address".to_owned();
                    return Err(faults.report_whole(&self.place, message));
                }
                let default = DEFAULT_INTERVAL.max(beat?);
                Ok(Partition::Witness { witnesses, interval: interval?.map_or(default, |given| given.value) })
            }
        }
    }
}

fn first(list: &List<IpAddr>) -> Option<&Place> {
    list.good.first().map(|element| &element.place)
}

fn set(list: &List<IpAddr>, kind: &str, faults: &Collector) -> Checked<BTreeSet<IpAddr>> {
    super::no_twice(list, kind, faults)?;
    Ok(list.clone().values()?.into_iter().collect())
}

/// The lines of the digest (G-62): none for the default.
pub(super) fn facts(partition: &Partition) -> String {
    let mut text = String::new();
    match partition {
        Partition::Serve => {}
        Partition::Majority { voters } => {
            for voter in voters {
                let _ = writeln!(text, "voter {voter}");
            }
        }
        Partition::Witness { witnesses, interval } => {
            for witness in witnesses {
                let _ = writeln!(text, "witness {witness}");
            }
            let _ = writeln!(text, "witness_interval {}", interval.as_millis());
        }
    }
    text
}
