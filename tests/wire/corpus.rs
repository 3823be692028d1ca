//! The committed datagrams: a change of the format shows here first.

use crate::codec;
use crate::messages::{one_of_each, short_info};
use rais_core::info_message::Message;

/// The octets of a file of the corpus: hexadecimal digits; `#` starts a comment.
fn octets(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half an octet");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal")).collect()
}

const FILES: [(&str, &str); 7] = [
    ("info-full", include_str!("corpus/info-full.hex")),
    ("info-short", include_str!("corpus/info-short.hex")),
    ("info-policy", include_str!("corpus/info-policy.hex")),
    ("acquire", include_str!("corpus/acquire.hex")),
    ("release", include_str!("corpus/release.hex")),
    ("leave", include_str!("corpus/leave.hex")),
    ("ask", include_str!("corpus/ask.hex")),
];

#[test]
fn the_corpus_is_what_is_sent_and_what_is_understood() {
    let messages: Vec<(&str, Message)> = one_of_each();
    assert_eq!(messages.len(), FILES.len());
    for ((name, message), (file, text)) in messages.iter().zip(FILES) {
        assert_eq!(*name, file);
        assert_eq!(codec().decode(&octets(text), 255).as_ref(), Ok(message), "{name}: received");
        assert_eq!(codec().encode(message).unwrap(), octets(text), "{name}: sent");
    }
}

#[test]
fn a_datagram_of_the_next_minor_version_is_understood() {
    let newer = octets(include_str!("corpus/newer-minor.hex"));
    assert_eq!(codec().decode(&newer, 255), Ok(short_info()));
}
