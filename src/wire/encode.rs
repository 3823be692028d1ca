//! Messages → octets, by the tables in the [module](super). It signs nothing: [`Codec`](super::Codec) does.

use super::{KeyId, MAGIC, MAJOR, MAX_DATAGRAM, MINOR, number};
use rais_core::address::GroupName;
use rais_core::info_message::{Ask, Body, Claim, EntryPart, Heard, Info, Message, Order, Orders, Row, Status};
use rais_core::notification::Reason;
use rais_core::operator::{FailbackOrder, Policy};
use rais_core::params::Choice;
use rais_core::quantity::EntryVersion;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;

/// Why a message could not be encoded. Nothing was sent. The core packs messages so that neither happens; either is a
/// defect of ours to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// It needs more octets than a datagram has (G-3).
    #[error("the message needs {octets} octets and a datagram has {MAX_DATAGRAM}")]
    TooLong {
        /// What it needs, the signature included.
        octets: usize,
    },
    /// More control addresses than the format can count: 15, besides the id.
    #[error("a box with {0} control addresses can not be described")]
    TooManyControlAddresses(usize),
}

/// Appends everything but the signature.
pub(super) fn message(message: &Message, group: &GroupName, key: KeyId, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let message_type = match message.body {
        Body::Info(_) => number::INFO,
        Body::Acquire(_) => number::ACQUIRE,
        Body::Release(_) => number::RELEASE,
        Body::Leave => number::LEAVE,
        Body::Ask(_) => number::ASK,
    };
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[MAJOR, MINOR, message_type, key.0]);
    short_octets(group.as_str().as_bytes(), out);
    address(message.sender.0, out);
    out.extend_from_slice(&message.incarnation.0.to_be_bytes());
    out.extend_from_slice(&message.sequence.0.to_be_bytes());
    match &message.body {
        Body::Info(body) => info(body, message.sender.0, out)?,
        Body::Acquire(body) | Body::Release(body) => section(number::SECTION_ORDERS, out, |out| orders(body, out))?,
        Body::Leave => {}
        Body::Ask(body) => section(number::SECTION_ASK, out, |out| ask(body, out))?,
    }
    Ok(())
}

fn info(info: &Info, sender: IpAddr, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    section(number::SECTION_STATUS, out, |out| status(&info.status, info.entry_version, out))?;
    if let Some(told) = info.status.policy.told {
        section(number::SECTION_POLICY, out, |out| policy(&info.status.policy, told.0, out))?;
    }
    if let Some(body) = &info.part {
        let (id_first, listed) = match body.control_addresses.split_first() {
            Some((first, rest)) if *first == sender => (number::ID_FIRST, rest),
            _ => (0, body.control_addresses.as_slice()),
        };
        let count = u8::try_from(listed.len())
            .ok()
            .filter(|count| *count <= number::COUNT_MASK)
            .ok_or(EncodeError::TooManyControlAddresses(body.control_addresses.len()))?;
        section(number::SECTION_PART, out, |out| part(body, id_first | count, listed, out))?;
    }
    if !info.heard.is_empty() {
        section(number::SECTION_HEARD, out, |out| info.heard.iter().for_each(|of| heard(of, out)))?;
    }
    Ok(())
}

fn status(status: &Status, entry_version: EntryVersion, out: &mut Vec<u8>) {
    // Both bits of the trouble: one that this release has no word for.
    let another = !status.ok && status.trouble.is_none();
    let flags = [
        (status.ok, number::OK),
        (status.quiesced, number::QUIESCED),
        (status.draining, number::DRAINING),
        (status.settled, number::SETTLED),
        (status.trouble == Some(Reason::Carrier) || another, number::NO_CARRIER),
        (status.trouble == Some(Reason::Partition) || another, number::PARTITIONED),
        (status.spare, number::SPARE),
    ];
    out.push(flags.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag));
    out.extend_from_slice(&status.load.to_be_bytes());
    out.extend_from_slice(&status.capacity.to_be_bytes());
    out.extend_from_slice(&status.generation.0.to_be_bytes());
    out.extend_from_slice(&status.digest.to_be_bytes());
    out.extend_from_slice(&entry_version.0.to_be_bytes());
    short_octets(status.name.as_str().as_bytes(), out);
}

fn policy(policy: &Policy, told: IpAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(&policy.version.0.to_be_bytes());
    address(told, out);
    out.push(match policy.failback {
        None => 0,
        Some(FailbackOrder::Immediate) => 1,
        Some(FailbackOrder::Manual) => 2,
    });
    out.push(match policy.choice {
        None => 0,
        Some(Choice::Balanced) => 1,
        Some(Choice::Random) => 2,
    });
}

