//! `raisctl config check | sign | verify`: what an engineer does to a configuration before a box sees it.
//!
//! It works on files alone and talks to no raisd. What is right is `config`'s business, reading directories is
//! `os::bundle`'s; this is the words around them.

mod report;
mod sign;

use crate::config::bundle::{
    CONFIGURATION_FILE, MANIFEST_FILE, MAX_BUNDLE_OCTETS, MAX_DEPTH, MAX_FILE_OCTETS, is_signature, referenced_files,
};
use crate::config::manifest::{MAX_FILES, Manifest};
use crate::config::{BundleFiles, Faults, Floor, Keyring, Rejected, Trust, load};
use crate::os::bundle::{BundleReadError, FoundFile, Limits, read_directory, read_files};
use crate::os::store::{StoreError, read_limited};
use clap::{Args, Subcommand};
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use report::{GoodConfiguration, Report};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;

pub use sign::SignArgs;

/// What a bundle's directory may hold.
pub const BUNDLE_LIMITS: Limits = Limits {
    // The manifest and its signatures come on top of what it lists.
    files: MAX_FILES + 32,
    file_octets: MAX_FILE_OCTETS,
    total_octets: MAX_BUNDLE_OCTETS,
    depth: MAX_DEPTH,
};
/// Octets of a keyring: a thousand keys of 4096 bits.
const MAX_KEYRING_OCTETS: u64 = 1 << 20;

const EXIT_CODES: &str = "\
Exit codes:
  0  the configuration is good
  1  it is not; standard output says why
  2  the command line makes no sense, or a file can not be read or written";

/// `raisctl config`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

/// What `raisctl config` can do.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with a configuration
    ///
    /// Reads a bundle's directory, or a single rais.toml and the files it names next to it. Signatures are not
    /// looked at.
    Check(CheckArgs),
    /// Write the manifest of a bundle, and sign it
    Sign(SignArgs),
    /// Say whether a box would take a bundle
    ///
    /// Checks the signatures, the generation, the box it is for, every file's hash, and the configuration itself.
    Verify(VerifyArgs),
}

/// `raisctl config check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A bundle's directory, or a rais.toml
    path: PathBuf,
    /// Give the result as JSON
    #[arg(long)]
    json: bool,
}

/// `raisctl config verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The bundle's directory
    directory: PathBuf,
    /// Who may sign: a file in OpenSSH's allowed_signers format, each key with namespaces="rais-config@v1"
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// The generation that the box has confirmed; the bundle must have a higher one
    #[arg(long, value_name = "N", default_value_t = 0)]
    floor: u64,
    /// The box's name; the bundle must be for it
    #[arg(long, value_name = "NAME")]
    device: Option<HostName>,
    /// How many different people must have signed
    #[arg(long, value_name = "N", default_value_t = 1)]
    signers: usize,
    /// Give the result as JSON
    #[arg(long)]
    json: bool,
}

