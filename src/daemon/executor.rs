//! The executor: carries the node's actions out and reports how they ended (G-30, G-31, G-33).
//!
//! Actions run one at a time per address and in parallel across addresses; what is asked for in one go and needs no
//! script is one request to the kernel, so a thousand addresses move about as fast as one. It decides nothing: an error
//! is reported in words, and the node draws the conclusions.

use super::event_loop::Mailbox;
use super::figures::Figures;
use super::objects::Objects;
use super::places::{Key, Places};
use super::running::{Place, Running};
use crate::os::netlink::Netlink;
use crate::os::script::{self, Script};
use rais_core::address::{GroupName, ServiceAddress};
use rais_core::io::Action;
use rais_core::notification::Reason;
use rais_core::quantity::Ticket;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::time;

/// Decisions taken from the queue in one go.
const DECISIONS: usize = 64;
/// Addresses of one request to the kernel at most: what ends together is told to the event loop together, which has to
/// keep its beat meanwhile.
const TOGETHER: usize = 1024;
/// How long an address that moved by plan is served to clients that have not heard of it: the new box announces it at
/// once, after 100 ms and after 500 ms. Where a release script ended the service there is nothing left to be served.
const LINGER: Duration = Duration::from_secs(2);
/// Scripts at a time: ten thousand addresses that move together must not be ten thousand processes.
const MAX_SCRIPTS: usize = 64;

/// What an acquire or release needs.
#[derive(Debug)]
pub(super) struct Context {
    /// The kernel.
    pub(super) netlink: Netlink,
    /// The configuration in force.
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// How actions ended goes here.
    pub(super) mailbox: Mailbox,
    /// Test and load objects.
    pub(super) objects: Objects,
    /// Counted: actions under way.
    pub(super) figures: Arc<Figures>,
    /// The addresses that are configured.
    pub(super) places: Places,
    /// Tells that these changed.
    pub(super) moved: watch::Sender<()>,
    scripts: Semaphore,
}

/// Takes the node's actions.
#[derive(Debug)]
pub(super) struct Executor {
    context: Arc<Context>,
    actions: UnboundedReceiver<Vec<Action>>,
    /// An address with an action under way, and the actions that wait for it.
    busy: BTreeMap<Key, VecDeque<Work>>,
    ended: UnboundedReceiver<Vec<Key>>,
    end: UnboundedSender<Vec<Key>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Acquire(Ticket),
    Release(Ticket, Reason),
    Restore(Ticket),
}

/// Actions that begin together.
#[derive(Debug, Default)]
struct Batch {
    acquires: BTreeMap<GroupName, Vec<(Ticket, ServiceAddress)>>,
    releases: BTreeMap<GroupName, Vec<(Ticket, ServiceAddress, Reason)>>,
    restores: BTreeMap<GroupName, Vec<(Ticket, ServiceAddress)>>,
}

impl Context {
    /// A context with nothing configured.
    #[must_use]
    pub(super) fn new(
        netlink: Netlink,
        running: watch::Receiver<Arc<Running>>,
        mailbox: Mailbox,
        places: Places,
        figures: Arc<Figures>,
    ) -> Self {
        let objects = Objects::new(running.clone(), mailbox.clone());
        let (moved, scripts) = (watch::Sender::new(()), Semaphore::new(MAX_SCRIPTS));
        Self { netlink, running, mailbox, objects, figures, places, moved, scripts }
    }

    /// Removes whatever is still configured, scripts or not: for an exit that did not go as it should.
    pub(super) async fn abandon(&self) {
        let places = std::mem::take(&mut *self.places.lock());
        let mut by_interface: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
        for ((_, address), place) in places {
            by_interface.entry(place.interface_index).or_default().push(address.0);
        }
        for (index, addresses) in by_interface {
            tracing::warn!(count = addresses.len(), "removing service addresses that were not released in time");
            self.netlink.release(index, &addresses).await;
        }
    }
}

impl Executor {
    /// An executor with nothing under way.
    #[must_use]
    pub(super) fn new(context: Arc<Context>, actions: UnboundedReceiver<Vec<Action>>) -> Self {
        let (end, ended) = unbounded_channel();
        Self { context, actions, busy: BTreeMap::new(), ended, end }
    }

