//! Threads that talk to the kernel, each with a runtime of its own, so that the daemon's never waits for one of the
//! kernel's locks.

use super::NetlinkError;
use super::connection::broken;
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Starts a thread in the network namespace of this one; it opens what it needs, and serves until it has done so.
/// Returns once it is open.
///
/// # Errors
/// What `open` failed with, or [`NetlinkError::Socket`] if there is no thread to be had.
pub(super) fn start<T: 'static>(
    name: &str,
    open: impl AsyncFnOnce() -> Result<T, NetlinkError> + Send + 'static,
    serve: impl AsyncFnOnce(T) + Send + 'static,
) -> Result<(), NetlinkError> {
    let (opened, is_open) = sync_channel(1);
    let work = move || {
        let result = runtime().map(|runtime| {
            runtime.block_on(async {
                match open().await {
                    Ok(opening) => {
                        // Whoever asked is waiting for it.
                        let _ = opened.send(Ok(()));
                        serve(opening).await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        });
        if let Err(error) = result {
            drop(opened.send(Err(broken(error))));
        }
    };
    thread::Builder::new().name(name.into()).spawn(work).map_err(broken)?;
    is_open.recv().unwrap_or(Err(NetlinkError::GivenUp))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}
