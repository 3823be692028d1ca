//! Kernel modules: which files a list of names needs, in the order they must be loaded, read from the modules' own
//! `.modinfo`; no depmod. It deliberately knows no device: `image/modules/*` lists are the operator's choice.

use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of one kernel.
#[derive(Debug)]
pub(crate) struct Modules {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// What a module says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct ModuleInfo {
    depends: Vec<String>,
    soft_before: Vec<String>,
    aliases: Vec<String>,
}

impl Modules {
    /// Reads the names of all modules below `directory` (`lib/modules/<release>`).
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(&directory.join("kernel"), &mut files)?;
        let list = directory.join("modules.builtin");
        let built_in = fs::read_to_string(&list).with_context(|| format!("{} can not be read", list.display()))?;
        Ok(Self { files, built_in: built_in.lines().filter_map(|line| module_name(Path::new(line))).collect() })
    }

    /// The files of these modules and of all they depend on, dependencies first. What is built in needs no file.
    pub(crate) fn closure<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<PathBuf>> {
        let mut seen = BTreeSet::new();
        let mut ordered = Vec::new();
        for name in names {
            if !self.files.contains_key(name) && !self.built_in.contains(name) {
                bail!("this kernel has no module {name}");
            }
            self.visit(name, &mut seen, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn visit(&self, name: &str, seen: &mut BTreeSet<String>, ordered: &mut Vec<PathBuf>) -> Result<()> {
        if !seen.insert(name.to_owned()) {
            return Ok(());
        }
        // Absent is fine here: a dependency that is no file is built in, a soft one may not exist at all.
        let Some(path) = self.files.get(name) else { return Ok(()) };
        let info = module_info(path)?;
        for other in info.soft_before.iter().chain(&info.depends) {
            self.visit(other, seen, ordered)?;
        }
        ordered.push(path.clone());
        Ok(())
    }

    /// The table init loads from: a line per name or alias of these modules, `pattern file file …`, dependencies first.
    pub(crate) fn table<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let mut table = String::new();
        for name in names {
            let Some(path) = self.files.get(name) else { continue };
            let files = self.closure([name])?.iter().map(|path| file_name(path)).collect::<Vec<_>>().join(" ");
            for alias in std::iter::once(name.to_owned()).chain(module_info(path)?.aliases) {
                if !alias.contains(char::is_whitespace) {
                    writeln!(table, "{alias} {files}")?;
                }
            }
        }
        Ok(table)
    }
}

/// Reads a list of `image/modules`: names in order, without those marked `full` if the kernel is not the full one.
pub(crate) fn read_list(path: &Path, full: bool) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} can not be read", path.display()))?;
    let mut names = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [] => {}
            [name] => names.push(normal(name)),
            [name, "full"] if full => names.push(normal(name)),
            [_, "full"] => {}
            _ => bail!("{}: not a module and its mark: {line:?}", path.display()),
        }
    }
    Ok(names)
}

/// The last component of a path, for messages and tables.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn collect(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("{} can not be read", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Some(name) = module_name(&path) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `…/virtio-net.ko` is the module `virtio_net`.
fn module_name(path: &Path) -> Option<String> {
    Some(normal(path.file_name()?.to_str()?.strip_suffix(".ko")?))
}

/// The kernel takes '-' and '_' in a module's name for the same.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

fn module_info(path: &Path) -> Result<ModuleInfo> {
    let bytes = fs::read(path).with_context(|| format!("{} can not be read", path.display()))?;
    let section = elf_section(&bytes, ".modinfo").ok_or_else(|| anyhow!("{} has no .modinfo", path.display()))?;
    Ok(parse_modinfo(section))
}

fn parse_modinfo(section: &[u8]) -> ModuleInfo {
    let mut info = ModuleInfo::default();
    for entry in section.split(|&byte| byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()) {
        match entry.split_once('=') {
            Some(("depends", names)) => {
                info.depends.extend(names.split(',').filter(|name| !name.is_empty()).map(normal));
            }
            Some(("softdep", rule)) => {
                if let Some(names) = rule.strip_prefix("pre:") {
                    // `pre: a b post: c`: what comes after is not needed to load.
                    let names = names.split("post:").next().unwrap_or_default();
                    info.soft_before.extend(names.split_whitespace().map(normal));
                }
            }
            Some(("alias", alias)) => info.aliases.push(alias.to_owned()),
            _ => {}
        }
    }
    info
}

/// The bytes of a section of a 64-bit little-endian ELF file.
fn elf_section<'a>(elf: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let table = number_at(elf, 0x28)?;
    let (size, count, names) = (u16_at(elf, 0x3a)?, u16_at(elf, 0x3c)?, u16_at(elf, 0x3e)?);
    let header = |index: u16| elf.get(table.checked_add(usize::from(index) * usize::from(size))?..);
    let content = |header: &[u8]| {
        let (from, length) = (number_at(header, 0x18)?, number_at(header, 0x20)?);
        elf.get(from..from.checked_add(length)?)
    };
    let strings = content(header(names)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let at = u32::from_le_bytes(*header.first_chunk()?) as usize;
        let found = strings.get(at..)?.split(|&byte| byte == 0).next()?;
        if found == name.as_bytes() { content(header) } else { None }
    })
}

fn number_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modinfo_gives_dependencies_soft_dependencies_and_aliases() {
        let info = parse_modinfo(
            b"license=GPL\0depends=net-failover,virtio\0softdep=pre: crc32c a-b post: z\0alias=virtio:d00000001v*\0",
        );
        assert_eq!(info.depends, ["net_failover", "virtio"]);
        assert_eq!(info.soft_before, ["crc32c", "a_b"]);
        assert_eq!(info.aliases, ["virtio:d00000001v*"]);
    }

    #[test]
    fn a_file_that_is_no_elf_has_no_sections() {
        assert_eq!(elf_section(b"short", ".modinfo"), None);
        assert_eq!(elf_section(&[0xff; 4096], ".modinfo"), None);
    }

    #[test]
    fn full_modules_are_left_out_of_a_list_for_the_cloud_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("list");
        fs::write(&list, "# words\nvirtio-net\nigb full # a NIC\n\n").unwrap();
        assert_eq!(read_list(&list, true).unwrap(), ["virtio_net", "igb"]);
        assert_eq!(read_list(&list, false).unwrap(), ["virtio_net"]);
        fs::write(&list, "igb ful").unwrap();
        assert!(read_list(&list, true).is_err());
    }

    #[test]
    fn an_unknown_module_is_an_error_and_a_built_in_one_is_not() {
        let modules = Modules { files: BTreeMap::new(), built_in: BTreeSet::from(["ext4".to_owned()]) };
        assert!(modules.closure(["ext4"]).unwrap().is_empty());
        assert!(modules.closure(["ext5"]).is_err());
    }
}
