//! Watches the NICs: whether each service interface has a carrier goes to the node (G-11), and to operators it is told when
//! one of the configured interfaces comes up or goes down. A NIC that comes back under another index is put to work again.
//! The surveyor and the repairer hear everything.

use super::event_loop::Mailbox;
use super::notifier::Teller;
use super::reload::Reloader;
use super::running::{Running, selector};
use crate::os::netlink::{Event, Events, Link, Netlink, NetlinkError};
use rais_core::address::InterfaceName;
use rais_core::io::Input;
use rais_core::notification::Notification;
use rais_core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time;

/// Before the stream of events is opened again after it broke.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// Watches for ever.
pub(super) async fn watch(
    mut running: watch::Receiver<Arc<Running>>,
    netlink: Netlink,
    mailbox: Mailbox,
    listeners: [UnboundedSender<Event>; 2],
    teller: Teller,
    reloader: Reloader,
) {
    let mut carriers = Carriers { known: BTreeMap::new(), told: BTreeMap::new(), mailbox, listeners, teller };
    loop {
        let Err(error) = follow(&mut running, &netlink, &mut carriers, &reloader).await else { return };
        tracing::warn!(%error, "carriers are not watched for a moment");
        time::sleep(REOPEN_AFTER).await;
    }
}

/// What the node was told.
#[derive(Debug)]
struct Carriers {
    known: BTreeMap<InterfaceName, bool>,
    /// What operators were told, of every configured interface.
    told: BTreeMap<InterfaceName, bool>,
    mailbox: Mailbox,
    listeners: [UnboundedSender<Event>; 2],
    teller: Teller,
}

async fn follow(
    running: &mut watch::Receiver<Arc<Running>>,
    netlink: &Netlink,
    carriers: &mut Carriers,
    reloader: &Reloader,
) -> Result<(), NetlinkError> {
    // Opened before listing: nothing is missed in between.
    let mut events = Events::open()?;
    let mut list = true;
    // What happened meanwhile nobody heard.
    carriers.pass_on(Event::Overrun);
    loop {
        if std::mem::take(&mut list) {
            let running = Arc::clone(&running.borrow_and_update());
            let links = netlink.links().await?;
            for (interface, link) in &running.links {
                let now = links.iter().find(|now| now.index == link.index);
                carriers.notify(
                    interface,
                    link.index,
                    now.is_some_and(|now| now.carrier),
                    now.is_some_and(|now| now.up),
                );
            }
            carriers.told.retain(|interface, _| running.links.contains_key(interface));
            for (interface, index) in service_interfaces(&running) {
                let link = links.iter().find(|link| link.index == index);
                carriers.tell(interface, link.is_some_and(|link| link.carrier));
            }
        }
        tokio::select! {
            changed = running.changed() => match changed {
                Ok(()) => list = true,
                Err(_) => return Ok(()),
            },
            event = events.next() => match carriers.pass_on(event?) {
                Event::Link(link) => {
                    let now = Arc::clone(&running.borrow());
                    carriers.link(&now, &link, link.carrier);
                    if stands_in(&now, netlink, link.index).await {
                        reloader.renew();
                    }
                }
                Event::LinkGone(link) => carriers.link(&running.borrow(), &link, false),
                Event::Overrun => list = true,
                Event::AddressGone(_) | Event::RouteGone(_) => {}
            },
        }
    }
}

/// The link with this index is a NIC of the configuration that is not known by it: the one that was known is gone.
async fn stands_in(running: &Running, netlink: &Netlink, index: u32) -> bool {
    if running.links.values().any(|link| link.index == index) {
        return false;
    }
    for interface in running.configuration.interfaces.values() {
        let found = netlink.find_link(selector(&interface.selector)).await;
        if found.is_ok_and(|link| link.index == index) {
            return true;
        }
    }
    false
}

impl Carriers {
    fn pass_on(&self, event: Event) -> Event {
        for listener in &self.listeners {
            let _ = listener.send(event.clone());
        }
        event
    }

    fn link(&mut self, running: &Running, link: &Link, up: bool) {
        for (interface, configured) in running.links.iter().filter(|(_, configured)| configured.index == link.index) {
            self.notify(interface, configured.index, up, link.up);
        }
        for (interface, index) in service_interfaces(running) {
            if index == link.index {
                self.tell(interface, up);
            }
        }
    }

    /// linkUp and linkDown (RFC 2863 §5); how it is when the watch begins is no change.
    fn notify(&mut self, interface: &InterfaceName, index: u32, up: bool, admin_up: bool) {
        if self.told.insert(interface.clone(), up).is_some_and(|before| before != up) {
            let interface = interface.clone();
            self.teller.tell(match up {
                true => Notification::LinkUp { interface, index, admin_up },
                false => Notification::LinkDown { interface, index, admin_up },
            });
        }
    }

    fn tell(&mut self, interface: InterfaceName, up: bool) {
        if self.known.insert(interface.clone(), up) != Some(up) {
            tracing::info!(%interface, carrier = up, "carrier");
            self.mailbox.input(Input::Carrier { interface, up });
        }
    }
}

fn service_interfaces(running: &Running) -> BTreeMap<InterfaceName, u32> {
    let groups = running.configuration.groups.values();
    let found = groups.filter_map(|group| {
        let link = running.links.get(&group.service_interface)?;
        Some((group.service_interface.clone(), link.index))
    });
    found.collect()
}
