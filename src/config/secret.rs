//! Secrets of a configuration: wiped when dropped, never shown by `Debug`, compared in constant time.

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Why the content of a secret file was refused. It says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// A key file holds something else. Make one with `openssl rand -hex 32`.
    #[error("a key is 64 hexadecimal digits, found {found} characters of which {hexadecimal} are hexadecimal digits")]
    Key {
        /// Characters found, without surrounding white space.
        found: usize,
        /// Of these, hexadecimal digits.
        hexadecimal: usize,
    },
    /// A community file is empty, too long, or has white space or characters outside ASCII inside.
    #[error("a community is one word of 1 to {} printable ASCII characters", Community::MAX_LEN)]
    Community,
}

/// A group's message key: 32 octets.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Reads 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    /// [`BadSecret::Key`] for anything else.
    pub fn from_hex(text: &[u8]) -> Result<Self, BadSecret> {
        let digits = text.trim_ascii();
        let hexadecimal = digits.iter().filter(|octet| octet.is_ascii_hexdigit()).count();
        let bad = BadSecret::Key { found: digits.len(), hexadecimal };
        if digits.len() != 64 || hexadecimal != 64 {
            return Err(bad);
        }
        let mut key = Zeroizing::new([0; 32]);
        for (octet, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| bad)?;
        }
        Ok(Self(key))
    }

    /// The key itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// An SNMP v2c community: 1 to 64 printable ASCII characters without white space.
#[derive(Clone)]
pub struct Community(Zeroizing<Vec<u8>>);

impl Community {
    /// The longest community, in octets: no management station in use has a longer one.
    pub const MAX_LEN: usize = 64;

    /// Reads one word; white space around it is ignored.
    ///
    /// # Errors
    /// [`BadSecret::Community`] for anything else.
    pub fn from_text(text: &[u8]) -> Result<Self, BadSecret> {
        let word = text.trim_ascii();
        if word.is_empty() || word.len() > Self::MAX_LEN || !word.iter().all(u8::is_ascii_graphic) {
            return Err(BadSecret::Community);
        }
        Ok(Self(Zeroizing::new(word.to_vec())))
    }

    /// The community itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Community {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Community {}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Community(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_never_shown() {
        let key = Key::from_hex(format!(" {}\n", "0aFf".repeat(16)).as_bytes()).unwrap();
        assert_eq!(key.as_bytes()[..4], [0x0a, 0xff, 0x0a, 0xff]);
        assert_eq!(format!("{key:?}"), "Key(hidden)");
        for (text, found, hexadecimal) in
            [("", 0, 0), ("00", 2, 2), (&"0g".repeat(32), 64, 32), (&"+0".repeat(32), 64, 32)]
        {
            assert_eq!(Key::from_hex(text.as_bytes()), Err(BadSecret::Key { found, hexadecimal }), "{text}");
        }
    }

    #[test]
    fn a_community_is_one_printable_word() {
        assert_eq!(Community::from_text(b"public\n").unwrap().as_bytes(), b"public");
        for bad in [&b""[..], b" \n", b"two words", b"\xc3\xa9", &[b'a'; 65]] {
            assert_eq!(Community::from_text(bad), Err(BadSecret::Community));
        }
    }
}
