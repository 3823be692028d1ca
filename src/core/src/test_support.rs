//! Short words for the unit tests.

use crate::address::{GroupName, HostName, IdAddress, InterfaceName, ServiceAddress};
use crate::operator::StandingOrders;
use crate::params::{BoxParams, Choice, Control, Failback, GroupParams, Partition};
use crate::quantity::{Generation, Incarnation, Utilisation};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;
use alloc::format;
use core::net::{IpAddr, Ipv4Addr};

pub(crate) fn id(n: u8) -> IdAddress {
    IdAddress(IpAddr::V4(Ipv4Addr::new(10, 1, 0, n)))
}

pub(crate) fn address(n: u8) -> ServiceAddress {
    ServiceAddress(IpAddr::V4(Ipv4Addr::new(10, 9, 0, n)))
}

pub(crate) fn ms(n: u64) -> Instant {
    Instant::from_micros(n * 1000)
}

pub(crate) fn secs(n: u64) -> Instant {
    ms(n * 1000)
}

pub(crate) fn group_name() -> GroupName {
    GroupName::new("http").unwrap()
}

pub(crate) fn control() -> InterfaceName {
    InterfaceName::new("control").unwrap()
}

pub(crate) fn lan() -> InterfaceName {
    InterfaceName::new("lan").unwrap()
}

pub(crate) fn group_params(n: u8, preferred: &[u8], pool: &[u8]) -> GroupParams {
    GroupParams {
        id: id(n),
        control: [Control { interface: control(), address: id(n).0 }].into(),
        service_interface: lan(),
        digest: 1,
        preferred_addresses: preferred.iter().map(|n| address(*n)).collect(),
        pool_addresses: pool.iter().map(|n| address(*n)).collect(),
        beat: Duration::from_millis(100),
        dead_after: Duration::from_millis(300),
        action_timeout: Duration::from_secs(10),
        lease: Duration::from_secs(3),
        announce_every: None,
        announce_again: alloc::vec![Duration::from_millis(100), Duration::from_millis(500)],
        orphan_timeout: None,
        damping: Some(Duration::from_secs(60)),
        failback: Failback::Immediate,
        choice: Choice::Balanced,
        high_water_mark: Utilisation(800),
        low_water_mark: Utilisation(600),
        tests: [].into(),
        load: None,
        partition: Partition::Serve,
        load_moves: None,
    }
}

/// Box `n` in one group.
pub(crate) fn box_params(n: u8, preferred: &[u8], pool: &[u8]) -> BoxParams {
    BoxParams {
        name: HostName::new(&format!("box-{n}")).unwrap(),
        incarnation: Incarnation(1),
        incarnation_is_guessed: false,
        generation: Generation(1),
        groups: BTreeMap::from([(group_name(), group_params(n, preferred, pool))]),
        tests: BTreeMap::new(),
        loads: BTreeMap::new(),
        orders: StandingOrders::default(),
    }
}
