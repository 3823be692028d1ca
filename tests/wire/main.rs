//! The wire format from outside: what round-trips, what is refused and why, what a refusal costs, and the committed
//! datagrams that every later release must still read.
//!
//! `corpus/` holds one datagram per file, in hexadecimal with comments, as another implementation would send it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod allocation;
mod authentication;
mod corpus;
mod cost;
mod messages;
mod properties;
mod refusals;

use rais::wire::{Codec, Key, KeyId, MAX_DATAGRAM};
use std::collections::BTreeMap;

/// Where a datagram's signature starts, from its end.
const MAC_OCTETS: usize = 32;

fn key(id: u8) -> Key {
    Key::from_hex(&format!("{id:02x}").repeat(32)).expect("64 digits")
}

/// A codec that accepts `ids` and sends with the first.
fn codec_with(group: &str, ids: &[u8]) -> Codec {
    let keys: BTreeMap<_, _> = ids.iter().map(|id| (KeyId(*id), key(*id))).collect();
    Codec::new(group.parse().expect("a good name"), &keys, KeyId(ids[0])).expect("the first key is among the keys")
}

fn codec() -> Codec {
    codec_with("http", &[1, 2])
}

/// Signs octets as a holder of the key would: for what no encoder of ours would write.
fn signed(mut octets: Vec<u8>, key_id: u8) -> Vec<u8> {
    use hmac::{Hmac, Mac};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&[key_id; 32]).expect("any length").chain_update(&octets).finalize();
    octets.extend_from_slice(&mac.into_bytes());
    octets
}

/// The datagram without its signature.
fn unsigned(datagram: &[u8]) -> Vec<u8> {
    assert!(datagram.len() <= MAX_DATAGRAM);
    datagram[..datagram.len() - MAC_OCTETS].to_vec()
}
