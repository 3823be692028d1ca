//! Group keys: 32 secret octets that never appear in a log, an error or a dump of a structure.
//!
//! It does not know where a key comes from: the configuration reads the file.

use hmac::Hmac;
use hmac::digest::KeyInit;
use hmac::digest::generic_array::GenericArray;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

const OCTETS: usize = 32;

/// Names a key of a group, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u8);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no key. The text itself is not shown: it may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// Too few or too many digits. Nothing was changed; the operator writes 64, for example with
    /// `openssl rand -hex 32`.
    #[error("a key has 64 hexadecimal digits; here are {0} characters")]
    Length(usize),
    /// A character that is no hexadecimal digit. Nothing was changed.
    #[error("a key has only hexadecimal digits; character {0} is none")]
    Digit(usize),
}

/// A group key. Its memory is wiped when it is dropped; `Debug` shows nothing of it.
///
/// The [`Codec`](super::Codec) made from it holds hashes of it for as long as the group runs.
#[derive(Clone)]
pub struct Key([u8; OCTETS]);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Key {
    /// Reads 64 hexadecimal digits; white space around them, such as the end of the line, is ignored.
    ///
    /// # Errors
    /// [`BadKey`] if the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        let length = text.chars().count();
        if length != OCTETS * 2 {
            return Err(BadKey::Length(length));
        }
        let mut key = Zeroizing::new([0; OCTETS]);
        for (index, digit) in text.chars().enumerate() {
            let value =
                digit.to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(BadKey::Digit(index + 1))?;
            if let Some(octet) = key.get_mut(index / 2) {
                *octet = *octet << 4 | value;
            }
        }
        Ok(Self(*key))
    }

    /// HMAC-SHA-256 under this key, ready for the message.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        // RFC 2104 pads a key shorter than a block with zeros; a whole block spares the length check that could fail.
        let mut block = Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(&self.0) {
            *to = *from;
        }
        <Hmac<Sha256> as KeyInit>::new(GenericArray::from_slice(&*block))
    }
}

/// In constant time: a reload compares keys, and its time must not tell how much of one was guessed.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::Mac;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1C1D1E1F";

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_nothing_else() {
        assert_eq!(Key::from_hex(&format!(" {HEX}\n")).unwrap().0, std::array::from_fn(|i| i as u8));
        assert_eq!(Key::from_hex("").unwrap_err(), BadKey::Length(0));
        assert_eq!(Key::from_hex(&HEX[1..]).unwrap_err(), BadKey::Length(63));
        assert_eq!(Key::from_hex(&format!("{HEX}0")).unwrap_err(), BadKey::Length(65));
        assert_eq!(Key::from_hex(&HEX.replace("0c", "0g")).unwrap_err(), BadKey::Digit(26));
        assert_eq!(Key::from_hex(&HEX.replace("0c", "+1")).unwrap_err(), BadKey::Digit(25));
        assert_eq!(Key::from_hex(&HEX.replace("0c", "é1")).unwrap_err(), BadKey::Digit(25));
    }

    #[test]
    fn neither_a_key_nor_its_error_shows_a_digit_of_it() {
        assert_eq!(format!("{:?}", Key::from_hex(HEX).unwrap()), "Key(…)");
        let error = Key::from_hex(&HEX.replace("0c", "zz")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("zz"));
    }

    #[test]
    fn the_mac_is_hmac_sha_256_of_the_unpadded_key() {
        let key = Key::from_hex(HEX).unwrap();
        let plain =
            <Hmac<Sha256> as Mac>::new_from_slice(&key.0).unwrap().chain_update(b"what").finalize().into_bytes();
        assert_eq!(key.mac().chain_update(b"what").finalize().into_bytes(), plain);
    }
}
