//! `raisctl config sign`: writes `manifest.toml` and a signature next to it.
//!
//! It can sign with an OpenSSH private key that lies in a file, and asks for its passphrase. Keys in an agent or in
//! hardware sign with `ssh-keygen`: it says how.

use super::report::{Report, count, wrap};
use super::{BUNDLE_LIMITS, ConfigCommandError, bundle_files, unsigned};
use crate::config::bundle::{MANIFEST_FILE, SIGNATURE_FILE, check_bundle_path, is_signature};
use crate::config::keyring::CONFIGURATION_NAMESPACE;
use crate::config::manifest::{ImageVersion, MAX_GENERATION, Manifest, describe};
use crate::config::signing::{self, SigningError};
use crate::config::{BundleFiles, Digest, Trust, load};
use crate::os::bundle::{read_directory, remove_file};
use crate::os::store::{read_limited, write_atomically};
use clap::Args;
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use ssh_key::PrivateKey;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Octets of a private key's file: one of 16384 bits has 13,000.
const MAX_KEY_OCTETS: u64 = 64 << 10;

const AFTER_HELP: &str = "\
A bundle is a directory that holds rais.toml and the files it names. The box that
it is for is the one that rais.toml names. Every box refuses a generation that is
not higher than the one it has confirmed, and a bundle for a box of another name,
unless it was signed to rename it (--renames).

A key in an agent or in hardware signs with OpenSSH itself:
  raisctl config sign DIRECTORY --manifest-only
  ssh-keygen -Y sign -n rais-config@v1 -f KEY.pub DIRECTORY/manifest.toml

A bundle may carry several signatures: while a key is replaced, or because a box
wants more than one. --add-signature adds one.";

/// `raisctl config sign`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SignArgs {
    /// The bundle's directory
    directory: PathBuf,
    /// The OpenSSH private key to sign with
    #[arg(long, value_name = "FILE", required_unless_present = "manifest_only")]
    key: Option<PathBuf>,
    /// The bundle's generation [default: one more than the manifest there says, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_GENERATION))]
    generation: Option<u64>,
    /// What the change is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Who made it
    #[arg(long, value_name = "NAME", default_value = "")]
    author: String,
    /// The oldest image that may run it, such as 0.1.0
    #[arg(long, value_name = "VERSION")]
    min_image: Option<ImageVersion>,
    /// What the box is called so far, to rename it: a box of that name takes the bundle, too. Not for the bundles after it
    #[arg(long, value_name = "NAME")]
    renames: Option<HostName>,
    /// Write the manifest, and let something else sign it
    #[arg(long, conflicts_with = "add_signature")]
    manifest_only: bool,
    /// Leave the manifest as it is, and add a further signature to it
    #[arg(long, conflicts_with_all = ["generation", "comment", "author", "min_image", "renames"])]
    add_signature: bool,
}

/// Writes the manifest and signs it; says whether the configuration was good enough for that.
pub(super) fn sign(args: &SignArgs, out: &mut impl Write) -> Result<bool, ConfigCommandError> {
    let files = bundle_files(read_directory(&args.directory, BUNDLE_LIMITS)?);
    let configuration = match Report::of(load(&unsigned(&files), &Trust::InsecureUnsigned)) {
        Report::Good(good) => good.configuration,
        rejected @ Report::Rejected(_) => return rejected.write(false, out),
    };
    check_names(&files)?;
    let before = previous(&files)?;
    let former = before.as_ref().map(|(_, manifest)| manifest.device.clone());
    let manifest = if args.add_signature {
        unchanged(before, &files)?
    } else {
        let (generation, parent) = next_generation(args.generation, before)?;
        Manifest {
            device: configuration.name.clone(),
            renames: args.renames.clone(),
            generation,
            parent,
            min_image: args.min_image,
            author: args.author.clone(),
            comment: args.comment.clone(),
            files: describe(&files),
        }
        .to_toml()
    };
    // A text that the manifest can not hold, such as a comment of several lines, shows here and not on the box.
    let checked =
        Manifest::parse(manifest.as_bytes()).map_err(|faults| ConfigCommandError::Usage(faults.to_string()))?;
    let signature = match &args.key {
        Some(path) if !args.manifest_only => make_signature(path, manifest.as_bytes())?,
        _ => None,
    };

    if !args.add_signature {
        remove_signatures(&args.directory, &files)?;
        write_atomically(&args.directory.join(MANIFEST_FILE), manifest.as_bytes(), 0o644)?;
    }
    let path = args.directory.join(signature_name(args.add_signature, &files));
    let mut text = wrap(&format!(
        "Manifest of generation {} for box {}, with {}.",
        checked.generation,
        checked.device,
        count(checked.files.len(), "file")
    ));
    text.push_str(&renaming(args, former.as_ref(), &checked));
    match signature {
        Some((signature, signer)) => {
            write_atomically(&path, signature.as_bytes(), 0o644)?;
            text.push_str(&wrap(&format!("Signed with {signer}: {}", path.display())));
        }
        None if args.manifest_only => text.push_str(&format!("Sign it with:\n  {}\n", command(args, &path))),
        None => return Err(ConfigCommandError::NotSigned { command: command(args, &path) }),
    }
    out.write_all(text.as_bytes())?;
    Ok(true)
}

