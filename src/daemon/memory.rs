//! Remembers what an operator ordered, for the daemon's next life: the file `operator` of the state directory.
//!
//! A box that was quiesced for the night must be found quiesced after a crash. The event loop only leaves word here; a
//! task writes, and tells whoever ordered when it is on disk. A disk that fails is tried again: the order is in force
//! meanwhile, and who gave it is told that it is not kept.
//!
//! A file that can not be read is taken for one without orders, loudly. Most boxes are never quiesced, so that is most
//! likely right, and if it is wrong, people see the box take addresses, which only a box does whose tests pass, and order
//! it again. The other guess would have boxes with bad disks serve nothing until somebody comes: with two of them an
//! outage, made of a damaged file.

use crate::os::store::Store;
use rais_core::operator::StandingOrders;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time;

/// The file.
const NAME: &str = "operator";
/// The longest that raisd writes: 64 groups, each with a name of 32 octets and a few words.
const MAX_OCTETS: u64 = 64 * 1024;
/// Before a disk that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// A disk that takes longer has failed, for who waits.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// What became of the orders before: `Err` says why they are not on disk.
type Kept = Result<(), String>;

#[derive(Debug)]
enum Request {
    Remember(StandingOrders),
    IsKept(oneshot::Sender<Kept>),
}

/// Takes what is to be remembered. Never blocks.
#[derive(Clone, Debug)]
pub(super) struct Memory(UnboundedSender<Request>);

/// What an earlier life left.
#[must_use]
pub(super) fn recall(store: &Store) -> StandingOrders {
    let content = match store.read(NAME, MAX_OCTETS) {
        Ok(Some(content)) => content,
        Ok(None) => return StandingOrders::default(),
        Err(error) => {
            tracing::error!(%error, "what an operator ordered is not known: this box serves, quiesced or not before");
            return StandingOrders::default();
        }
    };
    match serde_json::from_slice(&content) {
        Ok(orders) => {
            if orders != StandingOrders::default() {
                tracing::warn!(?orders, "what an operator ordered in an earlier life holds");
            }
            orders
        }
        Err(error) => {
            let path = store.path(NAME);
            tracing::error!(path = %path.display(), %error, "damaged: this box serves, quiesced or not before");
            StandingOrders::default()
        }
    }
}

impl Memory {
    /// Starts the task that writes, on a runtime.
    pub(super) fn start(store: Store) -> Self {
        Self::start_trying_again(store, AGAIN)
    }

    fn start_trying_again(store: Store, pause: Duration) -> Self {
        let (sender, requests) = unbounded_channel();
        tokio::spawn(keep(store, requests, pause));
        Self(sender)
    }

    /// Has these orders kept, in the place of all before.
    pub(super) fn remember(&self, orders: StandingOrders) {
        let _ = self.0.send(Request::Remember(orders));
    }

    /// Waits until all that was to be remembered before is on disk.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub(super) async fn kept(&self) -> Kept {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Request::IsKept(answer));
        let late = |_| String::from("the disk takes its time");
        time::timeout(KEPT_WITHIN, answered)
            .await
            .map_err(late)?
            .unwrap_or_else(|_| Err(String::from("raisd is stopping")))
    }
}

async fn keep(store: Store, mut requests: UnboundedReceiver<Request>, pause: Duration) {
    let (mut unwritten, mut outcome) = (None, Ok(()));
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = time::sleep(pause), if unwritten.is_some() => {
                outcome = write(&store, &mut unwritten).await;
                continue;
            }
        };
        match request {
            Some(Request::Remember(orders)) => {
                unwritten = Some(orders);
                outcome = write(&store, &mut unwritten).await;
            }
            Some(Request::IsKept(answer)) => drop(answer.send(outcome.clone())),
            None => return,
        }
    }
}

async fn write(store: &Store, unwritten: &mut Option<StandingOrders>) -> Kept {
    let Some(orders) = unwritten.clone() else { return Ok(()) };
    let store = store.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut text = serde_json::to_vec(&orders).map_err(|error| error.to_string())?;
        text.push(b'\n');
        store.write(NAME, &text).map_err(|error| error.to_string())
    });
    let written = written.await.unwrap_or_else(|error| Err(error.to_string()));
    match &written {
        Ok(()) => *unwritten = None,
        Err(error) => tracing::error!(error, "what an operator ordered would be forgotten with a restart"),
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::operator::Intent;

    fn quiesced() -> StandingOrders {
        let groups = [("http".parse().unwrap(), Intent::Draining)].into();
        StandingOrders { everywhere: Intent::Quiesced, groups, ..StandingOrders::default() }
    }

    #[tokio::test]
    async fn what_was_ordered_last_is_recalled_and_is_on_disk_when_it_is_said_to_be() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(recall(&store), StandingOrders::default());
        let memory = Memory::start(store.clone());
        for orders in [quiesced(), StandingOrders::default(), quiesced()] {
            memory.remember(orders.clone());
            assert_eq!(memory.kept().await, Ok(()));
            assert_eq!(recall(&store), orders);
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told_to_who_ordered_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        // A directory in the way of the temporary file: an error that root gets too.
        let in_the_way = store.path("operator.tmp");
        std::fs::create_dir(&in_the_way).unwrap();
        let memory = Memory::start_trying_again(store.clone(), Duration::from_millis(1));
        memory.remember(quiesced());
        let error = memory.kept().await.unwrap_err();
        assert!(error.contains("operator"), "{error}");
        std::fs::remove_dir(&in_the_way).unwrap();
        // It is asked until it has tried again, by itself.
        while memory.kept().await.is_err() {
            time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(recall(&store), quiesced());
    }

    #[test]
    fn a_file_that_can_not_be_read_holds_no_orders_and_one_of_a_newer_release_those_that_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let newer = br#"{"everywhere":"quiesced","groups":{"http":"draining"},"more":1}"#;
        let nothing = StandingOrders::default();
        let table: [(&[u8], StandingOrders); 5] = [
            (b"", nothing.clone()),
            (b"rubbish", nothing.clone()),
            (br#"{"everywhere":"asleep"}"#, nothing.clone()),
            (&[b' '; 70_000], nothing),
            (newer, quiesced()),
        ];
        for (content, expected) in table {
            store.write(NAME, content).unwrap();
            assert_eq!(recall(&store), expected, "{}", String::from_utf8_lossy(&content[..content.len().min(40)]));
        }
    }
}
