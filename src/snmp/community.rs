//! The community-based security model (RFC 1901, RFC 3584 §5.2): which secret, from where, may see what.
//!
//! It does not know messages or objects. Comparison takes the same time whatever the octets; the secrets are wiped when
//! the table goes, and never shown.

use super::access::View;
use rais_core::address::Prefix;
use std::fmt;
use std::net::IpAddr;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest community, in octets: generous for a secret, and small enough that every answer holds it.
pub const MAX_COMMUNITY_OCTETS: usize = 64;

/// A community that can not be used. Nothing changed; the operator writes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadCommunity {
    /// It is empty: everybody would guess it.
    #[error("a community must not be empty")]
    Empty,
    /// It has more than [`MAX_COMMUNITY_OCTETS`].
    #[error("a community has at most {MAX_COMMUNITY_OCTETS} octets")]
    TooLong,
}

/// One community: its secret, who may use it, and what they see.
pub struct Community {
    secret: Padded,
    sources: Vec<Prefix>,
    read: View,
    write: View,
}

/// A secret at full length with its length in front, so that comparing tells nothing of it.
struct Padded(Zeroizing<[u8; MAX_COMMUNITY_OCTETS + 1]>);

/// Somebody who was authenticated, and what they may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Principal<'a> {
    /// What they may read.
    pub(crate) read: &'a View,
    /// What they may write.
    pub(crate) write: &'a View,
}

/// All communities of an agent.
pub(crate) struct Communities(Vec<Community>);

impl Community {
    /// A community that may read everything from these sources; no source: from everywhere.
    ///
    /// # Errors
    /// [`BadCommunity`] if the secret is empty or too long.
    pub fn read_only(secret: &[u8], sources: Vec<Prefix>) -> Result<Self, BadCommunity> {
        Self::with_views(secret, sources, View::everything(), View::nothing())
    }

    /// A community that may read and write what is in these views.
    ///
    /// # Errors
    /// [`BadCommunity`] if the secret is empty or too long.
    pub fn with_views(secret: &[u8], sources: Vec<Prefix>, read: View, write: View) -> Result<Self, BadCommunity> {
        if secret.is_empty() {
            return Err(BadCommunity::Empty);
        }
        Ok(Self { secret: Padded::new(secret).ok_or(BadCommunity::TooLong)?, sources, read, write })
    }

    fn is_open_to(&self, source: IpAddr) -> bool {
        self.sources.is_empty() || self.sources.iter().any(|range| range.contains(source))
    }
}

impl Padded {
    fn new(secret: &[u8]) -> Option<Self> {
        let length = u8::try_from(secret.len()).ok()?;
        let mut padded = Zeroizing::new([0; MAX_COMMUNITY_OCTETS + 1]);
        let (first, rest) = padded.split_first_mut()?;
        *first = length;
        rest.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(Self(padded))
    }
}

impl Communities {
    pub(crate) fn new(communities: Vec<Community>) -> Self {
        Self(communities)
    }

    /// Is any community open to this source? Asked before a datagram is looked at.
    pub(crate) fn any_open_to(&self, source: IpAddr) -> bool {
        self.0.iter().any(|community| community.is_open_to(source))
    }

    /// Whose community it is. Every secret is compared, and each to its end; only the sources may cut it short.
    pub(crate) fn authenticate(&self, secret: &[u8], source: IpAddr) -> Option<Principal<'_>> {
        let offered = Padded::new(secret)?;
        let mut found = 0u32;
        for (number, community) in (1u32..).zip(&self.0) {
            let matches = community.secret.0.as_slice().ct_eq(offered.0.as_slice());
            // RFC 3584 §5.2: a community from elsewhere is as good as none.
            let number = if community.is_open_to(source) { number } else { 0 };
            found.conditional_assign(&number, matches & found.ct_eq(&0));
        }
        let community = self.0.get(usize::try_from(found.checked_sub(1)?).ok()?)?;
        Some(Principal { read: &community.read, write: &community.write })
    }
}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Community").field("sources", &self.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn communities() -> Communities {
        let lan = vec!["10.9.0.0/24".parse().unwrap()];
        let other = View::of([super::super::oid::Oid::new(&[1, 3])]);
        Communities::new(vec![
            Community::read_only(b"public", lan.clone()).unwrap(),
            Community::with_views(b"public", vec!["10.8.0.0/16".parse().unwrap()], other.clone(), other).unwrap(),
            Community::read_only(b"other\xff", lan).unwrap(),
        ])
    }

    #[test]
    fn a_community_is_known_by_its_octets_and_from_its_sources() {
        let table: [(&[u8], &str, bool); 9] = [
            (b"public", "10.9.0.7", true),
            (b"public", "10.8.1.1", true),
            (b"public", "10.7.0.7", false),
            (b"public", "::1", false),
            (b"publi", "10.9.0.7", false),
            (b"public\0", "10.9.0.7", false),
            (b"", "10.9.0.7", false),
            (b"other\xff", "10.9.0.7", true),
            (&[b'a'; 65], "10.9.0.7", false),
        ];
        for (secret, source, known) in table {
            let source = source.parse().unwrap();
            assert_eq!(communities().authenticate(secret, source).is_some(), known, "{secret:?} from {source}");
        }
    }

    #[test]
    fn the_same_secret_may_mean_another_view_elsewhere() {
        let communities = communities();
        assert!(communities.authenticate(b"public", "10.9.0.7".parse().unwrap()).unwrap().write.is_empty());
        assert!(!communities.authenticate(b"public", "10.8.0.7".parse().unwrap()).unwrap().write.is_empty());
    }

    #[test]
    fn a_secret_is_never_shown() {
        let community = Community::read_only(b"hush", Vec::new()).unwrap();
        assert!(!format!("{community:?}").contains("hush"));
        assert_eq!(Community::read_only(b"", Vec::new()).err(), Some(BadCommunity::Empty));
        assert_eq!(Community::read_only(&[1; 65], Vec::new()).err(), Some(BadCommunity::TooLong));
    }
}
