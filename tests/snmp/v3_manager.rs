//! A version 3 manager by hand: every octet of a message, and the keys and digests from the crates of the algorithms,
//! so that nothing of the agent's own is taken for granted.

use crate::bench::Bench;
use crate::ber::{self, GET, int, sequence, tlv};
use crate::sample;
use aes::cipher::{AsyncStreamCipher, KeyIvInit};
use hmac::{Mac, SimpleHmac};
use rais::snmp::v3::{Authentication, EngineClock, EngineId, Level, Privacy, User, V3Params};
use rais::snmp::{Access, AccessControl, AgentParams, ContextMatch, Dropped, Family, Member, Oid, SecurityModel, View};
use sha2::Digest;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

pub const ENGINE: [u8; 17] = *b"\x80\x00\x7e\xd9\x05a box's name";
pub const BOOTS: u32 = 7;
pub const AUTHENTICATION: &[u8] = b"authentication phrase";
pub const PRIVACY: &[u8] = b"privacy phrase";
pub const REPORT: u8 = 0xa8;
pub const REPORTABLE: u8 = 4;
/// sysDescr is out of the view of the group "some".
pub const HIDDEN: &str = "1.3.6.1.2.1.1.1.0";

pub const UNSUPPORTED_LEVELS: &str = "1.3.6.1.6.3.15.1.1.1.0";
pub const NOT_IN_TIME_WINDOWS: &str = "1.3.6.1.6.3.15.1.1.2.0";
pub const UNKNOWN_USER_NAMES: &str = "1.3.6.1.6.3.15.1.1.3.0";
pub const UNKNOWN_ENGINE_IDS: &str = "1.3.6.1.6.3.15.1.1.4.0";
pub const WRONG_DIGESTS: &str = "1.3.6.1.6.3.15.1.1.5.0";
pub const DECRYPTION_ERRORS: &str = "1.3.6.1.6.3.15.1.1.6.0";
pub const UNKNOWN_PDU_HANDLERS: &str = "1.3.6.1.6.3.11.2.1.3.0";
pub const UNKNOWN_CONTEXTS: &str = "1.3.6.1.6.3.12.1.5.0";

/// An algorithm's hash, key and digest, computed without the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

macro_rules! each_hash {
    ($hash:expr, $H:ident => $body:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $H = sha1::Sha1;
                $body
            }
            Hash::Sha224 => {
                type $H = sha2::Sha224;
                $body
            }
            Hash::Sha256 => {
                type $H = sha2::Sha256;
                $body
            }
            Hash::Sha384 => {
                type $H = sha2::Sha384;
                $body
            }
            Hash::Sha512 => {
                type $H = sha2::Sha512;
                $body
            }
        }
    };
}

impl Hash {
    pub const ALL: [(Self, Authentication, usize); 5] = [
        (Self::Sha1, Authentication::Sha1, 12),
        (Self::Sha224, Authentication::Sha224, 16),
        (Self::Sha256, Authentication::Sha256, 24),
        (Self::Sha384, Authentication::Sha384, 32),
        (Self::Sha512, Authentication::Sha512, 48),
    ];

    pub fn digest_octets(self) -> usize {
        Self::ALL.iter().find(|(hash, ..)| *hash == self).unwrap().2
    }

    fn theirs(self) -> Authentication {
        Self::ALL.iter().find(|(hash, ..)| *hash == self).unwrap().1
    }

