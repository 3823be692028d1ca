//! The operator's header: found to be a zone together with our records, and given our serial.
//!
//! The `domain` crate reads the records; this adds what servers and their checkers let pass (43 broken zones were tried on
//! three of them) and what only matters because addresses are added by a machine.

mod lint;

use super::fault::{Fault, Faults, HeaderFault};
use super::lexer::{self, Entry, Fields, Token};
use super::{MAX_HEADER, ZoneParams};
use domain::base::iana::Class;
use domain::base::name::{Name, ToName};
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{self, ScannedRecord, Zonefile};
use rais_core::address::ServiceAddress;
use std::collections::BTreeSet;
use std::ops::Range;
use std::str::FromStr;

/// An absolute name. Displayed without its final dot.
pub(super) type ZoneName = Name<Vec<u8>>;

/// A header that was found good.
#[derive(Clone, Debug)]
pub(super) struct Header {
    text: String,
    origin: ZoneName,
    soa: SoaNumbers,
}

/// The two numbers of a SOA record that we write, with their places in the text.
#[derive(Clone, Debug)]
struct SoaNumbers {
    serial: u32,
    serial_place: Range<usize>,
    minimum: u32,
    minimum_place: Range<usize>,
}

/// A record and the line it is on.
struct Located {
    line: usize,
    owner: ZoneName,
    record: ScannedRecord,
}

/// What an earlier life's zone file says.
pub(super) struct Found {
    pub(super) serial: u32,
    pub(super) addresses: BTreeSet<ServiceAddress>,
}

