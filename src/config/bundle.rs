//! A bundle: the TOML, everything it names, a manifest over all of them, and signatures over the manifest.

use super::fault::Faults;
use super::manifest::FileFault;
use super::model::Configuration;
use super::provenance::{Floor, Trust};
use rais_core::quantity::Generation;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The TOML's path in a bundle.
pub const CONFIGURATION_FILE: &str = "rais.toml";
/// The manifest's path in a bundle.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// A file of a bundle.
#[derive(Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its content; wiped when dropped, because it may be a secret.
    pub content: Zeroizing<Vec<u8>>,
    /// Its permission bits, 0 to 0o777.
    pub mode: u32,
}

impl fmt::Debug for BundleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleFile({} octets, mode {:04o})", self.content.len(), self.mode)
    }
}

/// The files of a bundle by their path in it, with `/` between directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleFiles(pub BTreeMap<String, BundleFile>);

impl FromIterator<(String, Vec<u8>, u32)> for BundleFiles {
    /// Takes (path, content, mode).
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>, u32)>>(files: I) -> Self {
        let file = |(path, content, mode)| (path, BundleFile { content: Zeroizing::new(content), mode });
        Self(files.into_iter().map(file).collect())
    }
}

/// Why a bundle was refused. Nothing was changed; the running configuration keeps running.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no `manifest.toml`. Sign the bundle, or accept it with `--insecure-unsigned`.
    #[error("it is not signed: there is no {MANIFEST_FILE}")]
    NoManifest,
    /// There is no signature file. Sign the manifest.
    #[error("it is not signed: there is a {MANIFEST_FILE}, but no {MANIFEST_FILE}.sig")]
    NoSignature,
    /// Too few signatures by trusted signers are good. Sign with a key of the keyring.
    #[error("{good} of {needed} trusted signatures{}", .bad.iter().map(|why| format!("; {why}")).collect::<String>())]
    Untrusted {
        /// Principals whose signature is good.
        good: usize,
        /// Principals that are needed.
        needed: usize,
        /// For every signature that did not count: the file, and why.
        bad: Vec<String>,
    },
    /// The manifest can not be read. Make it with `raisctl config sign`.
    #[error("{0}")]
    Manifest(Faults),
    /// Files are not what was signed. Get the bundle again, or sign it again.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Files(Vec<FileFault>),
    /// Not newer than what was confirmed. To go back, sign the old content with a higher generation.
    #[error("generation {generation} is not newer than {}, the highest confirmed one", floor.generation)]
    Older {
        /// The bundle's generation.
        generation: Generation,
        /// What was confirmed.
        floor: Floor,
    },
    /// It is for another box.
    #[error("it is for box {device}, and this is {this}")]
    OtherDevice {
        /// The box that the manifest names.
        device: String,
        /// The box that this is, or that the TOML names.
        this: String,
    },
    /// It needs a newer image. Update the image first.
    #[error("it needs image {min_image} or newer, and this is {image}")]
    OldImage {
        /// What the manifest asks for.
        min_image: String,
        /// What this is.
        image: String,
    },
    /// The TOML has faults.
    #[error("{0}")]
    Faulty(Faults),
}

/// Verifies, parses and checks a bundle.
///
/// # Errors
/// [`Rejected`], with all faults of the stage that refused it.
pub fn load(files: &BundleFiles, trust: &Trust) -> Result<Configuration, Rejected> {
    let _ = (files, trust);
    Err(Rejected::NoManifest)
}
