//! What each box of a lab is configured with: the bundle an engineer would write, signed by the commands he would use.
//!
//! The text is rendered from the plan; keys and community are made anew for every lab. It knows the keys of
//! `config/rais.toml`, and nothing of how raisd reads them.

use super::network::{CONTROL, LAN};
use super::plan::{BoxPlan, CLIENT_V4, GATEWAY, HTTP, Mode, Plan};
use anyhow::{Context, Result, ensure};
use rand::RngCore;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the test object's listener is, inside a box's namespace.
pub const LISTENER: &str = "127.0.0.1:8080";
/// The v2c community of a lab: nothing but the lab's own network can reach these agents.
pub const COMMUNITY: &str = "lab";
/// The zone that the `http` group keeps.
pub const ZONE: &str = "www.lab.example";
/// The test object of the `http` group.
pub const TEST: &str = "web";

/// What all bundles of one lab share.
#[derive(Debug)]
pub struct Signing {
    key: PathBuf,
    /// Public keys the boxes trust, as raisd and the image want them.
    pub keyring: PathBuf,
    http_key: String,
    gateway_key: String,
}

/// The bundle of one box, on disk.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The directory that is signed.
    pub directory: PathBuf,
    /// Files whose presence makes the acquire or release script of this box fail; `None` in a VM, where nothing could
    /// run a script.
    pub script_faults: Option<ScriptFaults>,
    /// It has the test object, whose service the lab runs.
    pub tested: bool,
}

/// How a lab makes a script fail.
#[derive(Clone, Debug)]
pub struct ScriptFaults {
    /// While this exists, the acquire script fails.
    pub acquire: PathBuf,
    /// While this exists, the release script fails.
    pub release: PathBuf,
}

impl Signing {
    /// Makes an OpenSSH key pair and the group keys.
    pub fn create(directory: &Path) -> Result<Self> {
        let key = directory.join("lab_signing_key");
        let output = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab@localhost", "-f"])
            .arg(&key)
            .output()
            .context("ssh-keygen does not start")?;
        ensure!(output.status.success(), "ssh-keygen: {}", String::from_utf8_lossy(&output.stderr).trim());
        let public = fs::read_to_string(key.with_extension("pub"))?;
        let keyring = directory.join("keyring");
        fs::write(&keyring, keyring_text(&public))?;
        Ok(Self { key, keyring, http_key: group_key(), gateway_key: group_key() })
    }

    /// Writes the bundle of one box and signs it with `raisctl`.
    pub fn bundle(&self, plan: &Plan, a_box: &BoxPlan, directory: &Path, raisctl: &Path) -> Result<Bundle> {
        let root = directory.join("bundle");
        for part in ["secrets", "zones"] {
            fs::create_dir_all(root.join(part))?;
        }
        fs::write(root.join("rais.toml"), configuration(plan, a_box))?;
        fs::write(root.join("zones/www.header"), zone_header())?;
        for (name, secret) in
            [("http.key", &*self.http_key), ("gateway.key", &*self.gateway_key), ("snmp.community", COMMUNITY)]
        {
            write_secret(&root, name, secret)?;
        }
        let script_faults = match plan.mode {
            Mode::Machines => None,
            Mode::Namespaces => Some(write_scripts(&root, directory)?),
        };
        self.sign(&root, raisctl)?;
        Ok(Bundle { directory: root, script_faults, tested: plan.mode == Mode::Namespaces })
    }

    /// The bundle of a box with one group, `http`, and nothing else: `text` is its `rais.toml`, which may name
    /// `secrets/http.key` and what else is given, by name and content.
    pub fn plain_bundle(
        &self,
        text: &str,
        secrets: &[(&str, &str)],
        directory: &Path,
        raisctl: &Path,
    ) -> Result<Bundle> {
        let root = directory.join("bundle");
        fs::create_dir_all(root.join("secrets"))?;
        fs::write(root.join("rais.toml"), text)?;
        for (name, secret) in [("http.key", &*self.http_key)].iter().chain(secrets) {
            write_secret(&root, name, secret)?;
        }
        self.sign(&root, raisctl)?;
        Ok(Bundle { directory: root, script_faults: None, tested: false })
    }

