//! The surveyor: keeps the picture of the machine that the standard MIBs show, away from every request.
//!
//! Interfaces follow the kernel's events, which `links` hears and passes on. Figures are sampled, more often while a
//! manager polls. Addresses are listed when an interface or the configuration changed, and once a minute while somebody
//! polls: the event of each address would be the renewals of thousands of service addresses. Those are not in the list;
//! the core knows them better.
//!
//! It has a netlink connection of its own, so that its listings never stand before an address that is to move.

use super::running::Running;
use crate::machine::{Address, Hardware, Interface, InterfaceCounters, Machine, Sample};
use crate::os::clock;
use crate::os::machine::{Sampler, hardware, interface_counters, speed_mbit};
use crate::os::netlink::{Event, Link, Netlink, NetlinkError, Owner};
use rais_core::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, MissedTickBehavior};

/// Between two samples while somebody polls.
const POLLED_EVERY: Duration = Duration::from_secs(1);
/// Between two samples while nobody does, so that the first answer is not older than that.
const IDLE_EVERY: Duration = Duration::from_secs(10);
/// Somebody polls who asked within this time: twice the usual five minutes.
const POLLED_WITHIN: Duration = Duration::from_secs(600);
/// Between two listings of the addresses while somebody polls.
const ADDRESSES_EVERY: Duration = Duration::from_secs(60);

/// When a manager last asked.
#[derive(Clone, Debug, Default)]
pub(super) struct LastAsked(Arc<AtomicU64>);

impl LastAsked {
    /// Somebody asks.
    pub(super) fn note(&self, now: Instant) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }

    fn lately(&self, now: Instant) -> bool {
        let asked = Instant::from_micros(self.0.load(Ordering::Relaxed));
        asked > Instant::ZERO && now.since(asked) < POLLED_WITHIN
    }
}

/// What the surveyor is connected to.
#[derive(Debug)]
pub(super) struct Surveyor {
    /// The configuration's names of interfaces.
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// What happens to links.
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// Whether somebody polls.
    pub(super) asked: LastAsked,
    /// When the daemon started.
    pub(super) started: Instant,
    /// Where the picture goes.
    pub(super) machine: watch::Sender<Arc<Machine>>,
}

impl Surveyor {
    /// Surveys until the daemon ends. Without netlink there are figures, and neither interfaces nor addresses.
    pub(super) async fn run(mut self) {
        let netlink = Netlink::connect();
        if let Err(error) = &netlink {
            tracing::error!(%error, "interfaces and addresses are not shown by SNMP");
        }
        let netlink = netlink.ok();
        let mut survey = Survey::new(self.started);
        let mut tick = time::interval(POLLED_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = self.running.changed() => match changed {
                    Ok(()) => survey.stale = true,
                    Err(_) => return,
                },
                event = self.events.recv() => match event {
                    Some(event) => survey.hear(event, clock::now()),
                    None => return,
                },
                _ = tick.tick() => survey = survey.sample(clock::now(), self.asked.lately(clock::now())).await,
            }
            if let (true, Some(netlink)) = (survey.stale, &netlink) {
                survey.configured = self.running.borrow().links.iter().map(|(n, l)| (n.clone(), l.index)).collect();
                if let Err(error) = survey.list(netlink, clock::now()).await {
                    tracing::debug!(%error, "interfaces are listed again in a moment");
                }
            }
            if std::mem::take(&mut survey.changed) {
                self.machine.send_replace(Arc::new(survey.picture()));
            }
        }
    }
}

/// What is known of the machine.
#[derive(Debug)]
struct Survey {
    started: Instant,
    interfaces: BTreeMap<u32, Interface>,
    interfaces_changed: Instant,
    configured: BTreeMap<rais_core::address::InterfaceName, u32>,
    addresses: Vec<Address>,
    hardware: Hardware,
    sampler: Sampler,
    sample: Sample,
    /// Something is to be published.
    changed: bool,
    /// Interfaces and addresses are to be listed.
    stale: bool,
    sampled: Option<Instant>,
    listed: Option<Instant>,
}

