//! `manifest.toml`: what a bundle holds, for which box, and which generation it is.
//!
//! It is what is signed; it names the SHA-256 of every other file. Reading it is as strict as reading `rais.toml`.

use super::bundle::{BundleFiles, MANIFEST_FILE, is_signature};
use super::fault::{Checked, Collector, Faults, Placed};
use super::provenance::Digest;
use super::reader::{self, Asked, Table};
use super::values::{Parsed, check_bundle_path, display_string, integer, name, quote, text};
use rais_core::address::HostName;
use rais_core::quantity::Generation;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use toml::de::DeValue;

/// Most files of a bundle: a configuration is no file store.
pub const MAX_FILES: usize = 1000;
/// The version of the manifest's format.
const SCHEMA: u32 = 1;
/// The highest generation: what every TOML reader can hold.
pub const MAX_GENERATION: u64 = i64::MAX as u64;

/// A product version: three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageVersion(pub [u32; 3]);

impl ImageVersion {
    /// This product's own.
    #[must_use]
    pub fn own() -> Self {
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self([0; 3]))
    }
}

/// A text that is no product version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers, such as 1.2.0")]
pub struct BadVersion;

impl FromStr for ImageVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        // A pre-release counts as the release it leads to.
        let release = text.split_once(['-', '+']).map_or(text, |(release, _)| release);
        let mut parts = release.split('.').map(|part| part.parse().map_err(|_| BadVersion));
        let mut next = || parts.next().unwrap_or(Err(BadVersion));
        let version = Self([next()?, next()?, next()?]);
        if parts.next().is_some() { Err(BadVersion) } else { Ok(version) }
    }
}

impl fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The box that the bundle is for.
    pub device: HostName,
    /// What the box was called before, if the bundle is to rename it: a box of that name takes it, too.
    pub renames: Option<HostName>,
    /// Its generation: 1 to [`MAX_GENERATION`].
    pub generation: Generation,
    /// Digest of the manifest that this one was made from.
    pub parent: Option<Digest>,
    /// The oldest image that may run it.
    pub min_image: Option<ImageVersion>,
    /// Who made it.
    pub author: String,
    /// What for.
    pub comment: String,
    /// The files, by their path in the bundle; never the manifest and its signatures.
    pub files: BTreeMap<String, ManifestFile>,
}

/// A file as it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Its permission bits.
    pub mode: u32,
}

/// A file of a bundle that is not what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// The content was changed after signing. Get the bundle again, or sign it again.
    #[error("{0} was changed after the bundle was signed")]
    Changed(String),
    /// The manifest lists it, the bundle lacks it. Get the bundle again, or sign it again.
    #[error("{0} is missing")]
    Missing(String),
    /// The bundle has it, the manifest does not list it. Remove it, or sign the bundle again.
    #[error("{0} is not in the manifest")]
    Extra(String),
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// All its faults.
    pub fn parse(content: &[u8]) -> Result<Self, Faults> {
        let source = reader::decode(MANIFEST_FILE, content)?;
        let faults = Collector::new(MANIFEST_FILE, source);
        let asked = Asked::default();
        let document = reader::parse_document(source, &faults);
        let built = read(Table::root(&faults, &asked, &document), &faults);
        faults.finish(built)
    }

    /// The same as a file; the same manifest is always the same octets.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut text = format!(
            "# Made by `raisctl config sign`. Any change to it or to a file it lists breaks its signatures.\n\
             schema = {SCHEMA}\ndevice = {}\ngeneration = {}\n",
            quoted(self.device.as_str()),
            self.generation
        );
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {}\n", quoted(&value)));
            }
        };
        let unless_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        line("renames", self.renames.as_ref().map(ToString::to_string));
        line("parent", self.parent.map(|digest| digest.to_string()));
        line("min_image", self.min_image.map(|version| version.to_string()));
        line("author", unless_empty(&self.author));
        line("comment", unless_empty(&self.comment));
        text.push_str(&files_to_toml(&self.files));
        text
    }

    /// Compares the files of a bundle with what was signed; modes are the manifest's business alone.
    #[must_use]
    pub fn compare(&self, files: &BundleFiles) -> Vec<FileFault> {
        let mut faults = Vec::new();
        let found = describe(files);
        for (path, signed) in &self.files {
            match found.get(path) {
                None => faults.push(FileFault::Missing(path.clone())),
                Some(file) if file.sha256 != signed.sha256 => faults.push(FileFault::Changed(path.clone())),
                Some(_) => {}
            }
        }
        let extra = found.into_keys().filter(|path| !self.files.contains_key(path));
        faults.extend(extra.map(FileFault::Extra));
        faults
    }
}

/// The files of a bundle as a manifest lists them: all but the manifest and its signatures. Write permission for others
/// than the owner is not carried over.
#[must_use]
pub fn describe(files: &BundleFiles) -> BTreeMap<String, ManifestFile> {
    let payload = files.0.iter().filter(|(path, _)| *path != MANIFEST_FILE && !is_signature(path));
    payload
        .map(|(path, file)| (path.clone(), ManifestFile { sha256: Digest::of(&file.content), mode: file.mode & 0o755 }))
        .collect()
}

/// The `[[file]]` tables of a manifest.
pub(super) fn files_to_toml(files: &BTreeMap<String, ManifestFile>) -> String {
    let table = |(path, file): (&String, &ManifestFile)| {
        format!("\n[[file]]\npath = \"{path}\"\nsha256 = \"{}\"\nmode = \"{:04o}\"\n", file.sha256, file.mode)
    };
    files.iter().map(table).collect()
}

