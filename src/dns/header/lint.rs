//! What is wrong with records that can all be read.

use super::{Located, WITH_NAMES, ZoneName, is_one_of};
use crate::dns::fault::{Fault, HeaderFault};
use crate::dns::lexer::Entry;
use domain::base::iana::{Class, Rtype};
use domain::base::name::ToName;
use domain::rdata::ZoneRecordData;
use std::collections::BTreeMap;

/// Records that have no TTL while no `$TTL` is in force.
pub(super) fn without_ttl(entries: &[Entry], text: &str) -> Vec<HeaderFault> {
    let mut in_force = false;
    let mut faults = Vec::new();
    for entry in entries {
        match entry.directive(text) {
            Some(directive) => in_force |= directive.eq_ignore_ascii_case("$TTL"),
            None => {
                let written = entry.fields(text).is_some_and(|fields| fields.ttl.is_some());
                if !written && !in_force {
                    faults.push(Fault::NoTtl.on(entry.line));
                }
            }
        }
    }
    faults
}

/// Words that the `domain` crate reads and some server does not: names with nothing between two dots; escapes anywhere but
/// in text and before a dot of the SOA's mail address.
pub(super) fn odd_words(entries: &[Entry], text: &str) -> Vec<HeaderFault> {
    let mut faults = Vec::new();
    for entry in entries {
        let Some(fields) = entry.fields(text).filter(|_| entry.directive(text).is_none()) else { continue };
        let mail_address = fields.data.get(1).filter(|_| is_one_of(&["SOA"], &fields, text));
        let is_text = is_one_of(&["TXT", "SPF"], &fields, text);
        let data_has_names = is_one_of(&WITH_NAMES, &fields, text);
        for token in &entry.tokens {
            let word = token.within(text).unwrap_or_default();
            let is_data = fields.data.contains(token);
            let is_name = if is_data { data_has_names } else { entry.at_margin && entry.tokens.first() == Some(token) };
            let empty_label = is_name && (word.contains("..") || (word.starts_with('.') && word != "."));
            let may_escape = word.starts_with('"') || (is_data && is_text);
            let escapes =
                if mail_address == Some(token) { word.replace("\\.", "").contains('\\') } else { word.contains('\\') };
            // NSD reads a bare `@` in text as an origin that should not be there.
            let stray_origin = word == "@" && is_data && !data_has_names;
            if empty_label || stray_origin || (escapes && !may_escape) {
                faults.push(Fault::OddName(word.to_owned()).on(entry.line));
            }
        }
    }
    faults
}

/// Everything that takes more than one line to see.
pub(super) fn records(records: &[Located], origin: &ZoneName, owner: &ZoneName) -> Vec<HeaderFault> {
    let mut faults = Vec::new();
    for located in records {
        faults.extend(alone(located, origin, owner).map(|fault| fault.on(located.line)));
        let names = names_in(located);
        faults.extend(names.iter().filter_map(|name| missing_dot(name, origin)).map(|fault| fault.on(located.line)));
        faults.extend(
            names.iter().filter(|name| is_odd(name)).map(|name| Fault::OddName(name.to_string()).on(located.line)),
        );
    }
    faults.extend(sets(records));
    faults.extend(name_servers(records, origin, owner));
    faults
}

/// What is wrong with one record by itself.
fn alone(located: &Located, origin: &ZoneName, owner: &ZoneName) -> Option<Fault> {
    let record_type = located.record.rtype();
    let at_owner = located.owner == *owner;
    let above_owner = !at_owner && owner.ends_with(&located.owner);
    let clashes = matches!(record_type, Rtype::CNAME | Rtype::A | Rtype::AAAA)
        || (record_type == Rtype::NS && located.owner != *origin);
    let hides = record_type == Rtype::DNAME || (record_type == Rtype::NS && located.owner != *origin);
    let names = || (located.owner.to_string(), record_type.to_string());
    if located.record.class() != Class::IN {
        Some(Fault::Class(located.record.class().to_string()))
    } else if !located.owner.ends_with(origin) {
        Some(Fault::OutOfZone(located.owner.to_string()))
    } else if record_type == Rtype::SOA && located.owner != *origin {
        Some(Fault::SoaElsewhere(located.owner.to_string()))
    } else if at_owner && clashes {
        let (owner, record_type) = names();
        Some(Fault::Clash { owner, record_type })
    } else if above_owner && hides {
        let (owner, record_type) = names();
        Some(Fault::Hides { owner, record_type })
    } else if located.record.ttl().as_secs() == 0 {
        Some(Fault::ZeroTtl)
    } else {
        None
    }
}

