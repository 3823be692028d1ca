//! Where a configuration comes from, and what the reader of it is willing to trust.

use super::keyring::Keyring;
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest. Written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 hexadecimal digits")]
pub struct BadDigest;

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        if text.len() != 64 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(BadDigest);
        }
        let mut digest = [0; 32];
        for (octet, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| BadDigest)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| BadDigest)?;
        }
        Ok(Self(digest))
    }
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Its generation; 0 for one that has no manifest.
    pub generation: Generation,
    /// SHA-256 of its manifest; of the manifest it would have, if it has none.
    pub digest: Digest,
    /// The principals whose signatures were found good, sorted; empty: nobody signed it.
    pub signers: Vec<String>,
}

impl Provenance {
    /// Who signed it, in words; `None`: nobody.
    #[must_use]
    pub fn signer(&self) -> Option<String> {
        (!self.signers.is_empty()).then(|| self.signers.join(", "))
    }
}

/// What a reader is willing to trust.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Only what is signed.
    Signed {
        /// Who may sign.
        keyring: Keyring,
        /// How many different principals must have signed, at least 1.
        signers_needed: usize,
        /// The highest confirmed generation; nothing older is taken.
        floor: Floor,
        /// The box that this is, if it is known: a bundle for another one is refused. `None` on a box that has not yet
        /// been given a name.
        device: Option<HostName>,
    },
    /// Anything: for a developer and for tests. A manifest that is there must still fit its files.
    InsecureUnsigned,
}

/// The highest confirmed generation of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Its number; a bundle must have a higher one.
    pub generation: Generation,
    /// Its manifest's digest: this very bundle may be loaded again, by a restart.
    pub digest: Option<Digest>,
}
