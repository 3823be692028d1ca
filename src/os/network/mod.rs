//! The box's own network: what the configuration wants against what the kernel has, and the difference carried out
//!
//!
//! It is told what is wanted in plain values. What raisd put into the kernel carries a mark and is removed when it is
//! wanted no more; what others put there is never changed, and counts as present if it is what is wanted.

mod plan;
mod sysctl;

use crate::os::netlink::connection::Connection;
use crate::os::netlink::{Link, Netlink, NetlinkError, Route, Selector, address, link, route};
use plan::{Present, Step};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use thiserror::Error;

/// The network a box should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its interfaces.
    pub interfaces: Vec<WantedInterface>,
    /// Its static routes.
    pub routes: Vec<WantedRoute>,
    /// It forwards IPv4 between its interfaces.
    pub forward_ipv4: bool,
    /// It forwards IPv6 between its interfaces.
    pub forward_ipv6: bool,
}

/// One interface: up, with these addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedInterface {
    /// The configuration's name for it.
    pub name: String,
    /// Which NIC it is.
    pub selector: Selector,
    /// Octets; `None`: as the kernel has it.
    pub mtu: Option<u32>,
    /// The box's own addresses and the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// One static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRoute {
    /// Destination prefix and its length.
    pub to: (IpAddr, u8),
    /// Next hop, of the same family.
    pub via: IpAddr,
    /// The configuration's name of the interface it leaves by.
    pub interface: String,
    /// Lower wins; at least 1.
    pub metric: u32,
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface was set up.
    LinkUp {
        /// The configuration's name.
        interface: String,
    },
    /// An interface's MTU was set.
    Mtu {
        /// The configuration's name.
        interface: String,
        /// Octets before.
        from: u32,
        /// Octets now.
        to: u32,
    },
    /// A kernel setting was written.
    Setting {
        /// Its path below `/proc/sys`.
        path: String,
        /// Its value before.
        from: String,
        /// Its value now.
        to: String,
    },
    /// One of the box's own addresses was added.
    AddressAdded {
        /// The configuration's name.
        interface: String,
        /// The address.
        address: IpAddr,
        /// Length of its prefix.
        prefix_length: u8,
    },
    /// An address that raisd had added was removed.
    AddressRemoved {
        /// The kernel's name of the interface: the configuration may not know it any more.
        interface: String,
        /// The address.
        address: IpAddr,
        /// Length of its prefix.
        prefix_length: u8,
    },
    /// A route was added.
    RouteAdded(Route),
    /// A route took the place of one of raisd's.
    RouteReplaced(Route),
    /// A route that raisd had added was removed.
    RouteRemoved(Route),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkUp { interface } => write!(f, "{interface}: set up"),
            Self::Mtu { interface, from, to } => write!(f, "{interface}: MTU {from} → {to}"),
            Self::Setting { path, from, to } => write!(f, "{path}: {from} → {to}"),
            Self::AddressAdded { interface, address, prefix_length } => {
                write!(f, "{interface}: {address}/{prefix_length} added")
            }
            Self::AddressRemoved { interface, address, prefix_length } => {
                write!(f, "{interface}: {address}/{prefix_length} removed")
            }
            Self::RouteAdded(route) => write!(f, "route {route} added"),
            Self::RouteReplaced(route) => write!(f, "route {route} replaced"),
            Self::RouteRemoved(route) => write!(f, "route {route} removed"),
        }
    }
}

/// Something that is not as wanted. Everything else was carried out.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// The NIC of an interface is not there, or not the only one. Nothing was done for this interface and its routes.
    #[error("interface {interface}: {source}")]
    Interface {
        /// The configuration's name.
        interface: String,
        /// Why.
        #[source]
        source: NetlinkError,
    },
    /// A route leaves by an interface that the configuration does not define, or whose NIC is missing.
    #[error("route to {to}/{prefix_length}: interface {interface} is not there")]
    RouteInterface {
        /// Destination prefix.
        to: IpAddr,
        /// Its length.
        prefix_length: u8,
        /// The configuration's name.
        interface: String,
    },
    /// The kernel has no such setting, or refuses the value: no IPv6, or no right to write it.
    #[error("setting {path} to {value}: {source}")]
    Setting {
        /// Its path below `/proc/sys`.
        path: String,
        /// The value.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused one change.
    #[error("not done: {change}: {source}")]
    Step {
        /// The change that was not made.
        change: Box<Change>,
        /// Why.
        #[source]
        source: NetlinkError,
    },
    /// The kernel does not tell what is there. Nothing was done.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Applied {
    /// The NICs found, by the configuration's names, as they were before.
    pub interfaces: BTreeMap<String, Link>,
    /// What was changed, in order; empty: everything was as wanted.
    pub changes: Vec<Change>,
    /// What could not be done.
    pub errors: Vec<NetworkError>,
}

