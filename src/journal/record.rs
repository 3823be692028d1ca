//! The format: one JSON object a line, named by its one key.
//!
//! ```json
//! {"start":{"format":1,"release":"0.1.0","at":81234,"params":{…}}}
//! {"actions":[{"Send":{…}}]}
//! {"step":{"at":91234,"inputs":["Tick"]}}
//! {"actions":[{"Send":{…}},{"Notify":{…}}]}
//! {"end":"stopped"}
//! ```
//!
//! The actions themselves are recorded and not a digest of them: a digest would tell that a replay differs, and not in
//! what; and a journal is of use to somebody with a text editor and to a release whose core has moved on. They follow
//! their inputs in a line of their own, which is left out if there are none: so the input that brought a core down is in
//! the file although nothing came of it any more, and most received messages cost one line.

use rais_core::io::{Action, Input};
use rais_core::params::BoxParams;
use rais_core::time::Instant;
use serde::{Deserialize, Serialize};

/// The version of this format. A replay of another one is refused.
pub const FORMAT: u32 = 1;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// The first line: a node began to live.
    Start(Box<Start>),
    /// Things happened at about the same time and were handled in one go.
    Step {
        /// When.
        at: Instant,
        /// What, in order.
        inputs: Vec<Input>,
    },
    /// What the node then wanted done, in order. Without this line, nothing.
    Actions(Vec<Action>),
    /// Records are missing here: the disk was slower than the box for too long.
    Gap {
        /// How many.
        records: u64,
    },
    /// The last line, unless the daemon or the box died.
    End(End),
}

/// What a node began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// [`FORMAT`].
    pub format: u32,
    /// The release that recorded it.
    pub release: String,
    /// When.
    pub at: Instant,
    /// With what parameters.
    pub params: BoxParams,
}

/// Why a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The node stopped as it was told.
    Stopped,
    /// The file is as large as it may be; the daemon went on unrecorded.
    Full,
}

/// Appends a record as a line, newline included.
pub fn append_line(text: &mut Vec<u8>, record: &Record) {
    let start = text.len();
    if serde_json::to_writer(&mut *text, record).is_err() {
        // None of our types can fail to serialise (string keys, no foreign `Serialize`), and a vector takes everything.
        text.truncate(start);
        return;
    }
    text.push(b'\n');
}
