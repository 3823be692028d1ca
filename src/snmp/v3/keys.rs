//! Keys, and what is done with them: localisation (RFC 3414 §2.6), digests (RFC 3414 §6.3, RFC 7860 §4.2), encryption
//! (RFC 3826 §3).
//!
//! It does not know messages or users. AES-256 is only had with a digest of at least 32 octets, so that a localised key
//! is long enough as it is: the drafts that stretch shorter ones (Blumenthal's, which net-snmp follows, and Reeder's,
//! which Cisco follows) never come into it, and whatever they call AES-256 with SHA-256 or longer agrees with this.

use super::engine::EngineId;
use aes::cipher::{AsyncStreamCipher, KeyIvInit};
use hmac::{Hmac, Mac};
use sha2::Digest;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// The shortest pass phrase, in octets: RFC 3414 §11.2.
pub const MIN_PASS_PHRASE_OCTETS: usize = 8;
/// How much of the repeated pass phrase is hashed: RFC 3414 §2.6.
const EXPANDED_OCTETS: usize = 1 << 20;
/// The longest digest.
const MAX_DIGEST_OCTETS: usize = 64;

/// How a message is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authentication {
    /// HMAC-SHA-96 (RFC 3414): only where nothing better is spoken.
    Sha1,
    /// HMAC-128-SHA-224 (RFC 7860).
    Sha224,
    /// HMAC-192-SHA-256 (RFC 7860).
    Sha256,
    /// HMAC-256-SHA-384 (RFC 7860).
    Sha384,
    /// HMAC-384-SHA-512 (RFC 7860).
    Sha512,
}

/// How a message is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privacy {
    /// AES-128 in CFB mode (RFC 3826).
    Aes128,
    /// AES-256 in CFB mode: as RFC 3826, with a key of 32 octets.
    Aes256,
}

/// A pass phrase that is too short. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a pass phrase has at least {MIN_PASS_PHRASE_OCTETS} characters")]
pub struct BadPassPhrase;

/// A text that is no key of the length wanted. It says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a localised key for {algorithm} has {digits} hexadecimal digits")]
pub struct BadSecret {
    algorithm: &'static str,
    digits: usize,
}

/// A localised key: wiped when dropped, never shown, compared in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Runs an expression with `$hash` as the digest algorithm.
macro_rules! with_hash {
    ($algorithm:expr, $hash:ident => $body:expr) => {
        match $algorithm {
            Authentication::Sha1 => {
                type $hash = sha1::Sha1;
                $body
            }
            Authentication::Sha224 => {
                type $hash = sha2::Sha224;
                $body
            }
            Authentication::Sha256 => {
                type $hash = sha2::Sha256;
                $body
            }
            Authentication::Sha384 => {
                type $hash = sha2::Sha384;
                $body
            }
            Authentication::Sha512 => {
                type $hash = sha2::Sha512;
                $body
            }
        }
    };
}

impl Authentication {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its name, as the configuration and net-snmp's `-a` have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Octets of a key, and of the whole digest.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Octets of the digest that a message carries (RFC 3414 §6.3.1, RFC 7860 §4.1).
    #[must_use]
    pub const fn digest_octets(self) -> usize {
        match self {
            Self::Sha1 => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }

    /// Its identifier below snmpAuthProtocols.
    pub(crate) const fn identifier(self) -> &'static [u32] {
        match self {
            Self::Sha1 => &[1, 3, 6, 1, 6, 3, 10, 1, 1, 3],
            Self::Sha224 => &[1, 3, 6, 1, 6, 3, 10, 1, 1, 4],
            Self::Sha256 => &[1, 3, 6, 1, 6, 3, 10, 1, 1, 5],
            Self::Sha384 => &[1, 3, 6, 1, 6, 3, 10, 1, 1, 6],
            Self::Sha512 => &[1, 3, 6, 1, 6, 3, 10, 1, 1, 7],
        }
    }

    /// The key that a pass phrase makes at an engine (RFC 3414 §2.6, appendix A.2).
    ///
    /// # Errors
    /// [`BadPassPhrase`] if it is too short.
    pub fn localise(self, pass_phrase: &[u8], engine: &EngineId) -> Result<Secret, BadPassPhrase> {
        if pass_phrase.len() < MIN_PASS_PHRASE_OCTETS {
            return Err(BadPassPhrase);
        }
        let key = with_hash!(self, Hash => {
            let expanded: Zeroizing<Vec<u8>> =
                Zeroizing::new(pass_phrase.iter().copied().cycle().take(EXPANDED_OCTETS).collect());
            let master = Zeroizing::new(Hash::digest(expanded.as_slice()).to_vec());
            Hash::new().chain_update(&*master).chain_update(engine.as_bytes()).chain_update(&*master).finalize().to_vec()
        });
        Ok(Secret(Zeroizing::new(key)))
    }