    /// RFC 3414 §2.6 and A.2, step by step: a megabyte of the pass phrase, its hash, and that around the engine id.
    pub fn localise(self, pass_phrase: &[u8], engine: &[u8]) -> Vec<u8> {
        // It takes a megabyte of hashing, and every message needs it.
        type Keys = BTreeMap<(&'static str, Vec<u8>, Vec<u8>), Vec<u8>>;
        static KEYS: Mutex<Keys> = Mutex::new(BTreeMap::new());
        let known = (self.theirs().name(), pass_phrase.to_vec(), engine.to_vec());
        let mut keys = KEYS.lock().unwrap();
        keys.entry(known).or_insert_with(|| self.computed(pass_phrase, engine)).clone()
    }

    fn computed(self, pass_phrase: &[u8], engine: &[u8]) -> Vec<u8> {
        each_hash!(self, H => {
            let mut hash = H::new();
            for block in 0..(1 << 20) / 64 {
                let octets: Vec<u8> = (0..64).map(|at| pass_phrase[(block * 64 + at) % pass_phrase.len()]).collect();
                hash.update(&octets);
            }
            let master = hash.finalize();
            H::digest([&master[..], engine, &master[..]].concat()).to_vec()
        })
    }

    pub fn digest(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let whole = each_hash!(self, H => {
            SimpleHmac::<H>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().to_vec()
        });
        whole[..self.digest_octets()].to_vec()
    }
}

/// What a manager sends. Every part can be bent.
#[derive(Clone, Debug)]
pub struct Asks {
    pub hash: Hash,
    pub aes_256: bool,
    pub msg_id: i64,
    pub max_size: i64,
    pub flags: u8,
    pub model: i64,
    pub engine: Vec<u8>,
    pub boots: i64,
    pub time: i64,
    pub user: Vec<u8>,
    pub salt: Vec<u8>,
    pub authentication: Vec<u8>,
    pub privacy: Vec<u8>,
    pub context_engine: Vec<u8>,
    pub context: Vec<u8>,
    pub pdu: Vec<u8>,
}

/// What comes back, opened with the manager's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub msg_id: i64,
    pub max_size: i64,
    pub flags: u8,
    pub engine: Vec<u8>,
    pub boots: i64,
    pub time: i64,
    pub user: Vec<u8>,
    pub context_engine: Vec<u8>,
    pub context: Vec<u8>,
    pub salt: Vec<u8>,
    /// As a version 2c message, which [`ber::read`] can read.
    pub pdu: ber::Message,
}

impl Asks {
    /// The user "noc", who may do everything, at the highest level, now.
    pub fn noc(pdu: Vec<u8>) -> Self {
        Self {
            hash: Hash::Sha256,
            aes_256: false,
            msg_id: 4711,
            max_size: 65_507,
            flags: 3 | REPORTABLE,
            model: 3,
            engine: ENGINE.to_vec(),
            boots: i64::from(BOOTS),
            time: 3600,
            user: b"noc".to_vec(),
            salt: vec![1, 2, 3, 4, 5, 6, 7, 8],
            authentication: AUTHENTICATION.to_vec(),
            privacy: PRIVACY.to_vec(),
            context_engine: ENGINE.to_vec(),
            context: Vec::new(),
            pdu,
        }
    }

    pub fn get(names: &[&str]) -> Self {
        Self::noc(pdu(GET, [99, 0, 0], names))
    }

    fn vector(&self, salt: &[u8]) -> [u8; 16] {
        let mut vector = [0; 16];
        vector[..4].copy_from_slice(&(self.boots as u32).to_be_bytes());
        vector[4..8].copy_from_slice(&(self.time as u32).to_be_bytes());
        vector[8..].copy_from_slice(salt);
        vector
    }

    fn privacy_key(&self) -> Vec<u8> {
        self.hash.localise(&self.privacy, &self.engine)[..if self.aes_256 { 32 } else { 16 }].to_vec()
    }

    pub fn scoped(&self) -> Vec<u8> {
        sequence(&[tlv(4, &self.context_engine), tlv(4, &self.context), self.pdu.clone()])
    }

    /// The message.
    pub fn message(&self) -> Vec<u8> {
        let mut data = self.scoped();
        if self.flags & 2 != 0 {
            if let Ok(salt) = <[u8; 8]>::try_from(&self.salt[..]) {
                let (key, vector) = (self.privacy_key(), self.vector(&salt));
                match self.aes_256 {
                    false => {
                        cfb_mode::Encryptor::<aes::Aes128>::new_from_slices(&key, &vector).unwrap().encrypt(&mut data)
                    }
                    true => {
                        cfb_mode::Encryptor::<aes::Aes256>::new_from_slices(&key, &vector).unwrap().encrypt(&mut data)
                    }
                }
            }
            data = tlv(4, &data);
        }
        self.message_around(&data)
    }

