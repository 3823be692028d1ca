//! Numbers as people read them. Pure.

use rais_core::time::Duration;

/// A length of time in at most two units: `20ms`, `4.2s`, `3m 2s`, `5h 1m`, `12d 4h`.
#[must_use]
pub fn duration(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = length.as_secs();
    let two = |large: u64, small: u64, (large_unit, small_unit): (&str, &str)| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match seconds {
        0 => format!("{}ms", length.as_millis()),
        1..10 => match length.subsec_millis() / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        10..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => two(seconds / MINUTE, seconds % MINUTE, ("m", "s")),
        HOUR..DAY => two(seconds / HOUR, seconds % HOUR / MINUTE, ("h", "m")),
        _ => two(seconds / DAY, seconds % DAY / HOUR, ("d", "h")),
    }
}

/// Wall time as `2026-03-21T14:05:09.123Z`, from milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn utc(unix_ms: u64) -> String {
    let (seconds, millis) = (unix_ms / 1000, unix_ms % 1000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3600, of_day % 3600 / 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days since 1970-01-01 to year, month, day (Howard Hinnant's `civil_from_days`, for days that are not negative).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_at_most_two_units() {
        let table = [
            (0, "0ms"),
            (20, "20ms"),
            (999, "999ms"),
            (1000, "1s"),
            (4250, "4.2s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (182_000, "3m 2s"),
            (3_660_000, "1h 1m"),
            (86_400_000 * 12 + 3_600_000 * 4, "12d 4h"),
        ];
        for (ms, text) in table {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn wall_time_is_iso_8601_in_utc() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_774_101_909_123, "2026-03-21T14:05:09.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ];
        for (ms, text) in table {
            assert_eq!(utc(ms), text);
        }
    }
}
