//! Who is measured: ours and keepalived, and how each is configured to do the same.
//!
//! Three boxes; the first is the preferred one of every address, and leads. keepalived speaks VRRP version 3, which alone
//! has beats below a second.

use super::Kit;
use crate::lab::{BoxPlan, Bundle, COMMUNITY, CONTROL, Firmware, LAN};
use anyhow::{Result, ensure};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// How many boxes there are.
pub const BOXES: u8 = 3;
/// The box that has every address while it is well; it leads.
pub const HOME: usize = 0;
/// Where ours talk; the loss of protocol packets goes by this port.
pub const PORT: u16 = 7077;
/// VRRP's protocol number (RFC 5798 §5.1.1.4).
pub const VRRP: u8 = 112;
/// Virtual router ids there are: 1 to 255 (RFC 5798 §5.2.3).
pub const VRIDS: usize = 255;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Subject {
    /// Debian's.
    Keepalived,
    /// This project's.
    Ours,
}

/// What is configured.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Between two messages.
    pub beat: Duration,
    /// How many service addresses there are, all of them the first box's.
    pub addresses: u16,
    /// How they may move, and which network keepalived talks on.
    pub layout: Layout,
    /// Ours answers SNMP.
    pub agent: bool,
}

/// What is different for keepalived, where ours needs no such choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All addresses in one VRRP instance: they move together. VRRP on the segment, as is usual.
    Together,
    /// An instance for each address, so that each may move alone.
    Apart,
    /// One instance that talks on the control network and tracks the segment's carrier.
    ControlNetwork,
}

impl Subject {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Ours => "ours",
        }
    }

    /// What its boxes run.
    pub fn firmware(self, kit: &Kit) -> Firmware {
        match self {
            Self::Keepalived => Firmware::Keepalived(kit.keepalived.clone()),
            Self::Ours => Firmware::Raisd(kit.raisd.clone()),
        }
    }

    /// Writes what one box is configured with.
    pub fn bundle(self, kit: &Kit, setup: &Setup, a_box: &BoxPlan, directory: &Path) -> Result<Bundle> {
        match self {
            Self::Ours => {
                let secrets = if setup.agent { &[("community", COMMUNITY)][..] } else { &[] };
                kit.signing.plain_bundle(&rais_toml(setup, a_box), secrets, directory, &kit.raisctl)
            }
            Self::Keepalived => {
                let instances = if setup.layout == Layout::Apart { usize::from(setup.addresses) } else { 1 };
                ensure!(instances <= VRIDS, "impossible: VRRP has {VRIDS} router ids");
                std::fs::write(directory.join("keepalived.conf"), keepalived_conf(setup, a_box))?;
                Ok(Bundle { directory: directory.to_owned(), script_faults: None, tested: false })
            }
        }
    }

    /// Whether an IPv4 packet is one of its protocol's.
    pub fn speaks_in(self, packet: &[u8]) -> bool {
        const UDP: u8 = 17;
        let header = packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        match (self, packet.get(9)) {
            (Self::Keepalived, protocol) => protocol == Some(&VRRP),
            (Self::Ours, protocol) => {
                protocol == Some(&UDP) && packet.get(header + 2..header + 4) == Some(&PORT.to_be_bytes()[..])
            }
        }
    }

    /// The match of `nft` for its protocol's packets.
    pub fn protocol_match(self) -> String {
        match self {
            Self::Keepalived => format!("ip protocol {VRRP}"),
            Self::Ours => format!("udp dport {PORT}"),
        }
    }
}

impl Setup {
    /// So many addresses that move together, at this beat.
    pub const fn new(beat_ms: u64, addresses: u16) -> Self {
        Self { beat: Duration::from_millis(beat_ms), addresses, layout: Layout::Together, agent: false }
    }

    /// Each of them may move alone.
    pub const fn apart(self) -> Self {
        Self { layout: Layout::Apart, ..self }
    }

    /// The protocol has a second network to talk on.
    pub const fn control_network(self) -> Self {
        Self { layout: Layout::ControlNetwork, ..self }
    }

    /// Ours is asked by managers meanwhile.
    pub const fn with_agent(self) -> Self {
        Self { agent: true, ..self }
    }

    /// Silence after which a box is dead, for both: three beats, and a little more for VRRP.
    pub fn dead_after(&self) -> Duration {
        self.beat * 3
    }

    /// How long the kernel of a killed box of ours keeps its addresses: the default.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(3).max(self.beat * 3)
    }

    /// The service addresses.
    pub fn service_addresses(&self) -> Vec<IpAddr> {
        (0..self.addresses).map(service_address).collect()
    }
}