    /// Runs until the event loop is gone.
    pub(super) async fn run(mut self) {
        let mut decisions = Vec::with_capacity(DECISIONS);
        loop {
            let mut batch = Batch::default();
            tokio::select! {
                biased;
                Some(keys) = self.ended.recv() => keys.into_iter().for_each(|key| self.next_of(key, &mut batch)),
                taken = self.actions.recv_many(&mut decisions, DECISIONS) => {
                    if taken == 0 {
                        return;
                    }
                    decisions.drain(..).flatten().for_each(|action| self.take(action, &mut batch));
                }
            }
            self.begin(batch);
        }
    }

    fn take(&mut self, action: Action, batch: &mut Batch) {
        match action {
            Action::Acquire { ticket, group, address } => self.queue((group, address), Work::Acquire(ticket), batch),
            Action::Release { ticket, group, address, reason } => {
                self.queue((group, address), Work::Release(ticket, reason), batch);
            }
            Action::Restore { ticket, group, address, times } => {
                if times == 1 {
                    tracing::warn!(%group, %address, "somebody else removed a service address: it is put back");
                } else {
                    tracing::debug!(%group, %address, times, "removed again, put back again");
                }
                self.queue((group, address), Work::Restore(ticket), batch);
            }
            Action::Renew { group, addresses } => {
                let context = Arc::clone(&self.context);
                tokio::spawn(async move { renew(&context, &group, &addresses).await });
            }
            Action::Test { test } => self.context.objects.test(test),
            Action::Witness { group, witness, timeout } => self.context.objects.witness(group, witness, timeout),
            Action::Sample { load } => self.context.objects.sample(load),
            // The event loop does these itself.
            Action::Send { .. }
            | Action::Announce { .. }
            | Action::Notify(_)
            | Action::Outlive { .. }
            | Action::Remember(_)
            | Action::Answer(_)
            | Action::Stopped => {}
        }
    }

    fn queue(&mut self, key: Key, work: Work, batch: &mut Batch) {
        match self.busy.get_mut(&key) {
            Some(waiting) => waiting.push_back(work),
            None => {
                batch.add(&key, work);
                self.busy.insert(key, VecDeque::new());
            }
        }
    }

    /// An action on this address has ended: begins the next.
    fn next_of(&mut self, key: Key, batch: &mut Batch) {
        match self.busy.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(work) => batch.add(&key, work),
            None => drop(self.busy.remove(&key)),
        }
    }

    fn begin(&self, batch: Batch) {
        let job =
            |group: &GroupName| Job { context: Arc::clone(&self.context), end: self.end.clone(), group: group.clone() };
        for (group, work) in batch.acquires {
            for some in work.chunks(TOGETHER) {
                tokio::spawn(job(&group).acquire(some.to_vec()));
            }
        }
        for (group, work) in batch.releases {
            for some in work.chunks(TOGETHER) {
                tokio::spawn(job(&group).release(some.to_vec()));
            }
        }
        for (group, work) in batch.restores {
            for some in work.chunks(TOGETHER) {
                tokio::spawn(job(&group).restore(some.to_vec()));
            }
        }
    }
}

impl Batch {
    fn add(&mut self, (group, address): &Key, work: Work) {
        let group = group.clone();
        match work {
            Work::Acquire(ticket) => self.acquires.entry(group).or_default().push((ticket, *address)),
            Work::Release(ticket, reason) => self.releases.entry(group).or_default().push((ticket, *address, reason)),
            Work::Restore(ticket) => self.restores.entry(group).or_default().push((ticket, *address)),
        }
    }
}

/// Acquires or releases of one group that began together.
#[derive(Clone, Debug)]
struct Job {
    context: Arc<Context>,
    end: UnboundedSender<Vec<Key>>,
    group: GroupName,
}

