//! Who is who in a lab: boxes, their addresses, and which service address is whose. Pure; the same plan in namespaces and
//! in virtual machines.
//!
//! Two groups run on the same boxes. In `http` every box has a preferred IPv4 and IPv6 address and the group one pool
//! address; in `gateway` the last box is a hot spare.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Fewest and most boxes of a lab: one box has nobody to take over, and each VM wants memory and a share of two cores.
pub const BOXES: std::ops::RangeInclusive<usize> = 2..=8;
/// The client's address on the segment; traps go there.
pub const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// The client's IPv6 address on the segment.
pub const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 0x254);
/// The group in which every box has preferred addresses.
pub const HTTP: &str = "http";
/// The group with a hot spare.
pub const GATEWAY: &str = "gateway";

/// What the boxes run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A network namespace and a raisd process each.
    Namespaces,
    /// A virtual machine each, booted from the appliance image.
    Machines,
}

/// The times a lab is configured with, and what they promise the client.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two info messages.
    pub beat: Duration,
    /// Silence after which a box is dead. A-8: at least 500 ms in VMs, where two cores carry every guest.
    pub dead_after: Duration,
    /// How long the kernel of a box with a dead raisd keeps the service addresses (G-33).
    pub lease: Duration,
    /// Between two probes of one address.
    pub probe_every: Duration,
    /// An answer may take this long: far above a round trip on a busy machine, far below a dead interval.
    pub answer_within: Duration,
    /// Client-seen outage allowed after the loss of a box.
    pub loss_bound: Duration,
    /// Client-seen outage allowed when a box stops cleanly.
    pub stop_bound: Duration,
    /// Client-seen outage allowed when an operator or a test moves an address.
    pub move_bound: Duration,
    /// Client-seen outage allowed when an address goes home to a box that just came up: that box may have to ask a second
    /// time who the client is, because the first question was lost while its port came up.
    pub return_bound: Duration,
    /// How long an address may be on two boxes, or none, after the client has seen it settle (S-1).
    pub settle_within: Duration,
    /// Silence that a bystander's address may show: scheduling of a busy machine, never a move.
    pub quiet_bound: Duration,
}

/// One box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxPlan {
    /// 1 for the first box; part of its addresses.
    pub number: u8,
    /// Host name.
    pub name: String,
}

/// One service address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The group that serves it.
    pub group: &'static str,
    /// The address.
    pub address: IpAddr,
    /// Index of its preferred box; `None`: a pool address.
    pub home: Option<usize>,
}

/// The whole lab.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the boxes run in.
    pub mode: Mode,
    /// The times.
    pub timing: Timing,
    /// The boxes; their index is used everywhere.
    pub boxes: Vec<BoxPlan>,
    /// The service addresses of all groups.
    pub services: Vec<Service>,
}

impl Timing {
    /// What suits the mode.
    pub const fn of(mode: Mode) -> Self {
        let ms = Duration::from_millis;
        match mode {
            Mode::Namespaces => Self {
                beat: ms(100),
                dead_after: ms(300),
                lease: ms(3000),
                probe_every: ms(2),
                answer_within: ms(50),
                loss_bound: ms(400),
                stop_bound: ms(50),
                move_bound: ms(100),
                return_bound: ms(300),
                settle_within: ms(300),
                quiet_bound: ms(50),
            },
            // Emulated boxes share two cores, and one may stand still for a second. With a shorter beat the others would
            // rightly ask after it and bury it; these bounds tell a move from none, not how fast the product is.
            Mode::Machines => Self {
                beat: ms(1000),
                dead_after: ms(3000),
                lease: ms(9000),
                probe_every: ms(10),
                answer_within: ms(300),
                loss_bound: ms(6000),
                stop_bound: ms(2500),
                move_bound: ms(2500),
                return_bound: ms(2500),
                settle_within: ms(10_000),
                quiet_bound: ms(2500),
            },
        }
    }
}

impl Plan {
    /// A lab of so many boxes, within [`BOXES`].
    pub fn new(mode: Mode, boxes: usize) -> Self {
        let count = boxes.clamp(*BOXES.start(), *BOXES.end());
        let boxes: Vec<_> =
            (1..=8).take(count).map(|number| BoxPlan { number, name: format!("edge-{number}") }).collect();
        let mut services = Vec::new();
        for (index, a_box) in boxes.iter().enumerate() {
            let home = Some(index);
            services.push(Service { group: HTTP, address: segment_v4(100 + a_box.number).into(), home });
            services.push(Service { group: HTTP, address: segment_v6(0x100 + u16::from(a_box.number)).into(), home });
        }
        services.push(Service { group: HTTP, address: segment_v4(150).into(), home: None });
        for (index, a_box) in boxes.iter().enumerate().take(count - 1) {
            services.push(Service {
                group: GATEWAY,
                address: segment_v4(200 + a_box.number).into(),
                home: Some(index),
            });
        }
        Self { mode, timing: Timing::of(mode), boxes, services }
    }

    /// The addresses of `group` that prefer box `index`.
    pub fn preferred(&self, group: &str, index: usize) -> Vec<IpAddr> {
        self.services.iter().filter(|s| s.group == group && s.home == Some(index)).map(|s| s.address).collect()
    }

    /// The pool addresses of `group`.
    pub fn pool(&self, group: &str) -> Vec<IpAddr> {
        self.services.iter().filter(|s| s.group == group && s.home.is_none()).map(|s| s.address).collect()
    }

    /// Every service address.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.services.iter().map(|service| service.address)
    }

    /// The box with this own address on the segment or the control network.
    pub fn owner_of(&self, own: IpAddr) -> Option<usize> {
        self.boxes.iter().position(|b| own == b.lan_v4() || own == b.lan_v6() || own == b.control_v4())
    }
}

impl BoxPlan {
    /// Its own address on the segment; its id in both groups.
    pub fn lan_v4(&self) -> Ipv4Addr {
        segment_v4(self.number)
    }

    /// Its own IPv6 address on the segment.
    pub fn lan_v6(&self) -> Ipv6Addr {
        segment_v6(u16::from(self.number))
    }

    /// Its address on the control network.
    pub fn control_v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 1, self.number)
    }

    /// MAC address of its NIC on the segment; it names the box in every answer.
    pub fn lan_mac(&self) -> Mac {
        Mac([0x52, 0x54, 0x00, 0x77, 0x00, self.number])
    }

    /// MAC address of its NIC on the control network.
    pub fn control_mac(&self) -> Mac {
        Mac([0x52, 0x54, 0x00, 0x77, 0x01, self.number])
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

const fn segment_v4(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host)
}

const fn segment_v6(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_address_stands_twice_in_a_plan() {
        for boxes in BOXES {
            let plan = Plan::new(Mode::Namespaces, boxes);
            let own = plan.boxes.iter().flat_map(|b| [IpAddr::from(b.lan_v4()), b.lan_v6().into()]);
            let all: Vec<IpAddr> =
                plan.addresses().chain(own).chain([IpAddr::from(CLIENT_V4), CLIENT_V6.into()]).collect();
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{boxes} boxes");
        }
    }

    #[test]
    fn the_last_box_is_a_hot_spare_of_the_gateway_group() {
        let plan = Plan::new(Mode::Machines, 3);
        assert_eq!(plan.preferred(GATEWAY, 0).len(), 1);
        assert_eq!(plan.preferred(GATEWAY, 2), Vec::<IpAddr>::new());
        assert_eq!(plan.preferred(HTTP, 2).len(), 2);
    }
}
