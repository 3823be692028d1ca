//! Where configurations come from: files, judged by what this box trusts, remembers and is called.

use super::options::Options;
use crate::config::{Configuration, Digest, Floor, Keyring, Trust, load};
use crate::ctl::config_command::read_bundle;
use crate::os::store::{Store, read_limited};
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use std::path::PathBuf;

/// The file of the state directory with the newest configuration that was put into force: generation, digest, name.
const CONFIRMED: &str = "confirmed";
/// The file of the state directory with the digest of the configuration that ran last, signed or not.
const RAN: &str = "ran";
/// The file of the state directory with the version of the product that ran last.
const VERSION: &str = "version";
/// Longer than any version.
const MAX_VERSION: u64 = 64;
/// A number, 64 digits, a name, and blanks between them.
const MAX_CONFIRMED: u64 = 256;
/// The largest keyring: some hundred keys.
const MAX_KEYRING: u64 = 256 * 1024;

/// Loads configurations for this box.
#[derive(Clone, Debug)]
pub(super) struct Source {
    config: PathBuf,
    keyring: PathBuf,
    insecure_unsigned: bool,
    store: Store,
}

/// What this box remembers of the newest configuration it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Confirmed {
    generation: Generation,
    digest: Digest,
    name: HostName,
}

impl Source {
    /// As the command line says.
    #[must_use]
    pub(super) fn new(options: &Options, store: Store) -> Self {
        let Options { config, keyring, insecure_unsigned, .. } = options.clone();
        Self { config, keyring, insecure_unsigned, store }
    }

    /// Reads, verifies, parses and checks the configuration. Blocks on the file system.
    ///
    /// # Errors
    /// All faults in words, a line each. Nothing was changed.
    pub(super) fn load(&self) -> Result<Configuration, String> {
        let trust = self.trust()?;
        let files = read_bundle(&self.config).map_err(|error| error.to_string())?;
        load(&files, &trust).map_err(|error| error.to_string())
    }

    /// [`load`](Self::load) where it may block.
    ///
    /// # Errors
    /// As that.
    pub(super) async fn load_off_thread(&self) -> Result<Configuration, String> {
        let source = self.clone();
        let loaded = tokio::task::spawn_blocking(move || source.load()).await;
        loaded.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn trust(&self) -> Result<Trust, String> {
        if self.insecure_unsigned {
            return Ok(Trust::InsecureUnsigned);
        }
        let name = self.keyring.display();
        let content = read_limited(&self.keyring, MAX_KEYRING).map_err(|error| error.to_string())?;
        let content = content.ok_or_else(|| format!("{name}: there is no keyring; nobody may sign configurations"))?;
        let keyring = Keyring::parse(&name.to_string(), &content).map_err(|faults| faults.to_string())?;
        let confirmed = self.confirmed();
        let floor = confirmed.as_ref().map_or_else(Floor::default, |confirmed| Floor {
            generation: confirmed.generation,
            digest: Some(confirmed.digest),
        });
        Ok(Trust::Signed { keyring, signers_needed: 1, floor, device: confirmed.map(|confirmed| confirmed.name) })
    }

    /// A damaged memory is no reason to be dead: whoever can write there can remove the file as well.
    fn confirmed(&self) -> Option<Confirmed> {
        let content = match self.store.read(CONFIRMED, MAX_CONFIRMED) {
            Ok(content) => content?,
            Err(error) => {
                tracing::error!(%error, "which configuration was the newest is not known: an old one could return");
                return None;
            }
        };
        let confirmed = std::str::from_utf8(&content).ok().and_then(Confirmed::parse);
        if confirmed.is_none() {
            let path = self.store.path(CONFIRMED);
            tracing::error!(path = %path.display(), "damaged: an older configuration could return");
        }
        confirmed
    }

    /// Remembers that this configuration is in force: no older one will be accepted. One that nobody signed is
    /// not remembered.
    ///
    /// # Errors
    /// In words, if it can not be stored.
    pub(super) fn confirm(&self, configuration: &Configuration) -> Result<(), String> {
        if configuration.provenance.signers.is_empty() {
            return Ok(());
        }
        let confirmed = Confirmed {
            generation: configuration.provenance.generation,
            digest: configuration.provenance.digest,
            name: configuration.name.clone(),
        };
        let before = self.confirmed();
        if before.as_ref() == Some(&confirmed) {
            return Ok(());
        }
        if let Some(before) = before.filter(|before| before.name != confirmed.name) {
            let (was, is) = (before.name, &confirmed.name);
            tracing::warn!(%was, %is, "this box is renamed: configurations for its earlier name are refused from now on");
        }
        self.store.write(CONFIRMED, confirmed.to_text().as_bytes()).map_err(|error| error.to_string())
    }

    /// Remembers that this configuration runs; true if it is the one that ran last, in an earlier life or in this one.
    pub(super) fn runs(&self, configuration: &Configuration) -> bool {
        let digest = configuration.provenance.digest.to_string();
        let ran = self.store.read(RAN, MAX_CONFIRMED).ok().flatten();
        if ran.as_deref() == Some(digest.as_bytes()) {
            return true;
        }
        if let Err(error) = self.store.write(RAN, digest.as_bytes()) {
            tracing::warn!(%error, "the next start will be told as one with another configuration");
        }
        false
    }

    /// The version of the product that ran last, if it was another one; remembers that this one runs. `None` at a first
    /// start, and if what was remembered is not to be read.
    pub(super) fn version_before(&self) -> Option<String> {
        let before = self.store.read(VERSION, MAX_VERSION).ok().flatten();
        let before = before.and_then(|octets| String::from_utf8(octets).ok()).map(|text| text.trim().to_owned());
        if before.as_deref() == Some(env!("CARGO_PKG_VERSION")) {
            return None;
        }
        if let Err(error) = self.store.write(VERSION, concat!(env!("CARGO_PKG_VERSION"), "\n").as_bytes()) {
            tracing::warn!(%error, "the next start will be told as one of another version");
        }
        before.filter(|version| !version.is_empty() && version.chars().all(|c| c.is_ascii_graphic()))
    }
}

impl Confirmed {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (generation, digest, name) = (words.next()?, words.next()?, words.next()?);
        let generation = Generation(generation.parse().ok()?);
        Some(Self { generation, digest: digest.parse().ok()?, name: name.parse().ok()? })
    }

    fn to_text(&self) -> String {
        format!("{} {} {}\n", self.generation, self.digest, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_survives_the_file_and_damage_is_not_half_believed() {
        let digest = Digest::of(b"manifest");
        let confirmed = Confirmed { generation: Generation(7), digest, name: "edge-1".parse().unwrap() };
        assert_eq!(Confirmed::parse(&confirmed.to_text()), Some(confirmed.clone()));
        for damaged in ["", "7", "7 abc edge-1", &format!("x {digest} edge-1"), &format!("7 {digest} Edge")] {
            assert_eq!(Confirmed::parse(damaged), None, "{damaged}");
        }
    }
}
