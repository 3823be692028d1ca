//! A bounded queue that takes memory for what waits in it, and none for what might.
//!
//! The standard library's makes all its places at once: room for 16,384 lines of the log and as many events was 3 MB of a
//! daemon that rarely has one waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::time::Duration;

/// A queue in which at most `most` items wait.
#[must_use]
pub(super) fn queue<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let ((sender, receiver), waiting) = (mpsc::channel(), Arc::new(AtomicUsize::new(0)));
    (Sender { queue: sender, waiting: Arc::clone(&waiting), most }, Receiver { queue: receiver, waiting })
}

/// The end that leaves items. It never waits.
#[derive(Debug)]
pub(super) struct Sender<T> {
    queue: mpsc::Sender<T>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), waiting: Arc::clone(&self.waiting), most: self.most }
    }
}

impl<T> Sender<T> {
    /// Leaves an item.
    ///
    /// # Errors
    /// The item, if too many wait already or nobody takes any more.
    pub(super) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(TrySendError::Full(item));
        }
        self.queue.send(item).map_err(|SendError(item)| TrySendError::Disconnected(item))
    }
}

/// The end that takes items, in the order in which they were left.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    queue: mpsc::Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Receiver<T> {
    /// Waits for the next item.
    ///
    /// # Errors
    /// There will be none: nobody is left to leave any.
    pub(super) fn recv(&self) -> Result<T, RecvError> {
        self.queue.recv().inspect(|_| self.taken())
    }

    /// Waits for the next item, but not longer than this.
    ///
    /// # Errors
    /// There was none in time, or there will be none.
    pub(super) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.queue.recv_timeout(timeout).inspect(|_| self.taken())
    }

    /// The next item, if one waits.
    ///
    /// # Errors
    /// There is none, or there will be none.
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.queue.try_recv().inspect(|_| self.taken())
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_has_room_again_for_each_item_taken() {
        let (sender, receiver) = queue(2);
        let again = sender.clone();
        assert_eq!([sender.try_send(1), again.try_send(2)], [Ok(()), Ok(())]);
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!([again.try_send(4), again.try_send(5)], [Ok(()), Err(TrySendError::Full(5))]);
        assert_eq!((receiver.try_recv(), receiver.recv_timeout(Duration::ZERO)), (Ok(2), Ok(4)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop((sender, again));
        assert_eq!(receiver.recv(), Err(RecvError));
    }
}