    /// The message around a given msgData.
    pub fn message_around(&self, data: &[u8]) -> Vec<u8> {
        let length = if self.flags & 1 != 0 { self.hash.digest_octets() } else { 0 };
        let whole = |digest: &[u8]| {
            let salt = if self.flags & 2 != 0 { &self.salt[..] } else { &[] };
            let header = sequence(&[int(self.msg_id), int(self.max_size), tlv(4, &[self.flags]), int(self.model)]);
            let security = sequence(&[
                tlv(4, &self.engine),
                int(self.boots),
                int(self.time),
                tlv(4, &self.user),
                tlv(4, digest),
                tlv(4, salt),
            ]);
            sequence(&[int(3), header, tlv(4, &security), data.to_vec()])
        };
        if length == 0 {
            return whole(&[]);
        }
        let key = self.hash.localise(&self.authentication, &self.engine);
        let digest = self.hash.digest(&key, &whole(&vec![0; length]));
        whole(&digest)
    }

    /// Reads what came back, strictly; a digest that is there is checked.
    pub fn hear(&self, octets: &[u8]) -> Heard {
        let mut rest = octets;
        let mut message = ber::expect(&mut rest, 0x30);
        assert!(rest.is_empty(), "octets after the message");
        assert_eq!(ber::number(ber::expect(&mut message, 2)), 3, "version");
        let mut header = ber::expect(&mut message, 0x30);
        let msg_id = ber::number(ber::expect(&mut header, 2));
        let max_size = ber::number(ber::expect(&mut header, 2));
        let flags = ber::expect(&mut header, 4)[0];
        assert_eq!(ber::number(ber::expect(&mut header, 2)), 3, "security model");
        assert!(header.is_empty());
        let mut security = ber::expect(&mut message, 4);
        let mut security = ber::expect(&mut security, 0x30);
        let engine = ber::expect(&mut security, 4).to_vec();
        let boots = ber::number(ber::expect(&mut security, 2));
        let time = ber::number(ber::expect(&mut security, 2));
        let user = ber::expect(&mut security, 4).to_vec();
        let digest = ber::expect(&mut security, 4);
        let salt = ber::expect(&mut security, 4).to_vec();
        if flags & 1 == 0 {
            assert!(digest.is_empty(), "a digest of what is not authenticated");
        } else {
            let at = digest.as_ptr() as usize - octets.as_ptr() as usize;
            let mut blank = octets.to_vec();
            blank[at..at + digest.len()].fill(0);
            let key = self.hash.localise(&self.authentication, &self.engine);
            assert_eq!(digest, self.hash.digest(&key, &blank), "the digest");
        }
        let there = Self { boots, time, ..self.clone() };
        let scoped = if flags & 2 == 0 {
            assert!(salt.is_empty(), "a salt where nothing is encrypted");
            ber::expect(&mut message, 0x30).to_vec()
        } else {
            let mut data = ber::expect(&mut message, 4).to_vec();
            let (key, vector) = (self.privacy_key(), there.vector(&salt));
            match self.aes_256 {
                false => cfb_mode::Decryptor::<aes::Aes128>::new_from_slices(&key, &vector).unwrap().decrypt(&mut data),
                true => cfb_mode::Decryptor::<aes::Aes256>::new_from_slices(&key, &vector).unwrap().decrypt(&mut data),
            }
            let mut data = &data[..];
            let content = ber::expect(&mut data, 0x30).to_vec();
            assert!(data.is_empty(), "octets after the ScopedPDU");
            content
        };
        assert!(message.is_empty(), "octets after msgData");
        let mut scoped = &scoped[..];
        let context_engine = ber::expect(&mut scoped, 4).to_vec();
        let context = ber::expect(&mut scoped, 4).to_vec();
        let pdu = ber::read(&ber::message(1, b"", scoped));
        Heard { msg_id, max_size, flags, engine, boots, time, user, context_engine, context, salt, pdu }
    }
}

impl Heard {
    /// The counter that a report is about, and what it says.
    pub fn reported(&self) -> (String, i64) {
        assert_eq!((self.pdu.pdu, self.pdu.status, self.pdu.index), (REPORT, 0, 0), "{self:?}");
        let [counter] = &self.pdu.variables[..] else { panic!("a report is of one counter: {self:?}") };
        assert_eq!(counter.tag, 0x41, "Counter32");
        (counter.dotted(), counter.number())
    }
}

