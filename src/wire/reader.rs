//! A cursor over received octets: takes what is there or says there is not enough, and never allocates.

use super::number;
use std::net::IpAddr;

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` octets.
    pub(super) fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// An age: 6 octets of microseconds.
    pub(super) fn age(&mut self) -> Option<std::time::Duration> {
        let [a, b, c, d, e, f] = self.array()?;
        Some(std::time::Duration::from_micros(u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }

    /// A length octet, and as many octets.
    pub(super) fn short_octets(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.octets(usize::from(length))
    }

    /// An address of a family known otherwise.
    pub(super) fn bare_address(&mut self, is_v6: bool) -> Option<IpAddr> {
        if is_v6 { self.array::<16>().map(IpAddr::from) } else { self.array::<4>().map(IpAddr::from) }
    }

    /// A family octet and an address.
    pub(super) fn address(&mut self) -> Option<IpAddr> {
        match self.u8()? {
            number::FAMILY_V4 => self.bare_address(false),
            number::FAMILY_V6 => self.bare_address(true),
            _ => None,
        }
    }

    /// A section: its type and its value.
    pub(super) fn section(&mut self) -> Option<(u8, Self)> {
        let section_type = self.u8()?;
        let length = self.u16()?;
        Some((section_type, Self(self.octets(usize::from(length))?)))
    }

    /// A record: its kind and its value.
    pub(super) fn record(&mut self) -> Option<(u8, Self)> {
        let kind = self.u8()?;
        Some((kind, Self(self.short_octets()?)))
    }
}
