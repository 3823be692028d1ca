//! A datagram's body, under a good signature: a fuzzer never guesses one, so it is given one.

use hmac::{Hmac, Mac};
use rais::wire::{Codec, Key, KeyId};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let keys = BTreeMap::from([(KeyId(1), Key::from_hex(&"01".repeat(32)).expect("64 digits"))]);
    Codec::new("http".parse().expect("a name"), &keys, KeyId(1)).expect("the key is there")
});

/// Whatever is understood can be said again, and is then understood the same.
pub fn take(octets: &[u8]) {
    let _ = CODEC.decode(octets, 255);
    let mut signed = octets.to_vec();
    let mac =
        <Hmac<sha2::Sha256> as Mac>::new_from_slice(&[1; 32]).expect("any length").chain_update(octets).finalize();
    signed.extend_from_slice(&mac.into_bytes());
    if let Ok(message) = CODEC.decode(&signed, 255) {
        // What was understood can be said again, unless padding made it more than our own encoder would write.
        if let Ok(again) = CODEC.encode(&message) {
            assert_eq!(CODEC.decode(&again, 255).as_ref(), Ok(&message));
        }
    }
}
