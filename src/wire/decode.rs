//! Octets → messages, by the tables in the [module](super). Only authentic octets come here; they may still be of a
//! newer release, or of a broken one, so everything is checked all the same.

use super::number;
use super::reader::Reader;
use rais_core::address::{HostName, IdAddress, ServiceAddress};
use rais_core::counters::DropCause;
use rais_core::info_message::{Ask, Body, Claim, EntryPart, Heard, Info, Message, Order, Orders, Row, Status};
use rais_core::notification::Reason;
use rais_core::operator::{FailbackOrder, Policy};
use rais_core::params::Choice;
use rais_core::quantity::{EntryVersion, Generation, Incarnation, PassNumber, PolicyVersion, Sequence};

/// Reads the sender's part of the header, and the body.
pub(super) fn message(message_type: u8, mut reader: Reader<'_>) -> Result<Message, DropCause> {
    if !matches!(message_type, number::INFO..=number::ASK) {
        return Err(DropCause::UnknownType);
    }
    known(message_type, &mut reader).ok_or(DropCause::Malformed)
}

fn known(message_type: u8, reader: &mut Reader<'_>) -> Option<Message> {
    let sender = IdAddress(reader.address()?);
    let incarnation = Incarnation(reader.u64()?);
    let sequence = Sequence(reader.u64()?);
    let sections = Sections::read(reader)?;
    let body = match message_type {
        number::INFO => Body::Info(info(&sections, sender)?),
        number::ACQUIRE => Body::Acquire(orders(sections.orders?)?),
        number::RELEASE => Body::Release(orders(sections.orders?)?),
        number::LEAVE => Body::Leave,
        number::ASK => Body::Ask(ask(sections.ask?)?),
        _ => return None,
    };
    Some(Message { sender, incarnation, sequence, body })
}

/// The body's sections, found but not yet read.
#[derive(Default)]
struct Sections<'a> {
    status: Option<Reader<'a>>,
    part: Option<Reader<'a>>,
    heard: Option<Reader<'a>>,
    orders: Option<Reader<'a>>,
    ask: Option<Reader<'a>>,
    policy: Option<Reader<'a>>,
}

impl<'a> Sections<'a> {
    /// Finds them all, to the last octet. `None`: a length that lies, or a known section twice.
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let mut found = Self::default();
        while !reader.is_empty() {
            let (section_type, value) = reader.section()?;
            let place = match section_type {
                number::SECTION_STATUS => &mut found.status,
                number::SECTION_PART => &mut found.part,
                number::SECTION_HEARD => &mut found.heard,
                number::SECTION_ORDERS => &mut found.orders,
                number::SECTION_ASK => &mut found.ask,
                number::SECTION_POLICY => &mut found.policy,
                _newer => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(found)
    }
}

fn info(sections: &Sections<'_>, sender: IdAddress) -> Option<Info> {
    let (mut status, entry_version) = status(sections.status?)?;
    if let Some(section) = sections.policy {
        status.policy = policy(section)?;
    }
    let part = match sections.part {
        Some(section) => Some(part(section, sender)?),
        None => None,
    };
    let heard = match sections.heard {
        Some(section) => records(section, heard)?,
        None => Vec::new(),
    };
    Some(Info { status, entry_version, part, heard })
}

fn status(mut section: Reader<'_>) -> Option<(Status, EntryVersion)> {
    let flags = section.u8()?;
    let set = |flag| flags & flag != 0;
    let load = section.u32()?;
    let capacity = section.u32()?;
    let generation = Generation(section.u64()?);
    let digest = section.u64()?;
    let entry_version = EntryVersion(section.u64()?);
    let name = HostName::new(std::str::from_utf8(section.short_octets()?).ok()?).ok()?;
    let status = Status {
        name,
        ok: set(number::OK),
        trouble: trouble(flags),
        quiesced: set(number::QUIESCED),
        draining: set(number::DRAINING),
        settled: set(number::SETTLED),
        spare: set(number::SPARE),
        load,
        capacity,
        generation,
        digest,
        policy: Policy::default(),
    };
    Some((status, entry_version))
}

/// A word that this release does not know changes nothing here, and is still the newest.
fn policy(mut section: Reader<'_>) -> Option<Policy> {
    let version = PolicyVersion(section.u64()?);
    let told = Some(IdAddress(section.address()?));
    let failback = match section.u8()? {
        1 => Some(FailbackOrder::Immediate),
        2 => Some(FailbackOrder::Manual),
        _newer => None,
    };
    let choice = match section.u8()? {
        1 => Some(Choice::Balanced),
        2 => Some(Choice::Random),
        _newer => None,
    };
    Some(Policy { version, told, failback, choice })
}

fn trouble(flags: u8) -> Option<Reason> {
    match flags & (number::OK | number::TROUBLE_MASK) {
        0 => Some(Reason::Test),
        number::NO_CARRIER => Some(Reason::Carrier),
        number::PARTITIONED => Some(Reason::Partition),
        // It is ok, or of a newer release.
        _ => None,
    }
}

fn part(mut section: Reader<'_>, sender: IdAddress) -> Option<EntryPart> {
    let index = section.u16()?;
    let count = section.u16()?;
    if index >= count {
        return None;
    }
    let counted = section.u8()?;
    let id_first = counted & number::ID_FIRST != 0;
    let listed = usize::from(counted & number::COUNT_MASK);
    let mut control_addresses = Vec::with_capacity(listed + usize::from(id_first));
    control_addresses.extend(id_first.then_some(sender.0));
    for _ in 0..listed {
        control_addresses.push(section.address()?);
    }
    Some(EntryPart { index, count, control_addresses, rows: records(section, row)? })
}

/// What a record says, or that it is of a kind this release does not know.
enum Record<T> {
    Known(T),
    Newer,
}

/// Reads the records twice: once to check and count them, once into a vector of exactly their number, so that a
/// datagram costs what it says and not what a growing vector rounds it up to (G-6).
fn records<T>(section: Reader<'_>, read: impl Fn(u8, Reader<'_>) -> Option<Record<T>>) -> Option<Vec<T>> {
    let each = |mut rest: Reader<'_>, keep: &mut dyn FnMut(T)| {
        while !rest.is_empty() {
            let (kind, value) = rest.record()?;
            match read(kind, value)? {
                Record::Known(record) => keep(record),
                Record::Newer => {}
            }
        }
        Some(())
    };
    let mut count = 0;
    each(section, &mut |_| count += 1)?;
    let mut kept = Vec::with_capacity(count);
    each(section, &mut |record| kept.push(record))?;
    Some(kept)
}

