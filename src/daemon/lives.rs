//! Gives this box a greater incarnation when its peers know one that is not before its own: its start counter was lost
//! (G-1). It is on disk before the node has it.

use super::event_loop::Mailbox;
use crate::os::store::{Origin, Start, Store};
use crate::os::{clock, random};
use rais_core::io::Input;
use rais_core::quantity::Incarnation;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// By how much a life's number is to differ from one that would follow from what is known, which may be too little: less
/// than a day in seconds, so that a clock, once it is set, is still beyond it.
pub(super) fn chance() -> u64 {
    random::octets().map_or(0, |octets: [u8; 2]| u64::from(u16::from_be_bytes(octets)))
}

/// Serves for ever. `lives` holds the present incarnation, for those who speak in its name.
pub(super) async fn keep(
    store: Store,
    mut outlived: UnboundedReceiver<Incarnation>,
    lives: watch::Sender<Incarnation>,
    mailbox: Mailbox,
) {
    while let Some(known) = outlived.recv().await {
        let present = *lives.borrow();
        if known < present {
            continue; // Another group said so before.
        }
        let store = store.clone();
        // Peers may have missed lives after the one they know: none of those is to be repeated.
        let known_or_missed = known.0.max(present.0).saturating_add(chance());
        let begin = move || store.incarnation_after(known_or_missed, clock::unix_ms() / 1000);
        let Ok(Start { incarnation, origin }) = tokio::task::spawn_blocking(begin).await else { return };
        if let Origin::NotStored(error) = origin {
            tracing::error!(%error, "the start counter can not be stored: repair it before the next start");
        }
        tracing::warn!(%present, %known, incarnation, "peers know a later life of this box: its start counter was lost");
        let incarnation = Incarnation(incarnation);
        lives.send_replace(incarnation);
        mailbox.input(Input::Outlived { incarnation });
    }
}
