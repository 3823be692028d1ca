//! The house checks: what the compiler and clippy do not see. Arrows that must never be drawn, first lines, lengths, words
//! that must not be left behind. The rules are those of `src/ARCHITECTURE.md`.
//!
//! It reads source text, not types: an arrow is a path in the code, wherever it stands, with `use` trees unfolded.

mod paths;
mod requirements;

use crate::cargo;
use anyhow::{Context, Result, bail, ensure};
use paths::paths_of;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Most lines of a file before its tests begin. About 400 can be held in the head; this is where somebody must look.
const MAX_LINES: usize = 600;
/// Most lines of a file of tests, which is read a test at a time.
const MAX_TEST_LINES: usize = 800;

/// Nobody under these directories may name these paths, and why.
struct Arrow {
    /// Where it must not begin. Test modules are free, and so are the files in `except`.
    from: &'static [&'static str],
    /// Files of `from` in which it may begin.
    except: &'static [&'static str],
    /// Where it must not lead: paths, or their beginnings.
    to: &'static [&'static str],
    /// The sentence of the map.
    why: &'static str,
}

const ARROWS: &[Arrow] = &[
    Arrow {
        from: &["src/core/"],
        except: &[],
        to: &["std", "tokio", "nix", "libc", "toml", "serde_json", "rand", "tracing", "rais"],
        why: "core has no std, no runtime, no system and no file format",
    },
    Arrow {
        from: &["src/wire/", "src/config/", "src/snmp/", "src/dns/", "src/journal/"],
        except: &[],
        to: &[
            "std::fs",
            "std::env",
            "std::process",
            "std::thread",
            "std::net::UdpSocket",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::os",
            "std::time::Instant",
            "std::time::SystemTime",
            "tokio",
            "nix",
            "libc",
            "socket2",
            "rtnetlink",
            "crate::os",
            "crate::daemon",
            "crate::ctl",
        ],
        why: "bytes in, bytes out: no socket, no process, no environment, no clock",
    },
    Arrow {
        from: &["src/os/"],
        except: &[],
        to: &[
            "rais_core::node",
            "rais_core::view",
            "crate::config",
            "crate::wire",
            "crate::snmp",
            "crate::dns",
            "crate::daemon",
            "crate::ctl",
            "crate::snapshot",
        ],
        why: "os does as it is told: it knows neither the protocol's state nor the file formats",
    },
    Arrow {
        from: &["src/"],
        except: &["src/os/", "src/core/"],
        to: &["nix", "libc", "rtnetlink", "netlink_packet_route", "socket2"],
        why: "every system call lives in os",
    },
    Arrow {
        from: &["src/"],
        // The journal's replay lives a recorded life again; nothing it is told to do is done.
        except: &["src/daemon/", "src/core/", "src/journal/"],
        to: &["rais_core::node"],
        why: "only the daemon sees the Node; others read the View",
    },
    Arrow {
        from: &["src/snmp/", "src/dns/", "src/ctl/"],
        except: &[],
        to: &["crate::daemon"],
        why: "a change goes in as a Command over the channel they are given",
    },
    Arrow { from: &["src/", "image/", "tests/"], except: &[], to: &["xtask"], why: "nothing leads to xtask" },
];

/// Words that must not be left behind. Split, so that this file does not find itself.
const LEFTOVERS: &[(&str, &str)] =
    &[("FIX", "ME"), ("XX", "X:"), ("to", "do!("), ("unimpl", "emented!("), ("db", "g!(")];
/// Directories of somebody's machine, split likewise.
const MACHINE_PATHS: &[(&str, &str)] = &[("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/")];

/// Checks the whole tree; gives how many files were looked at. Errs with every fault, a line each.
pub fn run() -> Result<usize> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(cargo::repository()).output();
    let output = output.context("git does not start")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let listed = String::from_utf8_lossy(&output.stdout);
    let mut faults = Vec::new();
    let (mut files, mut sources) = (0, BTreeMap::new());
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        // A file may be deleted but not yet committed so; and what is not text has no words.
        let Ok(text) = fs::read_to_string(cargo::repository().join(name)) else { continue };
        files += 1;
        faults.extend(faults_of(name, &text).into_iter().map(|fault| format!("{name}: {fault}")));
        if name == requirements::PAGE || name.ends_with(".rs") {
            sources.insert(name.to_owned(), text);
        }
    }
    faults
        .extend(requirements::faults_of(&sources).into_iter().map(|fault| format!("{}: {fault}", requirements::PAGE)));
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    ensure!(files > 0, "no files: is this a git repository?");
    Ok(files)
}

