//! The two clocks: monotonic time for every decision, wall time only for people.
//!
//! Monotonic time is `CLOCK_BOOTTIME`, not `CLOCK_MONOTONIC`: it goes on while the machine is suspended or the VM is
//! frozen, so a box that overslept sees it and gives its addresses up (G-33).

use nix::time::{ClockId, clock_gettime};
use rais_core::time::Instant;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since boot, time asleep included.
#[must_use]
pub fn now() -> Instant {
    // The call can not fail: the clock exists since Linux 2.6.39 and the pointer is ours. Should it, zero is the one
    // answer that makes nobody late.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Instant::ZERO, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        Instant::from_micros(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000))
    })
}

/// Milliseconds since 1970-01-01 UTC; 0 if the clock stands before that. It may step: never decide by it.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rais_core::time::Duration;

    #[test]
    fn time_goes_forward() {
        let earlier = now();
        while now() <= earlier {}
        assert!(now().since(earlier) < Duration::from_secs(60));
    }

    #[test]
    fn wall_time_is_in_milliseconds() {
        // Between 2020 and 2100.
        assert!((1_577_836_800_000..4_102_444_800_000).contains(&unix_ms()));
    }
}