/// Why a command could not do its work. Files are as they were, unless the variant says otherwise.
#[derive(Debug, Error)]
pub enum ConfigCommandError {
    /// The bundle can not be read.
    #[error(transparent)]
    Read(#[from] BundleReadError),
    /// A file can not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such file.
    #[error("{0}: there is no such file")]
    NoFile(PathBuf),
    /// The keyring has faults.
    #[error("{0}")]
    Keyring(Faults),
    /// Standard output is closed.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// The command line asks for something that can not be.
    #[error("{0}")]
    Usage(String),
    /// The manifest is there, the signature is not: the key is in an agent or in hardware, or has a passphrase and there
    /// is no terminal to ask for it.
    #[error("the manifest is written, but only OpenSSH can sign with this key here; let it sign with:\n  {command}")]
    NotSigned {
        /// What a shell is to run.
        command: String,
    },
    /// The key can not be used. Nothing was written.
    #[error("{}: {why}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Runs a command on this process's own output.
#[must_use]
pub fn run(args: ConfigArgs) -> ExitCode {
    match execute(args, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(ConfigCommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raisctl: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs a command; says whether the configuration is good.
///
/// # Errors
/// [`ConfigCommandError`]: the command could not do its work.
pub fn execute(args: ConfigArgs, out: &mut impl Write) -> Result<bool, ConfigCommandError> {
    match args.command {
        ConfigCommand::Check(args) => check(&args, out),
        ConfigCommand::Sign(args) => sign::sign(&args, out),
        ConfigCommand::Verify(args) => verify(&args, out),
    }
}

fn check(args: &CheckArgs, out: &mut impl Write) -> Result<bool, ConfigCommandError> {
    let files = read_bundle(&args.path)?;
    let mut report = Report::of(load(&unsigned(&files), &Trust::InsecureUnsigned));
    if let (Report::Good(good), Some(manifest)) = (&mut report, files.0.get(MANIFEST_FILE)) {
        good.note = Some(manifest_note(&manifest.content, &files));
    }
    report.write(args.json, out)
}

/// How a manifest that is there goes with the files next to it.
fn manifest_note(manifest: &[u8], files: &BundleFiles) -> String {
    let manifest = match Manifest::parse(manifest) {
        Ok(manifest) => manifest,
        Err(faults) => return format!("Its manifest can not be read: {faults}"),
    };
    let changed: Vec<String> = manifest.compare(files).iter().map(ToString::to_string).collect();
    if changed.is_empty() {
        format!("Its manifest is of generation {}; `raisctl config verify` checks the signature.", manifest.generation)
    } else {
        let changed = changed.join("; ");
        format!("Its manifest, of generation {}, no longer fits; sign it again: {changed}.", manifest.generation)
    }
}

fn verify(args: &VerifyArgs, out: &mut impl Write) -> Result<bool, ConfigCommandError> {
    let keyring = read_limited(&args.keyring, MAX_KEYRING_OCTETS)?;
    let keyring = keyring.ok_or_else(|| ConfigCommandError::NoFile(args.keyring.clone()))?;
    let name = args.keyring.display().to_string();
    let trust = Trust::Signed {
        keyring: Keyring::parse(&name, &keyring).map_err(ConfigCommandError::Keyring)?,
        signers_needed: args.signers.max(1),
        floor: Floor { generation: Generation(args.floor), digest: None },
        device: args.device.clone(),
    };
    let files = bundle_files(read_directory(&args.directory, BUNDLE_LIMITS)?);
    Report::of(load(&files, &trust)).write(args.json, out)
}

/// Reads a bundle: a directory, or a single TOML file and the files it names next to it, those that are there.
///
/// # Errors
/// [`ConfigCommandError`] if something can not be read or is beyond the limits.
pub fn read_bundle(path: &Path) -> Result<BundleFiles, ConfigCommandError> {
    if path.is_dir() {
        return Ok(bundle_files(read_directory(path, BUNDLE_LIMITS)?));
    }
    let content = read_limited(path, MAX_FILE_OCTETS)?;
    let content = content.ok_or_else(|| ConfigCommandError::NoFile(path.to_owned()))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files = bundle_files(read_files(directory, &referenced_files(&content), BUNDLE_LIMITS)?);
    let own = BundleFiles::from_iter([(CONFIGURATION_FILE.to_owned(), content, 0o600)]);
    files.0.extend(own.0);
    Ok(files)
}

fn bundle_files(found: Vec<FoundFile>) -> BundleFiles {
    found.into_iter().map(|file| (file.path, file.content, file.mode)).collect()
}

/// The files without their manifest and its signatures.
fn unsigned(files: &BundleFiles) -> BundleFiles {
    let payload = files.0.iter().filter(|(path, _)| *path != MANIFEST_FILE && !is_signature(path));
    BundleFiles(payload.map(|(path, file)| (path.clone(), file.clone())).collect())
}

impl Report {
    fn of(loaded: Result<crate::config::Configuration, Rejected>) -> Self {
        match loaded {
            Ok(configuration) => Self::Good(GoodConfiguration { configuration: Box::new(configuration), note: None }),
            Err(rejected) => Self::Rejected(rejected),
        }
    }
}
