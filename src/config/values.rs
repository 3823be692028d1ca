//! Single values of the configuration: strings, numbers, durations, words out of a list, paths.
//!
//! Each parser gives back what is wrong in words; where it stands is the reader's business. Addresses are in
//! `network_values`.

use super::reader::{describe, enumerate, nearest};
use rais_core::address::BadName;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use toml::de::DeValue;

/// A value, or what is wrong with it.
pub(super) type Parsed<T> = Result<T, String>;

/// The longest path in a bundle, in octets: it is to fit any archive and any file system.
pub const MAX_PATH: usize = 200;
/// The most directories a path in a bundle may go down.
pub const MAX_DEPTH: usize = 8;
/// The longest sysContact and sysLocation: `DisplayString (SIZE (0..255))` of RFC 3418.
const MAX_DISPLAY_STRING: usize = 255;

/// A piece of the file as a message may show it: in quotes, and not all of a long one.
pub(super) fn quote(text: &str) -> String {
    const SHOWN: usize = 48;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A string that `parse` understands.
pub(super) fn text<T>(parse: impl Fn(&str) -> Parsed<T>) -> impl Fn(&DeValue) -> Parsed<T> {
    move |value| match value {
        DeValue::String(text) => parse(text),
        other => Err(format!("must be a string in quotes, is {}", describe(other))),
    }
}

/// A name of the core's (a group's, an interface's, ...).
pub(super) fn name<N: FromStr<Err = BadName>>(value: &DeValue) -> Parsed<N> {
    text(|text| text.parse().map_err(|why| format!("{} is not possible: {why}", quote(text))))(value)
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| format!("must be true or false, is {}", describe(value)))
}

/// A whole number in a range; `unit` follows the range in the message, and may be empty.
pub(super) fn integer<T>(range: RangeInclusive<T>, unit: &'static str) -> impl Fn(&DeValue) -> Parsed<T>
where
    T: TryFrom<i128> + PartialOrd + Display + Copy,
{
    move |value| {
        let DeValue::Integer(integer) = value else {
            return Err(format!("must be a whole number, is {}", describe(value)));
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let converted = number.and_then(|number| T::try_from(number).ok());
        converted.filter(|number| range.contains(number)).ok_or_else(|| {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            format!("must be {} to {}{unit}, is {integer}", range.start(), range.end())
        })
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue) -> Parsed<T> {
    text(|text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let guess = nearest(text, known.iter().copied());
            Err(match guess {
                Some(guess) => format!("{} is not known; did you mean `{guess}`?", quote(text)),
                None => format!("{} is not known; possible: {}", quote(text), enumerate(&known)),
            })
        }
    })
}

/// A duration in a range, such as "100ms".
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue) -> Parsed<Duration> {
    move |value| match value {
        DeValue::String(text) => duration_within(text, &range),
        DeValue::Integer(number) => Err(format!("has no unit; write \"{number}ms\" or \"{number}s\"")),
        other => Err(format!("must be a duration such as \"100ms\", is {}", describe(other))),
    }
}

/// A duration in a range, or a word that stands for something else.
pub(super) fn duration_or<T: Copy>(
    words: &'static [(&'static str, T)],
    range: RangeInclusive<Duration>,
    convert: impl Fn(Duration) -> T,
) -> impl Fn(&DeValue) -> Parsed<T> {
    move |value| {
        if let DeValue::String(text) = value {
            if let Some((_, meaning)) = words.iter().find(|(word, _)| word == text) {
                return Ok(*meaning);
            }
            if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let known = enumerate(&known);
                return Err(format!("{} is not known; possible: {known}, or a duration such as \"30s\"", quote(text)));
            }
        }
        duration(range.clone())(value).map(&convert)
    }
}

