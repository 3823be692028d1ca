//! The strict scanner for version 3 messages: it allocates nothing, and decides before anything is computed whether a
//! datagram is a well-formed message (RFC 3412 §6, RFC 3414 §2.4, RFC 3417 §8).
//!
//! It does not know users, keys or engines. What is encrypted is scanned after it was decrypted. `snmp-parser` would let
//! pass a msgMaxSize below 484, and has no way into a decrypted ScopedPDU.

use super::super::ber::{PduScan, Reader, ScanError, VERSION_3, scan_pdu, signed, tag};
use super::usm::{Level, MAX_USER_NAME_OCTETS};

/// The least msgMaxSize: RFC 3412 §6.
pub(crate) const MIN_MAX_SIZE: usize = 484;
/// msgSecurityModel of the user-based security model.
pub(crate) const USM: i32 = 3;

/// The parts of a message that can be seen from the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    datagram: &'a [u8],
    pub(crate) msg_id: i32,
    /// The largest message that the sender takes, in octets.
    pub(crate) max_size: usize,
    pub(crate) flags: Flags,
    pub(crate) security_model: i32,
    security_parameters: &'a [u8],
    pub(crate) data: Data<'a>,
}

/// msgFlags. Bits that RFC 3412 does not name are ignored (§7.2 (4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

/// msgData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data<'a> {
    /// The content of a ScopedPDU.
    Plain(&'a [u8]),
    /// An encrypted ScopedPDU, with its tag and length.
    Encrypted(&'a [u8]),
}

/// UsmSecurityParameters, and what surrounds the digest in the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsmParameters<'a> {
    pub(crate) engine: &'a [u8],
    pub(crate) boots: u32,
    pub(crate) time: u32,
    pub(crate) user: &'a [u8],
    pub(crate) digest: &'a [u8],
    pub(crate) salt: &'a [u8],
    /// The datagram up to the digest.
    pub(crate) before: &'a [u8],
    /// The datagram from behind the digest.
    pub(crate) after: &'a [u8],
}

/// A ScopedPDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScopedPdu<'a> {
    pub(crate) context_engine: &'a [u8],
    pub(crate) context_name: &'a [u8],
    pub(crate) pdu: PduScan<'a>,
}

impl Flags {
    const AUTHENTICATED: u8 = 1;
    const ENCRYPTED: u8 = 2;
    const REPORTABLE: u8 = 4;

    pub(crate) const fn new(level: Level, reportable: bool) -> Self {
        let level = match level {
            Level::NoAuthNoPriv => 0,
            Level::AuthNoPriv => Self::AUTHENTICATED,
            Level::AuthPriv => Self::AUTHENTICATED | Self::ENCRYPTED,
        };
        Self(level | if reportable { Self::REPORTABLE } else { 0 })
    }

    /// `None`: encrypted, but not authenticated, which is no level (RFC 3412 §7.2 (5d)).
    pub(crate) const fn level(self) -> Option<Level> {
        match self.0 & (Self::AUTHENTICATED | Self::ENCRYPTED) {
            0 => Some(Level::NoAuthNoPriv),
            Self::AUTHENTICATED => Some(Level::AuthNoPriv),
            Self::ENCRYPTED => None,
            _ => Some(Level::AuthPriv),
        }
    }

    pub(crate) const fn is_reportable(self) -> bool {
        self.0 & Self::REPORTABLE != 0
    }
}

/// Scans the outside of a datagram.
///
/// # Errors
/// [`ScanError::Malformed`] if it is no well-formed version 3 message, [`ScanError::BadVersion`] if it is of another.
pub(crate) fn scan_frame(datagram: &[u8]) -> Result<Frame<'_>, ScanError> {
    let mut outer = Reader { rest: datagram };
    let mut message = Reader { rest: outer.expect(tag::SEQUENCE, "the message is no SEQUENCE")? };
    let version = signed(message.expect(tag::INTEGER, "the version is no INTEGER")?)?;
    if version != VERSION_3 {
        return Err(ScanError::BadVersion(version));
    }
    outer.end("octets after the message")?;
    let mut header = Reader { rest: message.expect(tag::SEQUENCE, "msgGlobalData is no SEQUENCE")? };
    let msg_id = signed(header.expect(tag::INTEGER, "msgID is no INTEGER")?)?;
    let max_size = signed(header.expect(tag::INTEGER, "msgMaxSize is no INTEGER")?)?;
    let [flags] = *header.expect(tag::OCTET_STRING, "msgFlags is no OCTET STRING")? else {
        return Err(ScanError::Malformed("msgFlags has not one octet"));
    };
    let security_model = signed(header.expect(tag::INTEGER, "msgSecurityModel is no INTEGER")?)?;
    header.end("octets after msgSecurityModel")?;
    let max_size = usize::try_from(max_size).ok().filter(|size| *size >= MIN_MAX_SIZE);
    let max_size = max_size.ok_or(ScanError::Malformed("msgMaxSize is below 484"))?;
    if msg_id < 0 || security_model < 1 {
        return Err(ScanError::Malformed("msgID or msgSecurityModel is out of range"));
    }
    let security_parameters = message.expect(tag::OCTET_STRING, "msgSecurityParameters is no OCTET STRING")?;
    let data = match message.next()? {
        (tag::SEQUENCE, content) => Data::Plain(content),
        (tag::OCTET_STRING, content) => Data::Encrypted(content),
        _ => return Err(ScanError::Malformed("msgData is neither plain nor encrypted")),
    };
    message.end("octets after msgData")?;
    Ok(Frame { datagram, msg_id, max_size, flags: Flags(flags), security_model, security_parameters, data })
}