    fn sign(&self, root: &Path, raisctl: &Path) -> Result<()> {
        let output = Command::new(raisctl)
            .args(["config", "sign"])
            .arg(root)
            .arg("--key")
            .arg(&self.key)
            .args(["--generation", "1"])
            .output()
            .context("raisctl does not start")?;
        ensure!(output.status.success(), "raisctl config sign: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}

/// One line an `authorized_keys` style reader takes: the lab's key may sign configurations.
fn keyring_text(public: &str) -> String {
    format!("lab namespaces=\"rais-config@v1\" {public}")
}

/// A file that only its owner reads.
fn write_secret(root: &Path, name: &str, secret: &str) -> Result<()> {
    let path = root.join("secrets").join(name);
    fs::write(&path, format!("{secret}\n"))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
}

/// 32 random octets in hexadecimal.
fn group_key() -> String {
    let mut octets = [0_u8; 32];
    rand::rngs::OsRng.fill_bytes(&mut octets);
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Scripts that fail while their file of faults exists.
fn write_scripts(root: &Path, directory: &Path) -> Result<ScriptFaults> {
    fs::create_dir_all(root.join("scripts"))?;
    let faults = ScriptFaults { acquire: directory.join("acquire-fails"), release: directory.join("release-fails") };
    for (name, fault) in [("acquire", &faults.acquire), ("release", &faults.release)] {
        let path = root.join("scripts").join(name);
        fs::write(
            &path,
            format!(
                "#!/bin/sh\n# {name}: what a service needs besides the address; here only a way to fail on demand.\n\
                 if [ -e '{}' ]; then echo \"told to fail\" >&2; exit 1; fi\nexit 0\n",
                fault.display()
            ),
        )?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(faults)
}

/// The zone's own records.
fn zone_header() -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 300\n@ IN SOA ns.{ZONE}. hostmaster.{ZONE}. ( 1 3600 600 86400 5 )\n@ IN NS ns.{ZONE}.\n\
         ns IN A {CLIENT_V4}\n"
    )
}

/// The box's `rais.toml`.
fn configuration(plan: &Plan, a_box: &BoxPlan) -> String {
    let index = usize::from(a_box.number) - 1;
    let nic = |name: &str, mac| match plan.mode {
        Mode::Namespaces => format!("kernel_name = \"{name}\""),
        Mode::Machines => format!("mac = \"{mac}\""),
    };
    let mut text = format!(
        r#"version = 1

[box]
name = "{name}"
contact = "the lab"
location = "a bench"

[[interface]]
name = "lan"
{lan}
addresses = ["{lan_v4}/24", "{lan_v6}/64"]

[[interface]]
name = "control"
{control}
addresses = ["{control_v4}/24"]

[forwarding]
ipv4 = true
ipv6 = true

[[load]]
name = "cpu"
type = "cpu"
"#,
        name = a_box.name,
        lan = nic(LAN, a_box.lan_mac()),
        control = nic(CONTROL, a_box.control_mac()),
        lan_v4 = a_box.lan_v4(),
        lan_v6 = a_box.lan_v6(),
        control_v4 = a_box.control_v4(),
    );
    if plan.mode == Mode::Namespaces {
        let _ = write!(
            text,
            r#"
[[test]]
name = "{TEST}"
type = "tcp-connect"
target = "{LISTENER}"
interval = "200ms"
timeout = "100ms"
fall = 2
rise = 2
"#
        );
    }
    for (number, group) in [(1, HTTP), (2, GATEWAY)] {
        let _ = write!(text, "{}", group_text(plan, index, group, number));
    }
    let _ = write!(
        text,
        r#"
[[zone]]
name = "{ZONE}"
group = "{HTTP}"
header = "zones/www.header"
file = "zones/{ZONE}.zone"

[[snmp.community]]
file = "secrets/snmp.community"

[[snmp.receiver]]
address = "{CLIENT_V4}:162"
community_file = "secrets/snmp.community"
"#
    );
    text
}

/// One `[[group]]`; `number` tells its multicast address and port from the others'.
fn group_text(plan: &Plan, index: usize, group: &str, number: u8) -> String {
    let mut text = format!(
        r#"
[[group]]
name = "{group}"
address = "239.77.0.{number}"
port = {port}
control_interfaces = ["lan", "control"]
service_interface = "lan"
preferred_addresses = {preferred}
pool_addresses = {pool}
beat = "{beat}ms"
dead_after = "{dead_after}ms"
lease = "{lease}ms"
keys = [{{ id = 1, file = "secrets/{group}.key" }}]
send_key = 1
"#,
        port = 7076 + u16::from(number),
        preferred = list(&plan.preferred(group, index)),
        pool = list(&plan.pool(group)),
        beat = plan.timing.beat.as_millis(),
        dead_after = plan.timing.dead_after.as_millis(),
        lease = plan.timing.lease.as_millis(),
    );
    if group == HTTP {
        text.push_str("load = \"cpu\"\n");
        if plan.mode == Mode::Namespaces {
            text.push_str("acquire_script = \"scripts/acquire\"\nrelease_script = \"scripts/release\"\n");
            let _ = writeln!(text, "tests = [\"{TEST}\"]");
        }
    }
    text
}

/// A TOML array of strings.
fn list(addresses: &[IpAddr]) -> String {
    let quoted: Vec<_> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every `table.key` of a TOML text, list positions left out.
    fn keys(value: &toml::Value, path: &str, into: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    keys(value, &path, into);
                    into.insert(path);
                }
            }
            toml::Value::Array(values) => values.iter().for_each(|value| keys(value, path, into)),
            _ => {}
        }
    }

    fn keys_of(text: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        keys(&toml::Value::Table(text.parse().unwrap()), "", &mut found);
        found
    }

    #[test]
    fn a_lab_uses_no_key_that_the_commented_configuration_lacks() {
        let mut known = keys_of(include_str!("../../../config/rais.toml"));
        known.insert("interface.kernel_name".into());
        for mode in [Mode::Namespaces, Mode::Machines] {
            let plan = Plan::new(mode, 3);
            for a_box in &plan.boxes {
                let used = keys_of(&configuration(&plan, a_box));
                assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
            }
        }
    }

    #[test]
    fn a_group_key_is_thirty_two_octets_and_never_the_same() {
        let (one, other) = (group_key(), group_key());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
    }
}
