//! Tells the node of other machines that claim addresses this box serves (RFC 5227 §2.4).

use super::executor::Context;
use crate::os::claims::{Claim, Claims};
use crate::os::netlink::{Link, MacAddress, mac_text};
use rais_core::address::{InterfaceName, ServiceAddress};
use rais_core::io::Input;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

/// Between two news of the same claim to the node: whoever answers for an address answers often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Claims remembered for that: a storm of them tells the node nothing new.
const MOST_CLAIMS: usize = 1024;
/// Addresses that move together are listened for together.
const GATHER: Duration = Duration::from_millis(20);
/// Before an interface is listened on again after it failed.
const REOPEN_AFTER: Duration = Duration::from_secs(10);

/// Listens on every service interface of the running configuration, for ever.
pub(super) async fn watch(context: Arc<Context>) {
    let mut running = context.running.clone();
    loop {
        let now = Arc::clone(&running.borrow_and_update());
        let interfaces = now.configuration.groups.values().map(|group| &group.service_interface);
        let links: BTreeMap<InterfaceName, Link> =
            interfaces.filter_map(|name| Some((name.clone(), now.links.get(name)?.clone()))).collect();
        // Whatever listened before ends with the set.
        let mut listeners = JoinSet::new();
        for (interface, link) in links {
            listeners.spawn(listen(Arc::clone(&context), interface, link));
        }
        if running.changed().await.is_err() {
            return;
        }
    }
}

async fn listen(context: Arc<Context>, interface: InterfaceName, link: Link) {
    // Without a hardware address there is no ARP.
    let Some(own) = link.mac else { return };
    loop {
        if let Err(error) = listen_until_broken(&context, &interface, &link, own).await {
            tracing::warn!(%interface, %error, "conflicts over addresses are not watched for");
        }
        time::sleep(REOPEN_AFTER).await;
    }
}

async fn listen_until_broken(
    context: &Context,
    interface: &InterfaceName,
    link: &Link,
    own: MacAddress,
) -> io::Result<()> {
    let mut claims = Claims::open(&link.name, link.index, own)?;
    let mut moved = context.moved.subscribe();
    let mut told: BTreeMap<Claim, Instant> = BTreeMap::new();
    loop {
        moved.mark_unchanged();
        claims.listen_for(context.places.on(link.index))?;
        let heard = tokio::select! {
            changed = moved.changed() => match changed {
                Ok(()) => {
                    time::sleep(GATHER).await;
                    continue;
                }
                Err(_) => return Ok(()),
            },
            heard = claims.next() => heard?,
        };
        told.retain(|_, at| at.elapsed() < TELL_EVERY);
        for claim in heard {
            if told.len() < MOST_CLAIMS && !told.contains_key(&claim) {
                told.insert(claim, Instant::now());
                let (address, mac) = (ServiceAddress(claim.address), mac_text(&claim.mac));
                context.mailbox.input(Input::Claimed { interface: interface.clone(), address, mac });
            }
        }
    }
}