impl<'a> Frame<'a> {
    /// Scans the security parameters as those of the user-based security model.
    ///
    /// # Errors
    /// [`ScanError::Malformed`] (RFC 3414 §3.2 (1)).
    pub(crate) fn usm_parameters(&self) -> Result<UsmParameters<'a>, ScanError> {
        let mut outer = Reader { rest: self.security_parameters };
        let mut inner = Reader { rest: outer.expect(tag::SEQUENCE, "the security parameters are no SEQUENCE")? };
        outer.end("octets after the security parameters")?;
        let engine = inner.expect(tag::OCTET_STRING, "msgAuthoritativeEngineID is no OCTET STRING")?;
        let boots = not_negative(inner.expect(tag::INTEGER, "msgAuthoritativeEngineBoots is no INTEGER")?)?;
        let time = not_negative(inner.expect(tag::INTEGER, "msgAuthoritativeEngineTime is no INTEGER")?)?;
        let user = inner.expect(tag::OCTET_STRING, "msgUserName is no OCTET STRING")?;
        if user.len() > MAX_USER_NAME_OCTETS {
            return Err(ScanError::Malformed("msgUserName has more than 32 octets"));
        }
        let digest = inner.expect(tag::OCTET_STRING, "msgAuthenticationParameters is no OCTET STRING")?;
        let salt = inner.expect(tag::OCTET_STRING, "msgPrivacyParameters is no OCTET STRING")?;
        inner.end("octets after msgPrivacyParameters")?;
        let (before, rest) = self.split_at(digest).ok_or(ScanError::Malformed("the digest is outside"))?;
        let after = rest.get(digest.len()..).unwrap_or_default();
        Ok(UsmParameters { engine, boots, time, user, digest, salt, before, after })
    }

    /// The datagram up to a part of it, and from there on.
    fn split_at(&self, part: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
        let offset = part.as_ptr().addr().checked_sub(self.datagram.as_ptr().addr())?;
        self.datagram.split_at_checked(offset)
    }
}

/// Scans a decrypted ScopedPDU.
///
/// # Errors
/// [`ScanError::Malformed`] if it is none.
pub(crate) fn scan_decrypted(octets: &[u8]) -> Result<ScopedPdu<'_>, ScanError> {
    let mut outer = Reader { rest: octets };
    let content = outer.expect(tag::SEQUENCE, "the ScopedPDU is no SEQUENCE")?;
    outer.end("octets after the ScopedPDU")?;
    scan_scoped_pdu(content)
}

/// Scans the content of a ScopedPDU.
///
/// # Errors
/// [`ScanError::Malformed`] if it is none.
pub(crate) fn scan_scoped_pdu(content: &[u8]) -> Result<ScopedPdu<'_>, ScanError> {
    let mut parts = Reader { rest: content };
    let context_engine = parts.expect(tag::OCTET_STRING, "contextEngineID is no OCTET STRING")?;
    let context_name = parts.expect(tag::OCTET_STRING, "contextName is no OCTET STRING")?;
    let pdu = scan_pdu(&mut parts)?;
    parts.end("octets after the PDU")?;
    Ok(ScopedPdu { context_engine, context_name, pdu })
}

fn not_negative(content: &[u8]) -> Result<u32, ScanError> {
    u32::try_from(signed(content)?).map_err(|_| ScanError::Malformed("a negative engine boots or time"))
}

#[cfg(test)]
mod tests {
    use super::super::engine::EngineId;
    use super::super::keys::{Authentication, Privacy};
    use super::super::seal::{Envelope, seal};
    use super::super::usm::User;
    use super::*;
    use proptest::prelude::*;
    use snmp_parser::{ScopedPduData, SecurityParameters, parse_snmp_v3};

