//! One rtnetlink connection: dumps, and requests, many of which may be on their way at once.
//!
//! It belongs to a runtime of one thread that has nothing else to do (`worker`): rtnetlink sends from whatever thread
//! polls it, and the kernel carries a request out within that very `send`, under a lock that some other process may
//! hold for long.

use super::NetlinkError;
use futures_util::StreamExt;
use futures_util::future::join_all;
use nix::errno::Errno;
use rtnetlink::packet_core::{ErrorMessage, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, NlasIterator};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::AsyncSocket;
use rtnetlink::{Error, Handle};
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Requests that are on their way at once. Each is answered before the next one is sent, so this bounds memory, and how
/// long somebody else's request waits.
pub(super) const PORTION: usize = 100;
/// The kernel answers before `send` returns; longer than this it is broken, and the caller is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// Times a dump is repeated that was torn by a change.
const DUMP_ATTEMPTS: usize = 5;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;

/// Why one of several requests was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn of(self, what: String) -> NetlinkError {
        NetlinkError::Refused { what, errno: self.errno, reason: self.reason }
    }
}

#[derive(Debug)]
pub(in crate::os) struct Connection {
    handle: Handle,
    /// Ends when the socket breaks.
    driver: JoinHandle<()>,
    silent: bool,
}

impl Connection {
    /// Opens one on the runtime of this thread.
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let (mut connection, handle, _) = rtnetlink::new_connection().map_err(broken)?;
        let socket = connection.socket_mut().socket_mut();
        // Answers say why in words, and do not carry the request back.
        socket.set_ext_ack(true).map_err(broken)?;
        socket.set_cap_ack(true).map_err(broken)?;
        // The end of a dump says whether it was torn, and tells it from a socket that broke.
        connection.set_forward_done(true);
        Ok(Self { handle, driver: tokio::spawn(connection), silent: false })
    }

    /// The socket broke, or the kernel does not answer: another one is needed.
    pub(super) fn is_broken(&self) -> bool {
        self.silent || self.driver.is_finished()
    }

    /// What makes requests for [`request`](Self::request) and [`requests`](Self::requests).
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Everything the kernel has of the kind that `message` asks for, as one consistent picture.
    pub(super) async fn dump(
        &mut self,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let dump = try_dump(self.handle(), message.clone());
            if let Some(answers) = self.patiently(dump).await?? {
                return Ok(answers);
            }
        }
        Err(NetlinkError::Socket(Errno::EINTR))
    }

    /// Has one request carried out.
    pub(super) async fn request(
        &mut self,
        what: impl FnOnce() -> String,
        request: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), NetlinkError> {
        match self.requests([request]).await?.pop() {
            None => Ok(()),
            Some((_, refusal)) => Err(refusal.of(what())),
        }
    }

    /// Has all `requests` carried out, in order, and returns those that were refused by their position. If the socket
    /// breaks, what became of the rest is not known.
    pub(super) async fn requests<F: Future<Output = Result<(), Error>>>(
        &mut self,
        requests: impl IntoIterator<Item = F>,
    ) -> Result<Vec<(usize, Refusal)>, NetlinkError> {
        let mut refused = Vec::new();
        let (mut position, mut requests) = (0, requests.into_iter());
        loop {
            let portion: Vec<_> = requests.by_ref().take(PORTION).collect();
            if portion.is_empty() {
                return Ok(refused);
            }
            let results = self.patiently(join_all(portion)).await?;
            // rtnetlink takes the end of the answers for success, and if the socket breaks they end, too. The driver
            // runs on this thread, so it has ended before anybody hears of it.
            if self.is_broken() {
                return Err(NetlinkError::Socket(Errno::EPIPE));
            }
            for result in results {
                match result {
                    Ok(()) => {}
                    Err(Error::NetlinkError(error)) => {
                        refused.extend(refusal(&error).map(|refusal| (position, refusal)))
                    }
                    Err(_) => return Err(NetlinkError::Socket(Errno::EPIPE)),
                }
                position += 1;
            }
        }
    }

    async fn patiently<T>(&mut self, work: impl Future<Output = T>) -> Result<T, NetlinkError> {
        let result = timeout(PATIENCE, work).await;
        self.silent |= result.is_err();
        result.map_err(|_| NetlinkError::Socket(Errno::ETIMEDOUT))
    }
}

#[cfg(test)]
impl Connection {
    /// As if the socket had broken.
    pub(super) fn break_off(&self) {
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// `None`: something changed while the kernel was listing. By hand, because rtnetlink's own listings do not tell.
async fn try_dump(
    mut handle: Handle,
    message: RouteNetlinkMessage,
) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
    const BROKEN: NetlinkError = NetlinkError::Socket(Errno::EPIPE);
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut stream = handle.request(request).map_err(|_| BROKEN)?;
    let (mut answers, mut torn) = (Vec::new(), false);
    while let Some(answer) = stream.next().await {
        torn |= answer.header.flags & NLM_F_DUMP_INTR != 0;
        match answer.payload {
            NetlinkPayload::Done(_) => return Ok((!torn).then_some(answers)),
            NetlinkPayload::Error(error) => {
                return Err(NetlinkError::Socket(refusal(&error).map_or(Errno::EIO, |refusal| refusal.errno)));
            }
            NetlinkPayload::InnerMessage(message) => answers.push(message),
            _ => {}
        }
    }
    Err(BROKEN)
}

/// What an error of a netlink socket is to the caller.
pub(super) fn broken(error: io::Error) -> NetlinkError {
    NetlinkError::Socket(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// `None`: it is an acknowledgement.
pub(super) fn refusal(error: &ErrorMessage) -> Option<Refusal> {
    let errno = Errno::from_raw(error.code?.get().saturating_neg());
    // The request's header, then attributes, one of which is the kernel's explanation.
    let attributes = error.header.get(HEADER..).unwrap_or_default();
    let reason = NlasIterator::new(attributes)
        .flatten()
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned());
    let reason = match reason {
        Some(reason) => format!("{reason} ({})", errno.desc()),
        None => errno.desc().to_owned(),
    };
    Some(Refusal { errno, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::LinkUnspec;
    use rtnetlink::packet_route::link::LinkMessage;

    fn every_link() -> RouteNetlinkMessage {
        RouteNetlinkMessage::GetLink(LinkMessage::default())
    }

    #[tokio::test]
    async fn a_socket_that_breaks_is_an_error_and_never_a_success() {
        const BROKEN: NetlinkError = NetlinkError::Socket(Errno::EPIPE);
        let mut connection = Connection::open().unwrap();
        assert!(!connection.dump(every_link()).await.unwrap().is_empty());
        // No link has this index: were the request sent, it would be refused.
        let message = LinkUnspec::new_with_index(u32::MAX >> 1).mtu(1500).build();
        let request = connection.handle().link().change(message).execute();
        let driver = connection.driver.abort_handle();
        let breaks = async {
            driver.abort();
            request.await
        };
        assert_eq!(connection.request(|| "changing a link".into(), breaks).await, Err(BROKEN));
        assert!(connection.is_broken());
        assert_eq!(connection.dump(every_link()).await, Err(BROKEN));
    }

    #[tokio::test]
    async fn a_refusal_names_its_request_and_its_cause() {
        let mut connection = Connection::open().unwrap();
        let message = LinkUnspec::new_with_index(u32::MAX >> 1).mtu(1500).build();
        let request = connection.handle().link().change(message).execute();
        let error = connection.request(|| "changing a link".into(), request).await.unwrap_err();
        assert!(error.to_string().starts_with("changing a link: "), "{error}");
        assert!(!connection.is_broken());
    }
}
