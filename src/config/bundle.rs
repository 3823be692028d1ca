//! A bundle: the TOML, everything it names, a manifest over all of them, and signatures over the manifest.

use super::fault::Faults;
use super::keyring::Keyring;
pub use super::manifest::MAX_FILES;
use super::manifest::{FileFault, ImageVersion, Manifest, describe, files_to_toml};
use super::model::Configuration;
use super::provenance::{Digest, Floor, Provenance, Trust};
use super::reader::decode;
use super::v1;
pub use super::values::{MAX_DEPTH, MAX_PATH, check_bundle_path};
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use zeroize::Zeroizing;

/// The TOML's path in a bundle.
pub const CONFIGURATION_FILE: &str = "rais.toml";
/// The manifest's path in a bundle.
pub const MANIFEST_FILE: &str = "manifest.toml";
/// The path of its first signature; further ones have `.1`, `.2`, … behind it.
pub const SIGNATURE_FILE: &str = "manifest.toml.sig";

/// Octets of the largest file that a bundle may hold: 64 groups of 10,000 addresses would need 13 MB and nobody has them;
/// a box of 128 MB must not die of reading its configuration.
pub const MAX_FILE_OCTETS: u64 = 4 << 20;
/// Octets of all files of a bundle.
pub const MAX_BUNDLE_OCTETS: u64 = 16 << 20;
/// Most signatures that are looked at: each costs a public key operation.
const MAX_SIGNATURES: usize = 16;

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
    /// It is for another box. If this one is to be called so from now on, sign the bundle so that it says what the box was
    /// called before; else take the bundle to the box that it is for.
    #[error(
        "the manifest is for box {device}, and this is {this}; to rename this box, sign it with `--renames {this}`"
    )]
    OtherDevice {
        /// The box that the manifest names.
        device: HostName,
        /// The box that this is.
        this: HostName,
    },
    /// The manifest and the TOML name different boxes. Sign the bundle again.
    #[error("the manifest is for box {device}, and rais.toml names {named}")]
    OtherName {
        /// The box that the manifest names.
        device: HostName,
        /// The box that the TOML names.
        named: HostName,
    },
    /// It needs a newer image. Update the image first.
    #[error("it needs image {min_image} or newer, and this is {image}")]
    OldImage {
        /// What the manifest asks for.
        min_image: ImageVersion,
        /// What this is.
        image: ImageVersion,
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
    let Some(content) = files.0.get(MANIFEST_FILE).map(|file| file.content.as_slice()) else {
        return match trust {
            Trust::Signed { .. } => Err(Rejected::NoManifest),
            Trust::InsecureUnsigned => parse(files, unsigned(files)),
        };
    };
    // Nothing but the signature's own format is parsed before a trusted signer has vouched for it.
    let signers = match trust {
        Trust::Signed { keyring, signers_needed, .. } => verify_signatures(content, files, keyring, *signers_needed)?,
        Trust::InsecureUnsigned => Vec::new(),
    };
    let manifest = Manifest::parse(content).map_err(Rejected::Manifest)?;
    let provenance = Provenance { generation: manifest.generation, digest: Digest::of(content), signers };
    if let Trust::Signed { floor, device, .. } = trust {
        check_floor(&provenance, *floor)?;
        check_device(&manifest, device.as_ref())?;
    }
    check_image(&manifest)?;
    let changed = manifest.compare(files);
    if !changed.is_empty() {
        return Err(Rejected::Files(changed));
    }
    let configuration = parse(&with_signed_modes(files, &manifest), provenance)?;
    if manifest.device != configuration.name {
        return Err(Rejected::OtherName { device: manifest.device, named: configuration.name });
    }
    Ok(configuration)
}

/// The paths in the bundle that a `rais.toml` names: what must be read along with a single file.
#[must_use]
pub fn referenced_files(configuration: &[u8]) -> BTreeSet<String> {
    std::str::from_utf8(configuration).map_or_else(|_| BTreeSet::new(), v1::referenced_files)
}