impl Survey {
    fn new(started: Instant) -> Self {
        Self {
            started,
            interfaces: BTreeMap::new(),
            interfaces_changed: started,
            configured: BTreeMap::new(),
            addresses: Vec::new(),
            hardware: Hardware::default(),
            sampler: Sampler::default(),
            sample: Sample::default(),
            changed: false,
            stale: true,
            sampled: None,
            listed: None,
        }
    }

    fn picture(&self) -> Machine {
        Machine {
            interfaces: self.interfaces.values().cloned().collect(),
            interfaces_changed: self.interfaces_changed,
            configured: self.configured.clone(),
            addresses: self.addresses.clone(),
            hardware: self.hardware.clone(),
            sample: self.sample.clone(),
        }
    }

    /// Takes a sample if one is due.
    async fn sample(mut self, now: Instant, polled: bool) -> Self {
        let every = if polled { POLLED_EVERY } else { IDLE_EVERY };
        // The tick may come a little early.
        let slack = Duration::from_millis(100);
        if self.sampled.is_some_and(|sampled| now.since(sampled) + slack < every) {
            return self;
        }
        self.stale |= polled && self.listed.is_none_or(|listed| now.since(listed) >= ADDRESSES_EVERY);
        self.sampled = Some(now);
        let mut sampler = std::mem::take(&mut self.sampler);
        let first = self.hardware == Hardware::default();
        let sampled = tokio::task::spawn_blocking(move || {
            let sample = sampler.sample();
            (sample, interface_counters(), first.then(hardware), sampler)
        });
        if let Ok((sample, counters, hardware, sampler)) = sampled.await {
            self.sampler = sampler;
            self.sample = sample;
            self.count(&counters);
            self.hardware = hardware.unwrap_or(self.hardware);
            self.changed = true;
        }
        self
    }

    fn count(&mut self, counters: &BTreeMap<String, InterfaceCounters>) {
        for interface in self.interfaces.values_mut() {
            if let Some(counters) = counters.get(&interface.name) {
                interface.counters = *counters;
            }
        }
    }

    fn hear(&mut self, event: Event, now: Instant) {
        match event {
            Event::Link(link) => self.link(&link, now),
            Event::LinkGone(link) => {
                if self.interfaces.remove(&link.index).is_some() {
                    self.interfaces_changed = now;
                    self.changed = true;
                }
            }
            Event::Overrun => {}
            Event::AddressGone(_) | Event::RouteGone(_) => return,
        }
        self.stale = true;
    }

    fn link(&mut self, link: &Link, now: Instant) {
        let known = self.interfaces.get(&link.index);
        if known.is_none() && self.listed.is_some() {
            self.interfaces_changed = now;
        }
        // What was there at the start is as old as that.
        let since = if self.listed.is_some() { now } else { self.started };
        let interface = Interface {
            index: link.index,
            name: link.name.clone(),
            kind: link.kind,
            hardware_address: link.mac.map(Vec::from).unwrap_or_default(),
            mtu: link.mtu,
            up: link.up,
            carrier: link.carrier,
            promiscuous: link.promiscuous,
            speed_mbit: known.and_then(|known| known.speed_mbit),
            changed: match known {
                Some(known) if (known.up, known.carrier) == (link.up, link.carrier) => known.changed,
                _ => since,
            },
            counters: known.map(|known| known.counters).unwrap_or_default(),
        };
        self.interfaces.insert(link.index, interface);
        self.changed = true;
    }

