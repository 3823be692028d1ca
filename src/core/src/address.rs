//! Addresses and names that must not be mixed up: an id address is never a service address.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that is no IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an IPv4 or IPv6 address")]
pub struct BadAddress;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub IpAddr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = BadAddress;

            fn from_str(text: &str) -> Result<Self, BadAddress> {
                text.parse().map(Self).map_err(|_| BadAddress)
            }
        }
    };
}

address!(
    /// What identifies a box in a group: the first of its control addresses. The lowest live one leads (G-40); IPv4
    /// sorts before IPv6.
    IdAddress
);
address!(
    /// An address that clients use. The group keeps every one served by exactly one box.
    ServiceAddress
);

/// A text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadPrefix {
    /// Neither an address nor an address and a length.
    #[error("not an address, nor an address and a prefix length such as 10.9.0.0/24")]
    Syntax,
    /// The length is not a number from 0 to 32 (IPv4) or 128 (IPv6).
    #[error("the prefix length must be 0 to {0}")]
    Length(u8),
    /// Bits are set beyond the prefix length: one of the two is a slip of the pen.
    #[error("bits are set beyond the prefix length; did you mean {0}?")]
    HostBits(Prefix),
}

/// A range of addresses of one family: those that share the first `length` bits. Written `10.9.0.0/24`; a bare address
/// is the range that holds only it. Sorts IPv4 first, then by address, then by length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The range of `length` bits that starts at `address`.
    ///
    /// # Errors
    /// [`BadPrefix::Length`] if the family has fewer bits, [`BadPrefix::HostBits`] if `address` is not the first of the
    /// range.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, BadPrefix> {
        let range = Self::around(address, length)?;
        if range.address == address { Ok(range) } else { Err(BadPrefix::HostBits(range)) }
    }

    /// The range of `length` bits that `address` lies in: the connected network of an interface's address.
    ///
    /// # Errors
    /// [`BadPrefix::Length`] if the family has fewer bits.
    pub fn around(address: IpAddr, length: u8) -> Result<Self, BadPrefix> {
        let most = family_bits(address);
        if length > most {
            return Err(BadPrefix::Length(most));
        }
        let address = match address {
            IpAddr::V4(v4) => {
                IpAddr::from((v4.to_bits() & u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0)).to_be_bytes())
            }
            IpAddr::V6(v6) => {
                IpAddr::from((v6.to_bits() & u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0)).to_be_bytes())
            }
        };
        Ok(Self { address, length })
    }

    /// The first address of the range.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits are shared: 0 to 32 (IPv4) or 128 (IPv6).
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Does the address lie in the range? One of the other family never does.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self::around(address, self.length).is_ok_and(|range| range.address == self.address)
    }
}

const fn family_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadPrefix::Syntax)?;
        let most = family_bits(address);
        let length = match length {
            None => most,
            // `u8::from_str` would let "+24" and "024" pass.
            Some(digits)
                if digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0')) =>
            {
                digits.parse().map_err(|_| BadPrefix::Length(most))?
            }
            Some(_) => return Err(BadPrefix::Length(most)),
        };
        Self::new(address, length)
    }
}

impl TryFrom<String> for Prefix {
    type Error = BadPrefix;

    fn try_from(text: String) -> Result<Self, BadPrefix> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        alloc::format!("{prefix}")
    }
}

/// A name that is empty, too long, or uses a character outside `a-z 0-9 - _ .`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a name has 1 to {} characters out of a-z, 0-9, '-', '_' and '.', and starts with a letter or digit", MAX_NAME)]
pub struct BadName;

/// The longest name, in octets: a name is an SNMP table index, a file name and a label.
pub const MAX_NAME: usize = 32;

fn check_name(text: &str) -> Result<Arc<str>, BadName> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && text.len() <= MAX_NAME && text.chars().all(good) { Ok(Arc::from(text)) } else { Err(BadName) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name: 1 to 32 characters out of `a-z 0-9 - _ .`, the first a letter or digit.
            ///
            /// # Errors
            /// [`BadName`] if the text is anything else.
            pub fn new(text: &str) -> Result<Self, BadName> {
                check_name(text).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                Self::from(&*name.0)
            }
        }
    };
}

name!(
    /// A service group's name.
    GroupName
);
name!(
    /// A box's name, for people. The id address is what the protocol uses.
    HostName
);
name!(
    /// A network interface's name as the configuration gives it, never `ethN`.
    InterfaceName
);
name!(
    /// A test object's name.
    TestName
);
name!(
    /// A load object's name.
    LoadName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_starts_with_a_letter_or_digit() {
        for good in ["a", "http", "edge-gateway.2", "0", "abcdefghijklmnopqrstuvwxyz012345"] {
            assert!(GroupName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Http", "-a", "a b", "é", "abcdefghijklmnopqrstuvwxyz0123456", "a/b"] {
            assert_eq!(GroupName::new(bad), Err(BadName), "{bad}");
        }
    }

    #[test]
    fn a_prefix_holds_exactly_the_addresses_that_share_its_bits() {
        let table = [
            ("10.9.0.128/25", "10.9.0.128", true),
            ("10.9.0.128/25", "10.9.0.255", true),
            ("10.9.0.128/25", "10.9.0.127", false),
            ("10.9.0.128/25", "10.9.1.128", false),
            ("10.9.0.7", "10.9.0.7", true),
            ("10.9.0.7", "10.9.0.6", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::", false),
            ("::/0", "0.0.0.0", false),
            ("::/0", "ffff::1", true),
            ("fd00:9::/64", "fd00:9::ffff:ffff:ffff:ffff", true),
            ("fd00:9::/64", "fd00:9:0:1::", false),
            ("fd00:9::1", "fd00:9::1", true),
        ];
        for (prefix, address, inside) in table {
            let range: Prefix = prefix.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address} in {prefix}");
        }
    }

    #[test]
    fn a_prefix_reads_back_as_it_is_written() {
        for text in ["10.9.0.0/24", "0.0.0.0/0", "255.255.255.255/32", "::/0", "fd00:9::/64", "fd00::1/128"] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(alloc::format!("{prefix}"), text);
        }
        assert_eq!("10.9.0.7".parse::<Prefix>().unwrap().length(), 32);
    }

    #[test]
    fn a_text_that_is_no_prefix_is_refused_with_what_is_wrong() {
        let meant = BadPrefix::HostBits(Prefix::around("10.9.0.1".parse().unwrap(), 24).unwrap());
        let table = [
            ("", BadPrefix::Syntax),
            ("10.9.0/24", BadPrefix::Syntax),
            ("10.9.0.0/", BadPrefix::Length(32)),
            ("10.9.0.0/33", BadPrefix::Length(32)),
            ("10.9.0.0/+24", BadPrefix::Length(32)),
            ("10.9.0.0/024", BadPrefix::Length(32)),
            ("10.9.0.0/24/24", BadPrefix::Length(32)),
            ("::/129", BadPrefix::Length(128)),
            ("::/256", BadPrefix::Length(128)),
            ("10.9.0.1/24", meant),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
    }
}
