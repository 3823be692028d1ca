//! Zone serials in the arithmetic of RFC 1982. It knows no clock: the time is an argument.

/// The serial after `last`: the Unix time if that is later, else `last` + 1. Never 0, which is what "never written" looks
/// like in a table.
pub(super) fn next(last: u32, unix_seconds: u64) -> u32 {
    // The low 32 bits: Unix time wraps with the serial, in 2106.
    let now = u32::try_from(unix_seconds & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let next = if is_later(now, last) { now } else { last.wrapping_add(1) };
    if next == 0 { 1 } else { next }
}

/// The later of two serials; the first if neither is (RFC 1982 leaves serials 2^31 apart undefined).
pub(super) const fn later(one: u32, other: u32) -> u32 {
    if is_later(other, one) { other } else { one }
}

/// Is `one` greater than `other` (RFC 1982 section 3.2)?
pub(super) const fn is_later(one: u32, other: u32) -> bool {
    let ahead = one.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_serial_is_the_time_or_one_more_than_the_last() {
        let table = [
            // what, last, Unix time, next
            ("the clock is ahead", 1_700_000_000, 1_700_000_100, 1_700_000_100),
            ("twice in a second", 1_700_000_100, 1_700_000_100, 1_700_000_101),
            ("the clock stepped back", 1_700_000_100, 1_600_000_000, 1_700_000_101),
            ("the clock is at the start", 1_700_000_100, 0, 1_700_000_101),
            ("a dated serial is ahead of the time", 2_024_010_101, 1_700_000_000, 2_024_010_102),
            ("a small serial is behind it", 1, 1_700_000_000, 1_700_000_000),
            ("half the circle ahead is not later", 0, 1 << 31, 1),
            ("just below half the circle is later", 0, (1 << 31) - 1, (1 << 31) - 1),
            ("the wrap skips 0", u32::MAX, 1 << 31, 1),
            ("the wrap of the time itself", u32::MAX - 5, (1 << 32) + 3, 3),
            ("the second of the wrap is not 0", u32::MAX - 5, 1 << 32, 1),
        ];
        for (what, last, now, expected) in table {
            assert_eq!(next(last, now), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn a_serial_always_grows(last in any::<u32>(), now in any::<u64>()) {
            let serial = next(last, now);
            prop_assert!(is_later(serial, last), "{serial} after {last}");
            prop_assert_ne!(serial, 0);
        }

        #[test]
        fn the_later_of_two_is_the_later_from_both_sides(one in any::<u32>(), other in any::<u32>()) {
            prop_assume!(one.wrapping_sub(other) != 1 << 31);
            prop_assert_eq!(later(one, other), later(other, one));
        }
    }
}