/// Is this the name of a signature over the manifest: `manifest.toml.sig`, or that with `.1`, `.2`, …?
#[must_use]
pub fn is_signature(path: &str) -> bool {
    let Some(rest) = path.strip_prefix(SIGNATURE_FILE) else { return false };
    let numbered = rest.strip_prefix('.').is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()));
    rest.is_empty() || numbered
}

fn parse(files: &BundleFiles, provenance: Provenance) -> Result<Configuration, Rejected> {
    let missing = || Rejected::Files(vec![FileFault::Missing(CONFIGURATION_FILE.to_owned())]);
    let file = files.0.get(CONFIGURATION_FILE).ok_or_else(missing)?;
    let source = decode(CONFIGURATION_FILE, &file.content).map_err(Rejected::Faulty)?;
    v1::parse(source, files, provenance).map_err(Rejected::Faulty)
}

/// The provenance of files that nobody vouches for: two that are alike have the same digest.
fn unsigned(files: &BundleFiles) -> Provenance {
    let digest = Digest::of(files_to_toml(&describe(files)).as_bytes());
    Provenance { generation: Generation(0), digest, signers: Vec::new() }
}

/// Who signed. A signature that does not count is no reason to refuse: while a key is rolled over, a bundle carries one
/// by the old key and one by the new, and a box knows only one of them.
fn verify_signatures(
    manifest: &[u8],
    files: &BundleFiles,
    keyring: &Keyring,
    needed: usize,
) -> Result<Vec<String>, Rejected> {
    let mut good = BTreeSet::new();
    let mut bad = Vec::new();
    let signatures = files.0.iter().filter(|(path, _)| is_signature(path));
    for (path, signature) in signatures.take(MAX_SIGNATURES) {
        match keyring.verify(manifest, &signature.content) {
            Ok(signer) => {
                good.insert(signer.principal.clone());
            }
            Err(why) => bad.push(format!("{path}: {why}")),
        }
    }
    let needed = needed.max(1);
    match (good.len() >= needed, good.is_empty() && bad.is_empty()) {
        (true, _) => Ok(good.into_iter().collect()),
        (false, true) => Err(Rejected::NoSignature),
        (false, false) => Err(Rejected::Untrusted { good: good.len(), needed, bad }),
    }
}

/// replaying an old bundle never works, loading the confirmed one again does.
fn check_floor(provenance: &Provenance, floor: Floor) -> Result<(), Rejected> {
    let again = provenance.generation == floor.generation && floor.digest == Some(provenance.digest);
    if provenance.generation > floor.generation || again {
        return Ok(());
    }
    Err(Rejected::Older { generation: provenance.generation, floor })
}

fn check_device(manifest: &Manifest, this: Option<&HostName>) -> Result<(), Rejected> {
    let is_for = |this: &HostName| *this == manifest.device || Some(this) == manifest.renames.as_ref();
    match this.filter(|this| !is_for(this)) {
        Some(this) => Err(Rejected::OtherDevice { device: manifest.device.clone(), this: this.clone() }),
        None => Ok(()),
    }
}

fn check_image(manifest: &Manifest) -> Result<(), Rejected> {
    let image = ImageVersion::own();
    match manifest.min_image.filter(|min_image| *min_image > image) {
        Some(min_image) => Err(Rejected::OldImage { min_image, image }),
        None => Ok(()),
    }
}

/// What was signed decides who may read a file and whether it can be run: a FAT partition knows no modes.
fn with_signed_modes(files: &BundleFiles, manifest: &Manifest) -> BundleFiles {
    let signed = |(path, file): (&String, &BundleFile)| {
        let mode = manifest.files.get(path)?.mode;
        Some((path.clone(), BundleFile { content: file.content.clone(), mode }))
    };
    BundleFiles(files.0.iter().filter_map(signed).collect())
}
