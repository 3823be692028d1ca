//! Who may sign: a keyring in OpenSSH's `allowed_signers` format, read more strictly than OpenSSH does.
//!
//! A line is `principal namespaces="rais-config@v1" ssh-ed25519 AAAA… comment`, one principal, exact namespaces, and no
//! other option: a box may lack a clock, so validity times can not be kept; certificates are not understood; and a key
//! without namespaces could sign in every role. `ssh-keygen -Y verify -f KEYRING` reads the same file.

use super::fault::{Collector, Fault, Faults, Place};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, SshSig};

/// What a configuration is signed for: OpenSSH keeps signatures of different namespaces apart.
pub const CONFIGURATION_NAMESPACE: &str = "rais-config@v1";

/// Most lines of a keyring: each key is compared with the key of every signature.
const MAX_SIGNERS: usize = 1000;
/// RSA keys below are within reach of those who would want to.
const MIN_RSA_BITS: usize = 2048;

/// Who may sign what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring {
    signers: Vec<Signer>,
}

/// Somebody who may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Who it is, such as `noc@example.net`.
    pub principal: String,
    /// What the key may sign.
    pub namespaces: Vec<String>,
    key: PublicKey,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It is no OpenSSH signature, or of a kind that is not understood, such as one by a certificate.
    #[error("it is not an OpenSSH signature that can be read ({0})")]
    Unreadable(ssh_key::Error),
    /// It was made for something else.
    #[error("it is for namespace {0:?}, and not for {CONFIGURATION_NAMESPACE:?}")]
    Namespace(String),
    /// The key is not in the keyring. Sign with one that is, or have the key added.
    #[error("its key {0} is not in the keyring")]
    UnknownKey(String),
    /// The key is in the keyring, but not for this.
    #[error("the keyring does not let {0} sign configurations")]
    NotAllowed(String),
    /// It does not fit the manifest: one of the two was changed.
    #[error("it is by {0}, but does not fit the manifest: one of the two was changed")]
    DoesNotFit(String),
}

impl Keyring {
    /// Reads a keyring. `file` is its name, for the faults.
    ///
    /// # Errors
    /// All its faults. A keyring with one bad line is refused as a whole: it may be the line that takes somebody off.
    pub fn parse(file: &str, content: &[u8]) -> Result<Self, Faults> {
        let source = super::reader::decode(file, content)?;
        let faults = Collector::new(file, source);
        let mut signers: Vec<Signer> = Vec::new();
        let mut offset = 0;
        for line in source.split_inclusive('\n') {
            let place = Place { offset, ..Place::default() };
            offset += line.len();
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let signer = parse_signer(line).and_then(|signer| {
                let known = signers.iter().any(|known| known.key.key_data() == signer.key.key_data());
                if known { Err("this key is in the keyring already".to_owned()) } else { Ok(signer) }
            });
            match signer {
                Ok(signer) => signers.push(signer),
                Err(message) => {
                    let _ = faults.report(&place, message);
                }
            }
        }
        if signers.len() > MAX_SIGNERS {
            let message = format!("there are {} keys, at most {MAX_SIGNERS} are possible", signers.len());
            let _ = faults.report(&Place::default(), message);
        }
        let keyring = faults.finish(Ok(Self { signers }))?;
        if keyring.signers.is_empty() {
            let message = "there is no key in it".to_owned();
            return Err(Fault { file: file.to_owned(), line: 1, column: 1, path: String::new(), message }.into());
        }
        Ok(keyring)
    }

    /// Those in it.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Whose signature over a configuration's manifest this is.
    ///
    /// # Errors
    /// [`SignatureFault`]: it does not count.
    pub fn verify(&self, manifest: &[u8], signature: &[u8]) -> Result<&Signer, SignatureFault> {
        let signature = SshSig::from_pem(signature).map_err(SignatureFault::Unreadable)?;
        if signature.namespace() != CONFIGURATION_NAMESPACE {
            return Err(SignatureFault::Namespace(signature.namespace().to_owned()));
        }
        let signer = self.signers.iter().find(|signer| signer.key.key_data() == signature.public_key());
        let Some(signer) = signer else {
            let fingerprint = signature.public_key().fingerprint(HashAlg::Sha256);
            return Err(SignatureFault::UnknownKey(fingerprint.to_string()));
        };
        if !signer.namespaces.iter().any(|namespace| namespace == CONFIGURATION_NAMESPACE) {
            return Err(SignatureFault::NotAllowed(signer.principal.clone()));
        }
        let verified = signer.key.verify(CONFIGURATION_NAMESPACE, manifest, &signature);
        verified.map_err(|_| SignatureFault::DoesNotFit(signer.principal.clone()))?;
        Ok(signer)
    }
}

