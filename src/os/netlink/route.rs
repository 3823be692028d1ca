//! Unicast routes of the main table.

use super::connection::Connection;
use super::{NetlinkError, ROUTE_MARK};
use nix::errno::Errno;
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route by way of a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination prefix.
    pub to: IpAddr,
    /// Its length; 0 is the default route.
    pub prefix_length: u8,
    /// Next hop, of the same family; `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// Kernel index of the link it leaves by.
    pub interface_index: u32,
    /// Lower wins.
    pub metric: u32,
    /// raisd put it there.
    pub ours: bool,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.to, self.prefix_length)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " metric {}", self.metric)
    }
}

/// All unicast routes of the main table that leave by one link.
pub(in crate::os) async fn list(connection: &mut Connection) -> Result<Vec<Route>, NetlinkError> {
    let mut routes = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        match connection.dump(RouteNetlinkMessage::GetRoute(message)).await {
            Ok(answers) => routes.extend(answers.iter().filter_map(|answer| match answer {
                RouteNetlinkMessage::NewRoute(message) => from_message(message),
                _ => None,
            })),
            // A kernel without IPv6 has no such routes.
            Err(NetlinkError::Socket(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(routes)
}

pub(super) fn from_message(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    let to = match header.address_family {
        AddressFamily::Inet => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    if header.kind != RouteType::Unicast || header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let ours = header.protocol == RouteProtocol::Other(ROUTE_MARK);
    let mut interface_index = None;
    let mut route =
        Route { to, prefix_length: header.destination_prefix_length, via: None, interface_index: 0, metric: 0, ours };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => route.to = IpAddr::from(*to),
            RouteAttribute::Destination(RouteAddress::Inet6(to)) => route.to = IpAddr::from(*to),
            RouteAttribute::Gateway(RouteAddress::Inet(via)) => route.via = Some(IpAddr::from(*via)),
            RouteAttribute::Gateway(RouteAddress::Inet6(via)) => route.via = Some(IpAddr::from(*via)),
            RouteAttribute::Oif(index) => interface_index = Some(*index),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            _ => {}
        }
    }
    route.interface_index = interface_index?;
    Some(route)
}

fn message(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = if route.to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = route.prefix_length;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Other(ROUTE_MARK);
    message.header.scope = if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Oif(route.interface_index));
    message.attributes.push(RouteAttribute::Priority(route.metric));
    if route.prefix_length > 0 {
        message.attributes.push(RouteAttribute::Destination(route.to.into()));
    }
    if let Some(via) = route.via {
        message.attributes.push(RouteAttribute::Gateway(via.into()));
    }
    message
}

/// Adds a route.
pub(in crate::os) async fn add(connection: &mut Connection, route: &Route) -> Result<(), NetlinkError> {
    let request = connection.handle().route().add(message(route));
    connection.request(|| format!("adding route {route}"), request.execute()).await
}

/// Puts a route in the place of the one to the same prefix with the same metric.
pub(in crate::os) async fn replace(connection: &mut Connection, route: &Route) -> Result<(), NetlinkError> {
    let request = connection.handle().route().add(message(route)).replace();
    connection.request(|| format!("replacing route {route}"), request.execute()).await
}

/// Removes a route; one that is not there any more is as good as removed.
pub(in crate::os) async fn remove(connection: &mut Connection, route: &Route) -> Result<(), NetlinkError> {
    let request = connection.handle().route().del(message(route));
    match connection.request(|| format!("removing route {route}"), request.execute()).await {
        Err(NetlinkError::Refused { errno: Errno::ESRCH, .. }) => Ok(()),
        result => result,
    }
}