const fn first_is_v6(kind: u8) -> bool {
    kind & number::FIRST_IS_V6 != 0
}

const fn second_is_v6(kind: u8) -> bool {
    kind & number::SECOND_IS_V6 != 0
}

const fn bare(kind: u8) -> u8 {
    kind & !(number::FIRST_IS_V6 | number::SECOND_IS_V6)
}

fn row(kind: u8, mut value: Reader<'_>) -> Option<Record<Row>> {
    Some(Record::Known(match bare(kind) {
        number::ROW_PREFERRED => Row::Preferred(ServiceAddress(value.bare_address(first_is_v6(kind))?)),
        number::ROW_CLAIM => {
            let claim = match value.u8()? {
                1 => Claim::Acquiring,
                2 => Claim::Online,
                3 => Claim::Releasing,
                _ => return None,
            };
            Row::Claim(ServiceAddress(value.bare_address(first_is_v6(kind))?), claim)
        }
        number::ROW_ORPHAN => Row::Orphan {
            address: ServiceAddress(value.bare_address(first_is_v6(kind))?),
            preferred: IdAddress(value.bare_address(second_is_v6(kind))?),
            age: value.age()?,
        },
        _ => return Some(Record::Newer),
    }))
}

fn heard(kind: u8, mut value: Reader<'_>) -> Option<Record<Heard>> {
    Some(match bare(kind) {
        number::ROW_HEARD => Record::Known(Heard {
            id: IdAddress(value.bare_address(first_is_v6(kind))?),
            incarnation: Incarnation(value.u64()?),
            sequence: Sequence(value.u64()?),
            age: value.age()?,
            loss: value.u16()?,
        }),
        _ => Record::Newer,
    })
}

fn ask(mut section: Reader<'_>) -> Option<Ask> {
    Some(Ask { host: IdAddress(section.address()?), known: EntryVersion(section.u64()?) })
}

fn orders(mut section: Reader<'_>) -> Option<Orders> {
    let pass = PassNumber(section.u64()?);
    Some(Orders { pass, orders: records(section, order)? })
}

fn order(kind: u8, mut value: Reader<'_>) -> Option<Record<Order>> {
    Some(match bare(kind) {
        number::ROW_ORDER => Record::Known(Order {
            destination: IdAddress(value.bare_address(first_is_v6(kind))?),
            life: Incarnation(value.u64()?),
            address: ServiceAddress(value.bare_address(second_is_v6(kind))?),
            reason: reason(value.u8()?),
        }),
        _ => Record::Newer,
    })
}

const fn reason(number: u8) -> Reason {
    match number {
        1 => Reason::Unserved,
        2 => Reason::Failback,
        3 => Reason::Test,
        4 => Reason::Operator,
        5 => Reason::Duplicate,
        6 => Reason::Expired,
        7 => Reason::Stop,
        8 => Reason::Overslept,
        9 => Reason::Load,
        10 => Reason::Configuration,
        11 => Reason::Lost,
        12 => Reason::Carrier,
        13 => Reason::Partition,
        14 => Reason::Removed,
        _newer => Reason::Unknown,
    }
}
