//! How many requests a source may make: a token bucket for each (RFC 3414 §11.1 leaves it to the implementation).
//!
//! It does not know sockets or messages. Sources can be forged, so the buckets are few: whoever finds no room shares
//! one, and whoever has been quiet long enough to have a full bucket needs none.

use rais_core::time::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Most sources with a bucket of their own: more management stations than any network has.
const MAX_SOURCES: usize = 1024;
/// One token, in the millionths that make refilling exact at every rate.
const TOKEN: u64 = 1_000_000;

/// Requests that one source may make, if nothing else is wanted: a walk of 10,000 rows in five seconds, and far less
/// than would keep a processor from the protocol's own work.
pub const DEFAULT_REQUESTS_PER_SECOND: u32 = 10_000;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limit {
    per_second: u64,
    sources: BTreeMap<IpAddr, Bucket>,
    everybody_else: Bucket,
    /// When room was last made.
    pruned: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    millionths: u64,
    at: Instant,
}

impl Bucket {
    /// Fills up to a second's worth.
    fn refill(&mut self, per_second: u64, now: Instant) {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.millionths = micros.saturating_mul(per_second).saturating_add(self.millionths).min(per_second * TOKEN);
        self.at = now;
    }

    fn take(&mut self, per_second: u64, now: Instant) -> bool {
        self.refill(per_second, now);
        let left = self.millionths.checked_sub(TOKEN);
        self.millionths = left.unwrap_or(self.millionths);
        left.is_some()
    }
}

impl Limit {
    /// At most that many a second, and as many at once.
    pub(crate) const fn new(per_second: u32) -> Self {
        let per_second = per_second as u64;
        let full = Bucket { millionths: per_second * TOKEN, at: Instant::ZERO };
        Self { per_second, sources: BTreeMap::new(), everybody_else: full, pruned: Instant::ZERO }
    }

    /// May this source make a request now?
    pub(crate) fn allows(&mut self, source: IpAddr, now: Instant) -> bool {
        let per_second = self.per_second;
        if let Some(bucket) = self.sources.get_mut(&source) {
            return bucket.take(per_second, now);
        }
        // Who was quiet makes room; looking for them costs time, which strangers must not be able to spend.
        if self.sources.len() >= MAX_SOURCES && now.since(self.pruned) >= Duration::from_secs(1) {
            self.pruned = now;
            self.sources.retain(|_, bucket| {
                bucket.refill(per_second, now);
                bucket.millionths < per_second * TOKEN
            });
        }
        if self.sources.len() >= MAX_SOURCES {
            return self.everybody_else.take(per_second, now);
        }
        let mut bucket = Bucket { millionths: per_second * TOKEN, at: now };
        let allowed = bucket.take(per_second, now);
        self.sources.insert(source, bucket);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_source_may_make_as_many_requests_as_the_limit_says_and_no_other_suffers() {
        let mut limit = Limit::new(100);
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        assert_eq!((0..150).filter(|_| limit.allows(source(1), at(0))).count(), 100);
        assert!(limit.allows(source(2), at(0)));
        assert_eq!((0..150).filter(|_| limit.allows(source(1), at(500))).count(), 50);
        assert_eq!((0..15_000).filter(|ms| limit.allows(source(1), at(500 + ms / 10))).count(), 149);
    }

    #[test]
    fn forged_sources_share_what_is_left_and_take_no_memory() {
        let mut limit = Limit::new(10);
        let allowed = (0..100_000).filter(|number| limit.allows(source(*number), Instant::ZERO)).count();
        assert_eq!(allowed, MAX_SOURCES + 10);
        assert!(limit.sources.len() <= MAX_SOURCES);
        // Once they are quiet there is room again.
        let later = Instant::ZERO + Duration::from_secs(2);
        assert!(limit.allows(source(7_000_000), later));
        assert!(limit.allows(source(7_000_001), later) && limit.sources.len() == 2);
    }
}
