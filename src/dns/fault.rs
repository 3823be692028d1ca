//! What can be wrong with a zone's header, said so that the operator finds it.

use std::fmt;
use thiserror::Error;

/// A fault, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct HeaderFault {
    /// The line of the header, from 1; `None`: not in one line.
    pub line: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

/// All the faults of a zone, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<HeaderFault>);

impl From<HeaderFault> for Faults {
    fn from(fault: HeaderFault) -> Self {
        Self(vec![fault])
    }
}

/// What is wrong with a zone. None of these changes anything: the operator mends the header or the zone's keys, and a
/// zone that runs goes on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The zone's `name` is no domain name.
    #[error("'{0}' is no domain name to be a zone's origin")]
    Origin(String),
    /// The zone's `record` is no name in the zone.
    #[error("'{0}' is no name within the zone to hold the addresses")]
    Record(String),
    /// The zone's `ttl` is out of range.
    #[error("a TTL of {0} is not 1 to 86400 seconds")]
    Ttl(u32),
    /// More text than anybody writes by hand.
    #[error("the header has {0} octets; at most {max} are read", max = super::MAX_HEADER)]
    TooLong(usize),
    /// A carriage return, a null or the like, that nobody sees.
    #[error("a control character")]
    ControlCharacter,
    /// A parenthesis that is never closed.
    #[error("this parenthesis is never closed")]
    OpenParenthesis,
    /// A parenthesis within parentheses. BIND reads it, others refuse the zone.
    #[error("parentheses can not be nested")]
    NestedParenthesis,
    /// A word that starts with `$` and is no directive at the start of a line, or an `@` at the start of a line while a
    /// parenthesis is open. NSD takes either for something else.
    #[error("a word can not start with '{0}' here")]
    MisplacedSign(char),
    /// A closing parenthesis with no opening one.
    #[error("a closing parenthesis without an opening one")]
    ClosingParenthesis,
    /// A quote that is not closed on its line.
    #[error("a quote that is not closed on its line")]
    OpenQuote,
    /// A quote right before or after a word. Servers read that differently.
    #[error("there is no space between a quote and a word")]
    TouchingQuote,
    /// A `$ORIGIN` that is not absolute. NSD does not read it.
    #[error("$ORIGIN needs an absolute name, with a final dot")]
    RelativeOrigin,
    /// `$INCLUDE`, `$GENERATE` or something unknown. The included text goes into the header itself.
    #[error("{0} is not supported in a header: write its records here (a server does not read an included file again)")]
    Directive(String),
    /// The records can not be read.
    #[error("{0}")]
    Syntax(String),
    /// There is no SOA record, so there is nowhere to put a serial.
    #[error(
        "there is no SOA record: a zone starts with one, for example '@ 3600 IN SOA ns1.example.net. hostmaster.example.net. 1 3600 600 604800 5'"
    )]
    NoSoa,
    /// A second SOA record.
    #[error("a second SOA record; the first is on line {0}")]
    SecondSoa(usize),
    /// A SOA record that is not at the origin.
    #[error("the SOA record is for {0}, not for the zone's origin")]
    SoaElsewhere(String),
    /// The serial or the minimum is missing or no number.
    #[error("the SOA record has no serial and minimum that are numbers")]
    SoaNumbers,
    /// The origin has no NS record.
    #[error("there is no NS record for the zone's origin")]
    NoNs,
    /// A name server within the zone has no address here.
    #[error("name server {0} lies in this zone and has no address in it")]
    NsWithoutAddress(String),
    /// A class other than IN.
    #[error("class {0}; only IN can be served")]
    Class(String),
    /// A name with an empty label or with a character that servers disagree on, such as the `@` of a mail address.
    #[error(
        "'{0}' is no name: use letters, digits, '-' and '_' between single dots (a mail address has a dot for its '@')"
    )]
    OddName(String),
    /// A record for a name that is not in the zone. Some servers ignore it, some refuse the zone.
    #[error("{0} is not in the zone")]
    OutOfZone(String),
    /// A record where our addresses go, that can not stand beside them or would never be withdrawn.
    #[error("{record_type} at {owner} clashes with the addresses that raisd writes there")]
    Clash {
        /// Its owner.
        owner: String,
        /// Its type.
        record_type: String,
    },
    /// A delegation or DNAME above our addresses: nobody would ever see them.
    #[error("{record_type} at {owner} hides the addresses that raisd writes below it")]
    Hides {
        /// Its owner.
        owner: String,
        /// Its type.
        record_type: String,
    },
    /// A CNAME with other records beside it.
    #[error("{0} has a CNAME and other records")]
    CnameAndMore(String),
    /// The same record twice.
    #[error("the same {record_type} record for {owner} is on line {first} already")]
    Twice {
        /// Its owner.
        owner: String,
        /// Its type.
        record_type: String,
        /// Where it is first.
        first: usize,
    },
    /// Records of one set with different TTLs (RFC 2181 section 5.2).
    #[error("the {record_type} records of {owner} have different TTLs")]
    MixedTtl {
        /// Their owner.
        owner: String,
        /// Their type.
        record_type: String,
    },
    /// A record with TTL 0: every query comes here.
    #[error("a TTL of 0")]
    ZeroTtl,
    /// Neither the record nor a `$TTL` before it says how long it lives; servers disagree on what holds then.
    #[error("there is no TTL here and no $TTL before")]
    NoTtl,
    /// A name that looks absolute but lacks its final dot. Every checker lets it pass.
    #[error("'{written}' becomes {meaning}: is a final dot missing?")]
    FinalDot {
        /// The name without the origin.
        written: String,
        /// What it means.
        meaning: String,
    },
}

impl Fault {
    /// The fault, on this line.
    pub(super) const fn on(self, line: usize) -> HeaderFault {
        HeaderFault { line: Some(line), fault: self }
    }

    /// The fault, in no line.
    pub(super) const fn nowhere(self) -> HeaderFault {
        HeaderFault { line: None, fault: self }
    }
}