    /// The digest of a message whose own digest counts as zeros: what comes before it, and what after.
    pub(super) fn digest(self, key: &Secret, before: &[u8], after: &[u8]) -> [u8; MAX_DIGEST_OCTETS] {
        let zeros = [0; MAX_DIGEST_OCTETS];
        let zeros = zeros.get(..self.digest_octets()).unwrap_or_default();
        let mut digest = [0; MAX_DIGEST_OCTETS];
        with_hash!(self, Hash => {
            // HMAC takes a key of any length.
            if let Ok(mac) = <Hmac<Hash> as Mac>::new_from_slice(&key.0) {
                let whole = mac.chain_update(before).chain_update(zeros).chain_update(after).finalize().into_bytes();
                digest.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
            }
        });
        digest
    }

    /// Is it the digest of that message? Takes the same time whatever the octets.
    pub(super) fn verify(self, key: &Secret, before: &[u8], offered: &[u8], after: &[u8]) -> bool {
        let digest = self.digest(key, before, after);
        // Of another length: no digest at all (RFC 3414 §6.3.2 (1)).
        digest.get(..self.digest_octets()).is_some_and(|digest| digest.ct_eq(offered).into())
    }
}

impl Privacy {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Aes128, Self::Aes256];

    /// Its name, as the configuration and net-snmp's `-x` have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128",
            Self::Aes256 => "AES-256",
        }
    }

    /// Octets of a key.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// Can its key be had from this digest?
    #[must_use]
    pub const fn goes_with(self, authentication: Authentication) -> bool {
        match self {
            Self::Aes128 => true,
            Self::Aes256 => authentication.key_octets() >= 32,
        }
    }

    /// Its identifier: below snmpPrivProtocols, and for AES-256, which no RFC names, the one that net-snmp knows.
    pub(crate) const fn identifier(self) -> &'static [u32] {
        match self {
            Self::Aes128 => &[1, 3, 6, 1, 6, 3, 10, 1, 2, 4],
            Self::Aes256 => &[1, 3, 6, 1, 4, 1, 14832, 1, 4],
        }
    }

    /// The key that a pass phrase makes at an engine: the localised key of the user's digest, cut (RFC 3826 §1.2).
    ///
    /// # Errors
    /// [`BadPassPhrase`] if it is too short.
    pub fn localise(
        self,
        authentication: Authentication,
        pass_phrase: &[u8],
        engine: &EngineId,
    ) -> Result<Secret, BadPassPhrase> {
        let whole = authentication.localise(pass_phrase, engine)?;
        Ok(Secret(Zeroizing::new(whole.0.iter().copied().take(self.key_octets()).collect())))
    }

    pub(super) fn encrypt(self, key: &Secret, iv: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Aes128 => {
                if let Ok(cipher) = cfb_mode::Encryptor::<aes::Aes128>::new_from_slices(&key.0, iv) {
                    cipher.encrypt(octets);
                }
            }
            Self::Aes256 => {
                if let Ok(cipher) = cfb_mode::Encryptor::<aes::Aes256>::new_from_slices(&key.0, iv) {
                    cipher.encrypt(octets);
                }
            }
        }
    }

    pub(super) fn decrypt(self, key: &Secret, iv: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Aes128 => {
                if let Ok(cipher) = cfb_mode::Decryptor::<aes::Aes128>::new_from_slices(&key.0, iv) {
                    cipher.decrypt(octets);
                }
            }
            Self::Aes256 => {
                if let Ok(cipher) = cfb_mode::Decryptor::<aes::Aes256>::new_from_slices(&key.0, iv) {
                    cipher.decrypt(octets);
                }
            }
        }
    }
}

impl FromStr for Authentication {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(())
    }
}

impl FromStr for Privacy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(())
    }
}

impl Secret {
    /// Reads an authentication key.
    ///
    /// # Errors
    /// [`BadSecret`] if it is not hexadecimal, or not as long as the algorithm wants it.
    pub fn authentication(algorithm: Authentication, text: &str) -> Result<Self, BadSecret> {
        Self::from_hex(text, algorithm.name(), algorithm.key_octets())
    }

    /// Reads a privacy key.
    ///
    /// # Errors
    /// [`BadSecret`] if it is not hexadecimal, or not as long as the algorithm wants it.
    pub fn privacy(algorithm: Privacy, text: &str) -> Result<Self, BadSecret> {
        Self::from_hex(text, algorithm.name(), algorithm.key_octets())
    }