/// The boxes.
pub fn boxes() -> Vec<BoxPlan> {
    (1..=BOXES).map(|number| BoxPlan { number, name: format!("edge-{number}") }).collect()
}

/// The network of all service addresses, outside the boxes' own.
pub const SERVICE_NETWORK: &str = "10.78.0.0/16";

/// What lets managers ask.
const AGENT: &str = "[snmp]\nlisten = [\"0.0.0.0:161\"]\n[[snmp.community]]\nfile = \"secrets/community\"\n";

fn service_address(index: u16) -> IpAddr {
    let [high, low] = index.to_be_bytes();
    // 128 and up, so that no address ends in 0 or 255.
    IpAddr::V4(Ipv4Addr::new(10, 78, high * 2 + u8::from(low >= 128), 1 + (low & 0x7f)))
}

fn rais_toml(setup: &Setup, a_box: &BoxPlan) -> String {
    let mut preferred = String::new();
    if usize::from(a_box.number) == HOME + 1 {
        for address in setup.service_addresses() {
            let _ = write!(preferred, "\"{address}\", ");
        }
    }
    format!(
        r#"version = 1

[box]
name = "{name}"

[[interface]]
name = "lan"
kernel_name = "{LAN}"
addresses = ["{lan}/24"]

[[interface]]
name = "control"
kernel_name = "{CONTROL}"
addresses = ["{control}/24"]

[[group]]
name = "bench"
address = "239.77.0.1"
port = {PORT}
control_interfaces = ["lan", "control"]
service_interface = "lan"
preferred_addresses = [{preferred}]
beat = "{beat}ms"
dead_after = "{dead_after}ms"
lease = "{lease}ms"
# A box falls in every round, and is to be back before the next.
damping = "off"
keys = [{{ id = 1, file = "secrets/http.key" }}]
{agent}"#,
        name = a_box.name,
        lan = a_box.lan_v4(),
        control = a_box.control_v4(),
        beat = setup.beat.as_millis(),
        dead_after = setup.dead_after().as_millis(),
        lease = setup.lease().as_millis(),
        agent = if setup.agent { AGENT } else { "" },
    )
}

fn keepalived_conf(setup: &Setup, a_box: &BoxPlan) -> String {
    // The first box's first; by RFC 5798 the skew of the second is (256 - 100) / 256 of a beat.
    let priority = [200, 100, 50].get(usize::from(a_box.number) - 1).copied().unwrap_or(10);
    let mut text = format!("global_defs {{\n  router_id {}\n  vrrp_version 3\n}}\n", a_box.name);
    let addresses = setup.service_addresses();
    let per_instance = if setup.layout == Layout::Apart { 1 } else { addresses.len().max(1) };
    for (number, addresses) in addresses.chunks(per_instance).enumerate() {
        let (interface, track) = match setup.layout {
            Layout::ControlNetwork => (CONTROL, format!("  track_interface {{\n    {LAN}\n  }}\n")),
            Layout::Together | Layout::Apart => (LAN, String::new()),
        };
        let _ = write!(
            text,
            "vrrp_instance V{id} {{\n  state BACKUP\n  interface {interface}\n  virtual_router_id {id}\n  priority \
             {priority}\n  advert_int {advert}\n{track}",
            id = number + 1,
            advert = setup.beat.as_secs_f64(),
        );
        // An advertisement has room for few: the others are configured all the same, and not advertised.
        for (block, addresses) in
            [("virtual_ipaddress", &addresses[..1]), ("virtual_ipaddress_excluded", &addresses[1..])]
        {
            if !addresses.is_empty() {
                let _ = writeln!(text, "  {block} {{");
                addresses.iter().for_each(|address| {
                    let _ = writeln!(text, "    {address}/32 dev {LAN}");
                });
                text.push_str("  }\n");
            }
        }
        text.push_str("}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_thousand_service_addresses_are_a_thousand() {
        let addresses = Setup::new(100, 1000).service_addresses();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert!(addresses.iter().all(|a| matches!(a, IpAddr::V4(a) if !matches!(a.octets()[3], 0 | 255))));
    }

    #[test]
    fn keepalived_has_an_instance_for_each_address_that_may_move_alone() {
        let a_box = &boxes()[0];
        let count = |setup: Setup| keepalived_conf(&setup, a_box).matches("vrrp_instance").count();
        assert_eq!(count(Setup::new(100, 100)), 1);
        assert_eq!(count(Setup::new(100, 100).apart()), 100);
        assert!(keepalived_conf(&Setup::new(10, 1), a_box).contains("advert_int 0.01\n"));
    }
}