fn parse_signer(line: &str) -> Result<Signer, String> {
    let shape = || "a line is: principal namespaces=\"rais-config@v1\" keytype base64 [comment]".to_owned();
    let (principal, rest) = line.split_once([' ', '\t']).ok_or_else(shape)?;
    check_principal(principal)?;
    let rest = rest.trim_start();
    let is_key = |text: &str| text.starts_with("ssh-") || text.starts_with("ecdsa-") || text.starts_with("sk-");
    if is_key(rest) {
        return Err(format!("say what {principal} may sign: namespaces=\"{CONFIGURATION_NAMESPACE}\" before the key"));
    }
    let (options, key) = split_options(rest).ok_or_else(shape)?;
    let namespaces = parse_options(options)?;
    let key = key.trim_start();
    if !is_key(key) {
        return Err(shape());
    }
    let key = PublicKey::from_openssh(key).map_err(|why| format!("the key of {principal} can not be read: {why}"))?;
    check_key(key.key_data()).map_err(|why| format!("the key of {principal} is not possible: {why}"))?;
    Ok(Signer { principal: principal.to_owned(), namespaces, key })
}

fn check_principal(principal: &str) -> Result<(), String> {
    if principal.contains(['*', '?', '!', ',', '"']) {
        return Err(format!("{principal:?} is not one principal: patterns and lists are not understood"));
    }
    Ok(())
}

/// Splits at the first white space that is not in quotes.
fn split_options(text: &str) -> Option<(&str, &str)> {
    let mut in_quotes = false;
    let end = text.find(|c: char| {
        in_quotes ^= c == '"';
        !in_quotes && c.is_ascii_whitespace()
    })?;
    text.split_at_checked(end)
}

fn parse_options(options: &str) -> Result<Vec<String>, String> {
    let value = options.strip_prefix("namespaces=\"").and_then(|rest| rest.strip_suffix('"'));
    let Some(value) = value.filter(|value| !value.contains('"')) else {
        return Err(format!("{options:?} is not possible: the one option understood is namespaces=\"…\""));
    };
    let namespaces: Vec<String> = value.split(',').map(str::to_owned).collect();
    let pattern = |namespace: &String| namespace.is_empty() || namespace.contains(['*', '?', '!', ' ']);
    match namespaces.iter().find(|namespace| pattern(namespace)) {
        Some(bad) => Err(format!("{bad:?} is not one namespace: patterns are not understood")),
        None => Ok(namespaces),
    }
}

fn check_key(key: &KeyData) -> Result<(), String> {
    let understood = match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 | Algorithm::Rsa { .. } => true,
        Algorithm::Ecdsa { curve } => curve == EcdsaCurve::NistP256,
        _ => false,
    };
    if !understood {
        return Err(format!(
            "{} is not understood; take ed25519, ecdsa of 256 bits, rsa, or their sk- kin",
            key.algorithm()
        ));
    }
    let bits = key.rsa().and_then(|rsa| rsa.n.as_positive_bytes()).map(|n| n.len() * 8);
    match bits.filter(|bits| *bits < MIN_RSA_BITS) {
        Some(bits) => Err(format!("an RSA key of {bits} bits, at least {MIN_RSA_BITS} are needed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::private::{Ed25519Keypair, PrivateKey};

    fn public(seed: u8) -> String {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32])).public_key().to_openssh().unwrap()
    }

    #[test]
    fn a_keyring_has_one_principal_a_line_and_says_what_it_may_sign() {
        let text = format!(
            "# the NOC\n\nnoc@example.net namespaces=\"rais-config@v1,rais-keys@v1\" {}\n\tops  namespaces=\"other\"  {}\n",
            public(1),
            public(2)
        );
        let keyring = Keyring::parse("keyring", text.as_bytes()).unwrap();
        let principals: Vec<_> = keyring.signers().iter().map(|signer| signer.principal.as_str()).collect();
        assert_eq!(principals, ["noc@example.net", "ops"]);
        assert_eq!(keyring.signers()[0].namespaces, ["rais-config@v1", "rais-keys@v1"]);
    }

    #[test]
    fn what_a_keyring_asks_for_and_can_not_get_is_refused_and_not_ignored() {
        let key = public(1);
        let n = "namespaces=\"rais-config@v1\"";
        for (line, why) in [
            (format!("noc {key}"), "say what noc may sign"),
            (format!("noc {n},valid-before=\"20301231\" {key}"), "the one option understood"),
            (format!("noc cert-authority {key}"), "the one option understood"),
            (format!("noc cert-authority,{n} {key}"), "the one option understood"),
            (format!("noc namespaces=rais-config@v1 {key}"), "the one option understood"),
            (format!("noc namespaces=\"rais-*\" {key}"), "patterns are not understood"),
            (format!("noc namespaces=\"\" {key}"), "patterns are not understood"),
            (format!("*@example.net {n} {key}"), "not one principal"),
            (format!("a,b {n} {key}"), "not one principal"),
            (format!("noc {n} ssh-ed25519 AAAA"), "can not be read"),
            (format!("noc {n} nonsense"), "a line is"),
            (format!("noc {n}"), "a line is"),
            ("noc".to_owned(), "a line is"),
            (format!("noc {n} {key}\nops {n} {key}"), "in the keyring already"),
            ("# nobody".to_owned(), "no key in it"),
        ] {
            let faults = Keyring::parse("keyring", line.as_bytes()).unwrap_err().to_string();
            assert!(faults.contains(why), "{line}\n{faults}");
        }
    }

    #[test]
    fn every_bad_line_of_a_keyring_is_told() {
        let faults = Keyring::parse("keyring", b"a b\n# fine\nc\n").unwrap_err();
        assert_eq!(faults.as_slice().iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 3]);
    }
}
