//! `[[test]]` and `[[load]]`: test objects and load objects (N-1, N-2).

use super::Entries;
use crate::config::fault::{Checked, Collector, Placed};
use crate::config::model::{Load, LoadSource, Probe, Test};
use crate::config::network_values::peer_address;
use crate::config::reader::Table;
use crate::config::values::{duration, integer, name, show, word};
use rais_core::address::{LoadName, TestName};
use rais_core::params::{LoadParams, TestParams};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Most test objects: each is a task with a schedule of its own.
pub(super) const MAX_TESTS: usize = 256;
/// Most load objects.
pub(super) const MAX_LOADS: usize = 64;
/// Below 100 ms a test is a load; above an hour it is no test.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const RUNS: RangeInclusive<u32> = 1..=100;
const DEFAULT_FALL: u32 = 3;
const DEFAULT_RISE: u32 = 2;

#[derive(Clone, Copy)]
enum TestType {
    TcpConnect,
}

const TEST_TYPES: &[(&str, TestType)] = &[("tcp-connect", TestType::TcpConnect)];
const LOAD_TYPES: &[(&str, LoadSource)] = &[("cpu", LoadSource::Cpu)];

/// `[[test]]` as the file has it.
pub(super) struct TestEntry {
    pub(super) name: Checked<Placed<TestName>>,
    kind: Checked<Placed<TestType>>,
    target: Checked<Placed<SocketAddr>>,
    interval: Checked<Duration>,
    timeout: Checked<Option<Placed<Duration>>>,
    fall: Checked<u32>,
    rise: Checked<u32>,
}

/// `[[load]]` as the file has it.
pub(super) struct LoadEntry {
    pub(super) name: Checked<Placed<LoadName>>,
    source: Checked<Placed<LoadSource>>,
    interval: Checked<Duration>,
}

impl TestEntry {
    pub(super) fn read(mut table: Table) -> Self {
        let entry = Self {
            name: table.required("name", name),
            kind: table.required("type", word(TEST_TYPES)),
            target: table.required("target", peer_address),
            interval: table.defaulted("interval", DEFAULT_INTERVAL, duration(INTERVAL)),
            timeout: table.optional("timeout", duration(TIMEOUT)),
            fall: table.defaulted("fall", DEFAULT_FALL, integer(RUNS, "")),
            rise: table.defaulted("rise", DEFAULT_RISE, integer(RUNS, "")),
        };
        table.finish();
        entry
    }

    fn build(&self, faults: &Collector) -> Checked<(TestName, Test)> {
        let interval = self.interval?;
        let timeout = match self.timeout.clone()? {
            None => interval,
            Some(timeout) if timeout.value <= interval => timeout.value,
            Some(Placed { value, place }) => {
                let message = format!("must be at most the interval ({}), is {}", show(interval), show(value));
                return Err(faults.report_whole(&place, message));
            }
        };
        let params = TestParams { interval, timeout, rise: self.rise?, fall: self.fall? };
        let probe = match self.kind.clone()?.value {
            TestType::TcpConnect => Probe::TcpConnect { target: self.target.clone()?.value },
        };
        Ok((self.name.clone()?.value, Test { params, probe }))
    }
}

impl LoadEntry {
    pub(super) fn read(mut table: Table) -> Self {
        let entry = Self {
            name: table.required("name", name),
            source: table.required("type", word(LOAD_TYPES)),
            interval: table.defaulted("interval", DEFAULT_INTERVAL, duration(INTERVAL)),
        };
        table.finish();
        entry
    }

    fn build(&self) -> Checked<(LoadName, Load)> {
        let load = Load { params: LoadParams { interval: self.interval? }, source: self.source.clone()?.value };
        Ok((self.name.clone()?.value, load))
    }
}

/// Builds the test objects.
pub(super) fn build_tests(entries: &Entries<TestEntry>, faults: &Collector) -> Checked<BTreeMap<TestName, Test>> {
    let built = super::all(entries.all.iter().map(|entry| entry.build(faults)).collect());
    entries.complete?;
    Ok(built?.into_iter().collect())
}

/// Builds the load objects.
pub(super) fn build_loads(entries: &Entries<LoadEntry>) -> Checked<BTreeMap<LoadName, Load>> {
    let built = super::all(entries.all.iter().map(LoadEntry::build).collect());
    entries.complete?;
    Ok(built?.into_iter().collect())
}
