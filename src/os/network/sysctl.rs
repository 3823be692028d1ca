//! The kernel settings that go with the box's interfaces: which are wanted, and reading and writing them.

use super::{Change, NetworkError, Wanted};
use crate::os::netlink::Link;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// One setting below `/proc/sys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) value: &'static str,
    /// A kernel that does not have it behaves as wanted.
    pub(super) optional: bool,
}

/// The settings that `wanted` asks for on the links found for its interfaces.
pub(super) fn wanted(wanted: &Wanted, links: &BTreeMap<String, Link>) -> Vec<Setting> {
    let switch = |on| if on { "1" } else { "0" };
    let mut settings = vec![
        // First: it resets others.
        Setting { path: "net/ipv4/ip_forward".into(), value: switch(wanted.forward_ipv4), optional: false },
        Setting {
            path: "net/ipv6/conf/all/forwarding".into(),
            value: switch(wanted.forward_ipv6),
            optional: !wanted.forward_ipv6,
        },
    ];
    for interface in &wanted.interfaces {
        let Some(link) = links.get(&interface.name) else { continue };
        let name = &link.name;
        let uses_ipv6 = interface.addresses.iter().any(|(address, _)| address.is_ipv6());
        // A neighbour that does not answer is asked again after a fifth of a second, not a whole one, and for as long:
        // the first question of a NIC that just came up is easily lost, and until it is answered whoever it was about
        // gets nothing from an address this box takes over. Not faster: a gateway asks for every address that is scanned.
        // The kernel counts in ticks of 10, 4, 10/3 or 1 ms; 200 ms it gives back as they were written, 250 not always.
        for (family, optional) in [("ipv4", false), ("ipv6", !uses_ipv6)] {
            for (key, value) in [("retrans_time_ms", "200"), ("mcast_solicit", "15"), ("ucast_solicit", "15")] {
                settings.push(Setting { path: format!("net/{family}/neigh/{name}/{key}"), value, optional });
            }
        }
        let mut set = |family, key, value, optional| {
            settings.push(Setting { path: format!("net/{family}/conf/{name}/{key}"), value, optional });
        };
        // Two NICs on one segment: each answers for its own addresses alone, or a service address would be found at
        // the wrong one.
        set("ipv4", "arp_ignore", "1", false);
        set("ipv4", "arp_announce", "2", false);
        // Removing the first address of a prefix must not take the others with it.
        set("ipv4", "promote_secondaries", "1", false);
        if uses_ipv6 {
            set("ipv6", "disable_ipv6", "0", false);
        }
        // A link that is set down and up keeps its addresses, as IPv4's does.
        set("ipv6", "keep_addr_on_down", "1", !uses_ipv6);
    }
    settings
}

/// Writes one setting unless it is as wanted; `None`: it was.
pub(super) fn apply(root: &Path, setting: &Setting) -> Result<Option<Change>, NetworkError> {
    let file = root.join(&setting.path);
    let error = |source| NetworkError::Setting { path: setting.path.clone(), value: setting.value.to_owned(), source };
    let from = match fs::read_to_string(&file) {
        Ok(text) => text.trim().to_owned(),
        Err(source) if setting.optional && source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error(source)),
    };
    if from == setting.value {
        return Ok(None);
    }
    fs::write(&file, setting.value).map_err(error)?;
    Ok(Some(Change::Setting { path: setting.path.clone(), from, to: setting.value.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_written_only_if_it_differs() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "0\n").unwrap();
        let setting = |optional, name: &str| Setting { path: name.into(), value: "1", optional };
        let change = apply(root.path(), &setting(false, "a")).unwrap().unwrap();
        assert_eq!(change, Change::Setting { path: "a".into(), from: "0".into(), to: "1".into() });
        assert_eq!(fs::read_to_string(root.path().join("a")).unwrap(), "1");
        assert_eq!(apply(root.path(), &setting(false, "a")).unwrap(), None);
        assert_eq!(apply(root.path(), &setting(true, "missing")).unwrap(), None);
        let error = apply(root.path(), &setting(false, "missing")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
