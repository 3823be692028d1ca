//! Secrets of a configuration: wiped when dropped, never shown by `Debug`, compared in constant time.
//!
//! Message keys are `wire`'s own: see [`Key`].

pub use crate::wire::{Authentication, Key, KeyId};

use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Why the content of a community file was refused. It says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a community is one word of 1 to {} printable ASCII characters", Community::MAX_LEN)]
pub struct BadCommunity;

/// An SNMP v2c community: 1 to 64 printable ASCII characters without white space.
#[derive(Clone)]
pub struct Community(Zeroizing<Vec<u8>>);

impl Community {
    /// The longest community, in octets: no management station in use has a longer one.
    pub const MAX_LEN: usize = 64;

    /// Reads one word; white space around it is ignored.
    ///
    /// # Errors
    /// [`BadCommunity`] for anything else.
    pub fn from_text(text: &str) -> Result<Self, BadCommunity> {
        let word = text.trim_ascii().as_bytes();
        if word.is_empty() || word.len() > Self::MAX_LEN || !word.iter().all(u8::is_ascii_graphic) {
            return Err(BadCommunity);
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
    fn a_community_is_one_printable_word() {
        assert_eq!(Community::from_text("public\n").unwrap().as_bytes(), b"public");
        for bad in ["", " \n", "two words", "é", &"a".repeat(65)] {
            assert_eq!(Community::from_text(bad), Err(BadCommunity));
        }
    }
}
