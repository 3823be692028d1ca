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
}