/// What is wrong between records of one owner.
fn sets(records: &[Located]) -> Vec<HeaderFault> {
    let mut faults = Vec::new();
    let mut first_of_set = BTreeMap::new();
    let mut seen = BTreeMap::new();
    let mut cname_and_more: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for located in records {
        let owner = located.owner.to_string();
        let key = owner.to_ascii_lowercase();
        let record_type = located.record.rtype();
        let data = located.record.data().to_string();
        let line = located.line;
        if let Some(first) = seen.insert((key.clone(), record_type.to_int(), data), line) {
            let record_type = record_type.to_string();
            faults.push(Fault::Twice { owner: owner.clone(), record_type, first }.on(line));
        }
        let ttl = located.record.ttl();
        if *first_of_set.entry((key.clone(), record_type.to_int())).or_insert(ttl) != ttl {
            faults.push(Fault::MixedTtl { owner: owner.clone(), record_type: record_type.to_string() }.on(line));
        }
        let (cname, more) = cname_and_more.entry(key).or_default();
        let had_both = *cname && *more;
        match record_type {
            Rtype::CNAME => *cname = true,
            // DNSSEC's own records stand beside a CNAME (RFC 4034).
            Rtype::RRSIG | Rtype::NSEC => {}
            _ => *more = true,
        }
        if *cname && *more && !had_both {
            faults.push(Fault::CnameAndMore(owner).on(line));
        }
    }
    faults
}

/// A zone needs name servers, and those that lie in it need addresses in it.
fn name_servers(records: &[Located], origin: &ZoneName, owner: &ZoneName) -> Vec<HeaderFault> {
    let mut faults = Vec::new();
    let servers: Vec<(usize, ZoneName)> = records
        .iter()
        .filter(|located| located.owner == *origin)
        .filter_map(|located| match located.record.data() {
            ZoneRecordData::Ns(ns) => Some((located.line, ns.nsdname().to_name())),
            _ => None,
        })
        .collect();
    if servers.is_empty() {
        faults.push(Fault::NoNs.nowhere());
    }
    for (line, server) in servers {
        let has_address = records.iter().any(|located| {
            located.owner == server && matches!(located.record.data(), ZoneRecordData::A(_) | ZoneRecordData::Aaaa(_))
        });
        if server.ends_with(origin) && server != *owner && !has_address {
            faults.push(Fault::NsWithoutAddress(server.to_string()).on(line));
        }
    }
    faults
}

/// The names in a record, its owner among them.
fn names_in(located: &Located) -> Vec<ZoneName> {
    let mut names = vec![located.owner.clone()];
    match located.record.data() {
        ZoneRecordData::Soa(soa) => names.extend([soa.mname().to_name(), soa.rname().to_name()]),
        ZoneRecordData::Ns(ns) => names.push(ns.nsdname().to_name()),
        ZoneRecordData::Cname(cname) => names.push(cname.cname().to_name()),
        ZoneRecordData::Dname(dname) => names.push(dname.dname().to_name()),
        ZoneRecordData::Ptr(ptr) => names.push(ptr.ptrdname().to_name()),
        ZoneRecordData::Mx(mx) => names.push(mx.exchange().to_name()),
        ZoneRecordData::Srv(srv) => names.push(srv.target().to_name()),
        _ => {}
    }
    names
}

/// Has it a character beyond letters, digits, `-`, `_`, the `/` of RFC 2317, the `*` of a wildcard, and the dot that is
/// written `\.` in the first label of a mail address?
fn is_odd(name: &ZoneName) -> bool {
    let good = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_/*.".contains(octet);
    name.iter().any(|label| !label.as_slice().iter().all(good))
}

/// Names that end in the origin's last labels twice: `ns1.example.net` in zone `www.example.net` means
/// `ns1.example.net.www.example.net`, which nobody ever wanted.
fn missing_dot(name: &ZoneName, origin: &ZoneName) -> Option<Fault> {
    let origin = labels(origin);
    let tail = origin.get(origin.len().saturating_sub(2)..)?;
    let labels = labels(name);
    let written = labels.strip_suffix(origin.as_slice())?;
    (written.len() > tail.len() && written.ends_with(tail))
        .then(|| Fault::FinalDot { written: written.join("."), meaning: name.to_string() })
}

/// The labels of a name in lower case, without the root.
fn labels(name: &ZoneName) -> Vec<String> {
    let labels = name.iter().filter(|label| !label.is_root());
    labels.map(|label| label.to_string().to_ascii_lowercase()).collect()
}
