//! The octets between the nodes: the very codec that the daemon uses, a newer release's way with it, and bad luck.
//!
//! Only histories in which it matters go through it ([`Scenario::on_the_wire`](crate::scenario::Scenario::on_the_wire)):
//! signatures cost more than all decisions together.

#[path = "../../../src/wire/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the daemon uses more of it than the simulation")]
mod codec;

use crate::random::Random;
use codec::{Codec, Key, KeyId, MAX_DATAGRAM, ON_LINK_TTL};
use hmac::{Hmac, Mac};
use rais_core::address::GroupName;
use rais_core::counters::DropCause;
use rais_core::info_message::Message;
use sha2::Sha256;
use std::collections::BTreeMap;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const MAC_OCTETS: usize = 32;
/// A section, a record and a message type of the newer release.
const NEWER_SECTION: u8 = 99;
const NEWER_RECORD: u8 = 33;
const NEWER_TYPE: u8 = 77;

/// The wire of one group.
#[derive(Debug)]
pub struct Wire {
    codec: Codec,
}

impl Wire {
    /// The wire of a group, with the simulation's key.
    #[must_use]
    pub fn of(group: &GroupName) -> Self {
        let key = Key::from_hex(KEY).expect("a key");
        let codec = Codec::new(group.clone(), &BTreeMap::from([(KeyId(1), key)]), KeyId(1)).expect("its key");
        Self { codec }
    }

    /// The datagram of a message.
    ///
    /// # Errors
    /// It does not fit (G-3): what the codec says.
    pub fn encode(&self, message: &Message, newer: bool) -> Result<Vec<u8>, String> {
        let datagram = self.codec.encode(message).map_err(|error| error.to_string())?;
        Ok(if newer { as_newer(&datagram) } else { datagram })
    }

    /// The message of a datagram.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn decode(&self, datagram: &[u8]) -> Result<Message, DropCause> {
        self.codec.decode(datagram, ON_LINK_TTL)
    }
}

/// The datagram with one bit flipped.
#[must_use]
pub fn damaged(datagram: &[u8], random: &mut Random) -> Vec<u8> {
    let mut octets = datagram.to_vec();
    let at = random.index(octets.len());
    octets[at] ^= 1 << random.index(8);
    octets
}

/// A message of a type that only the newer release knows, with the header of this one.
#[must_use]
pub fn of_newer_type(datagram: &[u8]) -> Vec<u8> {
    let mut octets = datagram[..datagram.len() - MAC_OCTETS].to_vec();
    (octets[5], octets[6]) = (1, NEWER_TYPE);
    signed(octets)
}

fn signed(mut octets: Vec<u8>) -> Vec<u8> {
    let key: Vec<u8> = (0..32).collect();
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do").chain_update(&octets).finalize();
    octets.extend_from_slice(&mac.into_bytes());
    octets
}

/// What a newer minor version may add (the wire's *Upgrades*): octets at the end of sections and records, records, and
/// sections, as far as there is room in the datagram.
fn as_newer(datagram: &[u8]) -> Vec<u8> {
    let old = &datagram[..datagram.len() - MAC_OCTETS];
    let group = usize::from(old[8]);
    let sender = if old[9 + group] == 6 { 16 } else { 4 };
    let body = 26 + group + sender;
    for (in_records, in_sections) in [(2, 5), (0, 5), (0, 0)] {
        let mut octets = old[..body].to_vec();
        octets[5] = 1;
        let mut rest = &old[body..];
        while let [section, high, low, tail @ ..] = rest {
            let (value, next) = tail.split_at(usize::from(*high) << 8 | usize::from(*low));
            let grown = grown(*section, value, in_records, in_sections);
            octets.push(*section);
            octets.extend_from_slice(&(grown.len() as u16).to_be_bytes());
            octets.extend_from_slice(&grown);
            rest = next;
        }
        if in_sections > 0 {
            octets.extend_from_slice(&[NEWER_SECTION, 0, 4, 1, 2, 3, 4]);
        }
        if octets.len() + MAC_OCTETS <= MAX_DATAGRAM {
            return signed(octets);
        }
    }
    signed(old.to_vec())
}

/// A section's value as the newer release writes it.
fn grown(section: u8, value: &[u8], in_records: usize, in_sections: usize) -> Vec<u8> {
    // Where its records begin: those of an entry's part follow the control addresses.
    let records = match section {
        2 => {
            let mut at = 5;
            for _ in 0..value[4] & 0x0f {
                at += if value[at] == 6 { 17 } else { 5 };
            }
            at
        }
        3 => 0,
        // Those of orders follow the pass.
        4 => 8,
        // No records: octets at its end.
        _ => return [value, &vec![0xee; in_sections]].concat(),
    };
    let (mut octets, mut rest) = (value[..records].to_vec(), &value[records..]);
    while let [kind, length, tail @ ..] = rest {
        let (record, next) = tail.split_at(usize::from(*length));
        octets.extend_from_slice(&[*kind, length + in_records as u8]);
        octets.extend_from_slice(record);
        octets.extend(std::iter::repeat_n(0xee, in_records));
        if in_records > 0 && octets.len() % 3 == 0 {
            octets.extend_from_slice(&[NEWER_RECORD, 3, 7, 8, 9]);
        }
        rest = next;
    }
    octets
}
