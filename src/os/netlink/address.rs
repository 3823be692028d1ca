//! Addresses as the kernel has them, and the requests that add and remove them.

use super::connection::Connection;
use super::{BOX_MARK, NetlinkError, SERVICE_MARK};
use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Who put an address where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// raisd, as a service address.
    Service,
    /// raisd, as the box's own.
    Box,
    /// Somebody else, or the kernel.
    Other,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link.
    pub interface_index: u32,
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_length: u8,
    /// Who put it there.
    pub owner: Owner,
    /// What is left of its life, to the second; `None`: it has no end.
    pub lifetime: Option<Duration>,
}

/// A value of a lifetime that means for ever.
const FOR_EVER: u32 = u32::MAX;

/// All addresses of all links, in the kernel's order.
pub(in crate::os) async fn list(connection: &mut Connection) -> Result<Vec<Address>, NetlinkError> {
    let answers = connection.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default())).await?;
    let addresses = answers.iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewAddress(message) => from_message(message),
        _ => None,
    });
    Ok(addresses.collect())
}

/// An address as a message describes it; `None` if it is of a family without addresses of ours.
pub(super) fn from_message(message: &AddressMessage) -> Option<Address> {
    let (mut address, mut local, mut owner, mut lifetime) = (None, None, Owner::Other, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Protocol(AddressProtocol::Other(SERVICE_MARK)) => owner = Owner::Service,
            AddressAttribute::Protocol(AddressProtocol::Other(BOX_MARK)) => owner = Owner::Box,
            AddressAttribute::CacheInfo(info) if info.ifa_valid != FOR_EVER => {
                lifetime = Some(Duration::from_secs(info.ifa_valid.into()));
            }
            _ => {}
        }
    }
    Some(Address {
        interface_index: message.header.index,
        // On a point-to-point link IFA_ADDRESS is the peer's.
        address: local.or(address)?,
        prefix_length: message.header.prefix_len,
        owner,
        lifetime,
    })
}

/// How an address is to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The box's own: for ever, with the route to its prefix.
    Box,
    /// A service address with this lease.
    Service(Duration),
    /// One that has moved to another box, still answered for to those who have not heard of it, for so long.
    Lingering(Duration),
}

/// The message that describes an address to be added.
pub(super) fn addition(interface_index: u32, address: IpAddr, prefix_length: u8, kind: Kind) -> AddressMessage {
    let mut message = naming(interface_index, address, prefix_length);
    message.attributes.extend(attributes(address, kind));
    if let (Kind::Lingering(_), true) = (kind, address.is_ipv4()) {
        message.header.scope = AddressScope::Host;
    }
    message
}

/// The message that names an address.
pub(super) fn naming(interface_index: u32, address: IpAddr, prefix_length: u8) -> AddressMessage {
    match address {
        IpAddr::V4(address) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(interface_index).address(address, prefix_length).build()
        }
        IpAddr::V6(address) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(interface_index).address(address, prefix_length).build()
        }
    }
}

/// What rtnetlink does not say of an address by itself.
fn attributes(address: IpAddr, kind: Kind) -> [AddressAttribute; 3] {
    // No duplicate address detection: it would take a second in which the address is dead and beats can not be sent,
    // and a service address moves while its last server may still have it. Who has it is settled by the group.
    let mut flags = AddressFlags::Nodad;
    let mut life = CacheInfo::default();
    let mark = match kind {
        Kind::Box => {
            (life.ifa_valid, life.ifa_preferred) = (FOR_EVER, FOR_EVER);
            BOX_MARK
        }
        Kind::Service(lease) | Kind::Lingering(lease) => {
            flags |= AddressFlags::Noprefixroute;
            life.ifa_valid = lease_seconds(lease);
            // IPv6 would choose the longest match as the source of a new connection, which may be a service address;
            // one that is not preferred it does not choose. IPv4 has no such choice to make.
            life.ifa_preferred = if address.is_ipv4() { life.ifa_valid } else { 0 };
            SERVICE_MARK
        }
    };
    [
        AddressAttribute::Flags(flags),
        AddressAttribute::CacheInfo(life),
        AddressAttribute::Protocol(AddressProtocol::Other(mark)),
    ]
}

/// A lease in the kernel's unit: whole seconds, rounded up, at least one.
fn lease_seconds(lease: Duration) -> u32 {
    let seconds = lease.as_secs().saturating_add(u64::from(lease.subsec_nanos() > 0)).max(1);
    u32::try_from(seconds).unwrap_or(FOR_EVER - 1).min(FOR_EVER - 1)
}

/// Adds one of the box's own addresses.
pub(in crate::os) async fn add(
    connection: &mut Connection,
    interface_index: u32,
    address: IpAddr,
    prefix_length: u8,
) -> Result<(), NetlinkError> {
    let mut request = connection.handle().address().add(interface_index, address, prefix_length);
    request.message_mut().attributes.extend(attributes(address, Kind::Box));
    connection.request(|| format!("adding {address}/{prefix_length}"), request.execute()).await
}

/// Removes one of the box's own addresses.
pub(in crate::os) async fn remove(
    connection: &mut Connection,
    interface_index: u32,
    address: IpAddr,
    prefix_length: u8,
) -> Result<(), NetlinkError> {
    let request = connection.handle().address().del(naming(interface_index, address, prefix_length));
    connection.request(|| format!("removing {address}/{prefix_length}"), request.execute()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_rounded_up_to_whole_seconds_and_never_endless() {
        let rows = [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (3000, 3), (u64::MAX, u32::MAX - 1)];
        for (millis, seconds) in rows {
            assert_eq!(lease_seconds(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }

    #[test]
    fn what_is_sent_is_recognised_as_ours_when_it_comes_back() {
        let lease = Duration::from_secs(3);
        let message = |ip, length, kind| {
            let mut message = naming(7, ip, length);
            message.attributes.extend(attributes(ip, kind));
            message
        };
        for (text, length) in [("10.9.0.101", 32), ("fd00:9::101", 128)] {
            let ip = text.parse().unwrap();
            let service = from_message(&message(ip, length, Kind::Service(lease))).unwrap();
            let expected = Address {
                interface_index: 7,
                address: ip,
                prefix_length: length,
                owner: Owner::Service,
                lifetime: Some(lease),
            };
            assert_eq!(service, expected);
            let own = from_message(&message(ip, length, Kind::Box)).unwrap();
            assert_eq!((own.owner, own.lifetime), (Owner::Box, None));
        }
    }
}