/// A PDU that asks for names, with NULL for values.
pub fn pdu(tag: u8, fields: [i64; 3], names: &[&str]) -> Vec<u8> {
    let bindings: Vec<_> = names.iter().map(|name| ber::binding(&ber::parse(name), &ber::null())).collect();
    ber::pdu(tag, fields, &bindings)
}

pub fn engine() -> EngineId {
    EngineId::new(&ENGINE).unwrap()
}

/// A user at an engine, keys from the usual pass phrases.
pub fn user(name: &str, hash: Hash, privacy: Option<Privacy>) -> User {
    let authentication = hash.theirs();
    let key = authentication.localise(AUTHENTICATION, &engine()).unwrap();
    let privacy = privacy.map(|privacy| (privacy, privacy.localise(authentication, PRIVACY, &engine()).unwrap()));
    User::new(name.as_bytes(), engine(), Some((authentication, key)), privacy).unwrap()
}

fn access(group: &str, context: &str, level: Level, read: Option<&str>, write: Option<&str>) -> Access {
    Access {
        group: group.to_owned(),
        context: context.to_owned(),
        context_match: ContextMatch::Exact,
        model: Some(SecurityModel::User),
        level,
        read: read.map(str::to_owned),
        write: write.map(str::to_owned),
        notify: read.map(str::to_owned),
    }
}

/// "noc" may do everything and only in private; "some" may read most, authenticated; "anyone" may read the system group
/// without a key; "lost" is in no group.
pub fn params() -> V3Params {
    let some = View::new(vec![
        Family::new(&[Some(1), Some(3)], true),
        Family::new(&ber::parse("1.3.6.1.2.1.1.1").into_iter().map(Some).collect::<Vec<_>>(), false),
    ]);
    let views = vec![
        ("all".to_owned(), View::everything()),
        ("some".to_owned(), some),
        ("system".to_owned(), View::of([Oid::new(&[1, 3, 6, 1, 2, 1, 1])])),
    ];
    let accesses = vec![
        access("noc", "", Level::AuthPriv, Some("all"), Some("all")),
        access("noc", "lab", Level::AuthPriv, Some("system"), None),
        access("some", "", Level::AuthNoPriv, Some("some"), None),
        access("anyone", "", Level::NoAuthNoPriv, Some("system"), None),
        access("blind", "", Level::AuthNoPriv, None, None),
    ];
    let members = ["noc", "some", "anyone", "blind"].map(|name| Member {
        model: SecurityModel::User,
        name: name.to_owned(),
        group: name.to_owned(),
    });
    // Once: it takes megabytes of hashing.
    static USERS: OnceLock<Vec<User>> = OnceLock::new();
    let aes = Some(Privacy::Aes128);
    V3Params {
        engine: engine(),
        clock: EngineClock::new(BOOTS, sample::STARTED),
        salt_seed: 0x1234_5678_9abc_def0,
        users: USERS
            .get_or_init(|| {
                vec![
                    user("noc", Hash::Sha256, aes),
                    user("some", Hash::Sha256, None),
                    user("blind", Hash::Sha256, None),
                    user("lost", Hash::Sha256, aes),
                    User::new(b"anyone", engine(), None, None).unwrap(),
                ]
            })
            .clone(),
        access: AccessControl::new(vec!["lab".to_owned()], members.to_vec(), accesses, views),
    }
}

/// An agent that speaks version 3 only. It started an hour ago.
pub fn bench() -> Bench {
    Bench::with(sample::snapshot(), AgentParams { v3: Some(params()), ..AgentParams::default() })
}

impl Bench {
    /// What an agent that speaks version 3 answers.
    pub fn hears(&mut self, asks: &Asks) -> Heard {
        asks.hear(&self.raw(&asks.message()).unwrap())
    }

    /// What it does not answer.
    pub fn ignores(&mut self, asks: &Asks) -> Dropped {
        self.raw(&asks.message()).unwrap_err()
    }

    /// One of its objects.
    pub fn reads(&mut self, name: &str) -> i64 {
        self.hears(&Asks::get(&[name])).pdu.variables[0].number()
    }
}