impl Header {
    /// Checks everything about the zone, and returns the header and the owner of our records.
    pub(super) fn check(params: ZoneParams<'_>) -> Result<(Self, ZoneName), Faults> {
        let (origin, owner) = names(params)?;
        if !(1..=86_400).contains(&params.ttl) {
            return Err(Fault::Ttl(params.ttl).nowhere().into());
        }
        if params.header.len() > MAX_HEADER {
            return Err(Fault::TooLong(params.header.len()).nowhere().into());
        }
        let mut text = params.header.replace("\r\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let entries = lexer::entries(&text)?;
        let mut faults: Vec<_> = entries.iter().filter_map(|entry| unsupported(entry, &text)).collect();
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let soa = soa_numbers(&entries, &text)?;
        let records = records(&text, &entries, &origin)?;
        faults.extend(lint::without_ttl(&entries, &text));
        faults.extend(lint::odd_words(&entries, &text));
        faults.extend(lint::records(&records, &origin, &owner));
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        if faults.is_empty() { Ok((Self { text, origin, soa }, owner)) } else { Err(Faults(faults)) }
    }

    /// The serial the operator wrote: a zone that was served by other means may have come this far.
    pub(super) const fn serial(&self) -> u32 {
        self.soa.serial
    }

    /// The text with this serial, and with a minimum of at most `ttl`.
    pub(super) fn with_serial(&self, serial: u32, ttl: u32) -> String {
        let soa = &self.soa;
        let mut numbers = vec![(soa.serial_place.clone(), serial.to_string())];
        if soa.minimum > ttl {
            numbers.push((soa.minimum_place.clone(), ttl.to_string()));
        }
        replaced(&self.text, &numbers)
    }
}

/// The text with each of these places, in ascending order, replaced.
fn replaced(text: &str, places: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (place, new) in places {
        out.push_str(text.get(at..place.start).unwrap_or_default());
        out.push_str(new);
        at = place.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The origin, and the owner of our records.
fn names(params: ZoneParams<'_>) -> Result<(ZoneName, ZoneName), HeaderFault> {
    let absolute = |text: &str| ZoneName::from_str(text.trim_end_matches('.')).ok().filter(|_| !text.is_empty());
    let bad_record = || Fault::Record(params.record.to_owned()).nowhere();
    let origin = absolute(params.name)
        .filter(|name| !name.is_root())
        .ok_or_else(|| Fault::Origin(params.name.to_owned()).nowhere())?;
    let owner = match params.record {
        "@" => origin.clone(),
        "" => return Err(bad_record()),
        text if text.ends_with('.') => absolute(text).ok_or_else(bad_record)?,
        text => absolute(&format!("{text}.{origin}")).ok_or_else(bad_record)?,
    };
    if owner.ends_with(&origin) { Ok((origin, owner)) } else { Err(bad_record()) }
}

fn unsupported(entry: &Entry, text: &str) -> Option<HeaderFault> {
    let directive = entry.directive(text)?;
    if directive.eq_ignore_ascii_case("$ORIGIN") {
        let name = entry.tokens.get(1).and_then(|token| token.within(text));
        let absolute = |name: &str| name.ends_with('.') && !name.ends_with("\\.") && !name.contains("..");
        return name.is_some_and(|name| !absolute(name)).then(|| Fault::RelativeOrigin.on(entry.line));
    }
    (!directive.eq_ignore_ascii_case("$TTL")).then(|| Fault::Directive(directive.to_owned()).on(entry.line))
}

/// Finds the one SOA record, and in it the serial and the minimum.
fn soa_numbers(entries: &[Entry], text: &str) -> Result<SoaNumbers, HeaderFault> {
    let mut found = entries.iter().filter(|entry| entry.directive(text).is_none()).filter_map(|entry| {
        let fields = entry.fields(text)?;
        is_one_of(&["SOA"], &fields, text).then_some((entry.line, fields.data))
    });
    let (line, data) = found.next().ok_or(Fault::NoSoa.nowhere())?;
    if let Some((second, _)) = found.next() {
        return Err(Fault::SecondSoa(line).on(second));
    }
    let no_numbers = || Fault::SoaNumbers.on(line);
    let [_mname, _rname, serial, _refresh, _retry, _expire, minimum] = data else { return Err(no_numbers()) };
    let digits = serial.within(text).unwrap_or_default();
    Ok(SoaNumbers {
        // `u32::from_str` would let "+1" pass.
        serial: Some(digits)
            .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(no_numbers)?,
        serial_place: serial.place.clone(),
        minimum: minimum.within(text).and_then(lexer::seconds).ok_or_else(no_numbers)?,
        minimum_place: minimum.place.clone(),
    })
}

/// Types whose data holds names.
const WITH_NAMES: [&str; 13] =
    ["SOA", "NS", "CNAME", "DNAME", "PTR", "MX", "SRV", "AFSDB", "HTTPS", "KX", "NAPTR", "RP", "SVCB"];

fn is_one_of(types: &[&str], fields: &Fields<'_>, text: &str) -> bool {
    fields.record_type.within(text).is_some_and(|word| types.iter().any(|name| word.eq_ignore_ascii_case(name)))
}

/// The entries in the words that the `domain` crate reads as servers do, one to a line: times in plain seconds, for `1h`;
/// the origin for an `@` in data; single spaces and no comments, as its scanner panics on a text that ends in a blank.
fn in_plain_words(text: &str, entries: &[Entry], origin: &ZoneName) -> String {
    let mut origin = format!("{origin}.");
    let mut plain = String::with_capacity(text.len());
    for entry in entries {
        let fields = entry.fields(text);
        let mut times: Vec<&Token> = Vec::new();
        let mut has_names = false;
        match (entry.directive(text), &fields) {
            (Some(directive), _) => {
                let argument = entry.tokens.get(1);
                if directive.eq_ignore_ascii_case("$TTL") {
                    times.extend(argument);
                } else if let Some(name) = argument.and_then(|token| token.within(text)) {
                    name.clone_into(&mut origin);
                }
            }
            (None, Some(fields)) => {
                times.extend(fields.ttl);
                if is_one_of(&["SOA"], fields, text) {
                    times.extend(fields.data.iter().skip(3));
                }
                has_names = is_one_of(&WITH_NAMES, fields, text);
            }
            (None, None) => {}
        }
        for (index, token) in entry.tokens.iter().enumerate() {
            if index > 0 || !entry.at_margin {
                plain.push(' ');
            }
            let word = token.within(text).unwrap_or_default();
            let seconds = lexer::seconds(word).filter(|_| times.contains(&token));
            match (word, seconds) {
                (_, Some(seconds)) => plain.push_str(&seconds.to_string()),
                ("@", None) if has_names && index > 0 => plain.push_str(&origin),
                (word, None) => plain.push_str(word),
            }
        }
        plain.push('\n');
    }
    plain
}

/// Reads the records as a server would.
fn records(text: &str, entries: &[Entry], origin: &ZoneName) -> Result<Vec<Located>, HeaderFault> {
    // Mixed classes are let in here to be told by their names there.
    let mut zone_file = Zonefile::from(in_plain_words(text, entries, origin).as_str()).allow_invalid();
    zone_file.set_origin(origin.to_bytes());
    zone_file.set_default_class(Class::IN);
    let mut lines = entries.iter().filter(|entry| entry.directive(text).is_none()).map(|entry| entry.line);
    let mut records = Vec::new();
    loop {
        // The scanner's own errors name a line and a column, but those of the end of a token; the entry's line is plainer.
        let line = lines.next();
        let located = |fault: Fault| HeaderFault { line, fault };
        match zone_file.next_entry() {
            Ok(Some(inplace::Entry::Record(record))) => {
                let owner = record.owner().to_name();
                records.push(Located { line: line.unwrap_or_default(), owner, record });
            }
            Ok(Some(inplace::Entry::Include { .. })) => return Err(located(Fault::Directive("$INCLUDE".to_owned()))),
            Ok(None) => return Ok(records),
            Err(error) => {
                let error = error.to_string();
                let message = error.splitn(3, ':').last().unwrap_or_default().trim().to_owned();
                return Err(located(Fault::Syntax(message)));
            }
        }
    }
}

/// Reads what an earlier life wrote: the serial, and the addresses at `owner`. `None`: it is no zone of this origin.
pub(super) fn read_back(text: &str, header: &Header, owner: &ZoneName) -> Option<Found> {
    let entries = lexer::entries(text).ok()?;
    let serial = soa_numbers(&entries, text).ok()?.serial;
    let records = records(text, &entries, &header.origin).ok()?;
    let soa = records.iter().find(|located| matches!(located.record.data(), ZoneRecordData::Soa(_)))?;
    if soa.owner != header.origin {
        return None;
    }
    let addresses = records.iter().filter(|located| located.owner == *owner);
    let addresses = addresses.filter_map(|located| match located.record.data() {
        ZoneRecordData::A(a) => Some(ServiceAddress(a.addr().into())),
        ZoneRecordData::Aaaa(aaaa) => Some(ServiceAddress(aaaa.addr().into())),
        _ => None,
    });
    Some(Found { serial, addresses: addresses.collect() })
}
