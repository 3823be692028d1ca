//! The kernels' and the clients' part: addresses with a lifetime, and who answers for them.

use crate::scenario::Micros;
use rais_core::address::ServiceAddress;
use std::collections::{BTreeMap, VecDeque};

/// Something to be done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Configure it, run the acquire script.
    Acquire,
    /// Run the release script, remove it.
    Release,
    /// Configure it again.
    Restore,
}

/// A piece of work with its ticket.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What.
    pub work: Work,
    /// Whose answer.
    pub ticket: rais_core::quantity::Ticket,
}

/// One box's addresses, and the work on them: in order for one address, in parallel otherwise.
#[derive(Debug, Default)]
pub struct Kernel {
    /// When each configured address runs out.
    leases: BTreeMap<ServiceAddress, Micros>,
    /// Work per address; the first is being done.
    pub jobs: BTreeMap<ServiceAddress, VecDeque<Job>>,
    /// Whether the script of a running job will fail.
    pub fails: BTreeMap<rais_core::quantity::Ticket, bool>,
}

impl Kernel {
    /// The kernel answers for this address.
    #[must_use]
    pub fn has(&self, address: ServiceAddress, now: Micros) -> bool {
        self.leases.get(&address).is_some_and(|until| now < *until)
    }

    /// Configures an address.
    pub fn add(&mut self, address: ServiceAddress, until: Micros) {
        self.leases.insert(address, until);
    }

    /// Prolongs the lifetime of an address that is still there.
    pub fn renew(&mut self, address: ServiceAddress, now: Micros, until: Micros) {
        if self.has(address, now) {
            self.leases.insert(address, until);
        }
    }

    /// Removes an address.
    pub fn remove(&mut self, address: ServiceAddress) {
        self.leases.remove(&address);
    }

    /// Drops what ran out while nobody renewed it, and says what that was.
    pub fn expire(&mut self, now: Micros) -> Vec<ServiceAddress> {
        self.leases.extract_if(.., |_, until| now >= *until).map(|(address, _)| address).collect()
    }

    /// What is configured.
    pub fn addresses(&self, now: Micros) -> impl Iterator<Item = ServiceAddress> + '_ {
        self.leases.iter().filter(move |(_, until)| now < **until).map(|(address, _)| *address)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.leases.clear();
        self.jobs.clear();
    }
}