fn duration_within(text: &str, range: &RangeInclusive<Duration>) -> Parsed<Duration> {
    let duration = parse_duration(text)
        .ok_or_else(|| format!("{} is not a duration; write it as \"100ms\", \"3s\", \"5m\" or \"1h\"", quote(text)))?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    Err(format!("must be {} to {}, is {}", show(*range.start()), show(*range.end()), show(duration)))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// A duration as the file would have it, in the largest unit that leaves no fraction.
pub(super) fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fits = |(size, _): &&(u128, &str)| millis >= *size && millis.is_multiple_of(*size);
    match units.iter().find(fits) {
        Some((size, unit)) => format!("{}{unit}", millis / size),
        None => format!("{millis}ms"),
    }
}

/// sysContact, sysLocation.
pub(super) fn display_string(value: &DeValue) -> Parsed<String> {
    text(|text| match text.chars().find(|c| !matches!(c, ' '..='~')) {
        Some(c) => Err(format!("holds {c:?}; SNMP's DisplayString takes printable ASCII characters only")),
        None if text.len() > MAX_DISPLAY_STRING => {
            Err(format!("is {} characters long, at most {MAX_DISPLAY_STRING} are possible", text.len()))
        }
        None => Ok(text.to_owned()),
    })(value)
}

/// What is wrong with a path in a bundle, if anything is.
///
/// # Errors
/// In words, to follow the path: not relative, too long, too deep, or a name with characters outside `A-Z a-z 0-9 . _ -`
/// or with a dot in front.
pub fn check_bundle_path(path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH {
        return Err(format!("is {} octets long, at most {MAX_PATH} are possible", path.len()));
    }
    if path.starts_with('/') {
        return Err("is absolute; it must be relative to the bundle's directory".to_owned());
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err(format!("is more than {MAX_DEPTH} directories deep"));
    }
    for name in path.split('/') {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(good) {
            let rule = "a name in a bundle is of A-Z, a-z, 0-9, '.', '_', '-', and does not start with a dot";
            return Err(format!("is not possible: {rule}"));
        }
    }
    Ok(())
}

/// The path of a file in the bundle.
pub(super) fn bundle_path(value: &DeValue) -> Parsed<String> {
    text(|text| {
        // Somebody pasted the key itself. It must not end up in a log.
        let secret = text.len() >= 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        if secret {
            return Err("looks like a key; put the key into a file of the bundle, and its path here".to_owned());
        }
        check_bundle_path(text).map_err(|why| format!("{} {why}", quote(text)))?;
        Ok(text.to_owned())
    })(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_one_unit_and_no_fraction() {
        for (text, millis) in [("100ms", 100), ("3s", 3000), ("5m", 300_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "3", "s", "3 s", "1.5s", "-1s", "+1s", "1m30s", "3S", "99999999999999999999s", "9999999999999999999h"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_would_be_written() {
        for text in ["0ms", "1ms", "300ms", "1500ms", "1s", "90s", "1m", "90m", "1h", "720h"] {
            assert_eq!(show(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn a_path_stays_in_the_bundle() {
        for good in ["rais.toml", "secrets/http.key", "a/b/c/d/e/f/g/h", "A-1_b.c"] {
            assert_eq!(check_bundle_path(good), Ok(()), "{good}");
        }
        let long = "a".repeat(MAX_PATH + 1);
        for bad in [
            "",
            "/etc/shadow",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".a",
            "a b",
            "ä",
            "a/b/c/d/e/f/g/h/i",
            "a\\b",
            "a\n",
            &long,
        ] {
            assert!(check_bundle_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_pasted_where_its_path_belongs_is_not_shown() {
        let pasted = "00112233445566778899aabbccddeeff";
        let message = bundle_path(&DeValue::String(pasted.into())).unwrap_err();
        assert!(!message.contains("0011"), "{message}");
    }

    #[test]
    fn long_texts_are_not_shown_whole() {
        assert_eq!(quote("a\"b"), r#""a\"b""#);
        assert_eq!(quote(&"é".repeat(100)), format!("\"{}\"…", "é".repeat(48)));
    }
}
