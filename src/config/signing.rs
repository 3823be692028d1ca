//! Makes what `keyring` verifies: a signature over a manifest, as `ssh-keygen -Y sign -n rais-config@v1` makes it.

use super::keyring::CONFIGURATION_NAMESPACE;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

/// Why a key can not sign here. Nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The key is encrypted: decrypt it first.
    #[error("the key is encrypted")]
    Encrypted,
    /// The key is in hardware, or of a kind that only OpenSSH can sign with: let `ssh-keygen` sign.
    #[error("a key of type {0} can not sign here")]
    Kind(String),
}

/// Signs a manifest; gives back the signature's file.
///
/// # Errors
/// [`SigningError`]; `ssh-keygen` can sign with such keys.
pub fn sign(manifest: &[u8], key: &PrivateKey) -> Result<String, SigningError> {
    if key.is_encrypted() {
        return Err(SigningError::Encrypted);
    }
    let unable = |_| SigningError::Kind(key.algorithm().to_string());
    let signature = key.sign(CONFIGURATION_NAMESPACE, HashAlg::Sha512, manifest).map_err(unable)?;
    signature.to_pem(LineEnding::LF).map_err(unable)
}
