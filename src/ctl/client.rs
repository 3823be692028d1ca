//! Talks to raisd: one request, one answer, over a Unix stream socket.
//!
//! The socket may as well be the host's end of a virtual machine's serial port: an empty line goes first and answers
//! to other requests are skipped (see [`protocol`](super::protocol)).

use super::protocol::{BadAnswer, Line, Lines, MAX_RESPONSE, Request, Response, decode_response, encode_request};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Longest wait for an answer: a reload checks signatures and writes the network; everything else is immediate.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Unreachable {
    /// Nobody listens there: raisd is not running, runs with another socket, or is another user's.
    #[error("raisd can not be reached at {}: {source} (is it running? --socket or $RAIS_SOCKET names another socket)", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke after the request was sent: whether it was carried out is not known; look at the status.
    #[error("raisd at {} did not answer: {source}", path.display())]
    Broken {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that is not this release's raisd answered.
    #[error("at {}: {source}", path.display())]
    Answer {
        /// Where.
        path: PathBuf,
        /// Why.
        source: BadAnswer,
    },
}

/// Sends one request to the raisd that listens at `path`, and waits at most [`ANSWER_WITHIN`] for its answer.
///
/// # Errors
/// [`Unreachable`], with the path.
pub fn ask(path: &Path, request: Request) -> Result<Response, Unreachable> {
    let connected = UnixStream::connect(path);
    let stream = connected.map_err(|source| Unreachable::Connect { path: path.to_owned(), source })?;
    let broken = |source| Unreachable::Broken { path: path.to_owned(), source };
    let id = fresh_id();
    (&stream).write_all(&encode_request(id, request)).map_err(broken)?;
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut lines = Lines::new(MAX_RESPONSE);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(broken(ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(left)).map_err(broken)?;
        let received = match (&stream).read(&mut buffer) {
            Ok(0) => return Err(broken(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"))),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(broken(ErrorKind::TimedOut.into())),
            Err(error) => return Err(broken(error)),
        };
        for line in lines.feed(received) {
            let Line::Complete(line) = line else {
                return Err(broken(io::Error::new(ErrorKind::InvalidData, "its answer is too long")));
            };
            let answer = decode_response(&line, id);
            match answer.map_err(|source| Unreachable::Answer { path: path.to_owned(), source })? {
                Some(response) => return Ok(response),
                None => continue,
            }
        }
    }
}

/// Differs from the ids of other clients of the moment: it only has to tell answers apart.
fn fresh_id() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(clock.as_nanos() % (1 << 32)).unwrap_or(0);
    u64::from(std::process::id()) << 32 | nanos
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::protocol::{decode_request, encode_response};
    use std::os::unix::net::UnixListener;

    #[test]
    fn nobody_there_is_unreachable_and_the_message_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none.sock");
        let error = ask(&path, Request::Version).unwrap_err();
        assert!(matches!(error, Unreachable::Connect { .. }));
        assert!(error.to_string().contains("none.sock"), "{error}");
    }

    #[test]
    fn an_answer_left_over_from_another_client_is_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("raisd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&encode_response(1, Response::Done { message: String::from("stale") })).unwrap();
            let mut lines = Lines::new(1000);
            let mut buffer = [0; 1000];
            loop {
                let count = stream.read(&mut buffer).unwrap();
                if let Some(Line::Complete(line)) = lines.feed(&buffer[..count]).pop() {
                    let asked = decode_request(&line).unwrap();
                    let answer = encode_response(asked.id, Response::Done { message: String::from("mine") });
                    stream.write_all(&answer).unwrap();
                    break;
                }
            }
        });
        let answer = ask(&path, Request::Reload).unwrap();
        assert_eq!(answer, Response::Done { message: String::from("mine") });
        server.join().unwrap();
    }
}