fn part(part: &EntryPart, counted: u8, listed: &[IpAddr], out: &mut Vec<u8>) {
    out.extend_from_slice(&part.index.to_be_bytes());
    out.extend_from_slice(&part.count.to_be_bytes());
    out.push(counted);
    listed.iter().for_each(|of| address(*of, out));
    part.rows.iter().for_each(|of| row(of, out));
}

fn row(row: &Row, out: &mut Vec<u8>) {
    match row {
        Row::Preferred(address) => record(number::ROW_PREFERRED | first(address.0), out, |out| {
            bare_address(address.0, out);
        }),
        Row::Claim(address, claim) => record(number::ROW_CLAIM | first(address.0), out, |out| {
            out.push(match claim {
                Claim::Acquiring => 1,
                Claim::Online => 2,
                Claim::Releasing => 3,
            });
            bare_address(address.0, out);
        }),
        Row::Orphan { address, preferred, age: since } => {
            record(number::ROW_ORPHAN | first(address.0) | second(preferred.0), out, |out| {
                bare_address(address.0, out);
                bare_address(preferred.0, out);
                age(*since, out);
            });
        }
    }
}

fn heard(heard: &Heard, out: &mut Vec<u8>) {
    record(number::ROW_HEARD | first(heard.id.0), out, |out| {
        bare_address(heard.id.0, out);
        out.extend_from_slice(&heard.incarnation.0.to_be_bytes());
        out.extend_from_slice(&heard.sequence.0.to_be_bytes());
        age(heard.age, out);
        out.extend_from_slice(&heard.loss.to_be_bytes());
    });
}

fn ask(ask: &Ask, out: &mut Vec<u8>) {
    address(ask.host.0, out);
    out.extend_from_slice(&ask.known.0.to_be_bytes());
}

fn orders(orders: &Orders, out: &mut Vec<u8>) {
    out.extend_from_slice(&orders.pass.0.to_be_bytes());
    orders.orders.iter().for_each(|of| order(of, out));
}

fn order(order: &Order, out: &mut Vec<u8>) {
    record(number::ROW_ORDER | first(order.destination.0) | second(order.address.0), out, |out| {
        bare_address(order.destination.0, out);
        out.extend_from_slice(&order.life.0.to_be_bytes());
        bare_address(order.address.0, out);
        out.push(reason(order.reason));
    });
}

const fn reason(reason: Reason) -> u8 {
    match reason {
        Reason::Unknown => 0,
        Reason::Unserved => 1,
        Reason::Failback => 2,
        Reason::Test => 3,
        Reason::Operator => 4,
        Reason::Duplicate => 5,
        Reason::Expired => 6,
        Reason::Stop => 7,
        Reason::Overslept => 8,
        Reason::Load => 9,
        Reason::Configuration => 10,
        Reason::Lost => 11,
        Reason::Carrier => 12,
        Reason::Partition => 13,
        Reason::Removed => 14,
    }
}

/// A type, a length filled in afterwards, and what `value` appends.
fn section(section_type: u8, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) -> Result<(), EncodeError> {
    out.extend_from_slice(&[section_type, 0, 0]);
    let start = out.len();
    value(out);
    let length = out.len().saturating_sub(start);
    let length = u16::try_from(length).map_err(|_| EncodeError::TooLong { octets: out.len() })?;
    if let Some(field) = start.checked_sub(2).and_then(|at| out.get_mut(at..start)) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// A kind, a length filled in afterwards, and what `value` appends: never more than two addresses and three numbers.
fn record(kind: u8, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[kind, 0]);
    let start = out.len();
    value(out);
    let length = u8::try_from(out.len().saturating_sub(start)).unwrap_or(u8::MAX);
    if let Some(field) = start.checked_sub(1).and_then(|at| out.get_mut(at)) {
        *field = length;
    }
}

/// A length octet, and the octets: of a name, which has at most [`MAX_NAME`](rais_core::address::MAX_NAME).
fn short_octets(octets: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(octets);
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    out.push(if address.is_ipv6() { number::FAMILY_V6 } else { number::FAMILY_V4 });
    bare_address(address, out);
}

fn bare_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}

const fn first(address: IpAddr) -> u8 {
    if address.is_ipv6() { number::FIRST_IS_V6 } else { 0 }
}

const fn second(address: IpAddr) -> u8 {
    if address.is_ipv6() { number::SECOND_IS_V6 } else { 0 }
}

fn age(age: Duration, out: &mut Vec<u8>) {
    let micros = u64::try_from(age.as_micros()).unwrap_or(u64::MAX).min(number::MAX_AGE_MICROS);
    let [_, _, octets @ ..] = micros.to_be_bytes();
    out.extend_from_slice(&octets);
}