fn read(mut root: Table, faults: &Collector) -> Checked<Manifest> {
    let schema = root.required("schema", integer(1..=u32::MAX, ""))?;
    if schema.value != SCHEMA {
        let message = format!("this is schema {}, and this rais reads schema {SCHEMA}", schema.value);
        return Err(faults.report(&schema.place, message));
    }
    let device = root.required("device", name);
    let renames = root.optional("renames", name);
    let generation = root.required("generation", integer(1..=MAX_GENERATION, ""));
    let parent = root.optional("parent", digest);
    let min_image = root.optional("min_image", text(|text| text.parse().map_err(|why: BadVersion| why.to_string())));
    let author = root.defaulted("author", String::new(), display_string);
    let comment = root.defaulted("comment", String::new(), display_string);
    let (tables, complete) = root.tables("file", MAX_FILES);
    let mut files = BTreeMap::new();
    let mut result = complete;
    for table in tables {
        match read_file(table) {
            Err(reported) => result = Err(reported),
            Ok((path, file)) => {
                if files.insert(path.value.clone(), file).is_some() {
                    result = Err(faults.report(&path.place, format!("{} is listed already", path.value)));
                }
            }
        }
    }
    root.finish();
    result?;
    Ok(Manifest {
        device: device?.value,
        renames: renames?.map(|renames| renames.value),
        generation: Generation(generation?.value),
        parent: parent?.map(|parent| parent.value),
        min_image: min_image?.map(|version| version.value),
        author: author?,
        comment: comment?,
        files,
    })
}

fn read_file(mut table: Table) -> Checked<(Placed<String>, ManifestFile)> {
    let path = table.required("path", text(payload_path));
    let sha256 = table.required("sha256", digest);
    let mode = table.required("mode", text(mode));
    table.finish();
    Ok((path?, ManifestFile { sha256: sha256?.value, mode: mode?.value }))
}

fn payload_path(path: &str) -> Parsed<String> {
    check_bundle_path(path).map_err(|why| format!("{} {why}", quote(path)))?;
    if path == MANIFEST_FILE || is_signature(path) {
        return Err(format!("{path} can not be signed by itself"));
    }
    Ok(path.to_owned())
}

fn digest(value: &DeValue) -> Parsed<Digest> {
    text(|text| text.parse().map_err(|why: super::provenance::BadDigest| why.to_string()))(value)
}

/// Permission bits: nobody but the owner may write, and nothing runs as somebody else.
fn mode(text: &str) -> Parsed<u32> {
    let octal = text.len() == 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && mode & !0o755 == 0);
    mode.ok_or_else(|| {
        format!("{} is not a mode of \"0000\" to \"0755\" with nobody but the owner writing", quote(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = ManifestFile { sha256: Digest::of(b"version = 1\n"), mode: 0o644 };
        Manifest {
            device: HostName::new("edge-1").unwrap(),
            renames: Some(HostName::new("edge-0").unwrap()),
            generation: Generation(7),
            parent: Some(Digest::of(b"6")),
            min_image: Some(ImageVersion([0, 1, 0])),
            author: "noc@example.net".to_owned(),
            comment: "more \"room\" \\ for http".to_owned(),
            files: BTreeMap::from([
                ("rais.toml".to_owned(), file),
                ("scripts/up".to_owned(), ManifestFile { mode: 0o755, ..file }),
            ]),
        }
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let full = manifest();
        assert_eq!(Manifest::parse(full.to_toml().as_bytes()).unwrap(), full);
        let bare = Manifest {
            renames: None,
            parent: None,
            min_image: None,
            author: String::new(),
            comment: String::new(),
            ..full
        };
        assert_eq!(Manifest::parse(bare.to_toml().as_bytes()).unwrap(), bare);
    }

    #[test]
    fn every_fault_of_a_manifest_is_told_at_once() {
        let text = "schema = 1\ndevise = 'x'\nrenames = 'Edge_1'\ngeneration = 0\nparent = 'beef'\nmin_image = '1'\n\
                    [[file]]\npath = '../x'\nsha256 = 'x'\nmode = '4755'\n[[file]]\npath = 'manifest.toml.sig'\n";
        let faults = Manifest::parse(text.as_bytes()).unwrap_err();
        let paths: Vec<&str> = faults.as_slice().iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "device",
                "devise",
                "renames",
                "generation",
                "parent",
                "min_image",
                "file[0].path",
                "file[0].sha256",
                "file[0].mode",
                "file[1].mode",
                "file[1].sha256",
                "file[1].path"
            ]
        );
        assert!(Manifest::parse(b"schema = 2\n").unwrap_err().to_string().contains("reads schema 1"));
        assert_eq!(Manifest::parse(b"a\n\xff").unwrap_err().as_slice()[0].line, 2);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<ImageVersion>();
        assert!(version("0.10.0").unwrap() > version("0.9.9").unwrap());
        assert_eq!(version("1.2.3-rc1").unwrap(), version("1.2.3").unwrap());
        for bad in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1..2"] {
            assert_eq!(version(bad), Err(BadVersion), "{bad}");
        }
        assert_eq!(ImageVersion::own().to_string(), env!("CARGO_PKG_VERSION"));
    }
}