impl Job {
    /// Configures the addresses in one request, then runs the script of each (G-30).
    async fn acquire(self, work: Vec<(Ticket, ServiceAddress)>) {
        self.count_running(work.len());
        let Some(place) = self.context.running.borrow().place(&self.group).map(Arc::new) else {
            let why = format!("group {} has no service interface", self.group);
            return self.finish(work.into_iter().map(|(ticket, address)| (ticket, address, Err(why.clone()))));
        };
        let addresses: Vec<IpAddr> = work.iter().map(|(_, address)| address.0).collect();
        let failures = self.context.netlink.acquire(place.interface_index, &addresses, place.lease).await;
        let mut failures: BTreeMap<IpAddr, String> =
            failures.into_iter().map(|(address, error)| (address, error.to_string())).collect();
        let (mut done, mut scripted) = (Vec::new(), Vec::new());
        {
            let mut places = self.context.places.lock();
            for (ticket, address) in work {
                if let Some(error) = failures.remove(&address.0) {
                    done.push((ticket, address, Err(error)));
                    continue;
                }
                places.insert((self.group.clone(), address), Arc::clone(&place));
                match &place.acquire_script {
                    Some(script) => scripted.push((ticket, address, script.clone())),
                    None => done.push((ticket, address, Ok(()))),
                }
            }
        }
        self.finish(done);
        for (ticket, address, script) in scripted {
            let (job, place) = (self.clone(), Arc::clone(&place));
            tokio::spawn(async move {
                let mut result = job.run_script(&script, "acquire", address, &place).await;
                if let Err(error) = &mut result {
                    // It must not stay where it does not work.
                    if let Some((_, left)) = job.remove(address, &place).await {
                        error.push_str(&format!("; and removing it: {left}"));
                    }
                }
                job.finish([(ticket, address, result)]);
            });
        }
    }

    /// Configures addresses again where they were.
    async fn restore(self, work: Vec<(Ticket, ServiceAddress)>) {
        self.count_running(work.len());
        let mut by_place: BTreeMap<(u32, Duration), Vec<(Ticket, ServiceAddress)>> = BTreeMap::new();
        for (ticket, address) in work {
            let place = self.context.places.lock().get(&(self.group.clone(), address)).cloned();
            match place {
                Some(place) => {
                    by_place.entry((place.interface_index, place.lease)).or_default().push((ticket, address));
                }
                None => self.finish([(ticket, address, Err(String::from("it was released meanwhile")))]),
            }
        }
        for ((index, lease), work) in by_place {
            let addresses: Vec<IpAddr> = work.iter().map(|(_, address)| address.0).collect();
            let failures = self.context.netlink.restore(index, &addresses, lease).await;
            let failures: BTreeMap<IpAddr, String> =
                failures.into_iter().map(|(address, error)| (address, error.to_string())).collect();
            let result = |address: ServiceAddress| failures.get(&address.0).map_or(Ok(()), |error| Err(error.clone()));
            self.finish(work.into_iter().map(|(ticket, address)| (ticket, address, result(address))));
        }
    }

    /// Removes the addresses that need no script in one request, the others each after its script (G-31).
    async fn release(self, work: Vec<(Ticket, ServiceAddress, Reason)>) {
        self.count_running(work.len());
        let current = self.context.running.borrow().place(&self.group).map(Arc::new);
        let mut plain: BTreeMap<(u32, bool), Vec<(Ticket, ServiceAddress)>> = BTreeMap::new();
        for (ticket, address, reason) in work {
            let held = self.context.places.lock().get(&(self.group.clone(), address)).cloned();
            // A script that was corrected since is run as it is now.
            let place = match (held, &current) {
                (Some(held), Some(now)) if held.interface_index == now.interface_index => Arc::clone(now),
                (Some(held), _) => held,
                (None, Some(now)) => Arc::clone(now),
                (None, None) => {
                    // Neither the configuration nor the executor knows of it: it is nowhere.
                    self.finish([(ticket, address, Ok(()))]);
                    continue;
                }
            };
            match place.release_script.clone() {
                Some(script) => {
                    tokio::spawn(self.clone().release_scripted(ticket, address, script, place));
                }
                None => {
                    let key = (place.interface_index, reason.is_planned());
                    plain.entry(key).or_default().push((ticket, address));
                }
            }
        }
        for ((index, lingers), work) in plain {
            let addresses: Vec<IpAddr> = work.iter().map(|(_, address)| address.0).collect();
            let failures = match lingers {
                true => self.context.netlink.linger(index, &addresses, LINGER).await,
                false => self.context.netlink.release(index, &addresses).await,
            };
            let failure = |address: &ServiceAddress| failures.iter().find(|(failed, _)| *failed == address.0);
            let result = |address| failure(&address).map_or(Ok(()), |(_, error)| Err(error.to_string()));
            for (_, address) in &work {
                self.context.places.lock().remove(&(self.group.clone(), *address));
            }
            self.finish(work.into_iter().map(|(ticket, address)| (ticket, address, result(address))));
        }
    }

