//! A key to sign configurations with, and a keyring that trusts it.

use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes both into a directory; returns the key's path and the keyring's.
pub(super) fn key_and_keyring(directory: &Path) -> (PathBuf, PathBuf) {
    fs::create_dir_all(directory).unwrap();
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let (key_path, keyring_path) = (directory.join("key"), directory.join("allowed_signers"));
    fs::write(&key_path, key.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs::set_permissions(&key_path, fs::Permissions::from_mode(0o600)).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    fs::write(&keyring_path, format!("noc@example.net namespaces=\"rais-config@v1\" {public}\n")).unwrap();
    (key_path, keyring_path)
}