    const ENGINE: &[u8] = b"\x80\x00\x7e\xd9\x05here";

    fn user() -> User {
        let engine = EngineId::new(ENGINE).unwrap();
        let key = Authentication::Sha256.localise(b"authentication", &engine).unwrap();
        let private = Privacy::Aes128.localise(Authentication::Sha256, b"privacy phrase", &engine).unwrap();
        let keys = (Some((Authentication::Sha256, key)), Some((Privacy::Aes128, private)));
        User::new(b"noc", engine, keys.0, keys.1).unwrap()
    }

    /// One for each level. Made once: keys take megabytes of hashing.
    static MESSAGES: std::sync::LazyLock<Vec<Vec<u8>>> =
        std::sync::LazyLock::new(|| Level::ALL.into_iter().map(message).collect());

    fn message(level: Level) -> Vec<u8> {
        let mut pdu = Vec::new();
        let bindings = [0x30, 12, 6, 8, 0x2b, 6, 1, 2, 1, 1, 5, 0, 5, 0];
        super::super::super::message::pdu(tag::GET, [77, 0, 0], &bindings, &mut pdu);
        let user = user();
        let envelope = Envelope {
            msg_id: 4711,
            max_size: 1472,
            reportable: true,
            level,
            engine: ENGINE,
            boots: 7,
            time: 3600,
            user_name: user.name(),
            user: Some(&user),
            context_engine: ENGINE,
            context_name: b"lab",
        };
        let mut out = Vec::new();
        seal(&envelope, [1; 8], &pdu, &mut out).unwrap();
        out
    }

    /// What snmp-parser refuses although it is legal: see the head of `message`.
    fn is_refused_by_the_decoder(parameters: &UsmParameters<'_>, scoped: Option<&ScopedPdu<'_>>) -> bool {
        let not_text = |octets: &[u8]| std::str::from_utf8(octets).is_err();
        not_text(parameters.user)
            || scoped
                .is_some_and(|scoped| not_text(scoped.context_name) || scoped.pdu.fields.iter().any(|field| *field < 0))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn another_decoder_reads_in_every_message_what_the_scanner_reads(
            level in 0..Level::ALL.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..4),
        ) {
            let mut datagram = MESSAGES[level].clone();
            for (at, octet, flip) in changes {
                let at = at.index(datagram.len());
                datagram[at] = if flip { datagram[at] ^ (1 << (octet & 7)) } else { octet };
            }
            let Ok(frame) = scan_frame(&datagram) else { return Ok(()) };
            let Ok(parameters) = frame.usm_parameters() else { return Ok(()) };
            let scoped = match frame.data {
                Data::Plain(content) => match scan_scoped_pdu(content) {
                    Ok(scoped) => Some(scoped),
                    Err(_) => return Ok(()),
                },
                Data::Encrypted(_) => None,
            };
            // It takes the form of msgData from the flags, and security parameters of other models for none.
            let encrypted = frame.flags.0 & 2 != 0;
            let another_form = encrypted != scoped.is_none() || frame.security_model != USM;
            if another_form || is_refused_by_the_decoder(&parameters, scoped.as_ref()) {
                return Ok(());
            }
            let parsed = parse_snmp_v3(&datagram);
            prop_assert!(parsed.is_ok(), "{:?}", parsed.err());
            let (_, theirs) = parsed.unwrap();
            let header = &theirs.header_data;
            prop_assert_eq!((header.msg_id as i32, header.msg_max_size as usize), (frame.msg_id, frame.max_size));
            prop_assert_eq!(header.msg_flags, frame.flags.0);
            let SecurityParameters::USM(usm) = &theirs.security_params else { panic!("not USM") };
            prop_assert_eq!(usm.msg_authoritative_engine_id, parameters.engine);
            prop_assert_eq!(usm.msg_authoritative_engine_boots, parameters.boots);
            prop_assert_eq!(usm.msg_authoritative_engine_time, parameters.time);
            prop_assert_eq!(usm.msg_user_name.as_bytes(), parameters.user);
            prop_assert_eq!(usm.msg_authentication_parameters, parameters.digest);
            prop_assert_eq!(usm.msg_privacy_parameters, parameters.salt);
            if let (Some(scoped), ScopedPduData::Plaintext(theirs)) = (scoped, &theirs.data) {
                prop_assert_eq!(theirs.ctx_engine_id, scoped.context_engine);
                prop_assert_eq!(theirs.ctx_engine_name, scoped.context_name);
            }
            let digest = [parameters.before, parameters.digest, parameters.after].concat();
            prop_assert_eq!(digest, datagram, "the digest is where it is said to be");
        }
    }
}
