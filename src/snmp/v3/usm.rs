//! Users, and what their keys do to a message (RFC 3414 §3, RFC 3826 §3.1).
//!
//! It does not know when a message is late, what it asks, or what its sender may see.

use super::engine::EngineId;
use super::keys::{Authentication, Privacy, Secret};
use super::scan::UsmParameters;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The longest user name, in octets: RFC 3414 §2.4.
pub const MAX_USER_NAME_OCTETS: usize = 32;

/// How well a message is protected; the higher the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Anybody could have said it.
    NoAuthNoPriv,
    /// It is known who said it, and when; anybody can read it.
    AuthNoPriv,
    /// As before, and nobody else can read it.
    AuthPriv,
}

impl Level {
    /// Every level, ascending.
    pub const ALL: [Self; 3] = [Self::NoAuthNoPriv, Self::AuthNoPriv, Self::AuthPriv];

    /// Its name, as the RFCs, the configuration and net-snmp's `-l` have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAuthNoPriv => "noAuthNoPriv",
            Self::AuthNoPriv => "authNoPriv",
            Self::AuthPriv => "authPriv",
        }
    }

    /// SnmpSecurityLevel.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::NoAuthNoPriv => 1,
            Self::AuthNoPriv => 2,
            Self::AuthPriv => 3,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or(())
    }
}

/// A user that can not be. Nothing changed; the operator adds it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadUser {
    /// RFC 3414 §2.4 wants 1 to 32 octets.
    #[error("a user name has 1 to {MAX_USER_NAME_OCTETS} octets")]
    Name,
    /// Encryption without authentication would tell anybody what garbled messages do (RFC 3414 §1.4.1).
    #[error("privacy needs authentication")]
    PrivacyAlone,
    /// The digest is too short to make a key of that length.
    #[error("{} needs {} or longer", .0.name(), Authentication::Sha256.name())]
    ShortDigest(Privacy),
    /// A key that is not as long as its algorithm wants it.
    #[error("a key is not of the length that {0} wants")]
    KeyLength(&'static str),
}

/// A user at one engine: a name, and the keys localised there. Never shows its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Vec<u8>,
    engine: EngineId,
    authentication: Option<(Authentication, Secret)>,
    privacy: Option<(Privacy, Secret)>,
}

impl User {
    /// A user with these keys, which must be localised at `engine`.
    ///
    /// # Errors
    /// [`BadUser`] if the parts do not go together.
    pub fn new(
        name: &[u8],
        engine: EngineId,
        authentication: Option<(Authentication, Secret)>,
        privacy: Option<(Privacy, Secret)>,
    ) -> Result<Self, BadUser> {
        if name.is_empty() || name.len() > MAX_USER_NAME_OCTETS {
            return Err(BadUser::Name);
        }
        if let Some((algorithm, key)) = &authentication
            && key.octets() != algorithm.key_octets()
        {
            return Err(BadUser::KeyLength(algorithm.name()));
        }
        if let Some((algorithm, key)) = &privacy {
            let (digest, _) = authentication.as_ref().ok_or(BadUser::PrivacyAlone)?;
            if !algorithm.goes_with(*digest) {
                return Err(BadUser::ShortDigest(*algorithm));
            }
            if key.octets() != algorithm.key_octets() {
                return Err(BadUser::KeyLength(algorithm.name()));
            }
        }
        Ok(Self { name: name.to_vec(), engine, authentication, privacy })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The engine that its keys are localised at.
    #[must_use]
    pub const fn engine(&self) -> &EngineId {
        &self.engine
    }

    /// The highest level it can do.
    #[must_use]
    pub const fn level(&self) -> Level {
        match (&self.authentication, &self.privacy) {
            (None, _) => Level::NoAuthNoPriv,
            (Some(_), None) => Level::AuthNoPriv,
            (Some(_), Some(_)) => Level::AuthPriv,
        }
    }

    /// How it authenticates.
    #[must_use]
    pub fn authentication(&self) -> Option<Authentication> {
        self.authentication.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// How it encrypts.
    #[must_use]
    pub fn privacy(&self) -> Option<Privacy> {
        self.privacy.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// Did this user send it, and has nothing been changed on the way (RFC 3414 §3.2 (6))?
    pub(super) fn is_authentic(&self, parameters: &UsmParameters<'_>) -> bool {
        self.authentication.as_ref().is_some_and(|(algorithm, key)| {
            algorithm.verify(key, parameters.before, parameters.digest, parameters.after)
        })
    }

    /// Decrypts into `out`; `false`: there is no salt of 8 octets, or no key (RFC 3414 §3.2 (8), RFC 3826 §3.1.4).
    pub(super) fn decrypt(&self, parameters: &UsmParameters<'_>, octets: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let (Some((algorithm, key)), Ok(salt)) = (&self.privacy, <[u8; 8]>::try_from(parameters.salt)) else {
            return false;
        };
        out.extend_from_slice(octets);
        algorithm.decrypt(key, &initial_vector(parameters.boots, parameters.time, salt), out);
        true
    }

    pub(super) fn digest_octets(&self) -> usize {
        self.authentication.as_ref().map_or(0, |(algorithm, _)| algorithm.digest_octets())
    }

    /// Writes the digest over the zeros that end `after` octets before the end of the message.
    pub(super) fn sign(&self, message: &mut [u8], after: usize) {
        let Some((algorithm, key)) = &self.authentication else { return };
        let length = algorithm.digest_octets();
        let Some(start) = message.len().checked_sub(after + length) else { return };
        let (before, rest) = message.split_at_mut(start);
        let Some((place, after)) = rest.split_at_mut_checked(length) else { return };
        let digest = algorithm.digest(key, before, after);
        place.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    }

    pub(super) fn encrypt(&self, boots: u32, time: u32, salt: [u8; 8], octets: &mut [u8]) {
        if let Some((algorithm, key)) = &self.privacy {
            algorithm.encrypt(key, &initial_vector(boots, time, salt), octets);
        }
    }
}

/// RFC 3826 §3.1.2.1: boots and time of the authoritative engine, then the salt.
fn initial_vector(boots: u32, time: u32, salt: [u8; 8]) -> [u8; 16] {
    let mut vector = [0; 16];
    let octets = boots.to_be_bytes().into_iter().chain(time.to_be_bytes()).chain(salt);
    vector.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
    vector
}
