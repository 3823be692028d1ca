//! The programs the tests run. One that is missing fails the test with what to install.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `mib/` of the repository.
pub fn mib_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mib")
}

/// A file that the fuzzers begin with is what a test makes it. `RAIS_BLESS=1` writes it.
pub fn seed(target: &str, name: &str, octets: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    if std::env::var_os("RAIS_BLESS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), octets).unwrap();
    }
    let found = std::fs::read(directory.join(name)).unwrap_or_default();
    assert_eq!(found, octets, "{target}/{name}: RAIS_BLESS=1 writes it");
}

/// `-M` of net-snmp.
pub fn mib_path() -> String {
    let mib = mib_directory();
    format!("{0}:{0}/base", mib.display())
}

/// A program of a Debian package, which must not read anything of the person who runs the test.
pub fn tool(program: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{program} is missing: apt-get install {package}"));
    let mut command = Command::new(found);
    command.env("SNMPCONFPATH", "/nonexistent").env("SNMP_PERSISTENT_DIR", std::env::temp_dir().join("rais-snmp-none"));
    command
        .env("SMIPATH", format!("{0}/base:{0}", mib_directory().display()))
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end and returns what it printed; fails if it fails or complains.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?} {arguments:?}: {}\n{out}{complaint}", command.get_program(), output.status);
    assert_eq!(complaint, "", "{:?} {arguments:?}", command.get_program());
    out.into_owned()
}
