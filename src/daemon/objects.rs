//! Test and load objects: one run or sample when the node asks for it (N-1, N-2). Schedules, rise and fall are the node's.

use super::event_loop::{Mailbox, News};
use super::running::Running;
use crate::config::model::{LoadSource, Probe};
use crate::os::clock;
use crate::os::echo::echo;
use crate::os::load::CpuLoad;
use crate::os::probe;
use rais_core::address::{GroupName, LoadName, TestName};
use rais_core::io::Input;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Runs tests and takes samples.
#[derive(Debug)]
pub(super) struct Objects {
    running: watch::Receiver<Arc<Running>>,
    mailbox: Mailbox,
    /// A load is measured between two samples, so each load object remembers its last. Those of objects that a reload
    /// removed stay: there are few, and the object may come back.
    loads: Mutex<BTreeMap<LoadName, CpuLoad>>,
}

impl Objects {
    /// Objects none of which ran yet.
    #[must_use]
    pub(super) fn new(running: watch::Receiver<Arc<Running>>, mailbox: Mailbox) -> Self {
        Self { running, mailbox, loads: Mutex::default() }
    }

    /// Begins a run of a test; its result goes to the node.
    pub(super) fn test(&self, test: TestName) {
        let probe = self.running.borrow().configuration.tests.get(&test).map(|t| (t.probe.clone(), t.params.timeout));
        let mailbox = self.mailbox.clone();
        // A test that a reload removed meanwhile: the node does not wait for it any more.
        let Some((probe, timeout)) = probe else { return };
        tokio::spawn(async move {
            let begun = clock::now();
            let result = match probe {
                Probe::TcpConnect { target } => probe::tcp_connect(target, timeout).await,
            };
            mailbox.send(News::Took(test.clone(), clock::now().since(begun)));
            mailbox.input(Input::Tested { test, result });
        });
    }

    /// Asks a witness for a sign of life; the result goes to the node.
    pub(super) fn witness(&self, group: GroupName, witness: IpAddr, timeout: Duration) {
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let result = echo(witness, timeout).await;
            mailbox.input(Input::Witnessed { group, witness, result });
        });
    }

    /// Takes a sample of a load object; its result goes to the node.
    pub(super) fn sample(&self, load: LoadName) {
        let source = self.running.borrow().configuration.loads.get(&load).map(|load| load.source);
        let result = match source {
            Some(LoadSource::Cpu) => self.sample_cpu(&load),
            None => return,
        };
        self.mailbox.input(Input::Sampled { load, result });
    }

    fn sample_cpu(&self, load: &LoadName) -> Result<(u32, u32), String> {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let words = |error: crate::os::load::LoadError| error.to_string();
        match loads.get_mut(load) {
            Some(known) => known.sample().map_err(words),
            None => {
                let mut fresh = CpuLoad::start().map_err(words)?;
                let figures = fresh.sample().map_err(words);
                loads.insert(load.clone(), fresh);
                figures
            }
        }
    }
}
