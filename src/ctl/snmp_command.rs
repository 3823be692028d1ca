//! `raisctl snmp user add | list | remove`: the version 3 users of a configuration, before it is signed; and `raisctl snmp
//! engine`, for whose keys a user may be wanted.
//!
//! It works on a bundle's directory and talks to no raisd. Pass phrases come from the terminal, standard input or a file,
//! never from the command line, which everybody on the machine can read; what is kept of them is keys that are good for
//! one engine. What a configuration may hold is `config`'s business, and what a key is `snmp::v3`'s.

mod document;
mod engine;

use crate::config::{BundleFiles, Faults, Rejected, Trust, load};
use crate::ctl::config_command::{ConfigCommandError, read_bundle};
use crate::os::random;
use crate::os::store::{Store, StoreError, read_limited, write_atomically};
use crate::snmp::v3::{Authentication, BadPassPhrase, EngineId, MIN_PASS_PHRASE_OCTETS, Privacy};
use clap::{Args, Subcommand, ValueEnum};
use document::{Document, UserEntry};
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use thiserror::Error;
use zeroize::Zeroizing;

/// The longest rais.toml and the longest file of pass phrases, in octets.
const MAX_TOML: u64 = 1 << 22;
const MAX_PHRASES: u64 = 4096;

/// As a configuration has it that says nothing of a user's group.
const DEFAULT_GROUP: &str = "read-only";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, and nothing was changed; standard error says why
  2  the command line makes no sense";

const ABOUT_PHRASES: &str = "\
Pass phrases: one for authentication and one for privacy, at least 8 characters each. They are asked for
on the terminal; without one, standard input or --passphrase-file gives a line for each. Nothing keeps them:
the directory gets keys that are good for one engine only. Give a management station the same phrases.

The keys are for snmp.engine_id, or for --engine-id: informs are protected by keys for the receiver's
engine, for which `raisctl snmp engine ADDRESS` asks it. Without snmp.engine_id, one is drawn and
written. Sign the bundle afterwards: raisctl config sign DIRECTORY";

/// `raisctl snmp`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct SnmpArgs {
    #[command(subcommand)]
    command: SnmpCommand,
}

