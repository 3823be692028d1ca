//! The control protocol: one line of JSON asks, one line of JSON answers, and nothing is remembered in between.
//!
//! Because it keeps no state it runs as well over a serial line (a virtio-serial port of a virtual machine) as over the
//! Unix socket: a line that a vanished client left half-written is ended by the next client's empty line, and an answer
//! that nobody fetched is recognised by its `id`. This file knows bytes, not sockets.

use super::plan::GroupPlan;
use crate::event::Event;
use crate::snapshot::Snapshot;
use crate::snmp::ReceiverFigures;
use rais_core::address::{GroupName, IdAddress};
use rais_core::io::{Command, CommandError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version this release speaks. A peer of another version is told so and nothing else is tried.
pub const PROTOCOL: u32 = 1;
/// Longest request in octets, without its newline: the longest command is far below, and a stranger's flood is bounded.
pub const MAX_REQUEST: usize = 16 * 1024;
/// Longest answer in octets, without its newline: the status of 64 groups of some thousand addresses each.
pub const MAX_RESPONSE: usize = 64 * 1024 * 1024;
/// Most events in one answer; who wants more asks again from the last number.
pub const MAX_EVENTS: u32 = 1000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Everything the box knows.
    Status,
    /// Events after number `since`, oldest first; `since` absent: the newest `limit`.
    Events {
        /// The last number already seen.
        #[serde(default)]
        since: Option<u64>,
        /// At most this many, capped at [`MAX_EVENTS`].
        limit: u32,
    },
    /// What would become of the service addresses without some boxes (G-65).
    Plan {
        /// In this group; absent: in every group that has one of the boxes.
        #[serde(default)]
        group: Option<GroupName>,
        /// The boxes, by name or id address.
        without: Vec<String>,
    },
    /// An operator's command.
    Command(Command),
    /// Load the configuration anew.
    Reload,
    /// Which raisd is this?
    Version,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::Status`].
    Status {
        /// The last published picture; its ages count from its `view.at`.
        snapshot: Box<Snapshot>,
        /// How the daemon itself fares.
        runtime: Runtime,
    },
    /// To [`Request::Events`].
    Events {
        /// Oldest first.
        events: Vec<Event>,
        /// Number of the newest event there is; 0: none. Lower than what was seen before: the box forgot, its state
        /// directory is a new one.
        newest: u64,
    },
    /// To [`Request::Plan`].
    Plan {
        /// One for each group, by name.
        plans: Vec<GroupPlan>,
    },
    /// The command or reload was carried out.
    Done {
        /// What came of it, in words.
        message: String,
    },
    /// To [`Request::Version`].
    Version {
        /// The product's version.
        version: String,
        /// The box's name.
        name: String,
        /// This start's number.
        incarnation: u64,
        /// Generation of the running configuration.
        generation: u64,
    },
    /// It was not carried out, and nothing was changed.
    Refused(Refusal),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refusal {
    /// The asker speaks another version of this protocol: use the `raisctl` of the box's release.
    #[error("raisd speaks control protocol {speaks}, the request is in {asked}: use the raisctl of the same release")]
    Protocol {
        /// What raisd speaks.
        speaks: u32,
        /// What was asked in.
        asked: u32,
    },
    /// No request of this version: not JSON, an unknown word, a field that is missing, too long.
    #[error("no request: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// Another box leads; ask that one.
    #[error("{reason}")]
    NotLeader {
        /// In words.
        reason: String,
        /// Who leads, if anybody does.
        leader: Option<IdAddress>,
    },
    /// The command makes no sense for this box as it is.
    #[error("{reason}")]
    Command {
        /// In words.
        reason: String,
    },
    /// The configuration was refused; the running one stays.
    #[error("the running configuration stays; the new one was refused:\n{reason}")]
    Configuration {
        /// All faults, a line each.
        reason: String,
    },
    /// The daemon is starting or stopping and did not answer in time: ask again.
    #[error("raisd is busy: {reason}")]
    Busy {
        /// In words.
        reason: String,
    },
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        let reason = error.to_string();
        match error {
            CommandError::NotLeader { leader, .. } => Self::NotLeader { reason, leader },
            _ => Self::Command { reason },
        }
    }
}

/// How the daemon itself fares: figures about raisd, not about the group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// Log lines dropped because the log's reader was too slow.
    pub log_lines_dropped: u64,
    /// Notifications that a receiver was not told: not sent, given up after the last repetition, or the queue was full.
    pub traps_dropped: u64,
    /// Notifications sent, each once for each receiver.
    pub traps_sent: u64,
    /// Informs that were answered.
    pub informs_acknowledged: u64,
    /// The longest time from an event to its first datagram, in microseconds, of those that were not held back.
    pub worst_notification_us: u64,
    /// Those of them that took more than 2 ms.
    pub late_notifications: u64,
    /// How each receiver of notifications fares, in the order of the configuration.
    pub receivers: Vec<ReceiverFigures>,
    /// Datagrams the SNMP agent received.
    pub snmp_in: u64,
    /// Replies the SNMP agent sent.
    pub snmp_out: u64,
    /// Datagrams the SNMP agent dropped: malformed, wrong community, too many from one source.
    pub snmp_dropped: u64,
    /// Longest time the event loop was late for a deadline since the start, in microseconds (G-66).
    pub worst_lateness_us: u64,
    /// Actions under way: acquires, releases and scripts that have not ended.
    pub actions_running: u32,
}

/// A request on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Echoed in the answer, so that an answer to somebody who left is not taken for one's own.
    #[serde(default)]
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub request: Request,
}

/// An answer on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The request's.
    pub id: u64,
    /// What is answered.
    #[serde(flatten)]
    pub response: Response,
}

/// The part of every line that all versions of this protocol share.
#[derive(Deserialize)]
struct Envelope {
    protocol: u32,
    #[serde(default)]
    id: u64,
}

/// Reads a request line. Never fails on its own: what can not be read becomes the refusal to send back.
///
/// # Errors
/// The `id` to echo (0 if the line holds none) and the refusal. Nothing was done.
pub fn decode_request(line: &[u8]) -> Result<Asked, (u64, Refusal)> {
    let malformed = |id, detail: String| (id, Refusal::Malformed { detail });
    if line.len() > MAX_REQUEST {
        return Err(malformed(0, format!("longer than {MAX_REQUEST} octets")));
    }
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| malformed(0, error.to_string()))?;
    if envelope.protocol != PROTOCOL {
        return Err((envelope.id, Refusal::Protocol { speaks: PROTOCOL, asked: envelope.protocol }));
    }
    serde_json::from_slice(line).map_err(|error| malformed(envelope.id, error.to_string()))
}

/// Writes a request line, newline included, after an empty line that ends whatever another client left behind.
#[must_use]
pub fn encode_request(id: u64, request: Request) -> Vec<u8> {
    let mut line = b"\n".to_vec();
    append_line(&mut line, &Asked { protocol: PROTOCOL, id, request });
    line
}

/// Writes an answer line, newline included.
#[must_use]
pub fn encode_response(id: u64, response: Response) -> Vec<u8> {
    let mut line = Vec::new();
    append_line(&mut line, &Answered { protocol: PROTOCOL, id, response });
    line
}

/// None of our types can fail to serialise (string keys, no foreign `Serialize`); an empty line would be skipped.
fn append_line(line: &mut Vec<u8>, value: &impl Serialize) {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    line.append(&mut text);
    line.push(b'\n');
}

/// Why an answer line is of no use.
#[derive(Debug, Error)]
pub enum BadAnswer {
    /// raisd speaks another version: use its own release's raisctl. Nothing was done.
    #[error(
        "raisd answers in control protocol {0}, this raisctl speaks {PROTOCOL}: use the raisctl of the same release"
    )]
    Protocol(u32),
    /// Not an answer at all: something else listens there.
    #[error("this is no answer of raisd: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Reads an answer line; `None`: it answers another request (`id` differs) and is to be skipped.
///
/// # Errors
/// [`BadAnswer`] if it is not an answer of this version.
pub fn decode_response(line: &[u8], id: u64) -> Result<Option<Response>, BadAnswer> {
    let envelope: Envelope = serde_json::from_slice(line)?;
    if envelope.protocol != PROTOCOL {
        return Err(BadAnswer::Protocol(envelope.protocol));
    }
    // A refusal of a line that could not be read at all carries id 0; it is ours only if we sent 0.
    if envelope.id != id {
        return Ok(None);
    }
    let answered: Answered = serde_json::from_slice(line)?;
    Ok(Some(answered.response))
}

/// Cuts a stream of octets into lines of a bounded length.
///
/// A line that is too long is reported once, when its newline arrives, and takes no memory beyond the bound.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    buffer: Vec<u8>,
    overlong: bool,
}

/// A line, or the news that there was one too long to keep.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its newline. Never empty: empty lines are skipped.
    Complete(Vec<u8>),
    /// A line above the limit ended here; its content is gone.
    Overlong,
}

impl Lines {
    /// Lines of at most `limit` octets.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), overlong: false }
    }

    /// Takes what was received and returns the lines that it completed.
    pub fn feed(&mut self, octets: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pieces = octets.split(|octet| *octet == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.overlong || self.buffer.len() + piece.len() > self.limit {
                self.overlong = true;
                self.buffer.clear();
            } else {
                self.buffer.extend_from_slice(piece);
            }
            let ended = pieces.peek().is_some();
            if ended && std::mem::take(&mut self.overlong) {
                lines.push(Line::Overlong);
            } else if ended {
                let line = std::mem::take(&mut self.buffer);
                if !line.trim_ascii().is_empty() {
                    lines.push(Line::Complete(line));
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    #[test]
    fn the_lines_of_the_protocol_are_these() {
        let table = [
            (Request::Status, r#"{"protocol":1,"id":7,"request":"status"}"#),
            (
                Request::Events { since: Some(3), limit: 10 },
                r#"{"protocol":1,"id":7,"request":"events","since":3,"limit":10}"#,
            ),
            (
                Request::Command(Command::Quiesce { group: None }),
                r#"{"protocol":1,"id":7,"request":"command","command":"quiesce","group":null}"#,
            ),
            (
                Request::Command(Command::Acquire {
                    group: group("http"),
                    address: "10.9.0.101".parse().unwrap(),
                    host: Some("10.9.0.2".parse().unwrap()),
                }),
                r#"{"protocol":1,"id":7,"request":"command","command":"acquire","group":"http","address":"10.9.0.101","host":"10.9.0.2"}"#,
            ),
            (
                Request::Plan { group: None, without: vec![String::from("edge-1")] },
                r#"{"protocol":1,"id":7,"request":"plan","group":null,"without":["edge-1"]}"#,
            ),
            (Request::Reload, r#"{"protocol":1,"id":7,"request":"reload"}"#),
            (Request::Version, r#"{"protocol":1,"id":7,"request":"version"}"#),
        ];
        for (request, text) in table {
            let line = encode_request(7, request.clone());
            assert_eq!(String::from_utf8(line).unwrap(), format!("\n{text}\n"));
            assert_eq!(decode_request(text.as_bytes()), Ok(Asked { protocol: 1, id: 7, request }));
        }
    }

    #[test]
    fn a_request_that_can_not_be_read_is_answered_by_what_is_wrong_with_it() {
        let table: [(&[u8], u64, &str); 8] = [
            (b"hello", 0, "no request: expected value"),
            (b"{}", 0, "missing field `protocol`"),
            (br#"{"protocol":2,"id":9,"frobnicate":true}"#, 9, "raisd speaks control protocol 1, the request is in 2"),
            (br#"{"protocol":1,"id":9}"#, 9, "missing field `request`"),
            (br#"{"protocol":1,"id":9,"request":"explode"}"#, 9, "unknown variant `explode`"),
            (br#"{"protocol":1,"id":9,"request":"events"}"#, 9, "missing field `limit`"),
            (br#"{"protocol":1,"request":"command","command":"release","group":"A B"}"#, 0, "a name has 1 to 32"),
            (&[b'x'; MAX_REQUEST + 1], 0, "longer than 16384 octets"),
        ];
        for (line, id, message) in table {
            let (echoed, refusal) = decode_request(line).unwrap_err();
            assert_eq!(echoed, id, "{refusal}");
            assert!(refusal.to_string().contains(message), "{refusal}: {message}");
        }
    }

    #[test]
    fn an_answer_to_somebody_else_is_skipped_and_another_version_is_told_apart() {
        let line = encode_response(7, Response::Done { message: String::from("ok") });
        assert!(matches!(decode_response(&line, 7), Ok(Some(Response::Done { .. }))));
        assert!(matches!(decode_response(&line, 8), Ok(None)));
        assert!(matches!(decode_response(br#"{"protocol":3,"id":7,"x":1}"#, 7), Err(BadAnswer::Protocol(3))));
        assert!(matches!(decode_response(b"HTTP/1.1 400", 7), Err(BadAnswer::Malformed(_))));
    }

    #[test]
    fn a_refusal_survives_the_wire_and_names_the_leader_to_ask() {
        let leader = Some("10.9.0.1".parse().unwrap());
        let refusal = Refusal::from(CommandError::NotLeader { group: group("http"), leader });
        let line = encode_response(1, Response::Refused(refusal.clone()));
        let Ok(Some(Response::Refused(read))) = decode_response(&line, 1) else { panic!("no refusal") };
        assert_eq!(read, refusal);
        assert!(matches!(&read, Refusal::NotLeader { leader: Some(_), .. }));
        assert_eq!(read.to_string(), "this box does not lead group http; ask 10.9.0.1");
    }

    #[test]
    fn lines_are_cut_wherever_the_octets_were_and_overlong_ones_take_no_memory() {
        let mut lines = Lines::new(8);
        assert_eq!(lines.feed(b"abc"), []);
        assert_eq!(
            lines.feed(b"def\n\n \ngh\ni"),
            [Line::Complete(b"abcdef".to_vec()), Line::Complete(b"gh".to_vec())]
        );
        assert_eq!(lines.feed(b"2345678901234567890"), []);
        assert!(lines.buffer.capacity() < 64);
        assert_eq!(lines.feed(b"tail\nok\n"), [Line::Overlong, Line::Complete(b"ok".to_vec())]);
    }
}
