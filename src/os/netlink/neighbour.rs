//! Who is where on a link: the kernel's neighbour table, asked for the few who are to be told in person (G-61).

use super::connection::Connection;
use super::{MacAddress, Netlink, NetlinkError};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Netlink {
    /// Has the kernel find out where neighbours on a link are, and returns those it knows by now. Ask again for the
    /// others: a neighbour answers within a millisecond or not at all.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`]. That the kernel will not look for one is no error: it is not known.
    pub async fn locate(
        &self,
        interface_index: u32,
        neighbours: &[IpAddr],
    ) -> Result<BTreeMap<IpAddr, MacAddress>, NetlinkError> {
        let neighbours = neighbours.to_vec();
        self.with_connection(async move |kernel| locate(kernel, interface_index, &neighbours).await).await
    }
}

async fn locate(
    kernel: &mut Connection,
    index: u32,
    neighbours: &[IpAddr],
) -> Result<BTreeMap<IpAddr, MacAddress>, NetlinkError> {
    let answers = kernel.dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default())).await?;
    let known: BTreeMap<IpAddr, MacAddress> = answers
        .iter()
        .filter_map(|answer| if let RouteNetlinkMessage::NewNeighbour(message) = answer { Some(message) } else { None })
        .filter(|message| message.header.ifindex == index)
        .filter_map(from_message)
        .filter(|(address, _)| neighbours.contains(address))
        .collect();
    for address in neighbours {
        // Also those that are known: one that was not heard of for a while is asked whether it is still there.
        let used = kernel.handle().neighbours().add(index, *address).flags(NeighbourFlags::Use);
        let used = used.state(NeighbourState::None).replace();
        let _ = kernel.request(|| format!("looking for {address}"), used.execute()).await;
    }
    Ok(known)
}

fn from_message(message: &NeighbourMessage) -> Option<(IpAddr, MacAddress)> {
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => address = Some(IpAddr::from(*found)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => address = Some(IpAddr::from(*found)),
            NeighbourAttribute::LinkLayerAddress(octets) => mac = MacAddress::try_from(octets.as_slice()).ok(),
            _ => {}
        }
    }
    Some((address?, mac?))
}