#[derive(Debug, Subcommand)]
enum SnmpCommand {
    /// Version 3 users of a configuration that is to be signed
    #[command(subcommand)]
    User(UserCommand),
    /// Ask a receiver of notifications for its engine id, which informs of version 3 to it need
    #[command(after_help = EXIT_CODES)]
    Engine(EngineArgs),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user: an entry in rais.toml, and a file with its keys
    #[command(after_help = ABOUT_PHRASES)]
    Add(AddArgs),
    /// Show the users, without their keys
    List(ListArgs),
    /// Remove a user and the file with its keys
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
struct EngineArgs {
    /// Where it listens [default port: 162]
    #[arg(value_parser = engine::address)]
    address: SocketAddr,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The bundle's directory
    directory: PathBuf,
    /// The user's name, as management stations give it
    name: String,
    /// What it may do: "read-only", "operators", or the group of an [[snmp.access]]; the same for all its engines
    /// [default: read-only; with --engine-id: the group it is in]
    #[arg(long)]
    group: Option<String>,
    /// How it authenticates
    #[arg(long, value_enum, ignore_case = true, default_value = "SHA-256")]
    authentication: Digest,
    /// How it encrypts
    #[arg(long, value_enum, ignore_case = true, default_value = "AES-128")]
    privacy: Cipher,
    /// The engine that the keys are for, if it is not this box: the receiver of informs
    #[arg(long, value_name = "HEX")]
    engine_id: Option<EngineId>,
    /// Read the pass phrases from this file: a line for each
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Take the place of a user of that name
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The bundle's directory
    directory: PathBuf,
    /// Give the users as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// The bundle's directory
    directory: PathBuf,
    /// The user's name
    name: String,
    /// The one whose keys are for that engine [default: for this box]
    #[arg(long, value_name = "HEX")]
    engine_id: Option<EngineId>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Digest {
    #[value(name = "SHA-224")]
    Sha224,
    #[value(name = "SHA-256")]
    Sha256,
    #[value(name = "SHA-384")]
    Sha384,
    #[value(name = "SHA-512")]
    Sha512,
    /// Only with snmp.allow_sha1
    #[value(name = "SHA-1")]
    Sha1,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cipher {
    #[value(name = "AES-128")]
    Aes128,
    /// With SHA-256 or longer
    #[value(name = "AES-256")]
    Aes256,
    /// It does not: anybody can read along
    #[value(name = "none")]
    None,
}

impl From<Digest> for Authentication {
    fn from(digest: Digest) -> Self {
        match digest {
            Digest::Sha224 => Self::Sha224,
            Digest::Sha256 => Self::Sha256,
            Digest::Sha384 => Self::Sha384,
            Digest::Sha512 => Self::Sha512,
            Digest::Sha1 => Self::Sha1,
        }
    }
}

impl Cipher {
    const fn algorithm(self) -> Option<Privacy> {
        match self {
            Self::Aes128 => Some(Privacy::Aes128),
            Self::Aes256 => Some(Privacy::Aes256),
            Self::None => None,
        }
    }
}

/// Why nothing was done. Nothing was changed.
#[derive(Debug, Error)]
pub enum SnmpCommandError {
    /// The directory holds no bundle that can be read.
    #[error(transparent)]
    Bundle(#[from] ConfigCommandError),
    /// A file can not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// rais.toml is not TOML; `raisctl config check` says where.
    #[error("rais.toml can not be read: {0}")]
    Toml(String),
    /// There is one already.
    #[error("there is a user {0} already; --replace takes its place")]
    Exists(String),
    /// There is none.
    #[error("there is no user {0}")]
    Unknown(String),
    /// A pass phrase is too short.
    #[error("{0}")]
    PassPhrase(#[from] BadPassPhrase),
    /// There is no line for it.
    #[error("there is no pass phrase for {0}: give a line for each")]
    NoPassPhrase(&'static str),
    /// The two were not the same.
    #[error("the two pass phrases are not the same")]
    Typo,
    /// The configuration would have more faults than before.
    #[error("refused:\n{0}")]
    Faulty(Faults),
    /// The terminal or standard output.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No randomness for an engine id or a question.
    #[error("{0}")]
    Random(String),
    /// Nobody answered that speaks version 3.
    #[error("nobody at {0} answers in SNMP version 3")]
    Silent(SocketAddr),
}

/// Runs it with the process's standard input and output.
#[must_use]
pub fn run(args: SnmpArgs) -> ExitCode {
    match execute(args, &mut AtTerminal, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raisctl: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where pass phrases come from if no file is named.
pub trait Phrases {
    /// The pass phrase for that.
    ///
    /// # Errors
    /// [`SnmpCommandError`] if there is none.
    fn ask(&mut self, what: &'static str) -> Result<Zeroizing<String>, SnmpCommandError>;
}

/// Asks on the terminal, twice and without echo; reads lines if there is none.
struct AtTerminal;

impl Phrases for AtTerminal {
    fn ask(&mut self, what: &'static str) -> Result<Zeroizing<String>, SnmpCommandError> {
        if !io::stdin().is_terminal() {
            return line(&mut io::stdin().lock(), what);
        }
        let first = Zeroizing::new(rpassword::prompt_password(format!("Pass phrase for {what}: "))?);
        if first.len() < MIN_PASS_PHRASE_OCTETS {
            return Err(BadPassPhrase.into());
        }
        let second = Zeroizing::new(rpassword::prompt_password("The same again: ")?);
        if *first == *second { Ok(first) } else { Err(SnmpCommandError::Typo) }
    }
}

/// Lines that were read already.
struct Lines<'a>(&'a [u8]);

impl Phrases for Lines<'_> {
    fn ask(&mut self, what: &'static str) -> Result<Zeroizing<String>, SnmpCommandError> {
        line(&mut self.0, what)
    }
}

fn line(from: &mut impl BufRead, what: &'static str) -> Result<Zeroizing<String>, SnmpCommandError> {
    let mut text = Zeroizing::new(String::new());
    from.read_line(&mut text)?;
    let trimmed = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if trimmed.is_empty() { Err(SnmpCommandError::NoPassPhrase(what)) } else { Ok(trimmed) }
}

/// Does what the arguments say.
///
/// # Errors
/// [`SnmpCommandError`]; nothing was changed.
pub fn execute(args: SnmpArgs, phrases: &mut dyn Phrases, out: &mut dyn Write) -> Result<(), SnmpCommandError> {
    let command = match args.command {
        SnmpCommand::User(command) => command,
        SnmpCommand::Engine(args) => return Ok(writeln!(out, "{}", engine::ask(args.address)?)?),
    };
    match command {
        UserCommand::Add(args) => match &args.passphrase_file {
            Some(file) => {
                let missing = || SnmpCommandError::NoPassPhrase("authentication");
                let content = Zeroizing::new(read_limited(file, MAX_PHRASES)?.ok_or_else(missing)?);
                add(&args, &mut Lines(&content), out)
            }
            None => add(&args, phrases, out),
        },
        UserCommand::List(args) => list(&args, out),
        UserCommand::Remove(args) => remove(&args, out),
    }
}

fn add(args: &AddArgs, phrases: &mut dyn Phrases, out: &mut dyn Write) -> Result<(), SnmpCommandError> {
    let mut document = read(&args.directory)?;
    if !args.replace && document.position(&args.name, args.engine_id).is_some() {
        return Err(SnmpCommandError::Exists(args.name.clone()));
    }
    let (authentication, privacy) = (Authentication::from(args.authentication), args.privacy.algorithm());
    let before = faults(&args.directory, &document, None)?;
    let (engine, drawn) = match args.engine_id.or(document.engine_id()) {
        Some(engine) => (engine, false),
        None => {
            let engine = EngineId::from_random(random::octets().map_err(SnmpCommandError::Random)?);
            document.set_engine_id(engine);
            (engine, true)
        }
    };
    let phrase = phrases.ask("authentication")?;
    let key = authentication.localise(phrase.as_bytes(), &engine)?;
    let mut keys = Zeroizing::new(format!("engine {engine}\nauthentication {}\n", *key.to_hex()));
    if let Some(privacy) = privacy {
        let phrase = phrases.ask("privacy")?;
        let key = privacy.localise(authentication, phrase.as_bytes(), &engine)?;
        keys.push_str(&format!("privacy {}\n", *key.to_hex()));
    }
    let file = document.put(&UserEntry {
        name: args.name.clone(),
        group: args.group.clone().or_else(|| args.engine_id.is_none().then(|| DEFAULT_GROUP.to_owned())),
        authentication: Some(authentication.name().to_owned()),
        privacy: privacy.map(|privacy| privacy.name().to_owned()),
        file: None,
        engine_id: args.engine_id.map(|id| id.to_string()),
    });
    let after = faults(&args.directory, &document, Some((&file, keys.as_bytes())))?;
    refuse_if_worse(&before, &after)?;
    let path = args.directory.join(&file);
    Store::open(path.parent().unwrap_or(&args.directory))?;
    write_atomically(&path, keys.as_bytes(), 0o600)?;
    write(&args.directory, &document)?;

    let protection = privacy.map_or_else(|| "no privacy".to_owned(), |privacy| privacy.name().to_owned());
    let group = args.group.as_deref().unwrap_or(DEFAULT_GROUP);
    let of = if args.engine_id.is_some() { format!("for engine {engine}") } else { format!("of group {group}") };
    writeln!(out, "User {} {of}: {}, {protection}; its keys are in {file}.", args.name, authentication.name())?;
    if drawn {
        writeln!(out, "New engine id, written to [snmp]: {engine}")?;
    }
    say_what_is_left(after.as_ref(), out)
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), SnmpCommandError> {
    let document = read(&args.directory)?;
    if args.json {
        #[derive(Serialize)]
        struct All {
            engine_id: Option<String>,
            users: Vec<UserEntry>,
        }
        let all = All { engine_id: document.engine_id().map(|id| id.to_string()), users: document.users() };
        serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    match document.engine_id() {
        Some(engine) => writeln!(out, "engine id {engine}")?,
        None => writeln!(out, "engine id: one of chance; `raisctl snmp user add` draws one")?,
    }
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let head = ["USER", "GROUP", "AUTHENTICATION", "PRIVACY", "ENGINE"].map(str::to_owned);
    let users = document.users();
    let rows = users.iter().map(|user| {
        // A user is in one group, which any of its entries may name.
        let group = users.iter().filter(|other| other.name == user.name).find_map(|other| other.group.clone());
        let group = group.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        let engine = user.engine_id.clone().unwrap_or_else(|| "this box".to_owned());
        [user.name.clone(), group, dash(&user.authentication), dash(&user.privacy), engine]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    for row in &rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(text, width)| format!("{text:width$}")).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

fn remove(args: &RemoveArgs, out: &mut dyn Write) -> Result<(), SnmpCommandError> {
    let mut document = read(&args.directory)?;
    let removed = document.remove(&args.name, args.engine_id);
    let removed = removed.ok_or_else(|| SnmpCommandError::Unknown(args.name.clone()))?;
    write(&args.directory, &document)?;
    let still_used = |file: &String| document.users().iter().any(|user| user.file.as_ref() == Some(file));
    if let Some(file) = removed.file.filter(|file| !still_used(file)) {
        match std::fs::remove_file(args.directory.join(&file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => writeln!(out, "User {} is removed, and {file} with its keys.", args.name)?,
        }
    } else {
        writeln!(out, "User {} is removed.", args.name)?;
    }
    say_what_is_left(faults(&args.directory, &document, None)?.as_ref(), out)
}

fn say_what_is_left(left: Option<&Faults>, out: &mut dyn Write) -> Result<(), SnmpCommandError> {
    match left {
        None => writeln!(out, "Sign the bundle: raisctl config sign")?,
        Some(faults) => writeln!(out, "The configuration still has faults: raisctl config check\n{faults}")?,
    }
    Ok(())
}

fn read(directory: &Path) -> Result<Document, SnmpCommandError> {
    let path = directory.join(crate::config::bundle::CONFIGURATION_FILE);
    let content = read_limited(&path, MAX_TOML)?;
    let content = content.ok_or(ConfigCommandError::NoFile(path))?;
    let text = String::from_utf8(content).map_err(|_| SnmpCommandError::Toml("it is not UTF-8".to_owned()))?;
    Document::parse(&text).map_err(SnmpCommandError::Toml)
}

fn write(directory: &Path, document: &Document) -> Result<(), SnmpCommandError> {
    let path = directory.join(crate::config::bundle::CONFIGURATION_FILE);
    Ok(write_atomically(&path, document.to_text().as_bytes(), 0o644)?)
}

/// The faults of the bundle as it would be: with that rais.toml, and with that file of keys.
fn faults(
    directory: &Path,
    document: &Document,
    keys: Option<(&str, &[u8])>,
) -> Result<Option<Faults>, SnmpCommandError> {
    let mut files: BundleFiles = read_bundle(directory)?;
    let toml = crate::config::bundle::CONFIGURATION_FILE;
    let changed = [(toml, document.to_text().into_bytes(), 0o644)];
    let keys = keys.map(|(path, content)| (path, content.to_vec(), 0o600));
    for (path, content, mode) in changed.into_iter().chain(keys) {
        files.0.insert(path.to_owned(), crate::config::BundleFile { content: content.into(), mode });
    }
    Ok(match load(&files, &Trust::InsecureUnsigned) {
        Err(Rejected::Faulty(faults)) => Some(faults),
        _ => None,
    })
}

fn refuse_if_worse(before: &Option<Faults>, after: &Option<Faults>) -> Result<(), SnmpCommandError> {
    let count = |faults: &Option<Faults>| faults.as_ref().map_or(0, |faults| faults.as_slice().len());
    match after {
        Some(faults) if count(after) > count(before) => Err(SnmpCommandError::Faulty(faults.clone())),
        _ => Ok(()),
    }
}