/// Makes the kernel's network what is `wanted`: changes the difference and nothing else. Called again, it changes
/// nothing.
pub async fn apply(netlink: &Netlink, wanted: Wanted) -> Applied {
    let applied = netlink.with_connection(async move |kernel| apply_now(kernel, &wanted).await).await;
    applied.unwrap_or_else(|error| Applied { errors: vec![error.into()], ..Applied::default() })
}

/// Puts back what of the box's own addresses and routes is gone from links that are up, and changes nothing else: a link
/// that somebody set down stays down.
pub async fn repair(netlink: &Netlink, wanted: Wanted) -> Applied {
    let applied = netlink.with_connection(async move |kernel| repair_now(kernel, &wanted).await).await;
    applied.unwrap_or_else(|error| Applied { errors: vec![error.into()], ..Applied::default() })
}

async fn repair_now(kernel: &mut Connection, wanted: &Wanted) -> Result<Applied, NetlinkError> {
    let present = Present::list(kernel).await?;
    let (interfaces, _) = plan::find_links(wanted, &present.links);
    let mut applied = Applied { interfaces, ..Applied::default() };
    let (steps, _) = plan::steps(wanted, &applied.interfaces, &present);
    applied.carry_out(kernel, plan::repairs(steps, &present.links)).await;
    Ok(applied)
}

async fn apply_now(kernel: &mut Connection, wanted: &Wanted) -> Result<Applied, NetlinkError> {
    let present = Present::list(kernel).await?;
    let (interfaces, errors) = plan::find_links(wanted, &present.links);
    let mut applied = Applied { interfaces, errors, changes: Vec::new() };
    for setting in sysctl::wanted(wanted, &applied.interfaces) {
        match sysctl::apply(Path::new("/proc/sys"), &setting) {
            Ok(change) => applied.changes.extend(change),
            Err(error) => applied.errors.push(error),
        }
    }
    let (steps, errors) = plan::steps(wanted, &applied.interfaces, &present);
    applied.errors.extend(errors);
    applied.carry_out(kernel, steps).await;
    Ok(applied)
}

impl Present {
    async fn list(kernel: &mut Connection) -> Result<Self, NetlinkError> {
        let links = link::list(kernel).await?;
        Ok(Self { links, addresses: address::list(kernel).await?, routes: route::list(kernel).await? })
    }
}

impl Applied {
    async fn carry_out(&mut self, kernel: &mut Connection, steps: Vec<Step>) {
        for Step { index, change } in steps {
            match take(kernel, index, &change).await {
                Ok(()) => self.changes.push(change),
                Err(source) => self.errors.push(NetworkError::Step { change: Box::new(change), source }),
            }
        }
    }
}

async fn take(kernel: &mut Connection, index: u32, change: &Change) -> Result<(), NetlinkError> {
    match change {
        Change::LinkUp { .. } => link::set_up(kernel, index).await,
        Change::Mtu { to, .. } => link::set_mtu(kernel, index, *to).await,
        Change::AddressAdded { address, prefix_length, .. } => {
            address::add(kernel, index, *address, *prefix_length).await
        }
        Change::AddressRemoved { address, prefix_length, .. } => {
            address::remove(kernel, index, *address, *prefix_length).await
        }
        Change::RouteAdded(route) => route::add(kernel, route).await,
        Change::RouteReplaced(route) => route::replace(kernel, route).await,
        Change::RouteRemoved(route) => route::remove(kernel, route).await,
        // Written before the steps, never one of them.
        Change::Setting { .. } => Ok(()),
    }
}