    fn from_hex(text: &str, algorithm: &'static str, octets: usize) -> Result<Self, BadSecret> {
        let bad = BadSecret { algorithm, digits: octets * 2 };
        if text.len() != bad.digits {
            return Err(bad);
        }
        let mut key = Zeroizing::new(Vec::with_capacity(octets));
        for pair in text.as_bytes().chunks(2) {
            let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let octet = pair.iter().try_fold(0, |sum, octet| Some(sum << 4 | digit(octet)?));
            key.push(octet.ok_or(bad)?);
        }
        Ok(Self(key))
    }

    /// The key in hexadecimal, for the one file that holds it.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 2));
        for octet in self.0.iter() {
            for digit in [octet >> 4, octet & 0x0f] {
                text.extend(DIGITS.get(usize::from(digit)));
            }
        }
        text
    }

    pub(super) fn octets(&self) -> usize {
        self.0.len()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_engine() -> EngineId {
        "000000000000000000000002".parse().unwrap()
    }

    #[test]
    fn the_sample_of_rfc_3414_a_3_2_is_localised_as_it_says() {
        let key = Authentication::Sha1.localise(b"maplesyrup", &sample_engine()).unwrap();
        assert_eq!(*key.to_hex(), "6695febc9288e36282235fc7151f128497b38f3f");
        let privacy = Privacy::Aes128.localise(Authentication::Sha1, b"maplesyrup", &sample_engine()).unwrap();
        assert_eq!(*privacy.to_hex(), "6695febc9288e36282235fc7151f1284");
    }

    #[test]
    fn a_pass_phrase_of_seven_octets_is_refused() {
        assert_eq!(Authentication::Sha256.localise(b"1234567", &sample_engine()), Err(BadPassPhrase));
        assert!(Authentication::Sha256.localise(b"12345678", &sample_engine()).is_ok());
    }

    #[test]
    fn aes_256_goes_only_with_digests_of_at_least_32_octets() {
        let with: Vec<_> =
            Authentication::ALL.into_iter().filter(|digest| Privacy::Aes256.goes_with(*digest)).collect();
        assert_eq!(with, [Authentication::Sha256, Authentication::Sha384, Authentication::Sha512]);
        assert!(Authentication::ALL.into_iter().all(|digest| Privacy::Aes128.goes_with(digest)));
    }

    #[test]
    fn a_key_is_read_back_as_written_and_only_at_its_own_length() {
        let text = "0f".repeat(32);
        let key = Secret::authentication(Authentication::Sha256, &text).unwrap();
        assert_eq!(*key.to_hex(), text);
        assert_eq!(Secret::privacy(Privacy::Aes256, &text), Ok(key));
        for bad in [&text[1..], &text[2..], &format!("{text}00"), &text.replace("0f", "0g"), &"é".repeat(32)] {
            let error = Secret::authentication(Authentication::Sha256, bad).unwrap_err().to_string();
            assert_eq!(error, "a localised key for SHA-256 has 64 hexadecimal digits");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = Secret::authentication(Authentication::Sha1, &"ab".repeat(20)).unwrap();
        assert_eq!(format!("{key:?}"), "Secret(hidden)");
    }

    #[test]
    fn what_is_encrypted_is_decrypted_whatever_its_length() {
        for (privacy, digits) in [(Privacy::Aes128, 32), (Privacy::Aes256, 64)] {
            let key = Secret::privacy(privacy, &"5a".repeat(digits / 2)).unwrap();
            for length in [0, 1, 15, 16, 17, 484, 1472] {
                let plain: Vec<u8> = (0..length).map(|octet| octet as u8).collect();
                let mut octets = plain.clone();
                privacy.encrypt(&key, &[7; 16], &mut octets);
                assert!(length < 8 || octets != plain);
                privacy.decrypt(&key, &[7; 16], &mut octets);
                assert_eq!(octets, plain, "{privacy:?} {length}");
            }
        }
    }

    #[test]
    fn the_sample_of_nist_sp_800_38a_f_3_13_is_encrypted_as_it_says() {
        let key = Secret::privacy(Privacy::Aes128, "2b7e151628aed2a6abf7158809cf4f3c").unwrap();
        let iv: [u8; 16] = std::array::from_fn(|at| at as u8);
        let mut octets =
            [0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a];
        Privacy::Aes128.encrypt(&key, &iv, &mut octets);
        let expected = [0x3b, 0x3f, 0xd9, 0x2e, 0xb7, 0x2d, 0xad, 0x20, 0x33, 0x34, 0x49, 0xf8, 0xe8, 0x3c, 0xfb, 0x4a];
        assert_eq!(octets, expected);
    }
}
