//! A version 3 user as a management station has it: SHA-256 and AES-128, with messages made in advance, so that what they
//! cost the client is not there while an agent is measured.
//!
//! By hand, and not with the agent's own code: the two have to agree. RFC 3414 §2.6, §3, RFC 3826 §3, RFC 7860 §4.

use super::client::{self, element, integer, tlv};
use aes::cipher::{AsyncStreamCipher, KeyIvInit};
use anyhow::{Context, Result, ensure};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Octets of the digest that a message carries.
const DIGEST: usize = 24;
/// msgFlags: authenticated, encrypted, to be reported on.
const AUTH_PRIV: u8 = 3;
const REPORTABLE: u8 = 4;
/// RFC 3414 §2.6.
const EXPANDED: usize = 1 << 20;

/// A user with keys for one engine.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    engine: Vec<u8>,
    authentication: [u8; 32],
    privacy: [u8; 16],
}

/// What stands in the clear in a message.
pub struct Seen<'a> {
    pub id: i64,
    flags: u8,
    pub engine: &'a [u8],
    pub boots: i64,
    pub time: i64,
    salt: &'a [u8],
    /// The scoped PDU, or its cipher text.
    data: &'a [u8],
}

impl User {
    /// A user with the keys that these pass phrases make at an engine.
    pub fn new(name: &str, engine: &[u8], phrases: [&str; 2]) -> Self {
        let key = |phrase: &str| {
            let expanded: Vec<u8> = phrase.bytes().cycle().take(EXPANDED).collect();
            let master = Sha256::digest(expanded);
            <[u8; 32]>::from(Sha256::new().chain_update(master).chain_update(engine).chain_update(master).finalize())
        };
        let [authentication, long] = phrases.map(key);
        let mut privacy = [0; 16];
        privacy.copy_from_slice(&long[..16]);
        Self { name: name.to_owned(), engine: engine.to_vec(), authentication, privacy }
    }

    /// Its keys as `raisctl snmp user add` writes them.
    pub fn key_file(&self) -> String {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let (engine, authentication, privacy) = (hex(&self.engine), hex(&self.authentication), hex(&self.privacy));
        format!("engine {engine}\nauthentication {authentication}\nprivacy {privacy}\n")
    }

    /// A PDU in a message that is authenticated and encrypted.
    pub fn seal(&self, id: i64, [boots, time]: [i64; 2], pdu: &[u8]) -> Vec<u8> {
        let salt = id.to_be_bytes();
        let mut scoped = tlv(0x30, &[tlv(4, &self.engine), tlv(4, &[]), pdu.to_vec()].concat());
        self.cipher(boots, time, &salt, &mut scoped, true);
        let data = tlv(4, &scoped);
        let mut sealed = message(id, AUTH_PRIV | REPORTABLE, &self.engine, [boots, time], &self.name, &salt, &data);
        let digest = self.digest(&sealed);
        let at = sealed.len() - data.len() - tlv(4, &salt).len() - DIGEST;
        sealed[at..at + DIGEST].copy_from_slice(&digest);
        sealed
    }

    /// The PDU in a message that answers.
    pub fn open(&self, answer: &[u8]) -> Result<Vec<u8>> {
        let seen = see(answer).context("no version 3 message")?;
        ensure!(seen.flags == AUTH_PRIV, "an answer that is not protected as the question was");
        let mut scoped = seen.data.to_vec();
        self.cipher(seen.boots, seen.time, seen.salt, &mut scoped, false);
        let pdu = || {
            let (_, content, _) = element(&scoped)?;
            Some(element(element(content)?.2)?.2.to_vec())
        };
        pdu().context("an answer that can not be decrypted")
    }

    fn cipher(&self, boots: i64, time: i64, salt: &[u8], octets: &mut [u8], encrypt: bool) {
        let mut vector = [0; 16];
        let parts = [(boots as u32).to_be_bytes(), (time as u32).to_be_bytes()].concat();
        vector.iter_mut().zip(parts.iter().chain(salt)).for_each(|(to, from)| *to = *from);
        match encrypt {
            true => cfb_mode::Encryptor::<aes::Aes128>::new(&self.privacy.into(), &vector.into()).encrypt(octets),
            false => cfb_mode::Decryptor::<aes::Aes128>::new(&self.privacy.into(), &vector.into()).decrypt(octets),
        }
    }

    fn digest(&self, message: &[u8]) -> [u8; DIGEST] {
        let mut digest = [0; DIGEST];
        if let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.authentication) {
            digest.copy_from_slice(&mac.chain_update(message).finalize().into_bytes()[..DIGEST]);
        }
        digest
    }
}

/// A message that asks who is there (RFC 3414 §4).
pub fn discovery() -> Vec<u8> {
    let scoped = tlv(0x30, &[tlv(4, &[]), tlv(4, &[]), client::pdu(0xa0, 1, [0, 0], &[])].concat());
    message(1, REPORTABLE, &[], [0, 0], "", &[], &scoped)
}

fn message(id: i64, flags: u8, engine: &[u8], clock: [i64; 2], name: &str, salt: &[u8], data: &[u8]) -> Vec<u8> {
    let digest = if flags & AUTH_PRIV == 0 { &[][..] } else { &[0; DIGEST] };
    let header = tlv(0x30, &[integer(id), integer(65_507), tlv(4, &[flags]), integer(3)].concat());
    let [boots, time] = clock.map(integer);
    let security = [tlv(4, engine), boots, time, tlv(4, name.as_bytes()), tlv(4, digest), tlv(4, salt)].concat();
    tlv(0x30, &[integer(3), header, tlv(4, &tlv(0x30, &security)), data.to_vec()].concat())
}

/// What anybody can see of a message.
pub fn see(message: &[u8]) -> Option<Seen<'_>> {
    let number = |octets: &[u8]| octets.iter().fold(0_i64, |sum, octet| (sum << 8) | i64::from(*octet));
    let (_, content, _) = element(message)?;
    let (_, _version, rest) = element(content)?;
    let (_, header, rest) = element(rest)?;
    let (_, security, rest) = element(rest)?;
    let (tag, data, _) = element(rest)?;
    let (_, id, header) = element(header)?;
    let (_, flags, _) = element(element(header)?.2)?;
    let (_, engine, rest) = element(element(security)?.1)?;
    let (_, boots, rest) = element(rest)?;
    let (_, time, rest) = element(rest)?;
    let (_, salt, _) = element(element(element(rest)?.2)?.2)?;
    let data = if tag == 4 { data } else { rest };
    Some(Seen { id: number(id), flags: *flags.first()?, engine, boots: number(boots), time: number(time), salt, data })
}

impl Seen<'_> {
    /// Is it protected as what was asked? A report is not.
    pub const fn is_protected(&self) -> bool {
        self.flags & AUTH_PRIV == AUTH_PRIV
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_seen_and_opened() {
        let user = User::new("bench", b"\x80\x00\x7e\xd9\x05there", ["authentication", "privacy of it"]);
        let pdu = client::pdu(0xa0, 7, [0, 0], &[&[1, 3, 6, 1]]);
        let mut sealed = user.seal(70_000, [3, 500], &pdu);
        let seen = see(&sealed).unwrap();
        assert_eq!((seen.id, seen.boots, seen.time, seen.engine), (70_000, 3, 500, &b"\x80\x00\x7e\xd9\x05there"[..]));
        let flags = sealed.iter().position(|octet| *octet == AUTH_PRIV | REPORTABLE).unwrap();
        sealed[flags] = AUTH_PRIV;
        assert_eq!(user.open(&sealed).unwrap(), pdu);
    }
}