/// What is to be said of the box's name. A bundle that was copied for another box looks like one that renames its box, so
/// it is never taken for that unasked.
fn renaming(args: &SignArgs, former: Option<&HostName>, manifest: &Manifest) -> String {
    match (&manifest.renames, former) {
        (Some(renames), _) => {
            wrap(&format!("A box called {renames} takes it, and is {} from then on.", manifest.device))
        }
        (None, Some(former)) if *former != manifest.device && !args.add_signature => wrap(&format!(
            "The manifest before was for box {former}, which refuses this one: to rename that box, sign with `--renames {former}`."
        )),
        (None, _) => String::new(),
    }
}

/// Every file of the directory is signed, so every one must have a name that a bundle can hold.
fn check_names(files: &BundleFiles) -> Result<(), ConfigCommandError> {
    let bad = files.0.keys().filter_map(|path| check_bundle_path(path).err().map(|why| format!("{path} {why}")));
    let bad: Vec<String> = bad.collect();
    if bad.is_empty() { Ok(()) } else { Err(ConfigCommandError::Usage(bad.join("\n"))) }
}

/// The manifest that is there.
fn previous(files: &BundleFiles) -> Result<Option<(String, Manifest)>, ConfigCommandError> {
    let Some(file) = files.0.get(MANIFEST_FILE) else { return Ok(None) };
    let manifest = Manifest::parse(&file.content)
        .map_err(|faults| ConfigCommandError::Usage(format!("{faults}\nremove the manifest to start anew")))?;
    Ok(Some((String::from_utf8_lossy(&file.content).into_owned(), manifest)))
}

/// The manifest that is there, if it still fits.
fn unchanged(before: Option<(String, Manifest)>, files: &BundleFiles) -> Result<String, ConfigCommandError> {
    let usage = |text: String| Err(ConfigCommandError::Usage(text));
    let Some((text, manifest)) = before else { return usage(format!("there is no {MANIFEST_FILE} to sign")) };
    let changed: Vec<String> = manifest.compare(files).iter().map(ToString::to_string).collect();
    if changed.is_empty() { Ok(text) } else { usage(changed.join("\n")) }
}

/// The generation to write, and the digest of what it comes after.
fn next_generation(
    wanted: Option<u64>,
    before: Option<(String, Manifest)>,
) -> Result<(Generation, Option<Digest>), ConfigCommandError> {
    let Some((text, manifest)) = before else { return Ok((Generation(wanted.unwrap_or(1)), None)) };
    let generation = wanted.map_or_else(|| manifest.generation.next(), Generation);
    if generation <= manifest.generation {
        let least = manifest.generation.next();
        return Err(ConfigCommandError::Usage(format!(
            "the bundle has generation {} already, and a box that confirmed it would refuse {generation}; \
             take {least} or higher",
            manifest.generation
        )));
    }
    Ok((generation, Some(Digest::of(text.as_bytes()))))
}

/// The signature and the key's fingerprint; `None`: only OpenSSH can sign with this key.
fn make_signature(path: &Path, manifest: &[u8]) -> Result<Option<(String, String)>, ConfigCommandError> {
    let key_error = |why: String| ConfigCommandError::Key { path: path.to_owned(), why };
    let content = Zeroizing::new(read_limited(path, MAX_KEY_OCTETS)?.unwrap_or_default());
    if content.is_empty() {
        return Err(ConfigCommandError::NoFile(path.to_owned()));
    }
    if ssh_key::PublicKey::from_openssh(&String::from_utf8_lossy(&content)).is_ok() {
        return Ok(None);
    }
    let mut key = PrivateKey::from_openssh(&*content).map_err(|why| {
        key_error(format!("not a private key in OpenSSH's format ({why}); `ssh-keygen -p -f KEY` converts others"))
    })?;
    if key.is_encrypted() {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let passphrase = rpassword::prompt_password(format!("Passphrase of {}: ", path.display()));
        let passphrase = Zeroizing::new(passphrase.map_err(|why| key_error(why.to_string()))?);
        key = key.decrypt(passphrase.as_bytes()).map_err(|_| key_error("the passphrase does not fit".to_owned()))?;
    }
    match signing::sign(manifest, &key) {
        Ok(signature) => Ok(Some((signature, key.fingerprint(ssh_key::HashAlg::Sha256).to_string()))),
        Err(SigningError::Encrypted | SigningError::Kind(_)) => Ok(None),
    }
}

/// What was signed before is not what is there now.
fn remove_signatures(directory: &Path, files: &BundleFiles) -> Result<(), ConfigCommandError> {
    for name in files.0.keys().filter(|path| is_signature(path)) {
        remove_file(&directory.join(name))?;
    }
    Ok(())
}

fn signature_name(further: bool, files: &BundleFiles) -> String {
    let numbered = (1..).map(|number| format!("{SIGNATURE_FILE}.{number}"));
    let mut names = std::iter::once(SIGNATURE_FILE.to_owned()).chain(numbered);
    let free = |name: &String| !further || !files.0.contains_key(name);
    names.find(free).unwrap_or_else(|| SIGNATURE_FILE.to_owned())
}

/// What a shell is to run so that OpenSSH signs the manifest.
fn command(args: &SignArgs, signature: &Path) -> String {
    let key = args.key.as_deref().map_or_else(|| "KEY".to_owned(), shell_word);
    let (manifest, signature) = (shell_word(&args.directory.join(MANIFEST_FILE)), shell_word(signature));
    format!("ssh-keygen -Y sign -n {CONFIGURATION_NAMESPACE} -f {key} < {manifest} > {signature}")
}

fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
