//! The committed datagrams: a change of the format shows here first.

use crate::messages::{one_of_each, short_info};
use crate::{codec, signed, unsigned};
use rais_core::info_message::Message;
use std::path::Path;

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

/// The fuzzer begins with every kind of message, without the signature that it puts below each itself. What the fuzzer
/// looks for is looked for here at each of them as it stands, cut anywhere, and with any one octet changed.
#[test]
fn the_fuzzer_s_seeds_are_the_corpus_and_do_no_harm_cut_or_changed_anywhere() {
    let newer = ("newer-minor", include_str!("corpus/newer-minor.hex"));
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/wire");
    let harmless = |octets: &[u8]| {
        let _ = codec().decode(octets, 255);
        if let Ok(message) = codec().decode(&signed(octets.to_vec(), 1), 255)
            && let Ok(again) = codec().encode(&message)
        {
            assert_eq!(codec().decode(&again, 255).as_ref(), Ok(&message), "what was understood can be said again");
        }
    };
    for (name, text) in FILES.into_iter().chain([newer]) {
        let (path, body) = (directory.join(name), unsigned(&octets(text)));
        if std::env::var_os("RAIS_BLESS").is_some() {
            std::fs::write(&path, &body).unwrap();
        }
        let seed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(seed, body, "{name}: RAIS_BLESS=1 writes the seeds anew");
        for at in 0..seed.len() {
            harmless(&seed[..at]);
            for bits in [0x01, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] ^= bits;
                harmless(&changed);
            }
        }
        harmless(&seed);
    }
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), FILES.len() + 1, "no seed without a message");
}