    /// Lists interfaces and addresses anew.
    async fn list(&mut self, netlink: &Netlink, now: Instant) -> Result<(), NetlinkError> {
        let (links, addresses) = (netlink.links().await?, netlink.addresses().await?);
        let gone: Vec<u32> =
            self.interfaces.keys().copied().filter(|index| links.iter().all(|link| link.index != *index)).collect();
        for index in gone {
            self.interfaces.remove(&index);
            self.interfaces_changed = now;
        }
        for link in &links {
            self.link(link, now);
            if let Some(interface) = self.interfaces.get_mut(&link.index) {
                interface.speed_mbit = speed_mbit(&link.name, link.index);
            }
        }
        self.count(&interface_counters());
        let before = std::mem::take(&mut self.addresses);
        let since = if self.listed.is_some() { now } else { self.started };
        let own = addresses.into_iter().filter(|address| address.owner != Owner::Service).map(|address| {
            let same =
                |known: &&Address| (known.address, known.interface) == (address.address, address.interface_index);
            Address {
                address: address.address,
                interface: address.interface_index,
                configured: address.owner == Owner::Box,
                since: before.iter().find(same).map_or(since, |known| known.since),
            }
        });
        self.addresses = own.collect();
        self.addresses.sort_by_key(|address| (address.address, address.interface));
        self.addresses.dedup_by_key(|address| address.address);
        (self.listed, self.stale, self.changed) = (Some(now), false, true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::InterfaceKind;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(100 + seconds)
    }

    fn link(index: u32, carrier: bool) -> Link {
        let kind = InterfaceKind::Ethernet;
        let name = format!("eth{index}");
        Link { index, name, mac: None, pci: None, up: true, carrier, mtu: 1500, kind, promiscuous: false }
    }

    #[test]
    fn an_interface_changes_when_its_carrier_does_and_the_table_when_one_comes_or_goes() {
        let mut survey = Survey::new(at(0));
        survey.hear(Event::Link(link(2, true)), at(1));
        assert_eq!((survey.interfaces[&2].changed, survey.interfaces_changed), (at(0), at(0)), "there at the start");
        survey.listed = Some(at(1));
        let rows = [
            // When, what, when the interface changed, when the table did.
            (2, Event::Link(link(2, true)), Some(0), 0),
            (3, Event::Link(link(2, false)), Some(3), 0),
            (4, Event::Link(link(3, false)), Some(3), 4),
            (5, Event::Link(link(2, true)), Some(5), 4),
            (6, Event::LinkGone(link(2, true)), None, 6),
            (7, Event::LinkGone(link(2, true)), None, 6),
        ];
        for (seconds, event, changed, table) in rows {
            survey.hear(event, at(seconds));
            let found = survey.interfaces.get(&2).map(|interface| interface.changed);
            assert_eq!((found, survey.interfaces_changed), (changed.map(at), at(table)), "at {seconds} s");
        }
    }

    #[test]
    fn somebody_polls_who_asked_within_ten_minutes() {
        let asked = LastAsked::default();
        assert!(!asked.lately(at(0)));
        asked.note(at(0));
        assert!(asked.lately(at(599)) && !asked.lately(at(600)));
    }

    #[tokio::test]
    async fn the_running_machine_is_surveyed() {
        let netlink = Netlink::connect().unwrap();
        let mut survey = Survey::new(clock::now()).sample(clock::now(), true).await;
        assert_eq!(survey.list(&Netlink::gone(), clock::now()).await, Err(NetlinkError::GivenUp));
        assert!(survey.stale, "it is tried again");
        survey.list(&netlink, clock::now()).await.unwrap();
        assert!(!survey.stale);
        let machine = survey.picture();
        let loopback = machine.interfaces.iter().find(|interface| interface.name == "lo").unwrap();
        assert_eq!((loopback.kind, machine.interface(loopback.index)), (InterfaceKind::Loopback, Some(loopback)));
        assert!(machine.sample.memory.total > 0 && !machine.hardware.kernel.is_empty());
        assert!(machine.addresses.is_sorted_by(|one, other| one.address < other.address), "sorted, each once");
    }
}