/// What is wrong with one file.
fn faults_of(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !name.ends_with(".lock") {
        for (number, line) in text.lines().enumerate() {
            for (head, tail) in LEFTOVERS.iter().chain(MACHINE_PATHS) {
                let word = format!("{head}{tail}");
                if line.contains(&word) {
                    faults.push(format!("line {}: {word} is left behind", number + 1));
                }
            }
        }
    }
    if name.ends_with(".rs") {
        faults.extend(rust_faults(name, text));
    }
    faults
}

/// What is wrong with one Rust file.
fn rust_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push(String::from("the first line does not say `//!` what the file is"));
    }
    let code = without_tests(text);
    let lines = code.lines().count();
    let is_test = name.starts_with("tests/") || name.ends_with("tests.rs");
    let most = if is_test { MAX_TEST_LINES } else { MAX_LINES };
    if lines > most {
        faults.push(format!("{lines} lines before its tests, more than {most}"));
    }
    for arrow in ARROWS {
        let under = |directories: &[&str]| directories.iter().any(|directory| name.starts_with(directory));
        if !under(arrow.from) || under(arrow.except) || (is_test && !arrow.to.contains(&"xtask")) {
            continue;
        }
        for path in paths_of(code) {
            if arrow.to.iter().any(|to| leads_to(&path, to)) {
                faults.push(format!("{path}: {}", arrow.why));
            }
        }
    }
    if name.starts_with("src/") && !name.starts_with("src/os/") && paths::words_of(code).any(|word| word == "unsafe") {
        faults.push(String::from("unsafe: it lives in os alone"));
    }
    faults
}

/// `path` is `to` or something in it.
fn leads_to(path: &str, to: &str) -> bool {
    path.strip_prefix(to).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The code of a file up to its test module, which stands last and may do what it likes.
fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, body: &str) -> Vec<String> {
        faults_of(name, &format!("//! A file.\n{body}"))
    }

    #[test]
    fn every_arrow_that_must_not_be_drawn_is_found() {
        let table = [
            ("src/core/src/node.rs", "use std::time::Instant;"),
            ("src/core/src/node.rs", "fn f() { let _ = std::time::Instant::now(); }"),
            ("src/wire/codec.rs", "use std::{fmt, net::{IpAddr, UdpSocket}};"),
            ("src/snmp/message.rs", "use tokio::net::UdpSocket;"),
            ("src/config/reader.rs", "fn f() { std::fs::read(\"x\"); }"),
            ("src/os/netlink.rs", "use rais_core::{address::ServiceAddress, node::Node};"),
            ("src/os/netlink.rs", "use crate::snmp::Oid;"),
            ("src/ctl/client.rs", "use nix::unistd::Pid;"),
            ("src/dns/zone.rs", "use rais_core::node;"),
            ("src/snmp/agent.rs", "use crate::daemon::EventLoop;"),
            ("tests/daemon/lab.rs", "use xtask::lab;"),
            ("src/ctl/client.rs", "fn f() { unsafe { g() } }"),
        ];
        for (name, body) in table {
            assert!(!faults(name, body).is_empty(), "{name}: {body}");
        }
    }

    #[test]
    fn what_is_allowed_is_not_found() {
        let table = [
            ("src/core/src/node.rs", "use alloc::vec::Vec; use core::fmt; // use std::fmt;"),
            ("src/core/src/node.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::vec::Vec;\n}\n"),
            ("src/wire/codec.rs", "use std::net::IpAddr; /* tokio::spawn */ const S: &str = \"std::fs::read\";"),
            ("src/daemon/event_loop.rs", "use rais_core::node::Node; use crate::os::clock;"),
            ("src/os/netlink.rs", "use rtnetlink::Handle; fn f() { unsafe { g() } }"),
            ("src/ctl/client.rs", "use crate::os_release; use std::os::unix::net::UnixStream;"),
            ("tests/snmp/agent.rs", "use std::net::UdpSocket;"),
        ];
        for (name, body) in table {
            assert_eq!(faults(name, body), Vec::<String>::new(), "{name}: {body}");
        }
    }

    #[test]
    fn a_file_without_a_first_line_a_long_one_and_leftovers_are_found() {
        assert_eq!(faults_of("src/a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(faults("src/a.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
        assert_eq!(faults("README.md", &["see /ho", "me/me/notes; FIX", "ME"].concat()).len(), 2);
    }
}
