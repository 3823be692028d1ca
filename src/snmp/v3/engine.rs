//! Who an SNMP engine is, how often it started, and for how long it has run (RFC 3411 §5, RFC 3414 §2.2).
//!
//! It does not know where any of this is kept: the daemon persists it, before a socket opens.

use rais_core::time::Instant;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most snmpEngineBoots can say. An engine that got there, or lost count, stays there and accepts no authenticated
/// message until it is given another engine id (RFC 3414 §2.2.2).
pub const MAX_BOOTS: u32 = (1 << 31) - 1;

const MIN_OCTETS: usize = 5;
const MAX_OCTETS: usize = 32;

/// A text or octets that are no engine id. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadEngineId {
    /// A character that is no hexadecimal digit, or half an octet.
    #[error("an engine id is written as 10 to 64 hexadecimal digits")]
    Digits,
    /// Too short or too long.
    #[error("an engine id has {MIN_OCTETS} to {MAX_OCTETS} octets")]
    Length,
    /// RFC 3411 forbids all zeros and all ones.
    #[error("an engine id is not all zeros, and not all ones")]
    Uniform,
}

/// An engine's id: 5 to 32 octets, unlike that of every other engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineId {
    octets: [u8; MAX_OCTETS],
    length: u8,
}

impl EngineId {
    /// How much randomness [`EngineId::from_random`] takes, in octets: two boxes never draw the same.
    pub const RANDOM_OCTETS: usize = 12;

    /// The engine id that these octets are.
    ///
    /// # Errors
    /// [`BadEngineId`] if RFC 3411 forbids it.
    pub fn new(octets: &[u8]) -> Result<Self, BadEngineId> {
        if !(MIN_OCTETS..=MAX_OCTETS).contains(&octets.len()) {
            return Err(BadEngineId::Length);
        }
        if octets.iter().all(|octet| *octet == 0) || octets.iter().all(|octet| *octet == 0xff) {
            return Err(BadEngineId::Uniform);
        }
        let mut id = Self { octets: [0; MAX_OCTETS], length: octets.len() as u8 };
        id.octets.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        Ok(id)
    }

    /// An engine id out of randomness, in the form of RFC 3411 §5: our enterprise, and octets that we assign.
    #[must_use]
    pub fn from_random(random: [u8; Self::RANDOM_OCTETS]) -> Self {
        const OCTETS_ASSIGNED_BY_ENTERPRISE: u8 = 5;
        let enterprise = (1 << 31) | super::super::rais_mib::ENTERPRISE;
        let mut id = Self { octets: [0; MAX_OCTETS], length: 0 };
        let octets = enterprise.to_be_bytes().into_iter().chain([OCTETS_ASSIGNED_BY_ENTERPRISE]).chain(random);
        for (to, from) in id.octets.iter_mut().zip(octets) {
            *to = from;
            id.length += 1;
        }
        id
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl FromStr for EngineId {
    type Err = BadEngineId;

    fn from_str(text: &str) -> Result<Self, BadEngineId> {
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(BadEngineId::Digits)?;
        let octets: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit)).collect();
        Self::new(&octets)
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineId({self})")
    }
}

/// An engine's own clock: which start this is, and when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineClock {
    boots: u32,
    started: Instant,
}

impl EngineClock {
    /// The clock of the `boots`-th start, that began at `started`; [`MAX_BOOTS`]: it has latched.
    #[must_use]
    pub const fn new(boots: u32, started: Instant) -> Self {
        Self { boots: if boots > MAX_BOOTS { MAX_BOOTS } else { boots }, started }
    }

    /// snmpEngineBoots and snmpEngineTime at `now`. After 68 years without a start the one is raised and the other
    /// begins again (RFC 3414 §2.2.1).
    #[must_use]
    pub fn read(&self, now: Instant) -> (u32, u32) {
        let seconds = now.since(self.started).as_secs();
        let wraps = u32::try_from(seconds >> 31).unwrap_or(MAX_BOOTS);
        let time = (seconds & u64::from(MAX_BOOTS)) as u32;
        (self.boots.saturating_add(wraps).min(MAX_BOOTS), time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_engine_id_has_5_to_32_octets_and_is_not_uniform() {
        let table = [
            ("80007ed905", Ok(())),
            ("80007ED905", Ok(())),
            ("8000", Err(BadEngineId::Length)),
            (&"ab".repeat(33), Err(BadEngineId::Length)),
            (&"ab".repeat(32), Ok(())),
            ("0000000000", Err(BadEngineId::Uniform)),
            ("ffffffffff", Err(BadEngineId::Uniform)),
            ("80007ed90", Err(BadEngineId::Digits)),
            ("0x80007ed905", Err(BadEngineId::Digits)),
            ("é0007ed905", Err(BadEngineId::Digits)),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<EngineId>().map(drop), expected, "{text}");
        }
        assert_eq!("80007ED905AA".parse::<EngineId>().unwrap().to_string(), "80007ed905aa");
    }

    #[test]
    fn a_random_engine_id_is_of_our_enterprise() {
        let id = EngineId::from_random([7; 12]);
        assert_eq!(id.to_string(), format!("80007ed905{}", "07".repeat(12)));
        assert_eq!(EngineId::new(id.as_bytes()), Ok(id));
    }

    #[test]
    fn time_counts_seconds_and_after_2_to_the_31_of_them_boots_is_raised() {
        let started = Instant::from_micros(5_000_000);
        let at = |seconds| started + Duration::from_secs(seconds);
        let table = [
            (7, 0, (7, 0)),
            (7, 150, (7, 150)),
            (7, (1 << 31) - 1, (7, MAX_BOOTS)),
            (7, 1 << 31, (8, 0)),
            (MAX_BOOTS - 1, 1 << 31, (MAX_BOOTS, 0)),
            (MAX_BOOTS, 1 << 31, (MAX_BOOTS, 0)),
            (u32::MAX, 3, (MAX_BOOTS, 3)),
        ];
        for (boots, seconds, expected) in table {
            assert_eq!(EngineClock::new(boots, started).read(at(seconds)), expected, "{boots} {seconds}");
        }
    }
}
