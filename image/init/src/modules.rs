//! Drivers: loading kernel modules by list and by what devices ask for. The build wrote both tables, dependencies first.

use crate::console;
use crate::glob;
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

const DIRECTORY: &str = "/lib/rais/modules";
const ALWAYS: &str = "/lib/rais/always";
const COLDPLUG: &str = "/lib/rais/coldplug";

const ON_DEMAND: &str = "/lib/rais/on-demand";

/// Rounds of coldplugging: a bus driver shows new devices, whose drivers may show more. PCI, virtio, SCSI, disk: four.
const ROUNDS: usize = 6;

/// Loads one module. One that is loaded already, or whose hardware is absent, is no error.
pub(crate) fn load(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST | Errno::ENODEV) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Loads the modules every box needs.
pub(crate) fn load_always() {
    for name in fs::read_to_string(ALWAYS).unwrap_or_default().lines() {
        load_by_name(name);
    }
}

/// Loads what goes by this name or alias, if the image offers it: the kernel or a program of ours asked for it.
///
/// # Errors
/// Nothing goes by this name, or the kernel refused the module.
pub(crate) fn load_on_demand(name: &str) -> io::Result<()> {
    let table = fs::read_to_string(ON_DEMAND)?;
    // The kernel takes '-' and '_' in a module's name for the same.
    let plain = name.replace('-', "_");
    let mut lines = table.lines().filter_map(|line| line.split_once(' '));
    let Some((_, files)) = lines.find(|(pattern, _)| *pattern == plain || glob::matches(pattern, name)) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    files.split(' ').try_for_each(|file| load(&Path::new(DIRECTORY).join(file)))
}

/// Loads the drivers of all devices that are there; returns how many modules the devices asked for.
pub(crate) fn coldplug() -> usize {
    let table = fs::read_to_string(COLDPLUG).unwrap_or_default();
    let table = table.lines().filter_map(|line| line.split_once(' ')).collect::<Vec<_>>();
    let mut known = BTreeSet::new();
    let mut loaded = BTreeSet::new();
    for _ in 0..ROUNDS {
        let mut aliases = BTreeSet::new();
        collect_aliases(Path::new("/sys/devices"), &mut aliases);
        let mut news = aliases.difference(&known).peekable();
        if news.peek().is_none() {
            break;
        }
        for module in news.flat_map(|alias| wanted(&table, alias)) {
            if loaded.insert(module.to_owned()) {
                load_by_name(module);
            }
        }
        known.append(&mut aliases);
    }
    loaded.len()
}

/// The files that drive a device with this alias, dependencies first.
fn wanted<'a>(table: &[(&str, &'a str)], alias: &str) -> Vec<&'a str> {
    // The bus stands before the colon, without wildcards: most lines are of other buses.
    let bus = alias.split(':').next().unwrap_or_default();
    table
        .iter()
        .filter(|(pattern, _)| pattern.starts_with(bus) && glob::matches(pattern, alias))
        .flat_map(|(_, modules)| modules.split(' '))
        .collect()
}

fn load_by_name(name: &str) {
    if let Err(error) = load(&Path::new(DIRECTORY).join(name)) {
        console::say(&format!("module {name}: {error}"));
    }
}

/// All `modalias` files below a directory of sysfs. Links are not followed: they lead back up.
fn collect_aliases(directory: &Path, aliases: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            collect_aliases(&entry.path(), aliases);
        } else if kind.is_file()
            && entry.file_name() == "modalias"
            && let Ok(alias) = fs::read_to_string(entry.path())
        {
            aliases.insert(alias.trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_the_modules_of_every_line_that_matches_in_order() {
        let table = [
            ("pci:v00001AF4d*", "virtio.ko virtio_pci.ko"),
            ("virtio:d00000001v*", "virtio_net.ko"),
            ("pci:v*", "all.ko"),
        ];
        assert_eq!(wanted(&table, "pci:v00001AF4d00001000"), ["virtio.ko", "virtio_pci.ko", "all.ko"]);
        assert_eq!(wanted(&table, "usb:v1"), [""; 0]);
    }
}
