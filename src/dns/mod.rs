//! Names: an operator's header and a set of addresses → the text of a zone file (N-20).
//!
//! It knows no file, no clock and no name server: text and the time come in, text goes out, and the daemon puts it in
//! place (temporary file, fsync, rename, fsync of the directory). Which addresses are in the set is decided by
//! [`rais_core::dns_table`]. It comes from seed B (the Name Binder Modifier: header file, address records, "only when the
//! list changed") and seed A (the DNS thread).
//!
//! The header is copied octet for octet, except two numbers of its SOA: the serial, which is ours, and a minimum above
//! our records' TTL, which is lowered to it, because it is also how long resolvers remember that a name has *no* address.
//! There is no `$INCLUDE`, since NSD does not read an included file again.
//!
//! ```text
//! daemon start:  Zone::new(params) ── faults: refuse the configuration
//!                zone.resume(old file) → the last set, for DnsTable::new
//! each pass:     table.update(&group view) → set
//!                zone.update(set, unix time) → Some(text) → write the file → zone.written(&text)
//!                                            → None: nothing changed, nothing is written
//! ```

mod fault;
mod header;
mod lexer;
mod serial;

pub use fault::{Fault, Faults, HeaderFault};

use header::{Header, ZoneName};
use rais_core::address::ServiceAddress;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

/// The longest header, in octets. It is read anew at each reload, and nobody writes more than a page of it by hand.
pub const MAX_HEADER: usize = 64 * 1024;

/// What an operator decides about a zone's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneParams<'a> {
    /// The zone's origin, with or without the final dot: `www.example.net`.
    pub name: &'a str,
    /// Owner of the addresses: `@`, a name relative to the origin, or an absolute one (with a final dot) within it.
    pub record: &'a str,
    /// TTL of the addresses in seconds, 1 to 86,400.
    pub ttl: u32,
    /// The operator's records: SOA, NS, and whatever else the zone holds.
    pub header: &'a str,
}

/// A zone's text, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneText {
    /// The whole file.
    pub text: String,
    /// The serial in it.
    pub serial: u32,
    /// How many addresses it advertises.
    pub records: usize,
    /// SHA-256 of the text with serial 0: the same on every box that advertises the same.
    pub digest: [u8; 32],
}

/// One zone: what it says now, and the serial it has come to.
#[derive(Clone, Debug)]
pub struct Zone {
    header: Header,
    owner: ZoneName,
    ttl: u32,
    /// The highest serial seen or handed out (RFC 1982).
    last_serial: u32,
    /// Digest of what is known to be in the file.
    written: Option<[u8; 32]>,
}

impl Zone {
    /// Checks the header, and that it and our records make a zone together.
    ///
    /// # Errors
    /// Every [fault](HeaderFault) that was found. The operator mends the header; a running zone is not touched.
    pub fn new(params: ZoneParams<'_>) -> Result<Self, Faults> {
        let (header, owner) = Header::check(params)?;
        let last_serial = header.serial();
        Ok(Self { header, owner, ttl: params.ttl, last_serial, written: None })
    }

    /// Takes over from the zone file that an earlier life left: its serial is never gone below, it is not written again
    /// if it says what is to be said, and the addresses at our owner are returned, to start from (N-13). A file that is
    /// no zone of this origin is ignored: it is about to be replaced.
    pub fn resume(&mut self, file: &str) -> BTreeSet<ServiceAddress> {
        let Some(found) = header::read_back(file, &self.header, &self.owner) else {
            return BTreeSet::new();
        };
        self.last_serial = serial::later(self.last_serial, found.serial);
        if self.compose(&found.addresses, found.serial) == file {
            self.written = Some(self.digest(&found.addresses));
        }
        found.addresses
    }

    /// The text that advertises exactly this set; `None`: the file says so already.
    ///
    /// The serial is max(Unix time, last + 1) in the arithmetic of RFC 1982, so it grows through a clock that steps back
    /// and through the wrap; the header's own serial counts as one that was there before. Until
    /// [`written`](Self::written) is called, the text is offered again, each time with a later serial: whether a write
    /// that failed was seen by anybody is not known.
    #[must_use]
    pub fn update(&mut self, addresses: &BTreeSet<ServiceAddress>, unix_seconds: u64) -> Option<ZoneText> {
        let digest = self.digest(addresses);
        if self.written == Some(digest) {
            return None;
        }
        let serial = serial::next(self.last_serial, unix_seconds);
        self.last_serial = serial;
        self.written = None;
        let text = self.compose(addresses, serial);
        Some(ZoneText { text, serial, records: addresses.len(), digest })
    }

    /// The file now holds this text.
    pub const fn written(&mut self, text: &ZoneText) {
        self.written = Some(text.digest);
    }

    /// The highest serial seen or handed out.
    #[must_use]
    pub const fn last_serial(&self) -> u32 {
        self.last_serial
    }

    fn digest(&self, addresses: &BTreeSet<ServiceAddress>) -> [u8; 32] {
        Sha256::digest(self.compose(addresses, 0)).into()
    }

    fn compose(&self, addresses: &BTreeSet<ServiceAddress>, serial: u32) -> String {
        let mut text = self.header.with_serial(serial, self.ttl);
        text.push_str("; Below: written by raisd. Changes made here are lost.\n");
        // A set of addresses iterates IPv4 first, then by number: the canonical order.
        for address in addresses {
            let record_type = match address.0 {
                IpAddr::V4(_) => "A",
                IpAddr::V6(_) => "AAAA",
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}.\t{}\tIN\t{record_type}\t{address}", self.owner, self.ttl);
        }
        text
    }
}

#[cfg(test)]
mod tests;