    async fn release_scripted(self, ticket: Ticket, address: ServiceAddress, script: PathBuf, place: Arc<Place>) {
        let ran = self.run_script(&script, "release", address, &place).await;
        let removed = self.remove(address, &place).await.map_or(Ok(()), |(_, error)| Err(error));
        let result = match (ran, removed) {
            (Ok(()), removed) => removed,
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(other)) => Err(format!("{error}; and removing it: {other}")),
        };
        self.finish([(ticket, address, result)]);
    }

    async fn remove(&self, address: ServiceAddress, place: &Place) -> Option<(IpAddr, String)> {
        let failures = self.context.netlink.release(place.interface_index, &[address.0]).await;
        self.context.places.lock().remove(&(self.group.clone(), address));
        failures.into_iter().next().map(|(address, error)| (address, error.to_string()))
    }

    /// Runs a script to its end or its timeout. Meanwhile the lease is kept up: a script may take longer than it, and
    /// whether the address is renewed otherwise while an action is under way is the node's decision.
    async fn run_script(
        &self,
        path: &Path,
        action: &str,
        address: ServiceAddress,
        place: &Place,
    ) -> Result<(), String> {
        let environment = [
            ("RAIS_ACTION", action.to_owned()),
            ("RAIS_GROUP", self.group.to_string()),
            ("RAIS_ADDRESS", address.to_string()),
            ("RAIS_INTERFACE", place.kernel_name.clone()),
            ("RAIS_HOST", place.host.clone()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let script = Script { path: path.to_owned(), environment, timeout: place.script_timeout };
        let run = async {
            let _place = self.context.scripts.acquire().await;
            script::run(&script).await.map(drop).map_err(|error| error.to_string())
        };
        let keep = async {
            let mut pace = time::interval(place.lease / 3);
            loop {
                pace.tick().await;
                self.context.netlink.renew(place.interface_index, &[address.0], place.lease).await;
            }
        };
        tokio::select! {
            result = run => result,
            () = keep => Ok(()),
        }
    }

    fn count_running(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.context.figures.actions_running.fetch_add(count, Ordering::Relaxed);
    }

    /// Frees the addresses first: the node may have the next action ready at once.
    fn finish(&self, ended: impl IntoIterator<Item = (Ticket, ServiceAddress, Result<(), String>)>) {
        self.context.moved.send_replace(());
        let ended: Vec<_> = ended.into_iter().collect();
        let keys = ended.iter().map(|(_, address, _)| (self.group.clone(), *address));
        let _ = self.end.send(keys.collect());
        self.context.figures.actions_running.fetch_sub(u32::try_from(ended.len()).unwrap_or(0), Ordering::Relaxed);
        if !ended.is_empty() {
            self.context.mailbox.ended(ended.into_iter().map(|(ticket, _, result)| (ticket, result)).collect());
        }
    }
}

/// Begins the lease of what is configured anew. One that fails is tried again with the next renewal, two more times
/// before the lease ends.
async fn renew(context: &Context, group: &GroupName, addresses: &[ServiceAddress]) {
    let mut by_place: BTreeMap<(u32, std::time::Duration), Vec<IpAddr>> = BTreeMap::new();
    for (address, place) in context.places.of(group, addresses) {
        by_place.entry((place.interface_index, place.lease)).or_default().push(address.0);
    }
    // A lease that was changed by a reload counts from its next renewal.
    let lease = context.running.borrow().place(group).map(|place| place.lease);
    for ((index, acquired_with), addresses) in by_place {
        let failures = context.netlink.renew(index, &addresses, lease.unwrap_or(acquired_with)).await;
        if let Some((address, error)) = failures.first() {
            tracing::warn!(%group, %address, %error, failures = failures.len(), "leases can not be renewed");
        }
    }
}
