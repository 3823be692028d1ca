//! The programs of other people that this project runs, and the Debian packages they come in.
//!
//! Root gets what is missing installed; anybody else gets one line to paste. It knows nothing about what the programs
//! are used for. Requirement A-1.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program or file that must be on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tool {
    /// The program's name, or an absolute path if it is a file nobody executes.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

/// Declares tools as constants, one a line.
macro_rules! tools {
    ($($name:ident = $program:literal in $package:literal;)*) => {
        impl Tool {
            $(
                #[doc = concat!("`", $program, "` of `", $package, "`.")]
                pub const $name: Tool = Tool { program: $program, package: $package };
            )*
        }
        #[cfg(test)]
        const ALL: &[Tool] = &[$(Tool::$name),*];
    };
}

tools! {
    // The image.
    DPKG_DEB = "dpkg-deb" in "dpkg";
    MKSQUASHFS = "mksquashfs" in "squashfs-tools";
    ZSTD = "zstd" in "zstd";
    GRUB_MKIMAGE = "grub-mkimage" in "grub-common";
    MFORMAT = "mformat" in "mtools";
    MKE2FS = "mke2fs" in "e2fsprogs";
    DEBUGFS = "debugfs" in "e2fsprogs";
    // Boxes as virtual machines.
    QEMU = "qemu-system-x86_64" in "qemu-system-x86";
    OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd" in "ovmf";
    // Boxes as namespaces, and the client beside them.
    IP = "ip" in "iproute2";
    SYSCTL = "sysctl" in "procps";
    NFT = "nft" in "nftables";
    // Who the boxes are compared with.
    KEEPALIVED = "keepalived" in "keepalived";
    // The network management station.
    SNMPWALK = "snmpwalk" in "snmp";
    SNMPTRAPD = "snmptrapd" in "snmptrapd";
    SMILINT = "smilint" in "smitools";
    SNMP_GENERATOR = "prometheus-snmp-generator" in "prometheus-snmp-exporter";
    PROMTOOL = "promtool" in "prometheus";
    SNMPD = "snmpd" in "snmpd";
    SNMPTT = "snmptt" in "snmptt";
    // Other people's managers, and what they are compiled with.
    VIRTUALENV = "virtualenv" in "virtualenv";
    PYTHON_CONFIG = "/usr/bin/python3-config" in "python3-dev";
    NET_SNMP_CONFIG = "net-snmp-config" in "libsnmp-dev";
    GCC = "gcc" in "gcc";
    ZABBIX = "/usr/share/zabbix/api_jsonrpc.php" in "zabbix-frontend-php";
    ZABBIX_SCHEMA = "/usr/share/zabbix-server-pgsql/schema.sql.gz" in "zabbix-server-pgsql";
    POSTGRES = "psql" in "postgresql";
    PHP = "php" in "php-cli";
    // Names and signatures.
    NAMED_CHECKZONE = "named-checkzone" in "bind9-utils";
    NSD_CHECKZONE = "nsd-checkzone" in "nsd";
    KZONECHECK = "kzonecheck" in "knot-dnssecutils";
    SSH_KEYGEN = "ssh-keygen" in "openssh-client";
}

/// Makes sure that every tool is here: root gets the missing packages installed.
///
/// # Errors
/// Somebody else than root lacks a package (one line says which), or the installation failed.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let packages = missing_packages(tools, |tool| find(tool.program).is_some());
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.into_iter().collect::<Vec<_>>();
    if !nix::unistd::geteuid().is_root() {
        bail!("missing packages; run: sudo apt-get install --no-install-recommends {}", list.join(" "));
    }
    eprintln!("installing {}", list.join(" "));
    if !apt_install(&list)? {
        // A fresh machine has no package lists yet, or stale ones.
        apt_get(&["-q", "update"])?;
        if !apt_install(&list)? {
            bail!("could not install packages; run: apt-get install --no-install-recommends {}", list.join(" "));
        }
    }
    match missing_packages(tools, |tool| find(tool.program).is_some()).into_iter().next() {
        Some(package) => bail!("package {package} is installed, but what was wanted of it is not there"),
        None => Ok(()),
    }
}

/// A command for a program that may live where only root's search path leads (`mke2fs`, `sfdisk`, `ip`).
#[must_use]
pub fn command(program: &str) -> Command {
    Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)))
}

/// Where the program is, or the file if it is an absolute path.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

/// The packages of the tools that are not here, each once, in order.
fn missing_packages(tools: &[Tool], present: impl Fn(&Tool) -> bool) -> BTreeSet<&'static str> {
    tools.iter().filter(|tool| !present(tool)).map(|tool| tool.package).collect()
}

fn is_executable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
}

fn apt_install(packages: &[&str]) -> Result<bool> {
    let mut arguments = vec!["-q", "-y", "--no-install-recommends", "install"];
    arguments.extend(packages);
    apt_get(&arguments)
}

/// Runs `apt-get` with its output on our standard error; true if it succeeded.
fn apt_get(arguments: &[impl AsRef<OsStr>]) -> Result<bool> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("apt-get does not start: is this Debian?")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_once_however_many_of_its_tools_are_missing() {
        let missing = missing_packages(&[Tool::MKE2FS, Tool::DEBUGFS, Tool::IP], |tool| *tool == Tool::IP);
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["e2fsprogs"]);
    }

    #[test]
    fn a_program_is_found_by_name_and_a_file_by_its_path() {
        assert!(find("sh").is_some());
        assert!(find("/etc/passwd").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
        assert_eq!(find("/no/such/file"), None);
    }

    #[test]
    fn no_tool_is_listed_twice() {
        assert_eq!(ALL.iter().collect::<BTreeSet<_>>().len(), ALL.len());
    }
}
