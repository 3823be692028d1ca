//! SNMPv2-MIB (RFC 3418): the system group, sysORTable and the snmp group. Read-only: sysName and its like come from
//! the signed configuration.

use super::oid::Oid;
use super::prepared::Served;
use super::registry::Entry;
use super::set::{Syntax, serial_number};
use super::table::{Row, Table};
use super::value::Value;
use super::{entity_mib, host_resources_mib, if_mib, ip_mib, rais_mib, ucd_snmp_mib};

/// What a sysServices of a gateway is made of: layers 3 (internet), 4 (end-to-end) and 7 (applications).
const SYS_SERVICES: i32 = (1 << 2) + (1 << 3) + (1 << 6);

/// sysUpTime.0, the first variable binding of every notification.
pub(crate) const SYS_UP_TIME_0: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
/// snmpTrapOID.0, the second.
pub(crate) const SNMP_TRAP_OID_0: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// The modules that are served, for sysORTable: each an identification and a description.
const MODULES: [(&[u32], &str); 14] = [
    (rais_mib::CAPABILITIES, "RAIS-CAPABILITIES-MIB: what this agent serves of each module"),
    (&[1, 3, 6, 1, 6, 3, 1], "SNMPv2-MIB (RFC 3418): system, sysORTable, snmp"),
    (rais_mib::COMPLIANCE, "RAIS-MIB: service groups, their boxes and addresses"),
    (if_mib::MODULE, "IF-MIB (RFC 2863): interfaces"),
    (ip_mib::MODULE, "IP-MIB (RFC 4293): addresses and figures of IP"),
    (host_resources_mib::MODULE, "HOST-RESOURCES-MIB (RFC 2790): system, storage, processors"),
    (entity_mib::MODULE, "ENTITY-MIB (RFC 4133): the chassis"),
    (ucd_snmp_mib::MODULE, "UCD-SNMP-MIB (net-snmp): load, memory, processor time"),
    (&[1, 3, 6, 1, 6, 3, 12], "SNMP-TARGET-MIB (RFC 3413): receivers of notifications"),
    (&[1, 3, 6, 1, 6, 3, 13], "SNMP-NOTIFICATION-MIB (RFC 3413): how they are notified"),
    (&[1, 3, 6, 1, 6, 3, 10], "SNMP-FRAMEWORK-MIB (RFC 3411): the SNMP engine"),
    (&[1, 3, 6, 1, 6, 3, 11], "SNMP-MPD-MIB (RFC 3412): messages that nobody here takes"),
    (&[1, 3, 6, 1, 6, 3, 15], "SNMP-USER-BASED-SM-MIB (RFC 3414): users, and messages not believed"),
    (&[1, 3, 6, 1, 6, 3, 16], "SNMP-VIEW-BASED-ACM-MIB (RFC 3415): groups, views, contexts"),
];
/// How many of them are served where version 3 is not spoken: the others are about it.
const WITHOUT_V3: usize = 10;

fn modules(served: &Served<'_>) -> &'static [(&'static [u32], &'static str)] {
    let without = MODULES.get(..WITHOUT_V3).filter(|_| served.local.is_none());
    without.unwrap_or(&MODULES)
}

pub(crate) const SYSTEM: &[Entry] = &[
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 1], |served| {
        Value::owned_text(format!("rais {} gateway", served.snapshot.about.version))
    }),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 2], |_| Value::Identifier(rais_mib::GATEWAY)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 3], |served| Value::up_time(served.now, served.started())),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 4], |served| Value::ascii(&served.snapshot.about.contact)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 5], |served| Value::ascii(served.snapshot.view.name.as_str())),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 6], |served| Value::ascii(&served.snapshot.about.location)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 7], |_| Value::Integer(SYS_SERVICES)),
    // What is served is known when the daemon is built: it is there since sysUpTime was zero.
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 1, 8], |_| Value::TimeTicks(0)),
    Entry::table(&[1, 3, 6, 1, 2, 1, 1, 9, 1], &ObjectResources),
];

pub(crate) const SNMP: &[Entry] = &[
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 1], |served| Value::counter(served.counters.in_packets)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 3], |served| Value::counter(served.counters.bad_versions)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 4], |served| Value::counter(served.counters.bad_community_names)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 5], |served| Value::counter(served.counters.bad_community_uses)),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 6], |served| Value::counter(served.counters.asn_parse_errors)),
    // enabled(1), disabled(2)
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 30], |served| {
        Value::Integer(if served.authentication_traps { 1 } else { 2 })
    }),
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 31], |served| Value::counter(served.counters.silent_drops)),
    // The agent is no proxy: there is nothing it could fail to pass on.
    Entry::scalar(&[1, 3, 6, 1, 2, 1, 11, 32], |_| Value::Counter32(0)),
];

pub(crate) const SNMP_SET: &[Entry] = &[Entry::writable(
    &[1, 3, 6, 1, 6, 3, 1, 1, 6, 1],
    |served| Value::Integer(served.serial_number),
    Syntax::Natural,
    |served, named| serial_number(served.serial_number, named),
)];

/// sysORTable: rows are numbered from 1.
struct ObjectResources;

impl Table for ObjectResources {
    fn columns(&self) -> &'static [u32] {
        &[2, 3, 4]
    }

    fn exact(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        let [number] = index else { return None };
        let inner = usize::try_from(*number).ok()?.checked_sub(1)?;
        modules(served).get(inner).map(|_| Row { outer: 0, inner })
    }

    fn after(&self, served: &Served<'_>, index: &[u32]) -> Option<Row> {
        // Row n has the index n + 1: whatever follows the number n, the next row is the one counted n from zero.
        let inner = index.first().map_or(Some(0), |number| usize::try_from(*number).ok())?;
        modules(served).get(inner).map(|_| Row { outer: 0, inner })
    }

    fn next(&self, served: &Served<'_>, row: Row) -> Option<Row> {
        let inner = row.inner + 1;
        modules(served).get(inner).map(|_| Row { outer: 0, inner })
    }

    fn index(&self, _: &Served<'_>, row: Row, name: &mut Oid) {
        name.extend(u32::try_from(row.inner + 1));
    }

    fn value<'a>(&self, served: &Served<'a>, column: u32, row: Row) -> Value<'a> {
        match (modules(served).get(row.inner), column) {
            (Some((id, _)), 2) => Value::Identifier(id),
            (Some((_, description)), 3) => Value::text(description),
            (Some(_), 4) => Value::TimeTicks(0),
            _ => Value::NoSuchInstance,
        }
    }
}
