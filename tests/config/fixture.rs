//! What the tests share: dummy files that a configuration may name, and keys.

use rais::config::BundleFiles;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use std::path::{Path, PathBuf};

/// A message key in the format of its file.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

/// The keys of the user "noc" of `config/rais.toml`.
pub(crate) const USER_KEYS: &[u8] = b"engine 80007ed90511223344556677889900aabb\n\
    authentication f5e09077f93aece43c2fed8b63ca1e9d16b0c0df550120a95ff02a432913d969\n\
    privacy 533647337c13aaf1eef59c5148a097c1\n";

/// Keys for another engine, for authentication alone.
const KEYS_THERE: &[u8] = b"engine 80001f8804deadbeef\n\
    authentication f5e09077f93aece43c2fed8b63ca1e9d16b0c0df550120a95ff02a432913d969\n";

/// Good files and bad ones, as a `rais.toml` may name them: path, content, mode.
const DUMMIES: &[(&str, &[u8], u32)] = &[
    ("secrets/http.key", KEY.as_bytes(), 0o600),
    ("secrets/gateway.key", KEY.as_bytes(), 0o400),
    ("secrets/http-new.key", b"FF112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0o600),
    ("secrets/open.key", KEY.as_bytes(), 0o644),
    ("secrets/short.key", b"0011", 0o600),
    ("secrets/letters.key", b"0g112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0o600),
    ("secrets/binary.key", b"\xff\xfe", 0o600),
    ("secrets/snmp.community", b"rocommunity\n", 0o600),
    ("secrets/same.community", b"rocommunity", 0o600),
    ("secrets/traps.community", b"trapcommunity", 0o600),
    ("secrets/receiver.community", b"receivercommunity", 0o600),
    ("secrets/two-words.community", b"two words", 0o600),
    ("secrets/snmp-noc.keys", USER_KEYS, 0o600),
    ("secrets/snmp-noc-there.keys", KEYS_THERE, 0o600),
    ("secrets/snmp-other-engine.keys", b"engine 80007ed905ff223344556677889900aabb\n", 0o600),
    ("secrets/snmp-short.keys", b"engine 80007ed90511223344556677889900aabb\nauthentication 00\n", 0o600),
    ("secrets/snmp-no-privacy.keys", USER_KEYS.split_at(USER_KEYS.len() - 41).0, 0o600),
    ("secrets/snmp-open.keys", USER_KEYS, 0o640),
    ("secrets/open.community", b"other", 0o640),
    ("scripts/acquire", b"#!/bin/sh\nexit 0\n", 0o755),
    ("scripts/release", b"#!/bin/sh\nexit 0\n", 0o700),
    ("scripts/not-executable", b"#!/bin/sh\nexit 0\n", 0o644),
    ("zones/www.header", b"@ 5 SOA ns.example.net. noc.example.net. 1 60 60 3600 5\n@ 60 NS ns.example.net.\n", 0o644),
    ("zones/bad.header", b"@ 5 SOA ns.example.net. noc.example.net. 1 60 60 3600 5\n$INCLUDE more\n", 0o644),
    ("zones/latin1.header", b"; B\xfcro\n", 0o644),
];

/// A bundle of a configuration and the dummy files.
pub(crate) fn bundle(configuration: &[u8]) -> BundleFiles {
    let dummies = DUMMIES.iter().map(|(path, content, mode)| ((*path).to_owned(), content.to_vec(), *mode));
    dummies.chain([("rais.toml".to_owned(), configuration.to_vec(), 0o644)]).collect()
}

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An ed25519 key that is always the same.
pub(crate) fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// A line of a keyring.
pub(crate) fn keyring_line(principal: &str, key: &PrivateKey) -> String {
    let public = key.public_key().to_openssh().expect("a public key can be written");
    format!("{principal} namespaces=\"rais-config@v1\" {public}\n")
}
